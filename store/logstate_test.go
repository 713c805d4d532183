package store

import (
	"fmt"
	"testing"
	"time"
)

// What a page says of a log is what is in it.
func testLogState(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	n, ann := s.Tenant(acme), Who{AccountID: 9, Login: "ann"}
	for i := range 5 {
		c.advance(time.Hour)
		ok(t, n.RecordAccess(t.Context(), Access{What: AccessRead, By: ann, Query: fmt.Appendf(nil, `{"page":"%d"}`, i)}))
	}
	third := c.Now().Add(-2 * time.Hour)
	state := must(n.LogState(t.Context()))
	if state.Size != 5 || state.Signed != 0 || state.Checkpoint != "" || len(state.Keys) != 1 {
		t.Errorf("got %+v, want 5 leaves that are not signed", state)
	}
	signed, _, err := n.Checkpoint(t.Context())
	ok(t, err)
	state = must(n.LogState(t.Context()))
	_, _, _, root, err := n.Inclusion(t.Context(), 0)
	ok(t, err)
	if state.Signed != 5 || state.Checkpoint != string(signed) || state.Root != root.String() || state.SignedAt.IsZero() {
		t.Errorf("got %+v, want what was signed", state)
	}
	for at, want := range map[time.Time]int64{{}: 0, third: 2, third.Add(-time.Second): 2, third.Add(time.Second): 3, c.Now().Add(time.Hour): 5} {
		if got := must(n.LeafSince(t.Context(), at)); got != want {
			t.Errorf("since %s: got leaf %d, want %d", at, got, want)
		}
	}
	list := must(n.AccessesBelow(t.Context(), 4, 2))
	if len(list) != 2 || list[0].LeafIndex != 3 || list[1].LeafIndex != 2 || string(list[1].Query) != `{"page":"2"}` {
		t.Errorf("got %+v, want those of leaves 3 and 2", list)
	}
	if size, at, err := n.LastCosigned(t.Context(), "w"); size != 0 || !at.IsZero() || err != nil {
		t.Errorf("a witness that cosigned nothing: got %d, %s, %v", size, at, err)
	}
}
