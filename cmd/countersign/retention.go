package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const retentionHelp = `countersign retention is about what is disposed of, and what must not be: docs/retention.md.
How long what is kept is in the settings of serve.

  countersign retention list          every disposal, by the leaf of its certificate
  countersign retention certificate   one certificate for filing, with proof that it is in the log
  countersign retention hold          place a legal hold: nothing that it covers is disposed of
  countersign retention holds         every hold, and which are in force
  countersign retention release       end a hold

example: countersign retention hold --org acme --reason "Case 2026-17" --repository acme/shop`

const retentionListHelp = `countersign retention list prints every disposal of an organisation's data.

example:
  countersign retention list --org acme`

const certificateHelp = `countersign retention certificate prints what one disposal took away, when, why and by whose
word, with the record's exact bytes and proof that it is in the log of the signed checkpoint.

usage: countersign retention certificate --org LOGIN LEAF

example:
  countersign retention certificate --org acme 4711 > certificate-4711.txt`

const holdHelp = `countersign retention hold places a legal hold. Until it is released or has ended, nothing that
it covers is disposed of: not by age, not after uninstallation, and not because somebody asks for
the erasure of their data. What is about no repository in particular is covered by every hold.

example:
  countersign retention hold --org acme --reason "Case 2026-17" --repository acme/shop --until 2027-06-30`

const holdsHelp = `countersign retention holds prints every legal hold that was ever placed.

example:
  countersign retention holds --org acme`

const releaseHelp = `countersign retention release ends a legal hold.

usage: countersign retention release --org LOGIN --reason TEXT ID

example:
  countersign retention release --org acme --reason "Case 2026-17 is closed" 4e0f2f6c-…`

func runRetention(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "retention", retentionHelp, map[string]func(context.Context, []string, environment) error{
		"list": runRetentionList, "certificate": runCertificate, "hold": runHold, "holds": runHolds, "release": runRelease,
	}, args, env)
}

func runRetentionList(ctx context.Context, args []string, env environment) error {
	flags := newFlags("retention list", env.stderr, retentionListHelp)
	database, login := databaseFlag(flags, env), orgFlag(flags)
	asJSON := flags.Bool("json", false, "print one JSON object per disposal, as it is in the log")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		list, err := n.Disposals(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return printLines(env.stdout, list, func(c store.Certified) any { return c.Disposal })
		}
		for _, c := range list {
			fmt.Fprintf(env.stdout, "%s  leaf %d  %s: %s\n", policy.WhenUTC(c.At), c.LeafIndex, c.Reason, disposedOf(c.Disposal))
		}
		if len(list) == 0 {
			fmt.Fprintln(env.stdout, "Nothing was disposed of.")
		}
		return nil
	})
}

// disposedOf counts what a disposal took away.
func disposedOf(d store.Disposal) string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(d.Kinds)) {
		out = append(out, fmt.Sprintf("%d %s", d.Kinds[kind], kind))
	}
	for _, c := range []struct {
		n    int64
		what string
	}{{d.Observations, "observed events"}, {d.Deliveries, "payloads"}, {d.Blobs, "facts, policies and catalogues"}} {
		if c.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(out, ", ")
}

func runCertificate(ctx context.Context, args []string, env environment) error {
	flags := newFlags("retention certificate", env.stderr, certificateHelp)
	database, login, keyFile := databaseFlag(flags, env), orgFlag(flags), keyFlag(flags, env)
	if err := parseSome(flags, args); err != nil {
		return err
	}
	leaf, err := strconv.ParseInt(flags.Arg(0), 10, 64)
	if err != nil || flags.NArg() != 1 {
		fmt.Fprintln(env.stderr, "countersign retention certificate: the leaf of one disposal is needed; countersign retention list prints them")
		return errUsage
	}
	key, err := readSigningKey(*keyFile)
	if err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database, Signer: key}, *login, flags, func(org store.OrgRow, n store.Tenant) error {
		return printCertificate(ctx, n, org, leaf, env.stdout)
	})
}

func printCertificate(ctx context.Context, n store.Tenant, org store.OrgRow, index int64, w io.Writer) error {
	raw, salt, body, err := n.RecordAt(ctx, index)
	if err != nil {
		return err
	}
	leaf, err := ledger.DecodeLeaf(raw)
	if err != nil {
		return err
	}
	if leaf.Kind != store.LeafDisposal {
		return fmt.Errorf("leaf %d is of kind %s, and no disposal\nhint: countersign retention list prints the disposals", index, leaf.Kind)
	}
	var d store.Disposal
	if err := json.Unmarshal(body, &d); err != nil {
		return fmt.Errorf("record of leaf %d: %w", index, err)
	}
	signed, size, err := n.Checkpoint(ctx)
	if err != nil {
		return err
	}
	_, proof, _, err := n.InclusionAt(ctx, index, size)
	if err != nil {
		return err
	}
	by := "the settings"
	if d.By != (store.Who{}) {
		by = visible(d.By.String())
	}
	fmt.Fprintf(w, "CERTIFICATE OF DISPOSAL\n\nOrganisation: %s (id %d)\nLeaf of the log: %d, recorded %s\nReason: %s. %s\nBy: %s\n", visible(org.Login), org.ID, index,
		policy.WhenUTC(leaf.RecordedAt), d.Reason, visible(d.Why), by)
	if !d.Before.IsZero() {
		fmt.Fprintf(w, "From before: %s\n", policy.WhenUTC(d.Before))
	}
	fmt.Fprintf(w, "Disposed of: %s\n", disposedOf(d))
	printRuns(w, "Leaves whose bodies and salts are gone", d.Leaves)
	printRuns(w, "Observations whose bodies are gone", d.Seqs)
	if d.Deliveries > 0 {
		fmt.Fprintf(w, "Payloads received from %s to %s\n", policy.WhenUTC(d.ReceivedFrom), policy.WhenUTC(d.ReceivedTo))
	}
	fmt.Fprintf(w, "\nThe leaf: %s\nSalt, in hexadecimal: %x\nThe record, whose SHA-256 after the salt is in the leaf:\n%s\n\nInclusion proof (RFC 6962) of leaf %d in %d leaves:\n", raw, salt, body, index, size)
	for _, hash := range proof {
		fmt.Fprintf(w, "  %s\n", hash)
	}
	fmt.Fprintf(w, "\nSigned checkpoint of the log:\n\n%s", signed)
	return nil
}

