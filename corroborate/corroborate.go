// Package corroborate asks GitHub again what the records of a verified bundle say of its changes,
// with the auditor's own token: a pull request, its merge, its reviews and the conclusions of its
// checks. It reads and never writes.
package corroborate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// The answers about one part of a change.
const (
	Agrees  = "agrees"
	Differs = "differs"
	// Gone: GitHub does not show it any more, or not to this token.
	Gone = "no longer there"
)

// Part is one thing that was asked again.
type Part struct {
	What   string `json:"what"` // "pull request", "review 17", …
	Answer string `json:"answer"`
	Why    string `json:"why,omitempty"` // empty when it agrees
}

// Change is a change with what GitHub says of it now.
type Change struct {
	ID         string `json:"id"`
	Repository string `json:"repository"`
	Number     int    `json:"number,omitempty"`
	Commit     string `json:"commit"`
	Parts      []Part `json:"parts"`
}

// Answer is the worst of the parts.
func (c Change) Answer() string {
	worst := Agrees
	for _, p := range c.Parts {
		if p.Answer == Differs || p.Answer == Gone && worst == Agrees {
			worst = p.Answer
		}
	}
	return worst
}

func (c *Change) say(what, answer, why string, args ...any) {
	c.Parts = append(c.Parts, Part{what, answer, fmt.Sprintf(why, args...)})
}

// Ask asks GitHub about one change. An error is one of asking: what is not there any more is an
// answer.
func Ask(ctx context.Context, client *gh.Client, t evidence.TestedChange) (Change, error) {
	out := Change{ID: t.ID, Repository: t.Repository, Number: t.Number, Commit: t.Commit}
	owner, name, _ := strings.Cut(t.Repository, "/")
	repo := gh.Repo{Owner: owner, Name: name}
	now, err := client.Repository(ctx, repo)
	switch {
	case gone(err):
		out.say("repository", Gone, "GitHub does not show %s to this token", t.Repository)
		return out, nil
	case err != nil:
		return out, err
	case now.ID != t.RepositoryID:
		out.say("repository", Differs, "%s is now repository %d, and was %d", t.Repository, now.ID, t.RepositoryID)
		return out, nil
	}
	out.say("repository", Agrees, "")
	if owner, name, ok := strings.Cut(now.FullName, "/"); ok {
		repo = gh.Repo{Owner: owner, Name: name} // it may have been renamed
	}
	for _, ask := range []func(context.Context, *gh.Client, gh.Repo, evidence.TestedChange) error{out.branch, out.pull, out.checks} {
		if err := ask(ctx, client, repo, t); err != nil {
			return out, fmt.Errorf("ask about %s: %w", t.ID, err)
		}
	}
	return out, nil
}

func gone(err error) bool { return errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrGone) }

// branch asks whether the commit is in the history of the branch.
func (c *Change) branch(ctx context.Context, client *gh.Client, repo gh.Repo, t evidence.TestedChange) error {
	if strings.Trim(t.Commit, "0") == "" {
		return nil // the branch was deleted
	}
	tip, err := client.BranchTip(ctx, repo, t.Branch)
	if gone(err) {
		c.say("branch", Gone, "there is no branch %s any more", t.Branch)
		return nil
	}
	if err != nil {
		return err
	}
	compared, err := client.Compare(ctx, repo, t.Commit, tip)
	switch {
	case gone(err):
		c.say("commit", Gone, "GitHub does not know %s any more, or it has nothing in common with %s", t.Commit, t.Branch)
		return nil
	case err != nil:
		return err
	case compared.MergeBase != t.Commit:
		c.say("commit", Differs, "%s is not in the history of %s", t.Commit, t.Branch)
	default:
		c.say("commit", Agrees, "")
	}
	return nil
}

