package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
)

// queuedRepo is a guarded repository whose main branch has a merge queue.
func (w *acme) queuedRepo(name string) *ghsim.Repo {
	repo := w.guardedRepo(name, "")
	repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueue()}})
	return repo
}

// readyPull is dave's pull request that everything holds for.
func (w *acme) readyPull(t *testing.T, repo *ghsim.Repo, branch string) pull {
	t.Helper()
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Change " + branch, Head: branch, Author: w.dave,
		Commits: []ghsim.Commit{{Message: branch, Files: map[string]string{branch + ".go": "package x\n"}}}})
	w.approved(pr)
	w.wantCheck(t, pr, released)
	return pr
}

func (w *acme) testGroup(repo *ghsim.Repo, sha, conclusion string) {
	repo.RunWorkflow(sha, ciPath, "merge_group", ghsim.Job{Name: "test", Conclusion: conclusion})
}

// groupCheck is our newest check run on a group's commit.
func (w *acme) groupCheck(repo *ghsim.Repo, sha string) ghsim.CheckRunState {
	if c := repo.CheckRun(w.app, sha, "countersign"); c != nil {
		return c.State()
	}
	return ghsim.CheckRunState{}
}

func TestMergeQueue(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	t.Run("merged when everything holds", func(t *testing.T) {
		repo := w.queuedRepo("queue fine")
		pr := w.readyPull(t, repo, "one")
		mustDo(t, pr.Enqueue(w.dave))
		group := pr.GroupSHA()
		w.mustSettle(t)
		if got := w.groupCheck(repo, group); got.Status != "in_progress" || !strings.Contains(got.Title, "Waiting for tests") {
			t.Errorf("before the tests: %+v", got)
		}
		w.testGroup(repo, group, "success")
		w.mustSettle(t)
		if got := w.groupCheck(repo, group); got.Conclusion != "success" || !strings.Contains(got.Summary, "In this merge group") {
			t.Errorf("after the tests: %+v", got)
		}
		if _, merged := pr.Merged(); !merged {
			t.Error("the queue did not merge it")
		}
	})
	t.Run("tests fail on the group", func(t *testing.T) {
		repo := w.queuedRepo("queue red")
		// Were the tests required by the branch, the queue itself would drop the group.
		repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
		pr := w.readyPull(t, repo, "one")
		mustDo(t, pr.Enqueue(w.dave))
		group := pr.GroupSHA()
		w.testGroup(repo, group, "failure")
		w.mustSettle(t)
		if got := w.groupCheck(repo, group); got.Conclusion != "failure" {
			t.Errorf("got %+v", got)
		}
		if _, merged := pr.Merged(); merged {
			t.Error("merged although its tests failed")
		}
	})
	t.Run("the pull request's own tests are not the group's", func(t *testing.T) {
		repo := w.queuedRepo("queue forged")
		pr := w.readyPull(t, repo, "one")
		mustDo(t, pr.Enqueue(w.dave))
		group := pr.GroupSHA()
		repo.ForgeActionsRun(group, "test", "success")
		w.mustSettle(t)
		if got := w.groupCheck(repo, group); got.Conclusion != "failure" {
			t.Errorf("a forged run on the group counted: %+v", got)
		}
	})
	t.Run("an approval is taken back while it is queued", func(t *testing.T) {
		repo := w.queuedRepo("queue taken back")
		pr := w.readyPull(t, repo, "one")
		mustDo(t, pr.Enqueue(w.dave))
		group := pr.GroupSHA()
		w.mustSettle(t)
		pr.RequestChanges(w.bob, "wait")
		w.mustSettle(t)
		if got := w.groupCheck(repo, group); got.Conclusion != "failure" || !strings.Contains(got.Summary, "bob") {
			t.Errorf("got %+v, want failure because of bob", got)
		}
	})
	t.Run("two in the queue", func(t *testing.T) {
		repo := w.queuedRepo("queue of two")
		one, two := w.readyPull(t, repo, "one"), w.readyPull(t, repo, "two")
		mustDo(t, one.Enqueue(w.dave))
		mustDo(t, two.Enqueue(w.dave))
		first, second := one.GroupSHA(), two.GroupSHA()
		w.testGroup(repo, second, "success")
		w.mustSettle(t)
		if got := w.groupCheck(repo, second); got.Conclusion != "success" {
			t.Errorf("second: %+v", got)
		}
		w.testGroup(repo, first, "success")
		w.mustSettle(t)
		for _, pr := range []pull{one, two} {
			if _, merged := pr.Merged(); !merged {
				t.Errorf("#%d was not merged", pr.Number())
			}
		}
	})
	t.Run("nothing is written twice, and it goes on by itself", func(t *testing.T) {
		repo := w.queuedRepo("queue quiet")
		pr := w.readyPull(t, repo, "one")
		mustDo(t, pr.Enqueue(w.dave))
		group := pr.GroupSHA()
		repo.RunWorkflow(group, ciPath, "merge_group", ghsim.Job{Name: "test"}) // runs and runs
		w.mustSettle(t)
		before := w.decisions(t)
		w.sim.ResetRequests()
		for range 3 {
			w.later(2 * time.Minute)
			w.mustSettle(t)
		}
		if n := writes(w.sim); n != 0 {
			t.Errorf("%d check runs were written while nothing changed", n)
		}
		if n := w.decisions(t) - before; n > 0 {
			t.Errorf("%d decisions while nothing changed", n)
		}
		w.later(time.Hour)
		w.skipUntil(t, func() bool { return w.groupCheck(repo, group).Conclusion != "" })
		if got := w.groupCheck(repo, group); got.Conclusion != "failure" || !strings.Contains(got.Title, "gives up waiting") {
			t.Errorf("at the end of the queue's patience: %+v", got)
		}
	})
}

