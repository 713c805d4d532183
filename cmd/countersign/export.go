package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/store"
)

const exportHelp = `countersign export writes the evidence of an audit period into one file, which anybody checks
with "countersign verify", or with the small program countersign-verify, without this server.

It holds every change that reached an enrolled branch, the sample with what each of its changes
was decided from, the exceptions, and the log that all of it is in. A sample is drawn by a seed: give
the auditor's own; without one it is derived from the log as it was after the period. Every draw
is recorded in the log and listed in the bundle. An item of the sample that cannot be tested for a
reason that is none of its own is replaced by the next one (--replace), which is recorded as well;
one whose evidence is missing is a deviation, and is not replaced.

Each export is on record in the log itself: countersign access list prints who took what. So the
log is longer after it, and the same export again is of a longer log. For the same bytes again,
give --log-size with the number of leaves that the first one printed.

With --upload the bundle is also put into the bucket that the settings of the server name, locked there until
its retention ends, which is read back and put on record (docs/locked-bundles.md). These settings come as for
countersign serve: from the environment, or with --config from its file.

usage: countersign export --org LOGIN --from DATE --to DATE [flags]

example:
  countersign export --org acme --from 2026-01-01 --to 2026-06-30 --sample 25 \
    --seed 8f1c0b7a5d2e49638f1c0b7a5d2e4963 -o acme-2026-h1.zip
  countersign export --org acme --from 2026-01-01 --to 2026-06-30 --confidence 95 --tolerable 5 -o acme.zip`

// exportOrder is what export was asked for.
type exportOrder struct {
	org, out, keyFile, database string
	size                        int64
	query                       evidence.Query
	upload                      bool
	settings                    string // file of the server's settings; empty: there is none
}

func runExport(ctx context.Context, args []string, env environment) error {
	o, err := parseExport(args, env)
	if err != nil {
		return err
	}
	key, err := readSigningKey(o.keyFile)
	if err != nil {
		return err
	}
	to, err := o.bucket(env)
	if err != nil {
		return err
	}
	options := store.Options{URL: o.database, Signer: key}
	return withDatabase(ctx, options, func(st *store.Store) error {
		org, err := orgOf(ctx, st, o.org)
		if err != nil {
			return err
		}
		by, err := operator()
		if err != nil {
			return err
		}
		made := exported{org: org, by: by, sum: sha256.New()}
		log := exportedLog{st.Tenant(org.ID)}
		err = o.write(env, func(w io.Writer) (_ evidence.Manifest, err error) {
			b := bundler{key, strings.TrimSuffix(cmp.Or(env.getenv("GITHUB_WEB_URL"), "https://github.com"), "/")}
			order := bundleOrder{org.Login, by, o.size, o.query, exportProgress(env.stderr, org.Login)}
			made.manifest, made.digest, err = b.export(ctx, log, order, io.MultiWriter(w, made.sum))
			return made.manifest, err
		})
		if err != nil || to == nil {
			return err
		}
		return o.uploadTo(ctx, env, to, log.Tenant, made)
	})
}

// exported is a bundle that was written and is on record.
type exported struct {
	org      store.OrgRow
	by       store.Who
	manifest evidence.Manifest
	digest   string    // of manifest.json
	sum      hash.Hash // of the file
}

