package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// lineCounts are the first-parent commits of a branch, as completeness.json counts them.
type lineCounts struct {
	FirstParent         int `json:"first_parent"`
	OfPullRequests      int `json:"of_pull_requests"`
	OfMergeGroups       int `json:"of_merge_groups"`
	Direct              int `json:"direct"`
	Unexplained         int `json:"unexplained"`
	PullRequestsWithout int `json:"pull_requests_without_commits"`
	UpdatesNotListed    int `json:"updates_not_listed"`
}

func (n lineCounts) plus(m lineCounts) lineCounts {
	return lineCounts{n.FirstParent + m.FirstParent, n.OfPullRequests + m.OfPullRequests, n.OfMergeGroups + m.OfMergeGroups, n.Direct + m.Direct,
		n.Unexplained + m.Unexplained, n.PullRequestsWithout + m.PullRequestsWithout, n.UpdatesNotListed + m.UpdatesNotListed}
}

// exportedBranch is a line of completeness.json.
type exportedBranch struct {
	RepositoryID int64    `json:"repository_id"`
	Repository   string   `json:"repository"`
	Branch       string   `json:"branch"`
	Names        []string `json:"names"`
	BranchNames  []string `json:"branch_names"`
	Modes        []string `json:"modes"`
	Gaps         []struct {
		Update int64 `json:"update"`
	} `json:"gaps"`
	Updates  int        `json:"updates"`
	NotTold  int        `json:"not_told_by_delivery"`
	Commits  lineCounts `json:"commits"`
	Enrolled []struct {
		From         time.Time `json:"from"`
		To           time.Time `json:"to"`
		Mode         string    `json:"mode"`
		TipFrom      string    `json:"tip_from"`
		TipTo        string    `json:"tip_to"`
		Reason       string    `json:"reason"`
		PolicySHA256 string    `json:"policy_sha256"`
	} `json:"enrolled"`
}

// exportedScope is which repositories there were, in completeness.json.
type exportedScope struct {
	Readings        int    `json:"readings"`
	LongestGapHours int    `json:"longest_gap_hours"`
	Selection       string `json:"selection"`
	NotRead         []struct {
		Why string `json:"why"`
	} `json:"not_read"`
	Repositories []struct {
		RepositoryID int64    `json:"repository_id"`
		Repository   string   `json:"repository"`
		Names        []string `json:"names"`
		Archived     bool     `json:"archived"`
		Enrolled     []string `json:"enrolled"`
		States       []struct {
			State string `json:"state"`
		} `json:"states"`
	} `json:"repositories"`
	Counts struct {
		Repositories      int `json:"repositories"`
		WithEnrolled      int `json:"with_enrolled_branches"`
		WithoutEnrolled   int `json:"without_enrolled_branches"`
		PrivateNotVisible int `json:"private_not_visible"`
	} `json:"counts"`
}

// exportedPopulation is what a bundle says of the population.
type exportedPopulation struct {
	completeness struct {
		Branches []exportedBranch `json:"branches"`
		Scope    exportedScope    `json:"scope"`
		Totals   struct {
			Commits lineCounts `json:"commits"`
		} `json:"totals"`
	}
	changes []map[string]string // rows of population.csv, by column
}

// population exports everything and reads the bundle.
func (w *acme) population(t *testing.T) (p exportedPopulation) {
	t.Helper()
	w.mustSettle(t)
	file, _ := w.exported(t, "--to", w.now().AddDate(0, 0, 1).Format(time.DateOnly))
	mustDo(t, json.Unmarshal(inBundle(t, file, "completeness.json"), &p.completeness))
	p.changes = rows(t, file, "population.csv")
	return p
}

// branches are the lines of a repository's branches.
func (p exportedPopulation) branches(repo *ghsim.Repo) (out []exportedBranch) {
	for _, b := range p.completeness.Branches {
		if b.RepositoryID == repo.ID() {
			out = append(out, b)
		}
	}
	return out
}

// commitsPerChange are the first-parent commits of each change of a repository: those of the
// column of population.csv, in order.
func (p exportedPopulation) commitsPerChange(repo *ghsim.Repo) (out []string) {
	for _, c := range p.changes {
		if c["repository"] == repo.FullName() {
			out = append(out, c["commits"])
		}
	}
	return out
}

