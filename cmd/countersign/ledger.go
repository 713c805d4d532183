package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

const ledgerHelp = `countersign ledger check re-hashes the decision log of every organisation: each body
against its leaf, each leaf against the tree, each checkpoint against its signature and
against the next one. It names the first record that does not hold, and exits with 1.

example:
  countersign ledger check --database sqlite:countersign.db --key countersign.key`

// errLedger is a log that does not hold; what is wrong has been printed.
var errLedger = errors.New("the log does not hold")

func runLedger(ctx context.Context, args []string, env environment) error {
	flags := newFlags("ledger check", env.stderr, ledgerHelp)
	database := databaseFlag(flags, env)
	keyFile := flags.String("key", cmp.Or(env.getenv("COUNTERSIGN_SIGNING_KEY_FILE"), "countersign.key"), "`file` with the log's public key, or with the signing key")
	asJSON := flags.Bool("json", false, "print one JSON object per organisation")
	if len(args) == 0 || args[0] != "check" {
		if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
			flags.Usage()
			return nil
		}
		flags.Usage()
		return errUsage
	}
	if err := parseFlags(flags, args[1:]); err != nil {
		return err
	}
	verifier, err := readKey(*keyFile)
	if err != nil {
		return err
	}
	return withDatabase(ctx, store.Options{URL: *database, Verifiers: []note.Verifier{verifier}}, func(st *store.Store) error {
		return checkLogs(ctx, st, *asJSON, env)
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

func checkLogs(ctx context.Context, st *store.Store, asJSON bool, env environment) error {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	if len(orgs) == 0 && !asJSON {
		fmt.Fprintln(env.stdout, "The database holds no organisation yet, so there is no log to check.")
	}
	broken := false
	for _, org := range orgs {
		report, err := st.Tenant(org.ID).CheckLedger(ctx, progress(env.stderr, org.Login))
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
		fmt.Fprintf(w, "%s: BROKEN at leaf %d: %s\n", org, r.FirstBad.Index, r.FirstBad.What)
		return
	}
	fmt.Fprintf(w, "%s: ok, %d leaves, root %s, %d signed checkpoints\n", org, r.Size, r.Root, r.Checkpoints)
	kinds := make([]string, 0, len(r.Kinds))
	for kind := range r.Kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(w, "  %8d %s\n", r.Kinds[kind], kind)
	}
}

// progress shows how far a long check is, on a terminal only.
func progress(w io.Writer, what string) func(done, total int64) {
	file, ok := w.(*os.File)
	if !ok {
		return func(int64, int64) {}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(int64, int64) {}
	}
	return func(done, total int64) {
		fmt.Fprintf(w, "\r%s: %d of %d", what, done, total)
		if done == total {
			fmt.Fprint(w, "\r\033[K")
		}
	}
}
