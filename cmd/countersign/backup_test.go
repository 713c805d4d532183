package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/store"
)

// A backup is made while the server decides, is tried, which the log says, and is restored.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.wantCheck(t, w.untested("before the backup"), "in_progress")
	folder := t.TempDir()
	file := filepath.Join(folder, "backup.db")
	mustDo(t, os.WriteFile(file+".partial", []byte("left by one that was stopped"), 0o600))
	busy := w.untested("while it is made")
	out, err := w.command(t, "backup", "--to", file)
	if err != nil {
		t.Fatal(out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info, err)
	}
	w.wantCheck(t, busy, "in_progress")
	if out, err = w.command(t, "backup", "--to", file); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("over another backup: %v\n%s", err, out)
	}

	out, err = w.command(t, "restore", "--from", file, "--verify")
	if err != nil || !strings.Contains(out, "every log in it holds") || !strings.Contains(out, "on record") {
		t.Fatalf("tried: %v\n%s", err, out)
	}
	if out, err = w.command(t, "restore", "--list"); err != nil || strings.Count(out, ": tried in ") != 1 {
		t.Errorf("the list: %v\n%s", err, out)
	}
	w.wantCheck(t, w.untested("after the rehearsal"), "in_progress")
	if out, err = w.command(t, "ledger", "check"); err != nil || !strings.Contains(out, "1 recovery") {
		t.Errorf("the log: %v\n%s", err, out)
	}

	// An organisation of which nothing was recorded yet has no log, and gets none.
	db, err := sql.Open("sqlite", "file:"+file)
	mustDo(t, err)
	_, err = db.Exec(`INSERT INTO orgs (org_id, login, observed, sealed, first_seen) VALUES (99, 'unborn', 0, 0, 0)`)
	mustDo(t, err)
	mustDo(t, db.Close())
	restored := "sqlite:" + filepath.Join(folder, "restored.db")
	out, err = w.command(t, "restore", "--from", file, "--database", restored)
	if err != nil || !strings.Contains(out, "Before you start the server") {
		t.Fatalf("restored: %v\n%s", err, out)
	}
	if out, err = w.command(t, "restore", "--list", "--database", restored); err != nil || strings.Count(out, ": restored in ") != 1 || strings.Contains(out, "tried") {
		t.Errorf("the list of what was restored: %v\n%s", err, out)
	}
	if out, err = w.command(t, "ledger", "check", "--database", restored); err != nil || !strings.Contains(out, "unborn: ok, 0 leaves") {
		t.Errorf("the restored logs: %v\n%s", err, out)
	}
	if out, err = w.command(t, "restore", "--from", file, "--database", restored); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("over a database: %v\n%s", err, out)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("there are %v, %v, want the backup and the database", left, err)
	}
}

// A backup whose log does not hold is not restored.
func TestABrokenBackupIsNotRestored(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.wantCheck(t, w.untested("broken backup"), "in_progress")
	folder := t.TempDir()
	file, restored := filepath.Join(folder, "backup.db"), filepath.Join(folder, "restored.db")
	if out, err := w.command(t, "backup", "--to", file); err != nil {
		t.Fatal(out)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	mustDo(t, err)
	_, err = db.Exec(`UPDATE log_leaves SET body = CAST(body || 'x' AS BLOB) WHERE leaf_index = 0`)
	mustDo(t, err)
	mustDo(t, db.Close())
	for _, args := range [][]string{{"--verify"}, {"--database", "sqlite:" + restored}} {
		out, err := w.command(t, append([]string{"restore", "--from", file}, args...)...)
		if err == nil || !strings.Contains(out, "BROKEN at leaf 0") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v, want the backup alone", left, err)
	}
	if out, err := w.command(t, "restore", "--list"); err != nil || !strings.Contains(out, "No backup was restored or tried") {
		t.Errorf("the list: %v\n%s", err, out)
	}
	if _, err := store.MakeBackup(t.Context(), "sqlite:"+filepath.Join(folder, "nowhere.db"), filepath.Join(folder, "b.db")); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a backup of nothing: %v", err)
	}
}
