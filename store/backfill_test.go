package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// earlier is an update from before its branch was followed.
func earlier(id int64) policy.UpdateFacts {
	return policy.UpdateFacts{V: policy.UpdateVersion, RepositoryID: repo, Repository: "acme/app", Ref: "main", ID: id, Type: policy.UpdatePush, Before: "h0", After: "h1"}
}

// followed is a branch that is followed from now on, after update 9.
func followed(t *testing.T, s *Store, n Tenant) (Branch, Job) {
	t.Helper()
	ok(t, s.Mark(t.Context(), []Mark{{Kind: KindBranch, OrgID: n.org, InstallationID: 5, RepoID: repo, Repository: "acme/app", Ref: "main"}}))
	job := claim(t, s, n.org, KindBranch, fmt.Sprintf("%d/main", repo))
	b := Branch{RepoID: repo, Repository: "acme/app", Ref: "main", Mode: "enforce", ActivityID: 9, Tip: "h9", Since: s.now()}
	ok(t, n.Enrol(t.Context(), job, b, Enrolment{State: EnrolmentBegun, From: s.now().Add(-time.Minute)}))
	return b, job
}

// history asks for a history, as following a branch does.
func history(t *testing.T, s *Store, n Tenant) {
	t.Helper()
	ok(t, s.write(t.Context(), "ask", func(x *txn) error {
		_, err := n.askBackfill(x, Backfill{RepoID: repo, Repository: "acme/app", Ref: "main", UntilID: 11}, 5)
		return err
	}))
}

func testBackfill(t *testing.T, open opener) {
	at := newClock()
	s := open(t, Options{Now: at.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	n := s.Tenant(acme)
	leaves := func() int64 { return must(s.Orgs(t.Context()))[0].Leaves }

	// Following a branch has its history read, and following it again does not while that goes on.
	branch, branchJob := followed(t, s, n)
	ok(t, n.Enrol(t.Context(), branchJob, branch, Enrolment{State: EnrolmentChanged}))
	job := claim(t, s, acme, KindBackfill, KindBackfill)
	b := must(n.NextBackfill(t.Context()))
	if b.UntilID != 9 || len(b.Names) != 0 || !b.Until.Equal(at.Now().Add(-time.Minute)) || !b.Since.Equal(at.Now().Add(-BackfillReach)) || !b.DoneAt.IsZero() || job.InstallationID != 5 {
		t.Fatalf("asked for: %+v, job %+v", b, job)
	}

	// What is recorded is there with how far it got; the same again changes nothing.
	b.Page, b.ReadFrom = "cursor", at.Now().Add(-time.Hour)
	for round := range 2 {
		got, err := n.RecordBackfilled(t.Context(), job, b, []policy.UpdateFacts{earlier(8), earlier(7)})
		ok(t, err)
		if got.Page != "cursor" || got.Updates != 2-2*round {
			t.Errorf("round %d: %+v", round, got)
		}
	}
	if got := leaves(); got != 2+2 { // two about the enrolment
		t.Errorf("%d leaves, want 4", got)
	}
	for id, want := range map[int64]bool{8: true, 7: true, 6: false} {
		if known := must(n.UpdateOnRecord(t.Context(), repo, id)); known != want {
			t.Errorf("update %d: on record %t", id, known)
		}
	}
	if got := must(n.NextBackfill(t.Context())); got.Page != "cursor" || !got.ReadFrom.Equal(b.ReadFrom) {
		t.Errorf("got as far as %+v", got)
	}

	// Asked for further back while it is read, it begins anew, and what the old reading says of its
	// end is too late.
	again := must(n.AskBackfills(t.Context(), repo, at.Now().Add(-2*BackfillReach)))
	if len(again) != 1 || again[0].Page != "" || !again[0].AskedAt.After(b.AskedAt) {
		t.Fatalf("asked for anew: %+v", again)
	}
	ok(t, n.EndBackfill(t.Context(), job, b))
	b = must(n.NextBackfill(t.Context()))
	b.ReadFrom, b.Why = at.Now().Add(-BackfillReach), "GitHub keeps no more"
	ok(t, n.EndBackfill(t.Context(), job, b))
	if _, err := n.NextBackfill(t.Context()); !errors.Is(err, ErrNotFound) || leaves() != 5 {
		t.Errorf("at its end: %v, %d leaves, want 5", err, leaves())
	}

	// What could not be read is tried again, and leaves no leaf when it ends as before.
	again = must(n.AskBackfills(t.Context(), 0, at.Now()))
	if !again[0].Since.Equal(b.Since) || !again[0].DoneAt.IsZero() {
		t.Errorf("asked for what could not be read: %+v", again[0])
	}
	b = must(n.NextBackfill(t.Context()))
	b.ReadFrom, b.Why = at.Now().Add(-BackfillReach), "GitHub keeps no more"
	ok(t, n.EndBackfill(t.Context(), job, b))
	if leaves() != 5 {
		t.Errorf("%d leaves after the same again, want 5", leaves())
	}

	// What was read from where it was to be is not read again.
	_ = must(n.AskBackfills(t.Context(), 0, at.Now()))
	b = must(n.NextBackfill(t.Context()))
	b.ReadFrom, b.Why = b.Since, ""
	ok(t, n.EndBackfill(t.Context(), job, b))
	if again = must(n.AskBackfills(t.Context(), 0, at.Now())); again[0].DoneAt.IsZero() || leaves() != 6 {
		t.Errorf("read whole, asked for again: %+v, %d leaves", again[0], leaves())
	}

	// The history of another name that it had is read as well, and asked for once.
	name := BranchName{Ref: "master", Until: at.Now().Add(-time.Hour), UntilID: 4}
	b = must(n.AskBackfills(t.Context(), repo, at.Now().Add(-3*BackfillReach)))[0]
	b.Names = []BranchName{name}
	b = must(n.RecordBackfilled(t.Context(), job, b, nil))
	last := must(n.NextBackfill(t.Context())) // never looked at
	if last.Ref != "master" || last.UntilID != 4 || !last.Until.Equal(name.Until) || !last.Since.Equal(b.Since) {
		t.Fatalf("under its other name: %+v", last)
	}
	last.Why = "not shown"
	ok(t, n.EndBackfill(t.Context(), job, last))
	if b = must(n.NextBackfill(t.Context())); b.Ref != "main" || len(b.Names) != 1 {
		t.Fatalf("with another name: %+v", b)
	}
	if _ = must(n.RecordBackfilled(t.Context(), job, b, nil)); must(n.NextBackfill(t.Context())).Ref != "main" {
		t.Error("the other name was asked for twice")
	}

	if list := must(s.Tenant(other).Backfills(t.Context(), 0)); len(list) != 0 {
		t.Errorf("another organisation sees %+v", list)
	}
	if known := must(s.Tenant(other).UpdateOnRecord(t.Context(), repo, 8)); known {
		t.Error("another organisation has an update of this one on record")
	}
	if _, err := s.Tenant(other).RecordBackfilled(t.Context(), job, b, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("the job of another organisation: %v", err)
	}
	ok(t, s.Finish(t.Context(), job))
	if _, err := n.RecordBackfilled(t.Context(), job, b, []policy.UpdateFacts{earlier(6)}); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("without a lease: %v", err)
	}
	verifyLog(t, s)
}
