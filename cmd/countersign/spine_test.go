package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/contract"
	"github.com/countersign/countersign/handlers"
)

// startAcme starts the world of the demo for a test: real server, real database, the
// simulated GitHub over HTTP.
func startAcme(t testing.TB, noisy time.Duration) *acme {
	t.Helper()
	return startAcmeOn(t, ghsim.New(ghsim.Options{}), noisy)
}

// startAcmeOn is startAcme with a GitHub of its own.
func startAcmeOn(t testing.TB, sim *ghsim.Sim, noisy time.Duration) *acme {
	t.Helper()
	w := &acme{sim: sim, folder: t.TempDir(), at: databaseOf(t), noisy: noisy}
	w.mustBegin(t)
	return w
}

func (w *acme) mustBegin(t testing.TB) {
	t.Helper()
	orFatal(t, w.begin(t.Context()))
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
}

// fast is the pace of tests that do not look at bursts.
const fast = 10 * time.Millisecond

func (w *acme) mustSettle(t testing.TB) {
	t.Helper()
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// check is the newest check run of ours on the pull request's head; the zero value: none.
func (w *acme) check(pr pull, name string) ghsim.CheckRunState {
	if c := pr.Repo().CheckRun(w.app, pr.HeadSHA(), name); c != nil {
		return c.State()
	}
	return ghsim.CheckRunState{}
}

// wantCheck waits until everything is decided and compares.
func (w *acme) wantCheck(t testing.TB, pr pull, want string) ghsim.CheckRunState {
	t.Helper()
	w.mustSettle(t)
	got := w.check(pr, "countersign")
	state := got.Conclusion
	if got.Status != "completed" {
		state = got.Status
	}
	if state != want {
		t.Fatalf("%s#%d: got %s (%s), want %s\n%s", pr.Repo().FullName(), pr.Number(), state, got.Title, want, got.Summary)
	}
	return got
}

// greenPull is a pull request of Copilot's that bob approved.
func (w *acme) greenPull(t testing.TB, what string) pull {
	t.Helper()
	pr := w.copilotPull(what)
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
	return pr
}

func (w *acme) leaves(t testing.TB) int64 {
	t.Helper()
	orgs, err := w.server.store.Orgs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return orgs[0].Leaves
}

// decisions counts the decisions about a pull request.
func (w *acme) decisions(t testing.TB) int64 {
	t.Helper()
	report, err := w.server.store.Tenant(w.org.ID()).CheckLedger(t.Context(), func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	if report.FirstBad != nil {
		t.Fatalf("the log does not hold: %+v", report.FirstBad)
	}
	return report.Kinds["decision"]
}

// The whole story, with every request, response and webhook held against GitHub's
// published description.
func TestStory(t *testing.T) {
	t.Parallel()
	sim := ghsim.New(ghsim.Options{})
	recorded := contract.Check(t, sim)
	w := &acme{sim: sim, folder: t.TempDir(), at: databaseOf(t), noisy: demoNoisy}
	orFatal(t, w.begin(t.Context()))
	var out, errs bytes.Buffer
	env := environment{stdout: &out, stderr: &errs}
	if err := tellStory(t.Context(), w, env, narrator{out: &out, silent: true}, true); err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
	if exchanges, hooks := recorded.Compared(); exchanges < 100 || hooks < 50 {
		t.Errorf("only %d exchanges and %d webhooks were compared", exchanges, hooks)
	}
	var names []string
	for dec := json.NewDecoder(&out); dec.More(); {
		var r result
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Number == 0 || r.HeadSHA == "" || r.Repository == "" {
			t.Errorf("incomplete result %+v", r)
		}
		names = append(names, r.Scenario)
	}
	for _, s := range story() {
		if !slices.Contains(names, s.name) {
			t.Errorf("no result for %s", s.name)
		}
	}
}

// Fifty check events on one head are at most three evaluations, and one write.
func TestBurstIsCoalesced(t *testing.T) {
	t.Parallel()
	w := startAcme(t, 30*time.Second) // longer than it takes to send all of them
	pr := w.copilotPull("burst")
	w.mustSettle(t)
	before := w.decisions(t)
	w.sim.ResetRequests()
	ci := w.sim.App(ghsim.AppSpec{Slug: "buildbot"})
	for i := range 50 {
		w.shop.PostCheckRun(ci, pr.HeadSHA(), fmt.Sprintf("shard %d", i), "success")
	}
	w.mustSettle(t)
	if got := w.decisions(t) - before; got < 1 || got > 3 {
		t.Errorf("50 events made %d evaluations, want 1 to 3", got)
	}
	if n := writes(w.sim); n > 1 {
		t.Errorf("%d check runs written, though nothing changed that a reader would see", n)
	}
}

func writes(sim *ghsim.Sim) int {
	n := 0
	for route, c := range sim.RequestCounts() {
		if strings.Contains(route, "/check-runs") && !strings.HasPrefix(route, "GET ") {
			n += c.Requests
		}
	}
	return n
}

func TestOurOwnCheckRunsMakeNothingDirty(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "quiet")
	before := w.decisions(t)
	for _, d := range w.app.Deliveries() {
		if d.Event == "check_run" {
			if err := w.app.Redeliver(d.GUID); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.mustSettle(t)
	if got := w.decisions(t); got != before {
		t.Errorf("our own check runs made %d evaluations", got-before)
	}
	// A person who presses the button is heard.
	w.shop.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
	w.mustSettle(t)
	if got := w.decisions(t); got != before+1 {
		t.Errorf("the button made %d evaluations, want 1", got-before)
	}
}

// A warm evaluation costs one query; everything beside it answers 304.
func TestBudgetOfAWarmEvaluation(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "warm")
	// Our own check run is part of what is read, so the first look after a write is not warm.
	w.shop.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
	w.mustSettle(t)
	w.sim.ResetRequests()
	w.shop.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
	w.mustSettle(t)
	for route, c := range w.sim.RequestCounts() {
		if c.Billable > 0 && route != "POST /graphql" {
			t.Errorf("%s: %d billable requests", route, c.Billable)
		}
		if route == "POST /graphql" && c.Requests != 1 {
			t.Errorf("%d queries, want 1", c.Requests)
		}
	}
}

// The webhook ahead of the API: the old head's state is never decided on for the new one.
func TestWebhookAheadOfTheAPI(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "stale")
	old := pr.HeadSHA()
	repair := w.sim.Faults.Add(ghsim.Fault{StaleHeads: 1})
	before := len(w.shop.CheckRuns(old))
	pr.Push(w.copilot, ghsim.Commit{Message: "more" + w.requestedBy(w.alice), Files: map[string]string{"x.go": "package x\n"}})
	w.test(pr, "success")
	if err := w.sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.waitForAttempts(t, "POST /graphql", 3)
	if got := w.check(pr, "countersign"); got.Conclusion != "" {
		t.Errorf("decided %q while the API was behind", got.Conclusion)
	}
	repair()
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status == held && w.settled(t) })
	if got := len(w.shop.CheckRuns(old)); got != before {
		t.Errorf("the old head got %d more check runs", got-before)
	}
}

