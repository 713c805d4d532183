package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Migrations that a database may have gone through are never changed, since it does not go through them
// again: what is to be different is a migration of its own. Their digests are on a list that grows.
func TestMigrationsAreNotChanged(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("migrations", "*", "*.sql"))
	ok(t, err)
	var list bytes.Buffer
	for _, name := range files {
		text, err := os.ReadFile(name)
		ok(t, err)
		fmt.Fprintf(&list, "%s %s\n", hexSHA256(text), filepath.ToSlash(name))
	}
	golden(t, "migrations.golden", list.Bytes())
}

// What lists had of changes, and what was counted of writes, is there under their other keys.
func TestKeysOfListsAndWritesAreChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := raw(t, path)
	p := must(sqliteMigrations.provider(db))
	must(p.UpTo(t.Context(), 28))
	exec(t, db, `INSERT INTO listed_changes (org_id, repo_id, number, record_id, leaf_index, decided_at, repository, governing_ref, title, author, class, mode, verdict, said)
VALUES (1, 7, 2, 'r', 4, 0, 'acme/app', 'main', '', '', 'agent', 'enforce', 'pass', '')`)
	exec(t, db, `INSERT INTO listed_marks (org_id, mark, leaf_index, repo_id, number) VALUES (1, 'class:agent', 4, 7, 2)`)
	exec(t, db, `INSERT INTO github_writes (installation_id, at) VALUES (5, 30), (5, 20), (6, 25)`)
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	read := func(query string) string {
		var out []string
		ok(t, s.query(t.Context(), query, nil, func(scan func(...any) error) error {
			var row string
			err := scan(&row)
			out = append(out, row)
			return err
		}))
		return strings.Join(out, ", ")
	}
	if got := read(`SELECT installation_id || ' ' || n || ' ' || at FROM github_writes ORDER BY installation_id, n`); got != "5 1 20, 5 2 30, 6 1 25" {
		t.Errorf("writes: %s", got)
	}
	if got := read(`SELECT mark || ' ' || leaf_index || ' ' || repo_id || ' ' || number FROM listed_marks`); got != "class:agent 4 7 2" {
		t.Errorf("marks: %s", got)
	}
}
