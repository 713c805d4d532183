package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/tracing"
)

const (
	// toldAttempt is the failed attempt from which on the check run says so: the first is
	// silent, since most hiccups are over a second later.
	toldAttempt = 2
	// finalAttempt is the one from which on it says failure instead of waiting, about a
	// minute after the first. The job goes on trying, ever more slowly.
	finalAttempt = 7
	// quietBehind is how long the API may be behind its webhooks before the check run
	// stops saying what it said before.
	quietBehind = 3 * time.Second
)

// evaluate looks at one pull request as it is now and records what the policy decides.
func (w *Worker) evaluate(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	collected, known, err := w.collect(ctx, client, tenant, job)
	job.HeadSHA = known.head
	log = log.With().Str("head", known.head).Logger()
	var broken *facts.PolicyError
	var outside *facts.NotEnrolledError
	var gone *goneError
	switch {
	case errors.As(err, &gone) && gone.open:
		return w.recordGone(ctx, log, tenant, job, gone)
	case errors.As(err, &gone):
		return tenant.CloseChange(ctx, job, seen(job, collected.Facts.Change))
	case errors.As(err, &broken):
		return w.recordBroken(ctx, log, tenant, job, broken)
	case errors.As(err, &outside):
		return w.notEnrolled(ctx, log, tenant, job, outside)
	case errors.Is(err, store.ErrDisposed) && !known.open:
		// Of what was closed long ago nothing is left to hold, to release or to settle.
		return w.Store.Finish(ctx, job)
	case err != nil:
		return w.failed(ctx, log, tenant, job, known.base, err)
	}
	if change := collected.Facts.Change; change.State != "open" {
		// Closed or merged: there is nothing left to hold or release, and the last
		// decision is the one that it was closed under. If we stop after an emergency was
		// settled, the next run finds nothing left of it.
		if err := w.retrospect(ctx, log, tenant, job, collected); err != nil {
			return err
		}
		return tenant.CloseChange(ctx, job, seen(job, change))
	}
	return w.record(ctx, log, tenant, job, collected)
}

// collect reads the facts about the pull request of a job, with what deliveries said of it.
func (w *Worker) collect(ctx context.Context, client *gh.Client, tenant store.Tenant, job store.Job) (collected facts.Collected, told known, err error) {
	ctx, span := w.Tracer.Start(ctx, "collect")
	defer func() {
		span.Word(tracing.Head, told.head)
		span.End(err)
	}()
	if told, err = loadKnown(ctx, tenant, job); err != nil {
		return collected, told, err
	}
	collected, err = facts.Collect(ctx, client, facts.Request{
		Repo: repoOf(job.Repository), RepositoryID: job.RepoID, InstallationID: job.InstallationID, Number: job.Number,
		App: w.App, Head: told.head, Base: told.base, Now: w.Now(), Known: told.Known,
		PushesOf: func(ctx context.Context, sha string) ([]policy.Push, error) {
			return told.pushesOf(ctx, tenant, job, sha)
		},
		ProposalsOf: func(ctx context.Context, sha string) ([]facts.Proposal, error) {
			return proposalsOf(ctx, tenant, job, sha)
		},
		PushesTo: func(ctx context.Context, branch, since string) ([]policy.Push, error) {
			return pushesTo(ctx, tenant, job, branch, since)
		},
		CommentsOn: func(ctx context.Context, number int) ([]facts.Comment, error) {
			return commentsOn(ctx, tenant, job, number)
		},
		Attested: tenant.AttestedBypass,
		RecordedAt: func(ctx context.Context, head string, reviewed time.Time) (*policy.Facts, string, error) {
			return recordedAt(ctx, tenant, job, head, reviewed)
		},
		LastPolicy: func(ctx context.Context, governingRef string) ([]byte, error) {
			return lastPolicy(ctx, tenant, job, governingRef)
		},
	})
	if err == nil && collected.Organisation == nil {
		err = organisationGone(ctx, tenant, job, collected)
	}
	return collected, told, err
}

