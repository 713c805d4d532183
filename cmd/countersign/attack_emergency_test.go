package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// emergency is an attempt to be released by an emergency that nobody may declare like that.
func emergency(name, how, says string, happens func(t *testing.T, w *acme, repo *ghsim.Repo, pr pull, erin *ghsim.User)) attempt {
	return attempt{name, how, shopPolicy + "emergency: {team: acme/oncall, via: [comment]}\n", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		erin := w.onCall(t)
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		w.mustSettle(t)
		happens(t, w, repo, pr, erin)
		return pr
	}, says}
}

// attacksByEmergency abuse the command that releases a change before its review.
func attacksByEmergency() []attempt {
	return []attempt{
		emergency("emergency-by-the-author", "The author declares an emergency for his own change.", "behind the change", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, _ *ghsim.User) {
			declare(pr, w.dave, pr.HeadSHA())
		}),
		emergency("emergency-by-anybody", "Somebody outside the team declares an emergency.", "not a member", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, _ *ghsim.User) {
			declare(pr, w.bob, pr.HeadSHA())
		}),
		emergency("emergency-by-a-bot", "An agent declares an emergency.", "only a person", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, _ *ghsim.User) {
			declare(pr, w.devin, pr.HeadSHA())
		}),
		emergency("emergency-edited-into-a-comment", "The author edits a comment of somebody in the team into the command.", "approval", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			pr.Comment(erin, "looks bad").Edit(w.dave, "/countersign emergency "+pr.HeadSHA()[:8]+" INC-7 the shop is down again")
		}),
		emergency("emergency-quoted", "Somebody in the team quotes the command.", "approval", func(_ *testing.T, _ *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			pr.Comment(erin, "> /countersign emergency "+pr.HeadSHA()[:8]+" INC-7 the shop is down again\nno, do not")
		}),
		emergency("emergency-in-code", "Somebody in the team shows the command in a block of code.", "approval", func(_ *testing.T, _ *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			pr.Comment(erin, "```\n/countersign emergency "+pr.HeadSHA()[:8]+" INC-7 the shop is down again\n```")
		}),
		emergency("emergency-in-the-body", "The description, a label and a review hold the command.", "approval", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			command := "/countersign emergency " + pr.HeadSHA()[:8] + " INC-7 the shop is down again"
			pr.Edit(w.dave, "emergency", command)
			pr.Label(w.dave, "emergency")
			pr.Review(ghsim.ReviewSpec{By: erin, State: "COMMENTED", Body: command})
		}),
		emergency("emergency-then-push", "An emergency is declared, and the author pushes.", "older commit", func(t *testing.T, w *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			declare(pr, erin, pr.HeadSHA())
			w.wantCheck(t, pr, released)
			pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
			w.test(pr, "success")
		}),
		emergency("emergency-for-another-commit", "An emergency is declared for the commit of main.", "another commit", func(_ *testing.T, _ *acme, repo *ghsim.Repo, pr pull, erin *ghsim.User) {
			declare(pr, erin, repo.Head("main"))
		}),
		emergency("emergency-over-an-objection", "bob asks for changes, and an emergency is declared.", "bob", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			pr.RequestChanges(w.bob, "no")
			declare(pr, erin, pr.HeadSHA())
		}),
		emergency("emergency-over-red", "The tests fail, and an emergency is declared.", "tests", func(_ *testing.T, w *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			w.test(pr, "failure")
			declare(pr, erin, pr.HeadSHA())
		}),
		emergency("emergency-for-the-workflow", "The change empties the tests' workflow, and an emergency is declared.", "owner", func(t *testing.T, w *acme, _ *ghsim.Repo, pr pull, erin *ghsim.User) {
			pr.Push(w.dave, ghsim.Commit{Message: "weaken", Files: map[string]string{ciPath: "name: ci\n"}})
			w.test(pr, "success")
			w.mustSettle(t)
			declare(pr, erin, pr.HeadSHA())
		}),
		emergency("emergency-retargeted", "An emergency is declared against a topic branch, and the pull request is retargeted to main.", "approval", func(t *testing.T, w *acme, repo *ghsim.Repo, pr pull, erin *ghsim.User) {
			repo.Push("topic", w.dave)
			pr.Retarget(w.dave, "topic")
			w.mustSettle(t)
			declare(pr, erin, pr.HeadSHA())
			w.mustSettle(t)
			pr.Retarget(w.dave, "main")
		}),
		{"path-dodged-by-rename", "A file of a path that asks for two approvals is moved out of it.", shopPolicy + "paths:\n  - {match: [\"payments/**\"], approvals: 2}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "payments", Files: map[string]string{"payments/pay.go": "package pay\n"}})
				repo.Protect("main", w.carol, w.usual())
				return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Move", Head: "dave/fix", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "move", Rename: map[string]string{"payments/pay.go": "attic/pay.go"}}}}))
			}, "approval"},
		{"path-under-many-files", "A file of a path that asks for two approvals is the last of more than GitHub lists at once.", shopPolicy + "paths:\n  - {match: [\"payments/**\"], approvals: 2}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				files := manyFiles(150)
				files["payments/pay.go"] = "package pay\n"
				return w.approved(w.davesPull(repo, files))
			}, "approval"},
	}
}
