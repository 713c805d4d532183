package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/notify"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/web"
)

// people is how people sign in to the pages, and what they see there: GitHub says both.
type people struct {
	signIn     *gh.SignIn
	connection *gh.Connection
	cfg        *config.Config
	now        func() time.Time
}

// openPages makes the pages. Without an OAuth client nobody can sign in, and the pages say so.
func openPages(cfg *config.Config, st *store.Store, connection *gh.Connection, signIn *gh.SignIn, made *bundles, told *notify.Sender, now func() time.Time, log zerolog.Logger) (*web.Site, error) {
	s := web.Settings{Store: st, PublicURL: cfg.PublicURL, CallbackPath: config.CallbackPath, GitHubURL: strings.TrimSuffix(cfg.GitHub.WebURL, "/"), AppID: cfg.GitHub.App.IntegrationID, Version: version, Now: now, Log: log, Bundles: made.pages(), Notices: noticesOf(told), Trackers: trackersOf(cfg)}
	s.Declare = func(ctx context.Context, tenant store.Tenant, said web.Statement, ticket, reason string) (string, error) {
		return handlers.Declare(ctx, st, tenant, handlers.Statement(said), ticket, reason, now())
	}
	s.Confirm = func(ctx context.Context, tenant store.Tenant, said web.Statement) (string, error) {
		return handlers.Confirm(ctx, st, tenant, handlers.Statement(said), now())
	}
	for _, w := range cfg.Witnesses {
		s.Witnesses = append(s.Witnesses, w.Key)
	}
	if signIn != nil {
		p := &people{signIn, connection, cfg, now}
		s.GitHub = &web.GitHub{SignInURL: signIn.URL, SignIn: p.in, Look: p.look, CanWrite: p.canWrite, SignOut: p.out}
	}
	return web.New(s)
}

// trackersOf is where the tickets of organisations are.
func trackersOf(cfg *config.Config) func(login string) []web.Tracker {
	return func(login string) (out []web.Tracker) {
		for _, t := range cfg.TrackersOf(login) {
			out = append(out, web.Tracker{Name: t.Name(), Projects: t.Projects, URL: t.TicketsURL()})
		}
		return out
	}
}

// pagesAddress is where check runs link to; empty while nobody can sign in there.
func pagesAddress(cfg *config.Config, signIn *gh.SignIn) string {
	if signIn == nil {
		return ""
	}
	return cfg.PublicURL
}

// in redeems the code of GitHub's answer.
func (p *people) in(ctx context.Context, code, verifier string) (web.Person, error) {
	token, err := p.signIn.Exchange(ctx, code, verifier)
	if err != nil {
		return web.Person{}, err
	}
	client, err := p.connection.Person(token.Access)
	if err != nil {
		return web.Person{}, err
	}
	who, err := client.Whoami(ctx)
	if err != nil {
		return web.Person{}, err
	}
	kept, err := json.Marshal(token)
	return web.Person{ID: who.ID, Login: who.Login, Token: kept}, err
}

// out has GitHub forget a person's token.
func (p *people) out(ctx context.Context, kept []byte) error {
	var token gh.PersonToken
	if err := json.Unmarshal(kept, &token); err != nil {
		return err
	}
	return p.signIn.Revoke(ctx, token)
}

// canWrite asks GitHub whether a person may write to a repository, which must still have its name.
func (p *people) canWrite(ctx context.Context, person web.Person, repoID int64, repository string) (bool, error) {
	var token gh.PersonToken
	if err := json.Unmarshal(person.Token, &token); err != nil {
		return false, err
	}
	client, err := p.connection.Person(token.Access)
	if err != nil {
		return false, err
	}
	owner, name, _ := strings.Cut(repository, "/")
	view, err := client.PersonView(ctx, gh.Repo{Owner: owner, Name: name})
	if errors.Is(err, gh.ErrNotFound) {
		return false, nil
	}
	return view.CanWrite && view.RepositoryID == repoID && view.Person.ID == person.ID, err
}

// renewBefore is how long before its end a token is renewed.
const renewBefore = 10 * time.Minute

