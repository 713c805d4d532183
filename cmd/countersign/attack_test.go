package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// attempt is one way to get a change through, and what must come of it.
type attempt struct {
	name string
	// how says in one sentence what is tried.
	how string
	// policy of the repository; empty: the shop's.
	policy string
	play   func(t *testing.T, w *acme, repo *ghsim.Repo) pull
	// says is in the check run's title or summary: whoever is held must learn why.
	says string
}

// branchDecides names no validation, so what the branch requires counts.
const branchDecides = `version: 1
mode: enforce
branches: [main]
`

// guardedRepo is a repository of its own for one attempt, whose main branch requires us, a
// review and the job test.
func (w *acme) guardedRepo(name, policyFile string) *ghsim.Repo {
	if policyFile == "" {
		policyFile = shopPolicy
	}
	repo := w.repository(slug(name), policyFile)
	repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{
		{Name: "countersign", App: w.app}, {Name: "test", App: w.sim.Actions()}}})
	return repo
}

// davesPull is dave's pull request with one commit.
func (w *acme) davesPull(repo *ghsim.Repo, files map[string]string) pull {
	return repo.OpenPullRequest(ghsim.PullSpec{Title: "A small fix", Head: "dave/fix", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "fix", Files: files}}})
}

// approved has its tests green and bob's approval.
func (w *acme) approved(pr pull) pull {
	w.test(pr, "success")
	pr.Approve(w.bob)
	return pr
}

var code = map[string]string{"fix.go": "package shop\n"}

const ciPath = ".github/workflows/ci.yml"

