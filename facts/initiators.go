package facts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// Comment is a comment on a pull request or issue, or an assignment of it, as its delivery
// said when it came in: a later edit changes nothing.
type Comment struct {
	Seq        int64
	ReceivedAt time.Time
	By         gh.Account
	// Text is the comment's; empty for an assignment.
	Text string
	// Assignee is who it was assigned to; zero for a comment.
	Assignee gh.Account
}

// The kinds of policy.Call.
const (
	callComment    = "comment"
	callAssignment = "assignment"
)

// calls are the comments and assignments that called an agent to work: on the pull request
// itself, and on the issues of its repository that it closes.
func (r *firstReading) calls(ctx context.Context, req Request, catalogue *policy.Catalogue) ([]policy.Call, error) {
	numbers := []int{req.Number}
	for _, issue := range r.answer.Repository.PullRequest.Closes.Nodes {
		if strings.EqualFold(issue.Repository.NameWithOwner, r.answer.Repository.NameWithOwner) {
			numbers = append(numbers, issue.Number)
		}
	}
	slices.Sort(numbers)
	var out []policy.Call
	for _, number := range slices.Compact(numbers) {
		comments, err := req.CommentsOn(ctx, number)
		if err != nil {
			return nil, fmt.Errorf("comments on %s/%s#%d: %w", req.Repo.Owner, req.Repo.Name, number, err)
		}
		for _, c := range comments {
			out = append(out, callsOf(c, number, catalogue)...)
		}
	}
	slices.SortStableFunc(out, func(a, b policy.Call) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

func callsOf(c Comment, number int, catalogue *policy.Catalogue) (out []policy.Call) {
	call := policy.Call{Seq: c.Seq, ReceivedAt: c.ReceivedAt.UTC(), By: account(c.By), Number: number, Kind: callComment}
	agents := policy.CallsIn(catalogue, c.Text)
	if c.Assignee.ID != 0 {
		call.Kind = callAssignment
		if a := catalogue.OfActor(account(c.Assignee)); a != nil && a.Kind == policy.KindAgent {
			agents = append(agents, a.Name)
		}
	}
	for _, name := range agents {
		call.Agent = name
		out = append(out, call)
	}
	return out
}

// issues are the issues that the pull request closes.
func (r *firstReading) issues() *policy.List[policy.Issue] {
	list := r.answer.Repository.PullRequest.Closes
	out := &policy.List[policy.Issue]{Complete: list.whole(), Total: list.TotalCount}
	if !out.Complete {
		out.Why = fmt.Sprintf("it closes %d issues, more than are read", list.TotalCount)
	}
	for _, issue := range list.Nodes {
		out.Items = append(out.Items, policy.Issue{
			Repository: issue.Repository.NameWithOwner, Number: issue.Number, Author: issue.Author.actor(), CreatedAt: issue.CreatedAt.UTC(),
		})
	}
	return out
}
