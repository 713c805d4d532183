package worker

import (
	"bytes"
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
	// groupEvery is how often a merge group that still waits is looked at by itself, and a
	// merge queue for groups that no delivery told of.
	groupEvery = 90 * time.Second
	// groupPatience is how long a group that the queue does not show is put down to GitHub's
	// API being behind.
	groupPatience = time.Minute
	// queueSkew is how far GitHub's clock and ours may be apart where an entry of a queue is told
	// from the one before it.
	queueSkew = time.Minute
)

// groupTold is what deliveries said of a merge group.
type groupTold struct {
	baseSHA     string // empty: no delivery named it
	requestedAt time.Time
	destroyed   bool
}

func groupSaid(ctx context.Context, tenant store.Tenant, job store.Job) (groupTold, error) {
	var told groupTold
	observations, err := tenant.HeadObservations(ctx, job.RepoID, job.HeadSHA)
	if err != nil {
		return told, err
	}
	for _, o := range observations {
		e, err := decode(o)
		if err != nil {
			return told, err
		}
		if told.requestedAt.IsZero() {
			// Whatever came first: often the push of the group's own branch.
			told.requestedAt = o.ReceivedAt.UTC()
		}
		if e.MergeGroup == nil {
			continue
		}
		told.baseSHA = e.MergeGroup.BaseSHA
		// A commit is made for one group and never again: once destroyed, it stays so.
		told.destroyed = told.destroyed || e.Action == "destroyed"
	}
	return told, nil
}

// group looks at one merge group as it is now and records what the policy decides.
func (w *Worker) group(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	log = log.With().Str("head", job.HeadSHA).Str("base", job.Ref).Logger()
	told, err := groupSaid(ctx, tenant, job)
	if err != nil {
		return err
	}
	if told.destroyed {
		return tenant.DropGroup(ctx, job)
	}
	queue, err := w.readQueue(ctx, job)
	if err != nil {
		return w.groupFailed(ctx, log, tenant, job, told, time.Time{}, err)
	}
	members, err := queue.Members(facts.GroupRequest{Repo: repoOf(job.Repository), HeadSHA: job.HeadSHA, Branch: job.Ref, BaseSHA: told.baseSHA})
	if errors.Is(err, facts.ErrGroupGone) {
		return w.groupGone(ctx, tenant, job, told)
	}
	deadline := deadlineOf(queue, told, job)
	g := policy.GroupFacts{
		V: policy.FactsVersion, Group: true, CollectedAt: w.Now().UTC().Truncate(time.Microsecond), App: w.App,
		HeadSHA: job.HeadSHA, BaseRef: job.Ref, RequestedAt: heard(told, job), Deadline: deadline,
	}
	g.EvaluatedAt = g.CollectedAt
	if err != nil {
		// The chain of groups does not lead to the branch: perhaps it moved meanwhile.
		return w.groupFailed(ctx, log, tenant, job, told, deadline, err)
	}
	reads := &gh.Reads{}
	ctx = gh.WithReads(ctx, reads)
	if g.Validations, err = facts.ValidationsAt(ctx, client, repoOf(job.Repository), w.App, job.HeadSHA); err != nil {
		return w.groupFailed(ctx, log, tenant, job, told, deadline, err)
	}
	rules, err := w.collectMembers(ctx, client, tenant, job, members, &g)
	var broken *facts.PolicyError
	var outside *facts.NotEnrolledError
	var gone *goneError
	switch {
	case errors.As(err, &gone):
		return w.groupWithoutOrganisation(ctx, log, tenant, job, gone)
	case errors.As(err, &broken):
		return w.groupBroken(ctx, log, tenant, job, broken)
	case errors.As(err, &outside):
		return w.groupOutside(ctx, log, tenant, job, outside)
	case err != nil:
		return w.groupFailed(ctx, log, tenant, job, told, deadline, err)
	}
	g.Sources = facts.Sources(reads)
	return w.recordGroup(ctx, log, tenant, job, rules, g)
}

