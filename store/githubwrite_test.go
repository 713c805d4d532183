package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// writers are claimed jobs of one installation, in the order in which they were asked for.
func writers(t *testing.T, s *Store, n int) []Job {
	t.Helper()
	var marks []Mark
	for i := range n {
		marks = append(marks, Mark{OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: 1 + i})
	}
	ok(t, s.Mark(t.Context(), marks))
	jobs := must(s.Claim(t.Context(), "test", n, time.Hour))
	if len(jobs) != n {
		t.Fatalf("claimed %d jobs, want %d", len(jobs), n)
	}
	return jobs
}

// wantRoom takes writes one after the other.
func wantRoom(t *testing.T, s *Store, jobs []Job, class WriteClass) {
	t.Helper()
	for i, j := range jobs {
		if err := s.TakeWrite(t.Context(), j, class); err != nil {
			t.Fatalf("write %d: %v", i+1, err)
		}
	}
}

// wantNoRoom checks that a write has to wait, and how long.
func wantNoRoom(t *testing.T, s *Store, job Job, class WriteClass, wait time.Duration) *WriteLimitError {
	t.Helper()
	err := s.TakeWrite(t.Context(), job, class)
	var limit *WriteLimitError
	if !errors.As(err, &limit) || limit.Class != class {
		t.Fatalf("got %v, want no room for class %d", err, class)
	}
	if got := limit.Until.Sub(s.now()); got != wait {
		t.Errorf("class %d waits %s, want %s", class, got, wait)
	}
	return limit
}

// testWritesAreBounded: in no minute are there more writes of an installation than it may make, and
// the more urgent find room where the others find none.
func testWritesAreBounded(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, WritesPerMinute: 6})
	jobs := writers(t, s, 9)
	text, flip, group := jobs[6], jobs[7], jobs[8]
	wantRoom(t, s, jobs[:4], WriteText)
	c.advance(10 * time.Second)
	wantNoRoom(t, s, text, WriteText, 50*time.Second)
	wantRoom(t, s, []Job{flip}, WriteFlip)
	wantNoRoom(t, s, text, WriteText, 50*time.Second)
	wantNoRoom(t, s, flip, WriteFlip, 50*time.Second)
	wantRoom(t, s, []Job{group}, WriteGroup)
	wantNoRoom(t, s, group, WriteGroup, 50*time.Second)
	rec := decide(t, s, acme, 100, "h", "fail", 2)
	publishes := claimOne(t, s, KindPublish, publishKey("h", "countersign"))
	if err := s.Tenant(acme).BeginPublish(t.Context(), publishes, rec.RecordID, WriteGroup); !errors.As(err, new(*WriteLimitError)) {
		t.Errorf("begun without room: %v", err)
	}
	if p := must(s.Tenant(acme).Publication(t.Context(), repo, "h", "countersign")); p.Attempting != "" {
		t.Errorf("%+v is attempted without room", p)
	}
	// Another installation has room of its own.
	elsewhere := text
	elsewhere.InstallationID++
	wantRoom(t, s, []Job{elsewhere}, WriteText)
	// There is room as soon as the first four are a minute old, and not a moment before.
	c.advance(50*time.Second - time.Microsecond)
	wantNoRoom(t, s, text, WriteText, time.Microsecond)
	c.advance(time.Microsecond)
	wantRoom(t, s, []Job{text}, WriteText)
	lines := must(s.WriteLines(t.Context()))
	if want := []WriteLine{{InstallationID: 5, LastMinute: 3}, {InstallationID: 6, LastMinute: 1}}; fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", lines, want)
	}
	// A lease that is lost writes nothing, room or not.
	ok(t, s.Finish(t.Context(), text))
	if err := s.TakeWrite(t.Context(), text, WriteText); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("got %v, want ErrLeaseLost", err)
	}
}

