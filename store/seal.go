package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// maxSealed is how many observations one leaf covers at most.
const maxSealed = 1000

// observationsBody is the body of an observations leaf. The observations themselves stay in
// their table; the body has what is needed to see that one of them was changed or removed.
//
// Field names and order are part of the evidence format; add, never change.
type observationsBody struct {
	V            int                  `json:"v"`
	Observations []observationSummary `json:"observations"`
}

// observationSummary is one observation in the body of a leaf.
type observationSummary struct {
	Seq           int64  `json:"seq"`
	DeliveryID    string `json:"delivery_id"`
	Event         string `json:"event"`
	Action        string `json:"action"`
	ReceivedAt    int64  `json:"received_at"` // microseconds since 1970, UTC
	RepositoryID  int64  `json:"repository_id"`
	Number        int    `json:"number"`
	HeadSHA       string `json:"head_sha"`
	PayloadSHA256 string `json:"payload_sha256"` // of the delivery
	BodySHA256    string `json:"body_sha256"`    // of the observation
}

const observationsBodyVersion = 1

const (
	selectSealed   = `SELECT sealed FROM orgs WHERE org_id = $1`
	selectUnsealed = `SELECT org_id FROM orgs WHERE observed > sealed ORDER BY org_id`
	selectToSeal   = `SELECT seq, delivery_id, event, action, received_at, repo_id, number, head_sha, payload_sha256, body, disposed
FROM observations WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`
	updateSealed = `UPDATE orgs SET sealed = $3 WHERE org_id = $1 AND sealed = $2`
)

// UnsealedOrgs returns the organisations that have observations in no leaf yet, by id.
func (s *Store) UnsealedOrgs(ctx context.Context) ([]int64, error) {
	var out []int64
	err := s.query(ctx, selectUnsealed, nil, func(scan func(...any) error) error {
		var id int64
		if err := scan(&id); err != nil {
			return err
		}
		out = append(out, id)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list organisations with unsealed observations: %w", err)
	}
	return out, nil
}

// SealObservations commits to all observations that are in no leaf yet, at most 1000, in one
// leaf, and returns how many they were. Without any it does nothing.
func (n Tenant) SealObservations(ctx context.Context) (sealed int, err error) {
	what := "seal observations of organisation " + strconv.FormatInt(n.org, 10)
	// Read and digest outside the transaction: others wait for the writer, and observations
	// are never changed.
	var since int64
	if err := n.s.one(ctx, selectSealed, []any{n.org}, &since); errors.Is(err, ErrNotFound) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("store: %s: %w", what, err)
	}
	list, err := n.summaries(ctx, since, maxSealed)
	if err != nil {
		return 0, fmt.Errorf("store: %s: %w", what, err)
	}
	if len(list) == 0 {
		return 0, nil
	}
	b := observationsBody{V: observationsBodyVersion}
	for _, o := range list {
		b.Observations = append(b.Observations, o.observationSummary)
	}
	body, err := json.Marshal(b)
	if err != nil {
		return 0, fmt.Errorf("store: %s: %w", what, err)
	}
	salt := newSalt()
	err = n.s.write(ctx, what, func(t *txn) error {
		moved, err := t.exec(updateSealed, n.org, since, list[len(list)-1].Seq)
		if err != nil {
			return err
		}
		if moved != 1 {
			return ErrConflict // somebody else sealed them
		}
		h, err := n.s.ensureLog(t, n.org)
		if err != nil {
			return err
		}
		_, err = appendLeaf(t, n.org, h, LeafObservations, n.s.moment(), salt, body)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(list), nil
}

// storedObservation is an observation as it is now.
type storedObservation struct {
	observationSummary
	disposed bool // the digest of its body is that of nothing
}

// summaries reads the observations after a seq, as they are now.
func (n Tenant) summaries(ctx context.Context, after int64, limit int) ([]storedObservation, error) {
	var out []storedObservation
	err := n.s.query(ctx, selectToSeal, []any{n.org, after, limit}, func(scan func(...any) error) error {
		var o storedObservation
		var body []byte
		var disposed int
		if err := scan(&o.Seq, &o.DeliveryID, &o.Event, &o.Action, &o.ReceivedAt, &o.RepositoryID, &o.Number, &o.HeadSHA,
			&o.PayloadSHA256, &body, &disposed); err != nil {
			return err
		}
		o.BodySHA256, o.disposed = hexSHA256(body), disposed == 1
		out = append(out, o)
		return nil
	})
	return out, err
}
