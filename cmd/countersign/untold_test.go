package main

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// startTogether is startAcme where GitHub's clock is moved with the server's.
func startTogether(t *testing.T) *acme {
	t.Helper()
	var world atomic.Pointer[acme]
	clock := func() time.Time {
		if w := world.Load(); w != nil {
			return w.now()
		}
		return time.Now()
	}
	w, err := newAcme(t.Context(), ghsim.New(ghsim.Options{Clock: clock}), t.TempDir(), fast)
	if err != nil {
		t.Fatal(err)
	}
	world.Store(w)
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// look has main looked at without a delivery, and waits until that was done.
func (w *acme) look(t *testing.T, repo *ghsim.Repo) {
	t.Helper()
	w.sim.ResetRequests()
	mustDo(t, w.server.store.Mark(t.Context(), []store.Mark{{Kind: store.KindBranch, OrgID: w.org.ID(), InstallationID: w.app.Install(w.org).ID(),
		RepoID: repo.ID(), Repository: repo.FullName(), Ref: "main"}}))
	w.waitUntil(t, func() bool {
		return w.sim.RequestCounts()["GET /repos/{owner}/{repo}/activity"].Requests > 0 && w.atRest(t)
	})
}

// An update that GitHub lists before its delivery comes is told by that delivery, if it comes
// within a minute; else it is judged as one of which none told.
func TestAnUpdateWaitsForItsDelivery(t *testing.T) {
	t.Parallel()
	w := startTogether(t)
	repo, _ := w.merged(t, "waits", "squash")
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	w.mustSettle(t)
	missed := func() (out []bool) {
		list, err := w.server.store.Tenant(w.org.ID()).Updates(t.Context(), repo.ID())
		mustDo(t, err)
		for _, u := range list {
			out = append(out, u.MissedByDeliveries)
		}
		return out
	}
	want := func(when string, want ...bool) {
		t.Helper()
		if got := missed(); !slices.Equal(got, want) {
			t.Fatalf("%s: updates missed by deliveries: %v, want %v", when, got, want)
		}
	}
	want("before", false)
	hooks := w.app.Hooks()
	hooks.Hold()
	repo.Push("main", w.carol, evil)
	w.look(t, repo)
	want("the delivery is on its way", false)
	hooks.Release()
	w.waitUntil(t, func() bool { return len(missed()) == 2 })
	want("the delivery came", false, false)

	hooks.Hold()
	repo.Push("main", w.carol, ghsim.Commit{Message: "again", Files: map[string]string{"again": "x\n"}})
	w.look(t, repo)
	want("another delivery is on its way", false, false)
	w.later(time.Minute)
	w.waitUntil(t, func() bool { return len(missed()) == 3 })
	want("it did not come", false, false, true)
	hooks.Release()
	w.wantFound(t, repo, "direct-push high", "direct-push high")
}
