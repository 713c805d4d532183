package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// testFirstDay: an organisation has its newest report, and nobody's words are kept in it.
func testFirstDay(t *testing.T, open opener) {
	s := open(t, Options{})
	receive(t, s, arrival("d1", acme, 1, "h"))
	n := s.Tenant(acme)
	if _, err := n.FirstDay(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("before there is one: %v", err)
	}
	for number := range 2 {
		r := policy.NewFirstDay("acme", time.Unix(1e9, 0), time.Unix(9e8, 0))
		r.Add(policy.FirstDayChange{Repository: "acme/app", Ref: "main", Number: number + 1, Title: "Alice's"},
			policy.Hindsight{Answer: policy.HindsightHeld, Rules: []policy.RuleResult{{Rule: policy.RuleHumanReview, Reason: "Not alice."}}})
		ok(t, n.KeepFirstDay(t.Context(), r))
		if r.Held[0].Title == "" || r.Held[0].Rules[0].Reason == "" {
			t.Error("the report itself lost its words")
		}
		got := must(n.FirstDay(t.Context()))
		if len(got.Held) != 1 || got.Held[0].Number != number+1 || got.Held[0].Rules[0].Rule != policy.RuleHumanReview || !got.At.Equal(r.At) {
			t.Errorf("got %+v", got)
		}
		if c := got.Held[0]; strings.Contains(c.Title+c.Rules[0].Reason, "lice") {
			t.Errorf("it holds %+v", c)
		}
	}
	if _, err := s.Tenant(acme + 1).FirstDay(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another organisation: %v", err)
	}
}