func attacks() []attempt {
	return []attempt{
		{"dispatch-over-red", "The tests fail; the author starts the workflow by hand, with inputs of his choice, and that run is green.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "failure")
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "workflow_dispatch", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "test"},
		{"dispatch-alone", "The workflow only ever ran by hand, with inputs of the author's choice.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "workflow_dispatch", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "wrong source"},
		{"push-over-pull-request", "The merge result fails its tests, the branch alone passes them a moment later.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "failure")
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "push", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"one-leg-of-a-matrix", "A matrix gives all its jobs one name, and one of them fails.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "failure"}, ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"rerun-the-other-leg", "Of two jobs with one name one fails, and the other, green one is run again.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "success"}, ghsim.Job{Name: "test", Conclusion: "failure"})
				run.Rerun(w.dave, ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"old-workflow", "The branch starts at an old commit, whose workflow tested nothing, and runs it on push.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				old := repo.Head("main")
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "test for real", Files: map[string]string{ciPath: "name: ci\non: push\njobs:\n  test:\n    steps: [{run: make really-test}]\n"}})
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				if err := repo.PushTo("dave/fix", old, w.dave); err != nil {
					t.Fatal(err)
				}
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "push", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "main"},
		{"weaken-the-workflow", "The change empties the test job, and somebody who is no owner approves it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.approved(w.davesPull(repo, map[string]string{ciPath: "name: ci\n"}))
			}, "owner"},
		{"rename-the-workflow", "The workflow is renamed to where nothing looks, with another in its place later.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Move", Head: "dave/fix", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "move", Rename: map[string]string{ciPath: "attic/ci.txt"}}}})
				return w.approved(pr)
			}, "owner"},
		{"codeowners-in-docs", "The change makes its author the owner of everything, in the least known of the three places.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.approved(w.davesPull(repo, map[string]string{"docs/CODEOWNERS": "* @dave\n"}))
			}, "owner"},
		{"own-policy", "The change brings a policy that asks for nothing.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, map[string]string{policy.Path: "version: 1\nmode: audit\nbranches: [main]\nreview: {human: {approvals: 0}}\n"})
				w.test(pr, "success")
				return pr
			}, "approval"},
		{"stack-on-a-lax-branch", "The pull request targets a topic branch without rules, in a stack that ends in main.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				w.test(upper, "success")
				return upper
			}, "approval"},
		{"stack-on-a-weakened-workflow", "The lower pull request of a stack empties the test job; the upper one is tested with it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, map[string]string{ciPath: "name: ci\n"})
				return w.approved(upper)
			}, "main"},
		{"second-bot", "A bot that nobody listed approves what the agent wrote.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "second bot")
				helper := w.sim.App(ghsim.AppSpec{Slug: "helpful-reviewer"})
				repo.Collaborator(helper, "write")
				pr.Approve(helper)
				return pr
			}, "approval"},
		{"co-author-without-id", "bob is named as co-author by the old form of GitHub's address, which has no id, and approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Pair", Head: "dave/fix", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "pair\n\nCO-AUTHORED-BY: Robert <BOB@users.noreply.github.com>", Files: code}}})
				return w.approved(pr)
			}, "approval"},
		{"requested-in-the-body", "The agent's description says that bob asked for it, in another case; bob approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Body: "Link to Devin run: https://app.devin.ai/sessions/0123456789abcdef0123456789abcdef\nRequested by: @BOB",
					Head: "devin/1700000000-x", Author: w.devin, Commits: []ghsim.Commit{{Message: "x", Files: code}}})
				pr.Assign(w.alice, w.devin)
				return w.approved(pr)
			}, "approval"},
		{"last-pusher", "bob pushes on top of the agent's work and approves that.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "last pusher")
				pr.Push(w.bob, ghsim.Commit{Message: "polish", Author: w.copilot, Committer: w.copilot, Files: map[string]string{"polish.go": "package shop\n"}})
				return w.approved(pr)
			}, "approval"},
		{"pushed-out-of-history", "bob pushes, then everything is force-pushed under the agent's name, and bob approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "history")
				pr.Push(w.bob, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				pr.ForcePush(w.copilot, ghsim.Commit{Message: "clean", Files: map[string]string{"payload.go": "package shop\n"}})
				return w.approved(pr)
			}, "approval"},
		{"behind-github-actions", "bob lets a workflow of his own branch open the pull request, and approves it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Collaborator(w.sim.Actions(), "write")
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Update", Head: "update", Author: w.sim.Actions(),
					Commits: []ghsim.Commit{{Message: "update", Files: code}}})
				return w.approved(pr)
			}, "approval"},
		{"github-actions-needs-nobody", "Automation needs no approval, and a workflow in anybody's branch is automation.", "version: 1\nmode: enforce\nbranches: [main]\nreview: {automation: {approvals: 0}}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Collaborator(w.sim.Actions(), "write")
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Update", Head: "update", Author: w.sim.Actions(),
					Commits: []ghsim.Commit{{Message: "update", Files: code}}})
				w.test(pr, "success")
				return pr
			}, "approval"},
		{"lost-push-on-a-bots-branch", "Automation needs no approval; dave pushes to its branch in its name, and the delivery is lost.", "version: 1\nmode: enforce\nbranches: [main]\nreview: {automation: {approvals: 0}}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.dependabotPull(repo)
				w.mustSettle(t)
				w.app.Hooks().Drop(func(event, _ string) bool { return event == "push" || event == "pull_request" })
				pr.Push(w.dave, ghsim.Commit{Message: "bump more", Author: w.dependabot, Committer: w.dependabot, Files: code})
				if err := w.sim.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.app.Hooks().Drop(nil)
				pr.Label(w.dave, "dependencies")
				w.test(pr, "success")
				return pr
			}, "approval"},
		{"same-name-by-another-app", "Another App posts a green check with the name of the missing one.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.PostCheckRun(w.devin, pr.HeadSHA(), "test", "success")
				pr.Approve(w.bob)
				return pr
			}, "test"},
		{"status-of-the-same-name", "The author sets a commit status with the name of the missing check.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.PostStatus(w.dave, pr.HeadSHA(), "test", "success")
				pr.Approve(w.bob)
				return pr
			}, "test"},
		{"job-in-another-workflow", "A job with the right name succeeds in another workflow.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/nightly.yml", "pull_request", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"base-workflow-over-red", "The tests fail on the merge result, and succeed in a run that GitHub takes from the base.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "failure")
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request_target", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"workflow-of-another-repository", "The policy wants a central workflow, and one of the same path and job ran here.",
			"version: 1\nmode: enforce\nbranches: [main]\nvalidation:\n  required:\n    - {id: tests, app: github-actions, repository: acme/central, workflow: .github/workflows/ci.yml, job: test}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull { return w.approved(w.davesPull(repo, code)) }, "wrong source"},
		{"our-own-name", "The only check that the branch requires is one that carries our name, and comes from another App.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{
					{Name: "countersign", App: w.app}, {Name: "countersign (extra)", App: w.devin}}})
				pr := w.davesPull(repo, code)
				repo.PostCheckRun(w.devin, pr.HeadSHA(), "countersign (extra)", "success")
				repo.PostCheckRun(w.devin, pr.HeadSHA(), "countersign", "success")
				pr.Approve(w.bob)
				return pr
			}, "validation"},
		{"forged-beside-red", "The tests fail, and a workflow posts a green run of that name as GitHub Actions.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "failure")
				repo.ForgeActionsRun(pr.HeadSHA(), "test", "success")
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"green-then-rerun", "Everything was green; the tests are started again and have not finished.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				w.wantCheck(t, pr, released)
				run.Rerun(w.dave, ghsim.Job{Name: "test"})
				return pr
			}, "tests"},
		{"tests-of-the-older-head", "The tests were green before the last push, and never ran after it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				pr.Push(w.dave, ghsim.Commit{Message: "one more", Files: map[string]string{"more.go": "package shop\n"}})
				pr.Approve(w.bob)
				return pr
			}, "tests"},
		{"dismissed-by-its-target", "carol asks for changes, the author dismisses that, bob approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				review := pr.RequestChanges(w.carol, "no")
				review.Dismiss(w.dave, "resolved")
				return w.approved(pr)
			}, "carol"},
		{"role-lost", "bob approved and is no longer allowed to write.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				repo.Collaborator(w.bob, "read")
				pr.Label(w.dave, "again")
				return pr
			}, "approval"},
		{"closed-opened-pushed", "The approved pull request is closed, opened again and pushed to, all before anybody looks.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				pr.Close(w.dave)
				pr.Reopen(w.dave)
				pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				w.test(pr, "success")
				return pr
			}, "approval"},
		{"stranger-approves-a-fork", "A pull request from a fork is approved by somebody without a role in the repository.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				eve, mallory := w.sim.User("eve"), w.sim.User("mallory")
				fork := repo.Fork(eve)
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "main", HeadRepo: fork, Author: eve, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.test(pr, "success")
				pr.Approve(mallory)
				return pr
			}, "approval"},
		{"protection-loosened", "Everything is green, then the branch lets somebody force-push.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, MayForcePush: []ghsim.Actor{w.dave},
					Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				return pr
			}, "bypassed by"},
		{"draft", "Everything holds, and the pull request is a draft.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				pr.Draft(w.dave)
				return pr
			}, "Draft"},
		{"policy-is-a-folder", "On the base the policy's path is a folder.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "folder", Delete: []string{policy.Path}, Files: map[string]string{policy.Path + "/x": "version: 1\n"}})
				return w.approved(w.davesPull(repo, code))
			}, "policy"},
		{"more-commits-than-told", "The author hides among more commits than GitHub lists.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				var commits []ghsim.Commit
				for i := range 251 {
					commits = append(commits, ghsim.Commit{Message: fmt.Sprint(i), Files: map[string]string{"n.txt": fmt.Sprint(i)}})
				}
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Many", Head: "dave/fix", Author: w.dave, Commits: commits})
				return w.approved(pr)
			}, "commits"},
		{"old-list-of-files", "The list of files that GitHub answers with is that of the head before the workflow was weakened.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				pr.Push(w.dave, ghsim.Commit{Message: "weaken", Files: map[string]string{ciPath: "name: ci\n"}})
				w.mustSettle(t)
				repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET /repos/{owner}/{repo}/pulls/{number}/files", StaleHeads: 1})
				w.approved(pr)
				w.waitForAttempts(t, "POST /graphql", 1)
				w.waitUntil(t, func() bool {
					stats, err := w.server.store.QueueStats(t.Context())
					return err == nil && stats.Leased == 0
				})
				if got := w.check(pr, "countersign"); got.Conclusion == released {
					t.Error("green by the old list of files")
				}
				repair()
				w.mustSettle(t)
				return pr
			}, "owner"},
		{"approve-then-shared-head", "An approved head is offered again in a second pull request.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				if err := repo.PushTo("copy", pr.HeadSHA(), w.dave); err != nil {
					t.Fatal(err)
				}
				return repo.OpenPullRequest(ghsim.PullSpec{Title: "Copy", Head: "copy", Author: w.dave})
			}, "approval"},
	}
}

