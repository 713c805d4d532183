package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// rejudged judges every decision on record again and counts them by what they rest on.
func (w *acme) rejudged(t *testing.T) map[string]int {
	t.Helper()
	counts, tenant := map[string]int{}, w.server.store.Tenant(w.org.ID())
	for i := range w.leaves(t) {
		row, err := tenant.DecisionAt(t.Context(), i)
		if err != nil || len(row.Facts) == 0 {
			continue // a leaf of another kind, or nothing could be decided
		}
		decision, err := policy.Reperform(row.Policy, row.Catalogue, row.Facts)
		if err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
		again, err := json.Marshal(decision)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, row.Decision) {
			t.Errorf("leaf %d: evaluated again, it is another decision\n%s\n%s", i, row.Decision, again)
		}
		for what, so := range map[string]bool{
			"all":          true,
			"merge group":  row.Number == 0,
			"layers":       bytes.Contains(row.Facts, []byte(`"layer":"organisation"`)),
			"custom rules": bytes.Contains(row.Decision, []byte(`"rule":"custom/`)),
			"attested":     bytes.Contains(row.Facts, []byte(`"attested":{`)),
			"emergency":    decision.Emergency != nil,
			"late":         decision.ReviewClock != nil,
		} {
			if so {
				counts[what]++
			}
		}
	}
	return counts
}

// Every stored decision comes out again from its stored facts, policy and catalogue.
func TestReperformance(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for _, s := range story() {
		s.play(w)
	}
	w.mustSettle(t)
	if n := w.rejudged(t)["all"]; n < len(story()) {
		t.Errorf("only %d decisions were looked at", n)
	}
}

// So does each that rests on more than a pull request and one file.
func TestReperformanceOfEveryKind(t *testing.T) {
	t.Parallel()
	w := floored(t)
	queued := w.queuedRepo("again queued")
	pr := w.twiceApproved(queued, code)
	w.mustSettle(t)
	mustDo(t, pr.Enqueue(w.dave))
	w.testGroup(queued, pr.GroupSHA(), "success")
	w.mustSettle(t)
	w.twiceApproved(w.guardedRepo("again by layers", enrolsMain), code)
	counts := w.rejudged(t)

	w = startInStep(t)
	rules := shopPolicy + "rules:\n  - {id: small, require: 'size.lines < 500', message: Smaller, when: '!change.draft'}\n"
	w.approved(w.davesPull(w.guardedRepo("again by rules", rules), code))
	attested, _ := w.rulesetRepo("again attested")
	w.later(time.Minute)
	_, err := w.attestAs(t, w.carol.Token(), attested.FullName())
	mustDo(t, err)
	w.approved(w.davesPull(attested, code))
	released := w.guardedRepo("again by emergency", shopPolicy+"emergency: {team: acme/oncall, via: [comment]}\n")
	erin := w.onCall(t)
	urgent := w.davesPull(released, code)
	w.test(urgent, "success")
	w.mustSettle(t)
	declare(urgent, erin, urgent.HeadSHA())
	w.copilotPullIn(w.guardedRepo("again by the clock", strings.TrimSpace(shopPolicy)+"\nsla: {agent_review: 4h}\n"), "clock")
	w.mustSettle(t)
	for what, n := range w.rejudged(t) {
		counts[what] += n
	}
	for _, what := range []string{"merge group", "layers", "custom rules", "attested", "emergency", "late"} {
		if counts[what] == 0 {
			t.Errorf("no decision with %s was looked at: %v", what, counts)
		}
	}
}
