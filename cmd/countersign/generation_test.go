package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence/verify"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// rows counts rows of the server's database.
func (w *acme) rows(t *testing.T, table string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.folder, "countersign.db")+"?mode=ro")
	mustDo(t, err)
	defer db.Close()
	mustDo(t, db.QueryRow("SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

// An old copy of the database is restored. The witness knows more, so that nothing is signed and no
// check run is green, until the log goes on under another name that says what is lost.
func TestAnOldCopyIsRestored(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	s := startWitness(t, "one.example/w")
	w.witnessed(t, s)
	w.greenPull(t, "in the copy")
	w.wantCosigned(t, s)
	early := w.served(t, "checkpoint")
	file := filepath.Join(w.folder, "countersign.db")
	stopped := func(do func()) {
		t.Helper()
		w.stop()
		mustDo(t, <-w.stopped)
		do()
		w.startAgain(t)
	}
	var copied []byte
	stopped(func() {
		var err error
		copied, err = os.ReadFile(file)
		mustDo(t, err)
	})
	w.greenPull(t, "not in the copy")
	w.wantCosigned(t, s)
	last := w.served(t, "checkpoint")
	held := make(chan struct{})
	answer := sync.OnceFunc(func() { close(held) })
	t.Cleanup(answer)
	s.set(func(s *simWitness) { s.held = held })
	stopped(func() { mustDo(t, os.WriteFile(file, copied, 0o600)) })

	signed := w.rows(t, "checkpoints")
	pr := w.copilotPull("after the restore")
	pr.Approve(w.bob)
	mustDo(t, w.sim.Drain(t.Context()))
	// What is decided waits to be published until the witness was heard.
	w.waitUntil(t, func() bool { return w.rows(t, "jobs WHERE kind = 'publish' AND lease <> ''") > 0 })
	answer()
	w.skipUntil(t, func() bool { return w.rows(t, "log_contradictions") == 1 })
	w.skipUntil(t, func() bool { return w.rows(t, "jobs WHERE kind = 'publish' AND attempts > 0") > 0 })
	if _, _, err := w.server.store.Tenant(w.org.ID()).Checkpoint(t.Context()); !errors.Is(err, store.ErrFork) {
		t.Errorf("got %v, want ErrFork", err)
	}
	if got := w.check(pr, "countersign"); got.Conclusion != "" || w.rows(t, "checkpoints") != signed {
		t.Errorf("%d checkpoints more were signed, and the check run says %+v", w.rows(t, "checkpoints")-signed, got)
	}
	var out bytes.Buffer
	ran := func(args ...string) error {
		args = append([]string{"ledger", args[0], "--database", "sqlite:" + file, "--key", filepath.Join(w.folder, "countersign.key")}, args[1:]...)
		return run(context.Background(), args, func(string) string { return "" }, nil, &out, &out)
	}
	lastFile := kept(t, last)
	if err := ran("new-generation", "--org", "acme"); !errors.Is(err, errUsage) {
		t.Errorf("without a checkpoint: %v", err)
	}
	stopped(func() { mustDo(t, ran("new-generation", "--org", "Acme", "--last", lastFile)) })
	if !strings.Contains(out.String(), "may be missing") {
		t.Errorf("it says:\n%s", out.String())
	}
	w.wantCheck(t, pr, released)
	w.later(time.Hour) // it refused the old name at the start, and is not asked again at once
	w.server.worker.AskWitnesses(t.Context())
	got := w.served(t, "checkpoint")
	if name, _, _ := strings.Cut(got, "\n"); !strings.HasSuffix(name, "/2") || strings.Count(got, "\n— ") != 2 {
		t.Errorf("the new generation is not cosigned:\n%s", got)
	}
	mustDo(t, ran("check"))
	w.testBundleAfterRestore(t, early, last)
	if err := ran("new-generation", "--org", "acme", "--last", lastFile); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("once more: %v", err)
	}
}

// testBundleAfterRestore looks at what can be proved of a log that was restored, by a checkpoint of
// the copy and by the last one that is known.
func (w *acme) testBundleAfterRestore(t *testing.T, early, last string) {
	t.Helper()
	file, _ := w.exported(t)
	key, err := signingKeyOf(w)
	mustDo(t, err)
	public := kept(t, key.Public())
	name, _, _ := strings.Cut(last, "\n")
	known, err := ledger.ParseCheckpoint([]byte(last), name, key.Verifier())
	mustDo(t, err)
	signed := func(size int64) string {
		b, err := ledger.Checkpoint{Origin: name, Size: size}.Sign(key)
		mustDo(t, err)
		return kept(t, string(b))
	}
	for what, tt := range map[string]struct {
		checkpoint string
		err        error
		want       string
	}{
		"of the copy":               {kept(t, early), nil, "The log was restored from an old copy: what was recorded between "},
		"of what was lost":          {kept(t, last), verify.ErrBroken, "it is the last checkpoint that leaf "},
		"of less of what was lost":  {signed(known.Size - 1), verify.ErrBroken, "which nobody can tell any more"},
		"of more than was known":    {signed(known.Size + 1), verify.ErrBroken, "more was lost than the log says"},
		"another of what was known": {signed(known.Size), verify.ErrBroken, "there were two logs of one name"},
	} {
		if said, err := verifies(t, "--key", public, "--checkpoint", tt.checkpoint, file); !errors.Is(err, tt.err) || !strings.Contains(said, tt.want) {
			t.Errorf("%s: got %v, want %v with %q\n%s", what, err, tt.err, tt.want, said)
		}
	}
	if page := string(inBundle(t, file, "index.html")); !strings.Contains(page, "The evidence is not complete") || !strings.Contains(page, name+"/2") {
		t.Error("the first page does not say that the log was restored")
	}
}
