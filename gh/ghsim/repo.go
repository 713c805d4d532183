package ghsim

import "time"

// repo is a repository.
type repo struct {
	id            int64
	owner         *account
	name          string
	private       bool
	archived      bool
	description   string
	defaultBranch string
	settings      repoSettings
	createdAt     time.Time
	updatedAt     time.Time
	pushedAt      time.Time

	git           *gitStore
	refs          map[string]string // "refs/heads/main" -> commit SHA
	collaborators map[int64]string  // account id -> role
	teams         map[*team]string  // role of the team
	labels        []*label
	nextNumber    int // issues and pull requests share their numbers
	noIssues      bool
	pulls         []*pull
	issues        []*issue
	suites        []*checkSuite            // oldest first, of every SHA
	runs          []*checkRun              // oldest first, of every SHA
	suitesAt      map[string][]*checkSuite // the same by head SHA
	runsAt        map[string][]*checkRun
	statuses      map[string][]*commitStatus // by SHA, oldest first
	workflows     []*workflow
	workflowRuns  []*workflowRun
	protections   []*protection          // classic branch protection, in order of creation
	rulesets      []*ruleset             // of the repository level
	queues        map[string]*mergeQueue // by branch name, only for branches that have one
	activity      []*refUpdate           // oldest first
	pushes        map[string]*refUpdate  // newest update that made this SHA a tip, for CheckSuite.push
	stacks        []*stack
}

// repoSettings are the settings that decide how pull requests may be merged.
type repoSettings struct {
	allowMerge, allowSquash, allowRebase, allowAutoMerge, deleteBranchOnMerge bool
}

func (r *repo) fullName() string { return r.owner.login + "/" + r.name }

// branch is the tip of the branch, "" when there is none.
func (r *repo) branch(name string) string { return r.refs["refs/heads/"+name] }

// label is a label of a repository.
type label struct {
	id                       int64
	name, color, description string
}

// refUpdate is one update of one ref: what GET /repos/{o}/{r}/activity lists.
type refUpdate struct {
	id     int64
	ref    string // "refs/heads/main"
	before string // zeroSHA for a creation
	after  string // zeroSHA for a deletion
	actor  *account
	at     time.Time
	kind   string // push, force_push, branch_creation, branch_deletion, pr_merge, merge_queue_merge
}

// mergeQueue is the merge queue of a branch.
type mergeQueue struct {
	branch string
	method string // "MERGE", "SQUASH" or "REBASE"
	// headGreen: the checks of a group speak for those before it.
	headGreen bool
	// slow: what is pushed to a queued pull request does not take it out yet.
	slow    bool
	entries []*queueEntry
}

// queueEntry is a pull request in a merge queue, with the merge group that tests it.
type queueEntry struct {
	id         int64
	pull       *pull
	enqueuer   *account
	enqueuedAt time.Time
	state      string // "QUEUED", "AWAITING_CHECKS", "MERGEABLE", "UNMERGEABLE"
	headRef    string // "refs/heads/gh-readonly-queue/main/pr-7-<base sha>"
	baseSHA    string // the commit that the group was built on
	headSHA    string // the group's commit: what required checks must be on
	jump, solo bool
}