// readQueue reads the queue of a group's branch, with a token that is good for queues.
func (w *Worker) readQueue(ctx context.Context, job store.Job) (facts.Queue, error) {
	client, err := w.client(job, gh.ToReadQueue(job.RepoID))
	if err != nil {
		return facts.Queue{}, err
	}
	return facts.ReadQueue(ctx, client, repoOf(job.Repository), job.Ref)
}

// groupGone: the queue does not have the group. For a moment that is the API being behind.
func (w *Worker) groupGone(ctx context.Context, tenant store.Tenant, job store.Job, told groupTold) error {
	if w.Now().Sub(heard(told, job)) < groupPatience {
		return w.Store.Postpone(ctx, job, w.Now().Add(2*time.Second), "the queue does not show the group yet")
	}
	return tenant.DropGroup(ctx, job)
}

// deadlineOf is when the queue gives up on the group.
func deadlineOf(queue facts.Queue, told groupTold, job store.Job) time.Time {
	if queue.Timeout <= 0 {
		return time.Time{}
	}
	return heard(told, job).Add(queue.Timeout)
}

// heard is when the group was first heard of: by a delivery, or by looking at the queue.
func heard(told groupTold, job store.Job) time.Time {
	if told.requestedAt.IsZero() {
		return job.EnqueuedAt.UTC().Truncate(time.Microsecond)
	}
	return told.requestedAt
}

// collectMembers reads the facts about every member, and returns the policy by which all of
// them are judged: it comes from the same branch.
func (w *Worker) collectMembers(ctx context.Context, client *gh.Client, tenant store.Tenant, job store.Job, members []facts.QueueEntry, g *policy.GroupFacts) (facts.Collected, error) {
	var rules facts.Collected
	for _, m := range members {
		of := job
		of.Kind, of.Number = store.KindEvaluate, m.Number
		c, known, err := w.collect(ctx, client, tenant, of)
		if err != nil {
			return facts.Collected{}, fmt.Errorf("#%d: %w", m.Number, err)
		}
		if c.Facts.Change.State != "open" {
			// Merged with its group, or taken out: the queue that we read is not that of now.
			return facts.Collected{}, fmt.Errorf("%w: the queue moved while its members were read, #%d is not open any more", facts.ErrBehind, m.Number)
		}
		if rules.Policy == nil {
			rules = c
			g.Repository = c.Facts.Repository
		} else if !bytes.Equal(rules.PolicySource, c.PolicySource) {
			return facts.Collected{}, fmt.Errorf("%w: the policy changed while the members were read", facts.ErrBehind)
		}
		f := c.Facts
		member := policy.GroupMember{Number: m.Number, Facts: &f}
		if member.HeadSHA, member.Why, err = w.queuedHead(ctx, client, job, known.queue, m, &f.Change); err != nil {
			return facts.Collected{}, err
		}
		g.Members.Items = append(g.Members.Items, member)
	}
	g.Members.Complete, g.Members.Total = true, len(members)
	return rules, nil
}

// queuedHead is the head with which a pull request is in its group; why says why that is not
// known. The queue names the head of now, which may have been pushed since. For a while that is
// ErrBehind: the delivery that tells of it may be on its way.
func (w *Worker) queuedHead(ctx context.Context, client *gh.Client, job store.Job, told queueTold, m facts.QueueEntry, c *policy.Change) (head, why string, err error) {
	head, err = told.queuedHead(m)
	if head != "" || err != nil {
		return head, "", err
	}
	since, err := facts.HeadSince(ctx, client, repoOf(job.Repository), c, m.EnqueuedAt)
	switch {
	case err != nil:
		return "", "", err
	case since:
		return c.HeadSHA, "", nil
	case w.Now().Sub(m.EnqueuedAt) < groupPatience:
		return "", "", fmt.Errorf("%w: nothing tells yet with which head #%d was queued", facts.ErrBehind, m.Number)
	}
	return "", "GitHub's message of it got lost. Take it out of the merge queue and put it in again", nil
}