// Every first-parent commit of an enrolled branch is counted with the one thing that brought it.
func TestFirstParentCommitsReconcile(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	twoCommits := func(repo *ghsim.Repo, head string) pull {
		pr := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Two commits", Head: head, Author: w.dave, Commits: []ghsim.Commit{
			{Message: "one", Files: map[string]string{head + "1.go": "package x\n"}}, {Message: "two", Files: map[string]string{head + "2.go": "package x\n"}}}}))
		w.wantCheck(t, pr, released)
		return pr
	}
	merge := func(method string) func(*ghsim.Repo) {
		return func(repo *ghsim.Repo) { mustDo(t, twoCommits(repo, "dave/two").Merge(w.alice, method)) }
	}
	queue := func(rule ghsim.Rule) func(*ghsim.Repo) {
		return func(repo *ghsim.Repo) {
			repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{rule}})
			one, two := twoCommits(repo, "one"), twoCommits(repo, "two")
			mustDo(t, one.Enqueue(w.dave))
			mustDo(t, two.Enqueue(w.dave))
			w.mustSettle(t)
			first, second := one.GroupSHA(), two.GroupSHA()
			w.testGroup(repo, second, "success")
			w.testGroup(repo, first, "success")
		}
	}
	push := func(do func(repo *ghsim.Repo)) func(*ghsim.Repo) {
		return func(repo *ghsim.Repo) {
			repo.Unprotect("main", w.carol)
			do(repo)
		}
	}
	a := func(n string) ghsim.Commit {
		return ghsim.Commit{Message: n, Files: map[string]string{n + ".txt": n + "\n"}}
	}
	var repos []*ghsim.Repo
	cases := []struct {
		name    string
		do      func(*ghsim.Repo)
		want    lineCounts
		changes []string
	}{
		{"merge", merge("merge"), lineCounts{FirstParent: 1, OfPullRequests: 1}, []string{"1"}},
		{"squash", merge("squash"), lineCounts{FirstParent: 1, OfPullRequests: 1}, []string{"1"}},
		{"rebase", merge("rebase"), lineCounts{FirstParent: 2, OfPullRequests: 2}, []string{"2"}},
		{"queue", queue(ghsim.RuleMergeQueue()), lineCounts{FirstParent: 2, OfMergeGroups: 2}, []string{"1", "1"}},
		{"queue that squashes", queue(ghsim.RuleMergeQueueOf("ALLGREEN", "SQUASH")), lineCounts{FirstParent: 2, OfMergeGroups: 2}, []string{"1", "1"}},
		{"queue that rebases", queue(ghsim.RuleMergeQueueOf("ALLGREEN", "REBASE")), lineCounts{FirstParent: 4, OfMergeGroups: 4}, []string{"2", "2"}},
		{"queue that moves the branch once", queue(ghsim.RuleMergeQueueOf("HEADGREEN", "MERGE")), lineCounts{FirstParent: 2, OfMergeGroups: 2}, []string{"1", "1"}},
		{"push of three", push(func(repo *ghsim.Repo) { repo.Push("main", w.carol, a("one"), a("two"), a("three")) }), lineCounts{FirstParent: 3, Direct: 3}, []string{"3"}},
		{"octopus", push(func(repo *ghsim.Repo) {
			left, right := repo.Push("left", w.dave, a("l1"), a("l2")), repo.Push("right", w.dave, a("r1"))
			octopus := a("octopus")
			octopus.Merges = []string{left, right}
			repo.Push("main", w.carol, a("before"), octopus)
		}), lineCounts{FirstParent: 2, Direct: 2}, []string{"2"}},
		{"force push", push(func(repo *ghsim.Repo) {
			begin := repo.Head("main")
			repo.Push("main", w.carol, a("gone"), a("gone too"))
			repo.ForcePush("main", begin, w.carol, a("instead"))
		}), lineCounts{FirstParent: 3, Direct: 3}, []string{"2", "1"}},
		{"force push back", push(func(repo *ghsim.Repo) {
			begin := repo.Head("main")
			repo.Push("main", w.carol, a("gone"))
			repo.ForcePush("main", begin, w.carol)
		}), lineCounts{FirstParent: 1, Direct: 1}, []string{"1", "0"}},
		{"force push of another history", push(func(repo *ghsim.Repo) { repo.ForcePush("main", "", w.carol, a("new")) }), lineCounts{UpdatesNotListed: 1}, []string{""}},
		{"push of an approved head", func(repo *ghsim.Repo) {
			head := twoCommits(repo, "dave/head").HeadSHA()
			repo.Unprotect("main", w.carol)
			mustDo(t, repo.PushTo("main", head, w.carol))
		}, lineCounts{FirstParent: 2, Direct: 2}, []string{"2"}},
		{"merge of more commits than are listed", func(repo *ghsim.Repo) {
			pr := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Long", Head: "dave/long", Author: w.dave, Commits: slices.Repeat([]ghsim.Commit{a("long")}, 251)}))
			w.mustSettle(t)
			repo.Unprotect("main", w.carol)
			mustDo(t, pr.Merge(w.carol, "merge"))
		}, lineCounts{FirstParent: 1, OfPullRequests: 1}, []string{"1"}},
		{"more commits than are listed", push(func(repo *ghsim.Repo) { repo.Push("main", w.carol, slices.Repeat([]ghsim.Commit{a("again")}, 251)...) }), lineCounts{UpdatesNotListed: 1}, []string{""}},
	}
	for _, c := range cases {
		repo := w.guardedRepo("line "+c.name, "")
		w.mustSettle(t)
		c.do(repo)
		w.mustSettle(t)
		repos = append(repos, repo)
	}
	p := w.population(t)
	var all lineCounts
	for i, c := range cases {
		var got lineCounts
		for _, b := range p.branches(repos[i]) {
			got = got.plus(b.Commits)
		}
		if got != c.want {
			t.Errorf("%s: first-parent commits %+v, want %+v", c.name, got, c.want)
		}
		if got := p.commitsPerChange(repos[i]); !slices.Equal(got, c.changes) {
			t.Errorf("%s: commits of the changes %q, want %q", c.name, got, c.changes)
		}
		if got.FirstParent != got.OfPullRequests+got.OfMergeGroups+got.Direct+got.Unexplained {
			t.Errorf("%s: they do not reconcile: %+v", c.name, got)
		}
		all = all.plus(got)
	}
	if p.completeness.Totals.Commits != all {
		t.Errorf("in all %+v, want %+v", p.completeness.Totals.Commits, all)
	}
}

