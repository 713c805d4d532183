package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// found are the exceptions about a repository, "kind severity" each, sorted, but for the drift
// of the protection that tests take off to be able to do what they do.
func (w *acme) found(t testing.TB, repo *ghsim.Repo) []string {
	t.Helper()
	list, err := w.server.store.Tenant(w.org.ID()).Exceptions(t.Context(), store.ExceptionFilter{RepoID: repo.ID()})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range list {
		if e.Kind != store.ProtectionDrift {
			out = append(out, e.Kind+" "+e.Severity)
		}
	}
	slices.Sort(out)
	return out
}

// wantFound waits until everything is looked at and compares the exceptions.
func (w *acme) wantFound(t testing.TB, repo *ghsim.Repo, want ...string) {
	t.Helper()
	w.mustSettle(t)
	if got := w.found(t, repo); !slices.Equal(got, append([]string{}, want...)) {
		list, _ := w.server.store.Tenant(w.org.ID()).Exceptions(t.Context(), store.ExceptionFilter{RepoID: repo.ID()})
		for _, e := range list {
			t.Log(e.Kind, e.Subject, e.Reason)
		}
		t.Fatalf("%s: exceptions %v, want %v", repo.FullName(), got, want)
	}
}

// updates are the types of the updates of main that were looked at.
func (w *acme) updates(t testing.TB, repo *ghsim.Repo) []string {
	t.Helper()
	list, err := w.server.store.Tenant(w.org.ID()).Updates(t.Context(), repo.ID())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, u := range list {
		out = append(out, u.Type)
	}
	return out
}

// merged is a repository with dave's pull request, merged as it should be.
func (w *acme) merged(t *testing.T, name, method string) (*ghsim.Repo, pull) {
	t.Helper()
	repo := w.guardedRepo(name, "")
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, released)
	mustDo(t, pr.Merge(w.alice, method))
	return repo, pr
}

// What is merged as it should be opens no exception, in whatever way it is merged.
func TestWhatWasDecidedIsNoException(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			repo, _ := w.merged(t, "fine by "+method, method)
			w.wantFound(t, repo)
			if got := w.updates(t, repo); !slices.Equal(got, []string{"pr_merge"}) {
				t.Errorf("looked at %v", got)
			}
		})
	}
	t.Run("the base moved meanwhile", func(t *testing.T) {
		repo, _ := w.merged(t, "fine one after another", "squash")
		pr := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Second", Head: "dave/second", Author: w.dave,
			Commits: []ghsim.Commit{{Message: "second", Files: map[string]string{"second.go": "package shop\n"}}}}))
		w.wantCheck(t, pr, released)
		mustDo(t, pr.Merge(w.alice, "merge"))
		w.wantFound(t, repo)
		if got := w.updates(t, repo); len(got) != 2 {
			t.Errorf("looked at %v", got)
		}
	})
	t.Run("merge queue", func(t *testing.T) {
		repo := w.queuedRepo("fine by queue")
		one, two := w.readyPull(t, repo, "one"), w.readyPull(t, repo, "two")
		mustDo(t, one.Enqueue(w.dave))
		mustDo(t, two.Enqueue(w.dave))
		w.testGroup(repo, two.GroupSHA(), "success")
		w.testGroup(repo, one.GroupSHA(), "success")
		w.wantFound(t, repo)
		if got := w.updates(t, repo); !slices.Equal(got, []string{"merge_queue_merge", "merge_queue_merge"}) {
			t.Errorf("looked at %v", got)
		}
	})
	t.Run("auto-merge that a person enabled", func(t *testing.T) {
		repo := w.guardedRepo("fine by auto-merge", "")
		pr := w.davesPull(repo, code)
		pr.EnableAutoMerge(w.alice, "squash")
		w.approved(pr)
		w.wantFound(t, repo)
		if _, merged := pr.Merged(); !merged {
			t.Error("not merged")
		}
	})
	t.Run("a branch made from an enrolled one", func(t *testing.T) {
		repo := w.guardedRepo("fine release", strings.Replace(shopPolicy, "branches: [main]", "branches: [main, \"release/*\"]", 1))
		pr := w.approved(w.davesPull(repo, code))
		w.wantCheck(t, pr, released)
		mustDo(t, pr.Merge(w.alice, "squash"))
		mustDo(t, repo.PushTo("release/1", repo.Head("main"), w.carol))
		w.wantFound(t, repo)
		if got := w.updates(t, repo); !slices.Contains(got, "branch_creation") {
			t.Errorf("looked at %v", got)
		}
	})
	t.Run("the push that enrols the branch", func(t *testing.T) {
		repo := w.org.Repo("fine-enrolment", ghsim.RepoSpec{By: w.carol, Files: map[string]string{"README.md": "x\n"}})
		repo.Push("main", w.carol, ghsim.Commit{Message: "before", Files: map[string]string{"a": "a\n"}})
		repo.Push("main", w.carol, ghsim.Commit{Message: "enrol", Files: map[string]string{".github/countersign.yml": shopPolicy}})
		w.wantFound(t, repo)
	})
	t.Run("a branch that is not enrolled", func(t *testing.T) {
		repo := w.guardedRepo("fine topic", "")
		repo.Push("topic", w.dave, ghsim.Commit{Message: "x", Files: map[string]string{"a": "a\n"}})
		repo.Push("topic", w.dave, ghsim.Commit{Message: "y", Files: map[string]string{"a": "b\n"}})
		w.wantFound(t, repo)
		if got := w.updates(t, repo); len(got) != 0 {
			t.Errorf("looked at %v", got)
		}
	})
	t.Run("the repository got another name", func(t *testing.T) {
		repo, _ := w.merged(t, "fine before its name", "squash")
		w.mustSettle(t)
		repo.Rename("fine-with-another-name", w.carol)
		pr := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Second", Head: "dave/second", Author: w.dave,
			Commits: []ghsim.Commit{{Message: "second", Files: map[string]string{"second.go": "package shop\n"}}}}))
		w.wantCheck(t, pr, released)
		mustDo(t, pr.Merge(w.alice, "squash"))
		w.wantFound(t, repo)
	})
	w.decisions(t) // every update on record is as its leaf says
}