// A look at the queue that is due within a minute holds nobody up.
func TestSettlingMovesTheClock(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.readyPull(t, w.queuedRepo("queue soon"), "one")
	mustDo(t, pr.Enqueue(w.dave))
	w.mustSettle(t)
	w.later(45 * time.Second) // the queue is looked at every 90 seconds
	w.mustSettle(t)
}

// Where the last group speaks for those before it, it is judged with them.
func TestMergeQueueWhereTheLastGroupSpeaks(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	open := func(name string) (*ghsim.Repo, pull, pull) {
		repo := w.guardedRepo(name, "")
		repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueueOf("HEADGREEN", "MERGE")}})
		one, two := w.readyPull(t, repo, "one"), w.readyPull(t, repo, "two")
		mustDo(t, one.Enqueue(w.dave))
		mustDo(t, two.Enqueue(w.dave))
		return repo, one, two
	}
	t.Run("all are in order", func(t *testing.T) {
		repo, one, two := open("heads fine")
		last := two.GroupSHA()
		w.testGroup(repo, last, "success")
		w.mustSettle(t)
		got := w.groupCheck(repo, last)
		if got.Conclusion != "success" || !strings.Contains(got.Summary, fmt.Sprintf("%d at ", one.Number())) {
			t.Errorf("got %s, want success that names both:\n%s", got.Conclusion, got.Summary)
		}
		for _, pr := range []pull{one, two} {
			if _, merged := pr.Merged(); !merged {
				t.Errorf("#%d was not merged", pr.Number())
			}
		}
	})
	t.Run("the first is not", func(t *testing.T) {
		repo, one, two := open("heads of an unapproved")
		last := two.GroupSHA()
		one.RequestChanges(w.bob, "wait")
		w.testGroup(repo, last, "success")
		w.mustSettle(t)
		if got := w.groupCheck(repo, last); got.Conclusion != "failure" {
			t.Errorf("green although #%d is held", one.Number())
		}
		if _, merged := one.Merged(); merged {
			t.Error("merged although changes were requested")
		}
	})
}

// Something is pushed to a queued pull request, and the queue goes on with what it had.
func TestAPushIsNotWhatWasQueued(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.queuedRepo("queue slow")
	pr := w.readyPull(t, repo, "one")
	mustDo(t, pr.Enqueue(w.dave))
	group := pr.GroupSHA()
	pr.SlowQueue()
	w.mustSettle(t)
	pr.Push(w.dave, ghsim.Commit{Message: "harmless", Files: map[string]string{"more.go": "package x\n"}})
	w.approved(pr)
	w.testGroup(repo, group, "success")
	w.mustSettle(t)
	if got := w.groupCheck(repo, group); got.Name == "" || got.Conclusion == "success" {
		t.Errorf("green by an approval of what is not in the group:\n%s", got.Summary)
	}
}

// The delivery that asks for the checks is lost, and so is the push of the group's branch.
func TestALostMergeGroupIsFound(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.queuedRepo("queue lost")
	pr := w.readyPull(t, repo, "one")
	w.app.Hooks().Drop(func(event, _ string) bool { return event == "merge_group" || event == "push" })
	mustDo(t, pr.Enqueue(w.dave))
	w.app.Hooks().Drop(nil)
	group := pr.GroupSHA()
	w.testGroup(repo, group, "success")
	w.skipUntil(t, func() bool { return w.groupCheck(repo, group).Conclusion == "success" })
}

// The delivery that names the head which was queued is lost. Another head is pushed meanwhile, or
// none, and the group's commit says which one it holds, or does not.
func TestALostEnqueuedDelivery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method string
		fork, pushed bool
		green        bool
		says         string
	}{
		{name: "merged", method: "MERGE", green: true},
		{name: "merged and pushed to", method: "MERGE", pushed: true, says: "it was pushed to since it was queued"},
		{name: "squashed", method: "SQUASH", green: true},
		{name: "squashed and pushed to", method: "SQUASH", pushed: true, says: "with which head it was queued is not known"},
		{name: "merged from a fork", method: "MERGE", fork: true, green: true},
		{name: "squashed from a fork", method: "SQUASH", fork: true, says: "with which head it was queued is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startInStep(t)
			repo := w.guardedRepo("queue lost head", "")
			repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueueOf("ALLGREEN", c.method)}})
			spec := ghsim.PullSpec{Title: "Change", Head: "one", Author: w.dave, Commits: []ghsim.Commit{{Message: "one", Files: map[string]string{"one.go": "package x\n"}}}}
			if c.fork {
				spec.HeadRepo = repo.Fork(w.dave)
			}
			pr := repo.OpenPullRequest(spec)
			w.approved(pr)
			w.wantCheck(t, pr, released)
			w.later(time.Minute)
			w.app.Hooks().Drop(func(event, action string) bool { return event == "pull_request" && action == "enqueued" })
			mustDo(t, pr.Enqueue(w.dave))
			group := pr.GroupSHA()
			if c.pushed {
				pr.SlowQueue()
				w.later(time.Minute)
				pr.Push(w.dave, ghsim.Commit{Message: "harmless", Files: map[string]string{"more.go": "package x\n"}})
				w.approved(pr)
			}
			w.testGroup(repo, group, "success")
			w.skipUntil(t, func() bool { return w.groupCheck(repo, group).Conclusion != "" })
			if got := w.groupCheck(repo, group); (got.Conclusion == "success") != c.green || !strings.Contains(got.Summary, c.says) {
				t.Errorf("got %s: %s\n%s", got.Conclusion, got.Title, got.Summary)
			}
		})
	}
}
