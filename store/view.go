package store

import (
	"context"
	"fmt"
	"math"
	"time"
)

// View is what a session may see of one organisation: the only way of the pages to its rows.
type View struct {
	tenant  Tenant
	session string
	Login   string // of the organisation, as GitHub said when the session was looked at
	Role    Role
	// From and Before are the time that an auditor may read; zero: all of it.
	From, Before time.Time
}

// View returns what a session may see of an organisation; ErrNotFound, as if there were no such
// organisation, if that is nothing.
func (s *Store) View(ctx context.Context, of Session, orgID int64) (View, error) {
	seen, err := s.Seen(ctx, of)
	if err != nil {
		return View{}, err
	}
	for _, o := range seen {
		if o.OrgID != orgID {
			continue
		}
		v := View{tenant: s.Tenant(orgID), session: of.ID, Login: o.Login, Role: o.Role}
		if o.Role == RoleAuditor {
			g, err := v.tenant.grant(ctx, of.GrantID)
			if err != nil {
				return View{}, err
			}
			v.From, v.Before = g.From, g.Before
		}
		return v, nil
	}
	return View{}, fmt.Errorf("store: organisation %d: %w", orgID, ErrNotFound)
}

// OrgID is the organisation's id at GitHub.
func (v View) OrgID() int64 { return v.tenant.org }

// everything says whether the view is of all repositories.
func (v View) everything() bool {
	return v.Role == RoleAdmin || v.Role == RoleCompliance || v.Role == RoleAuditor
}

// limit is the session whose repositories a list is limited to; empty: it is of all.
func (v View) limit() string {
	if v.everything() {
		return ""
	}
	return v.session
}

// leaves are the first and the last leaf of what an auditor may read; for others they bound nothing.
func (v View) leaves(ctx context.Context) (first, last int64, err error) {
	if v.Before.IsZero() {
		return 0, math.MaxInt64, nil
	}
	if first, err = v.tenant.LeafSince(ctx, v.From); err == nil {
		last, err = v.tenant.LeafSince(ctx, v.Before)
	}
	return first, last - 1, err
}

// Whole returns the organisation for those who may see all of it; ErrNotFound for others.
func (v View) Whole() (Tenant, error) {
	if !v.everything() {
		return Tenant{}, fmt.Errorf("store: all of organisation %d: %w", v.tenant.org, ErrNotFound)
	}
	return v.tenant, nil
}

// Managed returns the organisation for those who may change something about it; ErrNotFound for others.
func (v View) Managed() (Tenant, error) {
	if v.Role != RoleAdmin && v.Role != RoleCompliance {
		return Tenant{}, fmt.Errorf("store: changes to organisation %d: %w", v.tenant.org, ErrNotFound)
	}
	return v.tenant, nil
}

const selectSightRepo = `SELECT COUNT(*) FROM session_repositories WHERE session = $1 AND org_id = $2 AND repo_id = $3`

// Of returns the organisation to look at one repository of it; ErrNotFound, as if there were none,
// if the view does not reach it.
func (v View) Of(ctx context.Context, repoID int64) (Tenant, error) {
	if v.everything() {
		return v.tenant, nil
	}
	var n int
	err := v.tenant.s.one(ctx, selectSightRepo, []any{v.session, v.tenant.org, repoID}, &n)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("store: repository %d: %w", repoID, err)
	}
	return v.tenant, nil
}

const selectLogin = `SELECT login FROM orgs WHERE org_id = $1`

// login is the organisation's login, as last seen.
func (n Tenant) login(ctx context.Context) (login string, err error) {
	if err = n.s.one(ctx, selectLogin, []any{n.org}, &login); err != nil {
		err = fmt.Errorf("store: organisation %d: %w", n.org, err)
	}
	return login, err
}
