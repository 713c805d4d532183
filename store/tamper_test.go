package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// evidence builds a database with six leaves: decisions 0, 1, 3 and 5, observations 2 and 4,
// and checkpoints at 3 and 6. It returns the bytes of its file.
func evidence(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "evidence.db")
	s := openSQLite(t, Options{URL: "sqlite:" + path, Now: newClock().Now})
	n := s.Tenant(acme)
	for i, step := range "ddsdsd" {
		if step == 'd' {
			decide(t, s, acme, i+1, fmt.Sprint("h", i), "pass", 0, func(r *Record) { r.Note = "note" })
		} else if must(n.SealObservations(t.Context())) == 0 {
			t.Fatal("nothing to seal")
		}
		if i == 2 || i == 5 {
			_, _, err := n.Checkpoint(t.Context())
			ok(t, err)
		}
	}
	verifyLog(t, s)
	ok(t, s.Close())
	b, err := os.ReadFile(path)
	ok(t, err)
	return b
}

// tamper opens a copy of the evidence, changes it behind the store's back and checks it.
func tamper(t *testing.T, file []byte, change func(*sql.DB)) LedgerReport {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	ok(t, os.WriteFile(path, file, 0o600))
	db, err := sql.Open("sqlite", "file:"+path)
	ok(t, err)
	change(db)
	ok(t, db.Close())
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	defer s.Close()
	report, err := s.Tenant(acme).CheckLedger(t.Context(), nil)
	ok(t, err)
	return report
}

// Every column of every table of evidence is changed in one row, and the row is removed: the
// check names the leaf.
func TestCheckLedgerNamesWhatWasChanged(t *testing.T) {
	file := evidence(t)
	if r := tamper(t, file, func(*sql.DB) {}); r.FirstBad != nil || r.Size != 6 || r.Checkpoints != 2 ||
		r.Kinds[LeafDecision] != 4 || r.Kinds[LeafObservations] != 2 {
		t.Fatalf("untouched: got %+v", r)
	}
	last := ledger.Positions(5)
	for _, c := range []struct {
		table, where string
		index        int64 // of the leaf that is named when a column is changed
		removed      int64 // and when the row is removed
	}{
		{"decisions", "leaf_index = 3", 3, 3},
		{"decisions", "leaf_index = 0", 0, 0},
		{"blobs", "sha256 = (SELECT facts_sha256 FROM decisions WHERE leaf_index = 3)", 3, 3},
		{"blobs", "sha256 = (SELECT policy_sha256 FROM decisions WHERE leaf_index = 3)", 0, 0},
		{"observations", "seq = 2", 2, 2},
		{"observations", "seq = 3", 4, 4},
		{"log_leaves", "leaf_index = 2", 2, 2},
		{"log_leaves", "leaf_index = 5", 5, 5},
		{"log_hashes", "position = 1", 1, 1},
		{"log_hashes", fmt.Sprint("position = ", last), 5, 5},
		{"log_heads", "org_id = 1001", -1, 0}, // -1: whichever contradicts it first
		{"checkpoints", "size = 3", 2, -2},    // -2: a checkpoint that is gone is not missed
	} {
		for _, column := range columns(t, file, c.table) {
			what := c.table + "." + column + " where " + c.where
			changed := false
			r := tamper(t, file, func(db *sql.DB) { changed = flip(db, c.table, column, c.where) })
			switch {
			case !changed:
				t.Errorf("%s: the database does not let it be changed", what)
			case r.FirstBad == nil:
				t.Errorf("%s: not noticed", what)
			case c.index >= 0 && r.FirstBad.Index != c.index && !moved(column):
				t.Errorf("%s: named leaf %d (%s), want %d", what, r.FirstBad.Index, r.FirstBad.What, c.index)
			}
		}
		r := tamper(t, file, func(db *sql.DB) { exec(t, db, "DELETE FROM "+c.table+" WHERE "+c.where) })
		switch {
		case c.removed == -2 && r.FirstBad == nil:
		case r.FirstBad == nil || r.FirstBad.Index != c.removed:
			t.Errorf("%s where %s removed: got %+v, want leaf %d", c.table, c.where, r.FirstBad, c.removed)
		}
	}
}

// moved says whether changing the column gives the row to another leaf or organisation, whose
// name may come first.
func moved(column string) bool { return column == "org_id" || column == "size" }

