package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// arrival is something that reaches an enrolled branch past a decision. No check can hold it any
// more: it must be found.
type arrival struct {
	name string
	// how says in one sentence what is done.
	how  string
	play func(t *testing.T, w *acme, repo *ghsim.Repo)
	// opens are the exceptions that it must open, "kind severity" each, sorted; no others may be.
	opens []string
	// says is in the reason of one of them.
	says string
}

// releasePolicy enrols release branches beside main.
var releasePolicy = strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1)

var evil = ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}}

// unheard does something of which no delivery tells, and lets the time pass after which a branch
// is looked at all the same.
func (w *acme) unheard(t *testing.T, do func()) {
	t.Helper()
	w.mustSettle(t)
	w.app.Hooks().Drop(func(string, string) bool { return true })
	do()
	mustDo(t, w.sim.Drain(t.Context()))
	w.app.Hooks().Drop(nil)
	w.later(2 * time.Hour)
}

// backAndForth force-pushes main to something else and back to what it was.
func (w *acme) backAndForth(t *testing.T, repo *ghsim.Repo) {
	t.Helper()
	tip := repo.Head("main")
	repo.ForcePush("main", "", w.dave, evil)
	mustDo(t, repo.PushTo("main", tip, w.dave))
}

// arrivals are all of them; docs/security.md lists them.
func arrivals() []arrival {
	open := func(w *acme, repo *ghsim.Repo) { repo.Unprotect("main", w.carol) }
	return []arrival{
		{"pushed-directly", "An administrator takes the protection off and pushes.", func(_ *testing.T, w *acme, repo *ghsim.Repo) {
			open(w, repo)
			repo.Push("main", w.carol, evil)
		}, []string{"direct-push high"}, "without a pull request being merged"},
		{"pushed-unheard", "The same, and no delivery tells of it.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			w.unheard(t, func() { open(w, repo); repo.Push("main", w.carol, evil) })
		}, []string{"direct-push high"}, "without a pull request being merged"},
		{"forced-back-and-forth", "The branch is force-pushed to something else and back, so that in the end nothing is different.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			open(w, repo)
			w.backAndForth(t, repo)
		}, []string{"force-push high", "force-push high"}, "not in its history any more"},
		{"forced-back-and-forth-unheard", "The same, and no delivery tells of it.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			w.unheard(t, func() { open(w, repo); w.backAndForth(t, repo) })
		}, []string{"force-push high", "force-push high"}, "not in its history any more"},
		{"rolled-back", "The branch is forced back to before the last merge, which takes an approved fix out.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			before := repo.Head("main")
			mustDo(t, w.readyPull(t, repo, "one").Merge(w.alice, "squash"))
			w.mustSettle(t)
			open(w, repo)
			mustDo(t, repo.PushTo("main", before, w.dave))
		}, []string{"force-push high"}, "not in its history any more"},
		{"merged-by-bypass", "Administrators are not bound, and one of them merges what nobody approved.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.davesPull(repo, code)
			w.test(pr, "success")
			w.wantCheck(t, pr, held)
			loose := w.usual()
			loose.EnforceAdmins = false
			repo.Protect("main", w.carol, loose)
			mustDo(t, pr.Merge(w.carol, "merge"))
		}, []string{"merged-while-failing high"}, "was not a pass"},
		{"merged-at-another-head", "A head is decided on and green; another is pushed and merged by an administrator before anybody looks.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.readyPull(t, repo, "one")
			open(w, repo)
			w.mustSettle(t)
			hooks := w.app.Hooks()
			hooks.Hold()
			pr.Push(w.dave, evil)
			mustDo(t, pr.Merge(w.carol, "squash"))
			hooks.Release()
		}, []string{"merged-without-decision high"}, "nothing was ever decided about this head"},
		{"merged-at-another-head-unheard", "The same, and no delivery tells of it.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.readyPull(t, repo, "one")
			w.unheard(t, func() { open(w, repo); pr.Push(w.dave, evil); mustDo(t, pr.Merge(w.carol, "squash")) })
		}, []string{"merged-without-decision high"}, "nothing was ever decided about this head"},
		{"squashed-by-hand", "An administrator pushes a commit that looks like the squashed merge of a green pull request, with one more file.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.readyPull(t, repo, "one")
			w.unheard(t, func() {
				open(w, repo)
				repo.Push("main", w.carol, ghsim.Commit{Message: fmt.Sprintf("Change one (#%d)", pr.Number()), ByGitHub: true, Author: w.dave,
					Files: map[string]string{"one.go": "package x\n", "payload.go": "package shop\n"}})
				pr.Close(w.carol)
			})
		}, []string{"direct-push high"}, "without a pull request being merged"},
		{"approved-head-pushed", "The approved head is pushed to the branch, so that GitHub calls its pull request merged.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.readyPull(t, repo, "one")
			w.unheard(t, func() { open(w, repo); mustDo(t, repo.PushTo("main", pr.HeadSHA(), w.carol)) })
		}, []string{"direct-push high"}, "nobody merged it"},
		{"merged-by-the-agent", "The agent merges its own pull request, which is green.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.copilotPullIn(repo, "one")
			w.approved(pr)
			w.wantCheck(t, pr, released)
			mustDo(t, pr.Merge(w.copilot, "squash"))
		}, []string{"merged-by-agent medium"}, "not a person"},
		{"pushed-before-a-merge", "A push past everything is followed at once by the merge of a green pull request, and no delivery tells of either.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			pr := w.readyPull(t, repo, "one")
			w.unheard(t, func() { open(w, repo); repo.Push("main", w.carol, evil); mustDo(t, pr.Merge(w.alice, "squash")) })
		}, []string{"direct-push high"}, "without a pull request being merged"},
		{"branch-made-again", "A release branch is deleted and made again with the same name, at something else.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			repo.Push("release/1", w.carol)
			w.mustSettle(t)
			mustDo(t, repo.DeleteBranch("release/1", w.dave))
			repo.Push("release/1", w.dave, evil)
		}, []string{"direct-push high"}, "was on no branch that is enrolled"},
		{"branch-made-again-unheard", "The same, and no delivery tells of it.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			repo.Push("release/1", w.carol)
			w.unheard(t, func() {
				mustDo(t, repo.DeleteBranch("release/1", w.dave))
				repo.Push("release/1", w.dave, evil)
			})
		}, []string{"direct-push high"}, "was on no branch that is enrolled"},
		{"renamed-away-and-back", "A release branch is renamed to a name that nothing enrols, pushed to there, and renamed back.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			repo.Push("release/1", w.carol)
			w.mustSettle(t)
			mustDo(t, repo.PushTo("aside", repo.Head("release/1"), w.dave))
			mustDo(t, repo.DeleteBranch("release/1", w.dave))
			repo.Push("aside", w.dave, evil)
			mustDo(t, repo.PushTo("release/1", repo.Head("aside"), w.dave))
			mustDo(t, repo.DeleteBranch("aside", w.dave))
		}, []string{"direct-push high"}, "was on no branch that is enrolled"},
		{"release-from-a-topic", "A release branch is made from a topic branch that nobody reviewed.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			repo.Push("topic", w.dave, evil)
			mustDo(t, repo.PushTo("release/1", repo.Head("topic"), w.dave))
		}, []string{"direct-push high"}, "was on no branch that is enrolled"},
		{"behind-a-tag", "A tag with the name of the branch is moved about, and the push to the branch hides among the deliveries of the tag.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			tip := repo.Head("main")
			repo.Tag("main", repo.Push("topic", w.dave, evil), w.dave)
			open(w, repo)
			repo.Push("main", w.carol, evil)
			repo.Tag("main", tip, w.dave)
		}, []string{"direct-push high"}, "without a pull request being merged"},
		{"only-a-tag", "A tag with the name of the branch is made and moved; the branch stays where it is.", func(_ *testing.T, w *acme, repo *ghsim.Repo) {
			repo.Tag("main", repo.Push("topic", w.dave, evil), w.dave)
			repo.Tag("main", repo.Head("main"), w.dave)
		}, nil, ""},
		{"policy-deleted-first", "A push deletes the policy, and the next one brings the payload.", func(_ *testing.T, w *acme, repo *ghsim.Repo) {
			open(w, repo)
			repo.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
			repo.Push("main", w.carol, evil)
		}, []string{"direct-push high", "direct-push high"}, "without a pull request being merged"},
		{"enrolment-taken-back-first", "A push takes the branch out of the policy, the next one brings the payload, and the third puts it back.", func(_ *testing.T, w *acme, repo *ghsim.Repo) {
			open(w, repo)
			repo.Push("main", w.carol, ghsim.Commit{Message: "elsewhere", Files: map[string]string{policy.Path: strings.Replace(shopPolicy, "[main]", "[other]", 1)}})
			repo.Push("main", w.carol, evil)
			repo.Push("main", w.carol, ghsim.Commit{Message: "back", Files: map[string]string{policy.Path: releasePolicy}})
		}, []string{"direct-push high", "direct-push high", "direct-push high"}, "without a pull request being merged"},
		{"while-the-server-is-down", "The server is stopped, the branch is pushed to, and what GitHub wanted to tell is lost.", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			w.mustSettle(t)
			w.stop()
			mustDo(t, <-w.stopped)
			open(w, repo)
			repo.Push("main", w.carol, evil)
			mustDo(t, w.sim.Drain(t.Context()))
			w.later(2 * time.Hour)
			w.startAgain(t)
		}, []string{"direct-push high"}, "without a pull request being merged"},
		{"backwards", "Two pushes past everything, and the deliveries come twice and in the wrong order.", func(_ *testing.T, w *acme, repo *ghsim.Repo) {
			hooks := w.app.Hooks()
			hooks.Hold()
			open(w, repo)
			repo.Push("main", w.carol, evil)
			repo.Push("main", w.carol, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package shop\n"}})
			hooks.ReleaseOrdered(func(n int) (order []int) {
				for i := n - 1; i >= 0; i-- {
					order = append(order, i, i)
				}
				return order
			})
		}, []string{"direct-push high", "direct-push high"}, "without a pull request being merged"},
	}
}

// Whatever reaches an enrolled branch past a decision opens the exceptions that it must, and no
// others, however often it is looked at again.
func TestAttacksThatArrivedAreFound(t *testing.T) {
	t.Parallel()
	w := startInStep(t)
	list := arrivals()
	for _, a := range list {
		t.Run(a.name, func(t *testing.T) {
			repo := w.guardedRepo(a.name, releasePolicy)
			w.mustSettle(t)
			a.play(t, w, repo)
			w.wantFound(t, repo, a.opens...)
			w.later(2 * time.Hour)
			w.wantFound(t, repo, a.opens...)
			found, err := w.server.store.Tenant(w.org.ID()).Exceptions(t.Context(), store.ExceptionFilter{RepoID: repo.ID()})
			mustDo(t, err)
			if len(a.opens) > 0 && !slices.ContainsFunc(found, func(e store.LeafIndexed) bool { return strings.Contains(e.Reason, a.says) }) {
				t.Errorf("%s\nNo exception says %q: %+v", a.how, a.says, found)
			}
		})
	}
	if !t.Failed() {
		compareSection(t, "arrivals", tableOfArrivals(list))
	}
}
