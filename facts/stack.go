package facts

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// maxBelow is how many updates of the branch below are kept of a stacked pull request. One that is
// moved more often while the head is tested is not known whole.
const maxBelow = 100

// readStack reads how the branches of a stacked pull request moved since its head was pushed; nil
// where it is not stacked, or nothing may have tested the merge with the branch that it goes to.
func readStack(ctx context.Context, client *gh.Client, req Request, f *policy.Facts, proposals []Proposal) (*policy.Stack, error) {
	c := &f.Change
	if c.BaseRef == c.GoverningRef || !slices.ContainsFunc(f.Validations.Items, func(v policy.Validation) bool { return policy.MayTestMerge(&v) }) {
		return nil, nil
	}
	stack := &policy.Stack{OtherPulls: otherPulls(proposals, c.Number)}
	if c.Fork {
		stack.Base.Why = "the head is in a fork"
		return stack, nil
	}
	pushed, why, err := refUpdates(ctx, client, req.Repo, c.HeadRef)
	if err != nil || why != "" {
		stack.Base.Why = why
		return stack, err
	}
	i := slices.IndexFunc(pushed, func(u policy.RefUpdate) bool { return u.After == c.HeadSHA })
	if i < 0 {
		return stack, nil
	}
	stack.Pushed = &pushed[i]
	below, why, err := refUpdates(ctx, client, req.Repo, c.BaseRef)
	if err != nil || why != "" {
		stack.Base.Why = why
		return stack, err
	}
	if why, err := notListed(ctx, req, c, below); err != nil || why != "" {
		stack.Base.Why = why
		return stack, err
	}
	stack.Base = updatesSince(below, *stack.Pushed)
	return stack, nil
}

// notListed says why GitHub's list of the updates below is not whole: a delivery told of a push
// that it does not hold. For a while that is ErrBehind.
func notListed(ctx context.Context, req Request, c *policy.Change, below []policy.RefUpdate) (why string, err error) {
	if req.PushesTo == nil {
		return "", nil
	}
	told, err := req.PushesTo(ctx, c.BaseRef, c.HeadSHA)
	if err != nil {
		return "", fmt.Errorf("pushes to %s: %w", c.BaseRef, err)
	}
	for _, push := range told {
		switch {
		case slices.ContainsFunc(below, func(u policy.RefUpdate) bool { return u.After == push.After }):
		case req.Now.Sub(push.ReceivedAt) < patience:
			return "", fmt.Errorf("%w: the push of %.12s to %s is not listed yet", ErrBehind, push.After, c.BaseRef)
		default:
			why = fmt.Sprintf("GitHub told of the push of %.12s to the branch below, and does not list it", push.After)
		}
	}
	return why, nil
}

// otherPulls are the pull requests beside this one that had the head, sorted.
func otherPulls(proposals []Proposal, number int) (out []int) {
	for _, p := range proposals {
		if p.Number != number {
			out = append(out, p.Number)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// refUpdates are the updates of a branch, oldest first; why says why they cannot be read.
func refUpdates(ctx context.Context, client *gh.Client, repo gh.Repo, branch string) (updates []policy.RefUpdate, why string, err error) {
	list, _, err := client.RefActivity(ctx, repo, branch, 0)
	var fact error
	if err := setAside(err, &fact, gh.ErrNotFound, gh.ErrForbidden); err != nil {
		return nil, "", err
	}
	if fact != nil {
		return nil, fmt.Sprintf("GitHub does not show the updates of %s", branch), nil
	}
	for _, u := range list {
		updates = append(updates, policy.RefUpdate{ID: u.ID, Type: u.Type, Before: u.Before, After: u.After, At: u.At})
	}
	slices.SortFunc(updates, policy.RefUpdate.Compare)
	return updates, "", nil
}

// updatesSince are the updates of the branch below since the head was pushed, and the last before.
func updatesSince(below []policy.RefUpdate, pushed policy.RefUpdate) policy.List[policy.RefUpdate] {
	since := slices.IndexFunc(below, func(u policy.RefUpdate) bool { return u.Compare(pushed) > 0 })
	if since < 0 {
		since = len(below)
	}
	below = below[max(since-1, 0):]
	if len(below) > maxBelow {
		return policy.List[policy.RefUpdate]{Total: len(below), Why: fmt.Sprintf("the branch below was moved more than %d times since", maxBelow)}
	}
	return policy.List[policy.RefUpdate]{Items: below, Complete: true, Total: len(below)}
}
