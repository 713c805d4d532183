package policy

import (
	"bytes"
	"slices"
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
