package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// A push whose deliveries were lost holds nothing up: what deliveries said of the checks on
// the old head is not looked for on the new one.
func TestLostPushHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.copilotPull("lost push")
	w.wantCheck(t, pr, held)
	hooks := w.app.Hooks()
	hooks.Drop(func(event, _ string) bool { return event == "pull_request" || event == "push" })
	pr.Push(w.copilot, ghsim.Commit{Message: "more" + w.requestedBy(w.alice), Files: map[string]string{"x.go": "package x\n"}})
	hooks.Drop(nil)
	w.test(pr, "failure") // its events name the pull request
	w.wantCheck(t, pr, failed)
}

// A pull request that is opened during an outage says that it waits, when its base is known
// to be enrolled.
func TestOpenedDuringAnOutage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "before")
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "POST /graphql", Status: 502})
	pr := w.copilotPull("during")
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status == "in_progress" })
	repair()
	pr.Approve(w.bob)
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Conclusion == released })
}

// On a branch that was enforced, a new pull request cannot do without the policy either.
func TestPolicyGoneForNewPullRequests(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "before")
	w.shop.Unprotect("main", w.carol)
	w.shop.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
	pr := w.copilotPull("after")
	w.wantCheck(t, pr, failed)
	w.shop.Push("main", w.carol, ghsim.Commit{Message: "policy again", Files: map[string]string{policy.Path: shopPolicy}})
	w.shop.Protect("main", w.carol, ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}, EnforceAdmins: true})
	w.wantCheck(t, pr, held)
}