// columns are those that are evidence. When a checkpoint was stored is not: what counts is
// what it says. And one that was given to another organisation is one that is gone.
func columns(t *testing.T, file []byte, table string) (out []string) {
	t.Helper()
	tamper(t, file, func(db *sql.DB) {
		rows, err := db.Query(`SELECT name FROM pragma_table_info(?)`, table)
		ok(t, err)
		defer rows.Close()
		for rows.Next() {
			var name string
			ok(t, rows.Scan(&name))
			if at := table + "." + name; at != "checkpoints.signed_at" && at != "checkpoints.org_id" {
				out = append(out, name)
			}
		}
	})
	return out
}

// flip changes a value a little, in the way that its column lets it.
func flip(db *sql.DB, table, column, where string) bool {
	var v any
	if err := db.QueryRow(`SELECT ` + column + ` FROM ` + table + ` WHERE ` + where).Scan(&v); err != nil {
		panic(err)
	}
	var tries []any
	switch v := v.(type) {
	case int64:
		tries = []any{v + 1000, 1 - v}
	case string:
		tries = []any{v + "x", strings.Repeat("0", len(v)), "x", "no", "closed", "delivery"} // the last for columns of few values
	case []byte:
		b := append([]byte(nil), v...)
		b[len(b)/2] ^= 1
		tries = []any{b}
	}
	for _, x := range tries {
		if _, err := db.Exec(`UPDATE `+table+` SET `+column+` = ? WHERE `+where, x); err == nil {
			return true
		}
	}
	return false
}

// Changes that keep everything consistent but for one thing.
func TestCheckLedgerNamesCleverChanges(t *testing.T) {
	file := evidence(t)
	for _, c := range []struct {
		name   string
		change []string
		index  int64
		says   string
	}{
		{"decision with its digest", []string{`UPDATE decisions SET decision = CAST('{}' AS BLOB), decision_sha256 = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' WHERE leaf_index = 3`}, 3, "row"},
		{"body and salt removed", []string{`UPDATE log_leaves SET salt = NULL, body = NULL WHERE leaf_index = 3`}, 3, "body is missing"},
		{"kind hidden", []string{`UPDATE log_leaves SET kind = '' WHERE leaf_index = 2`}, 2, "its row says"},
		{"leaves exchanged", []string{`UPDATE log_leaves SET leaf_index = 100 WHERE leaf_index = 1`, `UPDATE log_leaves SET leaf_index = 1 WHERE leaf_index = 3`,
			`UPDATE log_leaves SET leaf_index = 3 WHERE leaf_index = 100`}, 1, "says that it is leaf 3"},
		{"decision without a leaf", []string{`INSERT INTO decisions SELECT org_id, 'another', 100, repo_id, repository, number, head_sha, base_ref, check_name, verdict, severity,
			final, facts_sha256, policy_sha256, catalogue_sha256, decision, decision_sha256, note, recorded_at FROM decisions WHERE leaf_index = 3`}, 6, "5 decisions"},
		{"leaf too many", []string{`INSERT INTO log_leaves SELECT org_id, 6, leaf, salt, body, kind FROM log_leaves WHERE leaf_index = 5`}, 6, "7 leaves"},
		{"hash too many", []string{`INSERT INTO log_hashes SELECT org_id, 100, hash FROM log_hashes WHERE position = 0`}, 6, "hashes"},
		{"observations said to be in no leaf", []string{`UPDATE orgs SET sealed = 0`}, 6, "observations"},
		{"blob of another content", []string{`UPDATE blobs SET gzip = (SELECT gzip FROM blobs b WHERE b.sha256 = (SELECT facts_sha256 FROM decisions WHERE leaf_index = 3)),
			size = (SELECT size FROM blobs b WHERE b.sha256 = (SELECT facts_sha256 FROM decisions WHERE leaf_index = 3))
			WHERE sha256 = (SELECT facts_sha256 FROM decisions WHERE leaf_index = 0)`}, 0, "facts"},
		{"cosignature of nobody", []string{`INSERT INTO cosignatures VALUES (1001, 'w.example/w+c22ad15a+BIeEYWyIflHbOa35hZiaSoi/2m58VssbPCFlbK7TQNhp', 3, CAST('x' AS BLOB), 0)`}, 2, "cosignature of w.example"},
		{"no head", []string{`DELETE FROM log_heads`}, 0, "head of the log is missing"},
	} {
		r := tamper(t, file, func(db *sql.DB) {
			for _, q := range c.change {
				exec(t, db, q)
			}
		})
		if r.FirstBad == nil || r.FirstBad.Index != c.index || !strings.Contains(r.FirstBad.What, c.says) {
			t.Errorf("%s: got %+v, want leaf %d and %q", c.name, r.FirstBad, c.index, c.says)
		}
	}
}
