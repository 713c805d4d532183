package store

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
)

// keyOf is always the same key for the same seed, all of one name.
func keyOf(t testing.TB, seed byte) *ledger.Key {
	t.Helper()
	secret, _, err := ledger.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), "log.example")
	ok(t, err)
	return must(ledger.ParseKey(secret))
}

// rotated builds a database whose log was signed by the keys of the seeds, one after another, each
// at two sizes. It returns its file.
func rotated(t *testing.T, seeds ...byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rotated.db")
	for i, seed := range seeds {
		s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: keyOf(t, seed), Origin: "log.example", Now: newClock().Now}))
		var old *ledger.Key
		if i > 0 {
			old = keyOf(t, seeds[i-1])
		}
		if got, err := s.Tenant(acme).ContinueLog(t.Context(), old); err != nil || got != (i > 0) {
			t.Fatalf("key %d: handed over %v, %v", i, got, err)
		}
		for j := range 2 {
			decide(t, s, acme, i+1, string(rune('a'+j)), "pass", 0)
			_, _, err := s.Tenant(acme).Checkpoint(t.Context())
			ok(t, err)
		}
		if got, err := s.Tenant(acme).ContinueLog(t.Context(), old); err != nil || got {
			t.Errorf("key %d, again: handed over %v, %v", i, got, err)
		}
		verifyLog(t, s)
		ok(t, s.Close())
	}
	return must(os.ReadFile(path))
}

// checkBy checks a copy of a file by one key, after a change.
func checkBy(t *testing.T, file []byte, by note.Verifier, change ...string) LedgerReport {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	ok(t, os.WriteFile(path, file, 0o600))
	db, err := sql.Open("sqlite", "file:"+path)
	ok(t, err)
	for _, q := range change {
		exec(t, db, q)
	}
	ok(t, db.Close())
	s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Verifiers: []note.Verifier{by}}))
	defer s.Close()
	return must(s.Tenant(acme).CheckLedger(t.Context(), nil))
}

