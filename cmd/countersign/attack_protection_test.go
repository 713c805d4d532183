package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// loosened is an attempt on a branch that is protected in a way that leaves a way around us,
// from the beginning; with everything else in order.
func loosened(name, how, says string, change func(w *acme, p *ghsim.Protection)) attempt {
	return attempt{name, how, "", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		p := w.usual()
		change(w, &p)
		repo.Protect("main", w.carol, p)
		return w.approved(w.davesPull(repo, code))
	}, says}
}

// ruled is an attempt on a branch that only a ruleset protects.
func ruled(name, how, policyFile, says string, change func(w *acme, spec *ghsim.RulesetSpec)) attempt {
	return attempt{name, how, policyFile, func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		repo.Unprotect("main", w.carol)
		spec := ghsim.RulesetSpec{Name: "main", Rules: []ghsim.Rule{
			ghsim.RulePullRequest(1), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion(), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app})}}
		change(w, &spec)
		repo.Ruleset(w.carol, spec)
		return w.approved(w.davesPull(repo, code))
	}, says}
}

// attacksOnProtection are on the branch: who may pass by us, and which of our checks it is
// that GitHub asks for.
func attacksOnProtection() []attempt {
	detect := shopPolicy + "protection: {unreadable_bypass: detect}\n"
	return []attempt{
		loosened("check-from-anybody", "The branch requires a check of our name, from any source, so that everybody can post it.", "source", func(w *acme, p *ghsim.Protection) {
			p.Checks[0].App = nil
		}),
		loosened("check-from-another-app", "The branch requires our check from another App.", "countersign", func(w *acme, p *ghsim.Protection) {
			p.Checks[0].App = w.devin
		}),
		loosened("check-not-required", "The branch does not require our check.", "countersign", func(w *acme, p *ghsim.Protection) {
			p.Checks = p.Checks[1:]
		}),
		loosened("administrators-not-bound", "Administrators may merge whatever they like.", "dministrators", func(_ *acme, p *ghsim.Protection) {
			p.EnforceAdmins = false
		}),
		loosened("may-skip-review", "The agent's App is on the list of those who need no review.", "bypass", func(w *acme, p *ghsim.Protection) {
			p.MayBypassReview = []ghsim.Actor{w.devin}
		}),
		loosened("force-push-for-all", "Everybody may force-push to the branch.", "orce", func(_ *acme, p *ghsim.Protection) {
			p.AllowForcePushes = true
		}),
		loosened("branch-may-be-deleted", "The branch may be deleted and made again.", "delet", func(_ *acme, p *ghsim.Protection) {
			p.AllowDeletions = true
		}),
		loosened("review-not-required", "GitHub asks for no review, so that a green check of a later moment is all it takes.", "review", func(_ *acme, p *ghsim.Protection) {
			p.Approvals, p.RequireReviews = 0, false
		}),
		ruled("ruleset-that-only-watches", "The ruleset that protects the branch is in evaluation and holds nobody.", detect, "main", func(_ *acme, spec *ghsim.RulesetSpec) {
			spec.Enforcement = "evaluate"
		}),
		ruled("ruleset-of-another-branch", "The ruleset protects every branch but main.", detect, "main", func(_ *acme, spec *ghsim.RulesetSpec) {
			spec.Include, spec.Exclude = []string{"~ALL"}, []string{"refs/heads/main"}
		}),
		ruled("ruleset-without-force-push-rule", "The ruleset forgets force pushes.", detect, "orce", func(_ *acme, spec *ghsim.RulesetSpec) {
			spec.Rules = append(spec.Rules[:1:1], spec.Rules[2:]...)
		}),
		ruled("bypass-list-not-shown", "The bypass list of the ruleset names the agent, and GitHub does not show it to us.", "", "bypass", func(w *acme, spec *ghsim.RulesetSpec) {
			spec.Bypass = []ghsim.Bypass{{ID: w.devin.ID(), Type: "Integration", Mode: "always"}}
		}),
		{"retarget-out-of-a-lane", "The pull request is green in a laxer lane, and is retargeted to main.", laneOfDev,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("dev", w.carol)
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "in the lane", Base: "dev", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.test(pr, "success")
				w.mustSettle(t)
				pr.Retarget(w.dave, "main")
				return pr
			}, "approval"},
		{"lax-policy-on-a-branch", "The pull request goes to a branch without protection whose own policy asks for nothing, and is retargeted to main.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("lax", w.dave, ghsim.Commit{Message: "lax", Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main, lax]\nreview: {human: {approvals: 0}}\nprotection: {unreadable_bypass: detect}\n"}})
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Base: "lax", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.test(pr, "success")
				w.mustSettle(t)
				pr.Retarget(w.dave, "main")
				return pr
			}, "approval"},
		{"green-in-audit", "A second pull request of the same commits goes to a branch that is only audited; its check has another name.", laneOfDev,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("dev", w.carol)
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				repo.OpenPullRequest(ghsim.PullSpec{Title: "the same", Base: "dev", Head: "dave/fix", Author: w.dave})
				return pr
			}, "approval"},
		{"another-base-of-the-same-head", "The same commits go to a topic branch and to main; only the first is looked at.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("topic", w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				mustDo(t, repo.PushTo("dave/fix", repo.Head("topic"), w.dave))
				first := repo.OpenPullRequest(ghsim.PullSpec{Title: "Small", Base: "topic", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.approved(first)
				return repo.OpenPullRequest(ghsim.PullSpec{Title: "Large", Head: "dave/fix", Author: w.dave})
			}, "approval"},
	}
}

const laneOfDev = `version: 1
mode: enforce
branches: [main]
lanes:
  - {name: sandbox, branches: [dev], mode: audit}
validation:
  required:
    - {id: tests, app: github-actions, workflow: .github/workflows/ci.yml, job: test}
`
