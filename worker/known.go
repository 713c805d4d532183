package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// known is what deliveries said about a pull request, with its newest head and base.
type known struct {
	facts.Known
	head, base string
	headRef    string
	queue      queueTold
	updatedAt  time.Time // GitHub's, of the event that head and base are from
	open       bool      // as that event has it
}

// queueTold is what the newest delivery said of a pull request and its merge queue.
type queueTold struct {
	head      string    // the one that was put in; empty: it was taken out
	heardAt   time.Time // zero: no delivery told of a queue
	updatedAt time.Time // GitHub's
}

// loadKnown reads the observations of a pull request and of its newest head.
func loadKnown(ctx context.Context, tenant store.Tenant, job store.Job) (known, error) {
	k := known{Known: facts.Known{
		Reviews: map[int64]policy.ReviewReceipt{}, Dismissals: map[int64]time.Time{},
		Checks: map[int64]facts.SeenCheck{}, Statuses: map[int64]time.Time{},
	}}
	observations, err := tenant.Observations(ctx, job.RepoID, job.Number)
	if err != nil {
		return k, err
	}
	var gone error
	for _, o := range observations {
		// What came later says at least which head and base cannot be judged.
		if err := k.add(o); errors.Is(err, store.ErrDisposed) {
			gone = err
		} else if err != nil {
			return k, err
		}
	}
	if gone != nil {
		return k, gone
	}
	if err := k.addHead(ctx, tenant, job); err != nil {
		return k, err
	}
	members, err := tenant.EmergencyMembers(ctx, job.RepoID, job.Number)
	if err != nil {
		return k, err
	}
	for i := range k.Declarations {
		k.Declarations[i].Member = members[k.Declarations[i].Key()]
	}
	k.Permissions, err = tenant.ReviewPermissions(ctx, job.RepoID, job.Number)
	return k, err
}

// addHead adds what deliveries said of the checks and statuses on the newest head.
func (k *known) addHead(ctx context.Context, tenant store.Tenant, job store.Job) error {
	observations, err := tenant.HeadObservations(ctx, job.RepoID, k.head)
	if err != nil {
		return err
	}
	for _, o := range observations {
		e, err := decode(o)
		switch {
		case err != nil:
			return err
		case e.CheckRun != nil && e.Action != "rerequested" && e.Action != "requested_action":
			k.Checks[e.CheckRun.ID] = facts.SeenCheck{Status: e.CheckRun.Status, Conclusion: e.CheckRun.Conclusion, ReceivedAt: o.ReceivedAt}
		case e.Status != nil:
			k.Statuses[e.Status.ID] = o.ReceivedAt
		}
	}
	return nil
}

// pushesOf are the pushes that made a commit the tip of the pull request's branch. A push
// of the same commit to another branch says nothing about this change.
func (k *known) pushesOf(ctx context.Context, tenant store.Tenant, job store.Job, sha string) ([]policy.Push, error) {
	observations, err := tenant.HeadObservations(ctx, job.RepoID, sha)
	if err != nil {
		return nil, err
	}
	return pushesIn(observations, k.headRef)
}

// pushesIn are the pushes to a branch among observations.
func pushesIn(observations []store.Observation, branch string) (out []policy.Push, err error) {
	for _, o := range observations {
		if o.Event != "push" {
			continue
		}
		e, err := decode(o)
		if err != nil {
			return nil, err
		}
		if e.Push.Ref == "refs/heads/"+branch {
			out = append(out, push(o, e, e.Push.Before, e.Push.After, e.Push.Forced))
		}
	}
	return out, nil
}

// pushesTo are the pushes to a branch that were received since a commit was first heard of.
func pushesTo(ctx context.Context, tenant store.Tenant, job store.Job, branch, sha string) ([]policy.Push, error) {
	proposals, err := tenant.Proposals(ctx, job.RepoID, sha)
	if err != nil {
		return nil, err
	}
	heard, err := tenant.HeadObservations(ctx, job.RepoID, sha)
	if err != nil {
		return nil, err
	}
	var since int64
	for _, o := range append(proposals, heard...) {
		if since == 0 || o.Seq < since {
			since = o.Seq
		}
	}
	observations, err := tenant.PushesAfter(ctx, job.RepoID, since)
	if err != nil {
		return nil, err
	}
	return pushesIn(observations, branch)
}

