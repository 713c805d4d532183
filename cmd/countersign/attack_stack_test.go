package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
)

// stackOf is a stack of dave's: a pull request to main, and one on top of it.
func (w *acme) stackOf(t *testing.T, repo *ghsim.Repo, below map[string]string) (lower, upper pull) {
	t.Helper()
	lower = w.davesPull(repo, below)
	upper = w.onTop(t, repo, lower, "dave/upper")
	repo.Stack(lower, upper)
	return lower, upper
}

// onTop is a pull request of dave's whose one commit is on the head of another one.
func (w *acme) onTop(t *testing.T, repo *ghsim.Repo, lower pull, branch string) pull {
	t.Helper()
	mustDo(t, repo.PushTo(branch, lower.HeadSHA(), w.dave))
	return repo.OpenPullRequest(ghsim.PullSpec{Title: "On top", Head: branch, Base: "dave/fix", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "on top", Files: map[string]string{branch + ".go": "package shop\n"}}}})
}

// testedMeanwhile has the upper pull request tested while the lower branch holds something else,
// which a force push takes back.
func (w *acme) testedMeanwhile(repo *ghsim.Repo, upper pull, other ghsim.Commit) pull {
	honest := repo.Head("dave/fix")
	repo.Push("dave/fix", w.dave, other)
	w.test(upper, "success")
	repo.ForcePush("dave/fix", honest, w.dave)
	upper.Approve(w.bob)
	return upper
}

// attacksOnStacks have the upper pull request of a stack tested with something that nobody sees:
// GitHub tests the merge with the branch below, which is the author's own.
func attacksOnStacks() []attempt {
	weak := ghsim.Commit{Message: "weak", Files: map[string]string{ciPath: "name: ci\n"}}
	without := ghsim.Commit{Message: "without", Delete: []string{"round_test.go"}}
	tests := map[string]string{"fix.go": "package shop\n", "round_test.go": "package shop\n"}
	return []attempt{
		{"stack-weakened-for-a-while", "The lower branch of a stack empties the test job while the upper pull request is tested, and is put back.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				return w.testedMeanwhile(repo, upper, weak)
			}, "dave/fix"},
		{"stack-weakened-before-the-commit", "The same, but the lower branch was weakened before the upper commit was pushed.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				honest := repo.Head("dave/fix")
				repo.Push("dave/fix", w.dave, weak)
				upper.Push(w.dave, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package shop\n"}})
				w.test(upper, "success")
				repo.ForcePush("dave/fix", honest, w.dave)
				upper.Approve(w.bob)
				return upper
			}, "dave/fix"},
		{"stack-weakened-unheard", "The same as the first, and no delivery tells of what was pushed.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				w.app.Hooks().Drop(func(event, _ string) bool { return event == "push" })
				defer w.app.Hooks().Drop(nil)
				return w.testedMeanwhile(repo, upper, weak)
			}, "dave/fix"},
		{"stack-moved-and-not-listed", "GitHub tells of a push to the lower branch, and its list of updates never shows it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				told := strings.NewReplacer("refs/heads/dave/upper", "refs/heads/dave/fix", upper.HeadSHA(), strings.Repeat("e", 40)).
					Replace(string(w.lastDelivery(t, "push").Payload))
				if got := w.deliver(t, "push", "unlisted-"+slug(repo.FullName()), hookSecret, []byte(told)); got != http.StatusAccepted {
					t.Errorf("the delivery was answered with %d", got)
				}
				w.later(2 * time.Minute)
				return w.approved(upper)
			}, "does not list"},
		{"stack-without-the-tests", "The lower branch drops the tests that fail while the upper pull request is tested, and brings them back with a further commit.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, tests)
				repo.Push("dave/fix", w.dave, without)
				w.test(upper, "success")
				repo.Push("dave/fix", w.dave, ghsim.Commit{Message: "back", Files: map[string]string{"round_test.go": tests["round_test.go"]}})
				upper.Approve(w.bob)
				return upper
			}, "dave/fix"},
		{"stack-approved-by-an-owner", "The same as the first, and an owner approves: he sees the change, and not what tested it.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				w.testedMeanwhile(repo, upper, weak)
				upper.Approve(w.carol)
				return upper
			}, "dave/fix"},
		{"stack-green-then-weakened", "Everything is green. Then the tests run again, with the lower branch weakened for a while.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				w.approved(upper)
				w.wantCheck(t, upper, released)
				return w.testedMeanwhile(repo, upper, weak)
			}, "dave/fix"},
		{"stack-tested-by-a-second-pull-request", "The commit is tested as another pull request first, with the lower branch weakened; the upper one of the stack comes afterwards.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lower := w.davesPull(repo, code)
				honest := lower.HeadSHA()
				first := w.onTop(t, repo, lower, "dave/first")
				repo.Push("dave/fix", w.dave, weak)
				w.test(first, "success")
				first.Close(w.dave)
				repo.ForcePush("dave/fix", honest, w.dave)
				mustDo(t, repo.PushTo("dave/upper", first.HeadSHA(), w.dave))
				upper := repo.OpenPullRequest(ghsim.PullSpec{Title: "upper", Head: "dave/upper", Base: "dave/fix", Author: w.dave})
				repo.Stack(lower, upper)
				upper.Approve(w.bob)
				return upper
			}, "dave/fix"},
		{"stack-tested-by-an-app", "An App tests the upper pull request while the lower branch is weakened, and does not say what it merged.",
			"version: 1\nmode: enforce\nbranches: [main]\nvalidation:\n  required:\n    - {id: scan, app: acme-scan, check: scan}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				honest := repo.Head("dave/fix")
				repo.Push("dave/fix", w.dave, weak)
				repo.PostCheckRun(w.sim.App(ghsim.AppSpec{Slug: "acme-scan"}), upper.HeadSHA(), "scan", "success")
				repo.ForcePush("dave/fix", honest, w.dave)
				upper.Approve(w.bob)
				return upper
			}, "dave/fix"},
		{"stack-not-on-the-lower-branch", "The upper branch does not contain the lower one: what is tested is a merge that nobody has looked at.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lower := w.davesPull(repo, code)
				upper := repo.OpenPullRequest(ghsim.PullSpec{Title: "upper", Head: "dave/upper", Base: "dave/fix", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "upper", Files: map[string]string{"upper.go": "package shop\n"}}}})
				repo.Stack(lower, upper)
				return w.approved(upper)
			}, "dave/fix"},
	}
}

