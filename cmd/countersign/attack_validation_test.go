package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// concluded is an attempt in which the newest run of the tests ended in a way that is not
// success, though GitHub lets some of them pass.
func concluded(name, how, conclusion string) attempt {
	return attempt{name, how, "", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		pr := w.davesPull(repo, code)
		w.test(pr, conclusion)
		pr.Approve(w.bob)
		return pr
	}, "tests"}
}

// guardedFile is an attempt to change a file that guards the branch, with everything else in
// order and no owner asked.
func guardedFile(name, how, policyFile string, commit ghsim.Commit) attempt {
	return attempt{name, how, policyFile, func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		repo.Unprotect("main", w.carol)
		repo.Push("main", w.carol, ghsim.Commit{Message: "guards", Files: map[string]string{
			".github/CODEOWNERS": "* @carol\n", "ci/test.sh": "make test\n", ".github/actions/setup/action.yml": "name: setup\n", ".github/countersign/notes.txt": "x\n"}})
		repo.Protect("main", w.carol, w.usual())
		pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "A small fix", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{commit}})
		return w.approved(pr)
	}, "owner"}
}

// usual is how the main branch is protected.
func (w *acme) usual() ghsim.Protection {
	return ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{
		{Name: "countersign", App: w.app}, {Name: "test", App: w.sim.Actions()}}}
}

// attacksOnValidation are on what says that the change was tested, and on the files that
// decide how.
func attacksOnValidation() []attempt {
	scripts := "version: 1\nmode: enforce\nbranches: [main]\nvalidation:\n  required:\n    - {id: tests, app: github-actions, workflow: .github/workflows/ci.yml, job: test}\n  protect: [\"ci/**\"]\n"
	return []attempt{
		concluded("skipped-tests", "The job is skipped, which GitHub counts as success.", "skipped"),
		concluded("neutral-tests", "The job ends neutral, which GitHub counts as success.", "neutral"),
		concluded("cancelled-tests", "The author cancels the failing job.", "cancelled"),
		concluded("tests-that-wait-for-a-click", "The agent's workflow waits for somebody to allow it, and never ran.", "action_required"),
		concluded("stale-tests", "The job never reported, and GitHub gave up on it.", "stale"),
		{"no-tests", "Nothing ran at all, and the page looks healthy.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"red-after-green", "Everything was green; the same job runs again and fails.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				w.wantCheck(t, pr, released)
				run.Rerun(w.dave, ghsim.Job{Name: "test", Conclusion: "failure"})
				return pr
			}, "tests"},
		{"forged-tests", "A workflow with checks: write posts the run that is asked for, as GitHub Actions, and nothing was tested.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "lint", Conclusion: "success"})
				repo.ForgeActionsRun(pr.HeadSHA(), "test", "success")
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"job-without-steps", "The job has the right name in the right workflow, and no step in it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "success", Steps: []string{}})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"agent-tests-itself", "The agent posts the check that is asked for, as its own App.", robotsPolicy,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.devinPull(repo, "self test")
				repo.PostCheckRun(w.devin, pr.HeadSHA(), "devin self-check", "success")
				pr.Approve(w.bob)
				return pr
			}, "agent"},
		{"status-by-the-author", "The policy counts a commit status of one bot, and the author sets it.",
			"version: 1\nmode: enforce\nbranches: [main]\nvalidation:\n  required:\n    - {id: build, status: build/passed, creator: \"buildbot[bot]\"}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.PostStatus(w.dave, pr.HeadSHA(), "build/passed", "success")
				pr.Approve(w.bob)
				return pr
			}, "build"},
		{"status-with-our-name", "The author sets a commit status with the name of our check.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				repo.PostStatus(w.dave, pr.HeadSHA(), "countersign", "success")
				return pr
			}, "approval"},
		{"button-pressed-often", "The author presses the button on the check run again and again.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "failure")
				w.mustSettle(t)
				for range 5 {
					repo.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
					repo.CheckRun(w.app, pr.HeadSHA(), "countersign").Rerequest(w.dave)
				}
				return pr
			}, "tests"},
		{"policy-without-tests", "The policy names no validation, and the branch requires nothing but us.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				return w.approved(w.davesPull(repo, code))
			}, "validation"},
		{"fork-weakens-the-workflow", "A pull request from a fork empties the test job, and runs by its own version of it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				eve := w.sim.User("eve")
				fork := repo.Fork(eve)
				return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "main", HeadRepo: fork, Author: eve,
					Commits: []ghsim.Commit{{Message: "fix", Files: map[string]string{ciPath: "name: ci\n"}}}}))
			}, "owner"},
		guardedFile("delete-the-workflow", "The change deletes the workflow.", "", ghsim.Commit{Message: "x", Delete: []string{ciPath}}),
		guardedFile("workflow-becomes-a-link", "The change makes a symbolic link of the workflow.", "", ghsim.Commit{Message: "x", Mode: map[string]string{ciPath: "120000"}, Files: map[string]string{ciPath: "../../ci/other.yml"}}),
		guardedFile("new-workflow", "The change brings a workflow of its own, with checks: write.", "", ghsim.Commit{Message: "x", Files: map[string]string{".github/workflows/helpful.yml": "on: push\npermissions: {checks: write}\n"}}),
		guardedFile("local-action", "The workflow stays as it is, and the repository's action that it calls is emptied.", "", ghsim.Commit{Message: "x", Files: map[string]string{".github/actions/setup/action.yml": "name: nothing\n"}}),
		guardedFile("test-script", "The workflow stays as it is, and the script that it calls, which the policy protects, is emptied.", scripts, ghsim.Commit{Message: "x", Files: map[string]string{"ci/test.sh": "true\n"}}),
		guardedFile("test-script-moved-away", "The protected script is moved to where the policy does not look.", scripts, ghsim.Commit{Message: "x", Rename: map[string]string{"ci/test.sh": "attic/test.sh"}}),
		guardedFile("file-moved-in", "A file is moved to where the policy protects.", scripts, ghsim.Commit{Message: "x", Rename: map[string]string{"README.md": "ci/run.sh"}}),
		guardedFile("delete-codeowners", "The change deletes CODEOWNERS, so that nobody owns anything.", "", ghsim.Commit{Message: "x", Delete: []string{".github/CODEOWNERS"}}),
		guardedFile("codeowners-at-the-top", "The change adds a second CODEOWNERS, at the top.", "", ghsim.Commit{Message: "x", Files: map[string]string{"CODEOWNERS": "* @dave\n"}}),
		guardedFile("rename-the-policy", "The policy is renamed away.", "", ghsim.Commit{Message: "x", Rename: map[string]string{policy.Path: "docs/countersign.yml"}}),
		guardedFile("delete-the-policy", "The change deletes the policy.", "", ghsim.Commit{Message: "x", Delete: []string{policy.Path}}),
		guardedFile("beside-the-policy", "The change edits what lies beside the policy.", "", ghsim.Commit{Message: "x", Files: map[string]string{".github/countersign/notes.txt": "y\n"}}),
	}
}
