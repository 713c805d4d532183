package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// conformance is what every kind of database must do.
func conformance(t *testing.T, open opener) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, opener)
	}{
		{"receive commits everything together", testReceive},
		{"duplicates", testDuplicates},
		{"undecodable deliveries", testUndecodable},
		{"broken arrivals lose nothing", testBrokenArrivals},
		{"delayed events do not set a change back", testDelayed},
		{"marks during a run", testMarkDuringRun},
		{"noisy marks", testNoisy},
		{"leases", testLeases},
		{"fair claims", testFairClaims},
		{"retry, death and revival", testRetry},
		{"marks and failures in either order", testMarkBeforeRetry},
		{"rate limits hold", testPostpone},
		{"writes to GitHub are bounded", testWritesAreBounded},
		{"awaiting writes to GitHub", testAwaitingWrites},
		{"writes of the future", testWritesOfTheFuture},
		{"processes count their writes together", testWritersShare},
		{"timer", testNextRun},
		{"concurrent workers", testConcurrentWorkers},
		{"record commits everything together", testRecord},
		{"record needs its lease", testRecordLease},
		{"worst of the open changes", testWorst},
		{"moving, closing and reopening", testMoves},
		{"lanes", testLanes},
		{"publishing", testPublish},
		{"publishing is superseded", testSuperseded},
		{"confirming what was found", testConfirm},
		{"marks by base", testMarkBases},
		{"running again as time passes", testRunAgain},
		{"tenants are apart", testTenants},
		{"first permission wins", testPermissions},
		{"sealing observations", testSeal},
		{"lost deliveries", testLost},
		{"repositories to compare", testReconcilables},
		{"what was missing", testReconcile},
		{"what is underway", testWhatIsUnderway},
		{"checkpoints", testCheckpoints},
		{"concurrent records in one log", testConcurrentRecords},
		{"histories of branches", testBackfill},
		{"invalid arguments", testInvalid},
		{"contexts and closing", testContexts},
		{"an exception is opened once", testAnExceptionIsOpenedOnceAndKeepsItsSteps},
		{"an exception names what it is about", testAnExceptionNamesWhatItIsAbout},
		{"jobs of every kind", testJobsOfEveryKind},
		{"a group and a pull request on one commit", testAGroupAndAPullRequestOnOneCommit},
		{"a group that is back", testAGroupThatIsBackIsLookedAt},
		{"the last policy of a branch", testTheLastPolicyOfABranchIsKept},
		{"what was judged", testJudged},
		{"what is a drift", testWhatIsADrift},
		{"a drift that was accepted", testADriftThatWasAcceptedStaysClosed},
		{"every write failed twice", testEveryWriteFailedTwice},
		{"one failure in a batch", testOneFailureDoesNotSpoilTheBatch},
		{"another process writes", testAnotherWriter},
		{"killed", testKilled},
		{"text that is none", testTextThatIsNone},
		{"disposal", testDisposal},
		{"lists of changes", testLists},
		{"what was decided before there were lists", testListedAfterwards},
		{"what a session sees", testViews},
		{"grants to auditors", testGrants},
		{"figures of what was merged", testFigures},
		{"what was merged before there were figures", testCountedAfterwards},
		{"coverage and exceptions", testCoverage},
		{"bundles of evidence", testBundles},
		{"uploads of bundles", testUploads},
		{"the first day", testFirstDay},
		{"the first day, asked for", testFirstDayAsked},
		{"how a log stands", testLogState},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

func TestSQLite(t *testing.T) { conformance(t, openSQLite) }

func TestPostgres(t *testing.T) { conformance(t, openOnPostgres) }

func testReceive(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	a := arrival("d1", acme, 1, "h1")
	got := receive(t, s, a)
	if want := (Received{Seq: 1, Marked: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	select {
	case <-s.Wake():
	default:
		t.Error("nobody was woken")
	}
	obs, err := n.Observations(t.Context(), repo, 1)
	ok(t, err)
	want := *a.Observation
	want.Seq, want.ReceivedAt = 1, want.ReceivedAt.Truncate(time.Microsecond)
	if len(obs) != 1 || !reflect.DeepEqual(obs[0], want) {
		t.Errorf("got %+v, want %+v", obs, want)
	}
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	wantJob := Job{ID: job.ID, Kind: KindEvaluate, Key: "77/1", OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: 1,
		Generation: 1, Attempt: 1, Lease: job.Lease, EnqueuedAt: c.Now(), DeliveryID: "d1"}
	if job != wantJob {
		t.Errorf("got %+v, want %+v", job, wantJob)
	}
	// A check finds the change through its head, and through every head that it ever had.
	receive(t, s, arrival("d2", acme, 1, "h2"))
	for i, head := range []string{"h1", "h2", "elsewhere"} {
		got := receive(t, s, checkEvent("c"+head, head))
		if want := []int{1, 1, 0}[i]; got.Marked != want || got.Seq != int64(3+i) {
			t.Errorf("check on %s: got %+v, want %d marked", head, got, want)
		}
	}
	obs, err = n.HeadObservations(t.Context(), repo, "h1")
	ok(t, err)
	if len(obs) != 1 || obs[0].Event != "check_run" || obs[0].DeliveryID != "ch1" {
		t.Errorf("observations on h1: got %+v, want the check run only", obs)
	}
	orgs, err := s.Orgs(t.Context())
	ok(t, err)
	if want := []OrgRow{{ID: acme, Login: "acme"}}; !slices.Equal(orgs, want) {
		t.Errorf("got %+v, want %+v", orgs, want)
	}
	// Every change that proposed a commit is found by it, and a commit that nobody proposed is not.
	receive(t, s, arrival("e1", acme, 2, "h1"))
	for head, want := range map[string][]int{"h1": {1, 2}, "h2": {1}, "elsewhere": nil} {
		var numbers []int
		for _, o := range must(n.Proposals(t.Context(), repo, head)) {
			numbers = append(numbers, o.Number)
		}
		if !slices.Equal(numbers, want) {
			t.Errorf("%s was proposed by %v, want %v", head, numbers, want)
		}
	}
	closed2 := arrival("e2", acme, 2, "h1")
	closed2.Changes[0].Open, closed2.Marks = false, nil
	receive(t, s, closed2)
	// Closed changes are not evaluated because of a check.
	closed := arrival("d3", acme, 1, "h2")
	closed.Changes[0].Open, closed.Marks = false, nil
	receive(t, s, closed)
	if got := receive(t, s, checkEvent("late", "h2")); got.Marked != 0 {
		t.Errorf("check on a closed change: got %+v, want none marked", got)
	}
	verifyLog(t, s)
}

func testDuplicates(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, MaxAttempts: 1})
	a := arrival("d1", acme, 1, "h1")
	receive(t, s, a)
	if got, want := receive(t, s, a), (Received{Duplicate: true, Seq: 1}); got != want {
		t.Errorf("second: got %+v, want %+v", got, want)
	}
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	if job.Generation != 1 {
		t.Errorf("generation %d after a duplicate, want 1", job.Generation)
	}
	ok(t, s.Finish(t.Context(), job))
	receive(t, s, a)
	claimNone(t, s)

	receive(t, s, arrival("d2", acme, 1, "h1"))
	ok(t, s.Retry(t.Context(), claimOne(t, s, KindEvaluate, evaluateKey(1)), c.Now(), "GitHub is on fire"))
	claimNone(t, s)
	if got := receive(t, s, a); !got.Duplicate || got.Marked != 1 {
		t.Errorf("duplicate on a dead job: got %+v, want one marked", got)
	}
	if job = claimOne(t, s, KindEvaluate, evaluateKey(1)); job.Attempt != 1 {
		t.Errorf("attempt %d after revival, want 1", job.Attempt)
	}
	obs, err := s.Tenant(acme).Observations(t.Context(), repo, 1)
	ok(t, err)
	if len(obs) != 2 {
		t.Errorf("%d observations of two deliveries", len(obs))
	}
	verifyLog(t, s)
}

func testUndecodable(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	bad := Arrival{DeliveryID: "d1", Event: "pull_request", Payload: []byte("{"), Undecodable: "unexpected end", ReceivedAt: time.Now()}
	if got, want := receive(t, s, bad), (Received{Undecodable: "unexpected end"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	list, err := s.Undecodable(t.Context(), 10)
	ok(t, err)
	if len(list) != 1 || list[0].DeliveryID != "d1" || list[0].Why != "unexpected end" {
		t.Errorf("got %+v, want d1", list)
	}
	if got, want := receive(t, s, bad), (Received{Duplicate: true, Undecodable: "unexpected end"}); got != want {
		t.Errorf("again: got %+v, want %+v", got, want)
	}
	// A newer program can decode it, and GitHub was asked to send it again.
	if got, want := receive(t, s, arrival("d1", acme, 1, "h1")), (Received{Duplicate: true, Seq: 1, Marked: 1}); got != want {
		t.Errorf("decoded: got %+v, want %+v", got, want)
	}
	if got := receive(t, s, bad); got.Undecodable != "" {
		t.Errorf("after it was processed: got %+v", got)
	}
	if list, err = s.Undecodable(t.Context(), 10); err != nil || len(list) != 0 {
		t.Errorf("got %+v, %v, want none", list, err)
	}
	claimOne(t, s, KindEvaluate, evaluateKey(1))
	verifyLog(t, s)
}

func testBrokenArrivals(t *testing.T, open opener) {
	s := open(t, Options{})
	for i, breakIt := range []func(*Arrival){
		func(a *Arrival) { a.Observation.OrgID = 0 },
		func(a *Arrival) { a.Observation.DeliveryID = "another" },
		func(a *Arrival) { a.Changes[0].HeadSHA = "" },
		func(a *Arrival) { a.Changes[0].OrgID = 0 },
		func(a *Arrival) { a.Marks[0].Number = 0 },
		func(a *Arrival) { a.MarkHeads = []HeadMark{{OrgID: acme, RepoID: repo}} },
	} {
		a := arrival(fmt.Sprint("d", i), acme, 1, "h1")
		breakIt(&a)
		if got := receive(t, s, a); got.Undecodable == "" || got.Seq != 0 || got.Marked != 0 {
			t.Errorf("case %d: got %+v, want it stored without effects", i, got)
		}
	}
	list, err := s.Undecodable(t.Context(), 4)
	ok(t, err)
	if len(list) != 4 {
		t.Errorf("got %d, want 4 of 6", len(list))
	}
	claimNone(t, s)
	if _, err := s.Receive(t.Context(), Arrival{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no delivery id: got %v, want ErrInvalid", err)
	}
	verifyLog(t, s)
}

func testDelayed(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	send := func(id, head string, open bool, updated time.Time) {
		a := arrival(id, acme, 1, head)
		a.Changes[0].Open, a.Changes[0].UpdatedAt, a.Marks = open, updated, nil
		receive(t, s, a)
	}
	send("d1", "h2", false, at)
	send("d2", "h1", true, at.Add(-time.Second))
	if got := receive(t, s, checkEvent("c1", "h1")); got.Marked != 0 {
		t.Errorf("a delayed event reopened the change")
	}
	send("d3", "h2", true, at)
	// The delayed head still belongs to the change.
	if got := receive(t, s, checkEvent("c2", "h1")); got.Marked != 1 {
		t.Errorf("the head of a delayed event is not known")
	}
	verifyLog(t, s)
}

func testMarkDuringRun(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	c.advance(time.Second)
	receive(t, s, arrival("d2", acme, 1, "h1"))
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	if got := c.Now().Sub(job.EnqueuedAt); got != time.Second || job.Generation != 2 || job.DeliveryID != "d2" {
		t.Errorf("got %+v enqueued %s ago, want generation 2 of the oldest mark", job, got)
	}
	c.advance(time.Second)
	receive(t, s, arrival("d3", acme, 1, "h2"))
	first := c.Now()
	c.advance(time.Second)
	receive(t, s, arrival("d4", acme, 1, "h2"))
	claimNone(t, s) // one evaluation of a subject at a time
	ok(t, s.Finish(t.Context(), job))
	job = claimOne(t, s, KindEvaluate, evaluateKey(1))
	if !job.EnqueuedAt.Equal(first) || job.Generation != 4 || job.DeliveryID != "d4" {
		t.Errorf("got %+v, want generation 4, enqueued at %s", job, first)
	}
	ok(t, s.Finish(t.Context(), job))
	claimNone(t, s)
	verifyLog(t, s)
}

func testNoisy(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, NoisyInterval: 1200 * time.Millisecond})
	receive(t, s, arrival("d0", acme, 1, "h1"))
	ok(t, s.Finish(t.Context(), claimOne(t, s, KindEvaluate, evaluateKey(1))))
	c.advance(time.Hour)
	runs := 0
	run := func() {
		jobs, err := s.Claim(t.Context(), "test", 10, time.Minute)
		ok(t, err)
		for _, j := range jobs {
			runs++
			ok(t, s.Finish(t.Context(), j))
		}
	}
	for i := range 50 {
		receive(t, s, checkEvent(fmt.Sprint("c", i), "h1"))
		run()
		if i == 0 && runs != 1 {
			t.Errorf("the first noisy mark waits: %d runs", runs)
		}
		c.advance(40 * time.Millisecond)
	}
	next, err := s.NextRun(t.Context())
	ok(t, err)
	if wait := next.Sub(c.Now()); wait <= 0 || wait > 1200*time.Millisecond {
		t.Errorf("last noisy mark is served in %s, want within the interval", wait)
	}
	c.advance(1200 * time.Millisecond)
	run()
	if runs > 3 {
		t.Errorf("50 noisy marks in 2 s: got %d runs, want at most 3", runs)
	}
	// A mark that is not noisy does not wait for the interval of one that is.
	receive(t, s, checkEvent("c50", "h1"))
	claimNone(t, s)
	receive(t, s, arrival("d1", acme, 1, "h1"))
	claimOne(t, s, KindEvaluate, evaluateKey(1))
	verifyLog(t, s)
}

func testLeases(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	slow := claimOne(t, s, KindEvaluate, evaluateKey(1))
	c.advance(50 * time.Second)
	ok(t, s.Renew(t.Context(), slow, time.Minute))
	c.advance(50 * time.Second)
	claimNone(t, s)
	c.advance(10 * time.Second)
	fast := claimOne(t, s, KindEvaluate, evaluateKey(1))
	if fast.Generation != slow.Generation || fast.Lease == slow.Lease {
		t.Errorf("got %+v after %+v", fast, slow)
	}
	n := s.Tenant(acme)
	_, errRecord := n.Record(t.Context(), decision(slow, "h1", "pass", 0))
	for i, err := range []error{
		s.Renew(t.Context(), slow, time.Minute), s.Finish(t.Context(), slow), s.Retry(t.Context(), slow, c.Now(), ""),
		s.Postpone(t.Context(), slow, c.Now(), ""), errRecord,
		n.NotEnrolled(t.Context(), slow, seen(acme, 1, "h1", true)), n.CloseChange(t.Context(), slow, seen(acme, 1, "h1", true)),
	} {
		if !errors.Is(err, ErrLeaseLost) {
			t.Errorf("call %d with the lost lease: got %v, want ErrLeaseLost", i, err)
		}
	}
	// A lease that ran out and that nobody took may still be used.
	c.advance(time.Hour)
	ok(t, s.Finish(t.Context(), fast))
	claimNone(t, s)
	if err := s.Finish(t.Context(), fast); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("finished twice: got %v, want ErrLeaseLost", err)
	}
	if err := s.Finish(t.Context(), Job{OrgID: acme, ID: fast.ID}); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("finished without a lease: got %v, want ErrLeaseLost", err)
	}
	verifyLog(t, s)
}