// queuedHead is the head that the group's own commit or a delivery names; empty where neither
// does. An entry that a delivery said is gone is of a queue that was read before that, and a
// delivery from well before the entry is about an earlier one.
func (q queueTold) queuedHead(m facts.QueueEntry) (string, error) {
	told := !q.heardAt.IsZero() && m.EnqueuedAt.Before(q.heardAt.Add(queueSkew))
	switch {
	case told && q.head == "":
		return "", fmt.Errorf("%w: #%d was taken out of the queue that was read", facts.ErrBehind, m.Number)
	case m.MergedSHA != "" || !told:
		return m.MergedSHA, nil
	}
	return q.head, nil
}

func (w *Worker) recordGroup(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, rules facts.Collected, g policy.GroupFacts) error {
	_, span := w.Tracer.Start(ctx, "evaluate")
	decision := policy.EvaluateGroup(rules.Policy, rules.Catalogue, &g)
	span.Word(tracing.Verdict, string(decision.Verdict))
	span.End(nil)
	rec, err := groupRecord(job, decision)
	if err != nil {
		return err
	}
	if rec.Facts, err = json.Marshal(g); err != nil {
		return fmt.Errorf("encode facts: %w", err)
	}
	rec.Policy, rec.Catalogue = rules.PolicySource, rules.Catalogue.Bytes()
	// A group lives for minutes, and a lost event must not cost it its place.
	rec.RunAgainAt = w.Now().Add(groupEvery)
	if at := decision.RecheckAt; !at.IsZero() && at.Before(rec.RunAgainAt) {
		rec.RunAgainAt = at
	}
	if same, err := w.decidedBefore(ctx, tenant, job, rec.Decision); err != nil || same {
		if err == nil {
			err = w.Store.FinishUntil(ctx, job, rec.RunAgainAt)
		}
		return err
	}
	return w.commit(ctx, log, tenant, rec, decision)
}

// decidedBefore reports whether the newest decision about the group says the same, byte for
// byte: looking every minute is no news.
func (w *Worker) decidedBefore(ctx context.Context, tenant store.Tenant, job store.Job, decision []byte) (bool, error) {
	before, err := tenant.GroupDecision(ctx, job.RepoID, job.HeadSHA)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && bytes.Equal(before.Decision, decision), err
}

func groupRecord(job store.Job, d policy.Decision) (store.Record, error) {
	rec, err := newRecord(job, d)
	rec.Number = 0
	return rec, err
}

// groupSubject is what a decision is about that no facts were read for: the group on its
// branch, under the check name that the branch's newest decision had.
func (w *Worker) groupSubject(ctx context.Context, tenant store.Tenant, job store.Job) (policy.Subject, error) {
	row, err := tenant.DecisionForBase(ctx, job.RepoID, job.Ref)
	if err != nil {
		return policy.Subject{}, err
	}
	var d policy.Decision
	if err := json.Unmarshal(row.Decision, &d); err != nil {
		return policy.Subject{}, fmt.Errorf("decode decision %s: %w", row.RecordID, err)
	}
	s := d.Subject()
	s.RepositoryID, s.Repository, s.Number, s.HeadSHA, s.BaseRef, s.GoverningRef = job.RepoID, job.Repository, 0, job.HeadSHA, job.Ref, job.Ref
	return s, nil
}

