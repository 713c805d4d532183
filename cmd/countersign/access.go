package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const accessHelp = `countersign access is about who took or read evidence: docs/retention.md.

  countersign access list    every export, what was locked in a bucket, downloads, what auditors read, and grants

example: countersign access list --org acme`

const accessListHelp = `countersign access list prints who exported or read evidence of an organisation, or let an auditor in, when and of what. It
reads the log in the database, and changes nothing.

example:
  countersign access list --org acme --json`

func runAccess(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "access", accessHelp, map[string]func(context.Context, []string, environment) error{"list": runAccessList}, args, env)
}

func runAccessList(ctx context.Context, args []string, env environment) error {
	flags := newFlags("access list", env.stderr, accessListHelp)
	database := databaseFlag(flags, env)
	login := orgFlag(flags)
	asJSON := flags.Bool("json", false, "print one JSON object per access, as it is in the log")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		list, disposed, err := n.Accesses(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return printLines(env.stdout, list, func(a store.Accessed) any { return a.Access })
		}
		return printAccesses(env.stdout, list, disposed)
	})
}

func printAccesses(w io.Writer, list []store.Accessed, disposed int) error {
	for _, a := range list {
		if a.What != store.AccessExport && a.What != store.AccessStored {
			fmt.Fprintf(w, "%s  leaf %d  %s by %s: %s\n", policy.WhenUTC(a.At), a.LeafIndex, visible(a.What), visible(a.By.String()), visible(string(a.Query)))
			continue
		}
		var q evidence.Query
		if err := json.Unmarshal(a.Query, &q); err != nil {
			return fmt.Errorf("access of leaf %d: %w", a.LeafIndex, err)
		}
		fmt.Fprintf(w, "%s  leaf %d  %s by %s: changes from %s to %s, log of %d leaves", policy.WhenUTC(a.At), a.LeafIndex, visible(a.What), visible(a.By.String()),
			policy.WhenUTC(q.From), policy.WhenUTC(q.To), a.LogSize)
		if a.DrawLeaf != nil {
			fmt.Fprintf(w, ", sample of the draw in leaf %d", *a.DrawLeaf)
		}
		fmt.Fprintf(w, "\n    manifest %s\n", visible(a.ManifestSHA256))
		if s := a.Stored; s != nil {
			fmt.Fprintf(w, "    in the bucket %s as %s, version %s, locked until %s (%s)\n", visible(s.Bucket), visible(s.Object), visible(s.VersionID), policy.WhenUTC(s.LockedUntil), visible(s.Mode))
		}
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "No access is on record.")
	}
	if disposed > 0 {
		fmt.Fprintf(w, "%d earlier ones were disposed of; countersign ledger check says whether all of these are certified.\n", disposed)
	}
	return nil
}

// printLines prints what is in a list as JSON, one on a line.
func printLines[T any](w io.Writer, list []T, as func(T) any) error {
	out := json.NewEncoder(w)
	for _, item := range list {
		if err := out.Encode(as(item)); err != nil {
			return err
		}
	}
	return nil
}

// operator is who runs this command.
func operator() (store.Who, error) {
	host, err := os.Hostname()
	if err != nil {
		return store.Who{}, fmt.Errorf("who runs this command: %w", err)
	}
	name := strconv.Itoa(os.Getuid()) // an account without a name, as in a container
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return store.Who{User: name, Host: host}, nil
}

// recordExport puts an export on record before its bundle has its manifest: a bundle that exists
// is on record. If we stop between, the record stays.
func recordExport(ctx context.Context, n store.Tenant, m evidence.Manifest, digest string, by store.Who) (err error) {
	a := store.Access{What: store.AccessExport, By: by, LogSize: m.LogSize, ManifestSHA256: digest}
	if a.Query, err = json.Marshal(m.Query); err != nil {
		return err
	}
	if a.DrawLeaf, err = drawOf(ctx, n, m); err != nil {
		return err
	}
	return n.RecordAccess(ctx, a)
}

// drawOf finds the draw that a bundle's sample is of; nil: it has no sample.
func drawOf(ctx context.Context, n store.Tenant, m evidence.Manifest) (leaf *int64, err error) {
	if m.Query.Sample == nil {
		return nil, nil
	}
	err = n.Records(ctx, m.LogSize, []string{evidence.LeafDraw}, func(raw, _, body []byte) error {
		l, err := ledger.DecodeLeaf(raw)
		if err != nil || body == nil {
			return err
		}
		var d evidence.DrawRecord
		if err := json.Unmarshal(body, &d); err != nil {
			return fmt.Errorf("leaf %d is no draw: %w", l.Seq, err)
		}
		if isDrawOf(d, m) {
			leaf = &l.Seq
		}
		return nil
	})
	return leaf, err
}

// isDrawOf says whether a draw is the one of a bundle: of the same items, by the same seed, as many.
func isDrawOf(d evidence.DrawRecord, m evidence.Manifest) bool {
	size := 0
	for _, of := range d.Sizes {
		size += of
	}
	seed := string(m.Query.Sample.Seed)
	return d.From.Equal(m.Query.From) && d.To.Equal(m.Query.To) && d.PopulationSHA256 == m.Population && size == m.Counts.Sample &&
		(string(d.Seed) == seed || seed == "" && d.SeedBy == "log")
}
