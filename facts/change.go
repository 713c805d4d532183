package facts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

func (r *firstReading) repository(req Request) policy.Repository {
	repo := r.answer.Repository
	out := policy.Repository{
		ID: repo.DatabaseID, Name: repo.NameWithOwner, Owner: repo.Owner.actor(), InstallationID: req.InstallationID,
		Visibility: strings.ToLower(repo.Visibility), Archived: repo.IsArchived,
	}
	if repo.DefaultBranchRef != nil {
		out.DefaultBranch = repo.DefaultBranchRef.Name
	}
	return out
}

// change keeps of the body only its digest and the lines that a signal was found in:
// the rest is nobody's evidence and may hold anything.
func (r *firstReading) change(catalogue *policy.Catalogue) policy.Change {
	pr := r.answer.Repository.PullRequest
	body := sha256.Sum256([]byte(pr.Body))
	out := policy.Change{
		ID: int64(pr.FullDatabaseID), Number: pr.Number, Title: pr.Title,
		BodySHA256: hex.EncodeToString(body[:]), Markers: policy.Markers(catalogue, pr.Body),
		Author: pr.Author.actor(), Draft: pr.IsDraft, State: state(pr),
		BaseRef: pr.BaseRefName, BaseSHA: pr.BaseRefOid, GoverningRef: r.aim().base,
		HeadRef: pr.HeadRefName, HeadSHA: pr.HeadRefOid, Fork: pr.IsCrossRepository,
		CreatedAt: pr.CreatedAt.UTC(), UpdatedAt: pr.UpdatedAt.UTC(),
	}
	if base := r.answer.Repository.Base; base != nil && base.Target != nil {
		out.GoverningSHA = base.Target.OID
	}
	if pr.HeadRepository != nil {
		out.HeadRepository = pr.HeadRepository.NameWithOwner
	}
	if pr.AutoMergeRequest != nil {
		out.AutoMergeBy = pr.AutoMergeRequest.EnabledBy.actor()
	}
	for _, label := range pr.Labels.Nodes {
		out.Labels = append(out.Labels, label.Name)
	}
	return out
}

// proposals are those of the head.
func (r *firstReading) proposals(ctx context.Context, req Request) ([]Proposal, error) {
	if req.ProposalsOf == nil {
		return nil, nil
	}
	return req.ProposalsOf(ctx, r.aim().head)
}