func testRetry(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, MaxAttempts: 3})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	began := c.Now()
	for i := 1; i <= 3; i++ {
		job := claimOne(t, s, KindEvaluate, evaluateKey(1))
		if job.Attempt != i || !job.EnqueuedAt.Equal(began) {
			t.Errorf("attempt %d: got %+v", i, job)
		}
		ok(t, s.Retry(t.Context(), job, c.Now().Add(time.Second), fmt.Sprint("cause ", i)))
		claimNone(t, s)
		c.advance(time.Second)
	}
	claimNone(t, s)
	dead, err := s.DeadJobs(t.Context())
	ok(t, err)
	if len(dead) != 1 || dead[0].Cause != "cause 3" || dead[0].Attempts != 3 || dead[0].Key != evaluateKey(1) ||
		!dead[0].DiedAt.Equal(c.Now().Add(-time.Second)) || !dead[0].EnqueuedAt.Equal(began) {
		t.Errorf("got %+v, want one job dead of cause 3", dead)
	}
	if st := must(s.QueueStats(t.Context())); st != (Stats{Dead: 1}) {
		t.Errorf("got %+v, want one dead", st)
	}
	if next := must(s.NextRun(t.Context())); !next.IsZero() {
		t.Errorf("a dead job runs at %s", next)
	}
	ok(t, s.Mark(t.Context(), []Mark{{OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: 1}}))
	if dead, err = s.DeadJobs(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("got %+v, %v, want none dead", dead, err)
	}
	if job := claimOne(t, s, KindEvaluate, evaluateKey(1)); job.Attempt != 1 {
		t.Errorf("revived: attempt %d, want 1", job.Attempt)
	}
	verifyLog(t, s)
}

