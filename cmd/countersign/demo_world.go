package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/policy"
)

// pull is a pull request of the simulated GitHub.
type pull = *ghsim.PullRequest

// acme is the demo's world: a simulated GitHub with one organisation, and the real server.
type acme struct {
	sim                                  *ghsim.Sim
	org                                  *ghsim.Org
	shop, robots, sandbox, legacy        *ghsim.Repo
	alice, bob, carol, dave              *ghsim.User
	copilot, devin, dependabot, reviewer *ghsim.App
	app                                  *ghsim.App

	folder string
	public string // where people reach the server; empty: demoURL, which is nowhere
	listen string // address of the server; empty: any port
	at     string // URL of the database; empty: a file in the folder
	file   string // of settings beside those of the environment; empty: none
	noisy  time.Duration
	// patience is how long the server waits for an answer of GitHub's; zero: as long as it always does.
	patience time.Duration
	writes   int // to GitHub in a minute; 0: as many as there are
	server   *server
	stopped  chan error // what the server ended with
	stop     context.CancelFunc
	// ahead is how far the server's clock was moved, in nanoseconds.
	ahead atomic.Int64
}

const (
	hookSecret = "only-for-the-demo"
	demoURL    = "http://countersign.demo"
)

// shopPolicy is the policy of a repository in which everything is as it should be.
const shopPolicy = `version: 1
mode: enforce
branches: [main]
review:
  agent: {approvals: 1}       # by somebody who neither wrote nor requested it
  automation: {approvals: 1}
  human: {approvals: 1}
validation:
  required:
    - {id: tests, kind: test, app: github-actions, workflow: .github/workflows/ci.yml, job: test}
`

// robotsPolicy counts a validation that the agent itself posts.
const robotsPolicy = `version: 1
mode: enforce
branches: [main]
validation:
  required:
    - {id: self-check, kind: test, app: devin-ai-integration, check: devin self-check}
`

// newAcme starts the simulated GitHub and the server, with the server's data in folder,
// and makes the organisation. noisy is the server's pace in a burst of events.
func newAcme(ctx context.Context, sim *ghsim.Sim, folder string, noisy time.Duration) (*acme, error) {
	w := &acme{sim: sim, folder: folder, noisy: noisy}
	return w, w.begin(ctx)
}

func (w *acme) begin(ctx context.Context) error {
	if err := w.sim.Start(); err != nil {
		return err
	}
	manifest, err := countersign.ReadManifest()
	if err != nil {
		return errors.Join(err, w.sim.Close())
	}
	w.app = w.sim.App(ghsim.AppSpec{Slug: "countersign", Permissions: manifest.Permissions, Events: manifest.Events})
	if err := w.startServer(ctx); err != nil {
		return errors.Join(err, w.sim.Close())
	}
	w.app.Hook("http://"+w.server.listener.Addr().String()+handlers.HookPath, hookSecret)
	w.people()
	w.repositories()
	return nil
}

// database is the URL of the server's database.
func (w *acme) database() string {
	return cmp.Or(w.at, "sqlite:"+filepath.Join(w.folder, "countersign.db"))
}

// settings are the environment of the server.
func (w *acme) settings() (map[string]string, error) {
	key, err := w.app.PrivateKey()
	if err != nil {
		return nil, err
	}
	clientID, clientSecret := w.app.SignsIn(cmp.Or(w.public, demoURL) + config.CallbackPath)
	return map[string]string{
		"COUNTERSIGN_LISTEN":           cmp.Or(w.listen, "127.0.0.1:0"),
		"COUNTERSIGN_PUBLIC_URL":       cmp.Or(w.public, demoURL),
		"COUNTERSIGN_DATABASE_URL":     w.database(),
		"COUNTERSIGN_SIGNING_KEY_FILE": filepath.Join(w.folder, "countersign.key"),
		"GITHUB_WEB_URL":               w.sim.URL(),
		"GITHUB_V3_API_URL":            w.sim.URL() + "/api/v3/",
		"GITHUB_V4_API_URL":            w.sim.URL() + "/api/graphql",
		"GITHUB_APP_INTEGRATION_ID":    fmt.Sprint(w.app.ID()),
		"GITHUB_APP_WEBHOOK_SECRET":    hookSecret,
		"GITHUB_APP_PRIVATE_KEY":       string(key),
		"GITHUB_OAUTH_CLIENT_ID":       clientID,
		"GITHUB_OAUTH_CLIENT_SECRET":   clientSecret,
		// A year passes here in a minute, on a GitHub that takes any number.
		"COUNTERSIGN_WRITES_PER_MINUTE": strconv.Itoa(cmp.Or(w.writes, 1_000_000)),
	}, nil
}

