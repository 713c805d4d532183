package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign/countersign/store"
)

const personHelp = `countersign person is about what is held about one account of GitHub: docs/retention.md.

  countersign person export    everything that names it, as JSON lines
  countersign person erase     dispose of that, with a certificate

example: countersign person export --org acme --id 583231 > person.jsonl`

const personExportHelp = `countersign person export prints everything that is held and names an account, as JSON lines: what
events said, records with decisions and facts, payloads. It is found by the account's numeric id
and by the logins that it was seen with. Read it before you erase: a login that is a common
word finds too much.

example:
  countersign person export --org acme --id 583231 > person.jsonl`

const personEraseHelp = `countersign person erase disposes of every body that names an account. A body that names several
people goes whole. What an open pull request, an exception that is not settled or a policy in
force needs stays, and so does what a legal hold covers; that is counted, and can be erased later.
The certificates hold your reason and do not name the account: name nobody in the reason either.

example:
  countersign person erase --org acme --id 583231 --reason "Request 2026-31"`

func runPerson(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "person", personHelp, map[string]func(context.Context, []string, environment) error{"export": runPersonExport, "erase": runPersonErase}, args, env)
}

func runPersonExport(ctx context.Context, args []string, env environment) error {
	flags := newFlags("person export", env.stderr, personExportHelp)
	database, login := databaseFlag(flags, env), orgFlag(flags)
	id := flags.Int64("id", 0, "numeric `id` of the account")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *id <= 0 {
		fmt.Fprintln(env.stderr, "countersign person export: --id is needed; gh api users/LOGIN --jq .id prints it")
		return errUsage
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		out := json.NewEncoder(env.stdout)
		return n.Person(ctx, *id, func(i store.PersonItem) error { return out.Encode(i) })
	})
}

func runPersonErase(ctx context.Context, args []string, env environment) error {
	flags := newFlags("person erase", env.stderr, personEraseHelp)
	database, login, keyFile := databaseFlag(flags, env), orgFlag(flags), keyFlag(flags, env)
	id := flags.Int64("id", 0, "numeric `id` of the account")
	reason := flags.String("reason", "", "why, as `text`; it stays in the log")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *id <= 0 || strings.TrimSpace(*reason) == "" {
		fmt.Fprintln(env.stderr, "countersign person erase: --id and --reason are needed")
		return errUsage
	}
	by, err := operator()
	if err != nil {
		return err
	}
	key, err := readSigningKey(*keyFile)
	if err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database, Signer: key}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		done, err := n.ErasePerson(ctx, *id, by, strings.TrimSpace(*reason))
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "Disposed of: %d records, %d observed events, %d payloads. countersign retention list prints the certificates.\n", done.Records, done.Observations, done.Deliveries)
		for _, why := range slices.Sorted(maps.Keys(done.Kept)) {
			fmt.Fprintf(env.stdout, "NOT ERASED: %d, because %s.\n", done.Kept[why], why)
		}
		return nil
	})
}
