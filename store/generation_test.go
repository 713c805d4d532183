package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
)

// restored is a database of which an old copy was restored: at is its file, and last the newest
// checkpoint that was signed after the copy was made.
func restored(t *testing.T, at *clock) (path string, last []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "test.db")
	var copied []byte
	for i := range 2 {
		s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: testKey(t), Origin: "log.example", Now: at.Now}))
		for j := range 3 {
			decide(t, s, acme, 1, fmt.Sprint("h", i, j), "pass", 0)
			last, _, _ = s.Tenant(acme).Checkpoint(t.Context())
		}
		ok(t, s.Close())
		if i == 0 {
			copied = must(os.ReadFile(path))
		}
	}
	ok(t, os.WriteFile(path, copied, 0o600))
	return path, last
}

const someWitness = "w.example/w+c22ad15a+BIeEYWyIflHbOa35hZiaSoi/2m58VssbPCFlbK7TQNhp"

func TestNothingIsSignedThatAWitnessContradicts(t *testing.T) {
	path, _ := restored(t, newClock())
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	n := s.Tenant(acme)
	// What a witness says of a log that it does not know to the end is no contradiction.
	for _, size := range []int64{0, 2, 3} {
		if got, err := n.Contradict(t.Context(), someWitness, 3, size, false); err != nil || got {
			t.Errorf("of %d leaves: got %v, %v", size, got, err)
		}
	}
	_, _, err := n.Checkpoint(t.Context())
	ok(t, err)
	// In this order: the log grows past what the first witness knows.
	for _, c := range []struct {
		what  string
		size  int64
		other bool
	}{{"a longer log", 6, false}, {"another root", 2, true}} {
		what := c.what
		if got, err := n.Contradict(t.Context(), someWitness, 3, c.size, c.other); err != nil || !got {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
		for range 5 { // also when it has grown past what the witness knows
			decide(t, s, acme, 1, what, "pass", 0)
			if _, _, err := n.Checkpoint(t.Context()); !errors.Is(err, ErrFork) {
				t.Errorf("%s: got %v, want ErrFork", what, err)
			}
		}
		ok(t, s.ForgetOtherWitnesses(t.Context(), []string{someWitness}))
		if _, _, err := n.Checkpoint(t.Context()); !errors.Is(err, ErrFork) {
			t.Errorf("%s, from a witness that is asked still: got %v, want ErrFork", what, err)
		}
		ok(t, s.ForgetOtherWitnesses(t.Context(), nil))
		_, _, err := n.Checkpoint(t.Context())
		ok(t, err)
	}
	verifyLog(t, s)
}

func TestAGenerationBegins(t *testing.T) {
	at := newClock()
	path, last := restored(t, at)
	s := openSQLite(t, Options{URL: "sqlite:" + path, Now: at.Now})
	n := s.Tenant(acme)
	_, err := n.Contradict(t.Context(), someWitness, 3, 6, false)
	ok(t, err)
	copied := at.Now()
	at.advance(time.Hour)
	g, err := n.BeginGeneration(t.Context(), last)
	ok(t, err)
	if want := (Generation{3, "log.example/1001/2", 6, 3, copied, at.Now()}); g != want {
		t.Errorf("got %+v, want %+v", g, want)
	}
	if got, err := n.Contradict(t.Context(), someWitness, 3, 6, false); err != nil || got {
		t.Errorf("what a witness knows of the name before contradicts the new one: %v, %v", got, err)
	}
	signed, size, err := n.Checkpoint(t.Context())
	ok(t, err)
	if _, err := ledger.ParseCheckpoint(signed, "log.example/1001/2", testKey(t).Verifier()); err != nil || size != 4 {
		t.Errorf("%d leaves: %v\n%s", size, err, signed)
	}
	decide(t, s, acme, 1, "h4", "pass", 0)
	next, _, err := n.Checkpoint(t.Context())
	ok(t, err)
	report := must(n.CheckLedger(t.Context(), nil))
	if report.FirstBad != nil || report.Checkpoints != 5 || len(report.Generations) != 1 || report.Generations[0] != g {
		t.Errorf("got %+v", report)
	}
	if keys := must(n.LogKeys(t.Context())); len(keys) != 2 || keys[1] != (LogKey{4, "log.example/1001/2", testKey(t).Public()}) {
		t.Errorf("got keys %+v", keys)
	}
	for what, known := range map[string][]byte{"of the old name": last, "that it extends": next, "of nobody": []byte("x\n")} {
		if _, err := n.BeginGeneration(t.Context(), known); !errors.Is(err, ErrInvalid) {
			t.Errorf("by a checkpoint %s: got %v, want ErrInvalid", what, err)
		}
	}
	verifyLog(t, s)
}

// Decisions go on being recorded in a copy that is not signed on. What is lost is from before these.
func TestWhatIsLostBeginsWithTheCopy(t *testing.T) {
	at := newClock()
	path, last := restored(t, at)
	s := openSQLite(t, Options{URL: "sqlite:" + path, Now: at.Now})
	copied := at.Now()
	at.advance(time.Hour)
	decide(t, s, acme, 1, "in the copy", "pass", 0)
	g, err := s.Tenant(acme).BeginGeneration(t.Context(), last)
	ok(t, err)
	if !g.LostFrom.Equal(copied) || g.Size != 4 {
		t.Errorf("got %+v, want what was recorded from %v on", g, copied)
	}
	verifyLog(t, s)
}

// It goes on under a third name after another copy, and to another key.
func TestGenerationsAndKeys(t *testing.T) {
	at := newClock()
	path, last := restored(t, at)
	s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: testKey(t), Now: at.Now}))
	_, err := s.Tenant(acme).BeginGeneration(t.Context(), last)
	ok(t, err)
	_, _, err = s.Tenant(acme).Checkpoint(t.Context())
	ok(t, err)
	ok(t, s.Close())
	file := must(os.ReadFile(path))
	key := keyOf(t, 7)
	grow := func(from *ledger.Key, generation []byte) (signed []byte) {
		s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: key, Now: at.Now}))
		n := s.Tenant(acme)
		_, err := n.ContinueLog(t.Context(), from)
		ok(t, err)
		if generation != nil {
			g, err := n.BeginGeneration(t.Context(), generation)
			if err != nil || g.Origin != "log.example/1001/3" {
				t.Fatalf("got %+v, %v", g, err)
			}
		} else {
			decide(t, s, acme, 1, "h7", "pass", 0)
			decide(t, s, acme, 1, "h8", "pass", 0)
		}
		signed, _, err = n.Checkpoint(t.Context())
		ok(t, err)
		verifyLog(t, s)
		ok(t, s.Close())
		return signed
	}
	signed := grow(testKey(t), nil)
	ok(t, os.WriteFile(path, file, 0o600))
	grow(testKey(t), signed)
	file = must(os.ReadFile(path))
	for _, by := range []*ledger.Key{testKey(t), key} {
		if r := checkBy(t, file, by.Verifier()); r.FirstBad != nil || len(r.Generations) != 2 {
			t.Errorf("got %+v", r)
		}
	}
	for what, q := range map[string]string{
		"another name":      `UPDATE log_terms SET origin = 'log.example/1001/9' WHERE leaf_index = 3`,
		"a generation gone": `DELETE FROM log_terms WHERE leaf_index = 3`,
		"another key":       `UPDATE log_terms SET public = '` + key.Public() + `' WHERE leaf_index = 3`,
	} {
		if r := checkBy(t, file, key.Verifier(), q); r.FirstBad == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
}

