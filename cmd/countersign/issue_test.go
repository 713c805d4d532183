package main

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

const issuesPolicy = shopPolicy + "exceptions: {owner: alice, issues: true, escalate: true}\n"

// startWithIssues starts an organisation that lets the App write issues. later moves GitHub's
// clock and the server's.
func startWithIssues(t *testing.T) (w *acme, later func(time.Duration)) {
	t.Helper()
	var ahead atomic.Int64
	sim := ghsim.New(ghsim.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	w, err := newAcme(t.Context(), sim, t.TempDir(), fast)
	mustDo(t, err)
	t.Cleanup(func() { mustDo(t, w.close()) })
	w.app.Install(w.org).Grant("issues", "write")
	return w, func(d time.Duration) { w.later(d); ahead.Add(int64(d)) }
}

// An exception is an issue of its repository, and is closed with it.
func TestExceptionsAsIssues(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo, e := w.pushedDirectly(t, "as issues", issuesPolicy)
	issues := repo.Issues()
	if len(issues) != 1 {
		t.Fatalf("%d issues, want 1", len(issues))
	}
	issue := issues[0]
	if issue.Title() != "Exception direct-push on main" || !strings.Contains(issue.Body(), "carol pushed to main directly") ||
		strings.Join(issue.Labels(), " ") != "countersign-exception" || strings.Join(issue.Assignees(), " ") != "alice" {
		t.Errorf("the issue: %q %v %v\n%s", issue.Title(), issue.Labels(), issue.Assignees(), issue.Body())
	}
	if e = w.exceptions(t, repo, "direct-push")[0]; e.Issue != issue.Number() || e.Owner != "alice" {
		t.Errorf("the exception: %+v", e)
	}
	refused := func(what, says string) {
		t.Helper()
		w.mustSettle(t)
		comments := issue.Comments()
		last := comments[len(comments)-1].Body()
		if issue.State() != "open" || !strings.Contains(last, says) {
			t.Errorf("%s: the issue is %s, and the last comment is\n%s", what, issue.State(), last)
		}
		if got := w.exceptions(t, repo, "direct-push")[0]; got.State != store.ExceptionOpen {
			t.Fatalf("%s closed it: %+v", what, got)
		}
		later(time.Minute)
	}
	issue.Close(w.alice)
	refused("without a word", "did not say what was done")
	issue.Comment(w.alice, "What is this?")
	later(2 * time.Hour)
	issue.Close(w.alice)
	refused("what was said long before", "did not say what was done")
	issue.Comment(w.carol, "It was me, all is well.")
	issue.Close(w.carol)
	refused("who it is about", "somebody else closes it")
	issue.Comment(w.alice, "Looked at it.")
	issue.Close(w.copilot)
	refused("an agent", "only a person")
	later(25 * time.Hour)
	w.mustSettle(t)
	if got := issue.Labels(); len(got) != 2 || got[1] != "countersign-overdue" {
		t.Errorf("overdue: labels %v", got)
	}
	refused("being overdue", "This is overdue")
	issue.Comment(w.alice, "Reverted in #3.")
	issue.Close(w.alice)
	w.mustSettle(t)
	got := w.exceptions(t, repo, "direct-push")[0]
	if got.State != store.ExceptionClosed || got.Remediation != "Reverted in #3." {
		t.Errorf("closed with its issue: %+v", got)
	}
	steps, err := w.server.store.Tenant(w.org.ID()).ExceptionSteps(t.Context(), e.ID)
	mustDo(t, err)
	if !slices.ContainsFunc(steps, func(s store.LeafIndexed) bool { return s.Step == "closed" && s.By == "alice" && s.ByID == w.alice.ID() }) {
		t.Errorf("no step says who closed it: %+v", steps)
	}
	if labels := issue.Labels(); len(labels) != 1 {
		t.Errorf("settled, and labelled %v", labels)
	}
	w.nothingLeft(t, repo, issue)
}

// nothingLeft checks that a day of looking at it again changes nothing of an issue.
func (w *acme) nothingLeft(t *testing.T, repo *ghsim.Repo, issue *ghsim.Issue) {
	t.Helper()
	comments := len(issue.Comments())
	w.later(24 * time.Hour)
	w.mustSettle(t)
	if len(repo.Issues()) != 1 || len(issue.Comments()) != comments {
		t.Errorf("a day later there are %d issues and %d comments, want 1 and %d", len(repo.Issues()), len(issue.Comments()), comments)
	}
}

// What is closed elsewhere ends its issue, and a delivery that is lost changes nothing.
func TestAnIssueFollowsItsException(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo, e := w.pushedDirectly(t, "follows", issuesPolicy)
	issue := repo.Issues()[0]
	out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "reverted", e.ID)
	if err != nil {
		t.Fatal(out)
	}
	w.mustSettle(t)
	if comments := issue.Comments(); issue.State() != "closed" || len(comments) != 1 || !strings.Contains(comments[0].Body(), "reverted") {
		t.Errorf("the issue is %s with %d comments", issue.State(), len(comments))
	}
	w.nothingLeft(t, repo, issue)

	repo, _ = w.pushedDirectly(t, "lost closing", issuesPolicy)
	issue = repo.Issues()[0]
	w.app.Hooks().Drop(func(event, _ string) bool { return event == "issues" || event == "issue_comment" })
	issue.Comment(w.bob, "reverted in #1")
	issue.Close(w.bob)
	w.app.Hooks().Drop(nil)
	later(7 * time.Hour)
	w.mustSettle(t)
	if got := w.exceptions(t, repo, "direct-push")[0]; got.State != store.ExceptionClosed || got.By != "bob" {
		t.Errorf("a closing that no delivery told of: %+v", got)
	}
}