// testWritesOfTheFuture: writes that were counted by a clock that was set back since hold nothing up,
// and what is written from then on is counted.
func testWritesOfTheFuture(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, WritesPerMinute: 6})
	jobs := writers(t, s, 12)
	wantRoom(t, s, jobs[:5], WriteFlip)
	c.advance(-10 * time.Minute)
	wantRoom(t, s, jobs[5:10], WriteFlip)
	wantNoRoom(t, s, jobs[10], WriteFlip, time.Minute)
}

// testAwaitingWrites: those who find no room wait in the order in which they were asked for, each
// class for itself, without an attempt; a mark has them look again at once.
func testAwaitingWrites(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, WritesPerMinute: 6, MaxAttempts: 1})
	jobs := writers(t, s, 10)
	wantRoom(t, s, jobs[:5], WriteFlip)
	first, second, third, flip := jobs[5], jobs[6], jobs[7], jobs[8]
	await := func(job Job, class WriteClass, wait time.Duration) {
		t.Helper()
		ok(t, s.AwaitWrite(t.Context(), job, wantNoRoom(t, s, job, class, wait)))
	}
	const room = time.Minute // and 4 texts a minute: 15 s between two
	await(second, WriteText, room)
	await(third, WriteText, room+15*time.Second)
	// Who was asked for first comes first, however late it looks.
	await(first, WriteText, room)
	if err := s.AwaitWrite(t.Context(), first, &WriteLimitError{Until: c.Now(), Class: WriteText}); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("given back twice: %v", err)
	}
	// A flip does not wait behind texts.
	await(flip, WriteFlip, time.Minute)
	ok(t, s.Finish(t.Context(), jobs[9]))
	for _, j := range jobs[:5] {
		ok(t, s.Finish(t.Context(), j))
	}
	if lines := must(s.WriteLines(t.Context())); len(lines) != 1 || lines[0].LastMinute != 5 || lines[0].Waiting != 4 {
		t.Errorf("got %+v, want 5 written and 4 waiting", lines)
	}
	claimNone(t, s)
	// A mark has one that waits look again at once, and it waits as before.
	mark := Mark{OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: third.Number}
	ok(t, s.Mark(t.Context(), []Mark{mark}))
	again := claimOne(t, s, KindEvaluate, third.Key)
	if again.Attempt != 1 {
		t.Errorf("attempt %d, want the first: waiting is none", again.Attempt)
	}
	await(again, WriteFlip, time.Minute) // before the other flip, since it was asked for first
	if next := must(s.NextRun(t.Context())); next.Sub(c.Now()) != time.Minute {
		t.Errorf("the next looks in %s, want a minute", next.Sub(c.Now()))
	}
	c.advance(time.Minute)
	for range 2 {
		got := must(s.Claim(t.Context(), "test", 1, time.Hour))
		wantRoom(t, s, got, WriteFlip)
		ok(t, s.Finish(t.Context(), got[0]))
	}
	// What is asked for while a job runs is not made to wait.
	running := must(s.Claim(t.Context(), "test", 1, time.Hour))[0]
	mark.Number = running.Number
	ok(t, s.Mark(t.Context(), []Mark{mark}))
	ok(t, s.AwaitWrite(t.Context(), running, &WriteLimitError{Until: c.Now().Add(time.Hour), Class: WriteText}))
	if jobs := must(s.Claim(t.Context(), "test", 10, time.Hour)); !slices.ContainsFunc(jobs, func(j Job) bool { return j.ID == running.ID }) {
		t.Errorf("claimed %+v, want the job that was marked", jobs)
	}
}

// testWritersShare: processes on one database count together.
func testWritersShare(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now, WritesPerMinute: 6})
	jobs := writers(t, s, 8)
	wantRoom(t, s, jobs[:3], WriteGroup)
	beside := openAt(t, Options{URL: urlOf(t, s), Now: c.Now, WritesPerMinute: 6})
	wantRoom(t, beside, jobs[3:6], WriteGroup)
	wantNoRoom(t, s, jobs[6], WriteGroup, time.Minute)
	wantNoRoom(t, beside, jobs[7], WriteGroup, time.Minute)
}
