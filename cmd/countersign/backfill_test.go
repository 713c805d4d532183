package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence/verify"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// lookedBack is a world in which GitHub's clock can be put back: what happens meanwhile happened
// that long ago, and nobody told the server.
type lookedBack struct {
	*acme
	ago atomic.Int64
}

func startLookedBack(t *testing.T) *lookedBack {
	t.Helper()
	w := &lookedBack{}
	w.on(300) // the simulator's clock never goes back, so what is long ago comes first
	sim := ghsim.New(ghsim.Options{Clock: func() time.Time { return time.Now().Add(-time.Duration(w.ago.Load())) }})
	var err error
	if w.acme, err = newAcme(t.Context(), sim, t.TempDir(), fast); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustDo(t, w.close()) })
	w.app.Hooks().Drop(func(string, string) bool { return true })
	return w
}

// on makes it so many days ago on GitHub.
func (w *lookedBack) on(daysAgo int) { w.ago.Store(int64(time.Duration(daysAgo) * 24 * time.Hour)) }

// installed ends the past: from now on deliveries tell of everything.
func (w *lookedBack) installed() {
	w.ago.Store(0)
	w.app.Hooks().Drop(nil)
}

// old is a repository that no policy enrols yet.
func (w *acme) old(name, branch string) *ghsim.Repo {
	repo := w.org.Repo(name, ghsim.RepoSpec{By: w.carol, DefaultBranch: branch, Files: map[string]string{"README.md": "# " + name + "\n", ciPath: "name: ci\n"}})
	for _, u := range []*ghsim.User{w.alice, w.bob, w.dave} {
		repo.Collaborator(u, "write")
	}
	return repo.Collaborator(w.carol, "admin")
}

func (w *acme) enrol(repo *ghsim.Repo, branch string) {
	repo.Push(branch, w.carol, ghsim.Commit{Message: "enrol", Files: map[string]string{policy.Path: shopPolicy}})
}

func file(name string) ghsim.Commit {
	return ghsim.Commit{Message: name, Files: map[string]string{name + ".txt": name + "\n"}}
}

// mergedBefore is a pull request that was merged while nothing was decided.
func (w *acme) mergedBefore(t *testing.T, repo *ghsim.Repo, head, method string) {
	t.Helper()
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: head, Head: head, Author: w.dave, Commits: []ghsim.Commit{file(head + "1"), file(head + "2")}})
	mustDo(t, pr.Merge(w.carol, method))
}

// historiesRead waits until what reached branches before they were enrolled is read.
func (w *acme) historiesRead(t *testing.T) {
	t.Helper()
	w.skipUntil(t, func() bool {
		list, err := w.server.store.Tenant(w.org.ID()).Backfills(t.Context(), 0)
		mustDo(t, err)
		for _, b := range list {
			if b.DoneAt.IsZero() {
				return false
			}
		}
		return w.settled(t)
	})
}

// backfilled runs countersign backfill while the server's clock goes on.
func (w *acme) backfilled(t *testing.T, more ...string) (string, error) {
	t.Helper()
	args := append([]string{"backfill", "--org", "acme", "--database", "sqlite:" + filepath.Join(w.folder, "countersign.db")}, more...)
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- run(context.Background(), args, func(string) string { return "" }, nil, &out, io.Discard)
	}()
	var err error
	w.skipUntil(t, func() bool {
		select {
		case err = <-ended:
			return true
		default:
			return false
		}
	})
	return out.String(), err
}

// earlierBranch is what completeness.json says of a branch and of the time before it was enrolled.
type earlierBranch struct {
	exportedBranch
	Backfilled int `json:"updates_before_installation"`
	Unenrolled []struct {
		From     time.Time `json:"from"`
		To       time.Time `json:"to"`
		ReadFrom time.Time `json:"read_from"`
		Why      string    `json:"why"`
	} `json:"not_enrolled"`
}

// theBranch exports everything since so many days ago, and returns the one branch of a repository.
func (w *acme) theBranch(t *testing.T, repo *ghsim.Repo, daysAgo int) (b earlierBranch, bundle string) {
	t.Helper()
	bundle, _ = w.exported(t, "--from", day(-daysAgo), "--to", w.now().AddDate(0, 0, 1).Format(time.DateOnly))
	var c struct {
		Branches []earlierBranch `json:"branches"`
	}
	mustDo(t, json.Unmarshal(inBundle(t, bundle, "completeness.json"), &c))
	c.Branches = slices.DeleteFunc(c.Branches, func(b earlierBranch) bool { return b.RepositoryID != repo.ID() })
	if len(c.Branches) != 1 {
		t.Fatalf("%d branches, want one: %+v", len(c.Branches), c.Branches)
	}
	return c.Branches[0], bundle
}

