package gh

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// maxDeletionPages is how many pages of deleted branches are read at most.
const maxDeletionPages = 20

// OldestUpdate returns the oldest update of any ref that GitHub lists of a repository: it keeps
// them for a limited time. ErrNotFound if it lists none.
//
// Source: GET /repos/{owner}/{repo}/activity.
func (c *Client) OldestUpdate(ctx context.Context, r Repo) (RefUpdate, error) {
	updates, _, err := c.activityPage(ctx, r, url.Values{"direction": {"asc"}}, "")
	if err == nil && len(updates) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return RefUpdate{}, fmt.Errorf("oldest update of %s: %w", r, err)
	}
	return updates[0], nil
}

// DeletedBranches returns the deletions of branches since a time by one account, newest first;
// without a login, by all. ErrTruncated above 2,000.
//
// Source: GET /repos/{owner}/{repo}/activity.
func (c *Client) DeletedBranches(ctx context.Context, r Repo, login string, since time.Time) (out []RefUpdate, err error) {
	filter := url.Values{"activity_type": {"branch_deletion"}}
	if login != "" {
		filter.Set("actor", login)
	}
	after := ""
	for range maxDeletionPages {
		page, next, err := c.activityPage(ctx, r, filter, after)
		if err != nil {
			return nil, fmt.Errorf("list deleted branches of %s: %w", r, err)
		}
		for _, u := range page {
			if u.At.Before(since) {
				return out, nil
			}
			out = append(out, u)
		}
		if next == "" {
			return out, nil
		}
		after = next
	}
	return nil, fmt.Errorf("list deleted branches of %s: more than %d pages: %w", r, maxDeletionPages, ErrTruncated)
}
