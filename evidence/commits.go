package evidence

import "github.com/countersign/countersign/policy"

// commits are the first-parent commits of branches, each counted once: FirstParent is the sum of
// the four kinds after it.
type commits struct {
	FirstParent    int `json:"first_parent"`
	OfPullRequests int `json:"of_pull_requests"`
	OfMergeGroups  int `json:"of_merge_groups"`
	Direct         int `json:"direct"`
	Unexplained    int `json:"unexplained"`
	// PullRequestsWithout are the merged pull requests to which none is counted: their commits
	// came with those of another.
	PullRequestsWithout int `json:"pull_requests_without_commits"`
	// UpdatesNotListed are the updates that moved the branch, and whose commits are not counted,
	// because GitHub did not list them all.
	UpdatesNotListed int `json:"updates_not_listed"`
}

func (c *commits) add(other commits) {
	c.FirstParent += other.FirstParent
	c.OfPullRequests += other.OfPullRequests
	c.OfMergeGroups += other.OfMergeGroups
	c.Direct += other.Direct
	c.Unexplained += other.Unexplained
	c.PullRequestsWithout += other.PullRequestsWithout
	c.UpdatesNotListed += other.UpdatesNotListed
}

// lineOf are the first-parent commits of an update, and whether they are all.
func lineOf(list policy.List[policy.FirstParentCommit]) (line []string, listed bool) {
	for _, c := range list.Items {
		line = append(line, c.SHA)
	}
	return line, list.Complete
}

// countCommits counts the first-parent commits of an update that merged these pull requests.
func countCommits(list policy.List[policy.FirstParentCommit], merged []policy.MergedChange, u update) (n commits) {
	if !list.Complete {
		if u.moves() {
			n.UpdatesNotListed = 1
		}
		return n
	}
	for _, c := range list.Items {
		n.FirstParent++
		switch c.By {
		case policy.ByPullRequest:
			n.OfPullRequests++
		case policy.ByMergeGroup:
			n.OfMergeGroups++
		case policy.ByDirectPush:
			n.Direct++
		default:
			n.Unexplained++
		}
	}
	for _, m := range merged {
		if numbered(list, m.Number) == 0 {
			n.PullRequestsWithout++
		}
	}
	return n
}

// numbered counts the commits that belong to a pull request.
func numbered(list policy.List[policy.FirstParentCommit], number int) (n int) {
	for _, c := range list.Items {
		if c.Number == number {
			n++
		}
	}
	return n
}

// commitsOf is a number of the update's commits, or -1 if they were not listed.
func (u update) commitsOf(n int) int {
	if !u.listed {
		return -1
	}
	return n
}
