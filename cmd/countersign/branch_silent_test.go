package main

import (
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// An outage, or a permission that is missing where one update is judged, is a blind interval
// after a while, and what was missed is found when it is over.
func TestTheJobOfABranchNeverDies(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ghsim.Fault{
		"outage": {Route: "GET */activity", Status: 500},
		"pulls":  {Route: "GET */commits/{sha}/pulls", Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			w := startAcme(t, fast)
			repo, _ := w.merged(t, "dead", "squash")
			w.mustSettle(t)
			repair := w.sim.Faults.Add(fault)
			repo.Unprotect("main", w.carol)
			repo.Push("main", w.carol, evil)
			mustDo(t, w.sim.Drain(t.Context()))
			w.skipUntil(t, func() bool { return len(w.exceptions(t, repo, "blind-interval")) == 1 })
			repair()
			w.later(2 * time.Hour)
			w.mustSettle(t)
			if got := w.exceptions(t, repo, "direct-push"); len(got) != 1 {
				t.Errorf("after it: %+v", got)
			}
			if got := w.exceptions(t, repo, "blind-interval")[0]; got.State != store.ExceptionRemediated {
				t.Errorf("after it: %+v", got)
			}
		})
	}
}