func parseExport(args []string, env environment) (o exportOrder, err error) {
	flags := newFlags("export", env.stderr, exportHelp)
	database := databaseFlag(flags, env)
	flags.StringVar(&o.org, "org", "", "the organisation, by `login`")
	flags.StringVar(&o.out, "o", "", "the `file` to write")
	flags.BoolVar(&o.upload, "upload", false, "put the bundle into the bucket of the server's settings as well, locked")
	flags.StringVar(&o.settings, "config", "", "with --upload: YAML `file` with settings, as of serve")
	keyFile := keyFlag(flags, env)
	from := flags.String("from", "", "first `date` of the period, YYYY-MM-DD, UTC")
	to := flags.String("to", "", "last `date` of the period")
	flags.Int64Var(&o.size, "log-size", 0, "make the bundle again as it was when the log had this `number` of leaves")
	var s evidence.SampleQuery
	var plan evidence.Plan
	flags.IntVar(&s.Size, "sample", 0, "draw this `number` of changes")
	flags.TextVar(&plan.Confidence, "confidence", evidence.Rate(0), "draw as many as this `confidence` needs, for example 95%")
	flags.TextVar(&plan.Tolerable, "tolerable", evidence.Rate(0), "with --confidence: the `rate` of deviations up to which the control is relied on")
	flags.TextVar(&plan.Expected, "expected", evidence.Rate(0), "with --confidence: the `rate` of deviations that is expected")
	flags.BoolVar(&s.ByClass, "by-class", false, "share the sample out among the classes of authorship")
	flags.TextVar(&s.Seed, "seed", evidence.Seed(nil), "the auditor's `seed`, 16 to 64 bytes in hexadecimal")
	flags.Func("replace", "an item of the sample that could not be tested, and why, as `ID=REASON`: the next one takes its place (repeatable)", func(text string) error {
		id, reason, _ := strings.Cut(text, "=")
		s.Replace = append(s.Replace, evidence.Replace{ID: id, Reason: reason})
		return nil
	})
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	o.database, o.keyFile = *database, *keyFile
	if plan != (evidence.Plan{}) {
		s.Plan = &plan
	}
	switch {
	case o.org == "" || o.out == "" || *from == "" || *to == "":
		fmt.Fprintln(env.stderr, "countersign export: --org, --from, --to and -o are needed")
		return o, errUsage
	case o.settings != "" && !o.upload:
		fmt.Fprintln(env.stderr, "countersign export: --config goes with --upload")
		return o, errUsage
	case s.Size < 0 || s.Size > 0 && s.Plan != nil:
		fmt.Fprintln(env.stderr, "countersign export: give --sample or --confidence, not both")
		return o, errUsage
	case s.Size == 0 && s.Plan == nil && (s.ByClass || len(s.Seed) > 0 || len(s.Replace) > 0):
		fmt.Fprintln(env.stderr, "countersign export: --seed, --by-class and --replace go with --sample or --confidence")
		return o, errUsage
	}
	if s.Size > 0 || s.Plan != nil {
		o.query.Sample = &s
	}
	o.query.From, o.query.To, err = period(*from, *to)
	return o, err
}

// exportProgress shows how far each step of an export is, on a terminal only.
func exportProgress(w io.Writer, login string) func(doing string, done, total int64) {
	if !onTerminal(w) {
		return nil
	}
	return func(doing string, done, total int64) { drawProgress(w, login+": "+doing, done, total) }
}

// write makes the bundle beside where it goes, and puts it there when it is whole and on record.
func (o exportOrder) write(env environment, fill func(io.Writer) (evidence.Manifest, error)) error {
	part, err := openPartial(o.out)
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	var m evidence.Manifest
	err = part.write(func(w io.Writer) (err error) {
		m, err = fill(w)
		return err
	})
	if err != nil {
		return err
	}
	c := m.Counts
	fmt.Fprintf(env.stdout, "%s: %d changes reached enrolled branches of %s; %d with deviations, %d exceptions.\n", o.out, c.Population, m.Organisation, c.Deviations, c.Exceptions)
	if c.BeforeInstallation > 0 {
		fmt.Fprintf(env.stdout, "%d of them came before their branch was enrolled: nothing was decided about them, and they are not tested.\n", c.BeforeInstallation)
	}
	if m.Query.Sample != nil {
		fmt.Fprintf(env.stdout, "The sample has %d of them; the draw is recorded in the log.\n", c.Sample)
	}
	fmt.Fprintf(env.stdout, "%d decisions are in it, with what they were made from. Log: %d leaves.\n", c.Decisions, m.LogSize)
	if c.Gaps+c.Unexplained+c.NotListed+c.Disposed+c.DisposedDecisions+c.NotRead > 0 {
		fmt.Fprintf(env.stdout, "NOT COMPLETE: %d gaps, %d commits that nothing explains, %d updates whose commits are not listed, %d times before a branch was enrolled that were not read; see completeness.json.\n",
			c.Gaps, c.Unexplained, c.NotListed, c.NotRead)
		fmt.Fprintf(env.stdout, "%d records disposed of, and %d decisions that cannot be made again for that reason; see disposals.csv.\n", c.Disposed, c.DisposedDecisions)
	}
	fmt.Fprintf(env.stdout, "\nAnybody checks it with: countersign verify %s\n", o.out)
	return nil
}
