package worker

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// lateOf is the exception that a decision opens whose change nobody reviewed in time. It is
// overdue in its turn when as much time again has gone by.
func lateOf(d policy.Decision) []store.Exception {
	c := d.ReviewClock
	if c == nil || !c.Late || d.Mode != policy.ModeEnforce {
		return nil
	}
	return []store.Exception{{
		Kind: store.ExceptionLate, Subject: fmt.Sprintf("%d/%d/%d", d.RepositoryID, d.Number, c.ReadyAt.UnixMicro()),
		RepoID: d.RepositoryID, Repository: d.Repository, Number: d.Number, Ref: d.GoverningRef, SHA: d.HeadSHA, Severity: policy.SeverityMedium,
		Reason: fmt.Sprintf("A change with the traces of an AI agent was ready for review at %s, and no independent person had reviewed it by %s.",
			policy.WhenUTC(c.ReadyAt), policy.WhenUTC(c.DueAt)),
		OpenedAt: c.DueAt, DueAt: c.DueAt.Add(c.DueAt.Sub(c.ReadyAt)),
	}}
}

// reviewedLate settles a review that came late, before the decision that tells of it: if we stop
// in between, the next run finds it settled. What nobody knew of before, because no evaluation
// fell into the time between, is opened and settled at once, so that it is on record.
func (w *Worker) reviewedLate(ctx context.Context, tenant store.Tenant, job store.Job, p *policy.Policy, d policy.Decision) error {
	late, c := lateOf(d), d.ReviewClock
	if len(late) == 0 || c.At.IsZero() {
		return nil
	}
	e, _, err := tenant.OpenException(ctx, follow(late[0], p.Followed(), w.Now()), job.InstallationID)
	if err != nil || e.State == store.ExceptionClosed {
		return err
	}
	return tenant.StepException(ctx, e.ID, func(e *store.Exception) bool {
		if e.State == store.ExceptionClosed {
			return false
		}
		e.State, e.Step, e.By, e.ClosedAt = store.ExceptionClosed, "reviewed", c.By.Login, w.Now().UTC()
		e.Remediation = fmt.Sprintf("%s gave the first review at %s.", c.By.Login, policy.WhenUTC(c.At))
		return true
	})
}
