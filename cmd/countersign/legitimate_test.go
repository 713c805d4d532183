package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// legitimateToo are more changes in order, most of them close to an attack.
func legitimateToo() []attempt {
	return []attempt{
		{"agent-approved-by-a-third", "alice asked the agent, bob approves what it wrote.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "third")
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"requester-approves-too", "The requester approves, which does not count, and bob does, which does.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "both")
				pr.Approve(w.alice)
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"nobody-known-asked", "Nobody knows who asked the agent, and two people approve.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "devin/1700000000-x", Author: w.devin, Commits: []ghsim.Commit{{Message: "x", Author: w.devin, Files: code}}})
				w.approved(pr)
				pr.Approve(w.alice)
				return pr
			}, ""},
		{"bot-reviews-too", "GitHub's reviewing agent comments and approves, and so does bob.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "bot too")
				pr.Approve(w.reviewer)
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"bot-asks-for-changes", "A bot asks for changes; bob has the last word.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				pr.RequestChanges(w.reviewer, "rename this")
				return w.approved(pr)
			}, ""},
		{"assisted", "dave wrote it with Claude's help, and bob approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "dave/fix", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "fix\n\nCo-Authored-By: Claude <noreply@anthropic.com>", Files: code}}}))
			}, ""},
		{"suggestion-allowed", "The policy lets suggesters approve, and dave accepts bob's suggestion on GitHub.", reviewPolicy("coauthors: allow_suggestions"),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				pr.Review(ghsim.ReviewSpec{By: w.bob, State: "COMMENTED", Body: "```suggestion\npackage shop // better\n```"})
				pr.Push(w.dave, ghsim.Commit{Message: "Apply suggestion" + w.requestedBy(w.bob), ByGitHub: true, Files: map[string]string{"fix.go": "package shop // better\n"}})
				return w.approved(pr)
			}, ""},
		{"thanks-to-the-agent", "bob thanks the agent after its last push, and approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.copilotPullIn(repo, "thanks")
				w.mustSettle(t)
				pr.Comment(w.bob, "thank you @copilot")
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"updated-after-approval", "main moves on elsewhere, and the approved branch is updated.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				w.moved(t, repo, map[string]string{"other.go": "package other\n"})
				mustDo(t, pr.UpdateBranch(w.dave))
				w.test(pr, "success")
				return pr
			}, ""},
		{"rebased-by-the-approver", "bob approves, and rebases what he approved.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				w.moved(t, repo, map[string]string{"other.go": "package other\n"})
				_, err := pr.Rebase(w.bob)
				mustDo(t, err)
				w.test(pr, "success")
				return pr
			}, ""},
		{"approved-before-the-tests-ended", "bob approves while the tests still run.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test"})
				pr.Approve(w.bob)
				w.mustSettle(t)
				run.Finish("test", "success")
				return pr
			}, ""},
		{"draft-made-ready", "A draft is tested and approved, and made ready.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				pr.Draft(w.dave)
				w.approved(pr)
				w.mustSettle(t)
				pr.Ready(w.dave)
				return pr
			}, ""},
		{"changes-dismissed-by-a-third", "carol asks for changes and is away; alice, who has no part in it, dismisses that, and bob approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				review := pr.RequestChanges(w.carol, "no")
				review.Dismiss(w.alice, "done")
				return w.approved(pr)
			}, ""},
		{"policy-changed-by-owner", "The policy changes, and an owner approves that.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, map[string]string{policy.Path: shopPolicy + "# reviewed in November\n"})
				w.test(pr, "success")
				pr.Approve(w.carol)
				return pr
			}, ""},
		{"doubled-deliveries", "Every delivery comes twice.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				w.app.Hooks().DuplicateNext(100)
				pr := w.approved(w.davesPull(repo, code))
				w.mustSettle(t)
				w.app.Hooks().DuplicateNext(0)
				return pr
			}, ""},
		{"reordered-deliveries", "Every delivery comes in the wrong order.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				w.app.Hooks().Hold()
				pr := w.approved(w.davesPull(repo, code))
				w.app.Hooks().ReleaseReversed()
				return pr
			}, ""},
		{"status-by-its-bot", "The policy counts a commit status of one bot, and that bot sets it.",
			"version: 1\nmode: enforce\nbranches: [main]\nvalidation:\n  required:\n    - {id: build, status: build/passed, creator: \"buildbot-of-acme[bot]\"}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				bot := w.sim.App(ghsim.AppSpec{Slug: "buildbot-of-acme"})
				repo.Collaborator(bot, "write")
				pr := w.davesPull(repo, code)
				repo.PostStatus(bot, pr.HeadSHA(), "build/passed", "success")
				pr.Approve(w.bob)
				return pr
			}, ""},
		{"approved-by-the-team", "The policy wants the approval of a team, and one of it approves.",
			"version: 1\nmode: enforce\nbranches: [main]\nreview: {from: {permission: write, teams: [acme/reviewers-of-shop]}}\nvalidation:\n  required:\n    - {id: tests, app: github-actions, workflow: .github/workflows/ci.yml, job: test}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.TeamRole(w.org.Team("reviewers-of-shop", w.bob, w.carol), "write")
				return w.approved(w.davesPull(repo, code))
			}, ""},
		{"asked-for-in-an-issue", "The policy wants an issue that is older than the change, and there is one.", shopPolicy + "authorisation: {required: true}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				issue := repo.OpenIssue(w.alice, "Wanted", "")
				pr := w.davesPull(repo, code)
				pr.Closes(issue)
				return w.approved(pr)
			}, ""},
		{"many-files", "A change of more files than GitHub lists at once.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.approved(w.davesPull(repo, manyFiles(200)))
			}, ""},
	}
}
