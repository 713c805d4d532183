package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// raw opens the file behind a store's back, without its constraints on foreign keys.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	return db
}

func exec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestOpenRefusesNewerDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	decide(t, s, acme, 1, "h", "pass", 0)
	verifyLog(t, s)
	ok(t, s.Close())
	db := raw(t, path)
	exec(t, db, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	_, err := Open(t.Context(), Options{URL: "sqlite:" + path})
	if !errors.Is(err, ErrNewerDatabase) || !strings.Contains(err.Error(), "hint:") || !strings.Contains(err.Error(), "99") {
		t.Errorf("got %v, want ErrNewerDatabase with the version and a hint", err)
	}
	exec(t, db, `DELETE FROM goose_db_version WHERE version_id = 99`)
	verifyLog(t, openSQLite(t, Options{URL: "sqlite:" + path}))
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "notes.txt")
	ok(t, os.WriteFile(notADatabase, bytes.Repeat([]byte("hello "), 1000), 0o600))
	for name, url := range map[string]string{
		"empty": "", "no path": "sqlite:", "memory": "sqlite::memory:", "another database": "postgres://user:secret@host/db",
		"no folder": "sqlite:" + filepath.Join(dir, "missing", "test.db"), "another file": "sqlite:" + notADatabase,
	} {
		s, err := Open(t.Context(), Options{URL: url})
		if err == nil {
			t.Errorf("%s: opened %v", name, s)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the message shows the password: %v", name, err)
		}
	}
}

func TestOpenExisting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "test.db")
	if _, err := OpenExisting(t.Context(), Options{URL: "sqlite:" + path}); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing: got %v, want ErrNotFound", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	for _, u := range []string{"", "sqlite:" + dir} {
		if _, err := OpenExisting(t.Context(), Options{URL: u}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", u, err)
		}
	}
	ok(t, openSQLite(t, Options{URL: "sqlite:" + path}).Close())
	s, err := OpenExisting(t.Context(), Options{URL: "sqlite:" + path})
	ok(t, err)
	verifyLog(t, s)
	ok(t, s.Close())
}

func TestOpenMakesAPrivateDurableFile(t *testing.T) {
	// A name that would end the path if it were not escaped.
	path := filepath.Join(t.TempDir(), "a?b #c%20d.db")
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	receive(t, s, arrival("d1", acme, 1, "h"))
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(f)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", f, info.Mode())
		}
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var got string
		ok(t, s.write(t.Context(), "read pragma", func(x *txn) error { return x.row("PRAGMA "+pragma, nil, &got) }))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := s.read.Exec(`DELETE FROM deliveries`); err == nil {
		t.Error("the pool for reading wrote")
	}
	ok(t, s.Close())
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the WAL file is left behind: %v", err)
	}
	again := openSQLite(t, Options{URL: "sqlite:" + path})
	claimOne(t, again, KindEvaluate, evaluateKey(1))
	verifyLog(t, again)
}

