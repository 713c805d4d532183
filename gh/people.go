package gh

import (
	"context"
	"fmt"
)

const (
	maxTeamMembers = 10_000
	membersRoute   = "GET /orgs/{org}/teams/{team_slug}/members"
)

// Permission returns the role of an account on a repository. It returns ErrNotFound for
// a login that GitHub does not know. A login can pass to another account: compare the
// returned User's ID.
//
// Source: GET /repos/{owner}/{repo}/collaborators/{username}/permission.
func (c *Client) Permission(ctx context.Context, r Repo, login string) (Permission, error) {
	var w struct {
		Permission string       `json:"permission"`
		RoleName   string       `json:"role_name"`
		User       *wireAccount `json:"user"`
	}
	err := c.read(ctx, "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
		[]string{r.Owner, r.Name, login}, nil, &w)
	if err == nil && w.Permission == "" {
		err = unavailable("an answer without a permission")
	}
	if err != nil {
		return Permission{}, fmt.Errorf("read permission of %s on %s: %w", login, r, err)
	}
	p := Permission{Role: w.RoleName, Base: w.Permission, User: w.User.account()}
	if p.Role == "" {
		p.Role = p.Base
	}
	return p, nil
}

// TeamMembers returns the members of a team and of its child teams, at most 10,000, else
// ErrTruncated. It returns ErrNotFound for a team that is not there or not visible.
//
// Source: GET /orgs/{org}/teams/{team_slug}/members.
func (c *Client) TeamMembers(ctx context.Context, org, slug string) ([]Account, error) {
	members, err := list(ctx, c, listing[Account]{
		route:  membersRoute,
		args:   []string{org, slug},
		limit:  maxTeamMembers,
		decode: array(wireAccount.member),
		id:     func(a Account) int64 { return a.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list members of team %s/%s: %w", org, slug, err)
	}
	return members, nil
}

func (w wireAccount) member() (Account, error) {
	if w.ID <= 0 {
		return Account{}, errNoID
	}
	return w.account(), nil
}