// rulesetFor protects main by a ruleset instead of classic protection.
func (w *acme) rulesetFor(repo *ghsim.Repo) *ghsim.Ruleset {
	return repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "main", Rules: []ghsim.Rule{
		ghsim.RulePullRequest(1), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion(), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app})}})
}

func (w *acme) dependabotPull(repo *ghsim.Repo) pull {
	return repo.OpenPullRequest(ghsim.PullSpec{Title: "Bump left-pad", Head: "dependabot/npm_and_yarn/left-pad-1.3.0", Author: w.dependabot,
		Commits: []ghsim.Commit{{Message: "Bump left-pad", Files: map[string]string{"package.json": "{}\n"}}}})
}

func legitimate() []attempt {
	return []attempt{
		{"tests-on-push", "CI runs on push only, on an up-to-date branch.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "push", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"branch-names-the-tests", "The policy leaves the validations to the branch.", branchDecides,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull { return w.approved(w.davesPull(repo, code)) }, ""},
		{"workflow-changed-by-owner", "The workflow changes, and an owner approves that.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, map[string]string{ciPath: "name: ci\njobs: {}\n"})
				w.test(pr, "success")
				pr.Approve(w.carol)
				return pr
			}, ""},
		{"flaky-test-run-again", "The tests fail, and succeed when they are run again.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "failure"})
				run.Rerun(w.dave, ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"matrix-run-again", "Jobs of one name all succeed when they are run again.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "success"}, ghsim.Job{Name: "test", Conclusion: "failure"})
				run.Rerun(w.dave, ghsim.Job{Name: "test", Conclusion: "success"}, ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"approved-again-after-a-push", "bob approves, dave pushes, bob approves again.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				pr.Push(w.dave, ghsim.Commit{Message: "as bob said", Files: map[string]string{"more.go": "package shop\n"}})
				return w.approved(pr)
			}, ""},
		{"changes-settled", "bob asks for changes, gets them, and approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				pr.RequestChanges(w.bob, "please")
				pr.Push(w.dave, ghsim.Commit{Message: "done", Files: map[string]string{"more.go": "package shop\n"}})
				return w.approved(pr)
			}, ""},
		{"from-a-fork", "A stranger's pull request from a fork is tested and approved.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				eve := w.sim.User("eve")
				fork := repo.Fork(eve)
				return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "main", HeadRepo: fork, Author: eve, Commits: []ghsim.Commit{{Message: "fix", Files: code}}}))
			}, ""},
		{"retargeted-and-updated", "The pull request went to a topic branch first; it is retargeted to main, updated, tested and approved.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("topic", w.dave)
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: "topic", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.test(pr, "success")
				pr.Retarget(w.dave, "main")
				pr.Push(w.dave, ghsim.Commit{Message: "for main", Files: map[string]string{"more.go": "package shop\n"}})
				return w.approved(pr)
			}, ""},
		{"older-policy-of-a-release-branch", "A release branch that main enrols still has an older policy, without what main asks for by now.", strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("release/1", w.carol)
				mustDo(t, repo.PushTo("dave/fix", repo.Head("release/1"), w.dave))
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "ask for a scan", Files: map[string]string{
					policy.Path: strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1) + "    - {id: scan, kind: security, app: github-advanced-security, check: CodeQL}\n"}})
				repo.Protect("release/1", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Backport", Head: "dave/fix", Base: "release/1", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}}))
			}, ""},
		{"dependency-bot-alone", "The policy asks for no approval of automation, and Dependabot did it all.", "version: 1\nmode: enforce\nbranches: [main]\nreview: {automation: {approvals: 0}}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.dependabotPull(repo)
				w.test(pr, "success")
				return pr
			}, ""},
		{"renamed-repository", "The repository gets another name while the pull request is open.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				w.mustSettle(t)
				repo.Rename("another-name", w.carol)
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"custom-role", "The reviewer has a custom role that can write.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				w.org.CustomRole("release-captain", "write")
				erin := w.sim.User("erin")
				w.org.Member(erin)
				repo.Collaborator(erin, "release-captain")
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				pr.Approve(erin)
				return pr
			}, ""},
		{"protected-by-a-ruleset", "A ruleset protects the branch, and the policy accepts that its bypass list is not shown to us.", shopPolicy + "protection: {unreadable_bypass: detect}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				w.rulesetFor(repo)
				return w.approved(w.davesPull(repo, code))
			}, ""},
	}
}

