package facts

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/gh"
)

// Limits of what is read of one pull request. Above them a list is not complete, and
// a list that is not complete never passes.
const (
	maxCommits  = 250 // GitHub's own limit: https://docs.github.com/en/rest/pulls/pulls#list-commits-on-a-pull-request
	maxReviews  = 1000
	maxTimeline = 1000
	maxLabels   = 1000
)

type pageAnswer struct {
	Repository *struct {
		PullRequest *gqlChange `json:"pullRequest"`
	} `json:"repository"`
}

// readPages follows the connections of the first answer to their ends.
func (r *firstReading) readPages(ctx context.Context, client *gh.Client, req Request) error {
	pr := r.answer.Repository.PullRequest
	if err := follow(ctx, client, req, pr, commitsPage, maxCommits, func(c *gqlChange) *connection[gqlCommitNode] { return &c.Commits }); err != nil {
		return err
	}
	if err := follow(ctx, client, req, pr, reviewsPage, maxReviews, func(c *gqlChange) *connection[gqlReview] { return &c.Reviews }); err != nil {
		return err
	}
	if err := follow(ctx, client, req, pr, labelsPage, maxLabels, func(c *gqlChange) *connection[gqlName] { return &c.Labels }); err != nil {
		return err
	}
	if !pr.Labels.whole() {
		// A label may ask for more, so that one which is not read could be missing.
		return fmt.Errorf("read the labels of %s/%s#%d: %d of %d: %w", req.Repo.Owner, req.Repo.Name, req.Number, len(pr.Labels.Nodes), pr.Labels.TotalCount, gh.ErrTruncated)
	}
	return follow(ctx, client, req, pr, timelinePage, maxTimeline, func(c *gqlChange) *connection[gqlTimelineItem] { return &c.TimelineItems })
}

// follow appends the further pages of one connection, up to most entries. What it
// leaves unread shows in PageInfo.HasNextPage.
func follow[T any](ctx context.Context, client *gh.Client, req Request, pr *gqlChange, query string, most int, list func(*gqlChange) *connection[T]) error {
	into := list(pr)
	for into.PageInfo.HasNextPage && len(into.Nodes) < most {
		vars := map[string]any{"owner": req.Repo.Owner, "name": req.Repo.Name, "number": req.Number, "after": into.PageInfo.EndCursor}
		var page pageAnswer
		if err := client.GraphQL(ctx, query, vars, &page); err != nil {
			return fmt.Errorf("read a further page of %s/%s#%d: %w", req.Repo.Owner, req.Repo.Name, req.Number, err)
		}
		if page.Repository == nil || page.Repository.PullRequest == nil {
			return fmt.Errorf("read a further page of %s/%s#%d: %w", req.Repo.Owner, req.Repo.Name, req.Number, gh.ErrNotFound)
		}
		if page.Repository.PullRequest.HeadRefOid != pr.HeadRefOid {
			return fmt.Errorf("%w: the head moved between two pages", ErrBehind)
		}
		next := list(page.Repository.PullRequest)
		if len(next.Nodes) == 0 {
			return fmt.Errorf("%w: an empty page where there should be more", ErrBehind)
		}
		into.Nodes = append(into.Nodes, next.Nodes...)
		into.PageInfo, into.TotalCount = next.PageInfo, next.TotalCount
	}
	return nil
}

// whole says whether every entry of a connection was read.
func (c *connection[T]) whole() bool {
	return !c.PageInfo.HasNextPage && len(c.Nodes) == c.TotalCount
}
