package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SweepDeliveries is the name of the sweep of GitHub's list of deliveries.
const SweepDeliveries = "deliveries"

// LostDelivery is a delivery that GitHub sent and that is not here.
type LostDelivery struct {
	DeliveryID             string // X-GitHub-Delivery
	AttemptID              int64  // GitHub's id of the newest attempt
	Event, Action          string
	InstallationID, RepoID int64 // 0: GitHub names none
	SentAt                 time.Time
	Asked                  int // how often it was asked for again
}

// upsertLost keeps the first time and the newest attempt.
const upsertLost = `INSERT INTO lost_deliveries (delivery_id, attempt_id, event, action, installation_id, repo_id, sent_at, asked, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)
ON CONFLICT (delivery_id) DO UPDATE SET
  attempt_id = CASE WHEN excluded.attempt_id > lost_deliveries.attempt_id THEN excluded.attempt_id ELSE lost_deliveries.attempt_id END,
  sent_at = CASE WHEN excluded.sent_at < lost_deliveries.sent_at THEN excluded.sent_at ELSE lost_deliveries.sent_at END`

// NoteLost keeps those of the deliveries that are not here, and says how many these are.
func (s *Store) NoteLost(ctx context.Context, sent []LostDelivery) (n int, err error) {
	err = s.write(ctx, "note lost deliveries", func(t *txn) error {
		lost, err := notHere(t, sent)
		if err != nil {
			return err
		}
		for _, d := range lost {
			if _, err := t.exec(upsertLost, d.DeliveryID, d.AttemptID, d.Event, d.Action, d.InstallationID, d.RepoID, micros(d.SentAt)); err != nil {
				return err
			}
		}
		n = len(lost)
		return nil
	})
	return n, err
}

// notHere are those of the deliveries that did not arrive.
func notHere(t *txn, sent []LostDelivery) (lost []LostDelivery, err error) {
	for _, d := range sent {
		var here int
		if err := t.row(countDelivery, []any{d.DeliveryID}, &here); err != nil {
			return nil, err
		}
		if here == 0 {
			lost = append(lost, d)
		}
	}
	return lost, nil
}

const (
	deleteFound = `DELETE FROM lost_deliveries WHERE delivery_id IN (SELECT d.delivery_id FROM deliveries d)`
	// Those that were asked for least come first: one that never arrives must not stand before all others.
	selectLost = `SELECT delivery_id, attempt_id, event, action, installation_id, repo_id, sent_at, asked FROM lost_deliveries
WHERE asked_at <= $1 ORDER BY asked, sent_at, delivery_id LIMIT $2`
)

// LostDeliveries forgets those that have arrived and returns those that were not asked for since
// a time, at most limit: first what was asked for least often, then what is oldest.
func (s *Store) LostDeliveries(ctx context.Context, notSince time.Time, limit int) ([]LostDelivery, error) {
	var out []LostDelivery
	err := s.write(ctx, "list lost deliveries", func(t *txn) error {
		if _, err := t.exec(deleteFound); err != nil {
			return err
		}
		return t.rows(selectLost, []any{micros(notSince), limit}, func(scan func(...any) error) error {
			var d LostDelivery
			var at int64
			if err := scan(&d.DeliveryID, &d.AttemptID, &d.Event, &d.Action, &d.InstallationID, &d.RepoID, &at, &d.Asked); err != nil {
				return err
			}
			d.SentAt = fromMicros(at)
			out = append(out, d)
			return nil
		})
	})
	return out, err
}

const markAsked = `UPDATE lost_deliveries SET asked = asked + 1, asked_at = $2 WHERE delivery_id = $1 AND asked_at <= $3`

// AskFor says that a lost delivery is asked for now. It is false when somebody else asked for it
// after the given time, or when it is lost no more.
func (s *Store) AskFor(ctx context.Context, deliveryID string, notSince time.Time) (bool, error) {
	var n int64
	err := s.write(ctx, "ask for delivery "+deliveryID, func(t *txn) (err error) {
		n, err = t.exec(markAsked, deliveryID, micros(s.now()), micros(notSince))
		return err
	})
	return n == 1, err
}