// startServer starts the server, again after a stop on the same data.
func (w *acme) startServer(ctx context.Context) error {
	settings, err := w.settings()
	if err != nil {
		return err
	}
	cfg, err := config.Load(w.file, func(name string) string { return settings[name] }, os.ReadFile)
	if err != nil {
		return err
	}
	w.server, err = newServer(ctx, cfg, zerolog.Nop(), pace{now: w.now, noisy: w.noisy, patience: w.patience, poll: quick, ask: time.Hour, sweep: -1, sign: -1, askPause: time.Millisecond})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop, w.stopped = stop, make(chan error, 1)
	go func(s *server, ended chan<- error) { ended <- s.run(running) }(w.server, w.stopped)
	return nil
}

// now is the server's clock.
func (w *acme) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *acme) people() {
	w.org = w.sim.Org("acme")
	w.alice, w.bob, w.carol, w.dave = w.sim.User("alice"), w.sim.User("bob"), w.sim.User("carol"), w.sim.User("dave")
	w.org.Owner(w.carol).Member(w.alice, w.bob, w.dave)
	w.copilot = w.sim.App(ghsim.AppSpec{Slug: "copilot-swe-agent", UserID: 198982749, BotLogin: "Copilot"})
	w.devin = w.sim.App(ghsim.AppSpec{Slug: "devin-ai-integration", UserID: 158243242})
	w.dependabot = w.sim.App(ghsim.AppSpec{Slug: "dependabot", UserID: 49699333})
	w.reviewer = w.sim.App(ghsim.AppSpec{Slug: "copilot-pull-request-reviewer", UserID: 175728472})
	for _, app := range []*ghsim.App{w.app, w.copilot, w.devin, w.dependabot, w.reviewer} {
		app.Install(w.org)
	}
}

func (w *acme) repositories() {
	pinned := ghsim.Required{Name: "countersign", App: w.app}
	protected := ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{pinned}, EnforceAdmins: true}
	anySource := protected
	anySource.Checks = []ghsim.Required{{Name: "countersign"}}

	w.shop = w.repository("shop", shopPolicy)
	w.shop.Protect("main", w.carol, protected)
	w.robots = w.repository("robots", robotsPolicy)
	w.robots.Protect("main", w.carol, protected)
	w.sandbox = w.repository("sandbox", shopPolicy)
	w.legacy = w.repository("legacy", shopPolicy)
	w.legacy.Protect("main", w.carol, anySource)
}

func (w *acme) repository(name, policyFile string) *ghsim.Repo {
	r := w.org.Repo(name, ghsim.RepoSpec{By: w.carol, Files: map[string]string{
		"README.md":                "# " + name + "\n",
		policy.Path:                policyFile,
		".github/workflows/ci.yml": "name: ci\non: pull_request\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps: [{run: make test}]\n",
	}})
	for _, u := range []*ghsim.User{w.alice, w.bob, w.dave} {
		r.Collaborator(u, "write")
	}
	for _, a := range []*ghsim.App{w.copilot, w.devin, w.dependabot, w.reviewer} {
		r.Collaborator(a, "write")
	}
	return r.Collaborator(w.carol, "admin")
}

// close stops the server and the simulated GitHub.
func (w *acme) close() error {
	w.stop()
	return errors.Join(<-w.stopped, w.sim.Close())
}

// later moves the server's clock.
func (w *acme) later(d time.Duration) { w.ahead.Add(int64(d)) }

// result is what --json prints of a scenario.
type result struct {
	Scenario    string       `json:"scenario"`
	Repository  string       `json:"repository"`
	Number      int          `json:"number"`
	Class       policy.Class `json:"class"`
	Conclusion  string       `json:"conclusion"`
	Unmet       []string     `json:"unmet"`
	HeadSHA     string       `json:"head_sha"`
	LedgerIndex int64        `json:"ledger_index"`
}

