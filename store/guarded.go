package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Guarded is a branch that is followed, with how it was last seen protected.
type Guarded struct {
	Branch
	Holds     string    // "yes", "no" or "unknown"; empty: it was not looked at yet
	Since     time.Time // since when it is protected so
	LeafIndex int64     // of the record of that; -1: there is none
}

// The states of a list of branches.
const (
	GuardedProtected = "protected" // as Coverage counts them
	GuardedLacking   = "lacking"
	GuardedUnknown   = "unknown"
	GuardedAudit     = "audit"
	GuardedBlind     = "blind"
)

const (
	guardedColumns = `SELECT b.repo_id, b.repository, b.ref, b.mode, b.activity_id, b.tip, b.seq, b.since, b.blind_since, COALESCE(p.holds, ''), COALESCE(p.since, 0), COALESCE(p.leaf_index, -1)
FROM branches b LEFT JOIN protection_snapshots p ON p.org_id = b.org_id AND p.repo_id = b.repo_id AND p.ref = b.ref WHERE b.org_id = $1 `
	// An organisation has few branches that are followed, compared with what reaches them.
	selectGuarded = guardedColumns + `AND (b.repository > $2 OR b.repository = $2 AND b.ref > $3)
  AND ($4 = '' OR $4 = CASE WHEN b.blind_since > 0 THEN 'blind' WHEN b.mode <> 'enforce' THEN 'audit'
    WHEN p.holds = 'yes' THEN 'protected' WHEN p.holds = 'no' THEN 'lacking' ELSE 'unknown' END)
ORDER BY b.repository, b.ref LIMIT $5`
	selectGuardedBranch = guardedColumns + `AND b.repo_id = $2 AND b.ref = $3`
)

// GuardedBranches lists branches in a state (empty: all) by repository and name, after a place.
func (n Tenant) GuardedBranches(ctx context.Context, state, afterRepository, afterRef string, limit int) ([]Guarded, error) {
	return n.guarded(ctx, selectGuarded, n.org, afterRepository, afterRef, state, limit)
}

// GuardedBranch is one of them; ErrNotFound if it is not followed.
func (n Tenant) GuardedBranch(ctx context.Context, repoID int64, ref string) (Guarded, error) {
	list, err := n.guarded(ctx, selectGuardedBranch, n.org, repoID, ref)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: branch %s of repository %d: %w", ref, repoID, ErrNotFound)
	}
	if err != nil {
		return Guarded{}, err
	}
	return list[0], nil
}

func (n Tenant) guarded(ctx context.Context, query string, args ...any) (out []Guarded, err error) {
	err = n.s.query(ctx, query, args, func(scan func(...any) error) error {
		var g Guarded
		var protected int64
		branch, err := scanBranch(func(into ...any) error { return scan(append(into, &g.Holds, &protected, &g.LeafIndex)...) })
		g.Branch, g.Since = branch, fromMicros(protected)
		out = append(out, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list branches of organisation %d: %w", n.org, err)
	}
	return out, nil
}

// ProtectionState is how a branch was protected from one time on.
type ProtectionState struct {
	LeafIndex int64
	Holds     string // "yes", "no" or "unknown"
	Why       string
	Since     time.Time
	Settings  json.RawMessage // policy.Protection, as its Settings are
}

// ProtectionStates are the newest states that a branch was in, the newest first: from the one of a
// leaf back, as long as their records are kept.
func (n Tenant) ProtectionStates(ctx context.Context, leaf int64, limit int) (out []ProtectionState, err error) {
	for leaf >= 0 && len(out) < limit {
		var raw []byte
		if err := n.s.one(ctx, selectBody, []any{n.org, leaf}, &raw); err != nil {
			return nil, fmt.Errorf("store: protection of leaf %d: %w", leaf, err)
		}
		if raw == nil { // disposed of
			return out, nil
		}
		var b protectionBody
		if err := json.Unmarshal(raw, &b); err != nil {
			return nil, fmt.Errorf("store: protection of leaf %d: %w", leaf, err)
		}
		out = append(out, ProtectionState{leaf, b.Holds, b.Why, b.Since, b.Settings})
		if b.Before >= leaf {
			return nil, fmt.Errorf("store: protection of leaf %d: what was before is not", leaf)
		}
		leaf = b.Before
	}
	return out, nil
}

// LastScopeWhole is the newest record of which repositories there are, and when it was said last;
// zero: none is kept.
func (n Tenant) LastScopeWhole(ctx context.Context) (s Scope, at time.Time, err error) {
	if at, err = n.LastScope(ctx); err != nil || at.IsZero() {
		return s, at, err
	}
	var index int64
	var leaf, body []byte
	if err = n.s.one(ctx, selectLastOfKind, []any{n.org, LeafScope}, &index, &leaf, &body); err != nil || body == nil {
		return s, time.Time{}, err
	}
	err = json.Unmarshal(body, &s)
	if err == nil && s.SameAs != nil {
		err = n.s.one(ctx, selectBody, []any{n.org, *s.SameAs}, &body)
		switch {
		case errors.Is(err, ErrNotFound) || err == nil && body == nil:
			return Scope{}, time.Time{}, nil
		case err == nil:
			err = json.Unmarshal(body, &s)
		}
	}
	if err != nil {
		err = fmt.Errorf("store: scope of organisation %d: %w", n.org, err)
	}
	return s, at, err
}
