package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// impostor is an attempt to have something else taken for our check, on a change that lacks its
// approval.
func impostor(name, how, says string, post func(w *acme, repo *ghsim.Repo, sha string)) attempt {
	return attempt{name, how, "", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		post(w, repo, pr.HeadSHA())
		return pr
	}, says}
}

// attacksOnOurName post a check under our name, or under one that looks like it.
func attacksOnOurName() []attempt {
	status := func(context string) func(*acme, *ghsim.Repo, string) {
		return func(w *acme, repo *ghsim.Repo, sha string) { repo.PostStatus(w.dave, sha, context, "success") }
	}
	run := func(name string) func(*acme, *ghsim.Repo, string) {
		return func(w *acme, repo *ghsim.Repo, sha string) { repo.PostCheckRun(w.devin, sha, name, "success") }
	}
	return []attempt{
		impostor("our-name-by-another-app", "Another App posts a green check run of our name.", "was posted by the App devin-ai-integration", run("countersign")),
		impostor("our-name-by-a-status", "The author sets a green commit status of our name.", "was posted by dave", status("countersign")),
		impostor("our-name-by-a-job", "A workflow of the author's own branch has a job of our name.", "was posted by the App github-actions", func(_ *acme, repo *ghsim.Repo, sha string) {
			repo.RunWorkflow(sha, ".github/workflows/mine.yml", "push", ghsim.Job{Name: "countersign", Conclusion: "success"})
		}),
		impostor("our-name-forged-as-actions", "A workflow posts a green check run of our name as GitHub Actions.", "was posted by the App github-actions", func(_ *acme, repo *ghsim.Repo, sha string) {
			repo.ForgeActionsRun(sha, "countersign", "success")
		}),
		impostor("our-name-of-a-lane", "Another App posts the name that our check has in a lane.", "was posted by the App devin-ai-integration", run("countersign (release)")),
		impostor("our-name-in-capitals", "The author sets a commit status of our name in capitals, which to GitHub is the same one.", "was posted by dave", status("COUNTERSIGN")),
		impostor("our-name-with-spaces", "Another App posts our name with spaces around it.", "was posted by the App devin-ai-integration", run(" Countersign  ")),
		impostor("our-lane-with-a-wide-space", "Another App posts the name of a lane, with a space in it that does not break.", "was posted by the App devin-ai-integration", run("Countersign\u00a0(audit)")),
		impostor("our-name-in-cyrillic", "Another App posts a name that looks like ours, with a Cyrillic letter.", "approval", run("\u0441ountersign")),
		impostor("our-name-with-nothing-in-it", "Another App posts our name with a character in it that has no width.", "approval", run("counter\u200bsign")),
		impostor("our-name-among-many", "The author sets so many statuses of names like ours that the one that counts might get lost.", "was posted by dave", func(w *acme, repo *ghsim.Repo, sha string) {
			for i := range 120 {
				repo.PostStatus(w.dave, sha, "countersign ("+string(rune('a'+i%26))+string(rune('a'+i/26))+")", "success")
			}
		}),
		{"our-name-required-from-actions", "The branch requires our name from GitHub Actions, and a workflow of the author's has such a job.", "",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{
					{Name: "countersign", App: w.app}, {Name: "countersign (ci)", App: w.sim.Actions()}}})
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/mine.yml", "push", ghsim.Job{Name: "countersign (ci)", Conclusion: "success"})
				return pr
			}, "The branch takes it for ours"},
		{"our-name-as-the-validation", "The policy counts a check of another App that has one of our names, and that is green.",
			"version: 1\nmode: enforce\nbranches: [main]\nvalidation:\n  required:\n    - {id: own, app: devin-ai-integration, check: countersign (own)}\n",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.PostCheckRun(w.devin, pr.HeadSHA(), "countersign (own)", "success")
				pr.Approve(w.bob)
				return pr
			}, "own check"},
	}
}
