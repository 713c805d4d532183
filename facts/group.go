package facts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// ErrGroupGone: no merge queue has the group any more. It was merged, or made anew.
var ErrGroupGone = errors.New("the merge group is not in the queue any more")

// maxQueue is how many entries of a merge queue are read.
const maxQueue = 500

// GroupRequest says which merge group to read.
type GroupRequest struct {
	Repo    gh.Repo
	HeadSHA string
	// Branch is the one that the group is to be merged into, without "refs/heads/".
	Branch string
	// BaseSHA is the group's parent as its delivery named it; empty when none reached us.
	BaseSHA string
}

// QueueEntry is one pull request in a merge queue.
type QueueEntry struct {
	Number, Position int
	// QueuedSHA is its head as it is now; GroupSHA the commit that tests it, empty while there is
	// none; ParentSHA the commit that it was put on.
	QueuedSHA, GroupSHA, ParentSHA string
	// MergedSHA is the head that the group's commit merged; empty where it says of none, because
	// the queue squashes or rebases.
	MergedSHA  string
	EnqueuedAt time.Time
}

// Queue is a merge queue as it is now.
type Queue struct {
	// Timeout is how long the queue waits for the checks of a group.
	Timeout time.Duration
	// EveryGroup is true when each group's own checks must succeed; else those of the last
	// group speak for the ones before it.
	EveryGroup bool
	// Tip is the tip of the branch.
	Tip     string
	Entries []QueueEntry // in their order
}

const queueQuery = `query Queue($owner: String!, $name: String!, $branch: String!, $ref: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) { target { oid } }
    mergeQueue(branch: $branch) {
      configuration { mergingStrategy checkResponseTimeout }
      entries(first: 100, after: $after) { totalCount pageInfo { hasNextPage endCursor } nodes {
        position enqueuedAt baseCommit { oid } headCommit { oid parents(first: 3) { nodes { oid } } } pullRequest { number headRefOid }
      } }
    }
  }
}
`

type queueAnswer struct {
	Repository *struct {
		Ref *struct {
			Target *gqlOID `json:"target"`
		} `json:"ref"`
		MergeQueue *struct {
			Configuration *struct {
				MergingStrategy      string `json:"mergingStrategy"`
				CheckResponseTimeout int    `json:"checkResponseTimeout"` // minutes
			} `json:"configuration"`
			Entries connection[gqlQueueEntry] `json:"entries"`
		} `json:"mergeQueue"`
	} `json:"repository"`
}

type gqlQueueEntry struct {
	Position   int       `json:"position"`
	EnqueuedAt time.Time `json:"enqueuedAt"`
	BaseCommit *gqlOID   `json:"baseCommit"`
	HeadCommit *struct {
		OID     string             `json:"oid"`
		Parents connection[gqlOID] `json:"parents"`
	} `json:"headCommit"`
	PullRequest *struct {
		Number     int    `json:"number"`
		HeadRefOid string `json:"headRefOid"`
	} `json:"pullRequest"`
}

// ReadQueue reads the merge queue of a branch. A branch without one has an empty queue.
//
// Source: GraphQL Repository.mergeQueue; needs the permission merge_queues: read.
func ReadQueue(ctx context.Context, client *gh.Client, repo gh.Repo, branch string) (Queue, error) {
	var q Queue
	vars := map[string]any{"owner": repo.Owner, "name": repo.Name, "branch": branch, "ref": "refs/heads/" + branch, "after": nil}
	for {
		var answer queueAnswer
		if err := client.GraphQL(ctx, queueQuery, vars, &answer); err != nil {
			return Queue{}, fmt.Errorf("read the merge queue of %s:%s: %w", repo, branch, err)
		}
		if answer.Repository == nil {
			return Queue{}, fmt.Errorf("read the merge queue of %s:%s: %w", repo, branch, gh.ErrNotFound)
		}
		if ref := answer.Repository.Ref; ref != nil && ref.Target != nil {
			q.Tip = ref.Target.OID
		}
		queue := answer.Repository.MergeQueue
		switch {
		case queue == nil && len(q.Entries) > 0:
			return Queue{}, fmt.Errorf("%w: the queue went away while it was read", ErrBehind)
		case queue == nil:
			return q, nil
		}
		if c := queue.Configuration; c != nil {
			q.Timeout = time.Duration(c.CheckResponseTimeout) * time.Minute
			q.EveryGroup = c.MergingStrategy == "ALLGREEN"
		}
		for _, node := range queue.Entries.Nodes {
			q.Entries = append(q.Entries, node.entry())
		}
		switch page := queue.Entries.PageInfo; {
		case !page.HasNextPage && len(q.Entries) != queue.Entries.TotalCount:
			return Queue{}, fmt.Errorf("%w: the queue moved while it was read", ErrBehind)
		case !page.HasNextPage:
			slices.SortStableFunc(q.Entries, func(a, b QueueEntry) int { return a.Position - b.Position })
			return q, nil
		case len(queue.Entries.Nodes) == 0:
			return Queue{}, fmt.Errorf("%w: a page of the queue is empty and not the last", ErrBehind)
		case len(q.Entries) >= maxQueue:
			return Queue{}, fmt.Errorf("read the merge queue of %s:%s: %w: more than %d entries", repo, branch, gh.ErrTruncated, maxQueue)
		default:
			vars["after"] = page.EndCursor
		}
	}
}