func printRuns(w io.Writer, what string, runs []ledger.Run) {
	if len(runs) == 0 {
		return
	}
	fmt.Fprintf(w, "%s: %s\n", what, ledger.RunsText(runs))
}

func runHold(ctx context.Context, args []string, env environment) error {
	flags := newFlags("retention hold", env.stderr, holdHelp)
	database, login, keyFile := databaseFlag(flags, env), orgFlag(flags), keyFlag(flags, env)
	reason := flags.String("reason", "", "why, as `text`; it stays in the log")
	repository := flags.String("repository", "", "hold only what is about this repository, `owner/name`")
	until := flags.String("until", "", "last `date` of the hold, YYYY-MM-DD, UTC")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	h := store.LegalHold{Reason: strings.TrimSpace(*reason)}
	if h.Reason == "" {
		fmt.Fprintln(env.stderr, "countersign retention hold: --reason is needed")
		return errUsage
	}
	if *until != "" {
		last, err := time.Parse(time.DateOnly, *until)
		if err != nil {
			return fmt.Errorf("--until %q is not a date\nhint: write YYYY-MM-DD", *until)
		}
		h.Until = last.AddDate(0, 0, 1)
	}
	var err error
	if h.By, err = operator(); err != nil {
		return err
	}
	// A hold may be the first record of a log, which has the name of the key.
	key, err := readSigningKey(*keyFile)
	if err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database, Signer: key}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		return placeHold(ctx, n, h, *repository, env.stdout)
	})
}

// placeHold places a hold on an organisation, or on every repository that ever had a name.
func placeHold(ctx context.Context, n store.Tenant, h store.LegalHold, repository string, w io.Writer) error {
	ids := []int64{0}
	if repository != "" {
		var err error
		if ids, err = n.RepositoryIDs(ctx, repository); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("nothing is held about a repository %q\nhint: write owner/name, or leave --repository out to hold all of the organisation", repository)
		} else if err != nil {
			return err
		}
	}
	for _, id := range ids {
		h.RepoID, h.Repository = id, repository
		placed, err := n.PlaceHold(ctx, h)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "Hold %s is in force: %s.\n", placed.ID, coveredBy(placed))
	}
	return nil
}

func coveredBy(h store.LegalHold) string {
	return cmp.Or(visible(h.Repository), "all of the organisation")
}

func runHolds(ctx context.Context, args []string, env environment) error {
	flags := newFlags("retention holds", env.stderr, holdsHelp)
	database, login := databaseFlag(flags, env), orgFlag(flags)
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		list, err := n.Holds(ctx)
		for _, h := range list {
			fmt.Fprintf(env.stdout, "%s  %s  %s\n  %s\n  placed %s by %s, leaf %d\n", h.ID, stateOfHold(h, time.Now()), coveredBy(h.LegalHold), visible(h.Reason),
				policy.WhenUTC(h.At), visible(h.By.String()), h.LeafIndex)
		}
		if err == nil && len(list) == 0 {
			fmt.Fprintln(env.stdout, "No hold was ever placed.")
		}
		return err
	})
}

func stateOfHold(h store.Held, now time.Time) string {
	switch {
	case !h.ReleasedAt.IsZero():
		return "released " + policy.WhenUTC(h.ReleasedAt)
	case !h.InForce(now):
		return "ended " + policy.WhenUTC(h.Until)
	case !h.Until.IsZero():
		return "IN FORCE until " + policy.WhenUTC(h.Until)
	}
	return "IN FORCE"
}

func runRelease(ctx context.Context, args []string, env environment) error {
	flags := newFlags("retention release", env.stderr, releaseHelp)
	database, login := databaseFlag(flags, env), orgFlag(flags)
	reason := flags.String("reason", "", "why, as `text`; it stays in the log")
	if err := parseSome(flags, args); err != nil {
		return err
	}
	if strings.TrimSpace(*reason) == "" || flags.NArg() != 1 {
		fmt.Fprintln(env.stderr, "countersign retention release: --reason and the id of one hold are needed; countersign retention holds prints them")
		return errUsage
	}
	by, err := operator()
	if err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		if err := n.ReleaseHold(ctx, flags.Arg(0), by, strings.TrimSpace(*reason)); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("no hold %q is in force\nhint: countersign retention holds prints them", flags.Arg(0))
		} else if err != nil {
			return err
		}
		fmt.Fprintln(env.stdout, "Released.")
		return nil
	})
}
