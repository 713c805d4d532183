package store

import (
	"testing"
	"time"
)

// testFairClaims: an organisation with thousands of jobs does not make another wait, and what one
// does not need the other has.
func testFairClaims(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	const noisy, quiet = acme, acme + 1
	mark := func(org int64, from, to int) {
		t.Helper()
		var marks []Mark
		for n := from; n <= to; n++ {
			marks = append(marks, Mark{OrgID: org, InstallationID: org, RepoID: repo, Repository: "x/app", Number: n})
		}
		ok(t, s.Mark(t.Context(), marks))
	}
	take := func(limit int) (jobs []Job, of map[int64]int) {
		t.Helper()
		jobs, of = must(s.Claim(t.Context(), "test", limit, time.Minute)), map[int64]int{}
		for _, j := range jobs {
			of[j.OrgID]++
		}
		return jobs, of
	}
	mark(noisy, 1, 5000)
	held, of := take(32)
	if of[noisy] != 32 {
		t.Errorf("alone it gets %d of 32", of[noisy])
	}
	c.advance(time.Second)
	mark(quiet, 1, 1)
	// Every place is taken by the noisy one: the next that is free is the quiet one's.
	ok(t, s.Finish(t.Context(), held[0]))
	if _, of := take(1); of[quiet] != 1 {
		t.Errorf("the first free place went to %v", of)
	}
	mark(quiet, 2, 11)
	if _, of := take(30); of[quiet] != 10 || of[noisy] != 20 {
		t.Errorf("30 places went to %v, want 10 to the quiet one, which needs no more", of)
	}
	rest, of := take(10_000)
	if len(rest) != 5000-32-20 || of[quiet] != 0 {
		t.Errorf("%d were left, %v", len(rest), of)
	}
}