// wholeHistory fails unless all of the time before the branch was enrolled is known.
func (b earlierBranch) wholeHistory(t *testing.T) {
	t.Helper()
	if len(b.Unenrolled) != 1 || b.Unenrolled[0].Why != "" || !b.Unenrolled[0].ReadFrom.Equal(b.Unenrolled[0].From) || len(b.Gaps) != 0 {
		t.Errorf("not all of the time before is known: %+v, gaps %+v", b.Unenrolled, b.Gaps)
	}
}

// What reached a branch in the year before it was enrolled is in the population with its commits
// and their way, marked, counted in no rate, never passed, and agrees with git.
func TestHistoryBeforeInstallation(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	w.on(200)
	repo := w.old("old", "main")
	w.mergedBefore(t, repo, "squashed", "squash")
	w.on(150)
	w.mergedBefore(t, repo, "merged", "merge")
	w.mergedBefore(t, repo, "rebased", "rebase")
	w.on(100)
	repo.Push("main", w.carol, file("direct"), file("direct-too"))
	left := repo.Push("left", w.dave, file("l1"), file("l2"))
	octopus := file("octopus")
	octopus.Merges = []string{left, repo.Push("right", w.dave, file("r1"))}
	repo.Push("main", w.carol, octopus)
	queue := repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueue()}})
	for _, head := range []string{"queued", "queued-too"} {
		pr := repo.OpenPullRequest(ghsim.PullSpec{Title: head, Head: head, Author: w.dave, Commits: []ghsim.Commit{file(head)}})
		mustDo(t, pr.Enqueue(w.carol))
	}
	queue.Enforce(w.carol, "disabled")
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	w.historiesRead(t)
	repo.Push("main", w.carol, file("judged"))
	w.mustSettle(t)

	b, bundle := w.theBranch(t, repo, 250)
	b.wholeHistory(t)
	if b.Updates != 1 || b.Backfilled != 9 || b.NotTold != 0 || fmt.Sprint(b.Modes) != "[enforce]" {
		t.Errorf("got %+v", b)
	}
	got := map[string]int{}
	for _, row := range rows(t, bundle, "population.csv") {
		if row["repository"] != repo.FullName() {
			continue
		}
		got[strings.Join([]string{row["type"], row["commits"], row["tested"], row["deviation"], row["findings"], row["decision"], row["class"]}, "|")]++
	}
	const untested = "|not testable: before installation|no|||before installation"
	want := map[string]int{
		"pr_merge|1" + untested: 2, "pr_merge|2" + untested: 1, "push|2" + untested: 1, "push|1" + untested: 2,
		"merge_queue_merge|1" + untested: 2, "push|1|yes|yes|direct-push||no pull request": 1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("population:\n got %v\nwant %v", got, want)
	}
	if c := b.Commits; c != (lineCounts{FirstParent: 11, OfPullRequests: 4, OfMergeGroups: 2, Direct: 5}) {
		t.Errorf("first-parent commits: %+v", c)
	}

	verified := w.verified(t, bundle, "--git", repo.FullName()+"="+cloned(t, repo))
	if c := verified.Report.Manifest.Counts; !verified.OK || c.BeforeInstallation == 0 || c.NotRead != 0 || c.Undecided != 0 {
		t.Errorf("verified: %+v", verified.Report)
	}
	w.sampledBefore(t)
}

// sampledBefore draws everything: what came before installation passes nothing and is in no rate.
func (w *acme) sampledBefore(t *testing.T) {
	t.Helper()
	bundle, said := w.exported(t, "--from", day(-250), "--sample", "1000", "--seed", auditorsSeed)
	if !strings.Contains(said, "came before their branch was enrolled") {
		t.Errorf("export says:\n%s", said)
	}
	before := map[string]bool{}
	for _, row := range rows(t, bundle, "population.csv") {
		before[row["id"]] = row["tested"] != "yes"
	}
	for _, row := range rows(t, bundle, "attributes.csv") {
		if testable := row["result"] != "not testable: before installation" && row["result"] != "not recorded"; before[row["id"]] && testable || row["counts_as_deviation"] == "yes" && before[row["id"]] {
			t.Errorf("attribute %s of %s: %s", row["attribute"], row["id"], row["result"])
		}
	}
	var r struct {
		Sample struct {
			All struct {
				Population  int `json:"population"`
				Tested      int `json:"tested"`
				NotTestable int `json:"not_testable"`
			} `json:"all"`
		} `json:"sample"`
	}
	mustDo(t, json.Unmarshal(inBundle(t, bundle, "results.json"), &r))
	untestable := 0
	for _, is := range before {
		if is {
			untestable++
		}
	}
	if all := r.Sample.All; untestable == 0 || all.NotTestable != untestable || all.Tested != all.Population || all.Tested != len(before)-untestable {
		t.Errorf("the sample: %+v, with %d of %d from before installation", all, untestable, len(before))
	}
	if !w.verified(t, bundle).OK {
		t.Error("the bundle with the sample does not hold")
	}
}