// A mark makes a job that is backing off run now, and so it does if it comes while the run
// that will fail is still going on.
func testMarkBeforeRetry(t *testing.T, open opener) {
	for _, during := range []bool{true, false} {
		c := newClock()
		s := open(t, Options{Now: c.Now, MaxAttempts: 1})
		receive(t, s, arrival("d1", acme, 1, "h1"))
		job := claimOne(t, s, KindEvaluate, evaluateKey(1))
		if during {
			receive(t, s, arrival("d2", acme, 1, "h1"))
		}
		ok(t, s.Retry(t.Context(), job, c.Now().Add(time.Hour), "502"))
		if !during {
			receive(t, s, arrival("d2", acme, 1, "h1"))
		}
		again := claimOne(t, s, KindEvaluate, evaluateKey(1))
		if again.Attempt != 1 || again.Generation != 2 || !again.EnqueuedAt.Equal(job.EnqueuedAt) {
			t.Errorf("mark during the run %v: got %+v", during, again)
		}
		verifyLog(t, s)
	}
}

func testPostpone(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, MaxAttempts: 1})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	for range 3 { // not an attempt
		ok(t, s.Postpone(t.Context(), claimOne(t, s, KindEvaluate, evaluateKey(1)), c.Now().Add(time.Minute), "rate limit"))
		receive(t, s, arrival(newRecordID(), acme, 1, "h1"))
		claimNone(t, s)
		if st := must(s.QueueStats(t.Context())); st != (Stats{Waiting: 1}) {
			t.Errorf("got %+v, want one waiting", st)
		}
		c.advance(time.Minute)
	}
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	if st := must(s.QueueStats(t.Context())); st != (Stats{Leased: 1}) {
		t.Errorf("got %+v, want one leased", st)
	}
	ok(t, s.Finish(t.Context(), job))
	if st := must(s.QueueStats(t.Context())); st != (Stats{}) {
		t.Errorf("got %+v, want none", st)
	}
	receive(t, s, arrival("d2", acme, 1, "h1"))
	if st := must(s.QueueStats(t.Context())); st.Ready != 1 || !st.OldestReady.Equal(c.Now()) {
		t.Errorf("got %+v, want one ready", st)
	}
	verifyLog(t, s)
}

