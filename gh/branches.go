package gh

import (
	"context"
	"errors"
	"fmt"
)

// maxBranches is how many branches of a repository are read at most.
const maxBranches = 10000

// Branch is a branch of a repository and the commit that it is at.
type Branch struct {
	Name, SHA string
}

// Branches returns the branches of a repository. ErrTruncated above 10,000.
//
// Source: GET /repos/{owner}/{repo}/branches.
func (c *Client) Branches(ctx context.Context, r Repo) ([]Branch, error) {
	branches, err := list(ctx, c, listing[Branch]{
		route: "GET /repos/{owner}/{repo}/branches", args: []string{r.Owner, r.Name}, limit: maxBranches,
		decode: array(wireBranch.branch),
	})
	if err != nil {
		return nil, fmt.Errorf("list the branches of %s: %w", r, err)
	}
	return branches, nil
}

type wireBranch struct {
	Name   string `json:"name"`
	Commit struct {
		SHA string `json:"sha"`
	} `json:"commit"`
}

func (w wireBranch) branch() (Branch, error) {
	if w.Name == "" {
		return Branch{}, errors.New("a branch without a name")
	}
	return Branch{Name: w.Name, SHA: w.Commit.SHA}, checkSHA("tip of "+w.Name, w.Commit.SHA)
}