// historyRecords counts the leaves about how far back histories were read, and about updates in them.
func (w *acme) historyRecords(t *testing.T) [2]int64 {
	t.Helper()
	report, err := w.server.store.Tenant(w.org.ID()).CheckLedger(t.Context(), func(int64, int64) {})
	mustDo(t, err)
	return [2]int64{report.Kinds[store.LeafBackfill], report.Kinds[store.LeafBackfilled]}
}

// What is to be judged and is not yet is no history.
func TestHistoryLeavesAloneWhatIsToBeJudged(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	w.on(200)
	repo := w.old("pending", "main")
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	w.historiesRead(t)
	before := w.historyRecords(t)
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET */contents/{path...}", Status: 500})
	repo.Push("main", w.carol, file("pending"))
	mustDo(t, w.sim.Drain(t.Context()))
	if said, err := w.backfilled(t, "--repo", repo.FullName(), "--since", day(-400)); err != nil || !strings.Contains(said, "(0 updates put on record)") {
		t.Errorf("while an update is not judged yet: %v\n%s", err, said)
	}
	if got := w.historyRecords(t); got[1] != before[1] {
		t.Errorf("%d updates are on record as history, want %d", got[1], before[1])
	}
	repair()
	w.later(2 * time.Hour)
	w.mustSettle(t)
	if got := w.exceptions(t, repo, "direct-push"); len(got) != 1 {
		t.Errorf("when it is judged: %+v", got)
	}
}

// What GitHub has forgotten, or does not show, is a time of which nothing is known, with the
// reason; asked for again it is read, and the same again changes nothing.
func TestHistoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	w.on(200)
	repo := w.old("forgotten", "main")
	w.on(100)
	repo.Push("main", w.carol, file("remembered"))
	w.installed()
	repo.Forget(time.Now().AddDate(0, 0, -150))
	w.enrol(repo, "main")
	w.mustSettle(t)
	w.historiesRead(t)

	b, bundle := w.theBranch(t, repo, 250)
	if len(b.Unenrolled) != 1 || !strings.Contains(b.Unenrolled[0].Why, "limited time") || b.Unenrolled[0].ReadFrom.Sub(time.Now().AddDate(0, 0, -100)).Abs() > time.Hour || b.Backfilled != 2 {
		t.Errorf("got %+v", b)
	}
	if page := string(inBundle(t, bundle, "index.html")); !strings.Contains(page, "The evidence is not complete") || !strings.Contains(page, "limited time") {
		t.Error("the first page does not say that something is missing")
	}
	var report bytes.Buffer
	err := run(t.Context(), []string{"verify", bundle}, func(string) string { return "" }, nil, &report, &report)
	if said := report.String(); !errors.Is(err, verify.ErrSelfAsserted) || !strings.Contains(said, "2 of the changes are from before their branch was enrolled, and not tested") ||
		!strings.Contains(said, "not complete: 0 gaps, 1 times before a branch was enrolled of which not all is known") {
		t.Errorf("verify says: %v\n%s", err, said)
	}
	if b, _ := w.theBranch(t, repo, 50); len(b.Unenrolled) != 1 || b.Unenrolled[0].Why != "" {
		t.Errorf("of a period that is known: %+v", b.Unenrolled)
	}

	repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET */activity", Status: 403})
	said, err := w.backfilled(t, "--repo", repo.FullName(), "--since", day(-400))
	if err != nil || !strings.Contains(said, "NOT read. the App was suspended") {
		t.Errorf("while GitHub refuses: %v\n%s", err, said)
	}
	repair()
	said, err = w.backfilled(t, "--since", day(-400))
	if err != nil || !strings.Contains(said, "acme/forgotten, branch main: read from") || !strings.Contains(said, "NOT from") || !strings.Contains(said, "limited time") {
		t.Errorf("asked for again: %v\n%s", err, said)
	}
	before := w.historyRecords(t)
	if again, err := w.backfilled(t, "--since", day(-400)); err != nil || again != said || w.historyRecords(t) != before {
		t.Errorf("asked for the same: %v\n%s\n%d records, want %d", err, again, w.historyRecords(t), before)
	}
	if _, err := w.backfilled(t, "--repo", "acme/nothing"); err == nil || !strings.Contains(err.Error(), "no branch of") {
		t.Errorf("a repository that is not followed: %v", err)
	}
	if _, err := w.backfilled(t, "--since", "yesterday"); !errors.Is(err, errUsage) {
		t.Errorf("no date: %v", err)
	}
}

