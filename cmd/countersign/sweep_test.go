package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

func (w *acme) sweep(t *testing.T) {
	t.Helper()
	mustDo(t, w.server.worker.SweepDeliveries(t.Context()))
	mustDo(t, w.sim.Drain(t.Context()))
}

// missing are the deliveries that GitHub sent and that are not here.
func (w *acme) missing(t *testing.T) (list []string) {
	t.Helper()
	for _, d := range w.app.Deliveries() {
		here, err := w.server.store.Delivered(t.Context(), d.GUID)
		mustDo(t, err)
		if !here {
			list = append(list, d.Event+" "+d.Action)
		}
	}
	return list
}

// While the server is down its deliveries are lost. After the sweep everything is as if they had
// come, and nothing was green before.
func TestWhatWasLostIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	stale := w.greenPull(t, "approved before")
	w.stop()
	mustDo(t, <-w.stopped)
	w.app.Hook("http://127.0.0.1:1/", hookSecret)

	unseen := w.copilotPull("all of it lost")
	unseen.Approve(w.bob)
	// An approval of the commit before: GitHub shows it as one of the new commit after a merge of the
	// base, and only the lost delivery says what was approved.
	stale.Repo().Push("copilot/approved-before", w.copilot, evil)
	w.test(stale, "success")
	mustDo(t, w.sim.Drain(t.Context()))

	w.startAgain(t)
	w.mustSettle(t)
	if got := w.check(unseen, "countersign"); got.Status != "" {
		t.Errorf("nobody told of it, and it has a check run: %+v", got)
	}
	if got := w.check(stale, "countersign"); got.Conclusion == released {
		t.Errorf("green on a commit that nobody approved: %+v", got)
	}
	w.sweep(t)
	w.wantCheck(t, unseen, released)
	w.wantCheck(t, stale, held)
	if missing := w.missing(t); len(missing) > 0 {
		t.Errorf("still not here: %v", missing)
	}
	w.sim.ResetRequests()
	w.sweep(t)
	if n := w.sim.RequestCounts()["POST /app/hook/deliveries/{delivery_id}/attempts"].Requests; n > 0 || w.rows(t, "lost_deliveries") > 0 {
		t.Errorf("nothing is lost any more, and %d were asked for", n)
	}
}

// What does not come, however often it is asked for, is a blind interval of its repository, which
// a person closes; and one of the whole organisation where nobody looked in time.
func TestWhatCannotBeGotBackIsBlind(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	w.sweep(t)
	w.app.Hooks().Drop(func(event, _ string) bool { return event == "pull_request_review" })
	w.copilotPull("never approved").Approve(w.bob)
	w.mustSettle(t)
	asked := func() int {
		w.sim.ResetRequests()
		w.sweep(t)
		return w.sim.RequestCounts()["POST /app/hook/deliveries/{delivery_id}/attempts"].Requests
	}
	if n := asked(); n != 1 {
		t.Fatalf("%d deliveries were asked for, want 1", n)
	}
	if n := asked(); n != 0 {
		t.Errorf("it was asked for again at once")
	}
	w.later(time.Hour)
	if n := asked(); n != 1 {
		t.Errorf("an hour later %d were asked for, want 1", n)
	}
	blind := func() (list []store.LeafIndexed) {
		list, err := w.server.store.Tenant(w.org.ID()).Exceptions(t.Context(), store.ExceptionFilter{Kind: "blind-interval"})
		mustDo(t, err)
		return list
	}
	if got := blind(); len(got) > 0 {
		t.Fatalf("given up already: %+v", got)
	}
	for range 2 {
		w.later(36 * time.Hour)
		w.sweep(t)
	}
	got := blind()
	if len(got) != 1 || got[0].RepoID != w.shop.ID() || got[0].Repository != "acme/shop" || !strings.Contains(got[0].Reason, "1 of pull_request_review submitted") {
		t.Fatalf("got %+v", got)
	}
	if n := w.rows(t, "lost_deliveries"); n != 0 {
		t.Errorf("%d are still waited for", n)
	}

	// The first reading after that fails, and what was not read ends where the next one begins.
	w.later(100 * time.Hour)
	w.sim.Faults.Add(ghsim.Fault{Route: "GET /app/hook/deliveries", Times: 1, Status: 500})
	if err := w.server.worker.SweepDeliveries(t.Context()); err == nil {
		t.Error("a list that was not read is no error")
	}
	w.later(20 * time.Hour)
	reach := func() string { return " to " + policy.WhenUTC(w.now().Add(-72*time.Hour)) + " nobody looked" }
	earliest := reach()
	w.sweep(t)
	latest := reach() // the minute may have passed meanwhile
	got = slices.DeleteFunc(blind(), func(e store.LeafIndexed) bool { return e.RepoID != 0 })
	if len(got) != 1 || !strings.Contains(got[0].Reason, earliest) && !strings.Contains(got[0].Reason, latest) || got[0].DueAt.IsZero() {
		t.Fatalf("after a hundred hours: %+v", got)
	}
	holder := w.org.Repo(".github", ghsim.RepoSpec{By: w.carol})
	for _, c := range []struct {
		repo, says string
		works      bool
	}{{w.shop.FullName(), "no such exception", false}, {holder.FullName(), "Closed as carol", true}} {
		out, err := w.exceptionsAs(t, w.carol.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", c.repo, "--done", "looked through all of it", got[0].ID)
		if (err == nil) != c.works || !strings.Contains(out, c.says) {
			t.Errorf("closing it through %s: %v, %s", c.repo, err, out)
		}
	}
}

// readsOfLostDeliveries is a sweep that finds what was lost: a pull request with its approval.
func readsOfLostDeliveries(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		var pr pull
		sweep := func() { _ = w.server.worker.SweepDeliveries(t.Context()) } // fails while GitHub does
		green := func() bool { return w.check(pr, "countersign").Conclusion == released }
		return reading{
			happens: func() {
				w.app.Hooks().Drop(func(string, string) bool { return true })
				pr = w.copilotPull(fmt.Sprint("lost ", name))
				pr.Approve(w.bob)
				mustDo(t, w.sim.Drain(t.Context()))
				w.app.Hooks().Drop(nil)
				sweep()
			},
			// What was asked for may have come, whatever GitHub answered to that.
			wrong: func() string {
				if green() && slices.Contains(w.missing(t), "pull_request_review submitted") {
					return "it is green, and nothing told of the approval"
				}
				return ""
			},
			right: func() bool {
				sweep()
				w.mustSettle(t)
				if green() && len(w.missing(t)) == 0 {
					return true
				}
				w.later(time.Hour) // what was asked for in vain is asked for again by the next sweep
				return false
			},
		}
	}
}
