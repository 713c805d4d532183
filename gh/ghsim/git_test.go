package ghsim

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Object names are git's own: these were printed by git.
func TestObjectNames(t *testing.T) {
	g := newGitStore()
	hello := g.addBlob([]byte("hello\n"))
	if want := "ce013625030ba8dba906f756967f9e9ca394464a"; hello != want {
		t.Errorf("blob: got %s, want %s", hello, want)
	}
	if got, want := g.addTree(nil, nil), "4b825dc642cb6eb9a060e54bf8d69288fbee4904"; got != want {
		t.Errorf("empty tree: got %s, want %s", got, want)
	}
	tree := g.addTree(map[string]string{"a/b/c.txt": hello, "a.txt": hello, "a-b": hello}, nil)
	if want := "188b6776e1b91517bfa823d3e6cc7b0c31b577ac"; tree != want {
		t.Errorf("tree: got %s, want %s", tree, want)
	}
}

func TestMergeBaseAndBetween(t *testing.T) {
	g := newGitStore()
	make := func(message string, parents ...string) string {
		return g.addCommit(&commit{tree: g.addTree(nil, nil), message: message, parents: parents})
	}
	root := make("root")
	left := make("left", root)
	right := make("right", make("right 1", root))
	merge := make("merge", left, right)
	if got := g.mergeBase(left, right); got != root {
		t.Errorf("merge base: got %s", g.commits[got].message)
	}
	if got := g.mergeBase(merge, right); got != right {
		t.Errorf("merge base with a merge: got %s", g.commits[got].message)
	}
	got := ""
	for _, c := range g.between(left, merge) {
		got += c.message + ";"
	}
	if want := "right 1;right;merge;"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if g.mergeBase(root, make("elsewhere")) != "" {
		t.Error("unrelated histories have a merge base")
	}
}

// What git itself says of a repository that the simulator made.
func TestClone(t *testing.T) {
	s := New(Options{})
	alice := s.User("alice")
	r := s.Org("acme").Owner(alice).Repo("shop", RepoSpec{By: alice, Files: map[string]string{"README.md": "# shop\n", "a/b/c.txt": "deep\n"}})
	r.Push("main", alice, Commit{Message: "run", Files: map[string]string{"run.sh": "#!/bin/sh\n"}, Mode: map[string]string{"run.sh": "100755"}})
	r.Push("side", alice, Commit{Message: "same", Files: map[string]string{"x": "y\n"}})
	folder := filepath.Join(t.TempDir(), "shop.git")
	if err := r.Clone(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", folder}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("fsck", "--full")
	for _, branch := range []string{"main", "side"} {
		if got := git("rev-parse", branch); got != r.Head(branch) {
			t.Errorf("%s: git has %s, want %s", branch, got, r.Head(branch))
		}
	}
	if got := git("show", "main:a/b/c.txt"); got != "deep" {
		t.Errorf("a file: got %q", got)
	}
	if got := git("ls-tree", "main", "run.sh"); !strings.HasPrefix(got, "100755 ") {
		t.Errorf("an executable file: got %q", got)
	}
}
