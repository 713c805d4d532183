package store

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func directPush() Exception {
	return Exception{Kind: "direct-push", Subject: "main h2", RepoID: repo, Repository: "acme/app", Ref: "main", SHA: "h2",
		Severity: "high", Reason: "dave pushed h2 to main without a pull request."}
}

func testAnExceptionIsOpenedOnceAndKeepsItsSteps(t *testing.T, open opener) {
	at := newClock()
	s := open(t, Options{Now: at.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	n := s.Tenant(acme)
	e, opened, err := n.OpenException(t.Context(), directPush(), 7)
	ok(t, err)
	if !opened || e.ID == "" || e.State != ExceptionOpen || e.By != "countersign" || !e.OpenedAt.Equal(at.Now()) {
		t.Fatalf("got %+v, opened %v", e, opened)
	}
	again, opened, err := n.OpenException(t.Context(), directPush(), 7)
	ok(t, err)
	if opened || !reflect.DeepEqual(again, e) {
		t.Errorf("seen twice: got %+v, opened %v, want the first one", again, opened)
	}
	at.advance(time.Hour)
	ok(t, n.StepException(t.Context(), e.ID, func(e *Exception) bool {
		e.State, e.Remediation, e.ClosedAt, e.Step, e.By = ExceptionClosed, "reverted in #9", at.Now(), "closed", "alice"
		return true
	}))
	ok(t, n.StepException(t.Context(), e.ID, func(*Exception) bool { return false }))
	if err := n.StepException(t.Context(), e.ID, func(*Exception) bool { return true }); !errors.Is(err, ErrInvalid) {
		t.Errorf("a step without a name: got %v, want ErrInvalid", err)
	}
	if err := n.StepException(t.Context(), "nobody", func(*Exception) bool { return true }); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such exception: got %v, want ErrNotFound", err)
	}
	steps := must(n.ExceptionSteps(t.Context(), e.ID))
	if len(steps) != 2 || !reflect.DeepEqual(steps[0].Exception, e) || steps[1].Step != "closed" || steps[0].LeafIndex >= steps[1].LeafIndex || !steps[1].RecordedAt.Equal(at.Now()) || !steps[0].RecordedAt.Equal(at.Now().Add(-time.Hour)) {
		t.Errorf("steps: got %+v", steps)
	}
	if got := must(n.Exception(t.Context(), e.ID)); got.State != ExceptionClosed || got.LeafIndex != steps[1].LeafIndex {
		t.Errorf("got %+v, want it closed", got)
	}
	for what, c := range map[string]struct {
		filter ExceptionFilter
		want   int
	}{
		"all": {ExceptionFilter{}, 1}, "open": {ExceptionFilter{Open: true}, 0}, "repository": {ExceptionFilter{RepoID: repo}, 1},
		"another repository": {ExceptionFilter{RepoID: repo + 1}, 0}, "kind": {ExceptionFilter{Kind: "direct-push"}, 1}, "change": {ExceptionFilter{Number: 1}, 0},
	} {
		if got := must(n.Exceptions(t.Context(), c.filter)); len(got) != c.want {
			t.Errorf("%s: got %d, want %d", what, len(got), c.want)
		}
	}
	if got := must(s.Tenant(other).Exceptions(t.Context(), ExceptionFilter{})); len(got) != 0 {
		t.Errorf("another organisation sees %+v", got)
	}
	if err := s.Tenant(other).StepException(t.Context(), e.ID, func(*Exception) bool { return true }); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation: got %v, want ErrNotFound", err)
	}
	verifyLog(t, s)
}

func testAnExceptionNamesWhatItIsAbout(t *testing.T, open opener) {
	s := open(t, Options{})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	for what, spoil := range map[string]func(*Exception){
		"kind": func(e *Exception) { e.Kind = "" }, "subject": func(e *Exception) { e.Subject = "" },
		"severity": func(e *Exception) { e.Severity = "" }, "reason": func(e *Exception) { e.Reason = "" },
	} {
		e := directPush()
		spoil(&e)
		if _, _, err := s.Tenant(acme).OpenException(t.Context(), e, 7); !errors.Is(err, ErrInvalid) {
			t.Errorf("without %s: got %v, want ErrInvalid", what, err)
		}
	}
}

// Jobs about other subjects than pull requests are told apart by kind and key, and look again
// by themselves when they say so.
func testJobsOfEveryKind(t *testing.T, open opener) {
	at := newClock()
	s := open(t, Options{Now: at.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	ok(t, s.Mark(t.Context(), []Mark{
		{Kind: KindGroup, OrgID: acme, RepoID: repo, Repository: "acme/app", HeadSHA: "g1", Ref: "main"},
		{Kind: KindBranch, OrgID: acme, RepoID: repo, Repository: "acme/app", Ref: "main"},
		{Kind: KindException, OrgID: acme, Ref: "e1"},
	}))
	jobs := must(s.Claim(t.Context(), "test", 10, time.Minute))
	if len(jobs) != 4 {
		t.Fatalf("claimed %+v, want four kinds", jobs)
	}
	for _, j := range jobs {
		if j.Kind == KindGroup && (j.HeadSHA != "g1" || j.Ref != "main") || j.Kind == KindBranch && j.Ref != "main" || j.Kind == KindException && j.Ref != "e1" {
			t.Errorf("got %+v", j)
		}
		ok(t, s.FinishUntil(t.Context(), j, at.Now().Add(time.Hour)))
	}
	claimNone(t, s)
	at.advance(time.Hour)
	if jobs := must(s.Claim(t.Context(), "test", 10, time.Minute)); len(jobs) != 4 {
		t.Errorf("an hour later: claimed %d jobs, want 4", len(jobs))
	}
	for _, m := range []Mark{{Kind: KindGroup, OrgID: acme, RepoID: repo, Ref: "main"}, {Kind: KindBranch, OrgID: acme, RepoID: repo}, {Kind: KindException, OrgID: acme}, {Kind: "odd", OrgID: acme, RepoID: repo, Number: 1}} {
		if err := s.Mark(t.Context(), []Mark{m}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", m, err)
		}
	}
}