const deleteLost = `DELETE FROM lost_deliveries WHERE delivery_id = $1`

// ForgetLost drops lost deliveries of which nobody knows whose they were.
func (s *Store) ForgetLost(ctx context.Context, lost []LostDelivery) error {
	return s.write(ctx, "forget lost deliveries", func(t *txn) error { return forgetLost(t, lost) })
}

func forgetLost(t *txn, lost []LostDelivery) error {
	for _, d := range lost {
		if _, err := t.exec(deleteLost, d.DeliveryID); err != nil {
			return err
		}
	}
	return nil
}

// GiveUpLost opens the exception about deliveries that cannot be got back, and drops them. One that
// has arrived in the last moment is not among those that about is asked for.
func (n Tenant) GiveUpLost(ctx context.Context, lost []LostDelivery, installation int64, about func(lost []LostDelivery) Exception) error {
	return n.s.write(ctx, "give up lost deliveries", func(t *txn) error {
		still, err := notHere(t, lost)
		if err == nil && len(still) > 0 {
			_, _, err = n.openException(t, about(still), installation)
		}
		if err != nil {
			return err
		}
		return forgetLost(t, lost)
	})
}

const (
	selectOrgOfInstallation = `SELECT COALESCE(MAX(org_id), 0) FROM jobs WHERE installation_id = $1`
	selectInstallationOfOrg = `SELECT COALESCE(MAX(installation_id), 0) FROM jobs WHERE org_id = $1`
)

// OrgOf returns the organisation of an installation; ErrNotFound if nothing ever came from it.
func (s *Store) OrgOf(ctx context.Context, installation int64) (int64, error) {
	var org int64
	err := s.one(ctx, selectOrgOfInstallation, []any{installation}, &org)
	if err == nil && org == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("store: organisation of installation %d: %w", installation, err)
	}
	return org, nil
}

// Installation returns the organisation's newest installation of the App that anything came from;
// 0: none.
func (n Tenant) Installation(ctx context.Context) (int64, error) {
	var id int64
	if err := n.s.one(ctx, selectInstallationOfOrg, []any{n.org}, &id); err != nil {
		return 0, fmt.Errorf("store: installation of organisation %d: %w", n.org, err)
	}
	return id, nil
}

const selectRepositoryName = `SELECT COALESCE(MAX(repository), '') FROM jobs WHERE org_id = $1 AND repo_id = $2 AND repo_id > 0`

// RepositoryName returns the name of a repository that there is a job about; empty: there is none.
func (n Tenant) RepositoryName(ctx context.Context, repoID int64) (string, error) {
	var name string
	if err := n.s.one(ctx, selectRepositoryName, []any{n.org, repoID}, &name); err != nil {
		return "", fmt.Errorf("store: name of repository %d of organisation %d: %w", repoID, n.org, err)
	}
	return name, nil
}

const (
	selectSwept = `SELECT swept_to FROM sweeps WHERE name = $1`
	upsertSwept = `INSERT INTO sweeps (name, swept_to) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET swept_to = CASE WHEN excluded.swept_to > sweeps.swept_to THEN excluded.swept_to ELSE sweeps.swept_to END`
)

// SweptTo returns up to when a sweep has left nothing out; zero: it never ran.
func (s *Store) SweptTo(ctx context.Context, name string) (time.Time, error) {
	var at int64
	if err := s.one(ctx, selectSwept, []any{name}, &at); err != nil && !errors.Is(err, ErrNotFound) {
		return time.Time{}, fmt.Errorf("store: sweep of %s: %w", name, err)
	}
	return fromMicros(at), nil
}

// SetSweptTo says that a sweep has left nothing out up to a time. It is never set back.
func (s *Store) SetSweptTo(ctx context.Context, name string, at time.Time) error {
	return s.write(ctx, "end the sweep of "+name, func(t *txn) error {
		_, err := t.exec(upsertSwept, name, micros(at))
		return err
	})
}
