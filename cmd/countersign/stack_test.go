package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// stacked is dave's pull request to main with another one on top of it.
func (w *acme) stacked(repo *ghsim.Repo) (lower, upper pull) {
	lower = w.davesPull(repo, code)
	upper = repo.OpenPullRequest(ghsim.PullSpec{Title: "upper", Head: "dave/upper", Base: "dave/fix", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "upper", Files: map[string]string{"upper.go": "package shop\n"}}}})
	repo.Stack(lower, upper)
	return lower, upper
}

// weakenedBelow is the upper pull request of a stack, tested and approved while the branch below
// had no tests. That was set back before anybody looked. told says whether deliveries tell of it.
func (w *acme) weakenedBelow(t *testing.T, repo *ghsim.Repo, told bool) (lower, upper pull) {
	t.Helper()
	lower, upper = w.stacked(repo)
	w.mustSettle(t)
	w.app.Hooks().Drop(func(event, _ string) bool { return !told && (event == "push" || event == "pull_request") })
	defer w.app.Hooks().Drop(nil)
	good := lower.HeadSHA()
	lower.Push(w.dave, ghsim.Commit{Message: "weak", Files: map[string]string{ciPath: "name: ci\n"}})
	w.approved(upper)
	repo.ForcePush("dave/fix", good, w.dave)
	if lower.HeadSHA() != good {
		t.Fatalf("the branch below is at %s, want %s", lower.HeadSHA(), good)
	}
	return lower, upper
}

// A stack is green as long as nobody touches what is below, and again once it was updated.
func TestStacks(t *testing.T) {
	w := startAcme(t, fast)
	repo := w.guardedRepo("stacks", "")
	lower, upper := w.stacked(repo)
	w.approved(upper)
	w.wantCheck(t, upper, released)
	// The update of the branch below makes the upper one wait, at once.
	lower.Push(w.dave, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package shop\n"}})
	w.mustSettle(t)
	if got := w.check(upper, "countersign"); got.Status != "in_progress" {
		t.Errorf("the branch below moved: got %s %s: %s", got.Status, got.Conclusion, got.Title)
	}
	mustDo(t, upper.UpdateBranch(w.dave))
	w.approved(upper)
	w.wantCheck(t, upper, released)
}

// What runs on push takes nothing from the branch below.
func TestStackTestedOnPush(t *testing.T) {
	w := startAcme(t, fast)
	repo := w.guardedRepo("stack on push", "")
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "on push", Files: map[string]string{policy.Path: shopPolicy[:len(shopPolicy)-2] + ", event: push}\n"}})
	repo.Protect("main", w.carol, w.usual())
	lower, upper := w.stacked(repo)
	lower.Push(w.dave, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package shop\n"}})
	repo.RunWorkflow(upper.HeadSHA(), ciPath, "push", ghsim.Job{Name: "test", Conclusion: "success"})
	upper.Approve(w.bob)
	w.wantCheck(t, upper, released)
}
