package main

import (
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// A push whose deliveries were lost holds nothing up: what deliveries said of the checks on
// the old head is not looked for on the new one.
func TestLostPushHoldsNothingUp(t *testing.T) {
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
