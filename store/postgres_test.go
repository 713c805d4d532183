package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
)

// A database has in both kinds the same tables, columns and indexes, and the same versions.
func TestSchemasAreTheSame(t *testing.T) {
	lite, postgres := openSQLite(t, Options{}), openOnPostgres(t, Options{})
	types := strings.NewReplacer("INTEGER", "bigint", "TEXT", "text", "BLOB", "bytea")
	for what, q := range map[string]struct{ sqlite, postgres string }{
		"columns": {
			`SELECT m.name || ' ' || c.name || ' ' || c.type || CASE WHEN c."notnull" = 1 THEN ' NOT NULL' ELSE '' END
FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'goose%'`,
			`SELECT table_name || ' ' || column_name || ' ' || data_type || CASE WHEN is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END
FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%'`},
		"indexes": {
			`SELECT tbl_name || ' ' || name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND sql NOT LIKE 'CREATE UNIQUE%'`,
			`SELECT t.relname || ' ' || i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public' AND NOT x.indisprimary AND NOT x.indisunique`},
		"foreign keys": {
			`SELECT DISTINCT m.name || ' ' || f."table" || ' ' || (SELECT COUNT(*) FROM pragma_foreign_key_list(m.name) g WHERE g.id = f.id)
FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`,
			`SELECT DISTINCT t.relname || ' ' || r.relname || ' ' || cardinality(c.conkey) FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid WHERE c.contype = 'f'`},
	} {
		want, got := column(t, lite, q.sqlite), column(t, postgres, q.postgres)
		for i := range want {
			want[i] = types.Replace(want[i])
		}
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant those of SQLite,\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if other := column(t, postgres, `SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' AND table_name NOT LIKE 'goose%'`); len(other) > 0 {
		t.Errorf("not ordered by bytes: %v", other)
	}
	var moved []string
	for _, m := range movedTables {
		moved = append(moved, m.name)
	}
	slices.Sort(moved)
	if there := column(t, postgres, `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY 1`); !slices.Equal(moved, there) {
		t.Errorf("Move knows the tables %v, want %v", moved, there)
	}
	versions := func(folder string) (out []string) {
		for _, f := range must(fs.ReadDir(migrationFiles, folder)) {
			if version, _, _ := strings.Cut(f.Name(), "_"); version >= "00012" {
				out = append(out, version)
			}
		}
		return out
	}
	if got, want := versions(postgresMigrations.folder), versions(sqliteMigrations.folder); !slices.Equal(got, want) {
		t.Errorf("got versions %v, want those of SQLite, %v", got, want)
	}
}

func TestOpenPostgresRefuses(t *testing.T) {
	u := cluster.Database(t)
	for what, tt := range map[string]struct {
		do   string
		want error
		undo string
	}{
		"a newer database":      {`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`, ErrNewerDatabase, `DELETE FROM goose_db_version WHERE version_id = 99`},
		"commits that are lost": {`ALTER ROLE countersign SET synchronous_commit = off`, ErrUnfit, `ALTER ROLE countersign RESET synchronous_commit`},
		"commits on one of two": {`ALTER ROLE countersign SET synchronous_commit = local`, ErrUnfit, `ALTER ROLE countersign RESET synchronous_commit`},
		"nothing":               {`SELECT 1`, nil, `SELECT 1`},
	} {
		cluster.Exec(t, u, tt.do)
		s, err := Open(t.Context(), Options{URL: u})
		if err == nil {
			ok(t, s.Close())
		}
		if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%s: got %v, want %v with a hint", what, err, tt.want)
		}
		cluster.Exec(t, u, tt.undo)
	}
	for what, u := range map[string]string{
		"no such host": "postgres://somebody:secret@localhost:1/db", "not a URL": "postgres://user:secret@host:port/db",
		"no such mode": "postgres://user:secret@host/db?sslmode=secret", "no such database": strings.Replace(u, "/test", "/missing", 1) + "&password=secret",
	} {
		_, err := Open(t.Context(), Options{URL: u})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error without the password", what, err)
		}
	}
	empty := cluster.Empty(t)
	if _, err := OpenExisting(t.Context(), Options{URL: empty}); !errors.Is(err, ErrNotFound) {
		t.Errorf("empty: got %v, want ErrNotFound", err)
	}
	ok(t, openOnPostgres(t, Options{URL: empty}).Close())
	s, err := OpenExisting(t.Context(), Options{URL: empty})
	ok(t, err)
	ok(t, s.Close())
}

