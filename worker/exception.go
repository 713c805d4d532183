package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// stepByUs is who takes the steps that nobody takes.
const stepByUs = "countersign"

// exception looks at the clock of one exception: what is not settled when it is due is overdue,
// once. Who wants to be told of that, of its opening and of how it went on, is told. A clock that
// ran out while nobody was running is looked at with the next start.
func (w *Worker) exception(ctx context.Context, log zerolog.Logger, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	indexed, err := tenant.Exception(ctx, job.Ref)
	if err != nil {
		return err
	}
	e := indexed.Exception
	if running(e) && !w.Now().Before(e.DueAt) {
		if err := w.overdue(ctx, log, tenant, &e); err != nil {
			return err
		}
	}
	// The clock was looked at first, and neither way of telling waits for the other: a receiver
	// that takes nothing must not stop them.
	if e.State == store.ExceptionOpen {
		err = w.tell(ctx, log, tenant, job, e)
	}
	shown := w.onGitHub(ctx, log, tenant, job, e)
	if waits(shown) {
		if err == nil {
			return w.showLater(ctx, job, e, shown)
		}
		shown = errors.New(shown.Error()) // who is to be told by other ways does not wait for GitHub
	}
	err = errors.Join(err, shown)
	switch {
	case err == nil:
	case job.Attempt < tellAttempts || ctx.Err() != nil:
		return err
	default:
		// Were the job given up, its clock would stand still.
		log.Error().Err(err).Str("exception", e.ID).Msg("an exception is not told on GitHub yet; that is tried again with the next look")
	}
	return w.lookAgain(ctx, tenant, job)
}

// waits says whether an error only means that something has to wait.
func waits(err error) bool {
	var full *store.WriteLimitError
	return errors.Is(err, gh.ErrRateLimited) || errors.As(err, &full)
}

// showLater has what is shown on GitHub wait, and the clock of the exception go on meanwhile.
func (w *Worker) showLater(ctx context.Context, job store.Job, e store.Exception, cause error) error {
	var limited *gh.RateLimitError
	if !errors.As(cause, &limited) {
		return cause // there is room for it in a moment
	}
	until := limited.Until
	if running(e) && e.DueAt.Before(until) {
		until = e.DueAt
	}
	return w.Store.Postpone(ctx, job, until, cause.Error())
}

// running says whether the clock of an exception runs.
func running(e store.Exception) bool {
	return e.State == store.ExceptionOpen && !e.DueAt.IsZero() && e.OverdueAt.IsZero()
}

// lookAgain ends the look at an exception, until it is due or its issue is to be looked at.
func (w *Worker) lookAgain(ctx context.Context, tenant store.Tenant, job store.Job) error {
	e, err := tenant.Exception(ctx, job.Ref)
	if err != nil {
		return err
	}
	var next time.Time
	if running(e.Exception) {
		next = e.DueAt
	}
	if poll := w.Now().Add(issueEvery); (keptAsIssue(e.Exception) || untoldOverdue(e.Exception)) && (next.IsZero() || poll.Before(next)) {
		next = poll
	}
	if next.IsZero() {
		return w.Store.Finish(ctx, job)
	}
	return w.Store.FinishUntil(ctx, job, next)
}

// overdue takes the step of an exception that is due. If we stop between it and the end of the
// job, the step is there and is not taken again.
func (w *Worker) overdue(ctx context.Context, log zerolog.Logger, tenant store.Tenant, e *store.Exception) error {
	now := w.Now().UTC()
	err := tenant.StepException(ctx, e.ID, func(stored *store.Exception) bool {
		if stored.State != store.ExceptionOpen || !stored.OverdueAt.IsZero() {
			return false
		}
		stored.OverdueAt, stored.Step, stored.By = now, "overdue", stepByUs
		*e = *stored
		return true
	})
	if err == nil {
		log.Warn().Str("exception", e.ID).Str("kind", e.Kind).Str("owner", e.Owner).Time("due", e.DueAt).Msg("an exception is overdue")
	}
	return err
}

// follow adds to an exception how it is followed up. What is of low severity is on record and
// nothing more.
func follow(e store.Exception, rules policy.ExceptionRules, now time.Time) store.Exception {
	e.Owner = cmp.Or(e.Owner, rules.Owner)
	within := map[string]policy.Span{policy.SeverityHigh: rules.Due.High, policy.SeverityMedium: rules.Due.Medium}[e.Severity]
	if within == 0 {
		return e
	}
	if e.DueAt.IsZero() {
		e.DueAt = now.UTC().Truncate(time.Microsecond).Add(time.Duration(within))
	}
	e.KeepIssue, e.Escalate = rules.Issues, rules.Escalate
	return e
}

// exceptionsOf are the exceptions that a decision opens.
func exceptionsOf(d policy.Decision, p *policy.Policy, now time.Time) []store.Exception {
	list := slices.Concat(emergencyOf(d), impostorsOf(d), lateOf(d))
	for i := range list {
		list[i] = follow(list[i], p.Followed(), now)
	}
	return list
}

// emergencyOf is the exception that a decision opens which rests on an emergency: from then on
// somebody owes the change a review, whether or not it is merged under the emergency.
func emergencyOf(d policy.Decision) []store.Exception {
	e := d.Emergency
	if e == nil || d.Mode != policy.ModeEnforce || d.Verdict != policy.VerdictPass {
		return nil
	}
	return []store.Exception{{
		Kind: store.ExceptionEmergency, Subject: fmt.Sprintf("%d/%d/%s", d.RepositoryID, d.Number, e.DeliveryID),
		RepoID: d.RepositoryID, Repository: d.Repository, Number: d.Number, Ref: d.GoverningRef, SHA: d.HeadSHA, Severity: policy.SeverityHigh,
		Reason: fmt.Sprintf("%s declared an emergency (%s: %s), and the change was released without its review.", e.By.Login, e.Ticket, e.Reason),
		Owner:  e.By.Login, CausedBy: e.By.ID, OpenedAt: e.DeclaredAt, DueAt: e.ReviewBy,
	}}
}

// impostorsOf are the exceptions of checks under one of our names that somebody else posted on
// an enforced branch: one for each head and poster, however often it is posted.
func impostorsOf(d policy.Decision) (list []store.Exception) {
	if d.Mode != policy.ModeEnforce {
		return nil
	}
	for _, i := range d.Impostors {
		severity := policy.SeverityMedium
		if i.Harmful {
			severity = policy.SeverityHigh
		}
		list = append(list, store.Exception{
			Kind: store.ImpostorCheck, Subject: fmt.Sprintf("%d/%s/%s/%d/%d", d.RepositoryID, d.HeadSHA, i.Name, i.App.ID, i.Creator.ID),
			RepoID: d.RepositoryID, Repository: d.Repository, Number: d.Number, Ref: d.GoverningRef, SHA: d.HeadSHA, Severity: severity, CausedBy: i.Creator.ID,
			Reason: fmt.Sprintf("A check called %s was posted on this commit by %s, and not by Countersign.", i.Name, i.Poster()),
		})
	}
	return list
}
