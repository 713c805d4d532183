package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LeafMerge is the kind of the leaves that say what an update of an enrolled branch brought, and
// what had been decided about it.
const LeafMerge = "merge"

// Branch is a branch whose updates are compared with the decisions about them.
type Branch struct {
	RepoID     int64
	Repository string // owner/name
	Ref        string // without refs/heads/
	Mode       string // "enforce" or "audit"
	// ActivityID is the newest entry of GitHub's activity that was looked at, Tip the commit that
	// it led to.
	ActivityID int64
	Tip        string
	// Seq is the observation up to which every push was found in the activity.
	Seq   int64
	Since time.Time
	// BlindSince is since when GitHub's activity cannot be read; zero: it can.
	BlindSince time.Time
}

const (
	selectBranch = `SELECT repo_id, repository, ref, mode, activity_id, tip, seq, since, blind_since FROM branches
WHERE org_id = $1 AND repo_id = $2 AND ref = $3`
	selectBranches = `SELECT repo_id, repository, ref, mode, activity_id, tip, seq, since, blind_since FROM branches
WHERE org_id = $1 AND (repo_id = $2 OR $2 = 0) ORDER BY repo_id, ref`
)

// Branch returns a branch that is followed; ErrNotFound if it is not.
func (n Tenant) Branch(ctx context.Context, repoID int64, ref string) (Branch, error) {
	list, err := n.branches(ctx, selectBranch, n.org, repoID, ref)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: branch %s of repository %d: %w", ref, repoID, ErrNotFound)
	}
	if err != nil {
		return Branch{}, err
	}
	return list[0], nil
}

// Branches returns the branches that are followed, of one repository or of all (0).
func (n Tenant) Branches(ctx context.Context, repoID int64) ([]Branch, error) {
	return n.branches(ctx, selectBranches, n.org, repoID)
}