// What may not be written is recorded once, and the exception lives on.
func TestExceptionsWithoutThePermission(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, e := w.pushedDirectly(t, "no permission", issuesPolicy)
	w.later(25 * time.Hour)
	w.mustSettle(t)
	steps, err := w.server.store.Tenant(w.org.ID()).ExceptionSteps(t.Context(), e.ID)
	mustDo(t, err)
	var names []string
	for _, s := range steps {
		names = append(names, s.Step)
	}
	if got := strings.Join(names, ", "); got != "opened, not written on GitHub, overdue" || len(repo.Issues()) != 0 {
		t.Errorf("steps %s, %d issues", got, len(repo.Issues()))
	}
}

// An answer that is lost opens no second issue and says nothing twice.
func TestLostAnswersToIssues(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"POST */issues", "POST */comments", "POST */labels", "POST */assignees", "PATCH */issues/{number}"} {
		t.Run(route, func(t *testing.T) {
			w, later := startWithIssues(t)
			w.sim.Faults.Add(ghsim.Fault{Route: route, Times: 2, AfterDoing: true, Drop: true})
			repo, e := w.pushedDirectly(t, "lost answers", issuesPolicy)
			later(25 * time.Hour)
			w.mustSettle(t)
			out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "reverted", e.ID)
			if err != nil {
				t.Fatal(out)
			}
			w.skipUntil(t, func() bool { return w.exceptions(t, repo, "direct-push")[0].OnGitHub == "closed" })
			issues := repo.Issues()
			if len(issues) != 1 || issues[0].State() != "closed" || len(issues[0].Comments()) != 2 {
				t.Errorf("%d issues, the first is %s with %d comments, want overdue and closed", len(issues), issues[0].State(), len(issues[0].Comments()))
			}
		})
	}
}

