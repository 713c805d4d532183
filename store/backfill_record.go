package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/countersign/countersign/policy"
)

const (
	insertBackfilled = `INSERT INTO backfilled_updates (org_id, repo_id, activity_id, leaf_index) VALUES ($1, $2, $3, $4)`
	backfilledKnown  = `SELECT COUNT(*) FROM backfilled_updates WHERE org_id = $1 AND repo_id = $2 AND activity_id = $3`
	// A history that was asked for anew meanwhile begins again, whatever was reached before.
	moveBackfill = `UPDATE backfills SET repository = $5, looked_at = $6, names = $7, after_page = $8, read_from = $9, updates = $10
WHERE org_id = $1 AND repo_id = $2 AND ref = $3 AND asked_at = $4 AND done_at = 0`
	endBackfill = `UPDATE backfills SET done_at = $5, looked_at = $5, read_from = $6, updates = $7, why = $8, result = $9
WHERE org_id = $1 AND repo_id = $2 AND ref = $3 AND asked_at = $4 AND done_at = 0`
)

// UpdateOnRecord says whether there is a record of an update already, as one that was judged or as
// one from before.
func (n Tenant) UpdateOnRecord(ctx context.Context, repoID, activityID int64) (bool, error) {
	for _, query := range []string{updateKnown, backfilledKnown} {
		var known int
		if err := n.s.one(ctx, query, []any{n.org, repoID, activityID}, &known); err != nil {
			return false, fmt.Errorf("store: update %d of repository %d: %w", activityID, repoID, err)
		}
		if known > 0 {
			return true, nil
		}
	}
	return false, nil
}

// RecordBackfilled commits updates from before a branch was followed, each with its leaf, and how
// far the reading has got, which it returns. All of it or nothing. What is on record is not
// recorded again. The histories of names that the branch had before are asked for. The job is
// kept. ErrLeaseLost if its lease is not held any more.
func (n Tenant) RecordBackfilled(ctx context.Context, job Job, b Backfill, updates []policy.UpdateFacts) (Backfill, error) {
	if job.OrgID != n.org || job.Kind != KindBackfill {
		return b, fmt.Errorf("%w: history of %s for job %s %s", ErrInvalid, b.Repository, job.Kind, job.Key)
	}
	before := b.Updates
	err := n.s.write(ctx, "record history of "+b.Repository, func(t *txn) error {
		b.Updates = before
		if _, err := hold(t, job); err != nil {
			return err
		}
		for _, u := range updates {
			recorded, err := n.recordBackfilled(t, b, u)
			if err != nil {
				return err
			}
			b.Updates += recorded
		}
		if err := n.askNames(t, job, b); err != nil {
			return err
		}
		names, err := json.Marshal(b.Names)
		if err != nil {
			return fmt.Errorf("encode names of branch %s: %w", b.Ref, err)
		}
		_, err = t.exec(moveBackfill, n.org, b.RepoID, b.Ref, micros(b.AskedAt), b.Repository, micros(n.s.now()), names, b.Page, micros(b.ReadFrom), b.Updates)
		return err
	})
	return b, err
}

// askNames asks for the histories of the names that were found since the last time.
func (n Tenant) askNames(t *txn, job Job, b Backfill) error {
	var stored Backfill
	if err := stored.scan(func(into ...any) error { return t.row(selectBackfill, []any{n.org, b.RepoID, b.Ref}, into...) }); err != nil {
		return err
	}
	for _, name := range b.Names {
		if slices.ContainsFunc(stored.Names, func(known BranchName) bool { return known.UntilID == name.UntilID }) {
			continue
		}
		history := Backfill{RepoID: b.RepoID, Repository: b.Repository, Ref: name.Ref, Since: b.Since, Until: name.Until, UntilID: name.UntilID}
		if _, err := n.askBackfill(t, history, job.InstallationID); err != nil {
			return err
		}
	}
	return nil
}

func (n Tenant) recordBackfilled(t *txn, b Backfill, u policy.UpdateFacts) (recorded int, err error) {
	if u.RepositoryID != b.RepoID || u.ID <= 0 || u.ID > b.UntilID {
		return 0, fmt.Errorf("%w: update %d of repository %d in the history of %d", ErrInvalid, u.ID, u.RepositoryID, b.RepoID)
	}
	for _, query := range []string{updateKnown, backfilledKnown} {
		var known int
		if err := t.row(query, []any{n.org, b.RepoID, u.ID}, &known); err != nil || known > 0 {
			return 0, err
		}
	}
	body, err := json.Marshal(Backfilled{V: backfilledVersion, Update: u})
	if err != nil {
		return 0, fmt.Errorf("encode update %d: %w", u.ID, err)
	}
	leaf, err := n.appendRecord(t, LeafBackfilled, n.s.moment(), body)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(insertBackfilled, n.org, b.RepoID, u.ID, leaf)
	return 1, err
}

// EndBackfill commits that a history is read, as far as it goes, with the leaf that says so. A
// reading that found nothing else than the one before leaves no leaf. The job is kept.
// ErrLeaseLost if its lease is not held any more.
func (n Tenant) EndBackfill(ctx context.Context, job Job, b Backfill) error {
	if job.OrgID != n.org || job.Kind != KindBackfill {
		return fmt.Errorf("%w: history of %s for job %s %s", ErrInvalid, b.Repository, job.Kind, job.Key)
	}
	r := BackfillRead{V: backfillReadVersion, RepositoryID: b.RepoID, Repository: b.Repository, Ref: b.Ref,
		Since: b.Since.UTC(), Until: b.Until.UTC(), ReadFrom: b.ReadFrom.UTC(), Why: b.Why, Names: b.Names}
	result, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode history of %s: %w", b.Repository, err)
	}
	r.Updates = b.Updates
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode history of %s: %w", b.Repository, err)
	}
	return n.s.write(ctx, "end history of "+b.Repository, func(t *txn) error {
		if _, err := hold(t, job); err != nil {
			return err
		}
		ended, err := t.exec(endBackfill, n.org, b.RepoID, b.Ref, micros(b.AskedAt), micros(n.s.now()), micros(b.ReadFrom), b.Updates, b.Why, result)
		if err != nil || ended == 0 || b.Updates == 0 && bytes.Equal(result, b.result) {
			return err
		}
		_, err = n.appendRecord(t, LeafBackfill, n.s.moment(), body)
		return err
	})
}