func (n Tenant) branches(ctx context.Context, query string, args ...any) ([]Branch, error) {
	var out []Branch
	err := n.s.query(ctx, query, args, func(scan func(...any) error) error {
		b, err := scanBranch(scan)
		out = append(out, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list branches: %w", err)
	}
	return out, nil
}

func scanBranch(scan func(...any) error) (b Branch, err error) {
	var since, blind int64
	err = scan(&b.RepoID, &b.Repository, &b.Ref, &b.Mode, &b.ActivityID, &b.Tip, &b.Seq, &since, &blind)
	b.Since, b.BlindSince = fromMicros(since), fromMicros(blind)
	return b, err
}

const selectFollowed = `SELECT repo_id, repository, ref FROM branches WHERE org_id = $1 AND (repo_id = $2 OR $2 = 0) ORDER BY repo_id, ref`

// followedBranches are the marks that a mark of branches leads to.
func followedBranches(t *txn, b BranchMark) (marks []Mark, err error) {
	err = t.rows(selectFollowed, []any{b.OrgID, b.RepoID}, func(scan func(...any) error) error {
		m := Mark{Kind: KindBranch, OrgID: b.OrgID, InstallationID: b.InstallationID, Noisy: true}
		err := scan(&m.RepoID, &m.Repository, &m.Ref)
		marks = append(marks, m)
		return err
	})
	return marks, err
}

const (
	upsertBranch = `INSERT INTO branches (org_id, repo_id, ref, repository, mode, activity_id, tip, seq, since, blind_since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (org_id, repo_id, ref) DO UPDATE SET repository = excluded.repository, mode = excluded.mode,
  activity_id = excluded.activity_id, tip = excluded.tip, seq = excluded.seq, blind_since = excluded.blind_since`
	deleteBranch = `DELETE FROM branches WHERE org_id = $1 AND repo_id = $2 AND ref = $3`
)

// saveBranch writes a branch under the lease of its job.
func (n Tenant) saveBranch(t *txn, job Job, b Branch) error {
	if job.OrgID != n.org || job.Kind != KindBranch || job.RepoID != b.RepoID || job.Ref != b.Ref {
		return fmt.Errorf("%w: branch %s of repository %d for job %s %s", ErrInvalid, b.Ref, b.RepoID, job.Kind, job.Key)
	}
	if _, err := hold(t, job); err != nil {
		return err
	}
	_, err := t.exec(upsertBranch, n.org, b.RepoID, b.Ref, b.Repository, b.Mode, b.ActivityID, b.Tip, b.Seq, micros(b.Since), micros(b.BlindSince))
	return err
}

// SettleBranch writes how far a branch was looked at with the exceptions that this opened, and
// finishes the job, which looks again at the given time.
func (n Tenant) SettleBranch(ctx context.Context, job Job, b Branch, open []Exception, again time.Time) error {
	return n.s.write(ctx, "settle branch "+job.Key, func(t *txn) error {
		if err := n.saveBranch(t, job, b); err != nil {
			return err
		}
		if err := finish(t, job); err != nil {
			return err
		}
		if err := n.s.schedule(t, job, again); err != nil {
			return err
		}
		return n.openAll(t, job, open)
	})
}

// Update is one update of a branch that is followed.
type Update struct {
	ActivityID         int64
	Before, After      string
	Type               string
	ActorID            int64
	Actor              string
	At                 time.Time // GitHub's
	Seq                int64     // of the delivery that told of it; 0: none did
	DeliveryID         string
	ReceivedAt         time.Time
	Findings           int
	LeafIndex          int64           // set by RecordUpdate
	Body               json.RawMessage // of its leaf; JSON, required
	RepositoryID       int64           // set by Updates
	Ref                string          // set by Updates
	MissedByDeliveries bool            // set by Updates: no delivery told of it
}

const (
	insertUpdate = `INSERT INTO branch_updates (org_id, repo_id, activity_id, ref, before_sha, after_sha, type, actor_id, actor, at,
  source, seq, delivery_id, received_at, findings, leaf_index)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (org_id, repo_id, activity_id) DO NOTHING`
	updateKnown = `SELECT COUNT(*) FROM branch_updates WHERE org_id = $1 AND repo_id = $2 AND activity_id = $3`
)

// RecordUpdate commits what was found about an update: its row, its leaf, the exceptions that it
// opens and how far the branch was looked at. All of it or nothing. The job is kept. An update
// that was recorded before, perhaps while the branch had another name, only moves the branch on.
// ErrLeaseLost if the job's lease is not held any more.
func (n Tenant) RecordUpdate(ctx context.Context, job Job, b Branch, u Update, open []Exception) error {
	if !json.Valid(u.Body) || u.ActivityID <= 0 || b.ActivityID != u.ActivityID {
		return fmt.Errorf("%w: update %d of branch %s", ErrInvalid, u.ActivityID, job.Key)
	}
	_, items, err := countedUpdate(u.Body)
	if err != nil {
		return err
	}
	return n.s.write(ctx, "record update of branch "+job.Key, func(t *txn) error {
		if err := n.saveBranch(t, job, b); err != nil {
			return err
		}
		var known int
		if err := t.row(updateKnown, []any{n.org, b.RepoID, u.ActivityID}, &known); err != nil || known > 0 {
			return err
		}
		if err := n.openAll(t, job, open); err != nil {
			return err
		}
		if err := n.markNumbers(t, job, open); err != nil {
			return err
		}
		leaf, err := n.appendRecord(t, LeafMerge, n.s.moment(), u.Body)
		if err != nil {
			return err
		}
		source := "activity"
		if u.Seq > 0 {
			source = "delivery"
		}
		if _, err = t.exec(insertUpdate, n.org, b.RepoID, u.ActivityID, b.Ref, u.Before, u.After, u.Type, u.ActorID, u.Actor, micros(u.At),
			source, u.Seq, u.DeliveryID, micros(u.ReceivedAt), u.Findings, leaf); err != nil {
			return err
		}
		return merge(t, mergedUpdate{n.org, b.RepoID, u.ActivityID, b.Repository, b.Ref, micros(u.At), leaf, items})
	})
}

func (n Tenant) openAll(t *txn, job Job, open []Exception) error {
	for _, e := range open {
		if _, _, err := n.openException(t, e, job.InstallationID); err != nil {
			return err
		}
	}
	return nil
}

// markNumbers has the pull requests of exceptions looked at: what was missing when they were merged
// may have come since.
func (n Tenant) markNumbers(t *txn, job Job, open []Exception) error {
	for _, e := range open {
		if e.Number == 0 {
			continue
		}
		m := Mark{OrgID: n.org, InstallationID: job.InstallationID, RepoID: job.RepoID, Repository: e.Repository, Number: e.Number}
		if _, err := n.s.mark(t, m.job(), false, false); err != nil {
			return err
		}
	}
	return nil
}

const selectUpdates = `SELECT u.activity_id, u.ref, u.before_sha, u.after_sha, u.type, u.actor_id, u.actor, u.at, u.seq, u.delivery_id, u.received_at,
  u.findings, u.leaf_index, l.body
FROM branch_updates u JOIN log_leaves l ON l.org_id = u.org_id AND l.leaf_index = u.leaf_index
WHERE u.org_id = $1 AND u.repo_id = $2 AND l.body IS NOT NULL ORDER BY u.leaf_index`

// Updates returns every update of the followed branches of a repository, in the order in which
// they were recorded.
func (n Tenant) Updates(ctx context.Context, repoID int64) ([]Update, error) {
	var out []Update
	err := n.s.query(ctx, selectUpdates, []any{n.org, repoID}, func(scan func(...any) error) error {
		u := Update{RepositoryID: repoID}
		var at, received int64
		var body []byte
		err := scan(&u.ActivityID, &u.Ref, &u.Before, &u.After, &u.Type, &u.ActorID, &u.Actor, &at, &u.Seq, &u.DeliveryID, &received,
			&u.Findings, &u.LeafIndex, &body)
		u.At, u.ReceivedAt, u.Body, u.MissedByDeliveries = fromMicros(at), fromMicros(received), body, u.Seq == 0
		out = append(out, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list updates of repository %d: %w", repoID, err)
	}
	return out, nil
}

const selectBefore = `SELECT before_sha FROM branch_updates WHERE org_id = $1 AND repo_id = $2 AND activity_id = $3`

// TipBefore returns where a branch was before an update; ErrNotFound if that is not on record.
func (n Tenant) TipBefore(ctx context.Context, repoID, activityID int64) (tip string, err error) {
	if err = n.s.one(ctx, selectBefore, []any{n.org, repoID, activityID}, &tip); err != nil {
		err = fmt.Errorf("store: update %d of repository %d: %w", activityID, repoID, err)
	}
	return tip, err
}

const selectDeleted = `SELECT before_sha FROM branch_updates
WHERE org_id = $1 AND repo_id = $2 AND ref = $3 AND type = 'branch_deletion' ORDER BY leaf_index DESC LIMIT 1`

// TipWhenDeleted is the commit that a branch was at when it was last deleted; empty: no deletion
// of it was looked at.
func (n Tenant) TipWhenDeleted(ctx context.Context, repoID int64, ref string) (tip string, err error) {
	err = n.s.one(ctx, selectDeleted, []any{n.org, repoID, ref}, &tip)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return tip, err
}

const selectPushes = `SELECT seq, delivery_id, event, action, received_at, repo_id, number, head_sha, body, disposed
FROM observations WHERE org_id = $1 AND repo_id = $2 AND seq > $3 AND event = 'push' ORDER BY seq`

// PushesAfter returns the pushes to a repository that were received after an observation, in
// order of receipt.
func (n Tenant) PushesAfter(ctx context.Context, repoID, seq int64) ([]Observation, error) {
	return n.observations(ctx, selectPushes, repoID, seq)
}

const (
	selectBeforeMerge = `SELECT record_id FROM decisions
WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND head_sha = $4 AND recorded_at <= $5 ORDER BY leaf_index DESC LIMIT 1`
	selectAfterMerge = `SELECT record_id FROM decisions
WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND head_sha = $4 AND recorded_at > $5 ORDER BY leaf_index LIMIT 1`
)

// DecisionsAround returns the newest decision about a head of a pull request (0: about a merge
// group) from up to a time, and the first from after it. Nil: there is none.
func (n Tenant) DecisionsAround(ctx context.Context, repoID int64, number int, headSHA string, at time.Time) (before, after *Decided, err error) {
	for _, q := range []struct {
		query string
		into  **Decided
	}{{selectBeforeMerge, &before}, {selectAfterMerge, &after}} {
		var record string
		err := n.s.one(ctx, q.query, []any{n.org, repoID, number, headSHA, micros(at)}, &record)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		var d Decided
		if err == nil {
			d, err = n.Decision(ctx, record)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("store: decisions about %s: %w", headSHA, err)
		}
		*q.into = &d
	}
	return before, after, nil
}
