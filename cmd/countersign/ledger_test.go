package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// The log is checked with the public key alone, and with no other.
func TestLedgerCheckByPublicKey(t *testing.T) {
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
		args := []string{"ledger", "check", "--database", "sqlite:" + filepath.Join(w.folder, "countersign.db"), "--key", file}
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

func signingKeyOf(w *acme) (*ledger.Key, error) {
	secret, err := os.ReadFile(filepath.Join(w.folder, "countersign.key"))
	if err != nil {
		return nil, err
	}
	return ledger.ParseKey(string(secret))
}
