package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What must hold of every decision, tried on changes that are green and on those next to them:
// a green change of which one or two things are gone. Every test counts what it saw, because a
// property that is only tried on red changes says nothing.

// greens are the cases that are green.
func greens(t testing.TB) []scenario {
	t.Helper()
	all := slices.DeleteFunc(scenarios(t), func(s scenario) bool { return !green(s.evaluate()) })
	if len(all) < 20 {
		t.Fatalf("only %d green cases", len(all))
	}
	return all
}

// lossesUnder are the losses that must not help under a policy.
func lossesUnder(p *Policy, f *Facts) []change {
	return slices.DeleteFunc(losses(f), func(c change) bool {
		// The policy lets pass what cannot be read, and not what is open.
		return p.Protection.UnreadableBypass == bypassDetect && strings.Contains(c.name, "bypass")
	})
}

// checkNeighbours takes one thing after another away from a green change. Once it is not green,
// it stays so.
func checkNeighbours(t *testing.T, s scenario, seed uint64) (fell bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 11))
	cat := Builtin().With(s.policy.Agents)
	f, taken := clone(t, s.facts), []string{}
	for range 4 {
		possible := append(lossesUnder(s.policy, f), agentTraces()...)
		one := possible[r.IntN(len(possible))]
		if one.name == "a push by Copilot" {
			continue // GitHub's word that the agent pushed itself; see TestTracesOfAgentsNeverTurnGreen
		}
		less := clone(t, f)
		one.apply(less)
		taken = append(taken, one.name)
		isGreen := green(Evaluate(s.policy, cat, less))
		if fell && isGreen {
			t.Errorf("%s: green again after: %s", s.name, strings.Join(taken, "; "))
			return fell
		}
		f, fell = less, fell || !isGreen
	}
	return fell
}

func TestNothingTakenAwayTurnsGreen(t *testing.T) {
	fell, n := 0, 0
	for i, s := range greens(t) {
		for k := range uint64(25) {
			n++
			if checkNeighbours(t, s, uint64(i)*1000+k) {
				fell++
			}
		}
	}
	if fell < n/4 || fell == n {
		t.Errorf("%d of %d green changes fell: the property was not tried on both sides", fell, n)
	}
}

func FuzzNothingTakenAwayTurnsGreen(f *testing.F) {
	all := greens(f)
	for i := range all {
		f.Add(uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64) { checkNeighbours(t, all[int(which)%len(all)], seed) })
}

// complete is a policy that gives every key that can be looser or stricter: a key that an
// organisation leaves out is no floor.
const complete = `review:
  agent: {approvals: 1}
  assisted: {approvals: 1}
  automation: {approvals: 1}
  human: {approvals: 1}
  from: {permission: write}
  unknown_initiator: 1
  coauthors: exclude
  decided_by: github
validation:
  required:
    - {id: tests, kind: test, app: github-actions, workflow: .github/workflows/ci.yml, job: test}
  protect: ["ci/**"]
  owners: [acme/platform]
protection:
  unreadable_bypass: attested
  allow_bypass: []
`

// variants of a complete policy: each replaces one part of it.
func variants(t testing.TB) []*Policy {
	t.Helper()
	out := []*Policy{parsed(t, complete)}
	for _, change := range [][2]string{
		{"human: {approvals: 1}", "human: {approvals: 0}"},
		{"automation: {approvals: 1}", "automation: {approvals: 0}"},
		{"unknown_initiator: 1", "unknown_initiator: 0"},
		{"unknown_initiator: 1", "unknown_initiator: 2"},
		{"agent: {approvals: 1}", "agent: {approvals: 2}"},
		{"permission: write}", "permission: maintain}"},
		{"coauthors: exclude", "coauthors: allow"},
		{"coauthors: exclude", "coauthors: allow_suggestions"},
		{"decided_by: github", "decided_by: countersign"},
		{"ci/**", "**"},
		{"unreadable_bypass: attested", "unreadable_bypass: detect"},
		{"unreadable_bypass: attested", "unreadable_bypass: fail"},
		{"allow_bypass: []", "allow_bypass: [{type: OrganizationAdmin}, {type: Team, id: 42}, {type: RepositoryRole, id: 5}]"},
		{"protection:\n", "authorisation: {required: true}\nprotection:\n"},
		{"protection:\n", "authorisation: {required: false, pattern: \"[A-Z]+-[0-9]+\"}\nprotection:\n"},
	} {
		if !strings.Contains(complete, change[0]) {
			t.Fatalf("no %q to replace", change[0])
		}
		out = append(out, parsed(t, strings.Replace(complete, change[0], change[1], 1)))
	}
	return out
}

