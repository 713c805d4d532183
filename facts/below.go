package facts

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// Proposal is a commit as the head of a pull request, as one delivery showed it.
type Proposal struct {
	Number  int
	HeadRef string
	// Bases are the branch that it goes to and, when that was just changed, the one before.
	Bases []string
}

func (req Request) proposals(ctx context.Context, head string) ([]Proposal, error) {
	if req.ProposalsOf == nil {
		return nil, nil
	}
	return req.ProposalsOf(ctx, head)
}

// otherBases are the branches beside its base that the head was proposed for.
func (r *firstReading) otherBases(proposals []Proposal) (bases []string) {
	base := r.answer.Repository.PullRequest.BaseRefName
	for _, p := range proposals {
		bases = append(bases, p.Bases...)
	}
	bases = slices.DeleteFunc(bases, func(b string) bool { return b == base })
	slices.Sort(bases)
	return slices.Compact(bases)
}

// below reads whether the branch below in a stack was updated after the head was first pushed.
// Both are told by GitHub's activity, whose ids count up: no date is compared.
func (r *firstReading) below(ctx context.Context, client *gh.Client, req Request, proposals []Proposal) (*policy.Below, error) {
	pr := r.answer.Repository.PullRequest
	if r.stackBase == "" || r.stackBase == pr.BaseRefName {
		return nil, nil
	}
	b := &policy.Below{Ref: pr.BaseRefName, Moved: policy.MovedUnknown}
	for _, p := range proposals {
		if p.Number != req.Number || p.HeadRef != pr.HeadRefName {
			b.Why = fmt.Sprintf("the commit was the head of %s in #%d before", p.HeadRef, p.Number)
			return b, nil
		}
	}
	if pr.IsCrossRepository {
		b.Why = "the head is in a fork"
		return b, nil
	}
	err := readMoved(ctx, client, req.Repo, pr, b)
	var unseen error
	if err = setAside(err, &unseen, gh.ErrForbidden, gh.ErrNotFound, gh.ErrTruncated); unseen != nil {
		b.Why = "GitHub's activity cannot be read"
	}
	return b, err
}

// tipQuery reads where a branch is.
const tipQuery = `query Tip($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $ref) { target { oid } } }
}
`

// readMoved compares the newest update of the branch below with the one that first made the head.
func readMoved(ctx context.Context, client *gh.Client, repo gh.Repo, pr *gqlChange, b *policy.Below) error {
	var answer struct {
		Repository *struct {
			Ref *struct {
				Target gqlOID `json:"target"`
			} `json:"ref"`
		} `json:"repository"`
	}
	vars := map[string]any{"owner": repo.Owner, "name": repo.Name, "ref": "refs/heads/" + b.Ref}
	if err := client.GraphQL(ctx, tipQuery, vars, &answer); err != nil {
		return fmt.Errorf("read where %s:%s is: %w", repo, b.Ref, err)
	}
	if answer.Repository == nil || answer.Repository.Ref == nil {
		return fmt.Errorf("read where %s:%s is: %w", repo, b.Ref, gh.ErrNotFound)
	}
	newest, err := client.NewestRefUpdate(ctx, repo, b.Ref)
	if err != nil {
		return err
	}
	// Oldest last: the head may have been set back to, and its first tests count still.
	updates, _, err := client.RefActivity(ctx, repo, pr.HeadRefName, 0)
	if err != nil {
		return err
	}
	if len(updates) >= gh.MaxActivity {
		return fmt.Errorf("%s has %d updates: %w", pr.HeadRefName, len(updates), gh.ErrTruncated)
	}
	for _, u := range updates {
		if u.After == pr.HeadRefOid {
			b.HeadID = u.ID
		}
	}
	b.UpdateID = newest.ID
	switch {
	case newest.After != answer.Repository.Ref.Target.OID || b.HeadID == 0:
		b.Behind, b.Why = true, "GitHub's activity does not list everything yet"
	case newest.ID > b.HeadID:
		b.Moved = policy.MovedYes
	default:
		b.Moved = policy.MovedNo
	}
	return nil
}
