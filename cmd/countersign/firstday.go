package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/worker"
)

const firstDayHelp = `countersign firstday says what a policy would have held of what was merged before anything was
decided, and why: docs/first-day.md. It is for the first day, before anything is enforced.

It reads the pull requests that were merged in the last days, as GitHub shows them today, and judges
them by the policy in force; those to the default branch of a repository that has none by the policy to
begin with (docs/getting-started.md); or with --policy all by FILE in place of each repository's own.
Roles, teams, reviews and protection are those of today. What GitHub does not show is "not known", and
nothing is ever said to have passed.

It writes nothing on GitHub, and nothing into the log: nothing was decided. The report is kept for the
page Overview in place of the one before, without titles and reasons. At most 300 pull requests are
read, the newest; a fifth of GitHub's limits stays for decisions, and where they are reached it waits.
After an installation the server makes one by itself, unless one is made so before.

Settings are those of serve, from the environment or from a file.

usage: countersign firstday --org LOGIN [--days 90] [--policy FILE] [--json] [flags]

example:
  countersign firstday --org acme --policy .github/countersign.yml`

// maxFirstDays is how far back the report can go, in days.
const maxFirstDays = 366

func runFirstDay(ctx context.Context, args []string, env environment) error {
	flags := newFlags("firstday", env.stderr, firstDayHelp)
	file := flags.String("config", "", "YAML `file` with settings")
	login := orgFlag(flags)
	days := flags.Int("days", int(store.FirstDayReach/(24*time.Hour)), "how many `days` back")
	draft := flags.String("policy", "", "the policy `FILE` to try in place of each repository's own")
	asJSON := flags.Bool("json", false, "print the report as one JSON object")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *days < 1 || *days > maxFirstDays {
		fmt.Fprintf(env.stderr, "countersign firstday: --days is from 1 to %d\n", maxFirstDays)
		return errUsage
	}
	ask := worker.FirstDayAsk{Since: time.Now().AddDate(0, 0, -*days)}
	if *draft != "" {
		var err error
		if ask.Draft, err = readPolicy(*draft, env.stdin); err != nil {
			return err
		}
		if _, err := parseUsable(*draft, ask.Draft, env.stderr); err != nil {
			return err
		}
	}
	cfg, err := config.Load(*file, env.getenv, os.ReadFile)
	if err != nil {
		return err
	}
	if *login == "" {
		fmt.Fprintln(env.stderr, "countersign firstday: --org is needed")
		return errUsage
	}
	return withDatabase(ctx, store.Options{URL: cfg.DatabaseURL, Origin: cfg.LogOrigin()}, func(st *store.Store) error {
		org, err := orgOf(ctx, st, *login)
		if err != nil {
			return err
		}
		report, err := makeFirstDay(ctx, cfg, st, org, ask, env)
		if err == nil {
			err = st.Tenant(org.ID).KeepFirstDay(ctx, report)
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(env.stdout).Encode(report)
		}
		printFirstDay(env.stdout, report, strings.TrimSuffix(cfg.GitHub.WebURL, "/"))
		return nil
	})
}

// makeFirstDay makes the report.
func makeFirstDay(ctx context.Context, cfg *config.Config, st *store.Store, org store.OrgRow, ask worker.FirstDayAsk, env environment) (*policy.FirstDay, error) {
	connection, err := connectAs(cfg)
	if err != nil {
		return nil, err
	}
	bar := progress(env.stderr, visible(org.Login)+": merged pull requests")
	ask.Looked = func(done, total int) { bar(int64(done), int64(total)) }
	ask.Waits = func(until time.Time) {
		clearLine(env.stderr)
		fmt.Fprintf(env.stderr, "What is left of GitHub's limits is for decisions. The report goes on at %s; stop it with Ctrl-C.\n", policy.WhenUTC(until))
	}
	return handWorker(cfg, st, connection).FirstDay(ctx, org, ask)
}