// outcome is a result with the title that a person reads.
type outcome struct {
	result
	title string
}

// outcome waits until everything that happened was decided and published, and reads what
// is on the pull request: the conclusion from GitHub, the rest from the record behind it.
func (w *acme) outcome(ctx context.Context, name string, pr pull) (outcome, error) {
	if err := w.settle(ctx); err != nil {
		return outcome{}, err
	}
	head := pr.HeadSHA()
	check := pr.Repo().CheckRun(w.app, head, "countersign")
	if check == nil {
		return outcome{}, fmt.Errorf("there is no check run on %s", head)
	}
	state := check.State()
	row, err := w.server.store.Tenant(w.org.ID()).Decision(ctx, state.ExternalID)
	if err != nil {
		return outcome{}, err
	}
	var d policy.Decision
	if err := json.Unmarshal(row.Decision, &d); err != nil {
		return outcome{}, err
	}
	got := outcome{title: state.Title, result: result{
		Scenario: name, Repository: d.Repository, Number: d.Number, Class: d.Authorship.Class, Conclusion: state.Conclusion,
		Unmet: unmet(d), HeadSHA: state.HeadSHA, LedgerIndex: row.LeafIndex,
	}}
	if state.Status != "completed" {
		got.Conclusion = state.Status
	}
	return got, nil
}

func unmet(d policy.Decision) []string {
	list := []string{}
	for _, r := range d.Rules {
		if r.Outcome == policy.OutcomeFail || r.Outcome == policy.OutcomePending {
			list = append(list, r.Rule)
		}
	}
	return list
}

// quick is how often the queue is looked at: its clock is moved, and a timer of before does not
// know of it.
const quick = 25 * time.Millisecond

// soon is how far ahead settle looks: what is due later than that, only time will change.
const soon = time.Minute

// settle waits until every delivery was answered and nothing is left to do, leaving aside
// what only time will change. It moves the server's clock on to what is due soon, so that how
// long it takes does not depend on when that happens to be.
func (w *acme) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := w.sim.Drain(ctx); err != nil {
			return err
		}
		idle, err := w.idle(ctx)
		if err != nil || idle {
			return err
		}
		if err := w.skip(ctx, soon); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case err := <-w.stopped:
			w.stopped <- err
			return fmt.Errorf("the server stopped: %w", err)
		}
	}
}

// skip moves the server's clock to the next job, if nothing runs and it is due within most.
// A server in another process has a clock of its own, which nobody can move.
func (w *acme) skip(ctx context.Context, most time.Duration) error {
	if w.stop == nil {
		return nil
	}
	wait, err := w.due(ctx, most)
	w.later(wait)
	return err
}

// due is the time until the next job, if nothing runs and that is within most; else 0.
func (w *acme) due(ctx context.Context, most time.Duration) (time.Duration, error) {
	// In this order: a job that is taken in between runs, and its lease must not end early.
	next, err := w.server.store.NextRun(ctx)
	if err != nil {
		return 0, err
	}
	stats, err := w.server.store.QueueStats(ctx)
	if err != nil {
		return 0, err
	}
	if wait := next.Sub(w.now()); stats.Ready == 0 && stats.Leased == 0 && wait <= most {
		return max(wait, 0), nil
	}
	return 0, nil
}

func (w *acme) idle(ctx context.Context) (bool, error) {
	stats, err := w.server.store.QueueStats(ctx)
	if err != nil {
		return false, err
	}
	if stats.Dead > 0 {
		dead, err := w.server.store.DeadJobs(ctx)
		return false, errors.Join(err, fmt.Errorf("%d jobs are dead: %+v", stats.Dead, dead))
	}
	if stats.Ready > 0 || stats.Leased > 0 {
		return false, nil
	}
	next, err := w.server.store.NextRun(ctx)
	return next.IsZero() || next.After(w.now().Add(soon)), err
}

// differs says in what an outcome is not as told.
func (want told) differs(got outcome) string {
	if want.class == got.Class && want.conclusion == got.Conclusion && slices.Equal(want.unmet, got.Unmet) {
		return ""
	}
	return fmt.Sprintf("told class %s, conclusion %s, unmet %v; got class %s, conclusion %s, unmet %v (%s)",
		want.class, want.conclusion, want.unmet, got.Class, got.Conclusion, got.Unmet, got.title)
}
