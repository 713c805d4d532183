package main

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

func (w *acme) exceptions(t *testing.T, repo *ghsim.Repo, kind string) []store.LeafIndexed {
	t.Helper()
	list, err := w.server.store.Tenant(w.org.ID()).Exceptions(t.Context(), store.ExceptionFilter{RepoID: repo.ID(), Kind: kind})
	mustDo(t, err)
	return list
}

// A branch that stops being protected is one exception, with since and until.
func TestProtectionDrift(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("drift", "")
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, released)
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 0 {
		t.Fatalf("nothing drifted: %+v", list)
	}
	before := w.protectionLeaves(t)
	repo.Unprotect("main", w.carol)
	w.wantCheck(t, pr, "failure")
	list := w.exceptions(t, repo, store.ProtectionDrift)
	if len(list) != 1 || list[0].State != store.ExceptionOpen || list[0].Severity != "high" || !strings.Contains(list[0].Reason, "main") {
		t.Fatalf("drifts: %+v", list)
	}
	// Nobody says that it is settled while it is not, least of all whoever made it.
	out, err := w.exceptionsAs(t, w.carol.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "all is well", list[0].ID)
	if err == nil || !strings.Contains(out+err.Error(), "the branch is not protected as it was yet") {
		t.Errorf("closed while it is not protected: %v\n%s", err, out)
	}
	// Seen again, it is the same one.
	pr.Approve(w.bob)
	w.mustSettle(t)
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 1 {
		t.Errorf("drifts: %+v", list)
	}
	repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{
		{Name: "countersign", App: w.app}, {Name: "test", App: w.sim.Actions()}}})
	w.wantCheck(t, pr, released)
	list = w.exceptions(t, repo, store.ProtectionDrift)
	if len(list) != 1 || list[0].State != store.ExceptionRemediated || !strings.Contains(list[0].Remediation, "again since") {
		t.Errorf("protected again: %+v", list)
	}
	if got := w.protectionLeaves(t) - before; got != 2 {
		t.Errorf("the log has %d states more, want one without and one with protection", got)
	}
}

// protectionLeaves is how many states of protected branches the organisation's log holds.
func (w *acme) protectionLeaves(t *testing.T) int64 {
	t.Helper()
	report, err := w.server.store.Tenant(w.org.ID()).CheckLedger(t.Context(), nil)
	mustDo(t, err)
	if report.FirstBad != nil {
		t.Fatalf("the log: %+v", report)
	}
	return report.Kinds[store.LeafProtection]
}

// It is also seen when no pull request asks.
func TestProtectionDriftWithoutAPullRequest(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("quiet drift", "")
	repo.Push("topic", w.dave) // a repository in which nothing else happens
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	w.mustSettle(t)
	list := w.exceptions(t, repo, store.ProtectionDrift)
	if len(list) != 1 || list[0].State != store.ExceptionOpen || list[0].DueAt.IsZero() {
		t.Fatalf("drifts: %+v", list)
	}
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "*/rules/branches/{branch}", Status: 403, Message: "Resource not accessible by integration"})
	w.later(2 * time.Hour)
	w.mustSettle(t)
	repair()
	repo.Protect("main", w.carol, w.usual())
	w.mustSettle(t)
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 1 || list[0].State != store.ExceptionRemediated {
		t.Errorf("protected again: %+v", list)
	}
}

// A drift of a branch that is not enrolled any more is over, and can be closed.
func TestProtectionDriftOfABranchThatIsNotFollowed(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("drift and out", "")
	repo.Push("topic", w.dave)
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	w.mustSettle(t)
	// Enforcement is sticky; a branch in audit mode may leave.
	repo.Push("main", w.carol, ghsim.Commit{Message: "audit", Files: map[string]string{policy.Path: strings.Replace(shopPolicy, "mode: enforce", "mode: audit", 1)}})
	w.later(2 * time.Hour)
	w.mustSettle(t)
	repo.Push("main", w.carol, ghsim.Commit{Message: "out", Delete: []string{policy.Path}})
	w.later(2 * time.Hour)
	w.mustSettle(t)
	list := w.exceptions(t, repo, store.ProtectionDrift)
	if len(list) != 1 || list[0].State != store.ExceptionRemediated || !strings.Contains(list[0].Remediation, "not protected again before") {
		t.Fatalf("drifts: %+v", list)
	}
	if out, err := w.exceptionsAs(t, w.alice.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "archived", list[0].ID); err != nil {
		t.Errorf("closed: %v\n%s", err, out)
	}
}

// A branch that never was protected has not drifted.
func TestAnUnprotectedBranchHasNotDrifted(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.repository("never", shopPolicy)
	w.wantCheck(t, w.approved(w.davesPull(repo, code)), "failure")
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 0 {
		t.Errorf("drifts: %+v", list)
	}
}

// Somebody posts a check under our name: it counts for nothing, is told, and is one exception.
func TestImpostorCheck(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("impostor", "")
	helper := w.sim.App(ghsim.AppSpec{Slug: "helper"})
	pr := w.davesPull(repo, code)
	w.test(pr, "success")
	for range 3 {
		repo.PostCheckRun(helper, pr.HeadSHA(), "countersign", "success")
	}
	if got := w.wantCheck(t, pr, held); !strings.Contains(got.Summary, "was posted by the App helper") {
		t.Errorf("the summary does not tell of it:\n%s", got.Summary)
	}
	list := w.exceptions(t, repo, "impostor-check")
	if len(list) != 1 || list[0].Severity != "medium" || list[0].SHA != pr.HeadSHA() {
		t.Errorf("exceptions: %+v", list)
	}
	// It does not hold anybody up either.
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
}