// What reached an enrolled branch in another way than by a decision that passed is found.
func TestWhatWasNotDecidedIsAnException(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for _, c := range []struct {
		name string
		do   func(t *testing.T, repo *ghsim.Repo)
		want []string
	}{
		{"direct push", func(t *testing.T, repo *ghsim.Repo) {
			repo.Unprotect("main", w.carol)
			repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
		}, []string{"direct-push high"}},
		{"direct push of an approved head", func(t *testing.T, repo *ghsim.Repo) {
			pr := w.approved(w.davesPull(repo, code))
			w.wantCheck(t, pr, released)
			repo.Unprotect("main", w.carol)
			mustDo(t, repo.PushTo("main", pr.HeadSHA(), w.carol))
		}, []string{"direct-push high"}},
		{"force push", func(t *testing.T, repo *ghsim.Repo) {
			repo.Unprotect("main", w.carol)
			repo.ForcePush("main", repo.Head("main"), w.carol, ghsim.Commit{Message: "first", Files: map[string]string{"a": "a\n"}})
			w.mustSettle(t)
			repo.ForcePush("main", "", w.carol, ghsim.Commit{Message: "all new", Files: map[string]string{"b": "b\n"}})
		}, []string{"direct-push high", "force-push high"}},
		{"merged while failing", func(t *testing.T, repo *ghsim.Repo) {
			pr := w.davesPull(repo, code)
			w.test(pr, "success")
			w.wantCheck(t, pr, held)
			repo.Unprotect("main", w.carol)
			// A look that this asks for may see the merge before its delivery comes, and would count it
			// as heard by GitHub's clock, which the server's was moved away from.
			w.mustSettle(t)
			mustDo(t, pr.Merge(w.carol, "squash"))
		}, []string{"merged-while-failing high"}},
		{"merged by an agent", func(t *testing.T, repo *ghsim.Repo) {
			pr := w.approved(w.davesPull(repo, code))
			w.wantCheck(t, pr, released)
			mustDo(t, pr.Merge(w.copilot, "squash"))
		}, []string{"merged-by-agent medium"}},
		{"a branch made from what nobody decided on", func(t *testing.T, repo *ghsim.Repo) {
			repo.Push("release/1", w.carol, ghsim.Commit{Message: "odd", Files: map[string]string{"a": "a\n"}})
		}, []string{"direct-push high"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo := w.guardedRepo("found "+c.name, strings.Replace(shopPolicy, "branches: [main]", "branches: [main, \"release/*\"]", 1))
			w.mustSettle(t)
			c.do(t, repo)
			w.wantFound(t, repo, c.want...)
			looked := len(w.updates(t, repo))
			for _, d := range w.app.Deliveries() {
				if d.Event == "push" {
					mustDo(t, w.app.Redeliver(d.GUID))
				}
			}
			w.later(2 * time.Hour)
			w.wantFound(t, repo, c.want...)
			if got := len(w.updates(t, repo)); got != looked || got == 0 {
				t.Errorf("%d updates are on record after another look, %d before", got, looked)
			}
		})
	}
	w.decisions(t)
}