func printFirstDay(w io.Writer, r *policy.FirstDay, github string) {
	by := "the policies in force"
	switch {
	case slices.ContainsFunc(r.Branches, func(b policy.FirstDayBranch) bool { return b.Beginning }):
		by = "the policies in force, and by the policy to begin with where a repository has none"
	case r.PolicySHA256 != "":
		by = fmt.Sprintf("a draft (sha256 %.12s…) in place of each repository's own policy", r.PolicySHA256)
	}
	fmt.Fprintf(w, "%s: merged since %s, by %s, as of today (%s).\n", visible(r.Organisation), policy.WhenUTC(r.Since), by, policy.WhenUTC(r.At))
	fmt.Fprintf(w, "Roles, teams, reviews and protection are those of today. Nothing was decided then, and nothing is on record now.\n\n")
	fmt.Fprintf(w, "  %6d merged pull requests were looked at\n  %6d would have been held\n  %6d not known: it turns on what GitHub does not show\n  %6d nothing found that would have held them\n", r.All.Looked, r.All.Held, r.All.Unknown, r.All.Nothing)
	for _, left := range []struct {
		n    int
		what string
	}{
		{r.Decided, "more were decided on when they were open: countersign policy simulate tries a policy on those"},
		{r.NotEnrolled, "more went to branches that no policy enrols"},
		{r.Left, "more, the oldest, were not looked at: a report reads so many"},
	} {
		if left.n > 0 {
			fmt.Fprintf(w, "  %6d %s\n", left.n, left.what)
		}
	}
	printFirstDaySums(w, r)
	printFirstDayChanges(w, "Would have been held", r.Held, r.All.Held, github)
	printFirstDayChanges(w, "Not known", r.NotKnown, r.All.Unknown, github)
	for _, u := range r.Unread {
		fmt.Fprintf(w, "\nNOT ALL READ: %s: %s\n", visible(u.Repository), visible(u.Why))
	}
	if r.All.Looked == 0 && len(r.Unread) == 0 {
		fmt.Fprintln(w, "\nThere is nothing to say. Name another time with --days, or try a policy that enrols the branches with --policy.")
	}
}

// printFirstDaySums prints what is held by rule, by class and by branch.
func printFirstDaySums(w io.Writer, r *policy.FirstDay) {
	if len(r.Rules) > 0 {
		fmt.Fprintln(w, "\nHeld by rule; several may hold one:")
	}
	for _, rule := range r.Rules {
		fmt.Fprintf(w, "  %6d %s\n", rule.Held, visible(rule.Rule))
	}
	if len(r.Classes) > 0 {
		fmt.Fprintln(w, "\nBy who wrote it: held, not known, nothing found")
	}
	for _, c := range r.Classes {
		fmt.Fprintf(w, "  %6d %6d %6d  %s\n", c.Held, c.Unknown, c.Nothing, strings.TrimSuffix(policy.ClassInWords(policy.Authorship{Class: c.Class}), "."))
	}
	if len(r.Branches) > 0 {
		fmt.Fprintln(w, "\nBy branch: held, not known, nothing found")
	}
	for _, b := range r.Branches {
		fmt.Fprintf(w, "  %6d %6d %6d  %s, branch %s\n", b.Held, b.Unknown, b.Nothing, visible(b.Repository), visible(b.Ref))
		if b.Beginning {
			fmt.Fprintln(w, "                        by the policy to begin with: the repository has none")
		}
		if b.Untested {
			fmt.Fprintln(w, "                        no test is required, which is held against no change")
		}
		if b.Unprotected != "" {
			fmt.Fprintf(w, "                        protection today, held against no change: %s\n", visible(b.Unprotected))
		}
	}
}

func printFirstDayChanges(w io.Writer, title string, list []policy.FirstDayChange, all int, github string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s: %d of %d, the worst first\n", title, len(list), all)
	for _, c := range list {
		fmt.Fprintf(w, "\n%s/%s/pull/%d %s\n  merged %s to %s; %s\n", github, visible(c.Repository), c.Number, visible(c.Title), policy.WhenUTC(c.MergedAt), visible(c.Ref), strings.TrimSuffix(policy.ClassInWords(policy.Authorship{Class: c.Class}), "."))
		for _, rule := range c.Rules {
			fmt.Fprintf(w, "  %s: %s\n", visible(rule.Rule), visible(rule.Reason))
		}
		if c.Why != "" {
			fmt.Fprintf(w, "  %s\n", visible(c.Why))
		}
	}
}
