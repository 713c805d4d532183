package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	const other = acme + 1
	r := Recovery{By: Who{User: "ada", Host: "host"}, BackupSHA256: strings.Repeat("0", 64)}
	if err := s.Tenant(other).RecordRecovery(t.Context(), r); !errors.Is(err, ErrNoSigner) {
		t.Errorf("the first leaf of a log whose name is not known: got %v, want ErrNoSigner", err)
	}
	ok(t, s.Tenant(acme).RecordRecovery(t.Context(), r))
	if orgs := must(s.Orgs(t.Context())); len(orgs) != 1 {
		t.Errorf("got %+v, want the one organisation", orgs)
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

// Who only looks brings no database to another version.
func TestOlderDatabaseIsLeftAsItIs(t *testing.T) {
	o := Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "countersign.db")}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	older := func() (n int) {
		db, err := sql.Open("sqlite", strings.TrimPrefix(o.URL, "sqlite:"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)`); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow(`SELECT COUNT(*) FROM goose_db_version`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	o.AsItIs = true
	was := older()
	if _, err := OpenExisting(t.Context(), o); !errors.Is(err, ErrOlderDatabase) || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("got %v, want ErrOlderDatabase with a hint", err)
	}
	if got := older(); got != was-1 {
		t.Errorf("it was migrated: %d versions, want %d", got, was-1)
	}
}