// look asks GitHub what a person sees now.
func (p *people) look(ctx context.Context, person web.Person, keep func([]byte) error) ([]store.Sight, error) {
	var token gh.PersonToken
	if err := json.Unmarshal(person.Token, &token); err != nil {
		return nil, fmt.Errorf("%w: %w", web.ErrSignedOut, err)
	}
	if !token.ExpiresAt.IsZero() && p.now().After(token.ExpiresAt.Add(-renewBefore)) {
		var err error
		if token, err = p.renew(ctx, token, keep); err != nil {
			return nil, signedOut(err)
		}
	}
	client, err := p.connection.Person(token.Access)
	if err != nil {
		return nil, signedOut(err)
	}
	who, err := client.Whoami(ctx)
	if err == nil && who.ID != person.ID {
		err = fmt.Errorf("%w: the token is of another account", gh.ErrUnauthorized)
	}
	if err != nil {
		return nil, signedOut(err)
	}
	sights, err := p.sights(ctx, client, who)
	return sights, signedOut(err)
}

// renew replaces a token that ends soon, and has the new one kept before anything is done with it.
func (p *people) renew(ctx context.Context, old gh.PersonToken, keep func([]byte) error) (gh.PersonToken, error) {
	token, err := p.signIn.Refresh(ctx, old)
	if err != nil {
		return token, err
	}
	kept, err := json.Marshal(token)
	if err == nil {
		err = keep(kept)
	}
	return token, err
}

// signedOut says of a token that GitHub refuses that its owner is signed out.
func signedOut(err error) error {
	if errors.Is(err, gh.ErrUnauthorized) {
		return fmt.Errorf("%w: %w", web.ErrSignedOut, err)
	}
	return err
}

// sights are the organisations that a person sees, with what they see of each. What GitHub does not
// say about one is an error about all: half a list would look like the whole.
func (p *people) sights(ctx context.Context, client *gh.Client, who gh.Account) (out []store.Sight, err error) {
	installations, err := client.VisibleInstallations(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range installations {
		if i.AppID != p.cfg.GitHub.App.IntegrationID || i.Suspended || i.Account.Login == "" {
			continue
		}
		sight := store.Sight{OrgID: i.Account.ID, Login: i.Account.Login}
		if sight.Role, err = p.role(ctx, client, who, i); err != nil {
			return nil, err
		}
		if sight.Role == store.RoleViewer {
			repositories, err := client.VisibleRepositories(ctx, i.InstallationID)
			if err != nil {
				return nil, err
			}
			for _, r := range repositories {
				sight.Repositories = append(sight.Repositories, r.ID)
			}
		}
		out = append(out, sight)
	}
	return out, nil
}

// role is what a person may do: the organisation's owners are admins, and so are the members of the
// teams that the settings name.
func (p *people) role(ctx context.Context, client *gh.Client, who gh.Account, i gh.VisibleInstallation) (store.Role, error) {
	owns, err := client.OwnsOrganization(ctx, who, i.Account)
	if err != nil {
		return "", err
	}
	if owns {
		return store.RoleAdmin, nil
	}
	access := p.cfg.AccessOf(i.Account.Login)
	for _, r := range []struct {
		role  store.Role
		teams []string
	}{{store.RoleAdmin, access.AdminTeams}, {store.RoleCompliance, access.ComplianceTeams}} {
		for _, team := range r.teams {
			in, err := p.inTeam(ctx, i.InstallationID, team, who.ID)
			if err != nil || in {
				return r.role, err
			}
		}
	}
	return store.RoleViewer, nil
}

// inTeam asks with the App's own token: a person need not be able to see the team. A team that does
// not exist has no members.
func (p *people) inTeam(ctx context.Context, installation int64, team string, id int64) (bool, error) {
	org, slug, _ := strings.Cut(team, "/")
	client, err := p.connection.Installation(installation, gh.ToReadTeams())
	if err != nil {
		return false, err
	}
	members, err := client.TeamMembers(ctx, org, slug)
	if errors.Is(err, gh.ErrNotFound) {
		return false, nil
	}
	return slices.ContainsFunc(members, func(a gh.Account) bool { return a.ID == id }), err
}
