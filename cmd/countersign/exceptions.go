package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const exceptionsHelp = `countersign exceptions is about what did not hold: docs/exceptions.md.

  countersign exceptions list    those that are not settled, or all
  countersign exceptions show    one of them with every step that it took
  countersign exceptions close   say what was done about one, as yourself

example: countersign exceptions list --database sqlite:countersign.db --repository acme/shop`

const exceptionsListHelp = `countersign exceptions list prints what did not hold and is not settled, what is overdue first.
It reads the database, and changes nothing.

example:
  countersign exceptions list --org acme --all --json`

const exceptionsShowHelp = `countersign exceptions show prints an exception with every step that it took.

usage: countersign exceptions show [flags] ID`

const exceptionsCloseHelp = `countersign exceptions close says what was done about an exception, which settles it.

usage: countersign exceptions close [flags] ID

The server asks GitHub with your own token who you are and what you may do in the repository:
who closes an exception is a person with write access, and not the one that it is about. An
emergency or a late review is settled by the review that was missing, and by nothing else.

The token comes from GITHUB_TOKEN and is sent over TLS to the server that you name, and to
nobody else. It needs no more than to read the repository; a short expiry is enough.

example:
  GITHUB_TOKEN=$(gh auth token) countersign exceptions close --server https://countersign.example.com \
    --repo acme/shop --done "Reverted in #42" 4e0f2f6c-…`

func runExceptions(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "exceptions", exceptionsHelp, map[string]func(context.Context, []string, environment) error{
		"list": runExceptionsList, "show": runExceptionsShow, "close": runExceptionsClose,
	}, args, env)
}

// exceptionFilter is what exceptions list was asked for.
type exceptionFilter struct {
	org, repository, kind string
	all, overdue          bool
}

func runExceptionsList(ctx context.Context, args []string, env environment) error {
	flags := newFlags("exceptions list", env.stderr, exceptionsListHelp)
	database := databaseFlag(flags, env)
	asJSON := flags.Bool("json", false, "print one JSON object per exception, as it is in the log")
	var f exceptionFilter
	flags.StringVar(&f.org, "org", "", "only this organisation, by `login`")
	flags.StringVar(&f.repository, "repository", "", "only this repository, `owner/name`")
	flags.StringVar(&f.kind, "kind", "", "only this `kind`, for example direct-push")
	flags.BoolVar(&f.all, "all", false, "those that are settled too")
	flags.BoolVar(&f.overdue, "overdue", false, "only those that are overdue")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	return withDatabase(ctx, store.Options{URL: *database}, func(st *store.Store) error { return listExceptions(ctx, st, f, *asJSON, env) })
}

func listExceptions(ctx context.Context, st *store.Store, f exceptionFilter, asJSON bool, env environment) error {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	found := false
	for _, org := range orgs {
		if f.org != "" && !strings.EqualFold(org.Login, f.org) {
			continue
		}
		found = true
		list, err := st.Tenant(org.ID).Exceptions(ctx, store.ExceptionFilter{Kind: f.kind, Open: !f.all})
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(e store.LeafIndexed) bool {
			return f.repository != "" && !strings.EqualFold(e.Repository, f.repository) || f.overdue && !isOverdue(e.Exception)
		})
		slices.SortStableFunc(list, byUrgency)
		if err := printExceptions(env.stdout, org.Login, list, asJSON); err != nil {
			return err
		}
	}
	switch {
	case !found && f.org != "":
		return fmt.Errorf("the database holds no organisation %q", f.org)
	case !found && !asJSON:
		fmt.Fprintln(env.stdout, "The database holds no organisation yet, so nothing has been found.")
	}
	return nil
}

func isOverdue(e store.Exception) bool {
	return e.State == store.ExceptionOpen && !e.OverdueAt.IsZero()
}

// byUrgency orders what is open before what is not, what is due first, and the rest by the log.
func byUrgency(a, b store.LeafIndexed) int {
	rank := func(e store.LeafIndexed) int64 {
		switch {
		case e.State == store.ExceptionOpen && !e.DueAt.IsZero():
			return e.DueAt.Unix()
		case e.State == store.ExceptionOpen:
			return 1 << 60
		case e.State == store.ExceptionRemediated:
			return 1 << 61
		}
		return 1 << 62
	}
	return cmp.Compare(rank(a), rank(b))
}

func printExceptions(w io.Writer, org string, list []store.LeafIndexed, asJSON bool) error {
	if asJSON {
		return printAsJSON(w, list)
	}
	overdue := 0
	for _, e := range list {
		if isOverdue(e.Exception) {
			overdue++
		}
	}
	fmt.Fprintf(w, "%s: %d, %d of them overdue\n", org, len(list), overdue)
	for _, e := range list {
		fmt.Fprintf(w, "\n%s  %s  %s  %s\n  %s\n  %s\n", stateOf(e.Exception), e.Severity, visible(e.Kind), visible(whereIs(e.Exception)), visible(e.Reason), strings.Join(detailsOf(e.Exception), ", "))
	}
	return nil
}

