package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/evidence/verify"
	"github.com/countersign/countersign/gh/ghsim"
)

// cloned is an auditor's clone of a simulated repository, by git itself.
func cloned(t *testing.T, repo *ghsim.Repo) string {
	t.Helper()
	folder := t.TempDir()
	mirror, clone := filepath.Join(folder, "mirror.git"), filepath.Join(folder, "clone")
	mustDo(t, repo.Clone(t.Context(), mirror))
	inGit(t, folder, "clone", "-q", mirror, clone)
	return clone
}

func inGit(t *testing.T, folder string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", folder, "-c", "user.name=Eve", "-c", "user.email=eve@example.com"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// The population agrees with git: what the server recorded of merges of every kind is the
// first-parent history of a real clone, and a clone with another history is refused.
func TestEvidenceAgainstGit(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	queued := w.queuedRepo("queued")
	pr := w.readyPull(t, queued, "one")
	mustDo(t, pr.Enqueue(w.dave))
	group := pr.GroupSHA()
	w.mustSettle(t)
	w.testGroup(queued, group, "success")
	w.mustSettle(t)
	file, _ := w.exported(t)

	check := func(repo *ghsim.Repo, clone string) (string, error) {
		var out bytes.Buffer
		err := run(context.Background(), []string{"verify", "--git", repo.FullName() + "=" + clone, file}, func(string) string { return "" }, nil, &out, &out)
		return out.String(), err
	}
	// The update that made the branch, before it was enrolled, brings none that could be counted.
	for _, tt := range []struct {
		repo *ghsim.Repo
		want string
	}{
		{w.shop, "4 updates brought 3 first-parent commits"}, {w.sandbox, "3 updates brought 2 first-parent commits"}, {queued, "2 updates brought 1 first-parent commits"},
	} {
		if said, err := check(tt.repo, cloned(t, tt.repo)); !errors.Is(err, verify.ErrSelfAsserted) || !strings.Contains(said, tt.want) {
			t.Errorf("%s: got %v, want %q\n%s", tt.repo.FullName(), err, tt.want, said)
		}
	}
	for what, tt := range map[string]struct {
		alter func(clone string)
		want  string
	}{
		"a commit removed": {func(clone string) {
			inGit(t, clone, "checkout", "-q", "-B", "main", "main~2")
			inGit(t, clone, "commit", "-q", "--allow-empty", "-m", "as if nothing")
			inGit(t, clone, "update-ref", "refs/remotes/origin/main", "main")
		}, "is not on the first-parent history of the branch in the clone"},
		"a commit put in": {func(clone string) {
			inGit(t, clone, "checkout", "-q", "-B", "main", "main~1")
			inGit(t, clone, "commit", "-q", "--allow-empty", "-m", "evil")
			inGit(t, clone, "cherry-pick", "--allow-empty", "origin/main")
			inGit(t, clone, "update-ref", "refs/remotes/origin/main", "main")
		}, "is not on the first-parent history of the branch in the clone"},
		"a clone that lacks the newest": {func(clone string) {
			inGit(t, clone, "update-ref", "refs/remotes/origin/main", "main~1")
		}, "is not on the first-parent history of the branch in the clone"},
	} {
		clone := cloned(t, w.shop)
		tt.alter(clone)
		if said, err := check(w.shop, clone); !errors.Is(err, verify.ErrBroken) || !strings.Contains(said, tt.want) {
			t.Errorf("%s: got %v, want %q\n%s", what, err, tt.want, said)
		}
	}
}