func testNextRun(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	next := func(want time.Time) {
		t.Helper()
		if got := must(s.NextRun(t.Context())); !got.Equal(want) {
			t.Errorf("next run: got %s, want %s", got, want)
		}
	}
	next(time.Time{})
	receive(t, s, arrival("d1", acme, 1, "h1"))
	receive(t, s, arrival("d2", acme, 2, "h2"))
	jobs := must(s.Claim(t.Context(), "test", 10, time.Minute))
	next(c.Now().Add(time.Minute)) // the leases may not be renewed
	later := c.Now().Add(10 * time.Second)
	ok(t, s.Retry(t.Context(), jobs[0], later, "502"))
	next(later)
	// It became due since the last Claim: still found, though its time has passed.
	c.advance(11 * time.Second)
	next(later)
	// Claim saw it and left it because of its limit: the worker knows.
	receive(t, s, arrival("d3", acme, 3, "h3"))
	if got := must(s.Claim(t.Context(), "test", 1, time.Hour)); len(got) != 1 || got[0].ID != jobs[0].ID {
		t.Errorf("claimed %+v, want the job that is due longest", got)
	}
	next(time.Date(2026, 11, 23, 12, 1, 0, 0, time.UTC)) // the other lease
	verifyLog(t, s)
}

func testConcurrentWorkers(t *testing.T, open opener) {
	s := open(t, Options{NoisyInterval: time.Nanosecond})
	const subjects, marks, workers = 7, 20, 6
	var mu sync.Mutex
	running, served := map[string]bool{}, map[string]int64{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				jobs, err := s.Claim(t.Context(), fmt.Sprint("worker ", w), 2, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				for _, j := range jobs {
					mu.Lock()
					if running[j.Key] {
						t.Errorf("two run %s", j.Key)
					}
					running[j.Key] = true
					mu.Unlock()
					mu.Lock()
					running[j.Key], served[j.Key] = false, max(served[j.Key], j.Generation)
					mu.Unlock()
					if err := s.Finish(t.Context(), j); err != nil {
						t.Error(err)
					}
				}
				if len(jobs) == 0 {
					select {
					case <-s.Wake():
						s.poke() // there are others
					case <-ctx.Done():
					}
				}
			}
		})
	}
	var senders sync.WaitGroup
	for n := 1; n <= subjects; n++ {
		senders.Go(func() {
			for i := range marks {
				if _, err := s.Receive(t.Context(), arrival(fmt.Sprint(n, "-", i), acme, n, "h")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	for must(s.QueueStats(t.Context())) != (Stats{}) {
		<-s.Wake()
		s.poke()
	}
	stop()
	wg.Wait()
	for n := 1; n <= subjects; n++ {
		if got := served[evaluateKey(n)]; got != marks {
			t.Errorf("change %d: marks up to %d were served, want %d", n, got, marks)
		}
	}
	verifyLog(t, s)
}

func testRecord(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	receive(t, s, arrival("d1", acme, 1, "h1"))
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	r := decision(job, "h1", "fail", 2)
	r.Note = "evaluated after delivery d1"
	got, err := n.Record(t.Context(), r)
	ok(t, err)
	if got.LeafIndex != 0 || len(got.RecordID) != 36 {
		t.Errorf("got %+v", got)
	}
	d, err := n.Decision(t.Context(), got.RecordID)
	ok(t, err)
	want := Decided{RecordID: got.RecordID, RepoID: repo, Repository: "acme/app", Number: 1, HeadSHA: "h1", BaseRef: "main", CheckName: "countersign",
		Verdict: "fail", Rank: 2, Final: true, FactsSHA256: hexSHA256(r.Facts), PolicySHA256: hexSHA256(r.Policy), CatalogueSHA256: hexSHA256(r.Catalogue),
		Facts: r.Facts, Policy: r.Policy, Catalogue: r.Catalogue, Decision: r.Decision, DecisionSHA256: hexSHA256(r.Decision), Note: r.Note, RecordedAt: c.Now()}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v, want %+v", d, want)
	}
	cur, err := n.Current(t.Context(), repo, 1)
	if want := (Current{got.RecordID, "h1", "countersign", "fail", true}); err != nil || cur != want {
		t.Errorf("got %+v, %v, want %+v", cur, err, want)
	}
	p := claimOne(t, s, KindPublish, publishKey("h1", "countersign"))
	if p.HeadSHA != "h1" || p.CheckName != "countersign" || p.Repository != "acme/app" || p.InstallationID != 5 || p.DeliveryID != "d1" {
		t.Errorf("got %+v", p)
	}
	pub, err := n.Publication(t.Context(), repo, "h1", "countersign")
	ok(t, err)
	wantPub := Publication{RepoID: repo, Repository: "acme/app", HeadSHA: "h1", CheckName: "countersign", Also: []int{},
		Wanted: &DecisionRow{RecordID: got.RecordID, Decision: r.Decision, DecisionSHA256: hexSHA256(r.Decision), RecordedAt: c.Now(), Number: 1}}
	if !reflect.DeepEqual(pub, wantPub) {
		t.Errorf("got %+v, want %+v", pub, wantPub)
	}
	// Empty facts, and a job that goes on.
	receive(t, s, arrival("d2", acme, 1, "h1"))
	job = claimOne(t, s, KindEvaluate, evaluateKey(1))
	r = decision(job, "h1", "undecided", 3)
	r.Facts, r.Policy, r.Catalogue, r.KeepJob, r.Final = nil, nil, nil, true, false
	second, err := n.Record(t.Context(), r)
	ok(t, err)
	if cur = must(n.Current(t.Context(), repo, 1)); cur.Final || cur.RecordID != second.RecordID || second.LeafIndex != 1 {
		t.Errorf("got %+v after %+v, want it not to be final", cur, second)
	}
	ok(t, s.Retry(t.Context(), job, c.Now(), "503"))
	if d := must(n.Decision(t.Context(), second.RecordID)); d.Facts != nil || d.Final {
		t.Errorf("got %+v", d)
	}
	for _, err := range []error{
		second2(n.Decision(t.Context(), "nothing")), second2(n.Current(t.Context(), repo, 99)),
		second2(n.Publication(t.Context(), repo, "h1", "another name")),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
	verifyLog(t, s)
}

func second2[T any](_ T, err error) error { return err }

func testRecordLease(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	receive(t, s, arrival("d1", acme, 1, "h1"))
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	rec, err := n.Record(t.Context(), decision(job, "h1", "pass", 0))
	ok(t, err)
	// Done but reported lost: the repetition writes nothing.
	if _, err := n.Record(t.Context(), decision(job, "h1", "fail", 2)); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("repeated: got %v, want ErrLeaseLost", err)
	}
	if cur := must(n.Current(t.Context(), repo, 1)); cur.RecordID != rec.RecordID {
		t.Errorf("the repetition became current: %+v", cur)
	}
	if orgs := must(s.Orgs(t.Context())); orgs[0].Leaves != 1 {
		t.Errorf("%d leaves, want 1", orgs[0].Leaves)
	}
	verifyLog(t, s)
}

func testWorst(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	n := s.Tenant(acme)
	check := func(want string, also ...int) {
		t.Helper()
		p, err := n.Publication(t.Context(), repo, "h", "countersign")
		ok(t, err)
		if p.Wanted.RecordID != want || !slices.Equal(p.Also, also) {
			t.Errorf("wanted %s of change %d also %v, want %s also %v", p.Wanted.RecordID, p.Wanted.Number, p.Also, want, also)
		}
	}
	pass := decide(t, s, acme, 5, "h", "pass", 0)
	check(pass.RecordID)
	publish(t, s, acme, "h", 9)
	fail := decide(t, s, acme, 7, "h", "fail", 2)
	check(fail.RecordID, 5)
	publish(t, s, acme, "h", 10)
	// The lowest number among equals.
	fail3 := decide(t, s, acme, 3, "h", "fail", 2)
	check(fail3.RecordID, 5, 7)
	publish(t, s, acme, "h", 11)
	// A better decision that is not the worst changes nothing that is said: no publish job.
	decide(t, s, acme, 5, "h", "pass", 0)
	check(fail3.RecordID, 5, 7)
	claimNone(t, s)
	pass3 := decide(t, s, acme, 3, "h", "pass", 0)
	check(fail.RecordID, 3, 5)
	pass7 := decide(t, s, acme, 7, "h", "pass", 0)
	check(pass3.RecordID, 5, 7)
	_ = pass7
	verifyLog(t, s)
}

func testMoves(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	n := s.Tenant(acme)
	pass := decide(t, s, acme, 1, "h1", "pass", 0)
	fail := decide(t, s, acme, 2, "h1", "fail", 2)
	if got := wanted(t, s, "h1", "countersign"); got != fail.RecordID {
		t.Errorf("wanted %s, want the failure", got)
	}
	publish(t, s, acme, "h1", 9)
	// The failing change moves on: the event alone takes it out of the old head's set.
	receive(t, s, arrival("push", acme, 2, "h2"))
	if got := wanted(t, s, "h1", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s after the push, want the pass", got)
	}
	publish(t, s, acme, "h1", 10)
	// It is decided on its new head, and comes back to the old one without a decision there.
	decide(t, s, acme, 2, "h2", "fail", 2)
	receive(t, s, arrival("force-push back", acme, 2, "h1"))
	if got := wanted(t, s, "h1", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s, want the pass: the other has no newest decision here", got)
	}
	again := decide(t, s, acme, 2, "h1", "fail", 2)
	if got := wanted(t, s, "h1", "countersign"); got != again.RecordID {
		t.Errorf("wanted %s, want the new failure", got)
	}
	// Closing by event, and reopening.
	closed := arrival("closed", acme, 2, "h1")
	closed.Changes[0].Open = false
	receive(t, s, closed)
	if got := wanted(t, s, "h1", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s after closing, want the pass", got)
	}
	receive(t, s, arrival("reopened", acme, 2, "h1"))
	if got := wanted(t, s, "h1", "countersign"); got != again.RecordID {
		t.Errorf("wanted %s after reopening, want the failure", got)
	}
	// Closing as the worker finds it.
	job := claim(t, s, acme, KindEvaluate, evaluateKey(2))
	ok(t, n.CloseChange(t.Context(), job, seen(acme, 2, "h1", true)))
	if got := wanted(t, s, "h1", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s after CloseChange, want the pass", got)
	}
	// The last open change goes: what is wanted stays.
	receive(t, s, arrival("push2", acme, 1, "h3"))
	if got := wanted(t, s, "h1", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s with no open change, want it left alone", got)
	}
	// A decision on a closed pull request counts for nothing.
	decide(t, s, acme, 9, "h9", "fail", 2, func(r *Record) { r.Open = false })
	if got := wanted(t, s, "h9", "countersign"); got != "" {
		t.Errorf("wanted %s for a closed change", got)
	}
	verifyLog(t, s)
}

func testLanes(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	n := s.Tenant(acme)
	sandbox := func(r *Record) { r.BaseRef, r.CheckName = "dev", "countersign (sandbox)" }
	pass := decide(t, s, acme, 1, "h", "pass", 0)
	decide(t, s, acme, 2, "h", "fail", 2)
	moved := decide(t, s, acme, 2, "h", "fail", 2, sandbox)
	if got := wanted(t, s, "h", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s in the lane that was left, want the pass", got)
	}
	if got := wanted(t, s, "h", "countersign (sandbox)"); got != moved.RecordID {
		t.Errorf("wanted %s in the new lane, want %s", got, moved.RecordID)
	}
	decide(t, s, acme, 2, "h", "fail", 2)
	// Re-targeted to a base without a policy.
	receive(t, s, arrival("edited", acme, 2, "h"))
	job := claim(t, s, acme, KindEvaluate, evaluateKey(2))
	before := must(s.Orgs(t.Context()))[0].Leaves
	ok(t, n.NotEnrolled(t.Context(), job, seen(acme, 2, "h", true)))
	if got := wanted(t, s, "h", "countersign"); got != pass.RecordID {
		t.Errorf("wanted %s, want the pass: the other is not enrolled", got)
	}
	if _, err := n.Current(t.Context(), repo, 2); !errors.Is(err, ErrNotFound) {
		t.Errorf("current decision of a change that is not enrolled: %v, want ErrNotFound", err)
	}
	if got := must(s.Orgs(t.Context()))[0].Leaves; got != before {
		t.Errorf("%d leaves, want %d", got, before)
	}
	verifyLog(t, s)
}

func testPublish(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	rec := decide(t, s, acme, 1, "h", "fail", 2)
	key := publishKey("h", "countersign")
	job := claimOne(t, s, KindPublish, key)
	ok(t, n.BeginPublish(t.Context(), job, rec.RecordID, WriteFlip))
	ok(t, n.BeginPublish(t.Context(), job, rec.RecordID, WriteFlip)) // done but reported lost
	if p := must(n.Publication(t.Context(), repo, "h", "countersign")); p.Attempting != rec.RecordID || p.PublishedRecordID != "" {
		t.Errorf("got %+v, want the attempt", p)
	}
	// Killed between GitHub and the store. The next holder sees that it was begun.
	c.advance(time.Hour)
	next := claimOne(t, s, KindPublish, key)
	done := Published{RecordID: rec.RecordID, GitHubID: 4711, Said: "s1", Status: "completed", Conclusion: "failure"}
	if err := n.Published(t.Context(), job, done); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the dead publisher wrote: %v", err)
	}
	if err := n.BeginPublish(t.Context(), job, rec.RecordID, WriteFlip); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the dead publisher began: %v", err)
	}
	ok(t, n.Published(t.Context(), next, done))
	want := Publication{RepoID: repo, Repository: "acme/app", HeadSHA: "h", CheckName: "countersign", Also: []int{}, GitHubID: 4711,
		PublishedRecordID: rec.RecordID, PublishedSaid: "s1", PublishedStatus: "completed", PublishedConclusion: "failure", PublishedAt: c.Now()}
	got := must(n.Publication(t.Context(), repo, "h", "countersign"))
	if got.Wanted.RecordID != rec.RecordID {
		t.Errorf("wanted %s", got.Wanted.RecordID)
	}
	got.Wanted = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := n.Published(t.Context(), next, done); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("done but reported lost, repeated: got %v, want ErrLeaseLost", err)
	}
	claimNone(t, s)
	verifyLog(t, s)
}

