package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	updatedAt  time.Time // GitHub's, of the event that head and base are from
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
	for _, o := range observations {
		if err := k.add(o); err != nil {
			return k, err
		}
	}
	if err := k.followHeads(ctx, tenant, job); err != nil {
		return k, err
	}
	slices.SortFunc(k.Pushes, func(a, b policy.Push) int { return cmp.Compare(a.Seq, b.Seq) })
	k.Permissions, err = tenant.ReviewPermissions(ctx, job.RepoID, job.Number)
	return k, err
}

// maxHeads bounds how many pushes are followed back from the head.
const maxHeads = 300

// followHeads adds what deliveries said of the newest head, and the pushes to the branch
// that led to it, from before the pull request was opened too: whoever pushed then is
// behind the change as well.
func (k *known) followHeads(ctx context.Context, tenant store.Tenant, job store.Job) error {
	heads, asked := []string{k.head}, map[string]bool{"": true}
	for _, seen := range k.Seen {
		heads = append(heads, seen.Head)
	}
	for i := 0; i < len(heads) && i < maxHeads; i++ {
		head := heads[i]
		if asked[head] {
			continue
		}
		asked[head] = true
		observations, err := tenant.HeadObservations(ctx, job.RepoID, head)
		if err != nil {
			return err
		}
		for _, o := range observations {
			before, err := k.addOfHead(o, head)
			if err != nil {
				return err
			}
			heads = append(heads, before)
		}
	}
	return nil
}

// addOfHead adds an observation of a head, and says which head was there before a push.
func (k *known) addOfHead(o store.Observation, head string) (before string, err error) {
	e, err := decode(o)
	switch {
	case err != nil:
		return "", err
	case e.Push != nil && e.Push.Ref == "refs/heads/"+k.headRef:
		// A push of the same commit to another branch says nothing about this change.
		k.Pushes = append(k.Pushes, push(o, e, e.Push.Before, e.Push.After, e.Push.Forced))
		return e.Push.Before, nil
	case head != k.head:
	case e.CheckRun != nil && e.Action != "rerequested" && e.Action != "requested_action":
		k.Checks[e.CheckRun.ID] = facts.SeenCheck{Status: e.CheckRun.Status, Conclusion: e.CheckRun.Conclusion, ReceivedAt: o.ReceivedAt}
	case e.Status != nil:
		k.Statuses[e.Status.ID] = o.ReceivedAt
	}
	return "", nil
}

func decode(o store.Observation) (gh.Event, error) {
	var e gh.Event
	if err := json.Unmarshal(o.Body, &e); err != nil {
		return e, fmt.Errorf("observation %d: %w", o.Seq, err)
	}
	return e, nil
}

func (k *known) add(o store.Observation) error {
	e, err := decode(o)
	if err == nil && e.PullRequest != nil {
		k.addChange(o, e)
	}
	return err
}

func (k *known) addChange(o store.Observation, e gh.Event) {
	pr := e.PullRequest
	k.Seen = append(k.Seen, facts.Seen{Head: pr.HeadSHA, Base: pr.BaseRef, UpdatedAt: pr.UpdatedAt, ReceivedAt: o.ReceivedAt})
	if !pr.UpdatedAt.Before(k.updatedAt) {
		// An older event that was delayed or delivered again does not set this back.
		k.head, k.base, k.headRef, k.updatedAt = pr.HeadSHA, pr.BaseRef, pr.HeadRef, pr.UpdatedAt
	}
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

func push(o store.Observation, e gh.Event, before, after string, forced bool) policy.Push {
	return policy.Push{
		Seq: o.Seq, ReceivedAt: o.ReceivedAt.UTC(), Before: before, After: after, Forced: forced,
		Pusher: policy.Actor{ID: e.Sender.ID, Login: e.Sender.Login, Type: policy.ActorType(e.Sender.Type)},
	}
}
