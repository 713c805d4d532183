package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// The labels that exceptions have on GitHub.
	labelException = "countersign-exception"
	labelOverdue   = "countersign-overdue"

	// issueEvery is how often the issue of an exception that is not closed is looked at: no
	// delivery may have told that it was closed.
	issueEvery = 6 * time.Hour
	// saidWithin is how long before an issue is closed the comment may be that says what was done,
	// by GitHub's clock. What somebody said of an exception earlier is not why they close it, and
	// a merge that names the issue closes it without a word.
	saidWithin = time.Hour
)

// exceptionJob is one look at one exception.
type exceptionJob struct {
	*Worker
	log    zerolog.Logger
	client *gh.Client
	tenant store.Tenant
	at     gh.Repo
	e      store.Exception
	unsaid bool // a conversation was locked, so that something could not be said there
}

// onGitHub keeps an exception as an issue and escalates it, where its policy says so.
func (w *Worker) onGitHub(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, e store.Exception) error {
	if !keptAsIssue(e) && !untoldOverdue(e) || e.RepoID == 0 {
		return nil
	}
	j := &exceptionJob{Worker: w, log: log, tenant: tenant, e: e}
	err := j.reach(ctx, job)
	if errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrForbidden) {
		log.Warn().Err(err).Str("exception", e.ID).Msg("the repository of an exception cannot be seen; that is tried again later")
		return nil
	}
	if err == nil && keptAsIssue(e) {
		err = j.keepIssue(ctx)
	}
	if err == nil && untoldOverdue(j.e) {
		err = j.escalate(ctx)
	}
	if errors.Is(err, gh.ErrForbidden) || errors.Is(err, gh.ErrGone) {
		return j.refused(ctx, err)
	}
	return err
}

// keptAsIssue says whether an exception has an issue to look after, or is to get one.
func keptAsIssue(e store.Exception) bool {
	return e.KeepIssue && e.OnGitHub != policy.MarkClosed && (e.Issue > 0 || e.State != store.ExceptionClosed)
}

// untoldOverdue says whether GitHub is to show that an exception is overdue and does not, or the
// other way round.
func untoldOverdue(e store.Exception) bool {
	return e.Escalate && (e.Number > 0 || e.Issue > 0) && isOverdue(e) != e.Escalated
}

func isOverdue(e store.Exception) bool {
	return e.State == store.ExceptionOpen && !e.OverdueAt.IsZero()
}

// reach finds the repository under the name that it has now.
func (j *exceptionJob) reach(ctx context.Context, job store.Job) (err error) {
	finds, err := j.Worker.client(job, gh.ToFind())
	if err != nil {
		return err
	}
	repo, err := repositoryNow(ctx, finds, j.e.Repository, j.e.RepoID)
	if err != nil {
		return err
	}
	j.at = repoOf(repo.FullName)
	keeps, err := j.Worker.client(job, gh.ToKeepIssues(repo.ID))
	if err == nil {
		j.client = keeps.Counted(func(ctx context.Context) error { return j.Store.TakeWrite(ctx, job, store.WriteText) })
	}
	return err
}

// refused notes that GitHub does not let the App write, and tries no more for this exception.
func (j *exceptionJob) refused(ctx context.Context, cause error) error {
	j.log.Error().Err(cause).Str("exception", j.e.ID).
		Msg("the App may not write issues here: an organisation owner grants it Issues: write, or the policy does without exceptions.issues and exceptions.escalate")
	return j.step(ctx, "not written on GitHub", func(e *store.Exception) { e.KeepIssue, e.Escalate = false, false })
}

// step records that something was done on GitHub.
func (j *exceptionJob) step(ctx context.Context, step string, change func(e *store.Exception)) error {
	return j.tenant.StepException(ctx, j.e.ID, func(e *store.Exception) bool {
		change(e)
		e.Step, e.By = step, stepByUs
		if j.unsaid {
			e.Step += ", without a word: its conversation is locked"
		}
		j.e = *e
		return true
	})
}

// text is what GitHub's readers are told.
func (j *exceptionJob) text() policy.ExceptionText {
	return policy.ExceptionText{
		ID: j.e.ID, Kind: j.e.Kind, Severity: j.e.Severity, Reason: j.e.Reason, Owner: j.e.Owner, Number: j.e.Number,
		Ref: j.e.Ref, SHA: j.e.SHA, DueAt: j.e.DueAt, ByReview: j.e.ByReview(),
	}
}