// GitHub forgets more while a long history is read, so that it does not know the page any more that
// is read next: that is not the end of the list, and nothing is on record twice.
func TestHistoryThatShrinks(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(w *lookedBack, repo *ghsim.Repo){
		"forgotten": func(_ *lookedBack, repo *ghsim.Repo) { repo.Forget(time.Now().AddDate(0, 0, -150)) },
		"an empty page": func(w *lookedBack, _ *ghsim.Repo) {
			var once sync.Once
			w.sim.Faults.Add(ghsim.Fault{Route: "GET */activity", Only: func(r *http.Request) bool {
				if query := r.URL.Query(); query.Has("after") {
					once.Do(func() {
						query.Set("after", "1")
						r.URL.RawQuery = query.Encode()
					})
				}
				return false
			}})
		},
		"refused": func(w *lookedBack, repo *ghsim.Repo) {
			w.sim.Faults.Add(ghsim.Fault{Route: "GET */activity", Only: func(r *http.Request) bool { return r.URL.Query().Has("after") }, Status: 422, Times: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := startLookedBack(t)
			w.on(200)
			repo := w.old("shrinking", "main")
			for i := range 40 {
				repo.Push("main", w.carol, file(fmt.Sprint("old", i)))
			}
			w.on(100)
			for i := range 90 {
				repo.Push("main", w.carol, file(fmt.Sprint("new", i)))
			}
			w.installed()
			w.enrol(repo, "main")
			w.skipUntil(t, func() bool {
				list, err := w.server.store.Tenant(w.org.ID()).Backfills(t.Context(), repo.ID())
				mustDo(t, err)
				return len(list) == 1 && list[0].Page != ""
			})
			w.mustSettle(t)
			lose(w, repo)
			w.historiesRead(t)
			b, bundle := w.theBranch(t, repo, 250)
			if name != "forgotten" {
				b.wholeHistory(t)
			} else if len(b.Unenrolled) != 1 || !strings.Contains(b.Unenrolled[0].Why, "limited time") {
				t.Errorf("got %+v", b.Unenrolled)
			}
			seen := map[string]bool{}
			for _, row := range rows(t, bundle, "population.csv") {
				if seen[row["id"]] {
					t.Errorf("%s is there twice", row["id"])
				}
				seen[row["id"]] = true
			}
			if got := b.Commits.Direct; name != "forgotten" && got != 131 || got < 91 || len(b.Gaps) != 0 {
				t.Errorf("%d commits, gaps %+v", got, b.Gaps)
			}
		})
	}
}

// A branch that had another name before is one branch: what reached it then is read under that.
func TestHistoryUnderAnotherName(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	w.on(200)
	repo := w.old("renamed", "master")
	w.mergedBefore(t, repo, "before", "squash")
	w.on(150)
	repo.RenameBranch("master", "main", w.carol)
	repo.Push("main", w.carol, file("between"))
	repo.Rename("renamed-too", w.carol)
	w.on(100)
	repo.RenameBranch("main", "trunk", w.carol)
	repo.Push("trunk", w.carol, file("away"))
	repo.RenameBranch("trunk", "main", w.carol)
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	w.historiesRead(t)
	b, bundle := w.theBranch(t, repo, 250)
	b.wholeHistory(t)
	if fmt.Sprint(b.BranchNames) != "[main master trunk]" || b.Branch != "main" || b.Commits.Direct != 3 || b.Commits.OfPullRequests != 1 {
		t.Errorf("got %+v", b)
	}
	if !w.verified(t, bundle, "--git", repo.FullName()+"="+cloned(t, repo)).OK {
		t.Error("it does not agree with git")
	}
}

// A repository that came from another organisation brings its history. While it is with another
// one again nothing of it is seen, which shows, and what happened there is found when it is back.
func TestHistoryOfATransferredRepository(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	elsewhere := w.sim.Org("elsewhere").Owner(w.carol)
	w.on(200)
	repo := elsewhere.Repo("guest", ghsim.RepoSpec{By: w.carol})
	repo.Push("main", w.carol, file("elsewhere"))
	w.on(100)
	repo.Transfer(w.org, w.carol)
	repo.Push("main", w.carol, file("here"))
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	w.historiesRead(t)
	b, _ := w.theBranch(t, repo, 250)
	if b.wholeHistory(t); b.Backfilled != 4 || b.Commits.Direct != 3 || b.Repository != "acme/guest" {
		t.Errorf("got %+v", b)
	}

	repo.Transfer(elsewhere, w.carol)
	repo.Push("main", w.carol, file("away"))
	w.later(2 * time.Hour)
	w.mustSettle(t)
	if got := w.exceptions(t, repo, "blind-interval"); len(got) != 1 || got[0].State != store.ExceptionOpen {
		t.Errorf("while it is away: %+v", got)
	}
	repo.Transfer(w.org, w.carol)
	w.later(2 * time.Hour)
	w.mustSettle(t)
	if got := w.exceptions(t, repo, "blind-interval"); len(got) != 1 || got[0].State != store.ExceptionRemediated {
		t.Errorf("when it is back: %+v", got)
	}
	if got := w.exceptions(t, repo, "direct-push"); len(got) != 1 {
		t.Errorf("what happened while it was away: %+v", got)
	}
	if b, _ = w.theBranch(t, repo, 250); b.Updates != 1 || len(b.Gaps) != 0 {
		t.Errorf("when it is back: %+v", b)
	}
}

// What was forced away before installation is in no clone, and the rest agrees with git.
func TestHistoryThatWasForced(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	w.on(200)
	repo := w.old("forced", "main")
	begin := repo.Head("main")
	repo.Push("main", w.carol, file("gone"))
	repo.ForcePush("main", begin, w.carol, file("instead"))
	repo.Push("main", w.carol, file("after"))
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	w.historiesRead(t)
	b, bundle := w.theBranch(t, repo, 250)
	b.wholeHistory(t)
	if !w.verified(t, bundle, "--git", repo.FullName()+"="+cloned(t, repo)).OK {
		t.Error("it does not agree with git")
	}
	var out bytes.Buffer
	clone := cloned(t, repo)
	inGit(t, clone, "checkout", "-q", "-B", "main", "main~2")
	inGit(t, clone, "commit", "-q", "--allow-empty", "-m", "as if nothing")
	inGit(t, clone, "update-ref", "refs/remotes/origin/main", "main")
	if err := run(t.Context(), []string{"verify", "--git", repo.FullName() + "=" + clone, bundle}, func(string) string { return "" }, nil, &out, &out); !errors.Is(err, verify.ErrBroken) {
		t.Errorf("a clone with another history: %v\n%s", err, out.String())
	}
}

// A long history is read a little at a time, so that decisions are not kept waiting, and the
// server that is killed in the middle goes on: every update is on record once.
func TestKilledWhileAHistoryIsRead(t *testing.T) {
	t.Parallel()
	const updates = 60
	p := startProcess(t)
	repo := p.old("long", "main")
	for i := range updates {
		repo.Push("main", p.carol, file(fmt.Sprint("n", i)))
	}
	mustDo(t, p.sim.Drain(t.Context()))
	reached := p.killAt(t, "GET */compare/{basehead...}", 12)
	p.enrol(repo, "main")
	reached()
	p.kill(t)
	p.sim.ResetRequests()
	p.later(time.Minute) // the leases of the dead have run out
	p.startAgain(t)
	p.mustSettle(t)
	if n := p.sim.RequestCounts()["GET /repos/{owner}/{repo}/compare/{basehead...}"].Requests; n == 0 || n > 30 {
		t.Errorf("%d updates were read in one run", n)
	}
	p.historiesRead(t)
	b, bundle := p.theBranch(t, repo, 10)
	if b.wholeHistory(t); b.Backfilled != updates+2 || b.Commits.Direct != updates+1 {
		t.Errorf("got %+v", b)
	}
	seen := map[string]bool{}
	for _, row := range rows(t, bundle, "population.csv") {
		if seen[row["id"]] {
			t.Errorf("%s is there twice", row["id"])
		}
		seen[row["id"]] = true
	}
	p.decisions(t) // the log holds
}