// groupFailed answers a reading that gave no facts. A group that is not decided waits, and is
// a failure before the queue gives up on it.
func (w *Worker) groupFailed(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, told groupTold, deadline time.Time, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	now := w.Now()
	if deadline.IsZero() && !told.requestedAt.IsZero() {
		deadline = told.requestedAt.Add(policy.ShortestQueueTimeout)
	}
	final := !deadline.IsZero() && !now.Before(deadline.Add(-policy.GroupMargin))
	var limited *gh.RateLimitError
	until := time.Time{}
	switch {
	case errors.As(cause, &limited):
		if until = limited.Until; !deadline.IsZero() && until.After(deadline.Add(-policy.GroupMargin)) {
			final = true // it cannot be decided in time any more
		}
	case errors.Is(cause, facts.ErrBehind):
		until = now.Add(2 * time.Second)
	}
	if job.Attempt >= toldAttempt || final || !until.IsZero() && limited != nil {
		if err := w.groupUndecided(ctx, log, tenant, job, cause, final); err != nil {
			return err
		}
	}
	if !until.IsZero() {
		return w.Store.Postpone(ctx, job, until, cause.Error())
	}
	return cause
}

func (w *Worker) groupUndecided(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, cause error, final bool) error {
	subject, err := w.groupSubject(ctx, tenant, job)
	if errors.Is(err, store.ErrNotFound) {
		return nil // nothing says that the branch is enrolled
	}
	if err != nil {
		return err
	}
	decision := policy.Undecided(subject, causeForPeople(cause), final)
	rec, err := groupRecord(job, decision)
	if err != nil {
		return err
	}
	rec.KeepJob = true
	if same, err := w.decidedBefore(ctx, tenant, job, rec.Decision); err != nil || same {
		return err
	}
	return w.commit(ctx, log, tenant, rec, decision)
}

// groupOutside: the branch is not enrolled, and nothing is said of its groups, unless it was
// enforced before.
func (w *Worker) groupOutside(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, outside *facts.NotEnrolledError) error {
	subject, err := w.groupSubject(ctx, tenant, job)
	if errors.Is(err, store.ErrNotFound) || err == nil && subject.Mode != policy.ModeEnforce {
		log.Debug().Err(outside).Msg("not enrolled")
		return tenant.DropGroup(ctx, job)
	}
	if err != nil {
		return err
	}
	decision := goneDecision(subject, outside.Why)
	rec, err := groupRecord(job, decision)
	if err != nil {
		return err
	}
	return w.commit(ctx, log, tenant, rec, decision)
}

func (w *Worker) groupBroken(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, broken *facts.PolicyError) error {
	subject, err := w.groupSubject(ctx, tenant, job)
	if errors.Is(err, store.ErrNotFound) {
		subject = policy.Subject{RepositoryID: job.RepoID, Repository: job.Repository, HeadSHA: job.HeadSHA, BaseRef: job.Ref, GoverningRef: job.Ref}
	} else if err != nil {
		return err
	}
	decision := policy.BrokenPolicy(subject, broken.Layer, broken.Err)
	rec, err := groupRecord(job, decision)
	if err != nil {
		return err
	}
	rec.Policy = broken.Source
	return w.commit(ctx, log, tenant, rec, decision)
}

// queue looks for merge groups that no delivery told of, while the queue has entries.
func (w *Worker) queue(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	queue, err := facts.ReadQueue(ctx, client, repoOf(job.Repository), job.Ref)
	if err != nil {
		return err
	}
	var marks []store.Mark
	for _, e := range queue.Entries {
		if e.GroupSHA == "" {
			continue
		}
		known, err := tenant.GroupKnown(ctx, job.RepoID, e.GroupSHA)
		if err != nil {
			return err
		}
		if !known {
			log.Info().Str("head", e.GroupSHA).Int("pr", e.Number).Msg("found a merge group that no delivery told of")
			marks = append(marks, store.Mark{
				Kind: store.KindGroup, OrgID: job.OrgID, InstallationID: job.InstallationID, RepoID: job.RepoID, Repository: job.Repository,
				HeadSHA: e.GroupSHA, Ref: job.Ref,
			})
		}
	}
	// If we stop here, the lease runs out and the queue is looked at again.
	if err := w.Store.Mark(ctx, marks); err != nil {
		return err
	}
	if len(queue.Entries) == 0 {
		return w.Store.Finish(ctx, job)
	}
	return w.Store.FinishUntil(ctx, job, w.Now().Add(groupEvery))
}
