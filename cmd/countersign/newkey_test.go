package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// A server takes the key that was made for it, and signs with no other.
func TestServerSignsWithTheKeyThatIsThere(t *testing.T) {
	t.Parallel()
	w := &acme{sim: ghsim.New(ghsim.Options{}), folder: t.TempDir(), at: databaseOf(t), noisy: fast}
	var public bytes.Buffer
	args := []string{"ledger", "new-key", "--public-url", "http://countersign.demo", "--key", filepath.Join(w.folder, "countersign.key")}
	mustDo(t, run(t.Context(), args, func(string) string { return "" }, strings.NewReader(""), &public, &public))
	mustDo(t, w.begin(t.Context()))
	t.Cleanup(func() { mustDo(t, w.close()) })
	w.wantCheck(t, w.untested("with a key"), held)
	key, err := signingKeyOf(w)
	mustDo(t, err)
	if got, want := key.Public(), strings.TrimSpace(public.String()); got != want {
		t.Errorf("the log is signed by %s, made was %s", got, want)
	}
	if w.decisions(t) == 0 { // which checks the log, too
		t.Error("nothing was decided")
	}
}
