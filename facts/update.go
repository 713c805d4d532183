package facts

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// maxMembers is of how many commits of one merge the pull requests are looked for: a merge queue
// builds groups of at most 100 pull requests, and a merge commit for each.
const maxMembers = 250

// OrganisationPolicy is the policy of an organisation as it is now.
type OrganisationPolicy struct {
	policy *policy.Policy // nil: there is none
	source policy.LayerSource
	broken *policy.ParseError // there is one that cannot be used
}

// Policy is the policy; nil: there is none that can be used.
func (o OrganisationPolicy) Policy() *policy.Policy { return o.policy }

// Problems are why it cannot be used; none: it can, or there is none.
func (o OrganisationPolicy) Problems() []policy.Problem { return problemsOf(o.broken) }

func problemsOf(broken *policy.ParseError) []policy.Problem {
	if broken == nil {
		return nil
	}
	return broken.Problems
}

// ReadOrganisationPolicy reads the policy of an organisation, as for the decisions about its
// pull requests.
func ReadOrganisationPolicy(ctx context.Context, client *gh.Client, owner string) (o OrganisationPolicy, err error) {
	var answer struct {
		Organisation *gqlPolicyRepository `json:"organisation"`
	}
	if err := client.GraphQL(ctx, organisationQuery, map[string]any{"owner": owner}, &answer, organisationField); err != nil {
		return o, fmt.Errorf("read the policy of %s: %w", owner, err)
	}
	switch layer := answer.Organisation.layer(); {
	case layer == nil:
	case layer.broken != nil:
		o.broken = layer.broken
	default:
		o.source = policy.LayerSource{Layer: layer.Layer, Repository: layer.Repository, Source: string(layer.source)}
		o.policy, o.broken, err = parsePolicy(layer.source)
	}
	return o, err
}

// There says whether the organisation has a policy, also one that cannot be used.
func (o OrganisationPolicy) There() bool { return o.policy != nil || o.broken != nil }

// BranchPolicy is the policy by which a branch is judged.
type BranchPolicy struct {
	Policy *policy.Policy // nil: there is none that can be used
	// Lane is how it enrols the branch, if Enrolled is true.
	Lane     policy.Enrolment
	Enrolled bool
	// SHA256 is the digest of the policy as decisions keep it; empty: there is none.
	SHA256 string
	// Broken is true when there is a policy that cannot be used, and Problems are those of the
	// repository's own.
	Broken   bool
	Problems []policy.Problem
	// InVain is what the repository's policy asks for and the organisation's does not let it have.
	InVain []policy.Note
}

// ReadBranchPolicy reads the policy at a commit or full ref, for a branch, together with the
// organisation's.
func ReadBranchPolicy(ctx context.Context, client *gh.Client, repo gh.Repo, above OrganisationPolicy, at, branch string) (b BranchPolicy, err error) {
	own, source, broken, err := policyAt(ctx, client, repo, at)
	if err != nil || broken != nil || above.broken != nil {
		return BranchPolicy{Broken: broken != nil || above.broken != nil, Problems: problemsOf(broken)}, err
	}
	if own == nil && above.policy == nil {
		return b, nil
	}
	b.Policy, b.InVain = policy.Merge(above.policy, own, repo.String())
	b.Lane, b.Enrolled = b.Policy.Lane(branch)
	var layers []policy.LayerSource
	if above.policy != nil {
		layers = append(layers, above.source)
	}
	if own != nil {
		layers = append(layers, policy.LayerSource{Layer: policy.LayerRepository, Repository: repo.String(), Source: string(source)})
	}
	kept, err := policy.EncodeLayers(layers)
	b.SHA256 = hexSHA256(kept)
	return b, err
}

// policyAt is the policy file of a repository at a commit or full ref, nil when there is none.
func policyAt(ctx context.Context, client *gh.Client, repo gh.Repo, at string) (p *policy.Policy, source []byte, broken *policy.ParseError, err error) {
	file, err := client.Content(ctx, repo, policy.Path, at)
	switch {
	case errors.Is(err, gh.ErrNotFound):
		return nil, nil, nil, nil
	case errors.Is(err, gh.ErrTruncated), errors.Is(err, gh.ErrInvalid):
		return nil, nil, notAFile(unreadable(err)), nil
	case err != nil:
		return nil, nil, nil, err
	}
	p, broken, err = parsePolicy(file.Bytes)
	return p, file.Bytes, broken, err
}

func parsePolicy(source []byte) (p *policy.Policy, broken *policy.ParseError, err error) {
	p, err = policy.Parse(source)
	if errors.As(err, &broken) {
		return nil, broken, nil
	}
	return p, nil, err
}