// waitForAttempts waits until a route was asked at least n times since the last reset.
func (w *acme) waitForAttempts(t testing.TB, route string, n int) {
	t.Helper()
	w.sim.ResetRequests()
	w.waitUntil(t, func() bool { return w.sim.RequestCounts()[route].Requests >= n })
}

func (w *acme) waitUntil(t testing.TB, holds func() bool) {
	t.Helper()
	w.waitFor(t, 30*time.Second, holds)
}

// waitFor is waitUntil with another patience.
func (w *acme) waitFor(t testing.TB, most time.Duration, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain", most)
		}
	}
}

// skipUntil moves the server's clock from one thing that is due to the next, while
// nothing runs, until holds.
func (w *acme) skipUntil(t testing.TB, holds func() bool) {
	t.Helper()
	w.waitUntil(t, func() bool {
		if holds() {
			return true
		}
		if err := w.skip(t.Context(), math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		return false
	})
}

// A write that GitHub did and reported lost is found again, not repeated.
func TestAmbiguousWriteIsReadBack(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for _, fault := range []ghsim.Fault{
		{Route: "POST /repos/{owner}/{repo}/check-runs", Times: 1, Status: 502, AfterDoing: true},
		{Route: "POST /repos/{owner}/{repo}/check-runs", Times: 1, Drop: true, AfterDoing: true},
		{Route: "POST /repos/{owner}/{repo}/check-runs", Times: 1, Status: 502},
	} {
		w.sim.Faults.Add(fault)
		pr := w.untested(fmt.Sprintf("ambiguous %d %t %t", fault.Status, fault.Drop, fault.AfterDoing))
		mustDo(t, w.sim.Drain(t.Context())) // before the clock moves on
		w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status != "" && w.settled(t) })
		ours := 0
		for _, c := range w.shop.CheckRuns(pr.HeadSHA()) {
			if c.AppID == w.app.ID() {
				ours++
			}
		}
		if ours != 1 {
			t.Errorf("%+v: %d check runs of ours, want 1", fault, ours)
		}
	}
}