func (w *Worker) record(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, c facts.Collected) error {
	_, span := w.Tracer.Start(ctx, "evaluate")
	decision := policy.Evaluate(c.Policy, c.Catalogue, &c.Facts)
	span.Word(tracing.Verdict, string(decision.Verdict))
	span.End(nil)
	rec, err := newRecord(job, decision)
	if err != nil {
		return err
	}
	if rec.Facts, err = json.Marshal(c.Facts); err != nil {
		return fmt.Errorf("encode facts: %w", err)
	}
	rec.Policy, rec.Catalogue = c.PolicySource, c.Catalogue.Bytes()
	rec.ReviewPermissions, rec.EmergencyMembers = c.FirstPermissions, c.FirstMembers
	if rec.Protection, err = w.decidedProtection(decision, c.Policy, &c.Facts); err != nil {
		return err
	}
	rec.Exceptions = exceptionsOf(decision, c.Policy, w.Now())
	if err := w.reviewedLate(ctx, tenant, job, c.Policy, decision); err != nil {
		return err
	}
	rec.RunAgainAt = decision.RecheckAt
	if c.Organisation != nil && c.Facts.Broken == nil {
		rec.Organisation = store.OrganisationPolicy{Used: true, Enforces: c.Organisation.Enforces()}
	}
	return w.commit(ctx, log, tenant, rec, decision)
}

// notEnrolled: nothing is said of a change whose base has no policy, unless that base was
// enforced before. Enrolment is sticky: with the policy gone an old success must not stand.
func (w *Worker) notEnrolled(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, outside *facts.NotEnrolledError) error {
	change := outside.Change
	previous, err := w.lastSubject(ctx, tenant, job, change.GoverningRef)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && previous.Mode == policy.ModeEnforce && previous.GoverningRef != change.GoverningRef && change.State == "open" {
		if green, err := w.stillGreen(ctx, tenant, job, change); err != nil {
			return err
		} else if green {
			previous.BaseRef = change.BaseRef
			return w.withdraw(ctx, log, tenant, job, previous, outside.Why)
		}
	}
	if err != nil || previous.Mode != policy.ModeEnforce || previous.GoverningRef != change.GoverningRef || change.State != "open" {
		log.Debug().Err(outside).Msg("not enrolled")
		return tenant.NotEnrolled(ctx, job, seen(job, change))
	}
	previous.HeadSHA, previous.BaseRef = change.HeadSHA, change.BaseRef
	decision := goneDecision(previous, outside.Why)
	rec, err := newRecord(job, decision)
	if err != nil {
		return err
	}
	return w.commit(ctx, log, tenant, rec, decision)
}

// stillGreen reports whether the newest decision about a change lets its head pass.
func (w *Worker) stillGreen(ctx context.Context, tenant store.Tenant, job store.Job, change policy.Change) (bool, error) {
	current, err := tenant.Current(ctx, job.RepoID, job.Number)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && current.Verdict == string(policy.VerdictPass) && current.HeadSHA == change.HeadSHA, err
}

// withdraw takes back the success of a change that goes elsewhere now. Nothing is decided about it
// there, and GitHub tells nobody when it comes back by being put into a stack: an old success would
// be there at once, whatever happened meanwhile.
func (w *Worker) withdraw(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, s policy.Subject, why string) error {
	decision := policy.Undecided(s, "The pull request goes to "+s.BaseRef+" now, and "+why+". It is judged again when it goes to "+s.GoverningRef+".", false)
	decision.Title = "Not judged: it does not go to " + s.GoverningRef + " any more"
	rec, err := newRecord(job, decision)
	if err != nil {
		return err
	}
	return w.commit(ctx, log, tenant, rec, decision)
}

// goneDecision is the decision on an enforced branch whose policy is gone.
func goneDecision(s policy.Subject, why string) policy.Decision {
	d := policy.Undecided(s, "The policy that enforced "+s.GoverningRef+" is gone: "+why+". Put it back on the branch.", true)
	d.Title = "Could not decide: the policy of " + s.GoverningRef + " is gone"
	return d
}

