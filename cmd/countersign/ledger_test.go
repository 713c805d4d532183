package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// The log is checked with the public key alone, and with no other.
func TestLedgerCheckByPublicKey(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "logged")
	key, err := signingKeyOf(w)
	if err != nil {
		t.Fatal(err)
	}
	check := func(keyText string) (string, error) {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(keyText), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		args := []string{"ledger", "check", "--database", w.database(), "--key", file}
		err := run(context.Background(), args, func(string) string { return "" }, nil, &out, &out)
		return out.String(), err
	}
	if out, err := check(key.Public()); err != nil || !strings.Contains(out, "acme: ok") || !strings.Contains(out, "decision") {
		t.Errorf("by the public key: %v\n%s", err, out)
	}
	_, other, err := ledger.GenerateKey(strings.NewReader(strings.Repeat("x", 64)), "countersign.demo")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := check(other); err == nil {
		t.Errorf("by another key the log holds:\n%s", out)
	}
	if _, err := check("no key"); err == nil || !strings.Contains(err.Error(), "key of the log") {
		t.Errorf("by something else: %v", err)
	}
}

// The organisation, the leaf and its kind are named, and what to do; the others are not held up.
func TestLedgerCheckNamesWhatIsBroken(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "logged")
	file := filepath.Join(w.folder, "countersign.db")
	check := func(more ...string) (string, error) {
		var out bytes.Buffer
		args := append([]string{"ledger", "check", "--database", "sqlite:" + file, "--key", filepath.Join(w.folder, "countersign.key")}, more...)
		err := run(context.Background(), args, func(string) string { return "" }, nil, &out, &out)
		return out.String(), err
	}
	if out, err := check("--org", "Acme"); err != nil || !strings.Contains(out, "acme: ok") {
		t.Errorf("untouched: %v\n%s", err, out)
	}
	if _, err := check("--org", "globex"); err == nil || !strings.Contains(err.Error(), "no organisation globex") {
		t.Errorf("an organisation that is not there: %v", err)
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE decisions SET verdict = 'pass.' WHERE leaf_index = (SELECT MIN(leaf_index) FROM decisions)`); err != nil {
		t.Fatal(err)
	}
	out, err := check()
	if !errors.Is(err, errLedger) {
		t.Errorf("got %v, want %v", err, errLedger)
	}
	for _, want := range []string{"acme: BROKEN at leaf ", "kind decision", "row of decision", "hint: "} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	drawProgress(&out, "acme", 128, 256)
	if want := "\racme [###############...............] 128 of 256"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	drawProgress(&out, "acme", 256, 256)
	if !strings.HasSuffix(out.String(), "\r\033[K") {
		t.Errorf("the bar stays: %q", out.String())
	}
}

func signingKeyOf(w *acme) (*ledger.Key, error) {
	secret, err := os.ReadFile(filepath.Join(w.folder, "countersign.key"))
	if err != nil {
		return nil, err
	}
	return ledger.ParseKey(string(secret))
}
