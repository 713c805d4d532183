package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	formats "github.com/transparency-dev/formats/log"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// A signing key is replaced by moving it and naming it once. What the old one signed can still be
// checked by whoever knows either of them.
func TestSigningKeyIsRotated(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "by the old key")
	old, err := signingKeyOf(w)
	mustDo(t, err)
	before := w.served(t, "checkpoint")
	origin := fmt.Sprintf("countersign.demo/%d", w.org.ID())
	if got := w.served(t, "keys"); got != fmt.Sprintf("0 %s %s\n", origin, old.Public()) {
		t.Errorf("keys before: %q", got)
	}
	file := filepath.Join(w.folder, "countersign.key")
	mustDo(t, os.Rename(file, file+".old"))
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, fmt.Appendf(nil, "old_signing_key_file: %q\n", file+".old"), 0o600))
	w.restart(t)
	w.greenPull(t, "by the new key")
	key, err := signingKeyOf(w)
	mustDo(t, err)
	if key.Public() == old.Public() {
		t.Fatal("there is no new key")
	}
	for what, c := range map[string]struct {
		checkpoint string
		by         *ledger.Key
		holds      bool
	}{"new by new": {w.served(t, "checkpoint"), key, true}, "new by old": {w.served(t, "checkpoint"), old, false}, "old by old": {before, old, true}} {
		if _, _, _, err := formats.ParseCheckpoint([]byte(c.checkpoint), origin, c.by.Verifier()); (err == nil) != c.holds {
			t.Errorf("%s: %v\n%s", what, err, c.checkpoint)
		}
	}
	keys := strings.Split(strings.TrimSpace(w.served(t, "keys")), "\n")
	if len(keys) != 2 || keys[0] != "0 "+origin+" "+old.Public() || !strings.HasSuffix(keys[1], " "+origin+" "+key.Public()) {
		t.Errorf("keys after: %q", keys)
	}
	for _, by := range []string{file, file + ".old"} {
		var out bytes.Buffer
		args := []string{"ledger", "check", "--database", w.database(), "--key", by}
		if err := run(context.Background(), args, func(string) string { return "" }, nil, &out, &out); err != nil || !strings.Contains(out.String(), "1 key-rotation") {
			t.Errorf("by %s: %v\n%s", by, err, out.String())
		}
	}
	// The setting may stay or go; the old key alone continues nothing.
	w.restart(t)
	w.file = ""
	w.restart(t)
	w.greenPull(t, "by the new key alone")
	w.stop()
	mustDo(t, <-w.stopped)
	mustDo(t, os.Rename(file, file+".new"))
	mustDo(t, os.Rename(file+".old", file))
	if err := w.startServer(t.Context()); !errors.Is(err, store.ErrOtherKey) || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("with the old key again: %v", err)
	}
	mustDo(t, os.Rename(file+".new", file))
	w.startAgain(t)
}
