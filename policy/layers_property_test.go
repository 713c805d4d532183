package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const tests = "{id: tests, app: github-actions, workflow: .github/workflows/ci.yml, job: test}"

// randomPolicy writes a policy file; with every key when all is set, so that all of it binds.
func randomPolicy(r *rand.Rand, all bool) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	b.WriteString("version: 1\nmode: enforce\nbranches: [main]\n")
	given := func() bool { return all || r.IntN(2) == 0 }
	human, automation := r.IntN(2), r.IntN(2)
	agent := max(1, human, automation) + r.IntN(2)
	assisted := max(1, human) + r.IntN(agent-max(1, human)+1)
	b.WriteString("review:\n")
	numbers := given()
	if numbers {
		fmt.Fprintf(&b, "  agent: {approvals: %d}\n  assisted: {approvals: %d}\n  automation: {approvals: %d}\n  human: {approvals: %d}\n", agent, assisted, automation, human)
	}
	if given() {
		fmt.Fprintf(&b, "  from: {permission: %s, teams: [%s]}\n", pick("write", "write", "maintain"), pick("acme/platform", "acme/core", "acme/platform, acme/core"))
	}
	if given() {
		fmt.Fprintf(&b, "  unknown_initiator: %d\n  coauthors: %s\n", r.IntN(3), pick("exclude", "allow", "allow_suggestions"))
	}
	fmt.Fprintf(&b, "  decided_by: %s\n", pick("github", "countersign"))
	b.WriteString("validation:\n")
	if given() {
		fmt.Fprintf(&b, "  required: [%s]\n", pick(tests, tests, tests, "{id: scan, app: github-advanced-security, check: CodeQL}",
			"{id: tests, app: github-advanced-security, check: CodeQL}"))
	}
	if given() {
		fmt.Fprintf(&b, "  owners: [%s]\n", pick("acme/platform", "acme/core"))
	}
	fmt.Fprintf(&b, "  protect: [\"%s\"]\n", pick("ci/**", "deploy/**"))
	fmt.Fprintf(&b, "protection:\n  unreadable_bypass: %s\n", pick("fail", "attested", "detect"))
	if given() {
		fmt.Fprintf(&b, "  allow_bypass: [%s]\n", pick("", "{type: Team, id: 3}", "{type: Team, id: 42, mode: pull_request}", "{type: Team, id: 42}", "{type: Team, id: 42, mode: exempt}, {type: OrganizationAdmin}"))
	}
	if given() {
		fmt.Fprintf(&b, "authorisation: {required: %s}\n", pick("true", "false"))
	}
	return b.String()
}

// What passes under a repository's policy and its organisation's passes under the
// organisation's alone, whatever the repository asks for.
func TestNothingPassesThatTheOrganisationHolds(t *testing.T) {
	all := scenarios(t)
	r := rand.New(rand.NewPCG(1, 2))
	passed := 0
	for range 150 {
		orgSource, repoSource := randomPolicy(r, true), randomPolicy(r, false)
		org, err := Parse([]byte(orgSource))
		if err != nil {
			t.Fatalf("%v\n%s", err, orgSource)
		}
		repo, err := Parse([]byte(repoSource))
		if err != nil {
			t.Fatalf("%v\n%s", err, repoSource)
		}
		merged, _ := Merge(org, repo, "acme/shop")
		if again, _ := Merge(org, merged, "acme/shop"); !slices.Equal(again.Values(), merged.Values()) {
			t.Fatalf("the organisation's policy changes what it was merged into:\n%s\n%s", orgSource, repoSource)
		}
		for range 40 {
			f := clone(t, all[r.IntN(len(all))].facts)
			f.Teams = []Team{
				{Name: "acme/platform", Members: List[Actor]{Items: []Actor{{ID: 102, Login: "bob", Type: TypeUser}}, Complete: true}},
				{Name: "acme/core", Members: List[Actor]{Items: []Actor{{ID: 102, Login: "bob", Type: TypeUser}, {ID: 103, Login: "carol", Type: TypeUser}}, Complete: true}},
			}
			if r.IntN(2) == 0 {
				for i := range f.Reviews.Items {
					f.Reviews.Items[i].Permission, f.Reviews.Items[i].PermissionThen = "admin", "admin"
				}
			}
			got := Evaluate(merged, Builtin(), f)
			if got.Verdict != VerdictPass {
				continue
			}
			passed++
			if alone := Evaluate(org, Builtin(), f); alone.Verdict != VerdictPass {
				t.Fatalf("passes with the repository's policy, and is %s (%s) without:\n%s\n--\n%s", alone.Verdict, alone.Title, orgSource, repoSource)
			}
		}
	}
	if passed < 50 {
		t.Errorf("%d decisions passed: too few to show anything", passed)
	}
}
