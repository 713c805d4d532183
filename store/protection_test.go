package store

import (
	"strings"
	"testing"
	"time"
)

// A branch has drifted when GitHub shows it otherwise than it was when it held. That an
// attestation ran out, or that the policy asks for more, is not the branch's doing.
func testWhatIsADrift(t *testing.T, open opener) {
	at := newClock()
	s := open(t, Options{Now: at.Now})
	org := int64(acme)
	for name, tt := range map[string]struct {
		seen string // settings:holds, one after another
		want string // the states of the drifts
	}{
		"never protected":                     {"a:no b:no", ""},
		"an attestation ran out":              {"a:yes a:no a:yes", ""},
		"unprotected":                         {"a:yes b:no", "open"},
		"unprotected, and seen again":         {"a:yes b:no b:unknown b:no", "open"},
		"protected again":                     {"a:yes b:no a:yes", "remediated"},
		"unreadable in between":               {"a:yes b:unknown b:no", "open"},
		"ran out, and then unprotected":       {"a:yes a:no b:no", "open"},
		"unprotected step by step":            {"a:yes b:no c:no", "open"},
		"twice":                               {"a:yes b:no a:yes b:no", "remediated open"},
		"once more as before it held anew":    {"a:yes b:no b:yes a:no", "remediated open"},
		"back to what held, but not any more": {"a:yes b:no a:no", "open"},
	} {
		t.Run(name, func(t *testing.T) {
			org++ // each in one of its own
			for _, seen := range strings.Fields(tt.seen) {
				settings, holds, _ := strings.Cut(seen, ":")
				at.advance(time.Minute)
				decide(t, s, org, 1, "h1", "pass", 0, func(r *Record) {
					r.Protection = &ProtectionSeen{Ref: "main", Settings: []byte(`"` + settings + `"`), Holds: holds, At: at.Now(), Enforced: true, Drift: Exception{Severity: "high"}}
				})
			}
			var states []string
			for _, e := range must(s.Tenant(org).Exceptions(t.Context(), ExceptionFilter{Kind: ProtectionDrift})) {
				states = append(states, e.State)
			}
			if got := strings.Join(states, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	verifyLog(t, s)
}

// What is closed while the branch is as it was is not opened again by looking.
func testADriftThatWasAcceptedStaysClosed(t *testing.T, open opener) {
	at := newClock()
	s := open(t, Options{Now: at.Now})
	n := s.Tenant(acme)
	see := func(settings, holds string) {
		at.advance(time.Minute)
		decide(t, s, acme, 1, "h1", "pass", 0, func(r *Record) {
			r.Protection = &ProtectionSeen{Ref: "main", Settings: []byte(`"` + settings + `"`), Holds: holds, At: at.Now(), Enforced: true, Drift: Exception{Severity: "high"}}
		})
	}
	see("a", "yes")
	see("b", "no")
	drift := must(n.Exceptions(t.Context(), ExceptionFilter{Kind: ProtectionDrift}))[0]
	ok(t, n.StepException(t.Context(), drift.ID, func(e *Exception) bool {
		e.State, e.Step, e.By = ExceptionClosed, "closed", "alice"
		return true
	}))
	see("b", "unknown")
	see("b", "no")
	if got := must(n.Exceptions(t.Context(), ExceptionFilter{Kind: ProtectionDrift})); len(got) != 1 {
		t.Errorf("got %d drifts, want the closed one alone", len(got))
	}
	see("c", "no")
	if got := must(n.Exceptions(t.Context(), ExceptionFilter{Kind: ProtectionDrift, Open: true})); len(got) != 1 {
		t.Errorf("got %d open drifts for another change, want 1", len(got))
	}
}