// A review that does not come is told on its pull request.
func TestLateReviewsAreEscalated(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo := w.guardedRepo("escalated", shopPolicy+"sla: {agent_review: 4h}\nexceptions: {owner: alice, escalate: true}\n")
	pr := w.copilotPullIn(repo, "late")
	w.mustSettle(t)
	later(9 * time.Hour)
	w.mustSettle(t)
	comments := pr.Comments()
	if len(comments) != 1 || !strings.Contains(comments[0].Body(), "This is overdue") || strings.Join(pr.Labels(), " ") != "countersign-overdue" || !slices.Contains(pr.Assignees(), "alice") {
		t.Fatalf("%d comments, labels %v, assignees %v", len(comments), pr.Labels(), pr.Assignees())
	}
	pr.Approve(w.bob)
	w.mustSettle(t)
	if got := pr.Labels(); len(got) != 0 {
		t.Errorf("reviewed, and labelled %v", got)
	}
	if e := w.exceptions(t, repo, store.ExceptionLate)[0]; e.State != store.ExceptionClosed || e.Escalated {
		t.Errorf("reviewed: %+v", e)
	}
}

// Where a conversation is locked, everything else goes on without a word.
func TestALockedIssue(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo, e := w.pushedDirectly(t, "locked", issuesPolicy)
	issue := repo.Issues()[0]
	issue.Lock(w.carol)
	later(time.Minute)
	issue.Close(w.alice)
	w.mustSettle(t)
	got := w.exceptions(t, repo, "direct-push")[0]
	if issue.State() != "open" || got.State != store.ExceptionOpen || got.Step != "closing refused, without a word: its conversation is locked" {
		t.Errorf("closed without a word: the issue is %s, the exception %s after %q", issue.State(), got.State, got.Step)
	}
	later(25 * time.Hour)
	w.mustSettle(t)
	if labels := issue.Labels(); !slices.Contains(labels, "countersign-overdue") {
		t.Errorf("overdue, and labelled %v", labels)
	}
	out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "reverted", e.ID)
	if err != nil {
		t.Fatal(out)
	}
	w.mustSettle(t)
	if issue.State() != "closed" || len(issue.Labels()) != 1 || len(issue.Comments()) != 0 {
		t.Errorf("settled: the issue is %s, with labels %v and %d comments", issue.State(), issue.Labels(), len(issue.Comments()))
	}
}

// An App that is installed anew goes on with the exceptions from before.
func TestExceptionsAfterAnotherInstallation(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo, e := w.pushedDirectly(t, "installed anew", issuesPolicy)
	w.app.Install(w.org).Remove()
	w.mustSettle(t)
	later(7 * time.Hour)
	w.mustSettle(t)
	w.app.Install(w.org).Grant("issues", "write")
	w.mustSettle(t)
	out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "reverted", e.ID)
	if err != nil {
		t.Fatal(out)
	}
	w.mustSettle(t)
	if got := repo.Issues()[0].State(); got != "closed" {
		t.Errorf("the exception is closed, its issue is %s", got)
	}
}

// The label of a pull request stays until nothing about it is overdue any more.
func TestTwoOverdueExceptionsShareALabel(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo := w.guardedRepo("two overdue", shopPolicy+"exceptions: {escalate: true}\n")
	pr := w.davesPull(repo, code)
	w.test(pr, "success")
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	mustDo(t, pr.Merge(w.copilot, "squash"))
	w.mustSettle(t)
	later(8 * 24 * time.Hour)
	w.mustSettle(t)
	for _, c := range []struct{ kind, labels string }{
		{"merged-while-failing", "countersign-overdue"}, {"merged-by-agent", ""},
	} {
		if got := strings.Join(pr.Labels(), " "); got != "countersign-overdue" {
			t.Fatalf("overdue, and labelled %q", got)
		}
		e := w.exceptions(t, repo, c.kind)[0]
		out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "reverted", e.ID)
		if err != nil {
			t.Fatal(out)
		}
		w.mustSettle(t)
		if got := strings.Join(pr.Labels(), " "); got != c.labels {
			t.Errorf("%s is closed: labels %q, want %q", c.kind, got, c.labels)
		}
		if e := w.exceptions(t, repo, c.kind)[0]; e.Escalated {
			t.Errorf("%s is closed, and said to be shown as overdue", c.kind)
		}
	}
}