// recordBroken: the policy cannot be used, and none that could be used was ever recorded for
// the branch, so nothing can be decided, and the check run says where it is broken.
func (w *Worker) recordBroken(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, broken *facts.PolicyError) error {
	subject := policy.Subject{
		RepositoryID: job.RepoID, Repository: job.Repository, Number: job.Number, HeadSHA: broken.Change.HeadSHA,
		BaseRef: broken.Change.BaseRef, GoverningRef: broken.Change.GoverningRef,
	}
	if previous, err := w.lastSubject(ctx, tenant, job, broken.Change.GoverningRef); err == nil {
		subject.Mode, subject.Lane, subject.CheckName = previous.Mode, previous.Lane, previous.CheckName
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	} else if broken.Claim.Mode == policy.ModeAudit {
		// Audit blocks nobody, also where it was not granted.
		subject.Mode, subject.Lane, subject.CheckName = broken.Claim.Mode, broken.Claim.Lane, broken.Claim.CheckName
	}
	decision := policy.BrokenPolicy(subject, broken.Layer, broken.Err)
	rec, err := newRecord(job, decision)
	if err != nil {
		return err
	}
	rec.Policy, rec.Open = broken.Source, broken.Change.State == "open"
	return w.commit(ctx, log, tenant, rec, decision)
}

// seen is the change as GitHub shows it now.
func seen(job store.Job, c policy.Change) store.ChangeSeen {
	return store.ChangeSeen{
		OrgID: job.OrgID, InstallationID: job.InstallationID, RepoID: job.RepoID, Repository: job.Repository,
		Number: job.Number, HeadSHA: c.HeadSHA, BaseRef: c.BaseRef, Open: c.State == "open", UpdatedAt: c.UpdatedAt,
	}
}

func newRecord(job store.Job, d policy.Decision) (store.Record, error) {
	encoded, err := json.Marshal(d)
	if err != nil {
		return store.Record{}, fmt.Errorf("encode decision: %w", err)
	}
	return store.Record{
		Job: job, RepoID: job.RepoID, Repository: job.Repository, Number: job.Number, HeadSHA: d.HeadSHA, BaseRef: d.BaseRef, GoverningRef: d.GoverningRef,
		CheckName: d.CheckName, Open: true, Verdict: string(d.Verdict), Rank: d.Rank(), Decision: encoded, Final: d.Final,
	}, nil
}

func (w *Worker) commit(ctx context.Context, log zerolog.Logger, tenant store.Tenant, rec store.Record, d policy.Decision) error {
	_, span := w.Tracer.Start(ctx, "record")
	recorded, err := tenant.Record(ctx, rec)
	span.Word(tracing.Verdict, string(d.Verdict))
	span.Word(tracing.Head, d.HeadSHA)
	span.Word(tracing.Record, recorded.RecordID)
	span.End(err)
	if err != nil {
		return err
	}
	w.Evaluated(string(d.Verdict))
	log.Info().Str("verdict", string(d.Verdict)).Str("title", d.Title).Str("decided_head", d.HeadSHA).Str("record", recorded.RecordID).
		Int64("leaf", recorded.LeafIndex).Dur("since_event", w.Now().Sub(rec.Job.EnqueuedAt)).Msg("decided")
	return nil
}

// failed answers a reading that gave no facts: it postpones the job or returns the cause
// for the usual retry, and says so on the check run when it lasts. An old success must
// not stand for a head that nobody can look at.
func (w *Worker) failed(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, base string, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	now := w.Now()
	switch {
	case errors.Is(cause, gh.ErrRateLimited):
		if err := w.recordUndecided(ctx, log, tenant, job, base, cause, false); err != nil {
			return err
		}
		return cause
	case errors.Is(cause, facts.ErrBehind):
		age := waited(now, job)
		if age > quietBehind {
			if err := w.recordUndecided(ctx, log, tenant, job, base, cause, false); err != nil {
				return err
			}
		}
		log.Debug().Err(cause).Msg("waiting for the API")
		return w.Store.Postpone(ctx, job, now.Add(min(max(age/2, 100*time.Millisecond), 5*time.Second)), cause.Error())
	}
	if job.Attempt >= toldAttempt {
		if err := w.recordUndecided(ctx, log, tenant, job, base, cause, job.Attempt >= finalAttempt); err != nil {
			return err
		}
	}
	return cause
}

