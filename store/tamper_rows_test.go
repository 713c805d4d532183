package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/policy"
)

// rowsOfLeaves builds a database with one row of every kind that says again what a leaf says:
// decision 0, protection 1, exception 2 and 3, attestation 4, update 5, earlier update 6. It returns its file.
func rowsOfLeaves(t *testing.T) []byte {
	t.Helper()
	at := newClock()
	path := filepath.Join(t.TempDir(), "rows.db")
	s := openSQLite(t, Options{URL: "sqlite:" + path, Now: at.Now})
	n := s.Tenant(acme)
	decide(t, s, acme, 1, "h1", "pass", 0, func(r *Record) {
		r.Protection = &ProtectionSeen{Ref: "main", Settings: []byte(`{"a":1}`), Holds: "yes", At: at.Now()}
	})
	e, _, err := n.OpenException(t.Context(), directPush(), 7)
	ok(t, err)
	ok(t, n.StepException(t.Context(), e.ID, func(e *Exception) bool {
		e.Issue, e.Step, e.By, e.DueAt = 9, "told", "countersign", at.Now()
		return true
	}))
	_, err = n.Attest(t.Context(), []Attestation{{RulesetID: 3, UpdatedAt: at.Now(), ByID: 4, ByLogin: "owner", Repository: "acme/app", RepositoryID: repo}})
	ok(t, err)
	ok(t, s.Mark(t.Context(), []Mark{{Kind: KindBranch, OrgID: acme, RepoID: repo, Repository: "acme/app", Ref: "main"}}))
	job := claim(t, s, acme, KindBranch, fmt.Sprintf("%d/main", repo))
	f := policy.UpdateFacts{RepositoryID: repo, Ref: "main", ID: 12, Type: "push", Before: "h0", After: "h1", At: at.Now(), Actor: policy.Actor{ID: 6, Login: "dave"}}
	body, err := json.Marshal(map[string]any{"update": f, "findings": []string{"one"}})
	ok(t, err)
	ok(t, n.RecordUpdate(t.Context(), job, Branch{RepoID: repo, Repository: "acme/app", Ref: "main", Mode: "audit", ActivityID: 12, Tip: "h1", Since: at.Now()},
		Update{ActivityID: 12, Before: "h0", After: "h1", Type: "push", ActorID: 6, Actor: "dave", At: at.Now(), Findings: 1, Body: body}, nil))
	history(t, s, n)
	_, err = n.RecordBackfilled(t.Context(), claim(t, s, acme, KindBackfill, KindBackfill), must(n.NextBackfill(t.Context())), []policy.UpdateFacts{earlier(11)})
	ok(t, err)
	verifyLog(t, s)
	ok(t, s.Close())
	b, err := os.ReadFile(path)
	ok(t, err)
	return b
}

