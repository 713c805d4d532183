package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/evidence"
)

// repository is a real git repository whose main branch is reached in every way that GitHub has,
// with the updates that the records would tell of.
type repository struct {
	t    *testing.T
	path string
	line evidence.Mainline
}

func newRepository(t *testing.T) *repository {
	r := &repository{t: t, path: t.TempDir(), line: evidence.Mainline{Repository: "acme/shop", Branch: "main"}}
	r.git("init", "-q", "-b", "main")
	r.commit("begin")
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.path, "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit adds a commit with a file of its own.
func (r *repository) commit(what string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.path, what), []byte(what), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", what)
	r.git("commit", "-q", "-m", what)
}

// update runs what moves main, as one update.
func (r *repository) update(kind string, do func()) {
	r.t.Helper()
	before := r.git("rev-parse", "main")
	do()
	r.line.Updates = append(r.line.Updates, evidence.MainlineUpdate{
		Leaf: int64(10 + len(r.line.Updates)), Type: kind, Before: before, After: r.git("rev-parse", "main")})
}

// branch makes a branch with some commits and returns to main.
func (r *repository) branch(name string, commits ...string) {
	r.t.Helper()
	r.git("checkout", "-q", "-b", name, "main")
	for _, c := range commits {
		r.commit(c)
	}
	r.git("checkout", "-q", "main")
}

// allWays is a repository with a merge, a squash, a rebase, an octopus merge, a group of a merge
// queue, and a direct push: eight first-parent commits.
func allWays(t *testing.T) *repository {
	r := newRepository(t)
	r.branch("one", "a", "b")
	r.update("pr_merge", func() { r.git("merge", "-q", "--no-ff", "-m", "merge one", "one") })
	r.branch("two", "c", "d")
	r.update("pr_merge", func() { r.git("merge", "-q", "--squash", "two"); r.git("commit", "-q", "-m", "squash two") })
	r.git("checkout", "-q", "-b", "three", "main~1")
	r.commit("e")
	r.commit("f")
	r.git("rebase", "-q", "main")
	r.git("checkout", "-q", "main")
	r.update("pr_merge", func() { r.git("merge", "-q", "--ff-only", "three") })
	r.branch("four", "g")
	r.branch("five", "h")
	r.update("pr_merge", func() { r.git("merge", "-q", "-m", "octopus", "--no-ff", "four", "five") })
	r.branch("six", "i")
	r.branch("seven", "j")
	r.update("merge_queue_merge", func() {
		r.git("merge", "-q", "--no-ff", "-m", "queued six", "six")
		r.git("merge", "-q", "--no-ff", "-m", "queued seven", "seven")
	})
	r.update("push", func() { r.commit("pushed") })
	r.commit("after the period")
	return r
}

func (r *repository) compare() (mainline, error) {
	return clone{r.path}.compare(r.t.Context(), r.line)
}

func TestHistoryAgrees(t *testing.T) {
	r := allWays(t)
	got, err := r.compare()
	if err != nil || got.Updates != 6 || got.Commits != 8 {
		t.Errorf("got %+v, %v, want 6 updates with 8 commits", got, err)
	}
	// A clone has the branch of its origin, which is what counts.
	copied := filepath.Join(t.TempDir(), "clone")
	r.git("clone", "-q", r.path, copied)
	if again, err := (clone{copied}).compare(t.Context(), r.line); err != nil || again != got {
		t.Errorf("in a clone: got %+v, %v, want %+v", again, err, got)
	}
	found, err := compareClones(t.Context(), []evidence.Mainline{r.line}, []string{copied})
	if err != nil || len(found) != 1 || found[0].Repository != "acme/shop" {
		t.Errorf("without a name: got %+v, %v", found, err)
	}
}

