package gh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v62/github"
)

// maxToken bounds a person's token, which GitHub says may have up to 255 bytes.
// https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
const maxToken = 255

// Person returns the client of a person's own token, on the same server. Nothing of what it
// reads is kept, and the token is in no log.
func (c *Connection) Person(token string) (*Client, error) { return person(c.settings, token) }

// PersonAt returns the client of a person's own token without an App: for commands that a
// person runs. Empty addresses mean github.com.
func PersonAt(s Settings, token string) (*Client, error) {
	s, err := s.complete()
	if err != nil {
		return nil, fmt.Errorf("connect to GitHub: %w", err)
	}
	return person(s, token)
}

func person(s Settings, token string) (*Client, error) {
	if !isToken(token) {
		return nil, fmt.Errorf("a person's token: %w", ErrUnauthorized)
	}
	inner, err := newTransport(s)
	if err != nil {
		return nil, err
	}
	return clientOver(github.NewClient(&http.Client{Transport: inner, Timeout: s.Timeout}).WithAuthToken(token), s)
}

// isToken says whether GitHub may have made a token or a code.
func isToken(s string) bool {
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// clientOver is the client of whoever api brings the credentials of. How much is left of their hour
// is nobody else's concern: it is not among the connection's Budgets.
func clientOver(api *github.Client, s Settings) (*Client, error) {
	api.UserAgent = s.UserAgent
	var err error
	if api.BaseURL, err = url.Parse(strings.TrimSuffix(s.V3URL, "/") + "/"); err != nil {
		return nil, fmt.Errorf("connect to GitHub: %w", err)
	}
	return newClient(api, s, 0), nil
}

// OwnerView is what the owner of an organisation sees of how a branch is protected.
type OwnerView struct {
	// Owner is whose token it is: an owner of the organisation, or the person whose own
	// repository it is.
	Owner        Account
	RepositoryID int64
	Repository   string // owner/name
	Organization Account
	// Rulesets apply to the branch, each with its bypass list.
	Rulesets []Ruleset
}

// ErrNotOwner: the token is not one of an owner of the organisation.
var ErrNotOwner = errors.New("not an owner of the organisation")

// OwnerView reads who the token is of, that it is an owner, and the rulesets that apply to a
// branch (empty: the default branch). It returns ErrNotOwner, with who it is, for anybody else.
//
// Sources: GET /user, GET /repos/{owner}/{repo}, GET /user/memberships/orgs/{org},
// GET /repos/{owner}/{repo}/rules/branches/{branch}, GET /repos/{owner}/{repo}/rulesets/{ruleset_id}.
func (c *Client) OwnerView(ctx context.Context, r Repo, branch string) (OwnerView, error) {
	var view OwnerView
	var err error
	if view.Owner, err = c.holder(ctx, ErrNotOwner); err != nil {
		return view, err
	}
	repo, err := c.Repository(ctx, r)
	if err != nil {
		return view, err
	}
	view.RepositoryID, view.Repository, view.Organization = repo.ID, repo.FullName, repo.Owner
	if branch == "" {
		branch = repo.DefaultBranch
	}
	if err := c.mustOwn(ctx, view); err != nil {
		return view, err
	}
	rules, err := c.BranchRules(ctx, r, branch)
	if err != nil {
		return view, err
	}
	seen := map[int64]bool{}
	for _, rule := range rules {
		if seen[rule.RulesetID] {
			continue
		}
		seen[rule.RulesetID] = true
		ruleset, err := c.Ruleset(ctx, r, rule.RulesetID)
		if err != nil {
			return view, err
		}
		view.Rulesets = append(view.Rulesets, ruleset)
	}
	return view, nil
}

// holder is whose token it is. Of anything but a person it returns the sentinel, with what it is.
func (c *Client) holder(ctx context.Context, notAPerson error) (Account, error) {
	var me wireAccount
	if err := c.read(ctx, "GET /user", nil, nil, &me); err != nil {
		return Account{}, fmt.Errorf("read whose token it is: %w", err)
	}
	who := me.account()
	if who.ID == 0 || who.Type != "User" {
		return who, fmt.Errorf("%w: %s is an account of type %q", notAPerson, who.Login, who.Type)
	}
	return who, nil
}

// mustOwn checks that the person owns what owns the repository.
func (c *Client) mustOwn(ctx context.Context, view OwnerView) error {
	org := view.Organization
	switch {
	case org.ID == 0:
		return unavailable("a repository without an owner")
	case org.Type == "User" && org.ID == view.Owner.ID:
		return nil
	case org.Type != "Organization":
		return fmt.Errorf("%w: %s does not belong to %s", ErrNotOwner, view.Repository, view.Owner.Login)
	}
	m, err := c.membership(ctx, view.Owner, org)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) {
		return fmt.Errorf("%w: %s is no member of %s, or the token may not tell (scope read:org, or Members: read of a fine-grained one)", ErrNotOwner, view.Owner.Login, org.Login)
	}
	if err != nil {
		return err
	}
	if !m.owns(view.Owner, org) {
		return fmt.Errorf("%w: %s is a %s of %s", ErrNotOwner, view.Owner.Login, m.Role, org.Login)
	}
	return nil
}

type wireMembership struct {
	State        string       `json:"state"`
	Role         string       `json:"role"`
	User         *wireAccount `json:"user"`
	Organization *wireAccount `json:"organization"`
}

// membership is the person's place in an organisation.
func (c *Client) membership(ctx context.Context, person, org Account) (wireMembership, error) {
	var m wireMembership
	err := c.read(ctx, "GET /user/memberships/orgs/{org}", []string{org.Login}, nil, &m)
	if err != nil {
		return m, fmt.Errorf("read the membership of %s in %s: %w", person.Login, org.Login, err)
	}
	return m, nil
}

// owns says whether it is this person's place in this organisation, and an owner's: a login can
// pass to another account.
func (m wireMembership) owns(person, org Account) bool {
	return m.State == "active" && m.Role == "admin" && m.User.account().ID == person.ID && m.Organization.account().ID == org.ID
}
