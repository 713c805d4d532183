package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Grant lets somebody outside of an organisation read its evidence, of a time and until a day.
type Grant struct {
	ID     string
	Name   string // who it is for, as the granter wrote it
	From   time.Time
	Before time.Time
	// GrantedBy is who granted it, as GitHub said then.
	GrantedAt, ExpiresAt time.Time
	GrantedBy            Who
	RevokedAt            time.Time // zero: it was not
	orgID                int64
}

// Open says whether the grant lets anybody in at a time.
func (g Grant) Open(now time.Time) bool { return g.RevokedAt.IsZero() && now.Before(g.ExpiresAt) }

// Accesses that open and close evidence to somebody, and what somebody read.
const (
	AccessGrant  = "grant"
	AccessRevoke = "revoke"
	AccessRead   = "read"
)

const insertGrant = `INSERT INTO auditor_grants (org_id, id, secret_sha256, name, from_at, before_at, granted_at, granted_by_id, granted_by, expires_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)`

// GrantAudit records a grant, also in the log's list of accesses, and returns it with its id. The
// secret of its link is known by its digest only.
func (n Tenant) GrantAudit(ctx context.Context, g Grant, secretSHA256 string) (Grant, error) {
	g.ID, g.orgID, g.GrantedAt = newRecordID(), n.org, n.s.moment()
	if g.Name == "" || len(g.Name) > 200 || !g.Before.After(g.From) || !g.ExpiresAt.After(g.GrantedAt) || g.GrantedBy.AccountID == 0 || len(secretSHA256) != 64 {
		return Grant{}, fmt.Errorf("%w: a grant for %.200q of %s to %s until %s", ErrInvalid, g.Name, g.From, g.Before, g.ExpiresAt)
	}
	query, err := json.Marshal(grantQuery{g.ID, plain(g.Name), g.From.UTC(), g.Before.UTC(), g.ExpiresAt.UTC()})
	if err != nil {
		return Grant{}, err
	}
	err = n.s.write(ctx, "grant to an auditor", func(t *txn) error {
		if _, err := t.exec(insertGrant, n.org, g.ID, secretSHA256, plain(g.Name), micros(g.From), micros(g.Before), micros(g.GrantedAt),
			g.GrantedBy.AccountID, g.GrantedBy.Login, micros(g.ExpiresAt)); err != nil {
			return err
		}
		return n.recordAccess(t, Access{What: AccessGrant, By: g.GrantedBy, Query: query})
	})
	return g, err
}

// grantQuery is what the log says of a grant.
//
// Field names and order are part of the evidence format; add, never change.
type grantQuery struct {
	Grant     string    `json:"grant"`
	Name      string    `json:"name"`
	From      time.Time `json:"from"`
	Before    time.Time `json:"before"`
	ExpiresAt time.Time `json:"expires_at"`
}

const revokeGrant = `UPDATE auditor_grants SET revoked_at = $3 WHERE org_id = $1 AND id = $2 AND revoked_at = 0`

// RevokeGrant ends a grant now, for sessions that rest on it too; ErrNotFound if there is none that
// was not revoked before.
func (n Tenant) RevokeGrant(ctx context.Context, id string, by Who) error {
	query, err := json.Marshal(struct {
		Grant string `json:"grant"`
	}{id})
	if err != nil {
		return err
	}
	return n.s.write(ctx, "revoke a grant", func(t *txn) error {
		if err := one(t.exec(revokeGrant, n.org, id, micros(n.s.moment()))); err != nil {
			return err
		}
		return n.recordAccess(t, Access{What: AccessRevoke, By: by, Query: query})
	})
}

const grantColumns = `SELECT org_id, id, name, from_at, before_at, granted_at, granted_by_id, granted_by, expires_at, revoked_at FROM auditor_grants `

const (
	selectGrants        = grantColumns + `WHERE org_id = $1 ORDER BY granted_at DESC, id`
	selectGrant         = grantColumns + `WHERE org_id = $1 AND id = $2`
	selectGrantBySecret = grantColumns + `WHERE secret_sha256 = $1`
)

// Grants lists every grant of the organisation, newest first.
func (n Tenant) Grants(ctx context.Context) (out []Grant, err error) {
	err = n.s.query(ctx, selectGrants, []any{n.org}, func(scan func(...any) error) error {
		g, err := scanGrant(scan)
		out = append(out, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: grants of organisation %d: %w", n.org, err)
	}
	return out, nil
}

// grant returns a grant that lets somebody in now; ErrNotFound if it does not.
func (n Tenant) grant(ctx context.Context, id string) (Grant, error) {
	return n.s.openGrant(ctx, selectGrant, n.org, id)
}

// GrantOf returns the grant of a link's secret, by its digest, with the organisation that it is of;
// ErrNotFound if it lets nobody in now.
func (s *Store) GrantOf(ctx context.Context, secretSHA256 string) (Grant, int64, error) {
	g, err := s.openGrant(ctx, selectGrantBySecret, secretSHA256)
	return g, g.orgID, err
}

func (s *Store) openGrant(ctx context.Context, query string, args ...any) (g Grant, err error) {
	err = ErrNotFound
	readErr := s.query(ctx, query, args, func(scan func(...any) error) error {
		found, scanErr := scanGrant(scan)
		if scanErr == nil && found.Open(s.now()) {
			g, err = found, nil
		}
		return scanErr
	})
	if readErr != nil {
		err = readErr
	}
	if err != nil {
		return Grant{}, fmt.Errorf("store: grant to an auditor: %w", err)
	}
	return g, nil
}

func scanGrant(scan func(...any) error) (g Grant, err error) {
	var from, before, granted, expires, revoked int64
	err = scan(&g.orgID, &g.ID, &g.Name, &from, &before, &granted, &g.GrantedBy.AccountID, &g.GrantedBy.Login, &expires, &revoked)
	g.From, g.Before, g.GrantedAt, g.ExpiresAt, g.RevokedAt = fromMicros(from), fromMicros(before), fromMicros(granted), fromMicros(expires), fromMicros(revoked)
	return g, err
}