func (n gqlQueueEntry) entry() QueueEntry {
	e := QueueEntry{Position: n.Position, EnqueuedAt: n.EnqueuedAt.UTC()}
	if n.BaseCommit != nil {
		e.ParentSHA = n.BaseCommit.OID
	}
	if n.HeadCommit != nil {
		e.GroupSHA = n.HeadCommit.OID
		if parents := n.HeadCommit.Parents.Nodes; len(parents) == 2 {
			e.MergedSHA = parents[1].OID
		}
	}
	if n.PullRequest != nil {
		e.Number, e.QueuedSHA = n.PullRequest.Number, n.PullRequest.HeadRefOid
	}
	return e
}

// Members are the entries that are merged if this group is: its own, those below it in the
// chain of commits down to the tip of the branch, and every other one that is before it in the
// queue. Where each group must succeed by itself, those before it answer for themselves. It
// returns ErrGroupGone when no entry has the group's commit, and an error when the chain does not
// lead to the branch.
func (q Queue) Members(req GroupRequest) ([]QueueEntry, error) {
	byGroup := map[string]QueueEntry{}
	for _, e := range q.Entries {
		if e.GroupSHA != "" {
			byGroup[e.GroupSHA] = e
		}
	}
	own, ok := byGroup[req.HeadSHA]
	if !ok {
		return nil, ErrGroupGone
	}
	chain := map[int]bool{}
	for at := req.HeadSHA; ; {
		e, ok := byGroup[at]
		switch {
		case !ok && at == q.Tip:
			return q.members(own, chain)
		case !ok:
			return nil, fmt.Errorf("commit %.12s is neither a group nor the tip of %s", at, req.Branch)
		case chain[e.Number]:
			return nil, errors.New("the groups lead back to themselves")
		}
		chain[e.Number] = true
		if at = e.ParentSHA; q.EveryGroup && at == req.BaseSHA && at != "" {
			return q.members(QueueEntry{}, chain)
		}
	}
}

// members are the entries of the chain, and those before the group's own: GitHub does not say
// what the parent of an entry is where several are merged at once, and one member too many is
// only judged in vain.
func (q Queue) members(own QueueEntry, chain map[int]bool) ([]QueueEntry, error) {
	var out []QueueEntry
	for _, e := range q.Entries {
		if !chain[e.Number] && (e.GroupSHA == "" || e.Position >= own.Position) {
			continue
		}
		if e.Number == 0 || e.QueuedSHA == "" {
			return nil, fmt.Errorf("GitHub does not say which pull request the group %.12s is of", e.GroupSHA)
		}
		out = append(out, e)
	}
	return out, nil
}

// HeadSince reports whether the head of a pull request is the tip of its branch since before it
// was put into a queue. Nobody shows how a branch in a fork moved.
//
// Source: GET /repos/{owner}/{repo}/activity, whose clock counts seconds.
func HeadSince(ctx context.Context, client *gh.Client, repo gh.Repo, c *policy.Change, enqueued time.Time) (bool, error) {
	if c.Fork {
		return false, nil
	}
	updates, _, err := refUpdates(ctx, client, repo, c.HeadRef)
	if err != nil || len(updates) == 0 {
		return false, err
	}
	last := updates[len(updates)-1]
	return last.After == c.HeadSHA && last.At.Before(enqueued.Truncate(time.Second)), nil
}

// ValidationsAt reads every check run and commit status on a commit, but our own.
func ValidationsAt(ctx context.Context, client *gh.Client, repo gh.Repo, app policy.App, sha string) (policy.List[policy.Validation], error) {
	first, second := &firstReading{}, &secondReading{jobs: map[int64]gh.Job{}}
	reading, running := errgroup.WithContext(ctx)
	reading.Go(func() error { return first.readCheckRuns(running, client, repo, sha) })
	reading.Go(func() error { return first.readStatuses(running, client, repo, sha) })
	reading.Go(func() error { return first.readRuns(running, client, repo, sha) })
	if err := reading.Wait(); err != nil {
		return policy.List[policy.Validation]{}, err
	}
	reading, running = errgroup.WithContext(ctx)
	for _, run := range first.runs {
		reading.Go(func() error { return second.readJobs(running, client, Request{Repo: repo}, run.ID) })
	}
	if err := reading.Wait(); err != nil {
		return policy.List[policy.Validation]{}, err
	}
	return validations(app, sha, first, second), nil
}