// legitimateStacks are stacks in order.
func legitimateStacks() []attempt {
	return []attempt{
		{"stacked", "The upper pull request of a stack is approved and tested.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				_, upper := w.stackOf(t, repo, code)
				return w.approved(upper)
			}, ""},
		{"stacked-three-high", "The topmost of three pull requests is approved and tested.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lower, middle := w.stackOf(t, repo, code)
				mustDo(t, repo.PushTo("dave/top", middle.HeadSHA(), w.dave))
				top := repo.OpenPullRequest(ghsim.PullSpec{Title: "top", Head: "dave/top", Base: "dave/upper", Author: w.dave,
					Commits: []ghsim.Commit{{Message: "top", Files: map[string]string{"top.go": "package shop\n"}}}})
				repo.Stack(lower, middle, top)
				return w.approved(top)
			}, ""},
		{"stack-rebased", "The lower pull request is amended after a review, and the upper one is rebased onto it, tested and approved.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lower, upper := w.stackOf(t, repo, code)
				w.test(upper, "success")
				lower.ForcePush(w.dave, ghsim.Commit{Message: "amended", Files: map[string]string{"fix.go": "package shop // amended\n"}})
				upper.ForcePush(w.dave, ghsim.Commit{Message: "on top", Files: map[string]string{"upper.go": "package shop\n"}})
				return w.approved(upper)
			}, ""},
		{"stack-updated", "The lower pull request gets a further commit, which the upper one merges before it is tested and approved.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lower, upper := w.stackOf(t, repo, code)
				w.test(upper, "success")
				lower.Push(w.dave, ghsim.Commit{Message: "reviewed", Files: map[string]string{"more.go": "package shop\n"}})
				mustDo(t, upper.UpdateBranch(w.dave))
				return w.approved(upper)
			}, ""},
		{"stack-tested-on-push", "The lower branch moves while the upper pull request is tested, by runs on push that merge nothing.",
			strings.Replace(shopPolicy, "job: test", "job: test, event: push", 1),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lower, upper := w.stackOf(t, repo, code)
				repo.RunWorkflow(upper.HeadSHA(), ciPath, "push", ghsim.Job{Name: "test", Conclusion: "success"})
				lower.ForcePush(w.dave, ghsim.Commit{Message: "amended", Files: map[string]string{"fix.go": "package shop // amended\n"}})
				upper.Approve(w.bob)
				return upper
			}, ""},
	}
}
