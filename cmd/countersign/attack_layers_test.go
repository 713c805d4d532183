package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// floorPolicy is an organisation's policy that gives every key that a repository may try to
// loosen. It enrols the repositories of two attempts by itself.
const floorPolicy = `version: 1
mode: enforce
branches: [main]
repositories: ["enrolled-*"]
review:
  agent: {approvals: 2}
  assisted: {approvals: 2}
  automation: {approvals: 0}
  human: {approvals: 2}
  from: {permission: write}
  unknown_initiator: 1
  coauthors: exclude
  decided_by: github
validation:
  required:
    - {id: tests, kind: test, app: github-actions, workflow: .github/workflows/ci.yml, job: test}
  protect: ["ci/**"]
  owners: [acme/guardians]
protection:
  unreadable_bypass: fail
  allow_bypass: []
authorisation: {required: false}
rules:
  - {id: no-crypto, require: '!files.exists(f, f.path.startsWith("crypto/"))', message: the organisation says no}
`

const enrolsMain = "version: 1\nmode: enforce\nbranches: [main]\n"

// onceApproved is dave's pull request that one person approved, where the organisation asks
// for two.
func onceApproved(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
	return w.approved(w.davesPull(repo, code))
}

// twiceApproved is one that only the organisation's other demands hold.
func (w *acme) twiceApproved(repo *ghsim.Repo, files map[string]string) pull {
	pr := w.approved(w.davesPull(repo, files))
	pr.Approve(w.alice)
	return pr
}

// attacksOnLayers are in an organisation whose policy is floorPolicy: a repository's own policy
// tries to ask for less.
func attacksOnLayers() []attempt {
	return []attempt{
		{"repository-asks-for-nothing", "The repository's policy asks for no approval, lets co-authors approve, and decides alone.",
			enrolsMain + "review: {human: {approvals: 0}, automation: {approvals: 0}, unknown_initiator: 0, coauthors: allow, decided_by: countersign}\n", onceApproved, "approval"},
		{"repository-names-other-tests", "The repository's policy names another check under the id of the organisation's tests.",
			enrolsMain + "validation:\n  required:\n    - {id: tests, status: anything, creator: dave}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				repo.PostStatus(w.dave, pr.HeadSHA(), "anything", "success")
				pr.Approve(w.bob)
				pr.Approve(w.alice)
				return pr
			}, "tests"},
		{"repository-makes-people-machines", "The repository's policy lists dave as automation, for which the organisation asks no approval.", enrolsMain,
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "dave is a machine", Files: map[string]string{
					policy.Path: enrolsMain + fmt.Sprintf("agents:\n  - {name: dave-the-machine, kind: automation, ids: [%d]}\n", w.dave.ID())}})
				repo.Protect("main", w.carol, w.usual())
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				return pr
			}, "approval"},
		{"repository-unprotects-files", "The repository's policy protects other files than the organisation's, and one of those is changed.",
			enrolsMain + "validation: {protect: [\"docs/**\"]}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.twiceApproved(repo, map[string]string{"ci/test.sh": "true\n"})
			}, "owner"},
		{"repository-rewrites-a-rule", "The repository's policy gives the organisation's rule in CEL another meaning under the same id.",
			enrolsMain + "rules:\n  - {id: no-crypto, require: \"true\", message: fine}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.twiceApproved(repo, map[string]string{"crypto/key.go": "package crypto\n"})
			}, "the organisation says no"},
		{"repository-makes-owners", "The repository's policy makes a team of everybody the owner of what the organisation protects.",
			enrolsMain + "validation: {owners: [acme/everybody]}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.TeamRole(w.org.Team("everybody", w.alice, w.bob, w.dave), "write")
				return w.twiceApproved(repo, map[string]string{"ci/test.sh": "true\n"})
			}, "owner"},
		{"repository-allows-bypass", "The repository's policy allows somebody on the bypass list, and the organisation's nobody.",
			enrolsMain + "protection: {unreadable_bypass: detect, allow_bypass: [{type: OrganizationAdmin}]}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				w.rulesetFor(repo).Bypass(w.carol, ghsim.Bypass{Type: "OrganizationAdmin", Mode: "always"})
				return w.twiceApproved(repo, code)
			}, "bypass"},
		{"enrolled-and-in-audit", "The organisation enrols the repository, whose own policy says that main is only audited.",
			strings.Replace(enrolsMain, "enforce", "audit", 1), onceApproved, "approval"},
		{"enrolled-lane", "The organisation enrols the repository's main branch, which the repository puts into a lane of its own.",
			"version: 1\nmode: enforce\nbranches: [release]\nlanes:\n  - {name: sandbox, branches: [main], mode: audit}\n", onceApproved, "approval"},
		{"enrolled-without-a-policy", "The organisation enrols the repository, and its own policy is deleted.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Unprotect("main", w.carol)
				repo.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
				repo.Protect("main", w.carol, w.usual())
				return onceApproved(t, w, repo)
			}, "approval"},
		{"organisation-policy-loosened", "A pull request to the organisation's .github repository loosens the floor, and two people who own nothing approve it.", "",
			func(t *testing.T, w *acme, _ *ghsim.Repo) pull {
				org := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{})
				pr := org.OpenPullRequest(ghsim.PullSpec{Title: "Less", Head: "dave/less", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "less", Files: map[string]string{policy.Path: strings.Replace(floorPolicy, "human: {approvals: 2}", "human: {approvals: 0}", 1)}}}})
				w.approved(pr)
				pr.Approve(w.alice)
				return pr
			}, "owner"},
	}
}

// floored starts a world whose organisation has floorPolicy, also for its .github repository.
func floored(t *testing.T) *acme {
	t.Helper()
	w := startAcme(t, fast)
	guardians := w.org.Team("guardians", w.carol)
	org := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: floorPolicy, ciPath: "name: ci\n"}})
	for _, u := range []*ghsim.User{w.alice, w.bob, w.dave} {
		org.Collaborator(u, "write")
	}
	org.TeamRole(guardians, "maintain")
	org.Collaborator(w.carol, "admin").Protect("main", w.carol, w.usual())
	return w
}
