package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const policySimulateHelp = `countersign policy simulate says what would have been decided with another policy.

usage: countersign policy simulate --policy FILE [flags]

It judges the stored facts of past decisions again, once by the policy that was recorded and
once with FILE in place of the repository's (or, with --organisation, of the organisation's),
and lists what differs. It reads the database and changes nothing.

The facts are those that were read then. What the new policy asks for and nobody read then, for
example the members of a team that no policy named, is "not known", and never counts as held.
Traces of agents that FILE adds are found only where they were kept: accounts, trailers, branches.

example:
  countersign policy simulate --policy ` + policy.Path + ` --from 2026-10-01 --repository acme/shop`

// simulation is what policy simulate was asked for.
type simulation struct {
	policy.Trial
	repository string // owner/name; empty: all
	all        bool
	from, to   time.Time
}

// simulated is what one decision would have been.
type simulated struct {
	Repository string `json:"repository"`
	Number     int    `json:"number"`
	HeadSHA    string `json:"head_sha"`
	RecordID   string `json:"record_id"`
	policy.Tried
}

// simulationReport is what --json prints of one organisation.
type simulationReport struct {
	Organisation string `json:"organisation"`
	policy.TrialCounts
	Differences []simulated `json:"differences"`
	// Unjudged are those that are unreadable.
	Unjudged []unjudged `json:"unjudged"`
}

// unjudged is a decision that this program cannot make again.
type unjudged struct {
	RecordID string `json:"record_id"`
	Why      string `json:"why"`
}

func runPolicySimulate(ctx context.Context, args []string, env environment) error {
	flags := newFlags("policy simulate", env.stderr, policySimulateHelp)
	database := databaseFlag(flags, env)
	file := flags.String("policy", "", "the policy `FILE` to try")
	org := flags.String("org", "", "only this organisation, by `login`")
	from := flags.String("from", "", "only decisions from this `date` on, YYYY-MM-DD, UTC")
	to := flags.String("to", "", "only decisions up to the end of this `date`")
	asJSON := flags.Bool("json", false, "print one JSON object per organisation")
	s := simulation{}
	flags.BoolVar(&s.Organisation, "organisation", false, "FILE takes the place of the organisation's policy")
	flags.StringVar(&s.repository, "repository", "", "only this repository, `owner/name`")
	flags.BoolVar(&s.all, "all", false, "every decision, not only the newest per pull request and head")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *file == "" {
		fmt.Fprintln(env.stderr, "countersign policy simulate: --policy is missing")
		return errUsage
	}
	var err error
	if s.from, s.to, err = period(*from, *to); err != nil {
		return err
	}
	src, err := readPolicy(*file, env.stdin)
	if err != nil {
		return err
	}
	if _, err := parseUsable(*file, src, env.stderr); err != nil {
		return err
	}
	s.Source = string(src)
	return withDatabase(ctx, store.Options{URL: *database}, func(st *store.Store) error { return s.run(ctx, st, *org, *asJSON, env) })
}

// period reads two dates; the second one is whole. Left out, they are the beginning and the end
// of time.
func period(from, to string) (time.Time, time.Time, error) {
	begin, end := time.Unix(0, 0).UTC(), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	var err error
	if from != "" {
		if begin, err = time.Parse(time.DateOnly, from); err != nil {
			return begin, end, fmt.Errorf("--from %q is not a date\nhint: write it as 2026-10-01", from)
		}
	}
	if to != "" {
		if end, err = time.Parse(time.DateOnly, to); err != nil {
			return begin, end, fmt.Errorf("--to %q is not a date\nhint: write it as 2026-10-31", to)
		}
		end = end.AddDate(0, 0, 1)
	}
	return begin, end, nil
}

func (s simulation) run(ctx context.Context, st *store.Store, login string, asJSON bool, env environment) error {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	found := false
	for _, org := range orgs {
		if login != "" && !strings.EqualFold(org.Login, login) {
			continue
		}
		found = true
		report, err := s.organisationReport(ctx, st.Tenant(org.ID), org.Login, progress(env.stderr, org.Login+": decisions"))
		if err != nil {
			return err
		}
		if asJSON {
			if err := json.NewEncoder(env.stdout).Encode(report); err != nil {
				return err
			}
			continue
		}
		printSimulation(env.stdout, report)
	}
	if !found && login != "" {
		return fmt.Errorf("the database holds no organisation %q", login)
	}
	if !found && !asJSON {
		fmt.Fprintln(env.stdout, "The database holds no organisation yet, so there is nothing to judge again.")
	}
	return nil
}

func (s simulation) organisationReport(ctx context.Context, tenant store.Tenant, login string, tell func(done, total int64)) (simulationReport, error) {
	report := simulationReport{Organisation: login, Differences: []simulated{}, Unjudged: []unjudged{}}
	list, err := tenant.Judged(ctx, s.from, s.to, s.all)
	if err != nil {
		return report, err
	}
	for i, ref := range list {
		d, err := tenant.Decision(ctx, ref.RecordID)
		if err != nil {
			return report, err
		}
		if s.repository == "" || strings.EqualFold(d.Repository, s.repository) {
			s.add(&report, d)
		}
		tell(int64(i+1), int64(len(list)))
	}
	return report, nil
}

// add judges one decision again, and counts what came of it.
func (s simulation) add(report *simulationReport, d store.Decided) {
	tried, err := s.Judge(d.Facts, d.Policy, d.Repository)
	if !report.Count(tried, err) {
		return
	}
	if err != nil {
		report.Unjudged = append(report.Unjudged, unjudged{d.RecordID, fmt.Sprintf("decision %s: %v", d.RecordID, err)})
		return
	}
	report.Differences = append(report.Differences, simulated{d.Repository, d.Number, d.HeadSHA, d.RecordID, tried})
}

func printSimulation(w io.Writer, r simulationReport) {
	fmt.Fprintf(w, "%s: %d looked at\n", r.Organisation, r.Looked)
	for _, line := range []struct {
		n    int
		what string
	}{
		{r.Alike, "would be the same"}, {r.Stricter, "would not pass any more"}, {r.Looser, "would pass"}, {r.Unknown, "not known: the facts of then do not tell"},
		{r.Unenrolled, "would not be judged: their branch is not enrolled"}, {r.Other, "would differ in another way"}, {r.Unreadable, "cannot be judged again by this program"},
	} {
		if line.n > 0 || line.what == "would be the same" {
			fmt.Fprintf(w, "  %8d %s\n", line.n, line.what)
		}
	}
	for _, u := range r.Unjudged {
		fmt.Fprintf(w, "\ncannot be judged again: %s\n", u.Why)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(w, "\n%s#%d %.7s: %s → %s\n", d.Repository, d.Number, d.HeadSHA, d.Was, d.WouldBe)
		for _, rule := range d.Rules {
			fmt.Fprintf(w, "  %s: %s → %s. %s\n", rule.Rule, rule.Was, rule.WouldBe, rule.Reason)
		}
	}
}
