package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// The register of the organisation's .github repository is read when it changes and once a day,
// and the bundle says what was found of each document.
func TestRegister(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	registered := "# Changes\n"
	register := fmt.Sprintf(`version: 1
documents:
  - {id: changes, title: Change management policy, controls: [CC8.1], owner: carol, location: policies/change.md, sha256: %x, review_by: "2099-01-31"}
  - {id: plan, title: Continuity plan, controls: [A1.3], owner: carol, location: policies/plan.md, review_by: "2020-01-31"}
  - {id: pen-test, title: Penetration test, controls: [CC4.1], owner: dave, location: "https://wiki.example.com/pen", review_by: "2099-01-31"}
`, sha256.Sum256([]byte(registered)))
	home := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{"README.md": "# acme\n"}})
	home.Push("main", w.carol, ghsim.Commit{Message: "register", Files: map[string]string{policy.RegisterPath: register, "policies/change.md": registered}})
	w.mustSettle(t)
	var matrix []byte
	var page string
	states := func() map[string]string {
		t.Helper()
		file, _ := w.exportToday(t)
		w.verified(t, file)
		matrix, page = inBundle(t, file, "controls.json"), string(inBundle(t, file, "controls.html"))
		out := map[string]string{}
		for _, row := range rows(t, file, "register.csv") {
			out[row["id"]] = row["state"] + ", overdue " + row["overdue"] + row["why"]
		}
		return out
	}
	want := func(what string, want map[string]string) {
		t.Helper()
		if got := states(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	want("at first", map[string]string{"changes": "as registered, overdue no", "plan": "missing, overdue yes", "pen-test": "not checked, overdue no"})

	wantRegistered(t, matrix, "CC8.1 changes as registered false, A1.3 plan missing true, CC4.1 pen-test not checked false")
	if !strings.Contains(page, `<b class="bad">missing</b>`) || !strings.Contains(page, "CC4.1: What the organisation&#39;s register names it for") || strings.Count(page, `<b class="bad">overdue</b>`) != 1 {
		t.Errorf("the matrix as a page says:\n%s", page)
	}

	// Somebody changes a document: the push says so at once.
	home.Push("main", w.carol, ghsim.Commit{Message: "loosen", Files: map[string]string{"policies/change.md": "# Anything goes\n"}})
	w.later(time.Minute)
	w.mustSettle(t)
	want("changed", map[string]string{"changes": "changed, overdue no", "plan": "missing, overdue yes", "pen-test": "not checked, overdue no"})

	wantRegistered(t, matrix, "CC8.1 changes changed false, A1.3 plan missing true, CC4.1 pen-test not checked false")

	// Read again without a change, it is not recorded again.
	registers := func() int64 {
		t.Helper()
		report, err := w.server.store.Tenant(w.org.ID()).CheckLedger(t.Context(), nil)
		mustDo(t, err)
		return report.Kinds[store.LeafRegister]
	}
	before := registers()
	w.later(registerDay)
	w.mustSettle(t)
	if n := registers(); n != before || n != 2 {
		t.Errorf("%d registers are on record, %d before a look that found nothing new, want 2", n, before)
	}

	// One that cannot be used is on record too.
	home.Push("main", w.carol, ghsim.Commit{Message: "break", Files: map[string]string{policy.RegisterPath: "documents: 7\n"}})
	w.later(time.Minute)
	w.mustSettle(t)
	if got := states(); len(got) != 1 || !strings.Contains(got[""], "the register cannot be used") {
		t.Errorf("broken: got %v", got)
	}
	wantRegistered(t, matrix, "")
	if !strings.Contains(page, "The register of documents could not be used at the end of the period") {
		t.Errorf("the matrix does not say that the register cannot be used:\n%s", page)
	}
}

// wantRegistered says which documents the matrix of a bundle shows for which criteria.
func wantRegistered(t *testing.T, matrix []byte, want string) {
	t.Helper()
	var got struct {
		Criteria []struct {
			ID        string
			Documents []struct {
				ID, State, Evidence string
				Overdue             bool
			}
		}
	}
	mustDo(t, json.Unmarshal(matrix, &got))
	var out []string
	for _, c := range got.Criteria {
		for _, d := range c.Documents {
			out = append(out, fmt.Sprintf("%s %s %s %t", c.ID, d.ID, d.State, d.Overdue))
		}
	}
	if got := strings.Join(out, ", "); got != want {
		t.Errorf("the matrix shows %q, want %q", got, want)
	}
}

// registerDay is how often the register is read by itself.
const registerDay = 24 * time.Hour