// pull asks about the pull request, its merge and its reviews.
func (c *Change) pull(ctx context.Context, client *gh.Client, repo gh.Repo, t evidence.TestedChange) error {
	if t.Number == 0 {
		return nil
	}
	pr, err := client.MergedPull(ctx, repo, t.Number)
	switch {
	case gone(err):
		c.say("pull request", Gone, "GitHub does not show #%d", t.Number)
		return nil
	case err != nil:
		return err
	case !pr.Merged:
		c.say("merge", Differs, "GitHub does not call #%d merged", t.Number)
	case pr.HeadSHA != t.HeadSHA:
		c.say("merge", Differs, "its head is %s, and %s was merged", pr.HeadSHA, t.HeadSHA)
	case apart(pr.MergedAt, t.At) > time.Minute:
		c.say("merge", Differs, "GitHub says that it was merged at %s, and the branch moved at %s", policy.WhenUTC(pr.MergedAt), policy.WhenUTC(t.At))
	default:
		c.say("merge", Agrees, "")
	}
	if t.Facts == nil {
		return nil
	}
	if got, want := pr.Author.ID, t.Facts.Change.Author.ID; got != want {
		c.say("author", Differs, "its author has the id %d, and the records say %d", got, want)
	} else {
		c.say("author", Agrees, "")
	}
	for _, review := range t.Facts.Reviews.Items {
		c.review(review, pr.Reviews)
	}
	return nil
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

// review compares one review. Its commit is not compared: GitHub re-points it. A review that was
// dismissed, or edited, after the merge is another one now.
func (c *Change) review(was policy.Review, now []gh.ReviewNow) {
	what := fmt.Sprintf("review %d", was.ID)
	i := slices.IndexFunc(now, func(r gh.ReviewNow) bool { return r.ID == was.ID })
	switch {
	case was.State == "pending":
	case i < 0:
		c.say(what, Gone, "GitHub lists no such review")
	case now[i].Author.ID != was.Actor.ID:
		c.say(what, Differs, "its author has the id %d, and the records say %d", now[i].Author.ID, was.Actor.ID)
	case now[i].State != was.State:
		c.say(what, Differs, "it is %q, and the records say %q", now[i].State, was.State)
	default:
		c.say(what, Agrees, "")
	}
}

// checks asks about the conclusions of check runs and commit statuses on the head that was merged.
func (c *Change) checks(ctx context.Context, client *gh.Client, repo gh.Repo, t evidence.TestedChange) error {
	if t.Facts == nil {
		return nil
	}
	runs, err := client.CheckRuns(ctx, repo, t.HeadSHA)
	if err != nil && !gone(err) {
		return err
	}
	statuses, err := client.Statuses(ctx, repo, t.HeadSHA)
	if err != nil && !gone(err) {
		return err
	}
	for _, was := range t.Facts.Validations.Items {
		if was.Status != "completed" {
			continue
		}
		c.validation(was, runs, statuses)
	}
	return nil
}

func (c *Change) validation(was policy.Validation, runs []gh.CheckRun, statuses []gh.CommitStatus) {
	what := fmt.Sprintf("%s %s (%d)", was.Kind, was.Name, was.ID)
	var conclusion string
	var by int64
	found := false
	for _, r := range runs {
		if was.Kind == policy.KindCheckRun && r.ID == was.ID {
			conclusion, by, found = r.Conclusion, r.App.ID, true
		}
	}
	for _, s := range statuses {
		if was.Kind == policy.KindStatus && s.ID == was.ID {
			conclusion, by, found = s.State, s.Creator.ID, true
		}
	}
	wanted := was.App.ID
	if was.Kind == policy.KindStatus {
		wanted = was.Creator.ID
	}
	switch {
	case !found:
		c.say(what, Gone, "GitHub does not list it any more")
	case conclusion != was.Conclusion:
		c.say(what, Differs, "it is %q, and the records say %q", conclusion, was.Conclusion)
	case by != wanted:
		c.say(what, Differs, "it is by the id %d, and the records say %d", by, wanted)
	default:
		c.say(what, Agrees, "")
	}
}
