package store

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
)

// testReconcilables: repositories are looked at in turn, those that are new some time later, and none
// once the App is uninstalled.
func testReconcilables(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	receive(t, s, arrival("d1", acme, 1, "h"))
	ok(t, s.Finish(t.Context(), claimOne(t, s, KindEvaluate, evaluateKey(1))))
	see := func(names map[int64]string) {
		t.Helper()
		ok(t, n.SeeRepositories(t.Context(), 5, "acme", names, c.Now().Add(10*time.Minute)))
		job := claim(t, s, acme, KindReconcile, KindReconcile)
		if job.InstallationID != 5 || job.Repository != "acme/" {
			t.Errorf("got %+v", job)
		}
		ok(t, s.Finish(t.Context(), job))
	}
	next := func() Reconcilable { t.Helper(); return must(n.NextReconcile(t.Context())) }
	see(map[int64]string{repo: "acme/app", repo + 1: "acme/other"})
	want := Reconcilable{RepoID: repo, Repository: "acme/app", DueAt: c.Now().Add(10 * time.Minute)}
	if got := next(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	look := func(id int64, name string, at time.Time) {
		t.Helper()
		if found := must(n.RecordReconcile(t.Context(), Looked{RepoID: id, InstallationID: 5, Repository: name, Complete: true, NextAt: at})); len(found) > 0 {
			t.Errorf("found %+v", found)
		}
	}
	look(repo, "acme/renamed", c.Now().Add(time.Hour))
	if got := next(); got.RepoID != repo+1 || !got.LookedAt.IsZero() {
		t.Errorf("got %+v, want the other one", got)
	}
	ok(t, n.ReconcileLater(t.Context(), repo+1, c.Now().Add(2*time.Hour)))
	want = Reconcilable{RepoID: repo, Repository: "acme/renamed", DueAt: c.Now().Add(time.Hour), LookedAt: c.Now()}
	if got := next(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// After an outage all are due at once; what is due before stays so.
	ok(t, s.ReconcileAll(t.Context(), c.Now().Add(time.Minute)))
	ok(t, s.ReconcileAll(t.Context(), c.Now().Add(time.Hour)))
	for _, id := range []int64{repo, repo + 1} {
		if got := next(); got.RepoID != id || !got.DueAt.Equal(c.Now().Add(time.Minute)) {
			t.Errorf("got %+v, want %d in a minute", got, id)
		}
		ok(t, n.ReconcileLater(t.Context(), id, c.Now().Add(time.Hour)))
	}
	ok(t, s.Finish(t.Context(), claim(t, s, acme, KindReconcile, KindReconcile)))
	see(map[int64]string{repo: "acme/again"}) // the other one is gone
	if got := next(); got.Repository != "acme/again" || len(must(n.reconcilables(t.Context(), selectReconciles))) != 1 {
		t.Errorf("got %+v", got)
	}
	gone := arrival("d2", acme, 1, "h")
	gone.Uninstalled, gone.ReceivedAt = true, c.Now()
	receive(t, s, gone)
	if _, err := n.NextReconcile(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("uninstalled: got %v, want ErrNotFound", err)
	}
	if _, err := s.Tenant(other).NextReconcile(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation: got %v, want ErrNotFound", err)
	}
	verifyLog(t, s)
}

// testReconcile: what is missing is marked and on record together, once. What is looked at already is
// not missing, and a check run that was published meanwhile is not doubted.
func testReconcile(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	rec := decide(t, s, acme, 1, "h", "pass", 0)
	pub := claim(t, s, acme, KindPublish, publishKey("h", "countersign"))
	published := func(id int64) {
		t.Helper()
		ok(t, n.Published(t.Context(), pub, Published{RecordID: rec.RecordID, GitHubID: id, Said: "s", Status: "completed", Conclusion: "success"}))
	}
	if got := must(n.OpenChanges(t.Context(), repo))[1]; got.Run != nil || !got.Decided || !got.Passed {
		t.Errorf("while it is published: %+v", got)
	}
	started := c.Now()
	published(4711)
	c.advance(time.Hour)
	run := PublishedRun{HeadSHA: "h", CheckName: "countersign", GitHubID: 4711, RecordID: rec.RecordID, Status: "completed", Conclusion: "success", At: started}
	got := must(n.OpenChanges(t.Context(), repo))[1]
	if got.Run == nil || *got.Run != run || got.Underway || got.HeadSHA != "h" || got.BaseRef != "main" || !got.LookedAt.Equal(started) {
		t.Errorf("got %+v, want the check run %+v", got, run)
	}
	mark := func(number int) Mark {
		return Mark{OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: number}
	}
	stale := run
	stale.GitHubID = 1
	looked := Looked{RepoID: repo, InstallationID: 5, Repository: "acme/app", OpenPulls: 3, Complete: true, By: Who{User: "root", Host: "h"}, Look: []ToLook{
		{Found: Found{What: FoundRunMissing, Number: 1, HeadSHA: "h", CheckName: "countersign"}, Mark: mark(1), Run: &run},
		{Found: Found{What: FoundRunDiffers, Number: 1, HeadSHA: "h", CheckName: "countersign"}, Mark: mark(1), Run: &stale}, // published meanwhile
		{Found: Found{What: FoundPull, Number: 2}, Mark: mark(2)},
		{Mark: mark(3)}, // nothing is missing
	}}
	for i, want := range []int{2, 0} { // the second time everything is underway
		if found := must(n.RecordReconcile(t.Context(), looked)); len(found) != want {
			t.Errorf("the %d. time: %+v, want %d", i+1, found, want)
		}
	}
	var keys []string
	for _, job := range must(s.Claim(t.Context(), "test", 10, time.Minute)) {
		keys = append(keys, job.Kind+" "+job.Key)
		ok(t, s.Finish(t.Context(), job))
	}
	if slices.Sort(keys); !slices.Equal(keys, []string{"evaluate 77/1", "evaluate 77/2", "evaluate 77/3"}) {
		t.Errorf("marked %v", keys)
	}
	claimNone(t, s) // the check run waits for what comes of it
	if p := must(n.Publication(t.Context(), repo, "h", "countersign")); p.GitHubID != 0 || p.PublishedSaid != "" || p.PublishedStatus != "" {
		t.Errorf("what was published is not forgotten: %+v", p)
	}
	c.advance(doubtPause)
	pub = claim(t, s, acme, KindPublish, publishKey("h", "countersign"))
	published(4712)
	var list []Reconcile
	ok(t, n.Records(t.Context(), 1<<40, []string{LeafReconcile}, func(_, _, body []byte) error {
		var r Reconcile
		err := json.Unmarshal(body, &r)
		list = append(list, r)
		return err
	}))
	if len(list) != 1 || len(list[0].Found) != 2 || !list[0].First || list[0].OpenPulls != 3 || list[0].By.User != "root" {
		t.Errorf("on record: %+v", list)
	}
	for _, wrong := range []Mark{{OrgID: other, RepoID: repo, Number: 1}, {OrgID: acme, RepoID: repo}} {
		if _, err := n.RecordReconcile(t.Context(), Looked{Look: []ToLook{{Mark: wrong}}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", wrong, err)
		}
	}
	verifyLog(t, s)
}

// testWhatIsUnderway: a job that runs, is due, waits for a rate limit or is tried again needs no mark.
// One that is due later by itself does, but for that of a merge queue.
func testWhatIsUnderway(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("d1", acme, 1, "h"))
	under := func() bool {
		var is bool
		ok(t, s.write(t.Context(), "ask", func(x *txn) (err error) {
			is, err = s.underway(x, Mark{OrgID: acme, RepoID: repo, Number: 1}.job())
			return err
		}))
		if got := must(s.Tenant(acme).OpenChanges(t.Context(), repo))[1].Underway; got != is {
			t.Errorf("one says %t, the other %t", got, is)
		}
		return is
	}
	want := func(when string, want bool) {
		t.Helper()
		if got := under(); got != want {
			t.Errorf("%s: %t, want %t", when, got, want)
		}
	}
	want("due", true)
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	want("running", true)
	ok(t, s.Postpone(t.Context(), job, c.Now().Add(time.Hour), "429"))
	want("waiting for a rate limit", true)
	c.advance(2 * time.Hour)
	ok(t, s.Retry(t.Context(), claimOne(t, s, KindEvaluate, evaluateKey(1)), c.Now().Add(time.Hour), "502"))
	want("tried again", true)
	c.advance(2 * time.Hour)
	ok(t, s.FinishUntil(t.Context(), claimOne(t, s, KindEvaluate, evaluateKey(1)), c.Now().Add(time.Hour)))
	want("due later by itself", false)
	queue := Mark{Kind: KindQueue, OrgID: acme, RepoID: repo, Repository: "acme/app", Ref: "main"}
	ok(t, s.Mark(t.Context(), []Mark{queue}))
	ok(t, s.FinishUntil(t.Context(), claim(t, s, acme, KindQueue, "77/main"), c.Now().Add(time.Hour)))
	ok(t, s.write(t.Context(), "ask", func(x *txn) error {
		is, err := s.underway(x, queue.job())
		if !is {
			t.Error("a merge queue that is watched is not underway")
		}
		return err
	}))
}
