package main

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// What closes an issue and does not close its exception: it is opened again with a comment that
// says why.
func TestClosingAnIssueIsNotEnough(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, says string
		do         func(w *acme, later func(time.Duration), repo *ghsim.Repo, issue *ghsim.Issue)
	}{
		{"without write access", "rita has no write access", func(w *acme, _ func(time.Duration), repo *ghsim.Repo, issue *ghsim.Issue) {
			rita := w.sim.User("rita")
			repo.Collaborator(rita, "read")
			issue.Comment(rita, "Looks fine.")
			issue.Close(rita)
		}},
		{"an App", "only a person", func(w *acme, _ func(time.Duration), repo *ghsim.Repo, issue *ghsim.Issue) {
			helper := w.sim.App(ghsim.AppSpec{Slug: "helper"})
			repo.Collaborator(helper, "write")
			issue.Comment(helper, "Done.")
			issue.Close(helper)
		}},
		{"what an App said in somebody's name", "alice did not say what was done", func(w *acme, _ func(time.Duration), _ *ghsim.Repo, issue *ghsim.Issue) {
			issue.CommentThrough(w.devin, w.alice, "Reverted.")
			issue.Close(w.alice)
		}},
		{"what somebody else said", "alice did not say what was done", func(w *acme, _ func(time.Duration), _ *ghsim.Repo, issue *ghsim.Issue) {
			issue.Comment(w.bob, "Reverted.")
			issue.Close(w.alice)
		}},
		{"what was said before it was overdue", "alice did not say what was done", func(w *acme, later func(time.Duration), _ *ghsim.Repo, issue *ghsim.Issue) {
			issue.Comment(w.alice, "I will look at it.")
			later(25 * time.Hour)
			w.mustSettle(t)
			issue.Close(w.alice)
		}},
		{"what was said before a closing that was refused", "alice did not say what was done", func(w *acme, later func(time.Duration), repo *ghsim.Repo, issue *ghsim.Issue) {
			repo.Collaborator(w.alice, "read")
			issue.Comment(w.alice, "Reverted.")
			issue.Close(w.alice)
			w.mustSettle(t)
			later(time.Minute)
			repo.Collaborator(w.alice, "write")
			issue.Close(w.alice)
		}},
		{"what was said before somebody opened it again", "alice did not say what was done", func(w *acme, later func(time.Duration), _ *ghsim.Repo, issue *ghsim.Issue) {
			w.unheard(t, func() {
				issue.Comment(w.alice, "Reverted.")
				issue.Close(w.alice)
				later(time.Minute)
				issue.Reopen(w.bob)
			})
			later(time.Minute)
			issue.Close(w.alice)
		}},
		{"a pull request that says that it fixes it", "it was closed by pull request ", func(w *acme, _ func(time.Duration), repo *ghsim.Repo, issue *ghsim.Issue) {
			pr := w.approved(w.davesPull(repo, code))
			pr.Closes(issue)
			issue.Comment(w.alice, "dave repairs it.")
			w.wantCheck(t, pr, released)
			mustDo(t, pr.Merge(w.alice, "squash"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, later := startWithIssues(t)
			repo, _ := w.pushedDirectly(t, "not enough", issuesPolicy)
			issue := repo.Issues()[0]
			later(time.Minute)
			c.do(w, later, repo, issue)
			w.mustSettle(t)
			comments := issue.Comments()
			if len(comments) == 0 || issue.State() != "open" || !strings.Contains(comments[len(comments)-1].Body(), c.says) {
				t.Fatalf("the issue is %s with %d comments, the last:\n%s", issue.State(), len(comments), comments[len(comments)-1].Body())
			}
			if e := w.exceptions(t, repo, policy.FindingDirectPush)[0]; e.State != store.ExceptionOpen {
				t.Errorf("closed: %+v", e)
			}
			later(time.Minute)
			issue.Comment(w.bob, "Reverted in #9.")
			issue.Close(w.bob)
			w.mustSettle(t)
			if e := w.exceptions(t, repo, policy.FindingDirectPush)[0]; e.State != store.ExceptionClosed || e.Remediation != "Reverted in #9." {
				t.Errorf("closed as it should be: %+v", e)
			}
		})
	}
}

// An issue that was deleted is given up, and the exception lives on in the log.
func TestADeletedIssue(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	repo, e := w.pushedDirectly(t, "deleted issue", issuesPolicy)
	repo.Issues()[0].Delete(w.carol)
	w.mustSettle(t)
	got := w.exceptions(t, repo, policy.FindingDirectPush)[0]
	if got.State != store.ExceptionOpen || got.Step != "issue gone" || got.Issue != 0 || got.KeepIssue {
		t.Errorf("its issue was deleted: %+v", got)
	}
	later(25 * time.Hour)
	w.mustSettle(t)
	if got := w.exceptions(t, repo, policy.FindingDirectPush)[0]; got.OverdueAt.IsZero() || len(repo.Issues()) != 0 {
		t.Errorf("a day later, with %d issues: %+v", len(repo.Issues()), got)
	}
	out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", "http://"+w.server.listener.Addr().String(), "--repo", repo.FullName(), "--done", "reverted", e.ID)
	if err != nil {
		t.Errorf("closed by command: %s", out)
	}
}
