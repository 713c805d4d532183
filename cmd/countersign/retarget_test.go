package main

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

const sandboxCheck = "countersign (sandbox)"

// laneRepo has a strict main branch, and a lane with the branch dev, whose own policy asks for no
// approval and for no tests.
func (w *acme) laneRepo(name string) *ghsim.Repo {
	lanes := "branches: [main]\nlanes:\n  - {name: sandbox, branches: [dev], mode: enforce}"
	repo := w.guardedRepo(name, strings.Replace(shopPolicy, "branches: [main]", lanes, 1))
	repo.Push("dev", w.carol, ghsim.Commit{Message: "lax", Files: map[string]string{
		policy.Path: "version: 1\nmode: enforce\n" + lanes + "\nreview: {human: {approvals: 0}, decided_by: countersign}\nvalidation: {required: [{id: lint, status: lint, creator: acme-lint}]}\n"}})
	repo.Protect("dev", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: sandboxCheck, App: w.app}}})
	return repo
}

func (w *acme) linted(repo *ghsim.Repo, pr pull) {
	lint := w.sim.User("acme-lint")
	repo.Collaborator(lint, "write")
	repo.PostStatus(lint, pr.HeadSHA(), "lint", "success")
}

// fromDev is dave's pull request on top of dev.
func (w *acme) fromDev(t *testing.T, repo *ghsim.Repo, base string) pull {
	t.Helper()
	mustDo(t, repo.PushTo("dave/fix", repo.Head("main"), w.dave))
	return repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: base, Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
}

// wantBoth settles and compares the conclusions under both check names; empty: no conclusion.
func (w *acme) wantBoth(t *testing.T, when string, pr pull, main, sandbox string) {
	t.Helper()
	w.mustSettle(t)
	if got := w.check(pr, "countersign"); got.Conclusion != main {
		t.Errorf("%s: main is %q, want %q: %s\n%s", when, got.Conclusion, main, got.Title, got.Summary)
	}
	if got := w.check(pr, sandboxCheck); got.Conclusion != sandbox {
		t.Errorf("%s: the lane is %q, want %q: %s\n%s", when, got.Conclusion, sandbox, got.Title, got.Summary)
	}
}

// What a laxer lane says of a commit is said under its own name, and never for main.
func TestLanesOfOneHead(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	t.Run("one head in two pull requests", func(t *testing.T) {
		repo := w.laneRepo("two lanes")
		lax := w.fromDev(t, repo, "dev")
		w.linted(repo, lax)
		w.wantBoth(t, "to dev alone", lax, "", released)
		strict := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Author: w.dave})
		w.wantBoth(t, "to main as well", strict, "", released)
		if got := w.check(strict, "countersign"); got.Status != "in_progress" {
			t.Errorf("main is %q, want in_progress", got.Status)
		}
	})
	t.Run("switched from lax to strict", func(t *testing.T) {
		repo := w.laneRepo("lax to strict")
		pr := w.fromDev(t, repo, "dev")
		w.linted(repo, pr)
		w.wantBoth(t, "to dev", pr, "", released)
		pr.Retarget(w.dave, "main")
		w.mustSettle(t)
		if got := w.check(pr, "countersign"); got.Status != "in_progress" {
			t.Errorf("main is %q %q, want in_progress", got.Status, got.Conclusion)
		}
		pr.Push(w.dave, ghsim.Commit{Message: "for main", Files: map[string]string{"more.go": "package shop\n"}})
		w.approved(pr)
		w.wantCheck(t, pr, released)
	})
	t.Run("switched from strict to lax and back", func(t *testing.T) {
		repo := w.laneRepo("strict to lax")
		pr := w.fromDev(t, repo, "main")
		w.approved(pr)
		w.wantCheck(t, pr, released)
		pr.Retarget(w.dave, "dev")
		w.mustSettle(t)
		if got := w.check(pr, sandboxCheck); got.Conclusion == released {
			t.Errorf("the lane is green without its own validation: %s", got.Summary)
		}
		pr.RequestChanges(w.bob, "not like this")
		w.mustSettle(t)
		pr.Retarget(w.dave, "main")
		w.mustSettle(t)
		if got := w.check(pr, "countersign"); got.Conclusion == released {
			t.Errorf("green on main although bob asked for changes meanwhile: %s", got.Summary)
		}
	})
}