// proposalsOf say which branches a commit was proposed for as the head of any pull request.
func proposalsOf(ctx context.Context, tenant store.Tenant, job store.Job, sha string) ([]facts.Proposal, error) {
	observations, err := tenant.Proposals(ctx, job.RepoID, sha)
	if err != nil {
		return nil, err
	}
	var out []facts.Proposal
	for _, o := range observations {
		e, err := decode(o)
		if err != nil {
			return nil, err
		}
		if e.PullRequest == nil {
			continue
		}
		out = append(out, facts.Proposal{Number: e.PullRequest.Number, Base: e.PullRequest.BaseRef})
		if e.PullRequest.BaseFrom != "" {
			out = append(out, facts.Proposal{Number: e.PullRequest.Number, Base: e.PullRequest.BaseFrom})
		}
	}
	return out, nil
}

// commentsOn are the comments on a pull request or issue and the assignments of it, as they
// were when they came in. Who edits a comment later has said nothing new.
func commentsOn(ctx context.Context, tenant store.Tenant, job store.Job, number int) ([]facts.Comment, error) {
	observations, err := tenant.Observations(ctx, job.RepoID, number)
	if err != nil {
		return nil, err
	}
	var out []facts.Comment
	for _, o := range observations {
		e, err := decode(o)
		if err != nil {
			return nil, err
		}
		c := facts.Comment{Seq: o.Seq, ReceivedAt: o.ReceivedAt, By: e.Sender}
		switch {
		case e.Comment != nil && e.Action == "created":
			c.Text = e.Comment.Text
		case e.Issue != nil && e.Action == "assigned" && e.Assignee != nil:
			c.Assignee = *e.Assignee
		default:
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// recordedAt is what was recorded of an earlier head. Facts of an earlier format than this
// program reads are as good as none.
func recordedAt(ctx context.Context, tenant store.Tenant, job store.Job, head string, reviewed time.Time) (*policy.Facts, string, error) {
	row, err := tenant.DecisionAbout(ctx, job.RepoID, job.Number, head, reviewed)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	var f policy.Facts
	if err := json.Unmarshal(row.Facts, &f); err != nil {
		return nil, "", fmt.Errorf("decode the facts of decision %s: %w", row.RecordID, err)
	}
	if f.V != policy.FactsVersion {
		return nil, "", nil
	}
	return &f, row.RecordID, nil
}

func decode(o store.Observation) (gh.Event, error) {
	var e gh.Event
	if o.Disposed {
		// Who pushed or asked for what is not known any more. That is never nobody.
		return e, fmt.Errorf("what delivery %s said on %s was kept no longer: %w", o.DeliveryID, o.ReceivedAt.Format(time.DateOnly), store.ErrDisposed)
	}
	if err := json.Unmarshal(o.Body, &e); err != nil {
		return e, fmt.Errorf("observation %d: %w", o.Seq, err)
	}
	return e, nil
}

func (k *known) add(o store.Observation) error {
	e, err := decode(o)
	switch {
	case err != nil:
	case e.PullRequest != nil:
		k.addChange(o, e)
	case e.Comment != nil && e.Comment.OnPR && e.Action == "created":
		k.addCommand(o, e)
	case e.Name == gh.EmergencyDeclared && e.Declared != nil:
		k.addDeclared(o, e)
	case e.Name == gh.CommitConfirmed && e.Confirmed != nil:
		k.Confirmations = append(k.Confirmations, policy.Confirmation{
			Seq: o.Seq, ReceivedAt: o.ReceivedAt.UTC(), DeliveryID: o.DeliveryID,
			By:        policy.Actor{ID: e.Sender.ID, Login: e.Sender.Login, Type: policy.ActorType(e.Sender.Type)},
			CommitSHA: e.Confirmed.HeadSHA, BaseRef: e.Confirmed.BaseRef, HeadSHA: k.head,
		})
	}
	return err
}

// addCommand adds an emergency command, bound to the head and base that were the newest when it
// came in. Only the delivery of the new comment counts: whoever edits one later says nothing.
func (k *known) addCommand(o store.Observation, e gh.Event) {
	d, ok := policy.ReadDeclaration(e.Comment.Text)
	if !ok || e.Sender.ID != e.Comment.User.ID {
		return
	}
	d.Seq, d.ReceivedAt, d.DeliveryID, d.CommentID = o.Seq, o.ReceivedAt.UTC(), o.DeliveryID, e.Comment.ID
	d.By = policy.Actor{ID: e.Sender.ID, Login: e.Sender.Login, Type: policy.ActorType(e.Sender.Type)}
	d.ViaApp, d.HeadSHA, d.BaseRef = e.Comment.AppID != 0, k.head, k.base
	k.Declarations = append(k.Declarations, d)
}

// addDeclared adds an emergency that was declared on a page, for the head and base that it showed.
func (k *known) addDeclared(o store.Observation, e gh.Event) {
	d := policy.DeclaredInSession(e.Declared.HeadSHA, e.Declared.Ticket, e.Declared.Reason)
	d.Seq, d.ReceivedAt, d.DeliveryID = o.Seq, o.ReceivedAt.UTC(), o.DeliveryID
	d.By = policy.Actor{ID: e.Sender.ID, Login: e.Sender.Login, Type: policy.ActorType(e.Sender.Type)}
	d.HeadSHA, d.BaseRef = k.head, k.base
	if e.Declared.BaseRef != k.base {
		d.Problem = "the pull request was to go to another branch by then"
	}
	k.Declarations = append(k.Declarations, d)
}

func (k *known) addChange(o store.Observation, e gh.Event) {
	pr := e.PullRequest
	k.Seen = append(k.Seen, facts.Seen{Head: pr.HeadSHA, Base: pr.BaseRef, UpdatedAt: pr.UpdatedAt, ReceivedAt: o.ReceivedAt})
	if !pr.UpdatedAt.Before(k.updatedAt) {
		// An older event that was delayed or delivered again does not set this back.
		k.voidCommands(e)
		k.head, k.base, k.headRef, k.updatedAt = pr.HeadSHA, pr.BaseRef, pr.HeadRef, pr.UpdatedAt
		k.open = pr.State == "open"
		k.readyAt(o, e)
	}
	k.queue.add(o, e)
	if e.Name == "pull_request" && e.Action == "opened" {
		k.Pushes = append(k.Pushes, push(o, e, "", pr.HeadSHA, false))
	}
	if e.Name == "pull_request" && e.Action == "synchronize" {
		k.Pushes = append(k.Pushes, push(o, e, pr.Before, pr.After, false))
	}
	if e.Review != nil && e.Action == "dismissed" {
		k.Dismissals[e.Review.ID] = o.ReceivedAt
	}
	if e.Review != nil && e.Action == "submitted" {
		if _, seen := k.Reviews[e.Review.ID]; !seen {
			k.Reviews[e.Review.ID] = policy.ReviewReceipt{
				Seq: o.Seq, ReceivedAt: o.ReceivedAt.UTC(), DeliveryID: o.DeliveryID,
				State: e.Review.State, CommitSHA: e.Review.CommitSHA, HeadSHA: pr.HeadSHA, BaseRef: pr.BaseRef,
			}
		}
	}
}

func (q *queueTold) add(o store.Observation, e gh.Event) {
	pr := e.PullRequest
	told := queueTold{heardAt: o.ReceivedAt.UTC(), updatedAt: pr.UpdatedAt}
	switch {
	case e.Action != "enqueued" && e.Action != "dequeued" || pr.UpdatedAt.Before(q.updatedAt):
		return
	case e.Action == "enqueued":
		told.head = pr.HeadSHA
	}
	*q = told
}

// voidCommands ends the emergencies that were declared for another head or base, or before the
// pull request was closed, which settles what they owe: they stay ended when the branch is set
// back or the pull request is opened again.
func (k *known) voidCommands(e gh.Event) {
	pr := e.PullRequest
	closed := e.Name == "pull_request" && (e.Action == "reopened" || pr.State != "open" && !pr.Merged)
	for i := range k.Declarations {
		switch d := &k.Declarations[i]; {
		case d.Void != "":
		case closed:
			d.Void = "the pull request was closed"
		case d.HeadSHA != pr.HeadSHA:
			d.Void = "the branch got another commit"
		case d.BaseRef != pr.BaseRef:
			d.Void = "the pull request was to go to another branch"
		}
	}
}

// readyAt starts the clock of the review with the first delivery that shows the pull request
// ready for one, and stops it while it is a draft or closed.
func (k *known) readyAt(o store.Observation, e gh.Event) {
	switch pr := e.PullRequest; {
	case e.Name != "pull_request":
	case pr.Draft || pr.State != "open":
		k.ReadyAt = time.Time{}
	case k.ReadyAt.IsZero():
		k.ReadyAt = o.ReceivedAt.UTC()
	}
}

func push(o store.Observation, e gh.Event, before, after string, forced bool) policy.Push {
	return policy.Push{
		Seq: o.Seq, ReceivedAt: o.ReceivedAt.UTC(), Before: before, After: after, Forced: forced,
		Pusher: policy.Actor{ID: e.Sender.ID, Login: e.Sender.Login, Type: policy.ActorType(e.Sender.Type)},
	}
}