// From when until when a branch was followed, in which mode and why, is on record, and shown also
// of a branch that nothing reached. The repository's name makes no other line of it.
func TestWhenABranchWasEnrolled(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	audit := strings.Replace(shopPolicy, "mode: enforce", "mode: audit", 1)
	policyFile := func(content string) ghsim.Commit {
		return ghsim.Commit{Message: "policy", Files: map[string]string{policy.Path: content}}
	}
	repo := w.repository("enrolled", audit)
	w.mustSettle(t)
	begin := repo.Head("main")
	want := func(when string, want ...string) exportedBranch {
		t.Helper()
		p := w.population(t)
		lines := p.branches(repo)
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines, want one: %+v", when, len(lines), lines)
		}
		var got []string
		for _, e := range lines[0].Enrolled {
			got = append(got, fmt.Sprintf("%s %t", e.Mode, e.To.IsZero()))
			if e.Reason == "" || len(e.PolicySHA256) != 64 {
				t.Errorf("%s: it does not say why: %+v", when, e)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: enrolled %q, want %q", when, got, want)
		}
		return lines[0]
	}
	if got := want("nothing reached it", "audit true"); got.Updates != 0 || got.Enrolled[0].TipFrom != begin {
		t.Errorf("got %+v, want no updates since %s", got, begin)
	}
	repo.Rename("enrolled-too", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "a change", Files: map[string]string{"a": "a\n"}})
	if got := want("renamed", "audit false", "audit true"); !slices.Equal(got.Names, []string{"acme/enrolled", "acme/enrolled-too"}) || got.Repository != "acme/enrolled-too" || got.Updates != 1 {
		t.Errorf("renamed: %+v", got)
	}
	repo.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
	if got := want("not enrolled any more", "audit false", "audit false"); got.Enrolled[1].TipTo == "" {
		t.Errorf("it does not say where it ended: %+v", got)
	}
	repo.Push("main", w.carol, policyFile(audit))
	repo.Push("main", w.carol, ghsim.Commit{Message: "another", Files: map[string]string{"b": "b\n"}})
	want("enrolled again", "audit false", "audit false", "audit true")
	repo.Push("main", w.carol, policyFile(shopPolicy))
	want("enforced", "audit false", "audit false", "audit false", "enforce true")
}

// A branch that got another name is one line, and its commits are what was decided on before.
func TestABranchWithAnotherName(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("other branch", releasePolicy)
	mustDo(t, repo.PushTo("release/1", repo.Head("main"), w.carol))
	repo.Push("release/1", w.carol, ghsim.Commit{Message: "before", Files: map[string]string{"a": "a\n"}})
	w.mustSettle(t)
	repo.RenameBranch("release/1", "release/one", w.carol)
	repo.Push("release/one", w.carol, ghsim.Commit{Message: "after", Files: map[string]string{"b": "b\n"}})
	w.wantFound(t, repo, "direct-push high", "direct-push high")
	var got []exportedBranch
	for _, b := range w.population(t).branches(repo) {
		if b.Branch != "main" {
			got = append(got, b)
		}
	}
	if len(got) != 1 || got[0].Branch != "release/one" || fmt.Sprint(got[0].BranchNames) != "[release/1 release/one]" || got[0].Updates != 5 || len(got[0].Gaps) != 0 || got[0].Commits.Direct != 2 {
		t.Errorf("got %+v, want one line without gaps", got)
	}
}

// What reached a branch until it was not enrolled any more is on record, also when all of it is seen
// at once; what came after is not.
func TestWhatCameBeforeTheEnrolmentEnded(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.repository("left-behind", strings.Replace(shopPolicy, "mode: enforce", "mode: audit", 1))
	w.mustSettle(t)
	hooks := w.app.Hooks()
	hooks.Hold()
	repo.Push("main", w.carol, ghsim.Commit{Message: "a change", Files: map[string]string{"a": "a\n"}})
	end := repo.Push("main", w.carol, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
	repo.Push("main", w.carol, ghsim.Commit{Message: "nobody's business", Files: map[string]string{"b": "b\n"}})
	hooks.Release()
	w.wantFound(t, repo, "direct-push low", "direct-push low")
	lines := w.population(t).branches(repo)
	if len(lines) != 1 || lines[0].Updates != 2 || len(lines[0].Enrolled) != 1 || lines[0].Enrolled[0].TipTo != end {
		t.Errorf("got %+v, want two updates and an enrolment that ended at %s", lines, end)
	}
}
