package policy

import (
	"strings"
	"testing"
)

// A policy that takes no way of declaring an emergency releases nothing, and says so.
func TestNoWayOfDeclaring(t *testing.T) {
	released := 0
	for _, s := range scenarios(t) {
		if s.policy == nil || s.policy.Emergency == nil || s.facts == nil {
			continue
		}
		cat := Builtin().With(s.policy.Agents)
		if Evaluate(s.policy, cat, s.facts).Emergency == nil {
			continue
		}
		released++
		p, rules := *s.policy, *s.policy.Emergency
		rules.Via, p.Emergency = nil, &rules
		d := Evaluate(&p, cat, s.facts)
		if d.Emergency != nil || !strings.Contains(strings.Join(d.EmergencyNotes, " "), "emergency.via") {
			t.Errorf("%s: released by %+v, notes %q", s.name, d.Emergency, d.EmergencyNotes)
		}
	}
	if released < 3 {
		t.Errorf("only %d scenarios are released by an emergency", released)
	}
}