func testSuperseded(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	key := publishKey("h", "countersign")
	first := decide(t, s, acme, 1, "h", "fail", 2)
	job := claimOne(t, s, KindPublish, key)
	ok(t, n.BeginPublish(t.Context(), job, first.RecordID, WriteFlip))
	// A newer decision while GitHub is being told.
	receive(t, s, arrival("d2", acme, 1, "h"))
	second, err := n.Record(t.Context(), decision(claimOne(t, s, KindEvaluate, evaluateKey(1)), "h", "pass", 0))
	ok(t, err)
	if err := n.BeginPublish(t.Context(), job, first.RecordID, WriteFlip); !errors.Is(err, ErrSuperseded) {
		t.Errorf("begin the old one: got %v, want ErrSuperseded", err)
	}
	claimNone(t, s)
	ok(t, n.Published(t.Context(), job, Published{RecordID: first.RecordID, GitHubID: 1, Status: "completed"}))
	job = claimOne(t, s, KindPublish, key)

	// Killed after the write of the second; meanwhile a third is wanted. The next holder finds
	// the second at GitHub and says so: the third is still published.
	ok(t, n.BeginPublish(t.Context(), job, second.RecordID, WriteFlip))
	receive(t, s, arrival("d3", acme, 1, "h"))
	third, err := n.Record(t.Context(), decision(claimOne(t, s, KindEvaluate, evaluateKey(1)), "h", "fail", 2))
	ok(t, err)
	c.advance(time.Hour)
	job = claimOne(t, s, KindPublish, key)
	if p := must(n.Publication(t.Context(), repo, "h", "countersign")); p.Attempting != second.RecordID || p.Wanted.RecordID != third.RecordID {
		t.Errorf("got %+v, want the second attempted and the third wanted", p)
	}
	ok(t, n.Published(t.Context(), job, Published{RecordID: second.RecordID, GitHubID: 2, Status: "completed"}))
	job = claimOne(t, s, KindPublish, key)
	ok(t, n.BeginPublish(t.Context(), job, third.RecordID, WriteFlip))
	ok(t, n.Published(t.Context(), job, Published{RecordID: third.RecordID, GitHubID: 3, Status: "completed"}))
	claimNone(t, s)
	verifyLog(t, s)
}

