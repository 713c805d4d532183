package main

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// laxOn is a policy that enrols a branch and asks for nothing.
func laxOn(branch string) string {
	return "version: 1\nmode: enforce\nbranches: [\"" + branch + "\"]\nreview: {human: {approvals: 0}, decided_by: countersign}\nprotection: {unreadable_bypass: detect}\n"
}

// protectedEverywhere has a ruleset protect every branch, as an organisation's does.
func (w *acme) protectedEverywhere(repo *ghsim.Repo) {
	repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "every branch", Include: []string{"~ALL"}, Rules: []ghsim.Rule{
		ghsim.RulePullRequest(1), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion(),
		ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}, ghsim.Required{Name: "test", App: w.sim.Actions()})}})
}

// toOwnBranch is dave's tested pull request to a branch that he made, with a policy of his.
func (w *acme) toOwnBranch(repo *ghsim.Repo, branch, file string) pull {
	repo.Push(branch, w.dave, ghsim.Commit{Message: "mine", Files: map[string]string{policy.Path: file}})
	w.protectedEverywhere(repo)
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: branch, Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
	w.test(pr, "success")
	return pr
}

// attacksFromOwnBranches make a branch with a policy that asks for nothing, to get a green check
// run onto a commit that is meant for main.
func attacksFromOwnBranches() []attempt {
	return []attempt{
		{"own-branch-with-a-policy", "dave makes a branch whose policy enrols it and asks for nothing; a ruleset protects every branch.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.toOwnBranch(repo, "evil", laxOn("evil"))
			}, "main does not name evil"},
		{"own-branch-enrols-everything", "The same, with a policy that enrols every branch.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.toOwnBranch(repo, "evil", laxOn("**"))
			}, "main does not name evil"},
		{"own-branch-out-of-its-lane", "main puts dev/** into a lane that only reports; dave's branch dev/evil says that it is of the main lane.",
			strings.Replace(shopPolicy, "branches: [main]", "branches: [main]\nlanes:\n  - {name: sandbox, branches: [\"dev/**\"], mode: audit}", 1),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.toOwnBranch(repo, "dev/evil", laxOn("dev/evil"))
			}, "sandbox audit"},
		{"tested-against-an-own-branch", "The tests run for a branch of dave's whose workflow tests nothing; then the pull request is retargeted to main, where nothing runs anew.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("evil", w.dave, ghsim.Commit{Message: "no tests", Files: map[string]string{ciPath: "name: ci\n"}})
				mustDo(t, repo.PushTo("dave/fix", repo.Head("main"), w.dave))
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: "evil", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.test(pr, "success")
				pr.Retarget(w.dave, "main")
				pr.Approve(w.bob)
				return pr
			}, "evil"},
		{"tested-by-a-second-pull-request", "The tests fail on the merge with main. The same commit is proposed for a branch of dave's, whose workflow tests nothing, and that run is newer.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("evil", w.dave, ghsim.Commit{Message: "no tests", Files: map[string]string{ciPath: "name: ci\n"}})
				pr := w.davesPull(repo, code)
				w.test(pr, "failure")
				pr.Approve(w.bob)
				second := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: "evil", Author: w.dave})
				w.test(second, "success")
				second.Close(w.dave)
				return pr
			}, "evil"},
		{"tested-before-the-second-is-heard-of", "The same, and what GitHub says of the second pull request comes after its tests, when the first is green already.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("evil", w.dave, ghsim.Commit{Message: "no tests", Files: map[string]string{ciPath: "name: ci\n"}})
				pr := w.davesPull(repo, code)
				pr.Approve(w.bob)
				w.test(pr, "failure")
				w.mustSettle(t)
				w.app.Hooks().Drop(func(event, _ string) bool { return event == "pull_request" })
				second := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: "evil", Author: w.dave})
				w.test(second, "success")
				w.mustSettle(t)
				w.app.Hooks().Drop(nil)
				second.Label(w.dave, "late")
				return pr
			}, "evil"},
		{"enrolment-withdrawn", "A pull request to release/1 is green; then main's policy does not name that branch any more.", strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("release/1", w.carol)
				repo.Protect("release/1", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				pr := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: "release/1", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}}))
				w.wantCheck(t, pr, released)
				repo.Unprotect("main", w.carol)
				w.mustSettle(t)
				repo.Push("main", w.carol, ghsim.Commit{Message: "main alone", Files: map[string]string{policy.Path: shopPolicy}})
				return pr
			}, "main does not name release/1"},
		{"policy-gone-from-the-default-branch", "A pull request to release/1 is green; then the default branch loses its policy.", strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("release/1", w.carol)
				repo.Protect("release/1", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
				pr := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/fix", Base: "release/1", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}}))
				w.wantCheck(t, pr, released)
				repo.Unprotect("main", w.carol)
				w.mustSettle(t)
				repo.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
				return pr
			}, "main has no policy"},
	}
}
