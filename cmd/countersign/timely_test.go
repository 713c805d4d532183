package main

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// timelyRepo is a guarded repository whose policy gives four hours for the first review.
func (w *acme) timelyRepo(name string) *ghsim.Repo {
	return w.guardedRepo(name, shopPolicy+"sla: {agent_review: 4h}\n")
}

func (w *acme) late(t *testing.T, repo *ghsim.Repo) []store.LeafIndexed {
	t.Helper()
	return w.exceptions(t, repo, "sla-breach")
}

func TestTimely(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	t.Run("in time", func(t *testing.T) {
		repo := w.timelyRepo("in time")
		pr := w.copilotPullIn(repo, "timely")
		w.wantCheck(t, pr, held)
		w.later(4*time.Hour - time.Minute)
		pr.Approve(w.bob)
		w.wantCheck(t, pr, released)
		w.later(2 * time.Hour)
		w.wantCheck(t, pr, released)
		if list := w.late(t, repo); len(list) != 0 {
			t.Errorf("exceptions: %+v", list)
		}
	})
	t.Run("late, then reviewed", func(t *testing.T) {
		repo := w.timelyRepo("late")
		pr := w.copilotPullIn(repo, "late")
		w.wantCheck(t, pr, held)
		if list := w.late(t, repo); len(list) != 0 {
			t.Fatalf("exceptions before it is late: %+v", list)
		}
		w.later(4*time.Hour - time.Minute)
		w.skipUntil(t, func() bool { return len(w.late(t, repo)) == 1 })
		if e := w.late(t, repo)[0]; e.State != store.ExceptionOpen || e.RecordID == "" || e.DueAt.Sub(e.OpenedAt) != 4*time.Hour {
			t.Errorf("got %+v", e)
		}
		if got := w.wantCheck(t, pr, held); !strings.Contains(got.Summary+got.Text, "Late: nobody reviewed it") {
			t.Errorf("summary:\n%s\n%s", got.Summary, got.Text)
		}
		pr.Approve(w.bob)
		if got := w.wantCheck(t, pr, released); !strings.Contains(got.Summary+got.Text, "Late: bob gave the first review") {
			t.Errorf("summary:\n%s\n%s", got.Summary, got.Text)
		}
		if e := w.late(t, repo)[0]; e.State != store.ExceptionClosed || e.Step != "reviewed" || e.By != "bob" || !e.ClosedAt.After(e.OpenedAt) {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("the time runs out while the server is down", func(t *testing.T) {
		repo := w.timelyRepo("down")
		pr := w.copilotPullIn(repo, "down")
		w.wantCheck(t, pr, held)
		w.stop()
		mustDo(t, <-w.stopped)
		w.later(5 * time.Hour)
		w.startAgain(t)
		w.waitUntil(t, func() bool { return len(w.late(t, repo)) == 1 })
	})
	t.Run("a draft has time", func(t *testing.T) {
		repo := w.timelyRepo("draft")
		pr := w.copilotPullIn(repo, "draft")
		pr.Draft(w.alice)
		w.mustSettle(t)
		w.later(5 * time.Hour)
		w.mustSettle(t)
		pr.Ready(w.alice)
		w.wantCheck(t, pr, held)
		if list := w.late(t, repo); len(list) != 0 {
			t.Errorf("exceptions: %+v", list)
		}
	})
	t.Run("closed without being merged", func(t *testing.T) {
		repo := w.timelyRepo("closed")
		pr := w.copilotPullIn(repo, "closed")
		w.wantCheck(t, pr, held)
		w.later(4 * time.Hour)
		w.skipUntil(t, func() bool { return len(w.late(t, repo)) == 1 })
		pr.Close(w.alice)
		w.mustSettle(t)
		if e := w.late(t, repo)[0]; e.State != store.ExceptionClosed || e.Step != "closed" {
			t.Errorf("got %+v", e)
		}
	})
}
