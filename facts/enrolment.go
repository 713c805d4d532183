package facts

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// confirmEnrolment asks the default branch whether it enrols another branch as that branch's
// own policy says, and returns the policy that said so; nil for the default branch itself.
//
// Whoever can write to a repository can make a branch with a policy that asks for nothing, and
// a check run belongs to a commit: without this, a green one from there would be shown to the
// branches that matter. Nobody but an administrator chooses the default branch.
func confirmEnrolment(ctx context.Context, client *gh.Client, req Request, first *firstReading, use policyInUse) (*policy.PolicyLayer, error) {
	base := first.aim().base
	main := first.repository(req).DefaultBranch
	if main == "" {
		return nil, fmt.Errorf("read the policy of the default branch of %s: GitHub does not say which branch that is", req.Repo)
	}
	if base == main || req.Draft != nil {
		return nil, nil
	}
	claim, _ := use.policy.Lane(base)
	name := req.Repo.Owner + "/" + req.Repo.Name
	if use.organisation != nil {
		// An organisation that enrols the branch by itself needs no word of the repository's.
		alone, _ := policy.Merge(use.organisation, nil, name)
		if e, enrolled := alone.Lane(base); enrolled && e.CheckName == claim.CheckName {
			return nil, nil
		}
	}
	own := use.layers[len(use.layers)-1]
	refused := func(message, hint string) error {
		return &PolicyError{
			Change: first.change(policy.Builtin()), Layer: own, Source: first.policyFile.Bytes, Claim: claim,
			Err: &policy.ParseError{Problems: []policy.Problem{{Message: message, Hint: hint}}},
		}
	}
	file, err := client.Content(ctx, req.Repo, policy.Path, "refs/heads/"+main)
	switch {
	case errors.Is(err, gh.ErrNotFound):
		return nil, refused(fmt.Sprintf("the default branch %s has no policy, so nothing enrols %s", main, base), fmt.Sprintf("put a policy on %s that names %s", main, base))
	case errors.Is(err, gh.ErrTruncated), errors.Is(err, gh.ErrInvalid):
		return nil, refused(fmt.Sprintf("the policy of the default branch %s, which says whether %s is enrolled, is not readable: %s", main, base, unreadable(err)), "put a plain YAML file there")
	case err != nil:
		return nil, err
	}
	says, err := policy.Parse(file.Bytes)
	var broken *policy.ParseError
	if errors.As(err, &broken) {
		return nil, refused(fmt.Sprintf("the policy of the default branch %s, which says whether %s is enrolled, has problems", main, base), "repair it on "+main)
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s of %s: %w", policy.Path, main, err)
	}
	says, _ = policy.Merge(use.organisation, says, name)
	switch e, enrolled := says.Lane(base); {
	case !enrolled:
		return nil, refused(fmt.Sprintf("the policy of the default branch %s does not name %s", main, base), fmt.Sprintf("add it there, or take %s off %s", policy.Path, base))
	case e.CheckName != claim.CheckName && (e.Lane != claim.Lane || claim.Mode != policy.ModeAudit):
		return nil, refused(fmt.Sprintf("the default branch %s puts %s under the check %q, and its own policy under %q", main, base, e.CheckName, claim.CheckName), "say the same in both")
	}
	return &policy.PolicyLayer{
		Layer: policy.LayerDefaultBranch, Repository: name, Path: policy.Path, Ref: main, BlobSHA: file.BlobSHA, SHA256: hexSHA256(file.Bytes),
	}, nil
}