// settled says whether nothing is left to do.
func (w *acme) settled(t testing.TB) bool {
	idle, err := w.idle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return idle
}

// A long outage is told on the check run: waiting first, then failure with the cause.
func TestOutageIsTold(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "outage")
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "POST /graphql", Status: 502})
	w.test(pr, "failure")
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status == "in_progress" })
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Conclusion == failed })
	if got := w.check(pr, "countersign"); !strings.Contains(got.Summary+got.Title, "did not answer") {
		t.Errorf("the check run does not say why: %s\n%s", got.Title, got.Summary)
	}
	repair()
	w.skipUntil(t, func() bool { return strings.Contains(w.check(pr, "countersign").Title, "tests") })
}

func TestRateLimitIsToldAndWaitedFor(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "limited")
	reset := time.Now().Add(time.Second)
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "POST /graphql", RateLimited: true, Reset: reset})
	pr.Label(w.dave, "again")
	w.waitUntil(t, func() bool { return w.check(pr, "countersign").Status == "in_progress" })
	if got := w.check(pr, "countersign"); !strings.Contains(got.Title+got.Summary, "rate limit") {
		t.Errorf("the check run does not name the rate limit: %s\n%s", got.Title, got.Summary)
	}
	repair()
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Conclusion == released })
}

// Duplicated and reordered deliveries come to the same end.
func TestDuplicatesAndReordering(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	hooks := w.app.Hooks()
	hooks.Hold()
	green, stale := w.copilotPull("reordered"), w.copilotPull("reordered and pushed")
	green.Approve(w.bob)
	stale.Approve(w.bob)
	stale.Push(w.copilot, ghsim.Commit{Message: "late" + w.requestedBy(w.alice), Files: map[string]string{"late.go": "package late\n"}})
	w.test(stale, "success")
	hooks.ReleaseReversed()
	w.wantCheck(t, green, released)
	w.wantCheck(t, stale, held)
	for _, d := range w.app.Deliveries() {
		if err := w.app.Redeliver(d.GUID); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCheck(t, green, released)
	w.wantCheck(t, stale, held)
}

// A second pull request on the same head shows the worse of the two.
func TestSharedHeadShowsTheWorst(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "shared")
	w.shop.PushTo("copilot/second", pr.HeadSHA(), w.copilot)
	second := w.shop.OpenPullRequest(ghsim.PullSpec{Title: "The same commits again", Head: "copilot/second", Author: w.copilot})
	second.Assign(w.alice, w.copilot)
	w.wantCheck(t, second, held)
	second.Close(w.alice)
	w.wantCheck(t, pr, released)
}

// Without app.yml's permission for it, nothing is decided from what is missing.
func TestEveryPermissionMissing(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	install := w.app.Install(w.org)
	for _, permission := range []string{"pull_requests", "contents", "actions", "administration", "statuses"} {
		t.Run(permission, func(t *testing.T) {
			level := w.permissions(t)[permission]
			install.Grant(permission, "")
			w.restart(t) // tokens keep what they had for an hour
			pr := w.copilotPull("without " + permission)
			pr.Approve(w.bob)
			if err := w.sim.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.waitUntil(t, func() bool { return w.atRest(t) })
			if got := w.check(pr, "countersign"); got.Conclusion == "success" {
				t.Errorf("green without %s", permission)
			}
			install.Grant(permission, level)
			w.restart(t)
			// What was not delivered meanwhile is unknown: bob approves once more.
			pr.Approve(w.bob)
			w.skipUntil(t, func() bool { return w.check(pr, "countersign").Conclusion == released })
		})
	}
}

// atRest says whether nothing runs or could run now.
func (w *acme) atRest(t testing.TB) bool {
	stats, err := w.server.store.QueueStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Leased == 0 && stats.Ready == 0
}

func (w *acme) permissions(t testing.TB) map[string]string {
	t.Helper()
	m, err := countersign.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Permissions
}

