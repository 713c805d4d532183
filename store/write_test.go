package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dump is everything in the database.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var lines []string
	for _, table := range column(t, s, onPostgres(s, `SELECT name FROM sqlite_master WHERE type = 'table'`,
		`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`)) {
		rows, err := s.read.QueryContext(t.Context(), `SELECT * FROM `+table)
		ok(t, err)
		columns, err := rows.Columns()
		ok(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			ok(t, rows.Scan(values...))
			line := table
			for i, c := range columns {
				line += fmt.Sprintf(" %s=%v", c, *values[i].(*any))
			}
			lines = append(lines, line)
		}
		ok(t, rows.Close())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// onPostgres is the statement for the database that a store has.
func onPostgres(s *Store, sqlite, postgres string) string {
	if s.engine.tell == "" {
		return sqlite
	}
	return postgres
}

// urlOf is where a store has its database.
func urlOf(t testing.TB, s *Store) string {
	t.Helper()
	at := column(t, s, onPostgres(s, `SELECT file FROM pragma_database_list WHERE name = 'main'`, `SELECT current_database()`))[0]
	return onPostgres(s, "sqlite:"+at, cluster.URL(at))
}

// column is the first column of what a statement finds.
func column(t testing.TB, s *Store, query string) (out []string) {
	t.Helper()
	ok(t, s.query(t.Context(), query, nil, func(scan func(...any) error) error {
		var v string
		err := scan(&v)
		out = append(out, v)
		return err
	}))
	return out
}

// Every write is failed twice: once lost, once done but reported lost. A lost write leaves
// nothing behind and can be repeated; one that was done can be repeated without harm.
func testEveryWriteFailedTwice(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	var job, pub Job
	var rec Recorded
	claimInto := func(j *Job) func() error {
		return func() error {
			jobs, err := s.Claim(t.Context(), "test", 1, 1<<40)
			if len(jobs) == 1 {
				*j = jobs[0]
			}
			return err
		}
	}
	receiveIt := func(a Arrival) func() error {
		return func() error { _, err := s.Receive(t.Context(), a); return err }
	}
	seal := func() error { _, err := n.SealObservations(t.Context()); return err }
	for _, w := range []struct {
		name  string
		write func() error
		again error // what a repetition of a write that was done returns
		moves bool  // a repetition may write, for example a later time
	}{
		{"receive", receiveIt(arrival("d1", acme, 1, "h")), nil, false},
		{"claim", claimInto(&job), nil, false},
		{"renew", func() error { return s.Renew(t.Context(), job, 1<<41) }, nil, false},
		{"seal", seal, nil, false},
		{"retry", func() error { return s.Retry(t.Context(), job, c.Now(), "502") }, ErrLeaseLost, false},
		{"claim again", claimInto(&job), nil, false},
		{"postpone", func() error { return s.Postpone(t.Context(), job, c.Now(), "429") }, ErrLeaseLost, false},
		{"claim once more", claimInto(&job), nil, false},
		{"record", func() error {
			r, err := n.Record(t.Context(), decision(job, "h", "fail", 2))
			if err == nil {
				rec = r
			}
			return err
		}, ErrLeaseLost, false},
		{"checkpoint", func() error { _, _, err := n.Checkpoint(t.Context()); return err }, nil, false},
		{"claim publish", claimInto(&pub), nil, false},
		{"begin", func() error { return n.BeginPublish(t.Context(), pub, rec.RecordID, WriteFlip) }, nil, true},
		{"published", func() error {
			return n.Published(t.Context(), pub, Published{RecordID: rec.RecordID, GitHubID: 1, Status: "completed"})
		}, ErrLeaseLost, false},
		{"reconcile", func() error {
			run := PublishedRun{HeadSHA: "h", CheckName: "countersign", GitHubID: 1, RecordID: rec.RecordID, At: c.Now()}
			_, err := n.RecordReconcile(t.Context(), Looked{RepoID: repo, Repository: "acme/app", Look: []ToLook{{Found: Found{What: FoundRunMissing, Number: 1}, Run: &run}}})
			return err
		}, nil, false},
		{"mark", func() error {
			return s.Mark(t.Context(), []Mark{{OrgID: acme, RepoID: repo, Repository: "acme/app", Number: 1}})
		}, nil, true},
		{"claim marked", claimInto(&job), nil, false},
		{"not enrolled", func() error { return n.NotEnrolled(t.Context(), job, seen(acme, 1, "h", true)) }, ErrLeaseLost, false},
		{"receive second", receiveIt(arrival("d2", acme, 1, "h2")), nil, false},
		{"claim to close", claimInto(&job), nil, false},
		{"close change", func() error { return n.CloseChange(t.Context(), job, seen(acme, 1, "h2", false)) }, ErrLeaseLost, false},
		{"receive third", receiveIt(arrival("d3", acme, 1, "h3")), nil, false},
		{"claim to finish", claimInto(&job), nil, false},
		{"finish", func() error { return s.Finish(t.Context(), job) }, ErrLeaseLost, false},
	} {
		before := dump(t, s)
		breakWrites(t, s, true)
		if err := w.write(); err == nil {
			t.Errorf("%s: lost, but reported done", w.name)
		}
		breakWrites(t, s, false)
		if after := dump(t, s); after != before {
			t.Fatalf("%s: lost, but there is a change:\n%s", w.name, after)
		}
		if err := w.write(); err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		done := dump(t, s)
		if done == before {
			t.Errorf("%s: done, but there is no change", w.name)
		}
		if err := w.write(); !errors.Is(err, w.again) {
			t.Errorf("%s: repeated: got %v, want %v", w.name, err, w.again)
		}
		if again := dump(t, s); again != done && !w.moves {
			t.Errorf("%s: the repetition changed\n%s\nto\n%s", w.name, done, again)
		}
	}
	verifyLog(t, s)
}

// breakWrites makes the connection that writes refuse every change, as a failing disk does.
func breakWrites(t testing.TB, s *Store, broken bool) {
	t.Helper()
	ok(t, s.write(t.Context(), "refuse changes", func(x *txn) error {
		_, err := x.exec(fmt.Sprintf(onPostgres(s, `PRAGMA query_only = %d`, `SET default_transaction_read_only = %d`), bit(broken)))
		return err
	}))
}

// together commits several writes in one transaction, as the writer does when they wait.
func together(s *Store, writes ...func(*txn) error) []error {
	batch := make([]*op, len(writes))
	for i, w := range writes {
		batch[i] = &op{run: w, result: make(chan error, 1)}
	}
	s.writer.commit(batch)
	errs := make([]error, len(batch))
	for i, o := range batch {
		errs[i] = <-o.result
	}
	return errs
}

// org is a small write.
func org(id int64) func(*txn) error {
	return func(x *txn) error {
		_, err := x.exec(insertOrg, id, "x", 0)
		return err
	}
}

func orgCount(t testing.TB, s *Store) int { t.Helper(); return len(must(s.Orgs(t.Context()))) }

func testOneFailureDoesNotSpoilTheBatch(t *testing.T, open opener) {
	s := open(t, Options{})
	if s.hearing != nil {
		<-s.Wake() // it listens to other processes from now on, and says so
	}
	broken := errors.New("broken")
	errs := together(s, org(1), func(x *txn) error {
		ok(t, org(2)(x))
		x.woken = true
		return broken
	}, org(3))
	if errs[0] != nil || !errors.Is(errs[1], broken) || errs[2] != nil {
		t.Errorf("got %v, want the second to fail", errs)
	}
	if n := orgCount(t, s); n != 2 {
		t.Errorf("%d organisations, want 2", n)
	}
	select {
	case <-s.Wake():
		t.Error("a write that failed woke the worker")
	default:
	}
	verifyLog(t, s)
}

// Another process that writes is waited for.
func testAnotherWriter(t *testing.T, open opener) {
	a := open(t, Options{})
	b := openAt(t, Options{URL: urlOf(t, a)})
	done := make(chan error)
	for i, s := range []*Store{a, b} {
		go func() {
			var err error
			for k := 0; k < 50 && err == nil; k++ {
				_, err = s.Receive(t.Context(), arrival(fmt.Sprint(i, "-", k), acme, k+1, "h"))
				if err == nil {
					_, err = s.Tenant(acme).SealObservations(t.Context())
				}
				if errors.Is(err, ErrConflict) {
					err = nil // the other one sealed them
				}
			}
			done <- err
		}()
	}
	for range 2 {
		ok(t, <-done)
	}
	verifyLog(t, b)
}

// Text that strangers chose, and that is no text, loses nothing.
func testTextThatIsNone(t *testing.T, open opener) {
	s := open(t, Options{})
	a := arrival("d\x00", acme, 1, "h\xff")
	a.Action, a.Changes[0].BaseRef, a.Payload = "\x00", "main\x00", []byte("\x00\xff")
	receive(t, s, a)
	if again := receive(t, s, a); !again.Duplicate {
		t.Errorf("got %+v, want a duplicate", again)
	}
	job := claimOne(t, s, KindEvaluate, evaluateKey(1))
	r := decision(job, "h", "pass", 0)
	r.Note, r.KeepJob = "a\x00b\xffc", true
	_, err := s.Tenant(acme).Record(t.Context(), r)
	ok(t, err)
	ok(t, s.Retry(t.Context(), job, s.now(), "502 \x00 \xff"))
	verifyLog(t, s)
}