// ReadUpdate reads what an update of a branch brought. What was decided about it is not part of
// it. Tips are commits that enrolled branches have, for a branch that was made. ErrBehind: GitHub does not show yet which pull request was merged.
func ReadUpdate(ctx context.Context, client *gh.Client, repo gh.Repo, branch string, u gh.RefUpdate, tips []string) (policy.UpdateFacts, error) {
	f := policy.UpdateFacts{
		V: policy.UpdateVersion, Repository: repo.String(), Ref: branch, ID: u.ID, Type: u.Type, Before: u.Before, After: u.After, At: u.At,
		Actor: account(u.Actor), Descends: policy.Unknown,
	}
	switch {
	case u.Type == policy.UpdateDeletion:
		f.FirstParents.Complete = true
		return f, nil
	case u.Type == policy.UpdateCreation:
		f.FirstParents.Why = "the branch was made, so there is nothing before it to count from"
		var err error
		f.Descends, err = onOneOf(ctx, client, repo, u.After, tips)
		return f, err
	}
	compared, err := client.Compare(ctx, repo, u.Before, u.After)
	switch {
	case errors.Is(err, gh.ErrNotFound):
		// One of the two is gone, or they have nothing in common.
		f.Files.Why = "GitHub does not compare them"
		f.FirstParents.Why = f.Files.Why
	case err != nil:
		return f, err
	default:
		f.Descends = policy.No
		if compared.MergeBase == u.Before {
			f.Descends = policy.Yes
		}
		f.Files = policy.List[policy.File]{Complete: compared.FilesComplete, Total: len(compared.Files), Items: filesOf(compared.Files)}
		if !compared.FilesComplete {
			f.Files.Why = fmt.Sprintf("GitHub lists %d files of a comparison at most", len(compared.Files))
		}
		f.FirstParents = firstParents(u.Before, u.After, compared)
	}
	var named map[string]int
	f.Changes, named, err = mergedBy(ctx, client, repo, branch, u, compared, f.FirstParents)
	explain(&f, named, compared)
	return f, err
}

// onOneOf says whether a commit is in the history of one of some commits.
func onOneOf(ctx context.Context, client *gh.Client, repo gh.Repo, sha string, tips []string) (policy.Answer, error) {
	answer := policy.No
	for _, tip := range tips {
		compared, err := client.Compare(ctx, repo, tip, sha)
		switch {
		case errors.Is(err, gh.ErrNotFound):
		case err != nil:
			return policy.Unknown, err
		case compared.MergeBase == sha:
			return policy.Yes, nil
		}
	}
	if len(tips) == 0 {
		answer = policy.Unknown
	}
	return answer, nil
}

// mergedBy are the pull requests that became commits of the branch with an update. Each is found
// by its own commit there: the head of another may have been reachable, too. Named is the pull
// request of each commit that was asked about.
func mergedBy(ctx context.Context, client *gh.Client, repo gh.Repo, branch string, u gh.RefUpdate, compared gh.Comparison, line policy.List[policy.FirstParentCommit]) (out policy.List[policy.MergedChange], named map[string]int, err error) {
	out.Complete = true
	ask := []string{u.After}
	if u.Type == policy.UpdateQueueMerge {
		// One update may bring many: each has a commit of its own on the line of first parents.
		for _, c := range line.Items[:min(len(line.Items), maxMembers)] {
			ask = append(ask, c.SHA)
		}
		if !line.Complete || len(line.Items) > maxMembers {
			out.Complete, out.Why = false, "GitHub does not list all of its commits"
			for _, c := range compared.Commits[:min(len(compared.Commits), maxMembers)] {
				ask = append(ask, c.SHA)
			}
		}
	}
	seen, asked := map[int]bool{}, map[string]bool{}
	named = map[string]int{}
	for _, sha := range ask {
		if asked[sha] {
			continue
		}
		asked[sha] = true
		pulls, err := client.CommitPulls(ctx, repo, sha)
		if errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrInvalid) {
			err = fmt.Errorf("%w: %w", ErrBehind, err)
		}
		if err != nil {
			out.Complete, out.Why, out.Total = false, "GitHub does not say of which pull requests its commits are", len(out.Items)
			return out, named, err
		}
		pulls = slices.DeleteFunc(pulls, func(p gh.CommitPull) bool { return !became(p, branch, u, compared) })
		named[sha] = ownerOf(sha, pulls)
		for _, p := range pulls {
			if !seen[p.Number] {
				seen[p.Number] = true
				out.Items = append(out.Items, policy.MergedChange{Number: p.Number, HeadSHA: p.HeadSHA})
			}
		}
	}
	out.Total = len(out.Items)
	if len(out.Items) == 0 && (u.Type == policy.UpdateMerge || u.Type == policy.UpdateQueueMerge) {
		return out, named, fmt.Errorf("%w: GitHub names no pull request that %.12s merged yet", ErrBehind, u.After)
	}
	slices.SortFunc(out.Items, func(a, b policy.MergedChange) int { return a.Number - b.Number })
	return out, named, nil
}

// became says whether a pull request became one of the commits that an update brought.
func became(p gh.CommitPull, branch string, u gh.RefUpdate, compared gh.Comparison) bool {
	return p.BaseRef == branch && !p.MergedAt.IsZero() &&
		(p.MergeSHA == u.After || slices.ContainsFunc(compared.Commits, func(c gh.ComparedCommit) bool { return c.SHA == p.MergeSHA }))
}