// The states of a pull request that its author can switch.
func TestDraftsAndReopenedOnes(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("states", "")
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, released)
	pr.Draft(w.dave)
	w.wantCheck(t, pr, held)
	pr.Ready(w.dave)
	w.wantCheck(t, pr, released)
	pr.Close(w.dave)
	w.mustSettle(t)
	pr.Reopen(w.dave)
	w.wantCheck(t, pr, released)
	// What happens while it is closed counts when it is opened again.
	pr.Close(w.dave)
	w.mustSettle(t)
	pr.RequestChanges(w.bob, "no")
	w.mustSettle(t)
	pr.Reopen(w.dave)
	w.mustSettle(t)
	if got := w.check(pr, "countersign"); got.Conclusion == released {
		t.Error("green although changes were requested while it was closed")
	}
}

// A pull request that leaves its stack is judged by the branch that it targets.
func TestUnstacked(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("unstacked", "")
	lower := w.davesPull(repo, code)
	upper := w.onTop(t, repo, lower, "dave/upper")
	w.mustSettle(t)
	if got := w.check(upper, "countersign"); got.Name != "" {
		t.Errorf("it goes to a topic branch, and has %+v", got)
	}
	repo.Stack(lower, upper)
	w.approved(upper)
	w.wantCheck(t, upper, released)
	// GitHub tells nobody that it was taken out or put back. What happened in between counts.
	upper.Unstack()
	upper.RequestChanges(w.bob, "wait")
	w.mustSettle(t)
	upper.Restack()
	if got := w.check(upper, "countersign"); got.Conclusion == released {
		t.Errorf("green although bob asked for changes while it was out of its stack: %s", got.Summary)
	}
	upper.Label(w.dave, "look again")
	w.wantCheck(t, upper, failed)
	// Out of the stack it is said nothing more of, and nothing that was said before is green.
	upper.Unstack()
	for range 2 {
		upper.Label(w.dave, "and again")
		upper.Unlabel(w.dave, "and again")
		w.mustSettle(t)
	}
	if got := w.check(upper, "countersign"); got.Conclusion == released {
		t.Errorf("got %+v", got)
	}
}

// The commit of a merge group is proposed for a laxer branch, under the same check name.
func TestAGroupsCommitInAnotherPullRequest(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	enrolled := "branches: [main, release/1]"
	repo := w.guardedRepo("group elsewhere", strings.Replace(shopPolicy, "branches: [main]", enrolled, 1))
	repo.Push("release/1", w.carol, ghsim.Commit{Message: "lax", Files: map[string]string{
		policy.Path: "version: 1\nmode: enforce\n" + enrolled + "\nreview: {human: {approvals: 0}, decided_by: countersign}\nvalidation: {required: [{id: lint, status: lint, creator: acme-lint}]}\n"}})
	repo.Protect("release/1", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
	repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
	repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueue()}})
	pr := w.readyPull(t, repo, "one")
	mustDo(t, pr.Enqueue(w.dave))
	group := pr.GroupSHA()
	repo.RunWorkflow(group, ciPath, "merge_group", ghsim.Job{Name: "test"}) // has not finished
	w.mustSettle(t)
	mustDo(t, repo.PushTo("copy", group, w.dave))
	copied := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "copy", Base: "release/1", Author: w.dave})
	w.linted(repo, copied)
	w.mustSettle(t)
	if _, merged := pr.Merged(); merged {
		t.Error("the queue merged by what was decided about another pull request")
	}
	if got := w.groupCheck(repo, group); got.Conclusion == released {
		t.Errorf("the group is green: %s", got.Summary)
	}
	w.testGroup(repo, group, "success")
	w.mustSettle(t)
	if _, merged := pr.Merged(); !merged {
		got := w.groupCheck(repo, group)
		t.Errorf("not merged when everything holds: %s %s\n%s", got.Conclusion, got.Title, got.Summary)
	}
}
