package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// testFirstDay: an organisation has its newest report, and nobody's words are kept in it.
func testFirstDay(t *testing.T, open opener) {
	s := open(t, Options{})
	receive(t, s, arrival("d1", acme, 1, "h"))
	n := s.Tenant(acme)
	if _, err := n.FirstDay(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("before there is one: %v", err)
	}
	for number := range 2 {
		r := policy.NewFirstDay("acme", time.Unix(1e9, 0), time.Unix(9e8, 0))
		r.Add(policy.FirstDayChange{Repository: "acme/app", Ref: "main", Number: number + 1, Title: "Alice's"},
			policy.Hindsight{Answer: policy.HindsightHeld, Rules: []policy.RuleResult{{Rule: policy.RuleHumanReview, Reason: "Not alice."}}})
		ok(t, n.KeepFirstDay(t.Context(), r))
		if r.Held[0].Title == "" || r.Held[0].Rules[0].Reason == "" {
			t.Error("the report itself lost its words")
		}
		got := must(n.FirstDay(t.Context()))
		if len(got.Held) != 1 || got.Held[0].Number != number+1 || got.Held[0].Rules[0].Rule != policy.RuleHumanReview || !got.At.Equal(r.At) {
			t.Errorf("got %+v", got)
		}
		if c := got.Held[0]; strings.Contains(c.Title+c.Rules[0].Reason, "lice") {
			t.Errorf("it holds %+v", c)
		}
	}
	if _, err := s.Tenant(acme + 1).FirstDay(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another organisation: %v", err)
	}
}

// installs is the delivery of an installation, and adds one of repositories that were added to it.
func installs(id string, installation int64) Arrival {
	return occasion(id, installation, FirstDayInstalled)
}
func adds(id string, installation int64) Arrival { return occasion(id, installation, FirstDayEnlarged) }

func occasion(id string, installation int64, of FirstDayOccasion) Arrival {
	return Arrival{DeliveryID: id, Event: "installation", InstallationID: installation, OrgID: acme, OrgLogin: "acme", ReceivedAt: time.Unix(2e9, 0), FirstDay: of,
		Marks: []Mark{{Kind: KindFirstDay, OrgID: acme, InstallationID: installation, Repository: "acme/"}}}
}

// testFirstDayAsked: each installation has one report made, by one job at a time; what was asked for
// anew, or made by hand meanwhile, cannot be written over by who is still at the one before.
func testFirstDayAsked(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	claim := func() Job { return claimOne(t, s, KindFirstDay, KindFirstDay) }
	report := policy.NewFirstDay("acme", time.Unix(1e9, 0), time.Unix(9e8, 0))
	at := FirstDayProgress{Stage: FirstDayStageLook, Done: 1, Total: 3}
	save := func(job Job, a FirstDayAsk, reading string) error {
		a.Reading = []byte(reading)
		return n.SaveFirstDay(t.Context(), job, a, time.Time{}, at)
	}

	receive(t, s, adds("d0", 7)) // of an installation from before
	if _, err := n.FirstDayAsk(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("repositories are added before there is one: %v", err)
	}
	ok(t, s.Finish(t.Context(), claim()))
	receive(t, s, installs("d1", 7))
	job, first := claim(), must(n.FirstDayAsk(t.Context()))
	ok(t, save(job, first, "{}"))
	if w := must(n.FirstDayWork(t.Context())); w.FirstDayProgress != at || w.Ended || !w.Running || w.Limited || w.GivenUp || w.Due {
		t.Errorf("while it is made: %+v", w)
	}
	receive(t, s, installs("d2", 7)) // told twice
	ok(t, n.AskFirstDay(t.Context()))
	if again := must(n.FirstDayAsk(t.Context())); !again.AskedAt.Equal(first.AskedAt) || string(again.Reading) != "{}" {
		t.Errorf("asked for while it is made: %+v, want %+v", again, first)
	}
	receive(t, s, installs("d3", 8))
	second := must(n.FirstDayAsk(t.Context()))
	if second.AskedAt.Equal(first.AskedAt) || len(second.Reading) != 0 {
		t.Errorf("installed anew: %+v", second)
	}
	if err := save(job, first, "old"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the one before goes on: %v", err)
	}
	if err := n.EndFirstDay(t.Context(), job, first, time.Time{}, report); !errors.Is(err, ErrNotFound) {
		t.Errorf("the one before ends: %v", err)
	}
	ok(t, s.Finish(t.Context(), job))
	if err := save(job, second, "late"); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("without a lease: %v", err)
	}
	job = claim()
	if job.InstallationID != 8 {
		t.Errorf("the job is of installation %d", job.InstallationID)
	}
	receive(t, s, adds("d4", 8))
	enlarged := must(n.FirstDayAsk(t.Context())).EnlargedAt
	ok(t, n.SaveFirstDay(t.Context(), job, second, enlarged, at)) // the list was read after that
	if a := must(n.FirstDayAsk(t.Context())); !a.EnlargedAt.IsZero() {
		t.Errorf("what was added before the list was read: %+v", a)
	}
	ok(t, n.EndFirstDay(t.Context(), job, second, enlarged, report))
	ended := must(n.FirstDayAsk(t.Context()))
	if _ = must(n.FirstDay(t.Context())); ended.EndedAt.IsZero() || !must(n.FirstDayWork(t.Context())).Ended {
		t.Errorf("when it is made: %+v", ended)
	}
	if err := n.EndFirstDay(t.Context(), job, second, enlarged, report); !errors.Is(err, ErrNotFound) {
		t.Errorf("made twice: %v", err)
	}
	receive(t, s, installs("d5", 8))
	if a := must(n.FirstDayAsk(t.Context())); !a.EndedAt.Equal(ended.EndedAt) {
		t.Errorf("told again when it is made: %+v", a)
	}
	ok(t, n.AskFirstDay(t.Context()))
	third := must(n.FirstDayAsk(t.Context()))
	if !third.EndedAt.IsZero() || !third.AskedAt.After(second.AskedAt) {
		t.Errorf("asked for anew: %+v", third)
	}
	ok(t, n.KeepFirstDay(t.Context(), report))
	if err := save(job, third, "{}"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after one by hand: %v", err)
	}
	if _, err := s.Tenant(acme + 1).FirstDayWork(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another organisation: %v", err)
	}
	if err := s.Tenant(acme + 1).AskFirstDay(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("asked for of an organisation that is not known: %v", err)
	}
	gone := installs("d6", 8)
	gone.FirstDay, gone.Uninstalled = 0, true
	receive(t, s, gone)
	if _, err := n.FirstDayAsk(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the App was uninstalled: %v", err)
	}
}