// Whoever knows one of the keys that a log had can check all of it, and nobody else.
func TestALogThatWasHandedOver(t *testing.T) {
	file := rotated(t, 1, 2, 3)
	for _, seed := range []byte{1, 2, 3} {
		if r := checkBy(t, file, keyOf(t, seed).Verifier()); r.FirstBad != nil || r.Checkpoints != 6 || r.Kinds[LeafKeyRotation] != 2 || r.Size != 8 {
			t.Errorf("by key %d: got %+v", seed, r)
		}
	}
	if r := checkBy(t, file, keyOf(t, 4).Verifier()); r.FirstBad == nil || !strings.Contains(r.FirstBad.What, "none of the keys") {
		t.Errorf("by a key that the log never had: got %+v", r)
	}
	for what, q := range map[string]string{
		"a handover is not on record": `DELETE FROM log_terms WHERE leaf_index > 2`,
		"no term is on record":        `DELETE FROM log_terms`,
		"the first is missing":        `DELETE FROM log_terms WHERE leaf_index < 0`,
		"another key":                 `UPDATE log_terms SET public = (SELECT public FROM log_terms WHERE leaf_index = -1) WHERE leaf_index = 2`,
		"another name":                `UPDATE log_terms SET origin = 'log.example/8' WHERE leaf_index = 2`,
		"a term too many":             `INSERT INTO log_terms SELECT org_id, 6, origin, public FROM log_terms WHERE leaf_index = -1`,
		"another leaf":                `UPDATE log_terms SET leaf_index = 3 WHERE leaf_index = 2`,
	} {
		if r := checkBy(t, file, keyOf(t, 1).Verifier(), q); r.FirstBad == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
}

// A log is not believed because the database says which key signs it.
func TestAKeyOnRecordIsNotBelieved(t *testing.T) {
	forged := rotated(t, 4)
	q := `INSERT INTO log_terms VALUES (1001, -1, 'log.example/1001', '` + keyOf(t, 4).Public() + `')`
	if r := checkBy(t, forged, keyOf(t, 1).Verifier(), q); r.FirstBad == nil {
		t.Error("a log of another key holds")
	}
	other := strings.Replace(q, keyOf(t, 4).Public(), keyOf(t, 5).Public(), 1)
	if r := checkBy(t, forged, keyOf(t, 4).Verifier(), other); r.FirstBad == nil {
		t.Error("a key that signed nothing is on record, and the log holds")
	}
	if r := checkBy(t, forged, keyOf(t, 4).Verifier(), q); r.FirstBad != nil {
		t.Errorf("by its own key: got %+v", r.FirstBad)
	}
}

func TestWhoContinuesALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	ok(t, os.WriteFile(path, rotated(t, 1, 2), 0o600))
	open := func(seed byte) Tenant {
		s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: keyOf(t, seed), Origin: "log.example"}))
		t.Cleanup(func() { s.Close() })
		return s.Tenant(acme)
	}
	for what, c := range map[string]struct {
		key byte
		old *ledger.Key
	}{
		"a new key alone": {3, nil}, "the key before": {1, nil}, "from the key before": {3, keyOf(t, 1)}, "from a stranger": {3, keyOf(t, 4)}, "back, from itself": {1, keyOf(t, 1)},
	} {
		n := open(c.key)
		if _, err := n.ContinueLog(t.Context(), c.old); !errors.Is(err, ErrOtherKey) {
			t.Errorf("%s: got %v, want ErrOtherKey", what, err)
		}
		if _, _, err := n.Checkpoint(t.Context()); !errors.Is(err, ErrOtherKey) {
			t.Errorf("%s signs: got %v, want ErrOtherKey", what, err)
		}
	}
	// It is handed over twice, and the key in between signed nothing.
	ok(t, os.WriteFile(path+".twice", rotated(t, 1, 2), 0o600))
	for _, seed := range []byte{3, 4} {
		s := must(Open(t.Context(), Options{URL: "sqlite:" + path + ".twice", Signer: keyOf(t, seed)}))
		if got, err := s.Tenant(acme).ContinueLog(t.Context(), keyOf(t, seed-1)); err != nil || !got {
			t.Errorf("to key %d: got %v, %v", seed, got, err)
		}
		verifyLog(t, s)
		ok(t, s.Close())
	}
	n := open(2)
	if keys := must(n.LogKeys(t.Context())); len(keys) != 2 || keys[0] != (LogKey{0, "log.example/1001", keyOf(t, 1).Public()}) || keys[1] != (LogKey{3, "log.example/1001", keyOf(t, 2).Public()}) {
		t.Errorf("got keys %+v", keys)
	}
	// A checkpoint that was changed is no other key: the other logs are served.
	ok(t, os.WriteFile(path+".changed", rotated(t, 1), 0o600))
	exec(t, raw(t, path+".changed"), `UPDATE checkpoints SET signed = CAST(replace(CAST(signed AS TEXT), 'log.example/', 'log.Example/') AS BLOB)`)
	changed := must(Open(t.Context(), Options{URL: "sqlite:" + path + ".changed", Signer: keyOf(t, 1)}))
	if _, err := changed.Tenant(acme).ContinueLog(t.Context(), nil); !errors.Is(err, ErrFork) || errors.Is(err, ErrOtherKey) {
		t.Errorf("a changed checkpoint: got %v, want ErrFork", err)
	}
	ok(t, changed.Close())
	// A log that does not extend what was signed of it is not handed over.
	exec(t, raw(t, path), `UPDATE log_heads SET root = zeroblob(32)`)
	if got, err := open(3).ContinueLog(t.Context(), keyOf(t, 2)); got || !errors.Is(err, ErrFork) {
		t.Errorf("a fork: got %v, %v, want ErrFork", got, err)
	}
}
