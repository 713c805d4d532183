package store

import (
	"errors"
	"testing"
	"time"
)

// A hold stops what it covers until it is released or has ended.
func TestHoldsStopPurges(t *testing.T) {
	for name, c := range map[string]struct {
		hold LegalHold
		end  func(t *testing.T, c *clock, n Tenant, id string)
		some bool // something is not covered
	}{
		"organisation, released": {LegalHold{Reason: "case 1", By: somebody}, func(t *testing.T, _ *clock, n Tenant, id string) {
			ok(t, n.ReleaseHold(t.Context(), id, somebody, "settled"))
		}, false},
		"repository, until a day": {LegalHold{Reason: "case 2", By: somebody, RepoID: repo, Repository: "acme/app", Until: newClock().Now().Add(410 * day)},
			func(_ *testing.T, c *clock, _ Tenant, _ string) { c.advance(10 * day) }, false},
		"another repository": {LegalHold{Reason: "case 3", By: somebody, RepoID: repo + 1, Repository: "acme/other"}, func(t *testing.T, _ *clock, n Tenant, id string) {
			ok(t, n.ReleaseHold(t.Context(), id, somebody, "settled"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, clock, n := aged(t, Options{})
			placed, err := n.PlaceHold(t.Context(), c.hold)
			ok(t, err)
			done, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
			ok(t, err)
			if done.empty() == c.some || done.Kept[KeptByHold] == 0 {
				t.Errorf("while held: %+v", done)
			}
			verifyLog(t, s)
			c.end(t, clock, n, placed.ID)
			done, err = n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
			ok(t, err)
			if done.empty() || done.Kept[KeptByHold] != 0 {
				t.Errorf("afterwards: %+v", done)
			}
			verifyLog(t, s)
		})
	}
}

func TestHoldsAreInTheLog(t *testing.T) {
	s, _, n := aged(t, Options{})
	for name, h := range map[string]LegalHold{
		"no reason": {By: somebody}, "nobody": {Reason: "why"}, "over": {Reason: "why", By: somebody, Until: time.Unix(1, 0)}, "half a repository": {Reason: "why", By: somebody, RepoID: 1},
	} {
		if _, err := n.PlaceHold(t.Context(), h); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	h, err := n.PlaceHold(t.Context(), LegalHold{Reason: "why", By: somebody})
	ok(t, err)
	ok(t, n.ReleaseHold(t.Context(), h.ID, somebody, "over"))
	for _, id := range []string{h.ID, "nothing"} {
		if err := n.ReleaseHold(t.Context(), id, somebody, "again"); !errors.Is(err, ErrNotFound) {
			t.Errorf("release of %s: got %v", id, err)
		}
	}
	list := must(n.Holds(t.Context()))
	if len(list) != 1 || list[0].ReleasedAt.IsZero() || list[0].InForce(s.now()) || list[0].Reason != "why" {
		t.Errorf("got %+v", list)
	}
	if r := must(n.CheckLedger(t.Context(), nil)); r.Kinds[LeafHold] != 2 {
		t.Errorf("the log has %d steps of holds", r.Kinds[LeafHold])
	}
	if ids := must(n.RepositoryIDs(t.Context(), "ACME/app")); len(ids) != 1 || ids[0] != repo {
		t.Errorf("repositories: %v", ids)
	}
	if _, err := n.RepositoryIDs(t.Context(), "acme/nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	verifyLog(t, s)
}
