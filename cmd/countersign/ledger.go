package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

const ledgerHelp = `countersign ledger is about the decision log: docs/ledger.md.

  countersign ledger check            re-hash all of it, and name the first record that does not hold
  countersign ledger anchor           keep the newest checkpoint in a clone of a repository
  countersign ledger new-generation   let a log go on after an old copy of the database was restored
  countersign ledger new-key          make the key that signs it, before the first start

example: countersign ledger check --database sqlite:countersign.db --key countersign.key`

const ledgerCheckHelp = `countersign ledger check re-hashes the decision log of every organisation: each body
against its leaf, each leaf against the tree, each checkpoint against its signature and
against the next one, and each row that says again what a leaf says against that leaf. It
names the first record that does not hold, and exits with 1. It changes nothing.

example:
  countersign ledger check --database sqlite:countersign.db --key countersign.key --org acme`

// errLedger is a log that does not hold; what is wrong has been printed.
var errLedger = errors.New("the log does not hold")

func runLedger(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "ledger", ledgerHelp, map[string]func(context.Context, []string, environment) error{
		"check": runLedgerCheck, "new-generation": runNewGeneration, "anchor": runAnchor, "new-key": runNewKey,
	}, args, env)
}

func runLedgerCheck(ctx context.Context, args []string, env environment) error {
	flags := newFlags("ledger check", env.stderr, ledgerCheckHelp)
	database := databaseFlag(flags, env)
	keyFile := publicKeyFlag(flags, env)
	org := flags.String("org", "", "only this organisation, by `login`")
	asJSON := flags.Bool("json", false, "print one JSON object per organisation")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	verifier, err := readKey(*keyFile)
	if err != nil {
		return err
	}
	return withDatabase(ctx, store.Options{URL: *database, Verifiers: []note.Verifier{verifier}}, func(st *store.Store) error {
		return checkLogs(ctx, st, *org, *asJSON, env)
	})
}

// readKey reads what checks the log's signatures: the public key, or the signing key, which
// knows its own.
func readKey(file string) (note.Verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("key of the log: %w\n  hint: --key names the signing key that serve uses, or the public key that it gave at its first start", err)
	}
	if key, err := ledger.ParseKey(string(text)); err == nil {
		return key.Verifier(), nil
	}
	verifier, err := ledger.ParseVerifier(string(text))
	if err != nil {
		return nil, fmt.Errorf("key of the log %s: %w", file, err)
	}
	return verifier, nil
}

// orgReport is what --json prints of one organisation.
type orgReport struct {
	Organisation string             `json:"organisation"`
	OK           bool               `json:"ok"`
	Report       store.LedgerReport `json:"report"`
}

func checkLogs(ctx context.Context, st *store.Store, login string, asJSON bool, env environment) error {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	if login != "" {
		orgs = slices.DeleteFunc(orgs, func(o store.OrgRow) bool { return !strings.EqualFold(o.Login, login) })
		if len(orgs) == 0 {
			return fmt.Errorf("the database holds no organisation %s, so nothing was checked", login)
		}
	}
	if len(orgs) == 0 && !asJSON {
		fmt.Fprintln(env.stdout, "The database holds no organisation yet, so there is no log to check.")
	}
	broken := false
	for _, org := range orgs {
		report, err := st.Tenant(org.ID).CheckLedger(ctx, progress(env.stderr, org.Login+": leaves"))
		if err != nil {
			return fmt.Errorf("check the log of %s: %w", org.Login, err)
		}
		broken = broken || report.FirstBad != nil
		if asJSON {
			if err := json.NewEncoder(env.stdout).Encode(orgReport{org.Login, report.FirstBad == nil, report}); err != nil {
				return err
			}
			continue
		}
		printReport(env.stdout, org.Login, report)
	}
	if broken {
		return errLedger
	}
	return nil
}

func printReport(w io.Writer, org string, r store.LedgerReport) {
	if r.FirstBad != nil {
		at := fmt.Sprintf("leaf %d", r.FirstBad.Index)
		if r.FirstBad.Kind != "" {
			at += ", kind " + r.FirstBad.Kind
		}
		fmt.Fprintf(w, "%s: BROKEN at %s: %s\n", org, at, r.FirstBad.What)
		fmt.Fprint(w, "  hint: what comes after it was not looked at. Keep this database as it is, check the newest backup the same way,\n"+
			"  and compare the checkpoints that others kept (docs/ledger.md)\n")
		return
	}
	fmt.Fprintf(w, "%s: ok, %d leaves, root %s, %d signed checkpoints\n", org, r.Size, r.Root, r.Checkpoints)
	for _, g := range r.Generations {
		fmt.Fprintf(w, "  %s\n", describeGeneration(g))
	}
	kinds := make([]string, 0, len(r.Kinds))
	for kind := range r.Kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(w, "  %8d %s", r.Kinds[kind], kind)
		if gone := r.Disposed[kind]; gone > 0 {
			fmt.Fprintf(w, ", %d of them disposed of", gone)
		}
		fmt.Fprintln(w)
	}
	if r.DisposedObservations > 0 {
		fmt.Fprintf(w, "What %d events said was disposed of.\n", r.DisposedObservations)
	}
}