// hostilePolicies are what a repository may write to be judged less.
var hostilePolicies = []string{
	"review: {human: {approvals: 0}, automation: {approvals: 0}, unknown_initiator: 0, coauthors: allow, decided_by: countersign}\n",
	"validation:\n  required:\n    - {id: tests, app: someone-else, check: anything}\n",
	"validation:\n  required:\n    - {id: other, app: github-actions, workflow: .github/workflows/ci.yml, job: test}\n",
	"validation: {owners: [acme/payments]}\n",
	"review: {from: {permission: write, teams: [acme/payments]}}\n",
	"protection: {unreadable_bypass: detect, allow_bypass: [{type: OrganizationAdmin}, {type: Team, id: 42}, {type: RepositoryRole, id: 5}]}\n",
	"authorisation: {required: false, pattern: \"[a-z]\"}\n",
	"",
}

// relabelled are policies that list everybody who opened a change of the cases, and is in no
// catalogue, as something else.
func relabelled(t testing.TB, all []scenario) []*Policy {
	t.Helper()
	seen, ids := map[int64]bool{}, []string{}
	for _, s := range all {
		id := s.facts.Change.Author.ID
		if _, err := Parse(fmt.Appendf(nil, "%sagents: [{name: x, kind: automation, ids: [%d]}]\n", enrolling, id)); err == nil && !seen[id] {
			seen[id] = true
			ids = append(ids, fmt.Sprint(id))
		}
	}
	if len(ids) < 3 {
		t.Fatalf("only %d people and bots: %v", len(ids), ids)
	}
	var out []*Policy
	for _, kind := range []string{"kind: automation", "kind: ai-agent, suggests: true", "kind: ai-agent, local: true"} {
		out = append(out, parsed(t, fmt.Sprintf("agents:\n  - {name: everybody, %s, ids: [%s]}\n", kind, strings.Join(ids, ", "))))
	}
	return out
}

const enrolling = "version: 1\nmode: enforce\nbranches: [main]\n"

func parsed(t testing.TB, more string) *Policy {
	t.Helper()
	p, err := Parse([]byte(enrolling + more))
	if err != nil {
		t.Fatalf("%v\n%s", err, more)
	}
	return p
}

// The organisation's policy is the floor: what is green by both together is green by it alone,
// whatever the repository's says.
func TestTheRepositoryNeverLoosens(t *testing.T) {
	all := scenarios(t)
	var downs []*Policy
	for _, source := range hostilePolicies {
		downs = append(downs, parsed(t, source))
	}
	downs = append(downs, relabelled(t, all)...)
	tried := len(downs)
	ups := variants(t)
	downs = append(downs, ups...)
	seen, held := 0, 0
	for u, org := range ups {
		alone := map[string]bool{}
		for _, s := range all {
			alone[s.name] = green(Evaluate(org, Builtin().With(org.Agents), s.facts))
		}
		for d, repo := range downs {
			both, _ := Merge(org, repo, "acme/shop")
			cat := Builtin().With(both.Agents)
			for i, s := range all {
				if d >= tried && (i+u+d)%3 != 0 {
					continue // a third, another with every pair
				}
				switch together := green(Evaluate(both, cat, s.facts)); {
				case s.name == "agent-under-a-persons-account":
					// To say that the account is a machine's is what the repository's list is for.
				case together && !alone[s.name]:
					t.Errorf("%s: green by both and not by the organisation's policy alone: variant %d with repository %d", s.name, u, d)
				case together:
					seen++
				case alone[s.name]:
					held++
				}
			}
		}
	}
	if seen < 1000 || held < 100 {
		t.Errorf("%d changes were green by both, %d held by the repository alone: the property was hardly tried", seen, held)
	}
}

