package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/store/pgtest"
)

// postgres is the PostgreSQL of these tests.
var postgres pgtest.Cluster

// databaseOf is where the world of a test has its database: on PostgreSQL if its name begins with
// TestOnPostgres or BenchmarkOnPostgres, else in its folder.
func databaseOf(t testing.TB) string {
	t.Helper()
	if strings.HasPrefix(t.Name(), "TestOnPostgres") || strings.HasPrefix(t.Name(), "BenchmarkOnPostgres") {
		return postgres.Database(t)
	}
	return ""
}

// Whatever a server on SQLite does, it does on PostgreSQL: a choice of the tests that go through most
// of the store.
func TestOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"story":                   TestStory,
		"burst":                   TestBurstIsCoalesced,
		"ambiguous write":         TestAmbiguousWriteIsReadBack,
		"duplicates, reordering":  TestDuplicatesAndReordering,
		"hostile text":            TestHostileText,
		"merge queue":             TestMergeQueue,
		"merged without decision": TestWhatWasNotDecidedIsAnException,
		"signing key is rotated":  TestSigningKeyIsRotated,
		"exports are on record":   TestExportsAreOnRecord,
	} {
		t.Run(name, test)
	}
}

// What help and errors show of a database has no password in it.
func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"postgres://somebody:hunter2@127.0.0.1:1/db", "postgres://somebody:hunter2@host:port/db", "mysql://somebody:hunter2@host/db"} {
		for _, args := range [][]string{{"ledger", "check", "--help"}, {"ledger", "check", "--key", "missing.key"}, {"exceptions", "list"}, {"serve"}} {
			var out bytes.Buffer
			getenv := func(name string) string {
				return map[string]string{"COUNTERSIGN_DATABASE_URL": u, "COUNTERSIGN_PUBLIC_URL": "http://localhost", "GITHUB_APP_INTEGRATION_ID": "1",
					"GITHUB_APP_WEBHOOK_SECRET": "a secret that is long enough", "GITHUB_APP_PRIVATE_KEY": "x"}[name]
			}
			err := run(t.Context(), args, getenv, nil, &out, &out)
			if err == nil && args[len(args)-1] != "--help" {
				t.Errorf("%s %v: it went well", u, args)
			}
			if said := fmt.Sprint(out.String(), err); strings.Contains(said, "hunter2") {
				t.Errorf("%s %v: shows the password:\n%s", u, args, said)
			}
		}
	}
}