// restart stops the server in good order and starts it again on the same data.
func (w *acme) restart(t testing.TB) {
	t.Helper()
	w.stop()
	if err := <-w.stopped; err != nil {
		t.Fatal(err)
	}
	w.startAgain(t)
}

// startAgain starts the stopped server on the same data.
func (w *acme) startAgain(t testing.TB) {
	t.Helper()
	if err := w.startServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.app.Hook("http://"+w.server.listener.Addr().String()+handlers.HookPath, hookSecret)
}

// Text from strangers stays text.
func TestHostileText(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	evil := "<img src=x onerror=alert(1)> | ](http://evil) @carol `x` \u202e"
	pr := w.shop.OpenPullRequest(ghsim.PullSpec{Title: evil, Body: evil, Head: "copilot/evil-branch", Author: w.copilot,
		Commits: []ghsim.Commit{{Message: evil + "\n\nCo-authored-by: " + evil + " <evil@example.com>", AuthorName: evil, AuthorEmail: "evil@example.com",
			Files: map[string]string{".github/workflows/<b>|evil.yml": "x\n"}}}})
	w.shop.PostStatus(w.dave, pr.HeadSHA(), "tests | <script>", "success")
	got := w.wantCheck(t, pr, failedOrHeld(w, t, pr))
	for _, bad := range []string{"<img", "<script>", "](http://evil)", "@carol", "\u202e"} {
		if strings.Contains(got.Title+got.Summary+got.Text, bad) {
			t.Errorf("the check run holds %q as it came", bad)
		}
	}
}

func failedOrHeld(w *acme, t *testing.T, pr pull) string {
	w.mustSettle(t)
	if got := w.check(pr, "countersign"); got.Status != "completed" {
		return got.Status
	}
	return failed
}

// A policy that does not parse is said with line and column, and nothing is decided by it.
func TestBrokenPolicy(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.repository("broken", "version: 1\nmode: enforced\nbranches: [main]\n")
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/x", Author: w.dave, Commits: []ghsim.Commit{{Message: "x", Files: map[string]string{"x": "x"}}}})
	w.mustSettle(t)
	got := w.check(pr, "countersign")
	if got.Conclusion != "action_required" {
		t.Fatalf("got %q, want action_required", got.Conclusion)
	}
	for _, want := range []string{"2", "enforced", "audit", "enforce"} {
		if !strings.Contains(got.Summary, want) {
			t.Errorf("the check run does not say %q:\n%s", want, got.Summary)
		}
	}
}

func TestNotEnrolledGetsNoCheckRun(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.org.Repo("plain", ghsim.RepoSpec{By: w.carol}).Collaborator(w.dave, "write")
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/x", Author: w.dave, Commits: []ghsim.Commit{{Message: "x", Files: map[string]string{"x": "x"}}}})
	w.mustSettle(t)
	if runs := repo.CheckRuns(pr.HeadSHA()); len(runs) != 0 {
		t.Errorf("got %+v, want none", runs)
	}
}

// Audit has a check name of its own, and never blocks.
func TestAuditModeAndLanes(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	audit := strings.Replace(shopPolicy, "branches: [main]", "branches: [main]\nlanes:\n  - {name: sandbox, branches: [dev], mode: audit}", 1)
	repo := w.repository("lanes", strings.Replace(audit, "mode: enforce\n", "mode: audit\n", 1))
	pr := w.untestedIn(repo, "audited")
	w.test(pr, "failure")
	w.mustSettle(t)
	if got := w.check(pr, "countersign (audit)"); got.Conclusion != "neutral" {
		t.Errorf("main in audit: got %q, want neutral", got.Conclusion)
	}
	if got := w.check(pr, "countersign"); got.Name != "" {
		t.Errorf("audit posted under the enforcing name: %+v", got)
	}
	repo.Push("dev", w.carol)
	lane := repo.OpenPullRequest(ghsim.PullSpec{Title: "in the lane", Base: "dev", Head: "dave/lane", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "lane", Files: map[string]string{"lane": "x"}}}})
	w.test(lane, "failure")
	w.mustSettle(t)
	if got := w.check(lane, "countersign (sandbox audit)"); got.Conclusion != "neutral" {
		t.Errorf("the lane: got %q, want neutral (%s)", got.Conclusion, got.Title)
	}
}
