package gh

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// maxInstallations is how many installations one person can see at most.
const maxInstallations = 1000

// Whoami returns whose token it is. It returns ErrNotAPerson, with who it is, for anybody but a person.
//
// Source: GET /user.
func (c *Client) Whoami(ctx context.Context) (Account, error) { return c.holder(ctx, ErrNotAPerson) }

// VisibleInstallation is an installation of an App on an account, of which a person can see
// something.
type VisibleInstallation struct {
	InstallationID int64
	// AppID is whose installation it is: ask whether it is ours.
	AppID int64
	// Account is an organisation or a person; of an enterprise only the id and the Type
	// "Enterprise".
	Account Account
	// Suspended is true while the account has the App suspended.
	Suspended bool
}

// VisibleInstallations returns the installations of the App where the person whose token this is
// can read a repository, by their own right and not because it is public. ErrTruncated above 1,000.
// An organisation with SAML single sign-on is missing while the person has no session there.
//
// Source: GET /user/installations (https://docs.github.com/rest/apps/installations#list-app-installations-accessible-to-the-user-access-token).
func (c *Client) VisibleInstallations(ctx context.Context) ([]VisibleInstallation, error) {
	installations, err := list(ctx, c, listing[VisibleInstallation]{
		route: "GET /user/installations", limit: maxInstallations,
		decode: counted("installations", wireInstallation.visible),
		id:     func(i VisibleInstallation) int64 { return i.InstallationID },
	})
	if err != nil {
		return nil, fmt.Errorf("list the installations that a person can see: %w", err)
	}
	return installations, nil
}

// VisibleRepositories returns the repositories of an installation that the person whose token
// this is can read by their own right. ErrTruncated above 10,000; whether one repository can be
// read, Repository says then.
//
// Source: GET /user/installations/{installation_id}/repositories.
func (c *Client) VisibleRepositories(ctx context.Context, installationID int64) ([]ListedRepository, error) {
	repositories, err := list(ctx, c, listing[ListedRepository]{
		route: "GET /user/installations/{installation_id}/repositories", args: []string{strconv.FormatInt(installationID, 10)}, limit: maxRepositories,
		decode: counted("repositories", wireListedRepository.repository),
		id:     func(r ListedRepository) int64 { return r.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list the repositories of installation %d that a person can see: %w", installationID, err)
	}
	return repositories, nil
}

// OwnsOrganization says whether the person, whose token this is, owns the organisation, or is the
// account themselves. It returns ErrForbidden when GitHub does not say.
//
// Source: GET /user/memberships/orgs/{org}.
func (c *Client) OwnsOrganization(ctx context.Context, person, org Account) (bool, error) {
	switch {
	case person.ID <= 0 || org.ID <= 0:
		return false, fmt.Errorf("ask who owns %s: %w", org.Login, ErrInvalid)
	case org.Type == "User":
		return person.ID == org.ID, nil
	case org.Type != "Organization":
		return false, nil
	}
	m, err := c.membership(ctx, person, org)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && m.owns(person, org), err
}

type wireInstallation struct {
	ID          int64        `json:"id"`
	AppID       int64        `json:"app_id"`
	Account     *wireAccount `json:"account"`
	TargetType  string       `json:"target_type"`
	SuspendedAt *time.Time   `json:"suspended_at"`
}

func (w wireInstallation) visible() (VisibleInstallation, error) {
	i := VisibleInstallation{InstallationID: w.ID, AppID: w.AppID, Account: w.Account.account(), Suspended: w.SuspendedAt != nil}
	if i.Account.Type == "" && w.TargetType == "Enterprise" { // which has no login
		i.Account.Type = w.TargetType
	}
	if w.ID <= 0 || w.AppID <= 0 || i.Account.ID <= 0 || i.Account.Type == "" {
		return i, errors.New("an installation without an id, an App or an account")
	}
	return i, nil
}
