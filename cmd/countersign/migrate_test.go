package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// An installation is moved to PostgreSQL, and the server goes on there: the log is the same one, and
// what was wanted still is.
func TestMigrate(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	green := w.greenPull(t, "before")
	waiting := w.copilotPull("in between")
	w.wantCheck(t, waiting, held)
	w.stop()
	orFatal(t, <-w.stopped)
	file, to := w.database(), postgres.Empty(t)
	migrate := func(from, to string) (string, error) {
		var out, errs bytes.Buffer
		err := run(t.Context(), []string{"migrate", "--from", from, "--to", to}, func(string) string { return "" }, nil, &out, &errs)
		return out.String(), err
	}
	for what, c := range map[string][2]string{
		"from nothing": {"sqlite:" + filepath.Join(t.TempDir(), "missing.db"), to}, "the wrong way": {to, file}, "to a file": {file, file},
	} {
		if said, err := migrate(c[0], c[1]); err == nil {
			t.Errorf("%s: it went well: %s", what, said)
		}
	}
	said, err := migrate(file, to)
	if err != nil || !regexp.MustCompile(`(?m)^acme: the log is the same, \d+ leaves, root hash \S{44}$`).MatchString(said) {
		t.Fatalf("got %v\n%s", err, said)
	}
	if _, err := migrate(file, to); err == nil || !strings.Contains(err.Error(), "empty database") {
		t.Errorf("to one that is not empty: got %v", err)
	}
	w.at = to
	w.startAgain(t)
	before := w.decisions(t)
	waiting.Approve(w.bob)
	w.wantCheck(t, waiting, released)
	w.wantCheck(t, green, released)
	if after := w.decisions(t); before < 2 || after <= before {
		t.Errorf("%d decisions before, and %d after", before, after)
	}
}