func testConfirm(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	key := publishKey("h", "countersign")
	first := decide(t, s, acme, 1, "h", "fail", 2)
	lost := claimOne(t, s, KindPublish, key)
	ok(t, n.BeginPublish(t.Context(), lost, first.RecordID, WriteFlip))
	receive(t, s, arrival("d2", acme, 1, "h"))
	second, err := n.Record(t.Context(), decision(claimOne(t, s, KindEvaluate, evaluateKey(1)), "h", "pass", 0))
	ok(t, err)
	c.advance(time.Hour)
	job := claimOne(t, s, KindPublish, key)
	found := Published{RecordID: first.RecordID, GitHubID: 4711, Status: "completed", Conclusion: "failure"}
	if err := n.Confirm(t.Context(), lost, found); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the dead publisher confirmed: %v", err)
	}
	if err := n.Confirm(t.Context(), job, Published{RecordID: first.RecordID}); !errors.Is(err, ErrInvalid) {
		t.Errorf("confirmed without an id: got %v, want ErrInvalid", err)
	}
	ok(t, n.Confirm(t.Context(), job, found))
	ok(t, n.Confirm(t.Context(), job, found)) // done but reported lost
	p := must(n.Publication(t.Context(), repo, "h", "countersign"))
	if p.Attempting != "" || p.GitHubID != 4711 || p.PublishedRecordID != first.RecordID || p.Wanted.RecordID != second.RecordID {
		t.Errorf("got %+v, want the first published and the second wanted", p)
	}
	// The lease is still held, for what is wanted by now.
	ok(t, n.BeginPublish(t.Context(), job, second.RecordID, WriteFlip))
	ok(t, n.Published(t.Context(), job, Published{RecordID: second.RecordID, GitHubID: 4712, Status: "completed"}))
	claimNone(t, s)
	verifyLog(t, s)
}

