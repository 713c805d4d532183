package gh

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MergedPull is a pull request as it is now, with its reviews.
type MergedPull struct {
	Author   Account
	Merged   bool
	MergedAt time.Time
	HeadSHA  string
	Reviews  []ReviewNow
}

// ReviewNow is a review as it is now.
type ReviewNow struct {
	ID     int64
	Author Account
	State  string // lower case
}

const mergedPullQuery = `query MergedPull($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      merged mergedAt headRefOid author { ...Author }
      reviews(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { fullDatabaseId state author { ...Author } } }
    }
  }
}
fragment Author on Actor { __typename login ... on User { databaseId } ... on Bot { databaseId } ... on Mannequin { databaseId } }
`

type wireMergedPull struct {
	Repository *struct {
		PullRequest *struct {
			Merged     bool             `json:"merged"`
			MergedAt   time.Time        `json:"mergedAt"`
			HeadRefOid string           `json:"headRefOid"`
			Author     *wireGraphPerson `json:"author"`
			Reviews    struct {
				PageInfo struct {
					HasNextPage bool   `json:"hasNextPage"`
					EndCursor   string `json:"endCursor"`
				} `json:"pageInfo"`
				Nodes []struct {
					FullDatabaseID string           `json:"fullDatabaseId"`
					State          string           `json:"state"`
					Author         *wireGraphPerson `json:"author"`
				} `json:"nodes"`
			} `json:"reviews"`
		} `json:"pullRequest"`
	} `json:"repository"`
}

type wireGraphPerson struct {
	Type  string `json:"__typename"`
	Login string `json:"login"`
	ID    int64  `json:"databaseId"`
}

// account is the zero value for an account that was deleted.
func (p *wireGraphPerson) account() Account {
	if p == nil {
		return Account{}
	}
	return Account{ID: p.ID, Login: p.Login, Type: p.Type}
}

const maxReviewPages = 20

// notThere is ErrNotFound where the only thing that GraphQL says is that something is not there.
func notThere(err error) error {
	var g *GraphQLError
	if !errors.As(err, &g) || len(g.Types) == 0 {
		return err
	}
	for _, kind := range g.Types {
		if kind != "NOT_FOUND" {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrNotFound, err)
}

const branchTipQuery = `query BranchTip($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $ref) { target { oid } } }
}
`

// BranchTip is the commit that a branch leads to now. ErrNotFound if there is no such branch.
//
// Source: GraphQL, Repository.ref.
func (c *Client) BranchTip(ctx context.Context, r Repo, branch string) (string, error) {
	var w struct {
		Repository *struct {
			Ref *struct {
				Target struct {
					Oid string `json:"oid"`
				} `json:"target"`
			} `json:"ref"`
		} `json:"repository"`
	}
	err := notThere(c.GraphQL(ctx, branchTipQuery, map[string]any{"owner": r.Owner, "name": r.Name, "ref": "refs/heads/" + branch}, &w))
	if err == nil && (w.Repository == nil || w.Repository.Ref == nil) {
		err = ErrNotFound
	}
	if err == nil {
		err = checkSHA("tip", w.Repository.Ref.Target.Oid)
	}
	if err != nil {
		return "", fmt.Errorf("read branch %s of %s: %w", branch, r, err)
	}
	return w.Repository.Ref.Target.Oid, nil
}

// MergedPull reads a pull request with its reviews, at most 2,000, else ErrTruncated. ErrNotFound
// if it is not there, or is not shown.
//
// Source: GraphQL, Repository.pullRequest.
func (c *Client) MergedPull(ctx context.Context, r Repo, number int) (MergedPull, error) {
	out, err := c.mergedPull(ctx, r, number)
	if err != nil {
		return out, fmt.Errorf("read %s#%d: %w", r, number, err)
	}
	return out, nil
}

func (c *Client) mergedPull(ctx context.Context, r Repo, number int) (out MergedPull, err error) {
	vars := map[string]any{"owner": r.Owner, "name": r.Name, "number": number, "after": nil}
	for range maxReviewPages {
		var w wireMergedPull
		if err := c.GraphQL(ctx, mergedPullQuery, vars, &w); err != nil {
			return out, notThere(err)
		}
		if w.Repository == nil || w.Repository.PullRequest == nil {
			return out, ErrNotFound
		}
		pr := w.Repository.PullRequest
		out.Author, out.Merged, out.MergedAt, out.HeadSHA = pr.Author.account(), pr.Merged, pr.MergedAt.UTC(), pr.HeadRefOid
		for _, n := range pr.Reviews.Nodes {
			id, err := strconv.ParseInt(n.FullDatabaseID, 10, 64)
			if err != nil {
				return out, unavailable("a review without an id")
			}
			out.Reviews = append(out.Reviews, ReviewNow{ID: id, Author: n.Author.account(), State: strings.ToLower(n.State)})
		}
		if !pr.Reviews.PageInfo.HasNextPage {
			return out, nil
		}
		vars["after"] = pr.Reviews.PageInfo.EndCursor
	}
	return out, ErrTruncated
}