// everyAttack is the suite of attacks but for those on layers and attestations, which have worlds
// of their own; docs/security.md lists all.
func everyAttack() []attempt {
	return slices.Concat(attacks(), attacksAround(), attacksFromOwnBranches(), attacksByPeople(), attacksOnValidation(), attacksOnProtection(), attacksOnEvents(), attacksOnTheQueue(), attacksByEmergency(), attacksOnStacks(), attacksOnRules(), attacksOnOurName())
}

// everyLegitimate is the whole suite of changes that are in order.
func everyLegitimate() []attempt {
	return slices.Concat(legitimate(), legitimateToo(), legitimateStacks())
}

// shownFor is our newest check run for a pull request: on the commit of its repository's newest
// merge group, else on its head.
func (w *acme) shownFor(t *testing.T, pr pull) ghsim.CheckRunState {
	t.Helper()
	for _, d := range slices.Backward(w.app.Deliveries()) {
		var of struct {
			Group struct {
				HeadSHA string `json:"head_sha"`
			} `json:"merge_group"`
			Repository struct {
				FullName string `json:"full_name"`
			} `json:"repository"`
		}
		if d.Event != "merge_group" {
			continue
		}
		if mustDo(t, json.Unmarshal(d.Payload, &of)); of.Repository.FullName == pr.Repo().FullName() {
			return w.groupCheck(pr.Repo(), of.Group.HeadSHA)
		}
	}
	return w.check(pr, "countersign")
}

