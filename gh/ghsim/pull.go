package ghsim

import "time"

// pull is a pull request.
type pull struct {
	id        int64
	number    int
	repo      *repo // of the base
	author    *account
	via       *app // the App through which a user's token opened it, nil otherwise
	title     string
	body      string
	state     string // "open" or "closed"
	draft     bool
	locked    bool
	baseRef   string   // branch name
	baseSHA   string   // tip of the base when the pull request last saw it; frozen at merge
	headRef   string   // branch name
	headRepo  *repo    // differs from repo for forks; nil when the fork is gone
	headSHA   string   // as the world has it now; renderers use Sim.headOf
	heads     []string // every head that there was, oldest first, the present one included
	createdAt time.Time
	updatedAt time.Time
	closedAt  time.Time
	editedAt  time.Time // of title or body; zero: never
	editor    *account

	merged   bool
	mergedAt time.Time
	mergedBy *account
	mergeSHA string // the commit that the merge made

	labels         []*label
	assignees      []*account
	requested      []*account // requested reviewers
	requestedTeams []*team
	reviews        []*review
	comments       []*comment
	timeline       []*timelineEvent
	autoMerge      *autoMerge
	closes         []*issue
	stack          *stack // nil when not stacked
	unstacked      *stack // the one that it was taken out of
	queued         *queueEntry
}

// headOf is the head SHA of the pull request as this viewer sees it: an older one while
// a fault makes the API lag behind the webhooks. Every renderer uses it.
func (s *Sim) headOf(v *viewer, p *pull) string {
	i := len(p.heads) - 1
	if v != nil {
		i = max(0, i-v.stale)
	}
	return p.heads[i]
}

// stack is a chain of pull requests, each on the head of the one before. GitHub judges
// all of them against the base of the stack. REST shows it, GraphQL does not.
type stack struct {
	id     int64
	number int
	base   string  // branch name: base of the first
	pulls  []*pull // bottom first
}

// governingBase is the branch whose rules GitHub applies to the pull request.
func (p *pull) governingBase() string {
	if p.stack != nil {
		return p.stack.base
	}
	return p.baseRef
}

// autoMerge is what "Enable auto-merge" leaves on a pull request.
type autoMerge struct {
	by     *account
	method string // "merge", "squash", "rebase"
	at     time.Time
}

// review is a review of a pull request.
type review struct {
	id     int64
	author *account
	state  string // "APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"
	body   string
	// submittedOn is the commit that the reviewer saw, as the webhook said it. commitSHA is
	// what the API says now: GitHub re-points it after base merges and rebases that leave
	// the patch alone.
	submittedOn string
	commitSHA   string
	createdAt   time.Time
	submittedAt time.Time
	editedAt    time.Time // zero: never
	// couldPush is the author's write permission now or then, as authorCanPushToRepository.
	teams       []*team // on whose behalf
	dismissedBy *account
	dismissal   string
}

// timelineEvent is one entry of a pull request's timeline. kind is GraphQL's type name;
// the fields that a kind does not have are zero.
type timelineEvent struct {
	id   int64
	kind string // AssignedEvent, UnassignedEvent, LabeledEvent, UnlabeledEvent, HeadRefForcePushedEvent,
	// BaseRefChangedEvent, BaseRefForcePushedEvent, ReviewDismissedEvent, ReviewRequestedEvent, ReviewRequestRemovedEvent,
	// AutoMergeEnabledEvent, AutoMergeDisabledEvent, AddedToMergeQueueEvent, RemovedFromMergeQueueEvent,
	// ReadyForReviewEvent, ConvertToDraftEvent, MergedEvent, ClosedEvent, ReopenedEvent
	at       time.Time
	actor    *account
	subject  *account // assignee, or requested reviewer
	team     *team    // requested reviewer
	label    *label
	before   string // commit SHA, or former base
	after    string // commit SHA, or new base
	review   *review
	previous string // ReviewDismissedEvent: the state that the review had
	message  string // dismissal message, or reason
	commit   string // MergedEvent, ReviewDismissedEvent (pushed by), RemovedFromMergeQueueEvent (before)
	ref      string // MergedEvent: name of the base
	closer   *pull  // ClosedEvent of an issue
}