// keepIssue opens the issue, tells there how the exception went on, and looks whether somebody
// closed it.
func (j *exceptionJob) keepIssue(ctx context.Context) error {
	if j.e.Issue == 0 {
		if err := j.openIssue(ctx); err != nil {
			return err
		}
	}
	issue, err := j.client.Issue(ctx, j.at, j.e.Issue)
	switch {
	case errors.Is(err, gh.ErrNotFound):
		j.log.Warn().Err(err).Str("exception", j.e.ID).Msg("the issue of an exception is not there; it is looked for again later")
		return nil
	case errors.Is(err, gh.ErrGone):
		return j.step(ctx, "issue gone", func(e *store.Exception) { e.KeepIssue, e.Issue = false, 0 })
	case err != nil:
		return err
	case j.e.State == store.ExceptionClosed:
		return j.closeIssue(ctx, issue)
	case issue.State == "closed":
		return j.closedByHand(ctx, issue)
	case j.e.State == store.ExceptionRemediated && j.e.OnGitHub != policy.MarkRemediated:
		if err := j.say(ctx, j.e.Issue, policy.MarkRemediated, j.text().Settled(policy.MarkRemediated, j.e.Remediation)); err != nil {
			return err
		}
		return j.step(ctx, "told on its issue", func(e *store.Exception) { e.OnGitHub = policy.MarkRemediated })
	}
	return nil
}

// openIssue opens the issue. If we stop between that and the record of it, it is found again by
// its mark.
func (j *exceptionJob) openIssue(ctx context.Context) error {
	title, body := j.text().Issue()
	number, err := j.findIssue(ctx)
	if err == nil && number == 0 {
		number, err = j.client.CreateIssue(ctx, j.at, title, body, []string{labelException})
	}
	if number > 0 && errors.Is(err, gh.ErrForbidden) {
		err = nil // it is there, without the label, which the App may not set
	}
	if err != nil {
		return err
	}
	if err := j.assign(ctx, number); err != nil {
		return err
	}
	return j.step(ctx, "issue opened", func(e *store.Exception) { e.Issue, e.OnGitHub = number, policy.MarkOpened })
}

// findIssue looks for the issue that we opened; 0: there is none.
func (j *exceptionJob) findIssue(ctx context.Context) (int, error) {
	// GitHub's clock and ours need not agree.
	issues, err := j.client.IssuesLabelled(ctx, j.at, labelException, j.e.OpenedAt.Add(-time.Hour))
	if err != nil {
		return 0, err
	}
	for _, i := range issues {
		if j.ours(i.Author, i.AppID) && strings.Contains(i.Body, j.text().Mark(policy.MarkOpened)) {
			return i.Number, nil
		}
	}
	return 0, nil
}

// ours says whether our App wrote something itself, and not a person through it.
func (j *exceptionJob) ours(author gh.Account, app int64) bool {
	return author.Type == "Bot" && app == j.App.ID
}

// say comments once: what has our mark already is not said again. Where the conversation is locked
// everything else is done without a word, and the step says so.
func (j *exceptionJob) say(ctx context.Context, number int, event, text string) error {
	comments, err := j.client.IssueComments(ctx, j.at, number, j.e.OpenedAt.Add(-time.Hour))
	if err != nil {
		return err
	}
	mark := j.text().Mark(event)
	if slices.ContainsFunc(comments, func(c gh.IssueComment) bool { return j.ours(c.Author, c.AppID) && strings.Contains(c.Body, mark) }) {
		return nil
	}
	err = j.client.Comment(ctx, j.at, number, text)
	if !errors.Is(err, gh.ErrForbidden) {
		return err
	}
	if issue, failed := j.client.Issue(ctx, j.at, number); failed != nil || !issue.Locked {
		return err // the permission is missing, or that cannot be told
	}
	j.unsaid = true
	j.log.Warn().Str("exception", j.e.ID).Int("number", number).Msg("the conversation is locked, so what becomes of an exception is not told there: unlock it, or look at the exception in the log")
	return nil
}

// assign assigns the owner; somebody who cannot be assigned is not.
func (j *exceptionJob) assign(ctx context.Context, number int) error {
	if j.e.Owner == "" {
		return nil
	}
	err := j.client.Assign(ctx, j.at, number, j.e.Owner)
	if errors.Is(err, gh.ErrNotAssignable) {
		j.log.Warn().Err(err).Str("exception", j.e.ID).Str("owner", j.e.Owner).Msg("the owner of an exception cannot be assigned to its issue")
		return nil
	}
	return err
}

