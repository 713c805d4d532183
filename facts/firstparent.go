package facts

import (
	"slices"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// firstParents are the commits of a comparison that lead from the second of the two, along first
// parents, to the first one, or to what the first one has; oldest first. What brought them is not
// known here. Where they lead straight to the first one, they are all, however many others GitHub
// leaves out.
func firstParents(before, after string, compared gh.Comparison) policy.List[policy.FirstParentCommit] {
	parents := map[string][]string{}
	for _, c := range compared.Commits {
		parents[c.SHA] = c.Parents
	}
	out := policy.List[policy.FirstParentCommit]{Items: []policy.FirstParentCommit{}}
	at := after
	for of, listed := parents[at]; listed; of, listed = parents[at] {
		out.Items = append(out.Items, policy.FirstParentCommit{SHA: at, By: policy.ByUnexplained})
		delete(parents, at) // no history has a commit twice, whatever GitHub answers
		if at = ""; len(of) > 0 {
			at = of[0]
		}
	}
	if out.Complete = compared.CommitsComplete || at == before; !out.Complete {
		return policy.List[policy.FirstParentCommit]{Items: []policy.FirstParentCommit{}, Why: "GitHub does not list all commits between the two"}
	}
	slices.Reverse(out.Items)
	out.Total = len(out.Items)
	return out
}

// linear says whether the newest commits of a comparison were put one on another, and none of them
// is a merge: as GitHub does when it rebases.
func linear(compared gh.Comparison) bool {
	return !slices.ContainsFunc(compared.Commits, func(c gh.ComparedCommit) bool { return len(c.Parents) != 1 })
}

// ownerOf is the pull request, of those that have a commit, that the commit counts for: the first
// that became it, else the first; 0: none.
func ownerOf(sha string, pulls []gh.CommitPull) (number int) {
	became := false
	for _, p := range pulls {
		is := p.MergeSHA == sha
		if number == 0 || is && !became || is == became && p.Number < number {
			number, became = p.Number, is
		}
	}
	return number
}

// explain says of each first-parent commit what brought it: by pull requests that GitHub names for
// it, and those that became it.
func explain(f *policy.UpdateFacts, named map[string]int, compared gh.Comparison) {
	list := f.FirstParents.Items
	by := policy.ByUnexplained
	switch f.Type {
	case policy.UpdatePush, policy.UpdateForcePush:
		by = policy.ByDirectPush
	case policy.UpdateMerge:
		by = policy.ByPullRequest
	case policy.UpdateQueueMerge:
		by = policy.ByMergeGroup
	}
	rebased := f.Type == policy.UpdateMerge && linear(compared)
	for i := range list {
		c := &list[i]
		c.Number = named[c.SHA]
		if c.Number == 0 && rebased {
			c.Number = named[f.After] // one pull request was merged, and its commits came at once
		}
		if c.Number != 0 || by == policy.ByDirectPush {
			c.By = by
		}
	}
}
