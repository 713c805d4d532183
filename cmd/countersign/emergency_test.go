package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// emergencyRepo is a guarded repository whose policy lets the team on call declare emergencies.
func (w *acme) emergencyRepo(name string) *ghsim.Repo {
	return w.guardedRepo(name, shopPolicy+"emergency: {team: acme/oncall, via: [comment]}\n")
}

// onCall is somebody in the emergency team.
func (w *acme) onCall(t *testing.T) *ghsim.User {
	t.Helper()
	erin := w.sim.User("erin")
	w.org.Member(erin)
	w.org.Team("oncall", erin)
	return erin
}

func declare(pr pull, by ghsim.Actor, sha string) *ghsim.Comment {
	return pr.Comment(by, "/countersign emergency "+sha[:8]+" INC-7 the shop is down and this brings it back")
}

func (w *acme) emergencies(t *testing.T, repo *ghsim.Repo) []store.LeafIndexed {
	t.Helper()
	return w.exceptions(t, repo, "emergency")
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	erin := w.onCall(t)
	t.Run("released, merged, reviewed in retrospect", func(t *testing.T) {
		repo := w.emergencyRepo("emergency")
		pr := w.davesPull(repo, code)
		w.wantCheck(t, pr, held)
		declare(pr, erin, pr.HeadSHA())
		// The tests are still asked for.
		w.wantCheck(t, pr, held)
		w.test(pr, "success")
		got := w.wantCheck(t, pr, released)
		if !strings.Contains(got.Title, "Emergency: released without review") || !strings.Contains(got.Summary, "the shop is down") {
			t.Errorf("the check run does not tell of the emergency: %s\n%s", got.Title, got.Summary)
		}
		list := w.emergencies(t, repo)
		if len(list) != 1 || list[0].State != store.ExceptionOpen || list[0].Owner != "erin" || list[0].DueAt.IsZero() || list[0].RecordID == "" {
			t.Fatalf("exceptions: %+v", list)
		}
		repo.Unprotect("main", w.carol)
		mustDo(t, pr.Merge(w.carol, "merge"))
		w.mustSettle(t)
		if got := w.emergencies(t, repo)[0]; got.State != store.ExceptionOpen {
			t.Errorf("merged, and nobody reviewed it: %+v", got)
		}
		pr.Approve(w.bob)
		w.mustSettle(t)
		if got := w.emergencies(t, repo)[0]; got.State != store.ExceptionClosed || got.Step != "reviewed" || got.By != "bob" {
			t.Errorf("reviewed in retrospect: %+v", got)
		}
	})
	t.Run("lapses", func(t *testing.T) {
		repo := w.emergencyRepo("emergency lapses")
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		declare(pr, erin, pr.HeadSHA())
		w.wantCheck(t, pr, released)
		w.later(4*time.Hour - 30*time.Second)
		w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status == held })
		if got := w.check(pr, "countersign"); !strings.Contains(got.Summary, "it has lapsed, after 4h") {
			t.Errorf("summary:\n%s", got.Summary)
		}
	})
	t.Run("overdue", func(t *testing.T) {
		repo := w.emergencyRepo("emergency overdue")
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		declare(pr, erin, pr.HeadSHA())
		w.wantCheck(t, pr, released)
		w.later(25 * time.Hour)
		w.skipUntil(t, func() bool { return w.emergencies(t, repo)[0].Step == "overdue" })
		if got := w.emergencies(t, repo)[0]; got.State != store.ExceptionOpen || got.OverdueAt.IsZero() {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("closed without being merged", func(t *testing.T) {
		repo := w.emergencyRepo("emergency closed")
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		declare(pr, erin, pr.HeadSHA())
		w.wantCheck(t, pr, released)
		pr.Close(w.dave)
		w.mustSettle(t)
		if got := w.emergencies(t, repo)[0]; got.State != store.ExceptionClosed || got.Step != "closed" {
			t.Errorf("got %+v", got)
		}
	})
}

// What releases nothing, and says why.
func TestNoEmergency(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	erin := w.onCall(t)
	for n, c := range []struct {
		name string
		play func(repo *ghsim.Repo, pr pull)
		says string
	}{
		{"somebody outside the team", func(_ *ghsim.Repo, pr pull) { declare(pr, w.bob, pr.HeadSHA()) }, "not a member of acme/oncall"},
		{"the author", func(_ *ghsim.Repo, pr pull) { declare(pr, w.dave, pr.HeadSHA()) }, "must not be behind the change"},
		{"a bot", func(_ *ghsim.Repo, pr pull) { declare(pr, w.devin, pr.HeadSHA()) }, "only a person"},
		{"another commit", func(repo *ghsim.Repo, pr pull) { declare(pr, erin, repo.Head("main")) }, "another commit than the newest"},
		{"a new head since", func(_ *ghsim.Repo, pr pull) {
			declare(pr, erin, pr.HeadSHA())
			w.mustSettle(t)
			pr.Push(w.dave, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package more\n"}})
			w.test(pr, "success")
		}, "it was for an older commit"},
		{"another base meanwhile", func(repo *ghsim.Repo, pr pull) {
			declare(pr, erin, pr.HeadSHA())
			w.mustSettle(t)
			repo.Push("elsewhere", w.dave)
			pr.Retarget(w.dave, "elsewhere")
			w.mustSettle(t)
			pr.Retarget(w.dave, "main")
		}, "it ended when the pull request was to go to another branch"},
		{"an edited comment", func(_ *ghsim.Repo, pr pull) {
			pr.Comment(erin, "looks bad").Edit(w.dave, "/countersign emergency "+pr.HeadSHA()[:8]+" INC-7 the shop is down again")
		}, ""},
		{"quoted", func(_ *ghsim.Repo, pr pull) {
			pr.Comment(erin, "> /countersign emergency "+pr.HeadSHA()[:8]+" INC-7 the shop is down again\nno, do not do this")
		}, ""},
		{"without a reason", func(_ *ghsim.Repo, pr pull) { pr.Comment(erin, "/countersign emergency "+pr.HeadSHA()[:8]+" INC-7") }, "COMMIT TICKET REASON"},
		{"a label", func(_ *ghsim.Repo, pr pull) { pr.Label(erin, "emergency") }, ""},
		{"an objection stands", func(_ *ghsim.Repo, pr pull) {
			pr.RequestChanges(w.bob, "no")
			declare(pr, erin, pr.HeadSHA())
		}, "Changes were requested"},
		{"failing tests", func(_ *ghsim.Repo, pr pull) {
			w.test(pr, "failure")
			declare(pr, erin, pr.HeadSHA())
		}, "tests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo := w.emergencyRepo(fmt.Sprintf("no emergency %d", n))
			pr := w.davesPull(repo, code)
			w.test(pr, "success")
			w.mustSettle(t)
			c.play(repo, pr)
			w.mustSettle(t)
			got := w.check(pr, "countersign")
			if got.Name == "" || got.Conclusion == "success" || !strings.Contains(got.Summary, c.says) {
				t.Errorf("got %s %s, want it held saying %q\n%s", got.Status, got.Conclusion, c.says, got.Summary)
			}
			if list := w.emergencies(t, repo); len(list) != 0 && c.name != "a new head since" && c.name != "another base meanwhile" {
				t.Errorf("exceptions: %+v", list)
			}
		})
	}
}