func testMarkBases(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	for number, base := range map[int]string{1: "main", 2: "dev", 3: "main", 4: "main"} {
		a := arrival(fmt.Sprint("d", number), acme, number, "h")
		a.Changes[0].BaseRef, a.Changes[0].Open, a.Marks = base, number != 4, nil
		receive(t, s, a)
	}
	receive(t, s, arrival("elsewhere", other, 1, "h"))
	for id, c := range map[string]struct {
		base string
		want int
	}{"b1": {"main", 2}, "b2": {"dev", 1}, "b3": {"", 3}, "b4": {"release", 0}} {
		a := Arrival{DeliveryID: id, Event: "push", OrgID: acme, RepoID: repo, MarkBases: []BaseMark{
			{OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", BaseRef: c.base}}}
		if got := receive(t, s, a); got.Marked != c.want || got.Undecodable != "" {
			t.Errorf("base %q: got %+v, want %d marked", c.base, got, c.want)
		}
	}
	if got := receive(t, s, Arrival{DeliveryID: "b5", MarkBases: []BaseMark{{OrgID: acme, BaseRef: "main"}}}); got.Undecodable == "" {
		t.Errorf("base of no repository: got %+v", got)
	}
	if got := receive(t, s, Arrival{DeliveryID: "b6", MarkBases: []BaseMark{{OrgID: acme}}}); got.Marked != 3 {
		t.Errorf("the whole organisation: got %+v, want 3 marked", got)
	}
	// A change is looked at again for a push to the branch that it is judged by, too.
	jobs := must(s.Claim(t.Context(), "test", 10, time.Minute))
	at := slices.IndexFunc(jobs, func(j Job) bool { return j.OrgID == acme })
	r := decision(jobs[at], "h", "pass", 0)
	r.GoverningRef = "trunk"
	must(s.Tenant(acme).Record(t.Context(), r))
	if got := receive(t, s, Arrival{DeliveryID: "b7", MarkBases: []BaseMark{{OrgID: acme, RepoID: repo, BaseRef: "trunk"}}}); got.Marked != 1 {
		t.Errorf("governing base: got %+v, want 1 marked", got)
	}
	verifyLog(t, s)
}

func testRunAgain(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	at := c.Now().Add(time.Hour)
	again := func(r *Record) { r.RunAgainAt = at }
	next := func(want time.Time) {
		t.Helper()
		if got := must(s.NextRun(t.Context())); !got.Equal(want) {
			t.Errorf("next run: got %s, want %s", got, want)
		}
	}
	decide(t, s, acme, 1, "h", "waiting", 1, again)
	publish(t, s, acme, "h", 9)
	claimNone(t, s)
	next(at)
	c.advance(time.Hour)
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	if !job.EnqueuedAt.Equal(at) {
		t.Errorf("enqueued at %s, want %s", job.EnqueuedAt, at)
	}
	ok(t, s.Finish(t.Context(), job))
	next(time.Time{})
	// An event comes first: it is served at once, waited from its own time, and the run that
	// was planned is not made unless the new decision asks for it.
	at = c.Now().Add(time.Hour)
	decide(t, s, acme, 1, "h", "waiting", 1, again)
	publish(t, s, acme, "h", 9)
	c.advance(time.Minute)
	receive(t, s, arrival("early", acme, 1, "h"))
	job = claimOne(t, s, KindEvaluate, evaluateKey(1))
	if !job.EnqueuedAt.Equal(c.Now()) {
		t.Errorf("enqueued at %s, want %s", job.EnqueuedAt, c.Now())
	}
	// Marked during the run: that is served first.
	receive(t, s, arrival("during", acme, 1, "h"))
	r := decision(job, "h", "waiting", 1)
	again(&r)
	_, err := s.Tenant(acme).Record(t.Context(), r)
	ok(t, err)
	ok(t, s.Finish(t.Context(), claim(t, s, acme, KindEvaluate, evaluateKey(1))))
	publish(t, s, acme, "h", 9)
	next(time.Time{})
	verifyLog(t, s)
}

func testTenants(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	a, b := s.Tenant(acme), s.Tenant(other)
	// The same repository id, number and head in both: a repository that was transferred.
	recA := decide(t, s, acme, 1, "h", "fail", 2, func(r *Record) { r.ReviewPermissions = map[int64]string{1: "write"} })
	receive(t, s, checkEvent("c1", "h"))
	if _, err := b.Decision(t.Context(), recA.RecordID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation reads the decision: %v", err)
	}
	if _, err := b.Publication(t.Context(), repo, "h", "countersign"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation reads the check run: %v", err)
	}
	if _, err := b.Current(t.Context(), repo, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation reads the change: %v", err)
	}
	obs, perms := must(b.Observations(t.Context(), repo, 1)), must(b.ReviewPermissions(t.Context(), repo, 1))
	obs = append(obs, must(b.Proposals(t.Context(), repo, "h"))...)
	if heads := must(b.HeadObservations(t.Context(), repo, "h")); len(obs)+len(heads)+len(perms) != 0 {
		t.Errorf("another organisation reads %v %v %v", obs, heads, perms)
	}
	recB := decide(t, s, other, 1, "h", "pass", 0)
	if recA.LeafIndex != 0 || recB.LeafIndex != 0 {
		t.Errorf("leaves %d and %d, want each to be the first of its log", recA.LeafIndex, recB.LeafIndex)
	}
	if p := must(a.Publication(t.Context(), repo, "h", "countersign")); p.Wanted.RecordID != recA.RecordID || len(p.Also) != 0 {
		t.Errorf("another organisation's change counts: %+v", p)
	}
	// A job of one is no job of the other.
	job := claim(t, s, acme, KindPublish, publishKey("h", "countersign"))
	if err := b.BeginPublish(t.Context(), job, recB.RecordID, WriteFlip); !errors.Is(err, ErrInvalid) {
		t.Errorf("published with another organisation's job: %v", err)
	}
	stolen := job
	stolen.OrgID = other
	if err := b.BeginPublish(t.Context(), stolen, recB.RecordID, WriteFlip); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("published with another organisation's lease: %v", err)
	}
	signedA, _, err := a.Checkpoint(t.Context())
	ok(t, err)
	signedB, _, err := b.Checkpoint(t.Context())
	ok(t, err)
	if !strings.HasPrefix(string(signedA), "log.example/1001\n1\n") || !strings.HasPrefix(string(signedB), "log.example/1002\n1\n") {
		t.Errorf("checkpoints:\n%s\n%s", signedA, signedB)
	}
	verifyLog(t, s)
}

func testPermissions(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	decide(t, s, acme, 1, "h", "pass", 0, func(r *Record) { r.ReviewPermissions = map[int64]string{1: "write", 2: "read"} })
	decide(t, s, acme, 1, "h", "pass", 0, func(r *Record) { r.ReviewPermissions = map[int64]string{1: "none", 3: "admin"} })
	got := must(s.Tenant(acme).ReviewPermissions(t.Context(), repo, 1))
	if want := map[int64]string{1: "write", 2: "read", 3: "admin"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	verifyLog(t, s)
}

func testSeal(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	n := s.Tenant(acme)
	if sealed, err := n.SealObservations(t.Context()); err != nil || sealed != 0 {
		t.Errorf("nothing to seal: got %d, %v", sealed, err)
	}
	for i := range 5 {
		receive(t, s, checkEvent(fmt.Sprint("a", i), "h"))
	}
	receive(t, s, arrival("b", other, 1, "h"))
	if orgs := must(s.UnsealedOrgs(t.Context())); !slices.Equal(orgs, []int64{acme, other}) {
		t.Errorf("unsealed: got %v", orgs)
	}
	verifyLog(t, s)
	if sealed := must(n.SealObservations(t.Context())); sealed != 5 {
		t.Errorf("sealed %d, want 5", sealed)
	}
	if orgs := must(s.UnsealedOrgs(t.Context())); !slices.Equal(orgs, []int64{other}) {
		t.Errorf("unsealed: got %v", orgs)
	}
	if sealed := must(n.SealObservations(t.Context())); sealed != 0 {
		t.Errorf("sealed %d twice", sealed)
	}
	decide(t, s, acme, 1, "h", "pass", 0)
	for i := range 3 {
		receive(t, s, checkEvent(fmt.Sprint("c", i), "h"))
	}
	// Two at once: together they seal each observation once.
	var wg sync.WaitGroup
	var total int
	var mu sync.Mutex
	for range 2 {
		wg.Go(func() {
			k, err := n.SealObservations(t.Context())
			if err != nil && !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
			mu.Lock()
			total += k
			mu.Unlock()
		})
	}
	wg.Wait()
	if total != 4 {
		t.Errorf("sealed %d, want 4", total)
	}
	report := must(n.CheckLedger(t.Context(), nil))
	if report.Kinds[LeafObservations] != 2 || report.Kinds[LeafDecision] != 1 || report.Size != 3 {
		t.Errorf("got %+v", report)
	}
	verifyLog(t, s)
}

func testCheckpoints(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	if _, _, err := n.Checkpoint(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("no log: got %v, want ErrNotFound", err)
	}
	for i := range 9 {
		decide(t, s, acme, 1, fmt.Sprint("h", i), "pass", 0)
		signed, size, err := n.Checkpoint(t.Context())
		ok(t, err)
		if size != int64(i+1) {
			t.Errorf("checkpoint of %d leaves, want %d", size, i+1)
		}
		c.advance(time.Second)
		again, _, err := n.Checkpoint(t.Context())
		ok(t, err)
		if string(again) != string(signed) {
			t.Errorf("signed the same log twice:\n%s\n%s", signed, again)
		}
	}
	if report := must(n.CheckLedger(t.Context(), nil)); report.Checkpoints != 9 {
		t.Errorf("got %+v, want 9 checkpoints", report)
	}
	verifyLog(t, s)
}

func testConcurrentRecords(t *testing.T, open opener) {
	s := open(t, Options{})
	const changes = 40
	for i := 1; i <= changes; i++ {
		receive(t, s, arrival(fmt.Sprint("d", i), acme, i, "h"))
	}
	jobs := must(s.Claim(t.Context(), "test", 2*changes, time.Minute))
	var wg sync.WaitGroup
	seen := make([]int, changes)
	var mu sync.Mutex
	for _, j := range jobs {
		wg.Go(func() {
			r, err := s.Tenant(acme).Record(t.Context(), decision(j, "h", "pass", 0))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			seen[r.LeafIndex]++
			mu.Unlock()
			if _, _, err := s.Tenant(acme).Checkpoint(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, n := range seen {
		if n != 1 {
			t.Errorf("leaf %d was given %d times", i, n)
		}
	}
	p := must(s.Tenant(acme).Publication(t.Context(), repo, "h", "countersign"))
	if p.Wanted.Number != 1 || len(p.Also) != changes-1 {
		t.Errorf("wanted of change %d, also %v", p.Wanted.Number, p.Also)
	}
	verifyLog(t, s)
}

func testInvalid(t *testing.T, open opener) {
	s := open(t, Options{})
	n := s.Tenant(acme)
	receive(t, s, arrival("d1", acme, 1, "h"))
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	for i, change := range []func(*Record){
		func(r *Record) { r.Number = 2 }, func(r *Record) { r.RepoID = 1 }, func(r *Record) { r.Job.OrgID = other },
		func(r *Record) { r.Job.Kind = KindPublish }, func(r *Record) { r.HeadSHA = "" }, func(r *Record) { r.CheckName = "" },
		func(r *Record) { r.Verdict = "" }, func(r *Record) { r.Rank = -1 }, func(r *Record) { r.Decision = nil },
		func(r *Record) { r.Decision = []byte("{") },
	} {
		r := decision(job, "h", "pass", 0)
		change(&r)
		if _, err := n.Record(t.Context(), r); !errors.Is(err, ErrInvalid) {
			t.Errorf("record %d: got %v, want ErrInvalid", i, err)
		}
	}
	for i, err := range []error{
		second2(s.Claim(t.Context(), "w", 0, time.Minute)), second2(s.Claim(t.Context(), "w", 1, 0)), s.Renew(t.Context(), job, 0),
		s.Mark(t.Context(), []Mark{{}}), n.NotEnrolled(t.Context(), job, seen(other, 1, "h", true)),
		n.CloseChange(t.Context(), job, seen(acme, 2, "h", true)), n.BeginPublish(t.Context(), job, "r", WriteFlip),
		n.Published(t.Context(), Job{Kind: KindPublish, OrgID: acme}, Published{RecordID: "r"}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("call %d: got %v, want ErrInvalid", i, err)
		}
	}
	_, err := n.Record(t.Context(), decision(job, "h", "pass", 0))
	ok(t, err)
	verifyLog(t, s)
}

func testContexts(t *testing.T, open opener) {
	s := open(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Receive(ctx, arrival("d1", acme, 1, "h")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := receive(t, s, arrival("d1", acme, 1, "h")); got.Duplicate {
		t.Error("what was refused was written")
	}
	verifyLog(t, s)
	ok(t, s.Ready(t.Context()))
	ok(t, s.Close())
	if _, err := s.Receive(t.Context(), arrival("d2", acme, 1, "h")); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v, want ErrClosed", err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("a closed store is ready")
	}
}