// waited is how long a job has waited. One that was asked for in the future, by a clock that was set
// back since, has waited for long: nobody knows for how long, and nothing may look as if it were new.
func waited(now time.Time, job store.Job) time.Duration {
	if age := now.Sub(job.EnqueuedAt); age >= 0 {
		return age
	}
	return time.Minute
}

// recordUndecided records that nothing could be decided, once per head and cause. Of a pull
// request without a decision it says so when its head already shows the check run of another
// one, or when its base is known to be enrolled; else nobody expects to hear of it.
func (w *Worker) recordUndecided(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, base string, cause error, final bool) error {
	subject, err := w.lastSubject(ctx, tenant, job, base)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	current, err := tenant.Current(ctx, job.RepoID, job.Number)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if job.HeadSHA != "" {
		subject.HeadSHA = job.HeadSHA
	}
	decision := policy.Undecided(subject, causeForPeople(cause), final)
	if current.Verdict == string(policy.VerdictUndecided) && current.HeadSHA == subject.HeadSHA && current.Final == final {
		return nil
	}
	rec, err := newRecord(job, decision)
	if err != nil {
		return err
	}
	rec.KeepJob = true
	return w.commit(ctx, log, tenant, rec, decision)
}

// lastSubject is the subject as the newest decision about it named it, or, when there is
// none, as the decision of another pull request on the same head or base did.
func (w *Worker) lastSubject(ctx context.Context, tenant store.Tenant, job store.Job, base string) (policy.Subject, error) {
	row, err := lastDecision(ctx, tenant, job, base)
	if err != nil {
		return policy.Subject{}, err
	}
	var d policy.Decision
	if err := json.Unmarshal(row.Decision, &d); err != nil {
		return policy.Subject{}, fmt.Errorf("decode decision %s: %w", row.RecordID, err)
	}
	subject := d.Subject()
	if subject.Number != job.Number {
		subject.Number, subject.HeadSHA, subject.BaseRef = job.Number, job.HeadSHA, base
	}
	return subject, nil
}

func lastDecision(ctx context.Context, tenant store.Tenant, job store.Job, base string) (store.Decided, error) {
	current, err := tenant.Current(ctx, job.RepoID, job.Number)
	if errors.Is(err, store.ErrNotFound) {
		row, err := tenant.DecisionOn(ctx, job.RepoID, job.HeadSHA)
		if errors.Is(err, store.ErrNotFound) {
			return tenant.DecisionForBase(ctx, job.RepoID, base)
		}
		return row, err
	}
	if err != nil {
		return store.Decided{}, err
	}
	return tenant.Decision(ctx, current.RecordID)
}

// causeForPeople says what happened in whole sentences that a developer can use.
func causeForPeople(cause error) string {
	var limited *gh.RateLimitError
	switch {
	case errors.As(cause, &limited):
		return "GitHub's rate limit is used up until " + limited.Until.UTC().Format("15:04 UTC") + ". It goes on by itself then."
	case errors.Is(cause, facts.ErrBehind):
		return "GitHub's API does not show yet what GitHub already told us about this pull request."
	case errors.Is(cause, store.ErrDisposed):
		return "What was received about this pull request, its commits or an issue that it belongs to was kept no longer, so it cannot be told who is behind it. Commit the change anew, and open a new pull request for it."
	case errors.Is(cause, gh.ErrForbidden):
		return "The App lacks a permission that it needs. An organisation owner can accept it in the App's settings."
	case errors.Is(cause, gh.ErrUnauthorized):
		return "GitHub does not accept the App's credentials. Its operator must check the private key and the installation."
	case errors.Is(cause, gh.ErrGraphQL):
		return "GitHub answered only in part. A permission may be missing."
	case errors.Is(cause, gh.ErrNotFound):
		return "GitHub does not show this pull request to the App."
	}
	return "GitHub's API did not answer."
}
