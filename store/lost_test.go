package store

import (
	"slices"
	"testing"
	"time"
)

// testLost: what is here is not lost, what is asked for is not asked for twice, and what arrived is
// waited for no more.
func testLost(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("here", acme, 1, "h1"))
	sent := func(id string, attempt int64, ago time.Duration) LostDelivery {
		return LostDelivery{DeliveryID: id, AttemptID: attempt, Event: "push", InstallationID: 5, RepoID: repo, SentAt: c.Now().Add(-ago)}
	}
	note := func(list ...LostDelivery) int { t.Helper(); return must(s.NoteLost(t.Context(), list)) }
	lost := func() (ids []string) {
		for _, d := range must(s.LostDeliveries(t.Context(), c.Now().Add(-time.Hour), 10)) {
			ids = append(ids, d.DeliveryID)
		}
		return ids
	}
	if n := note(sent("here", 1, time.Hour), sent("new", 2, time.Minute), sent("old", 3, time.Hour)); n != 2 {
		t.Errorf("%d are lost, want 2", n)
	}
	if got := lost(); !slices.Equal(got, []string{"old", "new"}) {
		t.Errorf("got %v, want the oldest first", got)
	}
	// An attempt that was made later changes what is asked for, and not since when it is missing.
	note(sent("old", 9, time.Second))
	note(sent("old", 4, time.Second))
	d := must(s.LostDeliveries(t.Context(), c.Now(), 10))[0]
	if want := sent("old", 9, time.Hour); d != want {
		t.Errorf("got %+v, want %+v", d, want)
	}
	before := c.Now()
	for i, want := range []bool{true, false} {
		c.advance(time.Second)
		if got := must(s.AskFor(t.Context(), "old", before)); got != want {
			t.Errorf("asked for a %d. time: %t", i+1, got)
		}
	}
	if got := lost(); !slices.Equal(got, []string{"new"}) {
		t.Errorf("got %v, want without what was asked for", got)
	}
	c.advance(2 * time.Hour)
	if got := lost(); !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("got %v, want what was asked for least first", got)
	}
	receive(t, s, arrival("new", acme, 2, "h2"))
	if n := must(s.CountLost(t.Context())); n != 1 {
		t.Errorf("%d are counted as lost, want 1", n)
	}
	if got := lost(); !slices.Equal(got, []string{"old"}) {
		t.Errorf("got %v, want without what arrived", got)
	}
	org := must(s.OrgOf(t.Context(), 5))
	arrived := d
	arrived.DeliveryID = "new"
	for _, gone := range [][]LostDelivery{{arrived}, {arrived, d}} { // what has arrived meanwhile is not given up
		ok(t, s.Tenant(org).GiveUpLost(t.Context(), gone, 5, func(still []LostDelivery) Exception {
			if len(still) != 1 || still[0].DeliveryID != "old" {
				t.Errorf("given up: %+v", still)
			}
			return Exception{Kind: "blind-interval", Subject: "delivery old", Severity: "high", Reason: "why"}
		}))
	}
	if got := lost(); org != acme || len(got) > 0 || len(must(s.Tenant(acme).Exceptions(t.Context(), ExceptionFilter{}))) != 1 {
		t.Errorf("organisation %d: %v are left after giving up", org, got)
	}
	for _, at := range []time.Time{c.Now(), before} {
		ok(t, s.SetSweptTo(t.Context(), SweepDeliveries, at))
		if got := must(s.SweptTo(t.Context(), SweepDeliveries)); !got.Equal(c.Now().Truncate(time.Microsecond)) {
			t.Errorf("swept to %s", got)
		}
	}
	verifyLog(t, s)
}