// tryAttack plays an attack and returns its line of the table.
func tryAttack(t *testing.T, w *acme, a attempt) attackRow {
	t.Helper()
	pr := a.play(t, w, w.guardedRepo(a.name, a.policy))
	w.mustSettle(t)
	got := w.shownFor(t, pr)
	switch {
	case got.Name == "":
		t.Fatalf("%s\nThere is no check run.", a.how)
	case got.Conclusion == released:
		t.Errorf("%s\nIt is green:\n%s", a.how, got.Summary)
	case !strings.Contains(got.Title+got.Summary, a.says):
		t.Errorf("%s\nIt does not say %q: %s\n%s", a.how, a.says, got.Title, got.Summary)
	}
	if _, merged := pr.Merged(); merged {
		t.Errorf("%s\nIt is merged.", a.how)
	}
	row, err := w.server.store.Tenant(w.org.ID()).Decision(t.Context(), got.ExternalID)
	mustDo(t, err)
	var d policy.Decision
	mustDo(t, json.Unmarshal(row.Decision, &d))
	return attackRow{a, unmet(d), got.Title}
}

// No attack gets a green check run, and each is told what it lacks.
func TestAttacksAreNeverGreen(t *testing.T) {
	t.Parallel()
	// So many attacks use more than an hour's requests.
	w, layered, inStep := startAcmeOn(t, ghsim.New(ghsim.Options{RateLimit: 1 << 30}), fast), floored(t), startInStep(t)
	var rows []attackRow
	for _, a := range everyAttack() {
		t.Run(a.name, func(t *testing.T) { rows = append(rows, tryAttack(t, w, a)) })
	}
	for _, a := range attacksOnLayers() {
		t.Run(a.name, func(t *testing.T) { rows = append(rows, tryAttack(t, layered, a)) })
	}
	for _, a := range attacksOnAttestations() {
		t.Run(a.name, func(t *testing.T) { rows = append(rows, tryAttack(t, inStep, a)) })
	}
	if len(rows) == len(everyAttack())+len(attacksOnLayers())+len(attacksOnAttestations()) {
		compareSection(t, "attacks", tableOfAttacks(rows))
	}
}

// What is in order is released.
func TestLegitimateChangesAreGreen(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for _, a := range everyLegitimate() {
		t.Run(a.name, func(t *testing.T) {
			pr := a.play(t, w, w.guardedRepo(a.name, a.policy))
			w.mustSettle(t)
			if got := w.check(pr, "countersign"); got.Conclusion != released {
				t.Errorf("%s\nGot %s %s: %s\n%s", a.how, got.Status, got.Conclusion, got.Title, got.Summary)
			}
		})
	}
	compareSection(t, "changes in order", tableOfLegitimate(everyLegitimate()))
}
