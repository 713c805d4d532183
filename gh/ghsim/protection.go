package ghsim

import "time"

// protection is a classic branch protection rule.
type protection struct {
	id      int64
	pattern string // branch name or fnmatch pattern
	// Reviews.
	requireReviews    bool
	approvals         int
	dismissStale      bool
	codeOwners        bool
	lastPushApproval  bool
	bypassPullRequest []actor // may merge without the reviews
	// Checks.
	requireChecks bool
	strict        bool
	checks        []requiredCheck
	// The rest.
	enforceAdmins    bool
	allowForcePushes bool
	bypassForcePush  []actor
	allowDeletions   bool
	restrictPushes   bool
	pushAllowances   []actor
	lockBranch       bool
	linearHistory    bool
	conversations    bool
	signatures       bool
	createdAt        time.Time
	updatedAt        time.Time
}

// actor is an entry of an allowance: exactly one field is set.
type actor struct {
	user *account
	team *team
	app  *app
}

// requiredCheck is a check that must have passed. appID 0: from any source.
type requiredCheck struct {
	context string
	appID   int64
}

// ruleset is a set of rules of a repository or of an organisation.
type ruleset struct {
	id          int64
	name        string
	target      string   // "branch" or "tag"
	enforcement string   // "active", "evaluate", "disabled"
	repo        *repo    // of a repository ruleset
	org         *org     // of an organisation ruleset
	include     []string // ref patterns; "~ALL", "~DEFAULT_BRANCH", "refs/heads/release/*"
	exclude     []string
	repoInclude []string // of an organisation ruleset: repository name patterns
	repoExclude []string
	bypass      []bypassActor
	rules       []rule
	createdAt   time.Time
	updatedAt   time.Time
}

// sourceType is "Repository" or "Organization".
func (r *ruleset) sourceType() string {
	if r.org != nil {
		return "Organization"
	}
	return "Repository"
}

// source is the full name of the repository, or the login of the organisation.
func (r *ruleset) source() string {
	if r.org != nil {
		return r.org.account.login
	}
	return r.repo.fullName()
}

// bypassActor may pass a ruleset by.
type bypassActor struct {
	id   int64  // 0 is null: OrganizationAdmin and DeployKey have none
	kind string // "RepositoryRole", "Team", "Integration", "OrganizationAdmin", "DeployKey", "User"
	mode string // "always", "pull_request", "exempt"
}

// rule is one rule of a ruleset. parameters is nil for rules without any.
type rule struct {
	kind       string // "pull_request", "required_status_checks", "non_fast_forward", "deletion", "merge_queue", …
	parameters map[string]any
}
