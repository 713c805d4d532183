package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxRepositories is how many repositories of an organisation are read at most.
const maxRepositories = 10000

// ListedRepository is a repository as lists of them have it.
type ListedRepository struct {
	ID       int64
	FullName string
	Private  bool
	Archived bool
}

// InstalledRepositories returns the repositories that the installation may use, and whether these
// are "all" of the organisation or "selected" ones. ErrTruncated above 10,000.
//
// Source: GET /installation/repositories.
func (c *Client) InstalledRepositories(ctx context.Context) (repositories []ListedRepository, selection string, err error) {
	repositoriesOf := counted("repositories", wireListedRepository.repository)
	repositories, err = list(ctx, c, listing[ListedRepository]{
		route: "GET /installation/repositories", limit: maxRepositories,
		decode: func(body []byte) (page[ListedRepository], error) {
			var w struct {
				Selection string `json:"repository_selection"`
			}
			p, err := repositoriesOf(body)
			err = errors.Join(err, json.Unmarshal(body, &w))
			selection = w.Selection
			return p, err
		},
		id: func(r ListedRepository) int64 { return r.ID },
	})
	if err != nil {
		return nil, "", fmt.Errorf("list the installation's repositories: %w", err)
	}
	return repositories, selection, nil
}

// OrganisationRepositories returns the repositories of an organisation that the App can see: the
// public ones, and those that it is installed on. ErrTruncated above 10,000.
//
// Source: GET /orgs/{org}/repos.
func (c *Client) OrganisationRepositories(ctx context.Context, org string) ([]ListedRepository, error) {
	repositories, err := list(ctx, c, listing[ListedRepository]{
		route: "GET /orgs/{org}/repos", args: []string{org}, limit: maxRepositories,
		decode: array(wireListedRepository.repository),
		id:     func(r ListedRepository) int64 { return r.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list the repositories of %s: %w", org, err)
	}
	return repositories, nil
}

type wireListedRepository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
	Private  *bool  `json:"private"`
	Archived bool   `json:"archived"`
}

func (w wireListedRepository) repository() (ListedRepository, error) {
	r := ListedRepository{ID: w.ID, FullName: w.FullName, Archived: w.Archived}
	if w.ID <= 0 || w.Private == nil || strings.Count(w.FullName, "/") != 1 {
		return r, errors.New("a repository without an id, a name or its visibility")
	}
	r.Private = *w.Private
	return r, nil
}

// PrivateRepositories returns how many private repositories an organisation has; -1: GitHub does
// not show the App.
//
// Source: GET /orgs/{org}.
func (c *Client) PrivateRepositories(ctx context.Context, org string) (int, error) {
	var w struct {
		ID      int64 `json:"id"`
		Private *int  `json:"total_private_repos"`
	}
	err := c.read(ctx, "GET /orgs/{org}", []string{org}, nil, &w)
	if err == nil && w.ID <= 0 {
		err = unavailable("an organisation without an id")
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the organisation %s: %w", org, err)
	case w.Private == nil:
		return -1, nil
	}
	return *w.Private, nil
}