// copied is the same repository in another folder: git takes a while to make one.
func (r *repository) copied(t *testing.T) *repository {
	t.Helper()
	again := &repository{t: t, path: t.TempDir(), line: r.line}
	again.line.Updates = slices.Clone(r.line.Updates)
	if err := os.CopyFS(again.path, os.DirFS(r.path)); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestHistoryDiffers(t *testing.T) {
	made := allWays(t)
	for what, tt := range map[string]struct {
		alter func(r *repository)
		want  string
	}{
		"a commit removed": {func(r *repository) {
			u := r.line.Updates[4]
			r.git("checkout", "-q", "--detach", u.Before)
			r.git("cherry-pick", "--allow-empty", u.After+".."+"main")
			r.git("branch", "-q", "-f", "main", "HEAD")
			r.forget()
		}, "the clone lacks commit"},
		"a commit put in": {func(r *repository) {
			// The update is not in the records.
			r.line.Updates = append(r.line.Updates[:3], r.line.Updates[4:]...)
		}, "that no record tells of"},
		"a commit put in by a rewrite": {func(r *repository) {
			u := r.line.Updates[2]
			r.git("checkout", "-q", "--detach", u.After)
			r.commit("evil")
			r.git("cherry-pick", "-m", "1", r.line.Updates[3].After)
			r.git("branch", "-q", "-f", "main", "HEAD")
		}, "is not on the first-parent history of the branch"},
		"the branch put back": {func(r *repository) { r.git("branch", "-q", "-f", "main", r.line.Updates[1].After) }, "is not on the first-parent history of the branch"},
		"the second parent made the first": {func(r *repository) {
			u := &r.line.Updates[1]
			tree := r.git("rev-parse", u.After+"^{tree}")
			u.After = r.git("commit-tree", "-m", "foxtrot", "-p", "one", "-p", u.Before, tree)
			r.line.Updates = r.line.Updates[:2]
		}, "do not lead to"},
		"an update that brought nothing": {func(r *repository) {
			r.line.Updates[0].After = r.line.Updates[0].Before
			r.line.Updates = r.line.Updates[:1]
		}, "do not lead to"},
		"a name that is an option": {func(r *repository) { r.line.Updates[0].After = "--upload-pack=evil" }, "which is no commit"},
		"another branch":           {func(r *repository) { r.line.Branch = "release" }, "the clone has no such branch"},
	} {
		t.Run(what, func(t *testing.T) {
			r := made.copied(t)
			r.git("checkout", "-q", "--detach", "main")
			tt.alter(r)
			got, err := r.compare()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// forget removes what no branch leads to.
func (r *repository) forget() {
	r.t.Helper()
	for _, b := range strings.Fields(r.git("for-each-ref", "--format=%(refname:short)", "refs/heads")) {
		if b != "main" {
			r.git("branch", "-q", "-D", b)
		}
	}
	r.git("checkout", "-q", "main")
	r.git("reflog", "expire", "--expire=now", "--all")
	r.git("gc", "-q", "--prune=now")
}

func TestWhichClone(t *testing.T) {
	two := []evidence.Mainline{{Repository: "acme/shop"}, {Repository: "acme/robots"}}
	if _, err := compareClones(t.Context(), two, []string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "owner/name=") {
		t.Errorf("of several repositories, a clone without a name: %v", err)
	}
	if _, err := compareClones(t.Context(), two, []string{"acme/other=" + t.TempDir()}); err == nil || !strings.Contains(err.Error(), "nothing in the bundle") {
		t.Errorf("a repository that is not in the bundle: %v", err)
	}
	if _, err := compareClones(t.Context(), []evidence.Mainline{{Repository: "acme/shop", Branch: "main", Updates: []evidence.MainlineUpdate{{Type: "push", Before: strings.Repeat("1", 40), After: strings.Repeat("2", 40)}}}},
		[]string{filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Error("a clone that does not exist agrees")
	}
}

// The first-parent commits of a record are those of the clone, one by one.
func TestFirstParentsOfAClone(t *testing.T) {
	r := allWays(t)
	u := &r.line.Updates[2] // two commits
	line := strings.Fields(r.git("rev-list", "--reverse", "--first-parent", u.Before+".."+u.After))
	r.line.Updates = r.line.Updates[:3]
	set := func(listed bool, commits ...string) { u.Listed, u.FirstParents = listed, commits }
	set(true, line...)
	if got, err := r.compare(); err != nil || got.Commits != 4 {
		t.Errorf("got %+v, %v, want 4 commits", got, err)
	}
	set(false)
	if _, err := r.compare(); err != nil {
		t.Errorf("commits that were not listed: %v", err)
	}
	for name, commits := range map[string][]string{"one left out": line[1:], "in another order": {line[1], line[0]}, "one more": append([]string{u.Before}, line...)} {
		set(true, commits...)
		if _, err := r.compare(); err == nil || !strings.Contains(err.Error(), "leaf 12") {
			t.Errorf("%s: got %v, want an error that names the leaf", name, err)
		}
	}
}
