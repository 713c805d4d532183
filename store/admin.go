package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"
)

// JobLine is a job of the organisation that waits, runs or was given up.
type JobLine struct {
	ID         int64
	Kind       string
	Repository string
	Number     int
	HeadSHA    string
	CheckName  string
	Ref        string
	Attempts   int
	Dead       bool
	Running    bool
	DueAt      time.Time
	EnqueuedAt time.Time // oldest mark that was not served
	Cause      string    // of the last failure; empty: there was none
	FailedAt   time.Time
}

// OfOrganisation says whether the job is about no single repository.
func (j JobLine) OfOrganisation() bool {
	switch j.Kind {
	case KindRegister, KindScope, KindBackfill, KindReconcile, KindFirstDay:
		return true
	}
	return false
}

const selectJobLines = `SELECT id, kind, repository, number, head_sha, check_name, ref, attempts, dead,
  CASE WHEN lease_until > $2 THEN 1 ELSE 0 END, run_at, enqueued_at, last_error, last_error_at
FROM jobs WHERE org_id = $1 AND (wanted_gen > done_gen OR dead = 1) ORDER BY dead DESC, run_at, id LIMIT $3`

// Jobs lists what is not done: first what was given up, then what is due next.
func (n Tenant) Jobs(ctx context.Context, limit int) (out []JobLine, err error) {
	err = n.s.query(ctx, selectJobLines, []any{n.org, micros(n.s.now()), limit}, func(scan func(...any) error) error {
		var j JobLine
		var dead, running int
		var due, enqueued, failed int64
		if err := scan(&j.ID, &j.Kind, &j.Repository, &j.Number, &j.HeadSHA, &j.CheckName, &j.Ref, &j.Attempts, &dead, &running, &due, &enqueued, &j.Cause, &failed); err != nil {
			return err
		}
		j.Dead, j.Running, j.DueAt, j.EnqueuedAt, j.FailedAt = dead == 1, running == 1, fromMicros(due), fromMicros(enqueued), fromMicros(failed)
		out = append(out, j)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list jobs of organisation %d: %w", n.org, err)
	}
	return out, nil
}

const selectJobToRevive = `SELECT kind, ukey, installation_id, repo_id, repository, number, head_sha, check_name, ref, delivery_id FROM jobs WHERE org_id = $1 AND id = $2 AND dead = 1`

// Revive takes a job that was given up again. ErrNotFound if there is none with this id.
func (n Tenant) Revive(ctx context.Context, id int64) error {
	return n.s.write(ctx, "revive a job", func(t *txn) error {
		j := Job{OrgID: n.org}
		if err := found(t.row(selectJobToRevive, []any{n.org, id}, &j.Kind, &j.Key, &j.InstallationID, &j.RepoID, &j.Repository, &j.Number, &j.HeadSHA, &j.CheckName, &j.Ref, &j.DeliveryID)); err != nil {
			return err
		}
		_, err := n.s.mark(t, j, false, true)
		return err
	})
}

// found is ErrNotFound for a row that is not there.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// DeliveryLine is a webhook of the organisation that is still kept.
type DeliveryLine struct {
	ID         string
	Event      string
	Action     string
	RepoID     int64
	ReceivedAt time.Time
	// Number is the pull request that it was about; 0: none.
	Number int
	// Why says why it could not be used; empty: it was.
	Why string
}

const selectDeliveryLines = `SELECT d.delivery_id, d.event, d.action, d.repo_id, d.received_at, COALESCE(o.number, 0), d.undecodable
FROM deliveries d LEFT JOIN observations o ON o.org_id = d.org_id AND o.delivery_id = d.delivery_id
WHERE d.org_id = $1 AND d.disposed = 0 AND (d.received_at < $2 OR d.received_at = $2 AND d.delivery_id < $3)
ORDER BY d.received_at DESC, d.delivery_id DESC LIMIT $4`

// Deliveries lists the webhooks that came before one, newest first; the zero DeliveryLine begins.
func (n Tenant) Deliveries(ctx context.Context, before DeliveryLine, limit int) (out []DeliveryLine, err error) {
	at := int64(math.MaxInt64)
	if !before.ReceivedAt.IsZero() {
		at = micros(before.ReceivedAt)
	}
	err = n.s.query(ctx, selectDeliveryLines, []any{n.org, at, before.ID, limit}, func(scan func(...any) error) error {
		var d DeliveryLine
		var received int64
		if err := scan(&d.ID, &d.Event, &d.Action, &d.RepoID, &received, &d.Number, &d.Why); err != nil {
			return err
		}
		d.ReceivedAt = fromMicros(received)
		out = append(out, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list deliveries of organisation %d: %w", n.org, err)
	}
	return out, nil
}

const selectDeliverySubject = `SELECT o.repo_id, o.number, c.repository, c.installation_id FROM observations o
JOIN changes c ON c.org_id = o.org_id AND c.repo_id = o.repo_id AND c.number = o.number
WHERE o.org_id = $1 AND o.delivery_id = $2 AND o.number > 0`

// Replay has the pull request of a delivery looked at again, as if the delivery had just come. What
// it said stays as it was received. ErrNotFound if it was about none.
func (n Tenant) Replay(ctx context.Context, deliveryID string) error {
	return n.s.write(ctx, "replay a delivery", func(t *txn) error {
		m := Mark{OrgID: n.org}
		if err := found(t.row(selectDeliverySubject, []any{n.org, deliveryID}, &m.RepoID, &m.Number, &m.Repository, &m.InstallationID)); err != nil {
			return err
		}
		_, err := n.s.mark(t, m.job(), false, false)
		return err
	})
}