// dump is everything in the database.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var lines, tables []string
	ok(t, s.query(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`, nil, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		tables = append(tables, name)
		return err
	}))
	for _, table := range tables {
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

// Every write is failed twice: once lost, once done but reported lost. A lost write leaves
// nothing behind and can be repeated; one that was done can be repeated without harm.
func TestEveryWriteFailedTwice(t *testing.T) {
	c := newClock()
	s := openSQLite(t, Options{Now: c.Now})
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
		{"begin", func() error { return n.BeginPublish(t.Context(), pub, rec.RecordID) }, nil, false},
		{"published", func() error {
			return n.Published(t.Context(), pub, Published{RecordID: rec.RecordID, GitHubID: 1, Status: "completed"})
		}, ErrLeaseLost, false},
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
	ok(t, s.write(t.Context(), "set query_only", func(x *txn) error {
		_, err := x.exec(fmt.Sprintf("PRAGMA query_only = %d", bit(broken)))
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

func TestOneFailureDoesNotSpoilTheBatch(t *testing.T) {
	s := openSQLite(t, Options{})
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

// When the transaction as a whole is lost, nobody is told that his write is durable, and the
// writer goes on.
func TestLostTransactionFailsEverybody(t *testing.T) {
	for name, poison := range map[string]func(*txn) error{
		// The commit itself fails.
		"commit": func(x *txn) error {
			if _, err := x.exec(`PRAGMA defer_foreign_keys = 1`); err != nil {
				return err
			}
			_, err := x.exec(insertLeaf, 12345, 0, []byte("x"), nil, nil, "x")
			return err
		},
		// SQLite gives up the transaction in the middle, as on some I/O errors.
		"rollback": func(x *txn) error {
			if _, err := x.exec(`CREATE TEMP TRIGGER lost BEFORE INSERT ON orgs BEGIN SELECT RAISE(ROLLBACK, 'lost'); END`); err != nil {
				return err
			}
			return org(2)(x)
		},
	} {
		s := openSQLite(t, Options{})
		for i, err := range together(s, org(1), poison, org(3)) {
			if err == nil {
				t.Errorf("%s: write %d was reported done", name, i)
			}
		}
		if n := orgCount(t, s); n != 0 {
			t.Errorf("%s: %d organisations, want none", name, n)
		}
		if errs := together(s, org(1)); errs[0] != nil || orgCount(t, s) != 1 {
			t.Errorf("%s: the writer does not go on: %v", name, errs)
		}
		verifyLog(t, s)
	}
}

func TestDiskFull(t *testing.T) {
	s := openSQLite(t, Options{})
	receive(t, s, arrival("d1", acme, 1, "h"))
	ok(t, s.write(t.Context(), "limit", func(x *txn) error {
		var pages int
		if err := x.row(`PRAGMA page_count`, nil, &pages); err != nil {
			return err
		}
		_, err := x.exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
		return err
	}))
	big := arrival("d2", acme, 1, "h")
	big.Payload = make([]byte, 1<<20)
	_, err := s.Receive(t.Context(), big)
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v, want the disk to be full", err)
	}
	ok(t, s.write(t.Context(), "unlimit", func(x *txn) error {
		_, err := x.exec(`PRAGMA max_page_count = 1000000`)
		return err
	}))
	if got := receive(t, s, big); got.Duplicate || got.Seq != 2 {
		t.Errorf("after there is room again: got %+v, want it to be new", got)
	}
	verifyLog(t, s)
}

// Another process that writes is waited for.
func TestAnotherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	a := openSQLite(t, Options{URL: "sqlite:" + path})
	b := openSQLite(t, Options{URL: "sqlite:" + path})
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

func TestForkIsNotSigned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	for i := range 3 {
		decide(t, s, acme, i+1, fmt.Sprint("h", i), "pass", 0)
	}
	_, _, err := s.Tenant(acme).Checkpoint(t.Context())
	ok(t, err)
	verifyLog(t, s)
	db := raw(t, path)
	// Somebody removes the last leaf and everything that shows it, but for the checkpoint.
	two := must(ledger.Root(2, s.Tenant(acme).hashes(t.Context())))
	exec(t, db, `DELETE FROM log_leaves WHERE leaf_index = 2`)
	exec(t, db, `DELETE FROM log_hashes WHERE position >= ?`, ledger.Positions(2))
	exec(t, db, `DELETE FROM decisions WHERE leaf_index = 2`)
	exec(t, db, `UPDATE log_heads SET size = 2, root = ?`, two[:])
	if _, _, err := s.Tenant(acme).Checkpoint(t.Context()); !errors.Is(err, ErrFork) {
		t.Errorf("smaller log: got %v, want ErrFork", err)
	}
	// And puts another one in its place.
	decide(t, s, acme, 9, "h9", "pass", 0)
	if _, _, err := s.Tenant(acme).Checkpoint(t.Context()); !errors.Is(err, ErrFork) {
		t.Errorf("another leaf: got %v, want ErrFork", err)
	}
	decide(t, s, acme, 10, "h10", "pass", 0)
	if _, _, err := s.Tenant(acme).Checkpoint(t.Context()); !errors.Is(err, ErrFork) {
		t.Errorf("larger log: got %v, want ErrFork", err)
	}
	report := must(s.Tenant(acme).CheckLedger(t.Context(), nil))
	if report.FirstBad == nil || report.FirstBad.Index != 2 || !strings.Contains(report.FirstBad.What, "checkpoint of 3 leaves") {
		t.Errorf("got %+v, want the checkpoint", report.FirstBad)
	}
	// Without the checkpoints there is nothing left that contradicts.
	exec(t, db, `DELETE FROM checkpoints`)
	exec(t, db, `UPDATE log_heads SET root = zeroblob(32)`)
	if _, _, err := s.Tenant(acme).Checkpoint(t.Context()); !errors.Is(err, ErrFork) {
		t.Errorf("head that is not the root: got %v, want ErrFork", err)
	}
}

func TestNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	decide(t, s, acme, 1, "h", "pass", 0)
	_, _, err := s.Tenant(acme).Checkpoint(t.Context())
	ok(t, err)
	verifyLog(t, s)
	ok(t, s.Close())
	s, err = Open(t.Context(), Options{URL: "sqlite:" + path})
	ok(t, err)
	defer s.Close()
	if _, _, err := s.Tenant(acme).Checkpoint(t.Context()); !errors.Is(err, ErrNoSigner) {
		t.Errorf("sign: got %v, want ErrNoSigner", err)
	}
	if _, err := s.Tenant(acme).CheckLedger(t.Context(), nil); !errors.Is(err, ErrNoSigner) {
		t.Errorf("check: got %v, want ErrNoSigner", err)
	}
}

// A database of the version before is brought to this one with everything in it: the log
// holds, jobs that wait are run, and the check run is known.
func TestMigrateFromVersion1(t *testing.T) {
	dump, err := os.ReadFile(filepath.Join("testdata", "version-1.sql"))
	ok(t, err)
	path := filepath.Join(t.TempDir(), "test.db")
	db := raw(t, path)
	exec(t, db, string(dump))
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	verifyLog(t, s)
	if p := must(s.Tenant(acme).Publication(t.Context(), repo, "h1", "countersign")); p.GitHubID != 900 || p.Wanted.Number != 1 {
		t.Errorf("check run: got %+v", p)
	}
	decide(t, s, acme, 1, "h1", "pass", 0)
	claim(t, s, acme, KindEvaluate, evaluateKey(3))
	verifyLog(t, s)
}