// closeIssue ends the issue of an exception that is closed.
func (j *exceptionJob) closeIssue(ctx context.Context, issue gh.Issue) error {
	if issue.State == "open" {
		if err := j.say(ctx, issue.Number, policy.MarkClosed, j.text().Settled(policy.MarkClosed, j.e.Remediation)); err != nil {
			return err
		}
		if err := j.client.CloseIssue(ctx, j.at, issue.Number); err != nil {
			return err
		}
	}
	return j.step(ctx, "issue closed", func(e *store.Exception) { e.OnGitHub = policy.MarkClosed })
}

// closedByHand closes the exception as its issue was closed, with a comment on what was done, or
// opens the issue again and says why.
func (j *exceptionJob) closedByHand(ctx context.Context, issue gh.Issue) error {
	c, err := j.closing(ctx, issue)
	if err != nil {
		return err
	}
	why, err := j.tenant.CloseException(ctx, j.e.ID, c, func(e *store.Exception) {
		e.OnGitHub, j.e = policy.MarkClosed, *e
	})
	if err != nil || why == "" || why == store.ClosedAlready {
		return err // what was closed meanwhile is looked at again: that marked this job
	}
	if err := j.say(ctx, issue.Number, policy.MarkNotClosed(issue.ClosedAt), j.text().NotClosed(why, issue.ClosedAt)); err != nil {
		return err
	}
	// If we stop here, the issue is looked at again and told no second time.
	if err := j.client.ReopenIssue(ctx, j.at, issue.Number); err != nil {
		return err
	}
	return j.step(ctx, "closing refused", func(*store.Exception) {})
}

// closing is who closed the issue and through what, and what they said in it shortly before, since
// the newest step that it tells of and since it was last opened again.
func (j *exceptionJob) closing(ctx context.Context, issue gh.Issue) (c store.Closing, err error) {
	by := issue.ClosedBy
	c.By, c.ByID, c.IsPerson = by.Login, by.ID, by.Type == "User"
	if !c.IsPerson {
		return c, nil
	}
	role, err := j.client.Permission(ctx, j.at, by.Login)
	if err != nil && !errors.Is(err, gh.ErrNotFound) {
		return c, err
	}
	c.CanWrite = role.CanWrite(by.ID)
	closed, err := j.client.Closing(ctx, j.at, issue.Number)
	if err == nil && closed.At.Before(issue.ClosedAt) {
		err = fmt.Errorf("issue %d was closed at %s, and GitHub shows how it was closed at %s: %w", issue.Number, issue.ClosedAt, closed.At, gh.ErrUnavailable)
	}
	if err != nil {
		return c, err
	}
	c.Through = closed.Through
	comments, err := j.client.IssueComments(ctx, j.at, issue.Number, issue.CreatedAt)
	for _, said := range comments {
		switch {
		case j.ours(said.Author, said.AppID):
			c.Remediation = "" // it was said before the newest step that the issue tells of
		case said.Author.ID == by.ID && said.AppID == 0 && !said.CreatedAt.Before(closed.ReopenedAt) &&
			!said.CreatedAt.Before(issue.ClosedAt.Add(-saidWithin)):
			c.Remediation = cmp.Or(strings.TrimSpace(said.Body), c.Remediation)
		}
	}
	return c, err
}

// escalate shows that an exception is overdue, on its pull request or on its issue, until it is
// settled.
func (j *exceptionJob) escalate(ctx context.Context) error {
	number := j.e.Number
	if number == 0 {
		number = j.e.Issue
	}
	if j.e.Escalated {
		others, err := j.othersOverdue(ctx)
		if err == nil && !others {
			err = j.client.RemoveLabel(ctx, j.at, number, labelOverdue)
		}
		if err != nil {
			return err
		}
		return j.step(ctx, "no longer overdue", func(e *store.Exception) { e.Escalated = false })
	}
	if err := j.say(ctx, number, policy.MarkOverdue, j.text().Overdue()); err != nil {
		return err
	}
	if err := j.client.AddLabel(ctx, j.at, number, labelOverdue); err != nil {
		return err
	}
	if err := j.assign(ctx, number); err != nil {
		return err
	}
	return j.step(ctx, "escalated", func(e *store.Exception) { e.Escalated = true })
}

// othersOverdue says whether the pull request keeps the label because of another exception.
func (j *exceptionJob) othersOverdue(ctx context.Context) (bool, error) {
	if j.e.Number == 0 {
		return false, nil // the issue is this one's alone
	}
	list, err := j.tenant.Exceptions(ctx, store.ExceptionFilter{RepoID: j.e.RepoID, Number: j.e.Number, Open: true})
	return slices.ContainsFunc(list, func(e store.LeafIndexed) bool { return e.ID != j.e.ID && e.Escalate && isOverdue(e.Exception) }), err
}
