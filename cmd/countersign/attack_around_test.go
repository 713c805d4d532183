package main

import (
	"fmt"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// attacksAround change what is around a pull request, before it is opened or after it was
// green: its base, its policy, its protection, its branch, its head's other pull requests.
func attacksAround() []attempt {
	return []attempt{
		{"approved-against-another-branch", "bob approves a small difference to a topic branch; then the pull request is retargeted to main, and brings the topic along.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("topic", w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				if err := repo.PushTo("dave/fix", repo.Head("topic"), w.dave); err != nil {
					t.Fatal(err)
				}
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Small", Head: "dave/fix", Base: "topic", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.approved(pr)
				pr.Retarget(w.dave, "main")
				return pr
			}, "topic"},
		{"pushed-before-it-was-opened", "bob pushes in the agent's name, the agent opens the pull request and pushes on, and bob approves.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("copilot/x", w.bob, ghsim.Commit{Message: "payload", Author: w.copilot, Committer: w.copilot, Files: map[string]string{"payload.go": "package shop\n"}})
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "copilot/x", Author: w.copilot})
				pr.Assign(w.alice, w.copilot)
				pr.Push(w.copilot, ghsim.Commit{Message: "more", Files: code})
				return w.approved(pr)
			}, "approval"},
		{"pushed-before-behind-many-events", "The same, with a push of the agent's between, and hundreds of events on the pull request.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("copilot/x", w.bob, ghsim.Commit{Message: "payload", Author: w.copilot, Committer: w.copilot, Files: map[string]string{"payload.go": "package shop\n"}})
				repo.Push("copilot/x", w.copilot, ghsim.Commit{Message: "on top", Files: map[string]string{"top.go": "package shop\n"}})
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "copilot/x", Author: w.copilot})
				pr.Assign(w.alice, w.copilot)
				pr.Push(w.copilot, ghsim.Commit{Message: "more", Files: code})
				hooks := w.app.Hooks()
				hooks.Hold()
				for i := range 320 {
					pr.Label(w.dave, fmt.Sprintf("label %d", i))
				}
				hooks.Release()
				return w.approved(pr)
			}, "approval"},
		{"policy-deleted", "Everything is green; the policy disappears from main, and carol asks for changes.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
				pr.RequestChanges(w.carol, "stop")
				return pr
			}, "policy"},
		{"org-ruleset-loosened", "An organisation's ruleset is the only protection, and is switched off after everything was green.", shopPolicy + "protection: {unreadable_bypass: detect}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				rs := w.org.Ruleset(w.carol, ghsim.RulesetSpec{Name: "org", Repos: []string{"org-ruleset-loosened"}, Rules: []ghsim.Rule{
					ghsim.RulePullRequest(1), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion(), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app})}})
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				rs.Enforce(w.carol, "disabled")
				return pr
			}, "main"},
		{"stack-policy-tightened", "The upper pull request of a stack is green; then main asks for two approvals, and only the push to main tells of it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}, EnforceAdmins: true})
				_, upper := w.stackOf(t, repo, code)
				w.approved(upper)
				w.wantCheck(t, upper, released)
				w.app.Hooks().Drop(func(event, _ string) bool { return event == "branch_protection_rule" })
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "stricter", Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nreview: {human: {approvals: 2}}\nvalidation:\n  required:\n    - {id: tests, app: github-actions, workflow: .github/workflows/ci.yml, job: test}\n"}})
				repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				w.mustSettle(t)
				w.app.Hooks().Drop(nil)
				return upper
			}, "approval"},
		{"unheard-shared-head", "A second pull request has an approved head; GitHub cannot be read about it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				if err := repo.PushTo("copy", pr.HeadSHA(), w.dave); err != nil {
					t.Fatal(err)
				}
				repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET /repos/{owner}/{repo}/pulls/{number}/files", Status: 502})
				second := repo.OpenPullRequest(ghsim.PullSpec{Title: "Copy", Head: "copy", Author: w.dave})
				w.skipUntil(t, func() bool { return w.check(second, "countersign").Status == "in_progress" })
				repair()
				w.mustSettle(t)
				return second
			}, "approval"},
	}
}