// The log was handed over after the copy was restored: the last checkpoint is the old key's.
func TestAGenerationAfterAHandover(t *testing.T) {
	path, last := restored(t, newClock())
	s := must(Open(t.Context(), Options{URL: "sqlite:" + path, Signer: keyOf(t, 7)}))
	defer s.Close()
	n := s.Tenant(acme)
	_, err := n.ContinueLog(t.Context(), testKey(t))
	ok(t, err)
	_, err = n.BeginGeneration(t.Context(), last)
	ok(t, err)
	_, _, err = n.Checkpoint(t.Context())
	ok(t, err)
	verifyLog(t, s)
}

// A database that was changed does not get another name to hide it.
func TestAChangedLogGetsNoGeneration(t *testing.T) {
	path, last := restored(t, newClock())
	s := openSQLite(t, Options{URL: "sqlite:" + path})
	exec(t, raw(t, path), `UPDATE checkpoints SET signed = CAST(replace(CAST(signed AS TEXT), 'log.example', 'log.Example') AS BLOB)`)
	if _, err := s.Tenant(acme).BeginGeneration(context.Background(), last); !errors.Is(err, ErrFork) || strings.Contains(err.Error(), "nothing is lost") {
		t.Errorf("got %v, want ErrFork", err)
	}
}
