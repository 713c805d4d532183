package main

import (
	"net/http"
	"testing"
)

// The inventory of agents has who makes them and who runs their models.
func TestAgentsPage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	b, _ := w.signIn(t, w.carol)
	b.wantPage("/orgs/acme/agents", http.StatusOK, []string{"No agent was seen yet"})
	mustDo(t, w.greenPull(t, "merged").Merge(w.bob, "squash"))
	w.devinPull(w.shop, "Wave")
	w.mustSettle(t)
	b.wantPage("/orgs/acme/agents", http.StatusOK, []string{"copilot-cloud-agent", "GitHub", "devin", "Cognition", "LLM provider", "countersign agents activity --org acme", `<td class="number">1</td>`})
	dave, _ := w.signIn(t, w.dave)
	dave.wantPage("/orgs/acme/agents", http.StatusNotFound, nil, "Cognition")
}
