package gh

import (
	"context"
	"fmt"
	"time"
)

// ListedMerge is a pull request that was merged.
type ListedMerge struct {
	Number   int
	Title    string
	HeadSHA  string
	BaseRef  string
	MergedAt time.Time // UTC
}

// maxMergedPages is how many pages of merged pull requests are read: 2,000 of them.
const maxMergedPages = 40

const mergedPullsQuery = `query MergedPulls($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    databaseId
    pullRequests(states: MERGED, first: 50, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
      pageInfo { hasNextPage endCursor }
      nodes { number title headRefOid baseRefName mergedAt updatedAt }
    }
  }
}
`

type wireMergedPulls struct {
	Repository *struct {
		DatabaseID   int64 `json:"databaseId"`
		PullRequests struct {
			PageInfo struct {
				HasNextPage bool   `json:"hasNextPage"`
				EndCursor   string `json:"endCursor"`
			} `json:"pageInfo"`
			Nodes []struct {
				Number      int       `json:"number"`
				Title       string    `json:"title"`
				HeadRefOid  string    `json:"headRefOid"`
				BaseRefName string    `json:"baseRefName"`
				MergedAt    time.Time `json:"mergedAt"`
				UpdatedAt   time.Time `json:"updatedAt"`
			} `json:"nodes"`
		} `json:"pullRequests"`
	} `json:"repository"`
}

// MergedPulls returns the pull requests of a repository, known by its id, that were merged since a
// time, in no order. ErrTruncated if more of them changed since than are read, with those that were;
// ErrNotFound if the App does not see the repository, or its name is another one's.
//
// GitHub does not order them by when they were merged, but what was merged since has changed since.
//
// Source: GraphQL, Repository.pullRequests.
func (c *Client) MergedPulls(ctx context.Context, r Repo, id int64, since time.Time) ([]ListedMerge, error) {
	out, err := c.mergedPulls(ctx, r, id, since)
	if err != nil {
		return out, fmt.Errorf("list the merged pull requests of %s: %w", r, err)
	}
	return out, nil
}

func (c *Client) mergedPulls(ctx context.Context, r Repo, id int64, since time.Time) (out []ListedMerge, err error) {
	vars := map[string]any{"owner": r.Owner, "name": r.Name, "after": nil}
	seen := map[int]bool{}
	for range maxMergedPages {
		var w wireMergedPulls
		if err := c.GraphQL(ctx, mergedPullsQuery, vars, &w); err != nil {
			return out, notThere(err)
		}
		if w.Repository == nil || w.Repository.DatabaseID != id {
			return out, ErrNotFound
		}
		for _, n := range w.Repository.PullRequests.Nodes {
			if n.UpdatedAt.Before(since) {
				return out, nil
			}
			if checkSHA("head", n.HeadRefOid) != nil || n.Number <= 0 || n.BaseRefName == "" || n.MergedAt.IsZero() {
				return out, unavailable("a merged pull request without a number, a head, a base or a time")
			}
			// One that changes meanwhile is on two pages.
			if !n.MergedAt.Before(since) && !seen[n.Number] {
				seen[n.Number] = true
				out = append(out, ListedMerge{Number: n.Number, Title: n.Title, HeadSHA: n.HeadRefOid, BaseRef: n.BaseRefName, MergedAt: n.MergedAt.UTC()})
			}
		}
		page := w.Repository.PullRequests.PageInfo
		if !page.HasNextPage {
			return out, nil
		}
		if page.EndCursor == "" || len(w.Repository.PullRequests.Nodes) == 0 {
			return out, unavailable("an empty page where there should be more")
		}
		vars["after"] = page.EndCursor
	}
	return out, ErrTruncated
}
