package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// scopeOf is what the evidence says of one repository: its names, its branches and how the App
// stood to it.
func scopeOf(s exportedScope, repo *ghsim.Repo) string {
	var lines []string
	for _, r := range s.Repositories {
		if r.RepositoryID == repo.ID() {
			var states []string
			for _, x := range r.States {
				states = append(states, x.State)
			}
			lines = append(lines, fmt.Sprintf("%v %v %v archived %t", r.Names, r.Enrolled, states, r.Archived))
		}
	}
	return strings.Join(lines, "; ")
}

// Every repository is one line of the evidence, by its id, whatever it is called and wherever it
// goes; that there are some which the App does not see is said.
func TestWhichRepositoriesThereAre(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	enrolled := func(name string) *ghsim.Repo { return w.repository(name, shopPolicy) }
	public := w.org.Repo("site", ghsim.RepoSpec{Public: true})
	old, renamed, moved, left := enrolled("old"), enrolled("before"), enrolled("moved"), enrolled("left")
	secret := w.org.Repo("secret", ghsim.RepoSpec{})
	w.mustSettle(t)
	w.later(15 * time.Minute)
	w.mustSettle(t)
	before := w.population(t).completeness.Scope
	if before.Readings == 0 || before.Selection != "all" || before.Counts.PrivateNotVisible != 0 || before.Counts.Repositories != len(before.Repositories) {
		t.Errorf("before: %+v", before.Counts)
	}

	old.Archive(w.carol)
	renamed.Rename("after", w.carol)
	moved.Transfer(w.sim.Org("elsewhere"), w.carol)
	w.app.Install(w.org).RemoveRepositories(left, secret, public)
	w.later(25 * time.Hour)
	w.mustSettle(t)
	after := w.population(t).completeness.Scope
	for name, c := range map[string]struct {
		repo *ghsim.Repo
		want string
	}{
		"public":      {public, "[acme/site] [] [installed not_installed] archived false"},
		"archived":    {old, "[acme/old] [main] [installed] archived true"},
		"renamed":     {renamed, "[acme/after acme/before] [main] [installed] archived false"},
		"transferred": {moved, "[acme/moved] [main] [installed not_visible] archived false"},
		"taken out":   {left, "[acme/left] [main] [installed not_visible] archived false"},
		"unseen":      {secret, "[acme/secret] [] [installed not_listed] archived false"},
	} {
		if got := scopeOf(after, c.repo); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	if after.Selection != "selected" || after.Counts.PrivateNotVisible != 2 {
		t.Errorf("after: %s, %+v, want 2 private repositories not visible", after.Selection, after.Counts)
	}

	readings := after.Readings
	w.later(25 * time.Hour)
	w.mustSettle(t)
	again := w.population(t).completeness.Scope
	if again.Readings != readings+1 || fmt.Sprint(again.Repositories) != fmt.Sprint(after.Repositories) {
		t.Errorf("a day later, with nothing new: %d readings, %d before\n%+v\n%+v", again.Readings, readings, after.Repositories, again.Repositories)
	}
	var newest []byte
	mustDo(t, w.server.store.Tenant(w.org.ID()).Records(t.Context(), w.leaves(t), []string{store.LeafScope}, func(_, _, body []byte) error {
		newest = append([]byte{}, body...)
		return nil
	}))
	if !strings.Contains(string(newest), `"same_as":`) || len(newest) > 300 {
		t.Errorf("nothing is new, and it is written again: %s", newest)
	}

	w.app.Install(w.org).Suspend()
	w.later(25 * time.Hour)
	w.mustSettle(t)
	if blind := w.population(t).completeness.Scope; len(blind.NotRead) == 0 || !strings.Contains(blind.NotRead[0].Why, "suspended") {
		t.Errorf("suspended: %+v", blind.NotRead)
	}
}
