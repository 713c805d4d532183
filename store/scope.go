package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafScope is the kind of the leaves that say which repositories there are, and which branches of
// them are followed.
const LeafScope = "scope"

// The states of a repository of a Scope.
const (
	ScopeInstalled    = "installed"
	ScopeNotInstalled = "not_installed" // the App sees it, and is not installed on it
	ScopeNotVisible   = "not_visible"   // branches of it are followed, and the App sees it no more
)

// Scope is the body of a leaf: what there was when it was recorded.
//
// Field names and order are part of the evidence format; add, never change.
type Scope struct {
	V            int    `json:"v"`            // set when it is recorded
	Organisation string `json:"organisation"` // login
	// Complete is false when GitHub did not say what there is. Why says why then, and what follows
	// is not known.
	Complete bool   `json:"complete"`
	Why      string `json:"why,omitempty"`
	// SameAs is the leaf that says what this one says too, and does not say again; absent: none.
	SameAs *int64 `json:"same_as,omitempty"`
	// Selection is "all" when the App is installed on all repositories, or "selected".
	Selection string `json:"selection"`
	// PrivateRepositories is how many of these the organisation has; -1: GitHub does not show it.
	PrivateRepositories int               `json:"private_repositories"`
	Repositories        []ScopeRepository `json:"repositories"` // by id
}

// ScopeRepository is one repository of an organisation. Private and Archived are not known of one
// that is not visible.
type ScopeRepository struct {
	ID         int64         `json:"id"`
	Repository string        `json:"repository"` // owner/name
	State      string        `json:"state"`
	Private    bool          `json:"private"`
	Archived   bool          `json:"archived"`
	Branches   []ScopeBranch `json:"branches"` // that are followed, by name
}

// ScopeBranch is a branch that is followed.
type ScopeBranch struct {
	Ref  string `json:"ref"`
	Mode string `json:"mode"`
}

const (
	scopeVersion = 1

	selectLastOfKind = `SELECT leaf_index, leaf, body FROM log_leaves WHERE org_id = $1 AND kind = $2 ORDER BY leaf_index DESC LIMIT 1`
	selectBody       = `SELECT body FROM log_leaves WHERE org_id = $1 AND leaf_index = $2`
)

// LastScope is when the newest scope was recorded; zero: none was.
func (n Tenant) LastScope(ctx context.Context) (time.Time, error) {
	var index int64
	var leaf, body []byte
	err := n.s.one(ctx, selectLastOfKind, []any{n.org, LeafScope}, &index, &leaf, &body)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("store: last scope of organisation %d: %w", n.org, err)
	}
	l, err := ledger.DecodeLeaf(leaf)
	return l.RecordedAt, err
}

// RecordScope appends the leaf of a scope and finishes the job, which looks again at the given
// time. A scope that is what the newest one was refers to that.
func (n Tenant) RecordScope(ctx context.Context, job Job, s Scope, again time.Time) error {
	s.V = scopeVersion
	return n.s.write(ctx, "record scope", func(t *txn) error {
		if err := finish(t, job); err != nil {
			return err
		}
		if err := n.s.schedule(t, job, again); err != nil {
			return err
		}
		body, err := n.scopeBody(t, s)
		if err != nil {
			return err
		}
		_, err = n.appendRecord(t, LeafScope, n.s.moment(), body)
		return err
	})
}

func (n Tenant) scopeBody(t *txn, s Scope) ([]byte, error) {
	whole, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode scope: %w", err)
	}
	index, before, err := n.lastScope(t)
	if err != nil || !bytes.Equal(whole, before) {
		return whole, err
	}
	s.Repositories, s.SameAs = nil, &index
	return json.Marshal(s)
}

// lastScope is the newest scope that is recorded whole; nil: none is, or it was disposed of.
func (n Tenant) lastScope(t *txn) (index int64, body []byte, err error) {
	var leaf []byte
	err = t.row(selectLastOfKind, []any{n.org, LeafScope}, &index, &leaf, &body)
	var s Scope
	if err == nil && body != nil {
		err = json.Unmarshal(body, &s)
	}
	if err == nil && s.SameAs != nil {
		index = *s.SameAs
		err = t.row(selectBody, []any{n.org, index}, &body)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return index, body, err
}