// Every column of a row that says again what a leaf says is held to the leaf, and the row may not
// be gone.
func TestCheckLedgerComparesRowsWithTheirLeaves(t *testing.T) {
	file := rowsOfLeaves(t)
	if r := tamper(t, file, func(*sql.DB) {}); r.FirstBad != nil || r.Size != 7 {
		t.Fatalf("untouched: got %+v", r)
	}
	// What the program works with and no leaf says.
	working := []string{"org_id", "void_at", "held", "drifted", "delivery_id"}
	for _, c := range []struct {
		table, kind string
		leaf        int64
	}{
		{"protection_snapshots", LeafProtection, 1}, {"exceptions", LeafException, 3}, {"exception_steps", LeafException, 2},
		{"attestations", LeafAttestation, 4}, {"branch_updates", LeafMerge, 5}, {"backfilled_updates", LeafBackfilled, 6},
	} {
		where := fmt.Sprint("leaf_index = ", c.leaf)
		named := func(r LedgerReport) bool {
			return r.FirstBad != nil && r.FirstBad.Index == c.leaf && r.FirstBad.Kind == c.kind && strings.Contains(r.FirstBad.What, "row of the")
		}
		for _, column := range columns(t, file, c.table) {
			if slices.Contains(working, column) {
				continue
			}
			changed := false
			r := tamper(t, file, func(db *sql.DB) { changed = flip(db, c.table, column, where) })
			if !changed {
				t.Errorf("%s.%s: the database does not let it be changed", c.table, column)
			} else if r.FirstBad == nil || column != "leaf_index" && !named(r) {
				t.Errorf("%s.%s: got %+v, want leaf %d", c.table, column, r.FirstBad, c.leaf)
			}
		}
		if r := tamper(t, file, func(db *sql.DB) { exec(t, db, "DELETE FROM "+c.table+" WHERE "+where) }); !named(r) {
			t.Errorf("%s removed: got %+v, want leaf %d", c.table, r.FirstBad, c.leaf)
		}
	}
	back := tamper(t, file, func(db *sql.DB) {
		exec(t, db, `UPDATE exceptions SET leaf_index = 2, issue = 0, due_at = 0, body = (SELECT body FROM log_leaves WHERE leaf_index = 2)`)
	})
	if back.FirstBad == nil || back.FirstBad.Index != 3 || !strings.Contains(back.FirstBad.What, "newest") {
		t.Errorf("an exception as it was a step ago: got %+v", back.FirstBad)
	}
}

// A row that stays when the body of its leaf is disposed of is one of such a leaf, says no more than
// it may, and is the only one.
func TestRowsOfWhatWasDisposedOf(t *testing.T) {
	at := newClock()
	at.advance(400 * day)
	path := filepath.Join(t.TempDir(), "rows.db")
	ok(t, os.WriteFile(path, rowsOfLeaves(t), 0o600))
	s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: testKey(t), Origin: "log.example", Now: at.Now}))
	n := s.Tenant(acme)
	open := must(n.Exceptions(t.Context(), ExceptionFilter{}))
	ok(t, n.StepException(t.Context(), open[0].ID, func(e *Exception) bool {
		e.State, e.Step, e.By = ExceptionClosed, "closed", "bob"
		return true
	}))
	at.advance(400 * day)
	run := n.newPurge(retention(s, 365*day, 0, 0))
	run.certificate.Before = s.now()
	ok(t, run.workOut(t.Context()))
	ok(t, run.records(t.Context(), []int64{1, 2, 4, 5, 6})) // and then it is stopped: the newest step is there still
	if got := missing(t, s); !slices.Equal(got, []string{"exception 2", "merge 5", "backfilled 6"}) {
		t.Fatalf("disposed of %v", got)
	}
	verifyLog(t, s)
	ok(t, s.Close())
	file, err := os.ReadFile(path)
	ok(t, err)
	const another = `INSERT INTO branch_updates SELECT org_id, repo_id, 13, ref, before_sha, after_sha, type, actor_id, actor, at, source, seq, delivery_id, received_at, findings, %d FROM branch_updates`
	for name, change := range map[string]string{
		"who did it":                      `UPDATE branch_updates SET actor = 'dave'`,
		"another row of the leaf":         fmt.Sprintf(another, 5),
		"a row of no leaf":                fmt.Sprintf(another, 9999),
		"a row of a leaf of another kind": `UPDATE branch_updates SET leaf_index = 2`,
		"a step of such a leaf":           `INSERT INTO exception_steps SELECT org_id, id, 5 FROM exceptions`,
		"an exception of such a leaf":     `UPDATE exceptions SET leaf_index = 2`,
		"an attestation of such a leaf":   `UPDATE attestations SET leaf_index = 5`,
	} {
		if r := tamper(t, file, func(db *sql.DB) { exec(t, db, change) }); r.FirstBad == nil || !strings.Contains(r.FirstBad.What, "row of the") {
			t.Errorf("%s: got %+v", name, r.FirstBad)
		}
	}
	if r := tamper(t, file, func(*sql.DB) {}); r.FirstBad != nil {
		t.Errorf("untouched: %+v", r.FirstBad)
	}
}
