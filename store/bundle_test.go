package store

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// A bundle is one server's at a time: what that says is kept until it is silent, and another takes it.
func testBundles(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	receive(t, s, arrival("d2", other, 1, "h1"))
	n, ann := s.Tenant(acme), Who{AccountID: 9, Login: "ann"}
	b := must(n.AskBundle(t.Context(), []byte(`{"from":"x"}`), ann, "one"))
	if got := must(n.Bundle(t.Context(), b.ID)); !reflect.DeepEqual(got, b) || !got.Busy(c.Now()) {
		t.Errorf("got %+v, want %+v", got, b)
	}
	if _, err := n.TakeBundle(t.Context(), b.ID, "two"); !errors.Is(err, ErrNotFound) {
		t.Errorf("somebody is at it: got %v", err)
	}
	// It dies while it looks, and another looks again.
	c.advance(bundleSilence)
	if got := must(n.Bundle(t.Context(), b.ID)); !got.Killed(c.Now()) {
		t.Errorf("it is not taken for dead: %+v", got)
	}
	again := must(n.TakeBundle(t.Context(), b.ID, "two"))
	if again.State != BundleLooking || again.Server != "two" {
		t.Errorf("got %+v, want it looked at by two", again)
	}
	if err := n.KeepBundle(t.Context(), b); !errors.Is(err, ErrNotFound) {
		t.Errorf("what the dead one says is kept: %v", err)
	}
	again.State, again.Preview, again.Progress = BundleLooked, []byte(`{"a":1}`), BundleProgress{"reading", 3, 4}
	ok(t, n.KeepBundle(t.Context(), again))
	making := must(n.TakeBundle(t.Context(), b.ID, "one"))
	if making.State != BundleMaking || string(making.Preview) != `{"a":1}` || making.Progress != (BundleProgress{}) {
		t.Errorf("got %+v, want it made", making)
	}
	making.State, making.LogSize, making.Cause = BundleFailed, 7, "no room"
	ok(t, n.KeepBundle(t.Context(), making))
	making = must(n.TakeBundle(t.Context(), b.ID, "one"))
	if making.State != BundleMaking || making.LogSize != 7 || making.Cause != "" {
		t.Errorf("after a failure: got %+v", making)
	}
	making.State, making.ManifestSHA256, making.Bytes = BundleMade, "5e", 9
	ok(t, n.KeepBundle(t.Context(), making))
	if list := must(n.Bundles(t.Context(), 5)); len(list) != 1 || list[0].ManifestSHA256 != "5e" || list[0].Bytes != 9 || list[0].Killed(c.Now()) {
		t.Errorf("got %+v", list)
	}
	if _, err := s.Tenant(other).Bundle(t.Context(), b.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation: got %v", err)
	}
	ok(t, s.Tenant(other).ForgetBundles(t.Context(), c.Now().Add(time.Hour)))
	if list := must(n.Bundles(t.Context(), 5)); len(list) != 1 {
		t.Errorf("another organisation forgot it: %+v", list)
	}
	ok(t, n.ForgetBundles(t.Context(), c.Now().Add(time.Hour)))
	if list := must(n.Bundles(t.Context(), 5)); len(list) != 0 {
		t.Errorf("got %+v, want nothing", list)
	}
}