// printAsJSON prints exceptions as they are in the log, one on a line.
func printAsJSON(w io.Writer, list []store.LeafIndexed) error {
	out := json.NewEncoder(w)
	for _, e := range list {
		if err := out.Encode(e.Exception); err != nil {
			return err
		}
	}
	return nil
}

// stateOf is an exception's state as people call it.
func stateOf(e store.Exception) string {
	if isOverdue(e) {
		return "OVERDUE"
	}
	return e.State
}

// whereIs names what an exception is about.
func whereIs(e store.Exception) string {
	where := e.Repository
	if e.Number > 0 {
		where += fmt.Sprintf("#%d", e.Number)
	}
	if e.Ref != "" {
		where += " " + e.Ref
	}
	if e.SHA != "" {
		where += fmt.Sprintf(" %.12s", e.SHA)
	}
	return strings.TrimSpace(where)
}

func detailsOf(e store.Exception) []string {
	out := []string{"opened " + policy.WhenUTC(e.OpenedAt)}
	if !e.DueAt.IsZero() {
		out = append(out, "due "+policy.WhenUTC(e.DueAt))
	}
	if e.Owner != "" {
		out = append(out, "owner "+visible(e.Owner))
	}
	if e.Issue > 0 {
		out = append(out, fmt.Sprintf("issue %s#%d", visible(e.Repository), e.Issue))
	}
	return append(out, "id "+e.ID)
}

// visible is one line of text for a terminal, without anything that could steer it.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
}

func runExceptionsShow(ctx context.Context, args []string, env environment) error {
	flags := newFlags("exceptions show", env.stderr, exceptionsShowHelp)
	database := databaseFlag(flags, env)
	asJSON := flags.Bool("json", false, "print one JSON object per step, as it is in the log")
	if err := parseSome(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(env.stderr, "countersign exceptions show: the id of one exception is needed; countersign exceptions list prints them")
		return errUsage
	}
	return withDatabase(ctx, store.Options{URL: *database}, func(st *store.Store) error { return showException(ctx, st, flags.Arg(0), *asJSON, env.stdout) })
}

func showException(ctx context.Context, st *store.Store, id string, asJSON bool, w io.Writer) error {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		steps, err := st.Tenant(org.ID).ExceptionSteps(ctx, id)
		if err != nil {
			return err
		}
		if len(steps) > 0 {
			return printSteps(w, steps, asJSON)
		}
	}
	return fmt.Errorf("there is no exception %q\nhint: countersign exceptions list --all prints the ids", id)
}

func printSteps(w io.Writer, steps []store.LeafIndexed, asJSON bool) error {
	if asJSON {
		return printAsJSON(w, steps)
	}
	newest := steps[len(steps)-1].Exception
	fmt.Fprintf(w, "%s  %s  %s  %s\n%s\n%s\n\n", stateOf(newest), newest.Severity, visible(newest.Kind), visible(whereIs(newest)), visible(newest.Reason), strings.Join(detailsOf(newest), ", "))
	for _, s := range steps {
		fmt.Fprintf(w, "  %s  leaf %-8d %-22s by %s\n", policy.WhenUTC(s.RecordedAt), s.LeafIndex, visible(s.Step), visible(s.By))
	}
	if newest.Remediation != "" {
		fmt.Fprintf(w, "\nWhat was done: %s\n", visible(newest.Remediation))
	}
	return nil
}

func runExceptionsClose(ctx context.Context, args []string, env environment) error {
	flags := newFlags("exceptions close", env.stderr, exceptionsCloseHelp)
	server := flags.String("server", "", "`URL` of the Countersign server")
	repo := flags.String("repo", "", "repository of the exception, `owner/name`")
	remediation := flags.String("done", "", "what was done about it, as `text`")
	if err := parseSome(flags, args); err != nil {
		return err
	}
	if *server == "" || *repo == "" || strings.TrimSpace(*remediation) == "" || flags.NArg() != 1 {
		fmt.Fprintln(env.stderr, "countersign exceptions close: --server, --repo, --done and the id of one exception are needed")
		flags.Usage()
		return errUsage
	}
	if n := len(*remediation); n > store.MaxRemediation {
		return fmt.Errorf("--done has %d bytes, and at most %d are kept\nhint: say in short what was done and link to the rest", n, store.MaxRemediation)
	}
	address, err := serverAddress(*server)
	if err != nil {
		return err
	}
	token, err := ownToken(env, "exceptions close …")
	if err != nil {
		return err
	}
	var answer handlers.CloseAnswer
	err = postAs(ctx, address+handlers.ClosePath, token, handlers.CloseRequest{Repository: *repo, Exception: flags.Arg(0), Remediation: *remediation}, &answer)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Closed as %s: %s of %s.\n", visible(answer.Exception.By), visible(answer.Exception.Kind), visible(whereIs(answer.Exception)))
	return nil
}
