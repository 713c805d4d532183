package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// queued is an attempt on a merge queue: a pull request that is green is queued, then
// something happens. What counts is the check run on the merge group's commit.
func queued(name, how, says string, happens func(t *testing.T, w *acme, repo *ghsim.Repo, pr pull, group string)) attempt {
	return attempt{name, how, "", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueue()}})
		pr := w.readyPull(t, repo, "one")
		mustDo(t, pr.Enqueue(w.dave))
		w.mustSettle(t)
		happens(t, w, repo, pr, pr.GroupSHA())
		return pr
	}, says}
}

// attacksOnTheQueue try to get into the branch by way of a merge group.
func attacksOnTheQueue() []attempt {
	return []attempt{
		queued("group-not-tested", "The head was tested; nothing ran on the merge group's commit.", "tests", func(*testing.T, *acme, *ghsim.Repo, pull, string) {}),
		queued("forged-on-the-group", "A workflow posts a green run of the tests' name on the group's commit.", "tests", func(_ *testing.T, _ *acme, repo *ghsim.Repo, _ pull, group string) {
			repo.ForgeActionsRun(group, "test", "success")
		}),
		queued("another-app-on-the-group", "Another App posts the tests' name on the group's commit.", "tests", func(_ *testing.T, w *acme, repo *ghsim.Repo, _ pull, group string) {
			repo.PostCheckRun(w.devin, group, "test", "success")
		}),
		queued("our-name-on-the-group", "Another App posts our own name on the group's commit.", "tests", func(_ *testing.T, w *acme, repo *ghsim.Repo, _ pull, group string) {
			repo.PostCheckRun(w.devin, group, "countersign", "success")
		}),
		queued("dispatch-on-the-group", "The author starts the workflow by hand on the group's commit.", "tests", func(_ *testing.T, _ *acme, repo *ghsim.Repo, _ pull, group string) {
			repo.RunWorkflow(group, ciPath, "workflow_dispatch", ghsim.Job{Name: "test", Conclusion: "success"})
		}),
		queued("another-workflow-on-the-group", "A job of the tests' name succeeds on the group's commit, in another workflow.", "tests", func(_ *testing.T, _ *acme, repo *ghsim.Repo, _ pull, group string) {
			repo.RunWorkflow(group, ".github/workflows/nightly.yml", "merge_group", ghsim.Job{Name: "test", Conclusion: "success"})
		}),
		queued("skipped-on-the-group", "The job is skipped for merge groups, which GitHub counts as success.", "tests", func(_ *testing.T, w *acme, repo *ghsim.Repo, _ pull, group string) {
			w.testGroup(repo, group, "skipped")
		}),
		queued("changes-requested-while-queued", "bob takes his approval back while the pull request is queued.", "bob", func(_ *testing.T, w *acme, repo *ghsim.Repo, pr pull, group string) {
			pr.RequestChanges(w.bob, "wait")
		}),
		queued("role-lost-while-queued", "bob may not write any more, and the tests of the group succeed after that.", "approval", func(_ *testing.T, w *acme, repo *ghsim.Repo, pr pull, group string) {
			w.app.Hooks().Hold() // or the group may be gone before its tests end
			repo.Collaborator(w.bob, "read")
			pr.Label(w.dave, "again")
			w.testGroup(repo, group, "success")
			w.app.Hooks().Release()
		}),
		queued("pushed-while-queued", "dave pushes while the queue goes on with what it had, and has that approved.", "", func(t *testing.T, w *acme, repo *ghsim.Repo, pr pull, group string) {
			pr.SlowQueue()
			w.app.Hooks().Hold() // or the group may be gone before its tests end
			pr.Push(w.dave, ghsim.Commit{Message: "harmless", Files: map[string]string{"more.go": "package x\n"}})
			pr.Approve(w.bob)
			w.testGroup(repo, group, "success")
			w.app.Hooks().Release()
		}),
	}
}
