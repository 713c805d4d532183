package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A clock for the first review never changes what is green, and never makes green what is not:
// however short or long it is, and whenever it began.
func TestTheReviewClockChangesNoVerdict(t *testing.T) {
	outcomes := map[Outcome]int{}
	for _, s := range scenarios(t) {
		if s.policy == nil || s.facts == nil {
			continue
		}
		without := s.policy.clockless()
		want := Evaluate(without, Builtin().With(s.policy.Agents), s.facts).Verdict
		for _, within := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
			for _, ago := range []time.Duration{0, 30 * time.Minute, 3 * time.Hour} {
				p, f := *without, clone(t, s.facts)
				p.SLA, f.Change.ReadyAt = &SLARules{AgentReview: Span(within)}, f.EvaluatedAt.Add(-ago)
				d := Evaluate(&p, Builtin().With(p.Agents), f)
				if d.Verdict != want {
					t.Errorf("%s: %s with a clock of %s that began %s ago, want %s as without", s.name, d.Verdict, within, ago, want)
				}
				for _, r := range d.Rules {
					if r.Rule == RuleTimely {
						outcomes[r.Outcome]++
					}
				}
				if c := d.ReviewClock; c != nil && c.Late && (f.EvaluatedAt.Before(c.DueAt) || !c.At.IsZero() && c.At.Before(c.DueAt)) {
					t.Errorf("%s: late although it is not: %+v", s.name, c)
				}
			}
		}
	}
	for _, o := range []Outcome{OutcomePass, OutcomePending, OutcomeExempt, OutcomeNotApplicable} {
		if outcomes[o] < 20 {
			t.Errorf("only %d times %s", outcomes[o], o)
		}
	}
}

func (p *Policy) clockless() *Policy {
	out := *p
	out.SLA = nil
	return &out
}

// A review that is late is said to be an exception where it is one: on an enforced branch.
func TestLateIsAnExceptionWhereItIsEnforced(t *testing.T) {
	all := scenarios(t)
	s := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "timely-over" })]
	for mode, want := range map[Mode]bool{ModeEnforce: true, ModeAudit: false} {
		p := *s.policy
		p.Mode = mode
		d := Evaluate(&p, Builtin(), s.facts)
		i := slices.IndexFunc(d.Rules, func(r RuleResult) bool { return r.Rule == RuleTimely })
		if got := d.Rules[i].Reason; d.Mode != mode || !strings.HasPrefix(got, "Late: nobody") || strings.Contains(got, "on record as an exception") != want {
			t.Errorf("%s: %q", d.Mode, got)
		}
	}
}
