package gh

import (
	"context"
	"errors"
)

// PersonView is what somebody's own token says of them and a repository.
type PersonView struct {
	Person       Account
	RepositoryID int64
	Repository   string // owner/name
	Organization Account
	// CanWrite says whether the person may write to the repository.
	CanWrite bool
}

// ErrNotAPerson: the token is not one of a person.
var ErrNotAPerson = errors.New("not a person")

// PersonView reads who the token is of and what they may do in a repository. It returns
// ErrNotAPerson, with who it is, for anybody else.
//
// Sources: GET /user, GET /repos/{owner}/{repo},
// GET /repos/{owner}/{repo}/collaborators/{username}/permission.
func (c *Client) PersonView(ctx context.Context, r Repo) (PersonView, error) {
	var view PersonView
	var err error
	if view.Person, err = c.holder(ctx, ErrNotAPerson); err != nil {
		return view, err
	}
	repo, err := c.Repository(ctx, r)
	if err != nil {
		return view, err
	}
	view.RepositoryID, view.Repository, view.Organization = repo.ID, repo.FullName, repo.Owner
	role, err := c.Permission(ctx, r, view.Person.Login)
	if errors.Is(err, ErrForbidden) {
		return view, nil // GitHub tells the roles of a repository to those who may write to it
	}
	view.CanWrite = role.CanWrite(view.Person.ID)
	return view, err
}