// And a repository's policy is not loosened by what the organisation says, but for the shape of
// a ticket, which is the organisation's to say.
func TestTheOrganisationNeverLoosens(t *testing.T) {
	all := scenarios(t)
	seen := 0
	for u, org := range variants(t) {
		if org.Authorisation != nil && org.Authorisation.Pattern != "" {
			continue
		}
		for d, repo := range variants(t) {
			both, _ := Merge(org, repo, "acme/shop")
			for i, s := range all {
				if (i+u+d)%3 != 0 || !green(Evaluate(both, Builtin(), s.facts)) {
					continue
				}
				seen++
				if !green(Evaluate(repo, Builtin(), s.facts)) {
					t.Errorf("%s: green by both and not by the repository's policy alone: organisation %d with variant %d", s.name, u, d)
				}
			}
		}
	}
	if seen < 1000 {
		t.Errorf("only %d changes were green by both", seen)
	}
}

// groupOf is a merge group of green changes, whose tests succeeded on its commit.
func groupOf(t testing.TB) *GroupFacts {
	t.Helper()
	src, err := json.Marshal(baseGroup(t))
	if err != nil {
		t.Fatal(err)
	}
	g := &GroupFacts{}
	if err := json.Unmarshal(src, g); err != nil {
		t.Fatal(err)
	}
	return g
}

func cloneGroup(t testing.TB, g *GroupFacts) *GroupFacts {
	t.Helper()
	src, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	out := &GroupFacts{}
	if err := json.Unmarshal(src, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A merge group is green only if each of its members is, and losing anything of the group or
// of a member never turns it green.
func TestGroupsAreNoBetterThanTheirMembers(t *testing.T) {
	basePolicy, _ := base(t)
	p, err := Parse(basePolicy)
	if err != nil {
		t.Fatal(err)
	}
	good := groupOf(t)
	if d := EvaluateGroup(p, Builtin(), good); !green(d) {
		t.Fatalf("the group of departure is not green:\n%s", shown(d))
	}
	fell, kept := 0, 0
	for _, s := range scenarios(t) {
		g := cloneGroup(t, good)
		facts := clone(t, s.facts)
		facts.App, facts.Repository = good.App, good.Repository
		g.Members.Items = append(g.Members.Items, GroupMember{Number: 8, HeadSHA: facts.Change.HeadSHA, Facts: facts})
		g.Members.Total = 2
		facts.Change.Number = 8
		alone := Evaluate(p, Builtin(), facts)
		// What was tested is the group's commit: a member's own tests are not asked for.
		bad := slices.ContainsFunc(alone.Rules, func(r RuleResult) bool {
			return (r.Rule == RuleHumanReview || r.Rule == RuleFreshReview || r.Rule == RulePolicyIntegrity) && (r.Outcome == OutcomeFail || r.Outcome == OutcomePending)
		})
		switch together := green(EvaluateGroup(p, Builtin(), g)); {
		case together && bad:
			t.Errorf("%s: green in a group, though its review does not hold", s.name)
		case together:
			kept++
		default:
			fell++
		}
	}
	if fell < 50 || kept < 5 {
		t.Errorf("%d groups fell, %d were green: the property was not tried on both sides", fell, kept)
	}
	for name, loss := range map[string]func(g *GroupFacts){
		"members not whole":      func(g *GroupFacts) { g.Members.Complete = false },
		"no member":              func(g *GroupFacts) { g.Members.Items, g.Members.Total = nil, 0 },
		"a member without facts": func(g *GroupFacts) { g.Members.Items[0].Facts = nil },
		"another head":           func(g *GroupFacts) { g.Members.Items[0].HeadSHA = strings.Repeat("7", 40) },
		"no validation":          func(g *GroupFacts) { g.Validations.Items = nil },
		"validations not whole":  func(g *GroupFacts) { g.Validations.Complete = false },
		"tests of another commit": func(g *GroupFacts) {
			for i := range g.Validations.Items {
				g.Validations.Items[i].HeadSHA = good.Members.Items[0].HeadSHA
			}
		},
		"head not known":    func(g *GroupFacts) { g.HeadSHA = "" },
		"base not known":    func(g *GroupFacts) { g.BaseRef = "" },
		"another base":      func(g *GroupFacts) { g.BaseRef = "elsewhere" },
		"version not known": func(g *GroupFacts) { g.V = 0 },
	} {
		g := cloneGroup(t, good)
		loss(g)
		if d := EvaluateGroup(p, Builtin(), g); green(d) {
			t.Errorf("green with %s:\n%s", name, shown(d))
		}
	}
}