// Several processes that start on an empty database at once make it once.
func TestStartedAtOnce(t *testing.T) {
	u := cluster.Empty(t)
	opened := make(chan error)
	for range 4 {
		go func() {
			s, err := Open(context.Background(), Options{URL: u})
			if err == nil {
				err = s.Close()
			}
			opened <- err
		}()
	}
	for range 4 {
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
}

// clockApart connects to a server of which everything but the clock is as it is.
func clockApart(t *testing.T, s *Store, apart string) *sql.DB {
	t.Helper()
	db, err := connectPostgres(urlOf(t, s), map[string]string{"search_path": "faked,pg_catalog"})
	ok(t, err)
	cluster.Exec(t, urlOf(t, s), `CREATE SCHEMA IF NOT EXISTS faked; CREATE OR REPLACE FUNCTION faked.clock_timestamp() RETURNS timestamptz
LANGUAGE SQL AS $$ SELECT pg_catalog.clock_timestamp() `+apart+` $$`)
	return db
}

// A process whose clock goes wrong while it runs takes no work, and keeps none, until it is right again.
func TestNoWorkWhileTheClocksAreApart(t *testing.T) {
	s := openOnPostgres(t, Options{})
	ok(t, s.Mark(t.Context(), []Mark{{OrgID: acme, RepoID: repo, Number: 1}, {OrgID: acme, RepoID: repo, Number: 2}}))
	job := must(s.Claim(t.Context(), "test", 1, time.Hour))[0]
	right, wrong := s.read, clockApart(t, s, "+ INTERVAL '3 seconds'")
	s.read, s.fitness = wrong, fitness{}
	if jobs, err := s.Claim(t.Context(), "test", 1, time.Hour); !errors.Is(err, ErrUnfit) || len(jobs) != 0 {
		t.Errorf("got %d jobs, %v, want ErrUnfit", len(jobs), err)
	}
	if err := s.Renew(t.Context(), job, time.Hour); !errors.Is(err, ErrUnfit) {
		t.Errorf("got %v, want ErrUnfit", err)
	}
	s.read, s.fitness = right, fitness{}
	ok(t, wrong.Close())
	ok(t, s.Renew(t.Context(), job, time.Hour))
	if jobs := must(s.Claim(t.Context(), "test", 1, time.Hour)); len(jobs) != 1 {
		t.Errorf("got %d jobs, want the other", len(jobs))
	}
}

func TestTheClocksAreCompared(t *testing.T) {
	s := openOnPostgres(t, Options{})
	ok(t, s.Ready(t.Context()))
	for _, apart := range []string{"- INTERVAL '3 seconds'", "+ INTERVAL '3 seconds'"} {
		db := clockApart(t, s, apart)
		if err := fitPostgres(t.Context(), db); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "NTP") {
			t.Errorf("%s: got %v, want ErrUnfit", apart, err)
		}
		ok(t, db.Close())
	}
}

