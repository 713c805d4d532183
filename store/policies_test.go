package store

import (
	"errors"
	"testing"
	"time"
)

func testTheLastPolicyOfABranchIsKept(t *testing.T, open opener) {
	s := open(t, Options{})
	n := s.Tenant(acme)
	if _, err := n.LastPolicy(t.Context(), repo, "main"); !errors.Is(err, ErrNotFound) {
		t.Errorf("before any decision: got %v, want ErrNotFound", err)
	}
	if enforced, _, err := n.OrganisationEnforced(t.Context()); enforced || err != nil {
		t.Errorf("before any decision: got %v, %v", enforced, err)
	}
	judged := func(number int, policy string, organisation OrganisationPolicy) Recorded {
		return decide(t, s, acme, number, "h1", "pass", 0, func(r *Record) {
			r.GoverningRef, r.Policy, r.Organisation = "main", []byte(policy), organisation
		})
	}
	judged(1, "one", OrganisationPolicy{Used: true, Enforces: true})
	second := judged(2, "two", OrganisationPolicy{Used: true, Enforces: true})
	// Without facts nothing was judged, so the policy may be one that cannot be used.
	decide(t, s, acme, 3, "h1", "repair", 5, func(r *Record) { r.GoverningRef, r.Policy, r.Facts = "main", []byte("broken"), nil })
	if got := string(must(n.LastPolicy(t.Context(), repo, "main"))); got != "two" {
		t.Errorf("got %q, want the newest one that judged", got)
	}
	if _, err := n.LastPolicy(t.Context(), repo, "dev"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another branch: got %v, want ErrNotFound", err)
	}
	if enforced, record, err := n.OrganisationEnforced(t.Context()); !enforced || record != second.RecordID || err != nil {
		t.Errorf("got %v, %q, %v", enforced, record, err)
	}
	if enforced, _, err := s.Tenant(other).OrganisationEnforced(t.Context()); enforced || err != nil {
		t.Errorf("another organisation: got %v, %v", enforced, err)
	}
	// A decision without the organisation's policy takes nothing back; one in audit does.
	judged(4, "alone", OrganisationPolicy{})
	if enforced, _, err := n.OrganisationEnforced(t.Context()); !enforced || err != nil {
		t.Errorf("after one without: got %v, %v", enforced, err)
	}
	judged(5, "audit", OrganisationPolicy{Used: true})
	if enforced, _, err := n.OrganisationEnforced(t.Context()); enforced || err != nil {
		t.Errorf("after one in audit: got %v, %v", enforced, err)
	}
}

func testJudged(t *testing.T, open opener) {
	at := newClock()
	s := open(t, Options{Now: at.Now})
	n := s.Tenant(acme)
	begin := at.Now()
	decide(t, s, acme, 1, "h1", "waiting", 1)
	at.advance(time.Hour)
	middle := at.Now()
	newest := decide(t, s, acme, 1, "h1", "pass", 0)
	another := decide(t, s, acme, 2, "h1", "pass", 0)
	decide(t, s, acme, 3, "h3", "undecided", 4, func(r *Record) { r.Facts = nil })
	at.advance(time.Hour)
	for what, c := range map[string]struct {
		from, before time.Time
		all          bool
		want         int
	}{
		"newest per head": {begin, at.Now(), false, 2}, "all": {begin, at.Now(), true, 3}, "the first hour": {begin, middle, false, 1},
		"later": {at.Now(), at.Now().Add(time.Hour), true, 0},
	} {
		if got := must(n.Judged(t.Context(), c.from, c.before, c.all)); len(got) != c.want {
			t.Errorf("%s: got %+v, want %d", what, got, c.want)
		}
	}
	got := must(n.Judged(t.Context(), begin, at.Now(), false))
	if len(got) != 2 || got[0].RecordID != newest.RecordID || got[1].RecordID != another.RecordID {
		t.Errorf("got %+v", got)
	}
	if got := must(s.Tenant(other).Judged(t.Context(), begin, at.Now(), true)); len(got) != 0 {
		t.Errorf("another organisation sees %+v", got)
	}
}