// A review that comes after the merge remediates what was merged without it, and does not undo
// that it was.
func TestReviewedAfterTheMerge(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	merged := func(name string, tests string) (*ghsim.Repo, pull) {
		repo := w.guardedRepo(name, "")
		pr := w.davesPull(repo, code)
		w.test(pr, tests)
		w.mustSettle(t)
		repo.Unprotect("main", w.carol)
		mustDo(t, pr.Merge(w.carol, "squash"))
		repo.Protect("main", w.carol, w.usual())
		return repo, pr
	}
	state := func(repo *ghsim.Repo) store.Exception {
		w.mustSettle(t)
		list := w.exceptions(t, repo, "merged-while-failing")
		if len(list) != 1 {
			t.Fatalf("exceptions: %+v", list)
		}
		return list[0].Exception
	}
	t.Run("the review was missing", func(t *testing.T) {
		repo, pr := merged("reviewed late", "success")
		if e := state(repo); e.State != store.ExceptionOpen {
			t.Fatalf("not reviewed: %+v", e)
		}
		pr.Approve(w.reviewer)
		if e := state(repo); e.State != store.ExceptionOpen {
			t.Errorf("approved by a bot: %+v", e)
		}
		pr.Approve(w.bob)
		if e := state(repo); e.State != store.ExceptionRemediated || !strings.Contains(e.Remediation, "Reviewed after the merge by bob") || e.Severity != "high" {
			t.Errorf("reviewed: %+v", e)
		}
	})
	t.Run("the tests failed too", func(t *testing.T) {
		repo, pr := merged("reviewed and red", "failure")
		pr.Approve(w.bob)
		if e := state(repo); e.State != store.ExceptionOpen {
			t.Errorf("its tests failed: %+v", e)
		}
	})
	t.Run("the policy was loosened afterwards", func(t *testing.T) {
		repo, pr := merged("loosened", "success")
		state(repo)
		repo.Unprotect("main", w.carol)
		repo.Push("main", w.carol, ghsim.Commit{Message: "loosen", Files: map[string]string{policy.Path: strings.Replace(shopPolicy, "human: {approvals: 1}", "human: {approvals: 0}", 1)}})
		repo.Protect("main", w.carol, w.usual())
		w.mustSettle(t)
		pr.Approve(w.reviewer) // has it looked at again
		if e := state(repo); e.State != store.ExceptionOpen {
			t.Errorf("by a policy of later it holds: %+v", e)
		}
		pr.Approve(w.bob)
		if e := state(repo); e.State != store.ExceptionRemediated {
			t.Errorf("reviewed by the policy of then: %+v", e)
		}
	})
	t.Run("reviewed before the merge was looked at", func(t *testing.T) {
		hooks := w.app.Hooks()
		repo := w.guardedRepo("reviewed at once", "")
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		w.mustSettle(t)
		repo.Unprotect("main", w.carol)
		w.mustSettle(t)
		hooks.Hold()
		mustDo(t, pr.Merge(w.carol, "squash"))
		pr.Approve(w.bob)
		hooks.ReleaseReversed()
		repo.Protect("main", w.carol, w.usual())
		if e := state(repo); e.State != store.ExceptionRemediated {
			t.Errorf("reviewed right after the merge: %+v", e)
		}
	})
}
