package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence/verify"
	"github.com/countersign/countersign/ledger"
)

// rotateKey starts the server with a new signing key, and returns the old one.
func (w *acme) rotateKey(t *testing.T) (old *ledger.Key) {
	t.Helper()
	old, err := signingKeyOf(w)
	mustDo(t, err)
	file := filepath.Join(w.folder, "countersign.key")
	mustDo(t, os.Rename(file, file+".old"))
	settings, _ := os.ReadFile(w.file) // those of witnesses, if there are some
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, fmt.Appendf(settings, "old_signing_key_file: %q\n", file+".old"), 0o600))
	w.restart(t)
	return old
}

// verifies runs countersign verify as an auditor does who has these files.
func verifies(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(context.Background(), append([]string{"verify"}, args...), func(string) string { return "" }, nil, &out, &out)
	return out.String(), err
}

func kept(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kept.txt")
	mustDo(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// In the middle of the period the log was handed over to another key. The bundle is verified by
// either of both, and with what the old one signed.
func TestBundleAcrossAHandover(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	mustDo(t, w.greenPull(t, "by the old key").Merge(w.bob, "squash"))
	w.mustSettle(t)
	before := w.served(t, "checkpoint")
	old := w.rotateKey(t)
	mustDo(t, w.greenPull(t, "by the new key").Merge(w.bob, "squash"))
	w.mustSettle(t)
	key, err := signingKeyOf(w)
	mustDo(t, err)
	file, _ := w.exported(t)
	secret, strange, err := ledger.GenerateKey(strings.NewReader(strings.Repeat("unrelated", 9)), "countersign.demo")
	mustDo(t, err)
	unrelated, err := ledger.ParseKey(secret)
	mustDo(t, err)
	// What the old key could have signed, and did not: the log of before with another root, and of
	// now, when it was not the log's key any more.
	origin, _, _ := strings.Cut(before, "\n")
	forged, err := ledger.Checkpoint{Origin: origin, Size: 2}.Sign(old)
	mustDo(t, err)
	last, err := ledger.ParseCheckpoint(inBundle(t, file, "log/checkpoint"), origin, key.Verifier())
	mustDo(t, err)
	late, err := last.Sign(old)
	mustDo(t, err)
	foreign, err := last.Sign(unrelated)
	mustDo(t, err)
	for what, tt := range map[string]struct {
		args []string
		err  error
		want string
	}{
		"the new key": {[]string{"--key", kept(t, key.Public())}, nil, "Everything holds, by your key " + key.Public()},
		"the old key": {[]string{"--key", kept(t, old.Public())}, nil, "Everything holds, by your key " + old.Public()},
		"no key":      {nil, verify.ErrSelfAsserted, key.Public()},
		"an unrelated key": {[]string{"--key", kept(t, strange)}, verify.ErrBroken,
			"another key than yours, and its log was not handed over from yours to it"},
		"the new key, a checkpoint of before":   {[]string{"--key", kept(t, key.Public()), "--checkpoint", kept(t, before)}, nil, "begins with what each of your 1"},
		"the old key, a checkpoint of before":   {[]string{"--key", kept(t, old.Public()), "--checkpoint", kept(t, before)}, nil, "both signed it"},
		"another log of before":                 {[]string{"--checkpoint", kept(t, string(forged))}, verify.ErrBroken, "it was rewritten"},
		"the old key, after it was handed over": {[]string{"--checkpoint", kept(t, string(late))}, verify.ErrBroken, "a key was used when it was not the log's"},
		"a checkpoint by an unrelated key":      {[]string{"--checkpoint", kept(t, string(foreign))}, verify.ErrBroken, "is not a checkpoint of this log"},
	} {
		if said, err := verifies(t, append(tt.args, file)...); !errors.Is(err, tt.err) || !strings.Contains(said, tt.want) {
			t.Errorf("%s: got %v, want %v with %q\n%s", what, err, tt.err, tt.want, said)
		}
	}
}

// The bundle says which witnesses cosigned how much of the log, and fails where that is too little.
func TestBundleWithWitnesses(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	one, two := startWitness(t, "one.example/w"), startWitness(t, "two.example/w")
	first, _ := one.vkey()
	second, _ := two.vkey()
	w.greenPull(t, "before there are witnesses")
	none, _ := w.exported(t)
	if said, err := verifies(t, none); !errors.Is(err, verify.ErrSelfAsserted) || !strings.Contains(said, "NOT COSIGNED") {
		t.Errorf("without witnesses: %v\n%s", err, said)
	}
	w.witnessed(t, one, two)
	mustDo(t, w.greenPull(t, "cosigned").Merge(w.bob, "squash"))
	w.mustSettle(t)
	w.wantCosigned(t, one, two)
	for _, s := range []*simWitness{one, two} {
		s.set(func(s *simWitness) { s.status = http.StatusServiceUnavailable })
	}
	mustDo(t, w.greenPull(t, "cosigned by one, later").Merge(w.bob, "squash"))
	w.mustSettle(t)
	fresh, _ := w.exported(t)
	size := number(w.verified(t, fresh).Report.Manifest.LogSize)
	one.set(func(s *simWitness) { s.status = 0 })
	w.later(time.Hour) // it is not asked again at once
	w.server.worker.AskWitnesses(t.Context())
	w.greenPull(t, "later")
	w.server.worker.AskWitnesses(t.Context())
	again, _ := w.exported(t, "--log-size", size)
	if a, b := inBundle(t, fresh, "manifest.json"), inBundle(t, again, "manifest.json"); !bytes.Equal(a, b) {
		t.Error("what was cosigned since makes it another bundle")
	}
	for what, tt := range map[string]struct {
		args []string
		err  error
		want string
	}{
		"both asked for, one has all": {[]string{"--witness", first, "--witness", second, "--witnesses-needed", "2", again}, verify.ErrBroken, "1 of the 2 witnesses that you named cosigned all " + size},
		"one asked for":               {[]string{"--witness", first, "--witnesses-needed", "1", again}, verify.ErrSelfAsserted, "one.example/w cosigned " + size + " of the " + size},
		"the bundle's own word":       {[]string{again}, verify.ErrSelfAsserted, "the bundle's own word: compare it, and give it with --witness: " + second},
		"exported before":             {[]string{"--witness", first, "--witnesses-needed", "1", fresh}, verify.ErrBroken, "--log-size " + size},
		"more than are named":         {[]string{"--witness", first, "--witnesses-needed", "2", again}, verify.ErrUsage, "at most the number"},
	} {
		if said, err := verifies(t, tt.args...); !errors.Is(err, tt.err) || !strings.Contains(said, tt.want) {
			t.Errorf("%s: got %v, want %v with %q\n%s", what, err, tt.err, tt.want, said)
		}
	}
	if _, err := verifies(t, "--witness", "one.example", again); err == nil || !strings.Contains(err.Error(), "no key of a witness") {
		t.Errorf("no key: got %v", err)
	}
}
