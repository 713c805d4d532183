package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/evidence/verify"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// anchorRepo is an empty repository of the organisation's.
func anchorRepo(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	inGit(t, folder, "init", "-q", "-b", "main")
	inGit(t, folder, "config", "user.name", "acme's cron")
	inGit(t, folder, "config", "user.email", "cron@acme.example")
	return folder
}

// anchored commits a file to it by hand.
func anchored(t *testing.T, clone, file, content string) {
	t.Helper()
	mustDo(t, os.MkdirAll(filepath.Dir(filepath.Join(clone, file)), 0o777))
	mustDo(t, os.WriteFile(filepath.Join(clone, file), []byte(content), 0o666))
	inGit(t, clone, "add", "-A")
	inGit(t, clone, "commit", "-q", "-m", "by hand")
}

// Checkpoints are kept as commits, and a bundle is compared with each that ever was.
func TestAnchoredCheckpoints(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	clone := anchorRepo(t)
	anchor := func() (string, error) { return w.command(t, "ledger", "anchor", "--org", "acme", "--clone", clone) }
	commits := func() string { return inGit(t, clone, "rev-list", "--count", "HEAD") }
	w.greenPull(t, "kept first")
	w.served(t, "checkpoint")
	said, err := anchor()
	if err != nil || !strings.Contains(said, "is kept, and not pushed yet") || commits() != "1" {
		t.Fatalf("at first: %v\n%s", err, said)
	}
	if said, err = anchor(); err != nil || !strings.Contains(said, "is kept already") || commits() != "1" {
		t.Errorf("again: %v, %s commits\n%s", err, commits(), said)
	}
	old := w.rotateKey(t) // the first is by the old key
	mustDo(t, w.greenPull(t, "kept second").Merge(w.bob, "squash"))
	w.mustSettle(t)
	if said, err = anchor(); err != nil || commits() != "2" {
		t.Errorf("later: %v, %s commits\n%s", err, commits(), said)
	}
	file, _ := w.exported(t)
	w.greenPull(t, "kept third")
	_, err = anchor()
	mustDo(t, err)
	anchored(t, clone, "checkpoints/77/3", "other.example/77\n3\n…\n\n— nobody\n")
	anchored(t, clone, "README.md", "Checkpoints of acme.\n")
	key, err := signingKeyOf(w)
	mustDo(t, err)
	public := kept(t, key.Public())
	check := func(what, folder string, want error, text string) {
		t.Helper()
		if said, err := verifies(t, "--key", public, "--anchor", folder, file); !errors.Is(err, want) || !strings.Contains(said, text) {
			t.Errorf("%s: got %v, want %v with %q\n%s", what, err, want, text, said)
		}
	}
	check("as it is", clone, nil, "with what each of 2 anchored checkpoints signs")
	check("as it is", clone, nil, "1 more are of a longer log, 0 of leaves that it says were lost, 1 of other logs")
	check("nothing in it", anchorRepo(t), verify.ErrBroken, "none of the 0 anchored checkpoints")
	if _, err := verifies(t, "--anchor", t.TempDir(), file); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("no repository: %v", err)
	}
	shallow := filepath.Join(t.TempDir(), "shallow")
	inGit(t, clone, "clone", "-q", "--depth", "1", "file://"+clone, shallow)
	if _, err := verifies(t, "--anchor", shallow, file); err == nil || !strings.Contains(err.Error(), "the clone is shallow") {
		t.Errorf("a shallow clone: %v", err)
	}

	// Somebody kept another log of the same name, and took it away again.
	name, _, _ := strings.Cut(w.served(t, "checkpoint"), "\n")
	fork, err := ledger.Checkpoint{Origin: name, Size: 2}.Sign(old)
	mustDo(t, err)
	path, _ := verify.AnchorPath(name, 2)
	anchored(t, clone, path, string(fork))
	inGit(t, clone, "rm", "-q", path)
	inGit(t, clone, "commit", "-q", "-m", "nothing happened")
	check("a fork that was taken away", clone, verify.ErrBroken, path+" of ")
	before := commits()
	w.greenPull(t, "not kept")
	if said, err = anchor(); !errors.Is(err, store.ErrFork) || commits() != before {
		t.Errorf("beside a fork: %v, %s commits\n%s", err, commits(), said)
	}
	anchored(t, clone, path, name+"\n2\n…\n\n— nobody\n")
	check("what nobody signed", clone, verify.ErrBroken, "is no checkpoint of it")
}

// An old copy of the database keeps nothing beside what is kept already.
func TestAnOldCopyIsNotAnchored(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	clone := anchorRepo(t)
	w.greenPull(t, "in the copy")
	w.stop()
	mustDo(t, <-w.stopped)
	database := filepath.Join(w.folder, "countersign.db")
	copied := mustRead(t, database)
	w.startAgain(t)
	w.greenPull(t, "not in the copy")
	_, err := w.command(t, "ledger", "anchor", "--org", "acme", "--clone", clone)
	mustDo(t, err)
	old := filepath.Join(t.TempDir(), "old.db")
	mustDo(t, os.WriteFile(old, copied, 0o600))
	said, err := w.command(t, "ledger", "anchor", "--database", "sqlite:"+old, "--org", "acme", "--clone", clone)
	if !errors.Is(err, store.ErrFork) || !strings.Contains(said, "the database is an old copy") || !strings.Contains(said, "hint: nothing was written") {
		t.Errorf("got %v\n%s", err, said)
	}
	if got := inGit(t, clone, "rev-list", "--count", "HEAD"); got != "1" || inGit(t, clone, "status", "--porcelain") != "" {
		t.Errorf("%s commits, want 1", got)
	}
}
