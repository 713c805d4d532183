package store

import (
	"errors"
	"reflect"
	"slices"
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
	later := c.Now().Add(time.Hour)
	ok(t, s.Tenant(other).ForgetBundles(t.Context(), later, later))
	if list := must(n.Bundles(t.Context(), 5)); len(list) != 1 {
		t.Errorf("another organisation forgot it: %+v", list)
	}
	ok(t, n.ForgetBundles(t.Context(), later, later))
	if list := must(n.Bundles(t.Context(), 5)); len(list) != 0 {
		t.Errorf("got %+v, want nothing", list)
	}
}

// The file of a bundle goes into the bucket once, whoever dies meanwhile, and the log says so once.
func testUploads(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	receive(t, s, arrival("d2", other, 1, "h1"))
	n, ann := s.Tenant(acme), Who{AccountID: 9, Login: "ann"}
	b := must(n.AskBundle(t.Context(), []byte(`{"from":"x"}`), ann, "one"))
	b.State, b.LogSize, b.ManifestSHA256 = BundleMade, 7, "5e"
	until := c.Now().Add(24 * time.Hour)
	stranger := b
	stranger.Run = "stranger"
	if err := n.KeepMade(t.Context(), stranger, "fe", until); !errors.Is(err, ErrNotFound) || must(n.Bundle(t.Context(), b.ID)).Upload != nil {
		t.Errorf("one that another took is kept: %v", err)
	}
	ok(t, n.KeepMade(t.Context(), b, "fe", until))
	ids := func(list []Bundle) (out []string) {
		for _, b := range list {
			out = append(out, b.ID)
		}
		return out
	}
	if due := ids(must(n.DueUploads(t.Context()))); !slices.Equal(due, []string{b.ID}) {
		t.Errorf("due: %v", due)
	}
	if due := must(s.Tenant(other).DueUploads(t.Context())); len(due) != 0 {
		t.Errorf("another organisation: due %+v", due)
	}
	if _, err := s.Tenant(other).TakeUpload(t.Context(), b.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation took it: %v", err)
	}
	first := must(n.TakeUpload(t.Context(), b.ID))
	if u := first.Upload; !u.Busy(c.Now()) || !u.Waits() || u.SHA256 != "fe" || !u.LockedUntil.Equal(until) || u.Attempts != 1 {
		t.Errorf("taken: %+v", u)
	}
	if _, err := n.TakeUpload(t.Context(), b.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("somebody is at it: got %v", err)
	}
	// It is silent for too long, and another takes it: what the first says then is not kept.
	c.advance(uploadSilence / 2)
	ok(t, n.BeatUpload(t.Context(), first))
	c.advance(uploadSilence / 2)
	if due := must(n.DueUploads(t.Context())); len(due) != 0 {
		t.Errorf("somebody is at it, and it is due: %+v", due)
	}
	if waiting := must(n.WaitingUploads(t.Context())); !slices.Equal(waiting, []string{b.ID}) {
		t.Errorf("somebody is at it: %v wait", waiting)
	}
	if waiting := must(s.Tenant(other).WaitingUploads(t.Context())); len(waiting) != 0 {
		t.Errorf("another organisation: %v wait", waiting)
	}
	c.advance(uploadSilence)
	second := must(n.TakeUpload(t.Context(), b.ID))
	where := Stored{Endpoint: "https://s3.example", Bucket: "evidence", Object: "7/fe.zip", VersionID: "v1", SHA256: "fe", Bytes: 9, Mode: "COMPLIANCE", LockedUntil: until}
	for what, err := range map[string]error{
		"beats": n.BeatUpload(t.Context(), first), "fails": n.FailUpload(t.Context(), first, "x", 0), "ends": n.EndUpload(t.Context(), first, where),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("the first one %s: got %v", what, err)
		}
	}
	ok(t, n.FailUpload(t.Context(), second, "The storage cannot be reached.", time.Minute))
	if u := must(n.Bundle(t.Context(), b.ID)).Upload; u.Busy(c.Now()) || u.Attempts != 2 || u.Cause != "The storage cannot be reached." || !u.NextAt.Equal(c.Now().Add(time.Minute)) {
		t.Errorf("failed: %+v", u)
	}
	// What waits is kept for longer than what is there.
	c.advance(time.Minute)
	soon := c.Now().Add(time.Second)
	ok(t, n.ForgetBundles(t.Context(), soon, b.AskedAt))
	third := must(n.TakeUpload(t.Context(), b.ID))
	ok(t, n.EndUpload(t.Context(), third, where))
	if waiting := must(n.WaitingUploads(t.Context())); len(waiting) != 0 {
		t.Errorf("it is there, and %v wait", waiting)
	}
	if err := n.EndUpload(t.Context(), third, where); !errors.Is(err, ErrNotFound) {
		t.Errorf("it ends twice: %v", err)
	}
	if u := must(n.Bundle(t.Context(), b.ID)).Upload; u.Waits() || *u.Stored != where || u.Cause != "" {
		t.Errorf("done: %+v", u)
	}
	accesses, _, err := n.Accesses(t.Context())
	ok(t, err)
	if len(accesses) != 1 || accesses[0].What != AccessStored || accesses[0].By != ann || *accesses[0].Stored != where || accesses[0].ManifestSHA256 != "5e" || accesses[0].LogSize != 7 {
		t.Errorf("on record: %+v", accesses)
	}
	// Made again with the same bytes it is there; with others it is not.
	again := must(n.TakeBundle(t.Context(), b.ID, "one"))
	again.State = BundleMade
	ok(t, n.KeepMade(t.Context(), again, "fe", until))
	if u := must(n.Bundle(t.Context(), b.ID)).Upload; u.Waits() {
		t.Errorf("the same bytes wait: %+v", u)
	}
	ok(t, n.KeepMade(t.Context(), again, "ff", until))
	if u := must(n.Bundle(t.Context(), b.ID)).Upload; !u.Waits() || u.SHA256 != "ff" {
		t.Errorf("other bytes do not wait: %+v", u)
	}
	ok(t, n.ForgetBundles(t.Context(), soon, soon))
	if list := must(n.Bundles(t.Context(), 5)); len(list) != 0 {
		t.Errorf("got %+v, want nothing", list)
	}
}
