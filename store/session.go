package store

import (
	"context"
	"fmt"
	"time"
)

// Role is what somebody may do with an organisation's pages.
type Role string

// The roles, least first. A viewer sees the repositories that GitHub shows to them; the others see
// the whole organisation, an auditor of a time only and without changing anything.
const (
	RoleViewer     Role = "viewer"
	RoleAuditor    Role = "auditor"
	RoleCompliance Role = "compliance"
	RoleAdmin      Role = "admin"
)

// Session is somebody who is signed in: a person, by their account at GitHub, or an auditor, by a
// grant of an organisation.
type Session struct {
	ID       string // SHA-256 of the cookie's secret, hex
	PersonID int64  // GitHub's account id; 0: an auditor
	Login    string // as GitHub said then; an auditor's name as the grant has it
	GrantOrg int64  // the organisation that granted; 0: a person
	GrantID  string
	// Token is the person's token for GitHub, sealed with a key that only the cookie gives.
	Token     []byte
	BeganAt   time.Time
	ExpiresAt time.Time
	// LookedAt is when GitHub was last asked what the person sees; zero: never.
	LookedAt time.Time
}

// Sight is what GitHub lets a person see of an organisation, and their role there.
type Sight struct {
	OrgID int64
	Login string // as GitHub says now
	Role  Role
	// Repositories are the ids of those that the person reads. Other roles than a viewer's see all.
	Repositories []int64
}

const (
	insertSession = `INSERT INTO sessions (id, person_id, login, grant_org, grant_id, token, began_at, expires_at, looked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`
	deleteExpired = `DELETE FROM sessions WHERE expires_at <= $1`
)

// BeginSession keeps a session, and forgets those that have expired. BeganAt is set.
func (s *Store) BeginSession(ctx context.Context, b Session) error {
	if len(b.ID) != 64 || (b.PersonID == 0) == (b.GrantID == "") || (b.GrantOrg == 0) != (b.GrantID == "") {
		return fmt.Errorf("%w: a session of account %d, grant %q", ErrInvalid, b.PersonID, b.GrantID)
	}
	return s.write(ctx, "begin a session", func(t *txn) error {
		now := s.moment()
		if _, err := t.exec(deleteExpired, micros(now)); err != nil {
			return err
		}
		_, err := t.exec(insertSession, b.ID, b.PersonID, b.Login, b.GrantOrg, b.GrantID, notNull(b.Token), micros(now), micros(b.ExpiresAt))
		return err
	})
}

const selectSession = `SELECT person_id, login, grant_org, grant_id, token, began_at, expires_at, looked_at FROM sessions WHERE id = $1 AND expires_at > $2`

// Session returns a session that has not expired; ErrNotFound if there is none.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	o := Session{ID: id}
	var began, expires, looked int64
	if err := s.one(ctx, selectSession, []any{id, micros(s.now())}, &o.PersonID, &o.Login, &o.GrantOrg, &o.GrantID, &o.Token, &began, &expires, &looked); err != nil {
		return Session{}, fmt.Errorf("store: session: %w", err)
	}
	o.BeganAt, o.ExpiresAt, o.LookedAt = fromMicros(began), fromMicros(expires), fromMicros(looked)
	return o, nil
}

const (
	updateToken     = `UPDATE sessions SET token = $2 WHERE id = $1`
	updateLooked    = `UPDATE sessions SET looked_at = $2 WHERE id = $1`
	deleteSights    = `DELETE FROM session_orgs WHERE session = $1`
	insertSight     = `INSERT INTO session_orgs (session, org_id, login, role) VALUES ($1, $2, $3, $4)`
	insertSightRepo = `INSERT INTO session_repositories (session, org_id, repo_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
)

// Renewed keeps the token that a session's was replaced by. ErrNotFound if the session has ended.
func (s *Store) Renewed(ctx context.Context, id string, token []byte) error {
	return s.write(ctx, "renew a session's token", func(t *txn) error { return one(t.exec(updateToken, id, notNull(token))) })
}

// one is ErrNotFound if a statement changed no row.
func one(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrNotFound
	}
	return err
}

// Saw replaces what a session sees with what GitHub says now. ErrNotFound if the session has ended.
func (s *Store) Saw(ctx context.Context, id string, sights []Sight) error {
	return s.write(ctx, "what a session sees", func(t *txn) error {
		err := one(t.exec(updateLooked, id, micros(s.moment())))
		if err == nil {
			_, err = t.exec(deleteSights, id)
		}
		if err != nil {
			return err
		}
		for _, sight := range sights {
			if _, err := t.exec(insertSight, id, sight.OrgID, sight.Login, string(sight.Role)); err != nil {
				return err
			}
			if sight.Role != RoleViewer {
				continue
			}
			for _, repo := range sight.Repositories {
				if _, err := t.exec(insertSightRepo, id, sight.OrgID, repo); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

const (
	deleteSession    = `DELETE FROM sessions WHERE id = $1`
	deleteSessionsOf = `DELETE FROM sessions WHERE person_id = $1 AND person_id <> 0`
)

// EndSession signs one session out.
func (s *Store) EndSession(ctx context.Context, id string) error {
	return s.write(ctx, "end a session", func(t *txn) error {
		_, err := t.exec(deleteSession, id)
		return err
	})
}

// EndSessionsOf signs a person out everywhere.
func (s *Store) EndSessionsOf(ctx context.Context, personID int64) error {
	return s.write(ctx, "end all sessions of a person", func(t *txn) error {
		_, err := t.exec(deleteSessionsOf, personID)
		return err
	})
}

const selectSeen = `SELECT s.org_id, s.login, s.role FROM session_orgs s JOIN orgs o ON o.org_id = s.org_id WHERE s.session = $1 ORDER BY s.login`

// Seen is an organisation that a session may look into.
type Seen struct {
	OrgID int64
	Login string
	Role  Role
}

// Seen lists the organisations that a session may look into: those that GitHub shows to the person
// and that have the App here, or the one of the auditor's grant.
func (s *Store) Seen(ctx context.Context, of Session) (out []Seen, err error) {
	if of.GrantID != "" {
		g, err := s.Tenant(of.GrantOrg).grant(ctx, of.GrantID)
		if err != nil {
			return nil, err
		}
		login, err := s.Tenant(of.GrantOrg).login(ctx)
		return []Seen{{g.orgID, login, RoleAuditor}}, err
	}
	err = s.query(ctx, selectSeen, []any{of.ID}, func(scan func(...any) error) error {
		var o Seen
		if err := scan(&o.OrgID, &o.Login, &o.Role); err != nil {
			return err
		}
		out = append(out, o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: organisations of a session: %w", err)
	}
	return out, nil
}
