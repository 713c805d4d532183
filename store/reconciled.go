package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Reconcilable is a repository that is compared with GitHub from time to time.
type Reconcilable struct {
	RepoID     int64
	Repository string    // owner/name
	DueAt      time.Time // when it is looked at next
	LookedAt   time.Time // zero: never
}

const (
	selectReconciles = `SELECT repo_id, repository, due_at, looked_at FROM reconciles WHERE org_id = $1 ORDER BY repo_id`
	selectNextDue    = `SELECT r.repo_id, r.repository, r.due_at, r.looked_at FROM reconciles r JOIN orgs o ON o.org_id = r.org_id
WHERE r.org_id = $1 AND o.uninstalled_at = 0 ORDER BY r.due_at, r.repo_id LIMIT 1`
	upsertReconcile = `INSERT INTO reconciles (org_id, repo_id, repository, due_at, looked_at) VALUES ($1, $2, $3, $4, 0)
ON CONFLICT (org_id, repo_id) DO UPDATE SET repository = excluded.repository`
	deleteReconcile = `DELETE FROM reconciles WHERE org_id = $1 AND repo_id = $2`
)

func scanReconcilable(scan func(...any) error) (r Reconcilable, err error) {
	var due, looked int64
	err = scan(&r.RepoID, &r.Repository, &due, &looked)
	r.DueAt, r.LookedAt = fromMicros(due), fromMicros(looked)
	return r, err
}

func (n Tenant) reconcilables(ctx context.Context, query string) (out []Reconcilable, err error) {
	err = n.s.query(ctx, query, []any{n.org}, func(scan func(...any) error) error {
		r, err := scanReconcilable(scan)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list repositories to compare: %w", err)
	}
	return out, nil
}

// NextReconcile returns the repository that is to be looked at next; ErrNotFound if there is none, or
// the App was uninstalled.
func (n Tenant) NextReconcile(ctx context.Context) (Reconcilable, error) {
	list, err := n.reconcilables(ctx, selectNextDue)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: repository to compare: %w", ErrNotFound)
	}
	if err != nil {
		return Reconcilable{}, err
	}
	return list[0], nil
}

// seenAtOnce is how many repositories are written in one transaction: others wait for it.
const seenAtOnce = 200

// SeeRepositories says which repositories there are now, by id. Those that are new are looked at
// some time later, when what was just told of them was looked at.
func (n Tenant) SeeRepositories(ctx context.Context, installationID int64, organisation string, names map[int64]string, firstAt time.Time) error {
	known, err := n.reconcilables(ctx, selectReconciles)
	if err != nil {
		return err
	}
	var changes []func(*txn) error
	there := map[int64]string{}
	for _, r := range known {
		there[r.RepoID] = r.Repository
		if names[r.RepoID] == "" {
			changes = append(changes, func(t *txn) error {
				_, err := t.exec(deleteReconcile, n.org, r.RepoID)
				return err
			})
		}
	}
	for id, name := range names {
		if there[id] != name {
			changes = append(changes, func(t *txn) error {
				_, err := t.exec(upsertReconcile, n.org, id, name, micros(firstAt))
				return err
			})
		}
	}
	// If we stop in between, the next time finds what is left.
	for len(changes) > 0 {
		some := changes[:min(len(changes), seenAtOnce)]
		err := n.s.write(ctx, "see repositories", func(t *txn) error {
			for _, change := range some {
				if err := change(t); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		changes = changes[len(some):]
	}
	if len(names) == 0 {
		return nil
	}
	return n.s.Mark(ctx, []Mark{{Kind: KindReconcile, OrgID: n.org, InstallationID: installationID, Repository: organisation + "/"}})
}

const (
	selectComparedAt = `SELECT looked_at FROM reconciles WHERE org_id = $1 AND repo_id = $2`
	updateCompared   = `UPDATE reconciles SET repository = $3, looked_at = $4, due_at = $5 WHERE org_id = $1 AND repo_id = $2`
	updateDue        = `UPDATE reconciles SET due_at = $3 WHERE org_id = $1 AND repo_id = $2`
)

// looked notes that a repository was looked at, and says whether it was the first time.
func (n Tenant) looked(t *txn, l Looked) (first bool, err error) {
	var before int64
	err = t.row(selectComparedAt, []any{n.org, l.RepoID}, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	_, err = t.exec(updateCompared, n.org, l.RepoID, l.Repository, micros(n.s.now()), micros(l.NextAt))
	return before == 0, err
}

// ReconcileLater puts off the look at a repository that could not be looked at.
func (n Tenant) ReconcileLater(ctx context.Context, repoID int64, at time.Time) error {
	return n.s.write(ctx, "put off the look at a repository", func(t *txn) error {
		_, err := t.exec(updateDue, n.org, repoID, micros(at))
		return err
	})
}

const (
	updateAllDue     = `UPDATE reconciles SET due_at = $1 WHERE due_at > $1`
	selectReconciler = `SELECT org_id, installation_id, repository FROM jobs WHERE kind = 'reconcile' ORDER BY org_id`
)

// ReconcileAll has every repository of every organisation looked at from a time on, if that is not to
// be before.
func (s *Store) ReconcileAll(ctx context.Context, at time.Time) error {
	return s.write(ctx, "have all repositories looked at", func(t *txn) error {
		if _, err := t.exec(updateAllDue, micros(at)); err != nil {
			return err
		}
		var jobs []Job
		err := t.rows(selectReconciler, nil, func(scan func(...any) error) error {
			m := Mark{Kind: KindReconcile}
			err := scan(&m.OrgID, &m.InstallationID, &m.Repository)
			jobs = append(jobs, m.job())
			return err
		})
		for _, job := range jobs {
			if err == nil { // it finds out itself what is due
				_, err = s.mark(t, job, false, false)
			}
		}
		return err
	})
}