// otherBases are the branches beside its base that the head was proposed for, sorted.
func otherBases(proposals []Proposal, base string) (out []string) {
	for _, p := range proposals {
		if p.Base != base {
			out = append(out, p.Base)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func state(pr *gqlChange) string {
	if pr.Merged {
		return "merged"
	}
	return strings.ToLower(pr.State)
}

// commits joins what GraphQL says of each commit with the accounts that only REST
// gives: GraphQL types a commit's author as a user, so a bot comes back as null.
func (r *firstReading) commits(catalogue *policy.Catalogue) policy.List[policy.Commit] {
	list := r.answer.Repository.PullRequest.Commits
	out := policy.List[policy.Commit]{Complete: list.whole() && r.commitsErr == nil, Total: list.TotalCount}
	accounts := map[string]gh.PullCommit{}
	for _, c := range r.commitIDs {
		accounts[c.SHA] = c
	}
	for _, node := range list.Nodes {
		rest, ok := accounts[node.Commit.OID]
		if !ok {
			out.Complete = false
		}
		out.Items = append(out.Items, commit(catalogue, node.Commit, rest))
	}
	if !out.Complete {
		out.Why = fmt.Sprintf("GitHub lists %d commits; %d could be read with their accounts, and no more than %d ever are", list.TotalCount, len(r.commitIDs), maxCommits)
	}
	return out
}

func commit(catalogue *policy.Catalogue, c gqlCommit, rest gh.PullCommit) policy.Commit {
	headline, _, _ := strings.Cut(c.Message, "\n")
	out := policy.Commit{
		SHA: c.OID, Tree: c.Tree.OID, Headline: cut(headline, 200), Trailers: policy.MessageTrailers(catalogue, c.Message),
		Author: identity(c.Author, rest.Author), Committer: identity(c.Committer, rest.Committer),
		CoAuthorsComplete: len(c.Authors.Nodes) == c.Authors.TotalCount,
	}
	for _, p := range c.Parents.Nodes {
		out.Parents = append(out.Parents, p.OID)
	}
	for i := range c.Authors.Nodes {
		if a := c.Authors.Nodes[i]; !strings.EqualFold(a.Email, out.Author.Email) {
			out.CoAuthors = append(out.CoAuthors, identity(&a, gh.Account{}))
		}
	}
	if s := c.Signature; s != nil {
		out.Signature = policy.Signature{State: strings.ToLower(s.State), ByGitHub: s.WasSignedByGitHub, Signer: user(s.Signer)}
	}
	return out
}

func identity(a *gqlGitActor, rest gh.Account) policy.Identity {
	out := policy.Identity{Account: account(rest)}
	if a == nil {
		return out
	}
	out.Name, out.Email = cut(a.Name, 200), cut(a.Email, 200)
	if out.Account.ID == 0 {
		out.Account = user(a.User)
	}
	return out
}

func user(u *gqlRef) policy.Actor {
	if u == nil {
		return policy.Actor{}
	}
	return policy.Actor{ID: u.DatabaseID, Login: u.Login, Type: policy.TypeUser}
}

func account(a gh.Account) policy.Actor {
	return policy.Actor{ID: a.ID, Login: a.Login, Type: policy.ActorType(a.Type)}
}

// cut bounds text that anybody may have written, on a rune boundary.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

func (r *firstReading) assignments() policy.List[policy.Assignment] {
	list := r.answer.Repository.PullRequest.TimelineItems
	out := policy.List[policy.Assignment]{Complete: list.whole()}
	if !out.Complete {
		out.Why = fmt.Sprintf("the timeline has %d entries, more than the %d that are read", list.TotalCount, maxTimeline)
	}
	for _, item := range list.Nodes {
		if item.Typename == "AssignedEvent" || item.Typename == "UnassignedEvent" {
			out.Items = append(out.Items, policy.Assignment{
				By: item.Actor.actor(), Assignee: item.Assignee.actor(), Removed: item.Typename == "UnassignedEvent", At: item.CreatedAt.UTC(),
			})
		}
	}
	out.Total = len(out.Items)
	return out
}

// fileList are the files that the change consists of.
func (r *firstReading) fileList() policy.List[policy.File] {
	out := policy.List[policy.File]{Complete: r.filesErr == nil, Total: len(r.files), Items: filesOf(r.files)}
	if r.filesErr != nil {
		out.Why = r.filesErr.Error()
	}
	return out
}

// filesOf digests each patch without the positions of its hunks, which move when something
// above them changes.
func filesOf(files []gh.File) (out []policy.File) {
	for _, f := range files {
		file := policy.File{Path: f.Path, Previous: f.Previous, Status: f.Status, Blob: f.BlobSHA, Additions: f.Additions, Deletions: f.Deletions}
		if f.HasPatch {
			file.PatchSHA256 = patchDigest(f.Patch)
		}
		out = append(out, file)
	}
	return out
}

func patchDigest(patch string) string {
	hash := sha256.New()
	for line := range strings.Lines(patch) {
		if strings.HasPrefix(line, "@@ ") {
			line = "@@\n"
		}
		hash.Write([]byte(line))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// pushes are those that the pull request's own deliveries told of, and those that brought
// one of its commits or a head that it had, in order of receipt.
func (r *firstReading) pushes(ctx context.Context, req Request) ([]policy.Push, error) {
	pr := r.answer.Repository.PullRequest
	tips := []string{pr.HeadRefOid}
	for _, node := range pr.Commits.Nodes {
		tips = append(tips, node.Commit.OID)
	}
	for _, seen := range req.Known.Seen {
		tips = append(tips, seen.Head)
	}
	slices.Sort(tips)
	out := slices.Clone(req.Known.Pushes)
	for _, sha := range slices.Compact(tips) {
		pushes, err := req.PushesOf(ctx, sha)
		if err != nil {
			return nil, fmt.Errorf("pushes of %.12s: %w", sha, err)
		}
		out = append(out, pushes...)
	}
	slices.SortStableFunc(out, func(a, b policy.Push) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}
