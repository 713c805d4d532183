package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/worker"
)

const reconcileHelp = `countersign reconcile compares what is on record with GitHub, and has looked at what is missing: open
pull requests that no event told of, or another head than events told of; check runs that GitHub does
not have, or not as they were published; merge queues; branches, with how they are protected. It
decides nothing: it marks, and the server decides when it runs. docs/operations.md says more.

The server does the same by itself, for each repository every six hours, and for all of them after it
was down for more than two. By hand it is for an outage of GitHub's, after a restore, or when somebody
misses a check run. It works while the server runs, and while it does not; run it twice, and the second
time finds nothing that the first one marked.

Settings are those of serve, from the environment or from a file. It exits with 1 if a repository
could not be compared.

usage: countersign reconcile [--org LOGIN] [--repository OWNER/NAME] [flags]

example:
  countersign reconcile --org acme --repository acme/shop`

func runReconcile(ctx context.Context, args []string, env environment) error {
	flags := newFlags("reconcile", env.stderr, reconcileHelp)
	file := flags.String("config", "", "YAML `file` with settings")
	login := flags.String("org", "", "only this organisation, by `login`")
	repository := flags.String("repository", "", "only this repository, `owner/name`")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if owner, name, _ := strings.Cut(*repository, "/"); *repository != "" && (owner == "" || name == "") {
		fmt.Fprintf(env.stderr, "countersign reconcile: --repository %q is no owner/name\n", *repository)
		return errUsage
	}
	cfg, err := config.Load(*file, env.getenv, os.ReadFile)
	if err != nil {
		return err
	}
	connection, err := connectAs(cfg)
	if err != nil {
		return err
	}
	by, err := operator()
	if err != nil {
		return err
	}
	return withDatabase(ctx, store.Options{URL: cfg.DatabaseURL, Origin: cfg.LogOrigin()}, func(st *store.Store) error {
		return reconciling{env: env, by: by, worker: handWorker(cfg, st, connection)}.run(ctx, st, *login, *repository)
	})
}

// connectAs is the connection of the App for a command that is run beside the server.
func connectAs(cfg *config.Config) (*gh.Connection, error) {
	return gh.Connect(gh.Settings{
		V3URL: cfg.GitHub.V3APIURL, V4URL: cfg.GitHub.V4APIURL, AppID: cfg.GitHub.App.IntegrationID,
		PrivateKey: []byte(cfg.GitHub.App.PrivateKey), UserAgent: "countersign/" + version, Now: time.Now,
	})
}

// handWorker is a worker that runs no jobs, for what a command has it do.
func handWorker(cfg *config.Config, st *store.Store, connection *gh.Connection) *worker.Worker {
	return worker.New(worker.Settings{Store: st, Installation: connection.Installation,
		App: policy.App{ID: cfg.GitHub.App.IntegrationID}, Log: zerolog.Nop(), Owner: processName()})
}

// reconciling is one run of the command.
type reconciling struct {
	env    environment
	by     store.Who
	worker *worker.Worker
}

func (r reconciling) run(ctx context.Context, st *store.Store, login, repository string) error {
	orgs, err := st.Orgs(ctx)
	if login != "" && err == nil {
		var one store.OrgRow
		one, err = orgOf(ctx, st, login)
		orgs = []store.OrgRow{one}
	}
	if err != nil {
		return err
	}
	var failed []error
	compared := 0
	for _, org := range orgs {
		owner, _, _ := strings.Cut(repository, "/")
		if !org.UninstalledAt.IsZero() || login == "" && repository != "" && !strings.EqualFold(org.Login, owner) {
			continue
		}
		compared++
		failed = append(failed, r.org(ctx, org, repository))
	}
	switch {
	case compared > 0:
	case repository != "" && login == "":
		return fmt.Errorf("the database holds no organisation that %s is of\n  hint: name the organisation with --org, if it has another name by now", repository)
	default:
		fmt.Fprintln(r.env.stdout, "There is nothing to compare: the App is installed on no organisation that the database knows.")
	}
	return errors.Join(failed...)
}