// When the connection is lost, nobody is told that his write is durable, and the writer goes on.
func TestLostConnectionFailsEverybody(t *testing.T) {
	s := openOnPostgres(t, Options{})
	end := func(x *txn) error {
		_, err := x.exec(`SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	}
	for i, err := range together(s, org(1), end, org(3)) {
		if err == nil {
			t.Errorf("write %d was reported done", i)
		}
	}
	if n := orgCount(t, s); n != 0 {
		t.Errorf("%d organisations, want none", n)
	}
	ok(t, together(s, org(1))[0])
	// Between two transactions nothing is lost with it.
	cluster.Exec(t, urlOf(t, s), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'`)
	ok(t, together(s, org(2))[0])
	if n := orgCount(t, s); n != 2 {
		t.Errorf("%d organisations, want 2", n)
	}
}

// A process that was stopped in the middle of a transaction holds the others up for some seconds,
// and its transaction is gone: what it goes on to do is refused.
func TestAPausedTransactionIsGivenUp(t *testing.T) {
	paused := openOnPostgres(t, Options{})
	running := openAt(t, Options{URL: urlOf(t, paused)})
	inside, goOn := make(chan struct{}), make(chan struct{})
	answered := make(chan error)
	go func() {
		answered <- together(paused, func(x *txn) error {
			if err := org(1)(x); err != nil {
				return err
			}
			close(inside)
			<-goOn
			return org(2)(x)
		})[0]
	}()
	<-inside
	ok(t, together(running, org(3))[0]) // waits until the lock is free
	close(goOn)
	if err := <-answered; err == nil {
		t.Error("the transaction that was given up was reported done")
	}
	if got := orgCount(t, paused); got != 1 {
		t.Errorf("%d organisations, want the one of the other process", got)
	}
	ok(t, together(paused, org(4))[0])
}

// Two processes sign one log, and one is paused in the middle of it: every checkpoint extends those
// before it, whoever signed.
func TestTwoSignersDoNotFork(t *testing.T) {
	a := openOnPostgres(t, Options{})
	b := openAt(t, Options{URL: urlOf(t, a)})
	decide(t, a, acme, 1, "h", "pass", 0)
	inside, goOn := make(chan struct{}), make(chan struct{})
	answered := make(chan error)
	go func() {
		answered <- together(a, func(x *txn) error {
			// It has read the head and signed, and stops before it says so.
			if _, _, err := a.Tenant(acme).checkpoint(x); err != nil {
				return err
			}
			close(inside)
			<-goOn
			return nil
		})[0]
	}()
	<-inside
	decide(t, b, acme, 2, "h2", "pass", 0)
	_, size, err := b.Tenant(acme).Checkpoint(t.Context())
	if err != nil || size != 2 {
		t.Fatalf("the other process signed %d leaves, %v", size, err)
	}
	close(goOn)
	if err := <-answered; err == nil {
		t.Error("the checkpoint of the paused process is there")
	}
	done := make(chan error)
	for i, s := range []*Store{a, b} {
		go func() {
			var err error
			for k := 0; k < 20 && err == nil; k++ {
				if err = s.Tenant(acme).RecordDraw(t.Context(), fmt.Appendf(nil, "[%d,%d]", i, k)); err == nil {
					_, _, err = s.Tenant(acme).Checkpoint(t.Context())
				}
			}
			done <- err
		}()
	}
	for range 2 {
		ok(t, <-done)
	}
	signed := column(t, a, `SELECT convert_from(signed, 'UTF8') FROM checkpoints ORDER BY size`)
	var before ledger.Checkpoint
	for _, text := range signed {
		c, err := ledger.ParseCheckpoint([]byte(text), "log.example/1001", testKey(t).Verifier())
		ok(t, err)
		_, err = ledger.Consistency(before.Size, before.Root, c.Size, c.Root, a.Tenant(acme).hashes(t.Context()))
		if before.Size > 0 && err != nil {
			t.Error(err)
		}
		before = c
	}
	if len(signed) < 20 || before.Size != 42 {
		t.Errorf("%d checkpoints, the last of %d leaves", len(signed), before.Size)
	}
	verifyLog(t, b)
}

// What one process commits wakes the others, also after their connection was lost.
func TestWokenByAnotherProcess(t *testing.T) {
	a := openOnPostgres(t, Options{})
	b := openAt(t, Options{URL: urlOf(t, a)})
	woken := func() {
		t.Helper()
		select {
		case <-b.Wake():
		case <-time.After(30 * time.Second):
			t.Fatal("not woken")
		}
	}
	woken() // it listens
	receive(t, a, arrival("d1", acme, 1, "h"))
	woken()
	cluster.Exec(t, urlOf(t, a), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign listening'`)
	woken() // it listens again
	receive(t, a, arrival("d2", acme, 2, "h"))
	woken()
	claim(t, b, acme, KindEvaluate, evaluateKey(2))
}

// Numbers of GitHub do not end where 32 bits do.
func TestLargeNumbers(t *testing.T) {
	s := openOnPostgres(t, Options{})
	const large = int64(1) << 40
	n := s.Tenant(large)
	receive(t, s, Arrival{
		DeliveryID: "d1", OrgID: large, RepoID: large, OrgLogin: "acme",
		Changes:         []ChangeSeen{{OrgID: large, RepoID: large, Repository: "acme/app", Number: 1, HeadSHA: "h", BaseRef: "main", Open: true}},
		MarkBases:       []BaseMark{{OrgID: large, RepoID: large, Repository: "acme/app", BaseRef: "main"}},
		MarkBranches:    []BranchMark{{OrgID: large, RepoID: large}},
		MarkIssues:      []IssueMark{{OrgID: large, RepoID: large, Repository: "acme/app", Number: 1}},
		ChangedRulesets: []RulesetChange{{ID: large, UpdatedAt: time.Now()}},
	})
	if st := must(s.QueueStats(t.Context())); st.Ready != 1 {
		t.Errorf("got %+v, want the change to be ready", st)
	}
	_, err := n.Attest(t.Context(), []Attestation{{RulesetID: large, ByID: large, UpdatedAt: time.Now(), Source: "Repository acme/app", RepositoryID: large}})
	ok(t, err)
	if list, err := n.Branches(t.Context(), large); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	if list, err := n.Exceptions(t.Context(), ExceptionFilter{RepoID: large, Number: 1, Kind: "x", Open: true}); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	verifyLog(t, s)
}

// PostgreSQL takes 32 bits for a placeholder that a statement compares with a number first.
func TestPlaceholdersAreComparedWithColumnsFirst(t *testing.T) {
	short := regexp.MustCompile(`\$\d+ = 0 OR`)
	for _, file := range must(filepath.Glob("*.go")) {
		if strings.HasSuffix(file, "_test.go") || file == "doc.go" {
			continue
		}
		if m := short.FindString(strings.ReplaceAll(string(must(os.ReadFile(file))), "\n", " ")); m != "" {
			t.Errorf("%s: %s …: write what it is compared with first", file, m)
		}
	}
}

// The pool that reads cannot write.
func TestReadersOfPostgresDoNotWrite(t *testing.T) {
	s := openOnPostgres(t, Options{})
	if _, err := s.read.Exec(`DELETE FROM deliveries`); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v, want it to be refused", err)
	}
}

// Whatever is in a database is moved, and what does not hold is not.
func TestMove(t *testing.T) {
	s, _, n := aged(t, Options{})
	_, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
	ok(t, err)
	_, _, err = n.Checkpoint(t.Context())
	ok(t, err)
	publish(t, s, acme, "h2", 7)
	from, to := urlOf(t, s), cluster.Empty(t)
	ok(t, s.Close())
	moved, err := Move(t.Context(), from, to, func(string, int64) {})
	ok(t, err)
	if len(moved.Logs) != 1 || moved.Tables != len(movedTables) || moved.Rows < 50 {
		t.Errorf("got %+v", moved)
	}
	there := openAt(t, Options{URL: to})
	verifyLog(t, there)
	decide(t, there, acme, 20, "h20", "pass", 0) // also a job with a number of its own
	verifyLog(t, there)
	// A log that does not hold is left where it is.
	exec(t, raw(t, strings.TrimPrefix(from, "sqlite:")), `UPDATE log_leaves SET leaf = CAST('{}' AS BLOB) WHERE leaf_index = 0`)
	other := cluster.Empty(t)
	if _, err := Move(t.Context(), from, other, func(string, int64) {}); !errors.Is(err, ErrFork) {
		t.Errorf("got %v, want ErrFork", err)
	}
	if orgs := must(openAt(t, Options{URL: other}).Orgs(t.Context())); len(orgs) != 0 {
		t.Errorf("got %v, want nothing", orgs)
	}
}
