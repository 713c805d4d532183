package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// asked counts what GitHub was asked on a route with a text in the path.
func (w *acme) asked(route, path string) (n int) {
	for _, q := range w.sim.Requests() {
		if q.Route == route && strings.Contains(q.Path, path) {
			n++
		}
	}
	return n
}

// With less than a fifth of the hour left, decisions are made and published and direct pushes are
// found; issues, the register and the list of repositories wait for the next hour, and are not given up.
func TestWhatCanWaitWaitsForDecisions(t *testing.T) {
	t.Parallel()
	w := startInStep(t)
	installation := w.app.Install(w.org)
	installation.Grant("issues", "write")
	url := w.measured(t)
	repo := w.guardedRepo("waits", issuesPolicy)
	w.later(2 * time.Hour)
	w.mustSettle(t)
	w.greenPull(t, "before")
	installation.Spend(4100, 4100)
	w.greenPull(t, "tells what is left")
	w.sim.ResetRequests()

	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
	repo.Protect("main", w.carol, w.usual())
	mustDo(t, w.server.store.Mark(t.Context(), []store.Mark{
		{Kind: store.KindRegister, OrgID: w.org.ID(), InstallationID: installation.ID(), Repository: "acme/.github"},
		{Kind: store.KindScope, OrgID: w.org.ID(), InstallationID: installation.ID(), Repository: "acme/.github"},
	}))
	w.greenPull(t, "a decision")
	if list := w.exceptions(t, repo, "direct-push"); len(list) != 1 {
		t.Errorf("%d direct pushes were found, want 1", len(list))
	}
	read := func() (n int) {
		return w.asked("GET /repos/{owner}/{repo}/contents/{path...}", policy.RegisterPath) + w.asked("GET /installation/repositories", "")
	}
	if n := read() + len(repo.Issues()); n != 0 {
		t.Errorf("%d requests and issues that can wait, want 0", n)
	}
	if _, text := get(t, url); !strings.Contains(text, `countersign_jobs{kind="register",state="waiting"} 1`) || !strings.Contains(text, `countersign_jobs{kind="register",state="dead"} 0`) {
		t.Error("the register does not wait")
	}
	w.later(time.Hour)
	w.mustSettle(t)
	if n := read(); n != 2 || len(repo.Issues()) != 1 {
		t.Errorf("in the next hour %d reads and %d issues, want 2 and 1", n, len(repo.Issues()))
	}
	_, text := get(t, url)
	if !strings.Contains(text, fmt.Sprintf(`countersign_github_rate_limit_remaining{installation="%d",resource="core"} 49`, installation.ID())) {
		t.Error("the metrics do not say what is left of the next hour")
	}
}

// However much there is to tell GitHub, it is told no faster than it takes; a merge group does not
// wait for the rest, and nothing is lost.
func TestWritesToGitHubAreBounded(t *testing.T) {
	t.Parallel()
	w := &acme{folder: t.TempDir(), at: databaseOf(t), noisy: fast, writes: 6}
	w.sim = ghsim.New(ghsim.Options{Clock: w.now, WritesPerMinute: 8})
	orFatal(t, w.begin(t.Context()))
	t.Cleanup(func() { mustDo(t, w.close()) })
	repo := w.queuedRepo("busy")
	pr := w.readyPull(t, repo, "one")
	w.later(2 * time.Minute)
	began := w.now()
	var pulls []pull
	for i := range 12 {
		pulls = append(pulls, w.untested(fmt.Sprint("change ", i)))
	}
	w.waitUntil(t, func() bool {
		lines, err := w.server.store.WriteLines(t.Context())
		mustDo(t, err)
		return lines[0].Waiting > 5
	})
	mustDo(t, pr.Enqueue(w.dave))
	group := pr.GroupSHA()
	w.testGroup(repo, group, "success")
	w.waitUntil(t, func() bool { return w.groupCheck(repo, group).Conclusion == "success" })
	open := func(p pull) bool { return w.check(p, "countersign").Status == "" }
	if took := w.now().Sub(began); took > time.Minute || !slices.ContainsFunc(pulls, open) {
		t.Errorf("the merge group was told of after %s, among the last", took)
	}
	w.skipUntil(t, func() bool { return !slices.ContainsFunc(pulls, open) })
	if took := w.now().Sub(began); took < 2*time.Minute {
		t.Errorf("more than 12 writes took %s, at most 6 in a minute", took)
	}
	for _, q := range w.sim.Requests() {
		if q.Status == 403 {
			t.Errorf("GitHub refused %s %s", q.Method, q.Path)
		}
	}
	if dead, err := w.server.store.DeadJobs(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("given up: %+v %v", dead, err)
	}
}
