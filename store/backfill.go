package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/policy"
)

// The kinds of the leaves about what reached a branch before it was followed.
const (
	LeafBackfilled = "backfilled" // one update, read from GitHub's list long after it
	LeafBackfill   = "backfill"   // how far back the list was read
)

// BackfillReach is how long before a branch is followed its history is read by itself.
const BackfillReach = 365 * 24 * time.Hour

// Backfill is the history of one branch from before it was followed, which is read or was.
type Backfill struct {
	RepoID     int64
	Repository string // owner/name
	Ref        string // without refs/heads/
	// Since is how far back it is to be read, Until where what is judged begins, and UntilID the
	// newest update that is read; 0: there is none.
	Since   time.Time
	Until   time.Time
	UntilID int64
	AskedAt time.Time
	DoneAt  time.Time // zero: it is still read
	// Page is GitHub's cursor of what is read next; empty: the newest.
	Page string
	// Names are those that the branch had before, as far as they were found. Their histories are
	// read as well.
	Names []BranchName
	// ReadFrom is GitHub's time of what was reached: everything that it lists from there up to
	// Until was read. Zero: nothing was.
	ReadFrom time.Time
	Updates  int    // that were recorded since it was asked for
	Why      string // it was not read from Since on; empty: it was, or is still read

	result []byte // body of the newest leaf about it, but for Updates
}

// BranchName is a name that a branch had before it got another.
//
// Field names and order are part of the evidence format; add, never change.
type BranchName struct {
	Ref     string    `json:"ref"`      // branch
	Until   time.Time `json:"until"`    // GitHub's, when it got the next one
	UntilID int64     `json:"until_id"` // GitHub's id of the deletion that it shows for it
}

// Backfilled is the body of a leaf about one update from before its branch was followed. It was
// read when the leaf was recorded, and nothing was ever decided about it.
//
// Field names and order are part of the evidence format; add, never change.
type Backfilled struct {
	V      int                `json:"v"` // set when it is recorded
	Update policy.UpdateFacts `json:"update"`
}

// BackfillRead is the body of a leaf about how far back a branch's history was read.
//
// Field names and order are part of the evidence format; add, never change.
type BackfillRead struct {
	V            int       `json:"v"`
	RepositoryID int64     `json:"repository_id"`
	Repository   string    `json:"repository"` // owner/name
	Ref          string    `json:"ref"`        // branch
	Since        time.Time `json:"since"`      // that was asked for
	Until        time.Time `json:"until"`      // what is judged begins there
	// ReadFrom is from when on everything that GitHub lists up to Until was read; absent: nothing
	// was. Why says why that is not Since; absent: it is.
	ReadFrom time.Time `json:"read_from,omitzero"`
	Why      string    `json:"why,omitempty"`
	Updates  int       `json:"updates"` // that were recorded
	// Names are those that the branch had before: what reached it then is in the histories of
	// these, each of which has a record of its own once it is read.
	Names []BranchName `json:"names,omitempty"`
}

const (
	backfilledVersion   = 1
	backfillReadVersion = 1

	selectBackfills = `SELECT repo_id, repository, ref, since, until_at, until_id, asked_at, done_at, names, after_page, read_from, updates, why, result
FROM backfills WHERE org_id = $1 AND ($2 = 0 OR repo_id = $2) ORDER BY repo_id, ref`
	selectBackfill = `SELECT repo_id, repository, ref, since, until_at, until_id, asked_at, done_at, names, after_page, read_from, updates, why, result
FROM backfills WHERE org_id = $1 AND repo_id = $2 AND ref = $3`
	// In turn, so that one that is long does not make the others wait.
	selectNextBackfill = `SELECT repo_id, repository, ref, since, until_at, until_id, asked_at, done_at, names, after_page, read_from, updates, why, result
FROM backfills WHERE org_id = $1 AND done_at = 0 ORDER BY looked_at, asked_at, repo_id, ref LIMIT 1`
)

func (b *Backfill) scan(scan func(...any) error) error {
	var since, until, asked, done, readFrom int64
	var names []byte
	if err := scan(&b.RepoID, &b.Repository, &b.Ref, &since, &until, &b.UntilID, &asked, &done, &names, &b.Page, &readFrom, &b.Updates, &b.Why, &b.result); err != nil {
		return err
	}
	b.Since, b.Until, b.AskedAt, b.DoneAt, b.ReadFrom = fromMicros(since), fromMicros(until), fromMicros(asked), fromMicros(done), fromMicros(readFrom)
	return json.Unmarshal(names, &b.Names)
}

// Backfills returns the histories that are read or were, of one repository or of all (0).
func (n Tenant) Backfills(ctx context.Context, repoID int64) ([]Backfill, error) {
	return n.backfills(ctx, selectBackfills, n.org, repoID)
}

// NextBackfill returns the history to read on; ErrNotFound if all are read.
func (n Tenant) NextBackfill(ctx context.Context) (Backfill, error) {
	list, err := n.backfills(ctx, selectNextBackfill, n.org)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: history to read: %w", ErrNotFound)
	}
	if err != nil {
		return Backfill{}, err
	}
	return list[0], nil
}

func (n Tenant) backfills(ctx context.Context, query string, args ...any) (out []Backfill, err error) {
	err = n.s.query(ctx, query, args, func(scan func(...any) error) error {
		var b Backfill
		err := b.scan(scan)
		out = append(out, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list histories: %w", err)
	}
	return out, nil
}

// covers says whether what was read, or is, makes reading another one needless.
func (b Backfill) covers(other Backfill) bool {
	return b.Why == "" && !b.Since.After(other.Since) && b.UntilID >= other.UntilID
}

// with is a history that is at least as long as another of the same branch.
func (b Backfill) with(other Backfill) Backfill {
	if other.Since.Before(b.Since) {
		b.Since = other.Since
	}
	if other.UntilID > b.UntilID {
		b.Until, b.UntilID = other.Until, other.UntilID
	}
	return b
}

const (
	upsertBackfill = `INSERT INTO backfills (org_id, repo_id, ref, repository, since, until_at, until_id, asked_at, looked_at, done_at, names, after_page, read_from, updates, why, result)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, '', 0, 0, '', $10)
ON CONFLICT (org_id, repo_id, ref) DO UPDATE SET repository = excluded.repository, since = excluded.since, until_at = excluded.until_at, until_id = excluded.until_id,
  asked_at = excluded.asked_at, looked_at = 0, done_at = 0, names = excluded.names, after_page = '', read_from = 0, updates = 0, why = ''`
)

// askBackfill has a history read, unless it is read already. It says whether it is to be.
func (n Tenant) askBackfill(t *txn, b Backfill, installationID int64) (bool, error) {
	var before Backfill
	err := before.scan(func(into ...any) error { return t.row(selectBackfill, []any{n.org, b.RepoID, b.Ref}, into...) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return false, err
	case before.covers(b):
		return false, nil
	default:
		b = b.with(before)
	}
	asked := max(micros(n.s.now()), micros(before.AskedAt)+1) // no two readings are asked for at once
	if _, err := t.exec(upsertBackfill, n.org, b.RepoID, b.Ref, b.Repository, micros(b.Since), micros(b.Until), b.UntilID, asked, []byte("[]"), []byte{}); err != nil {
		return false, err
	}
	m := Mark{Kind: KindBackfill, OrgID: n.org, InstallationID: installationID, Repository: b.Repository}
	_, err = n.s.mark(t, m.job(), false, false)
	return true, err
}