// org compares one organisation.
func (r reconciling) org(ctx context.Context, org store.OrgRow, repository string) error {
	var sum comparison
	bar := progress(r.env.stderr, "comparing "+visible(org.Login))
	err := r.worker.Reconcile(ctx, org.ID, repository, r.by, func(done, total int, l worker.Look, err error) {
		clearLine(r.env.stderr)
		sum.add(r.env.stdout, l, err)
		bar(int64(done), int64(total))
	})
	clearLine(r.env.stderr)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w\n  hint: compare the name with GitHub, and the repositories that the App is installed on", err)
	}
	if err == nil || errors.Is(err, worker.ErrPartly) && sum.repositories > 0 {
		sum.print(r.env.stdout, org, err == nil)
	}
	return err
}

// comparison adds up what was found.
type comparison struct{ repositories, enrolled, pulls, branches, missing, young, more int }

// add takes what came of a repository, and says it if there is something to say.
func (c *comparison) add(w io.Writer, l worker.Look, err error) {
	name := visible(l.Repository)
	if err != nil {
		fmt.Fprintf(w, "%s: NOT COMPARED: %s\n", name, visible(err.Error()))
		return
	}
	c.repositories++
	if !l.Enrolled {
		return
	}
	c.enrolled, c.pulls, c.branches, c.missing, c.young = c.enrolled+1, c.pulls+l.OpenPulls, c.branches+l.Followed, c.missing+len(l.Found), c.young+l.Young
	if l.More {
		c.more++
	}
	for _, f := range l.Found {
		fmt.Fprintf(w, "%s%s: %s\n", name, pullOf(f), visible(foundWords(f)))
	}
	if !l.Complete {
		fmt.Fprintf(w, "%s: it has more open pull requests or branches than are read, and the others were not compared.\n", name)
	}
}

func pullOf(f store.Found) string {
	if f.Number == 0 {
		return ""
	}
	return fmt.Sprintf("#%d", f.Number)
}

// foundWords says what was missing.
func foundWords(f store.Found) string {
	switch f.What {
	case store.FoundPull:
		return fmt.Sprintf("no event told of this pull request, to %s, with the head %.12s", f.Ref, f.HeadSHA)
	case store.FoundHead:
		return fmt.Sprintf("its head is %.12s, and the newest that an event told of is %.12s", f.OnGitHub, f.OnRecord)
	case store.FoundBase:
		return fmt.Sprintf("it goes to %s, and to %s as far as events told", f.OnGitHub, f.OnRecord)
	case store.FoundClosing:
		return "it is not open any more, and no event told of that"
	case store.FoundRunMissing:
		return fmt.Sprintf("GitHub has no check run %q on %.12s, where %s was published", f.CheckName, f.HeadSHA, cmp.Or(f.OnRecord, "none"))
	case store.FoundRunDiffers:
		return fmt.Sprintf("the check run %q on %.12s is %s on GitHub, and %s was published", f.CheckName, f.HeadSHA, f.OnGitHub, cmp.Or(f.OnRecord, "none"))
	case store.FoundQueue:
		return "it is in the merge queue of " + f.Ref + ", and no event told of that"
	}
	return f.What
}

// print sums up what came of an organisation, of the whole of it or of what could be compared.
func (c *comparison) print(w io.Writer, org store.OrgRow, whole bool) {
	fmt.Fprintf(w, "%s: compared %s, %d of them under a policy, with %s. %s looked at again.\n", visible(org.Login), plural(c.repositories, "repository", "repositories"),
		c.enrolled, plural(c.pulls, "open pull request", "open pull requests"), plural(c.branches, "followed branch is", "followed branches are"))
	switch {
	case c.missing == 0 && whole:
		fmt.Fprintln(w, "Nothing is missing.")
	case c.missing == 0:
		fmt.Fprintln(w, "Nothing is missing in what was compared.")
	default:
		fmt.Fprintf(w, "%s missing. That is on record, and the server looks at it again when it runs.\n", plural(c.missing, "thing was", "things were"))
	}
	if c.young > 0 {
		fmt.Fprintf(w, "%s in the last ten minutes, and the event may be on its way: left aside. The server looks again by itself.\n", plural(c.young, "pull request changed", "pull requests changed"))
	}
	if c.more > 0 {
		fmt.Fprintf(w, "%s more to look at than is marked at once. The server goes on with it, and the same command does.\n", plural(c.more, "repository has", "repositories have"))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
