package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafHold is the kind of the leaves that say which legal holds were placed and released.
const LeafHold = "hold"

// The steps of a legal hold.
const (
	HoldPlaced   = "placed"
	HoldReleased = "released"
)

// LegalHold is a step of a legal hold: while it is in force, nothing that it covers is disposed of.
// It is the body of its leaf. The log is the only place that knows of it, so that nobody takes a
// hold away without a trace.
//
// Field names and order are part of the evidence format; add, never change.
type LegalHold struct {
	V    int    `json:"v"`
	ID   string `json:"id"`   // random
	Step string `json:"step"` // "placed" or "released"
	By   Who    `json:"by"`
	// Reason is why the step was taken.
	Reason     string    `json:"reason"`
	RepoID     int64     `json:"repository_id"`  // 0: all of the organisation
	Repository string    `json:"repository"`     // owner/name; empty: all of the organisation
	Until      time.Time `json:"until,omitzero"` // it ends by itself then; zero: it does not
	At         time.Time `json:"at"`             // UTC, to the microsecond
}

const holdVersion = 1

// Held is a legal hold as it is now.
type Held struct {
	LegalHold  // the step that placed it
	LeafIndex  int64
	ReleasedAt time.Time // zero: it was not released
}

// InForce says whether the hold stops what it covers at a time.
func (h Held) InForce(at time.Time) bool {
	return h.ReleasedAt.IsZero() && (h.Until.IsZero() || at.Before(h.Until))
}

// PlaceHold puts a hold into force. ID, Step and At are set.
func (n Tenant) PlaceHold(ctx context.Context, h LegalHold) (LegalHold, error) {
	h.ID, h.Step = newRecordID(), HoldPlaced
	if h.Reason == "" || !h.By.known() || (h.RepoID == 0) != (h.Repository == "") {
		return h, fmt.Errorf("%w: a hold needs a reason and who places it", ErrInvalid)
	}
	err := n.s.write(ctx, "place a hold", func(t *txn) error {
		if !h.Until.IsZero() && !n.s.now().Before(h.Until) {
			return fmt.Errorf("%w: the hold would have ended already", ErrInvalid)
		}
		return n.recordHold(t, &h)
	})
	return h, err
}

// ReleaseHold ends a hold. ErrNotFound if there is none with this id in force.
func (n Tenant) ReleaseHold(ctx context.Context, id string, by Who, reason string) error {
	if reason == "" || !by.known() {
		return fmt.Errorf("%w: a release needs a reason and who releases", ErrInvalid)
	}
	return n.s.write(ctx, "release hold "+id, func(t *txn) error {
		list, err := holdsIn(t, n.org)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(h Held) bool { return h.ID == id && h.InForce(n.s.now()) })
		if i < 0 {
			return ErrNotFound
		}
		h := list[i].LegalHold
		h.Step, h.By, h.Reason = HoldReleased, by, reason
		return n.recordHold(t, &h)
	})
}

func (n Tenant) recordHold(t *txn, h *LegalHold) error {
	h.V, h.At = holdVersion, n.s.moment()
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = n.appendRecord(t, LeafHold, h.At, body)
	return err
}

// Holds returns every hold that was ever placed, oldest first.
func (n Tenant) Holds(ctx context.Context) ([]Held, error) {
	var f foldedHolds
	err := n.recordsOf(ctx, LeafHold, f.add)
	return f, err
}

func holdsIn(t *txn, org int64) ([]Held, error) {
	var f foldedHolds
	err := t.rows(selectOfKind, []any{org, LeafHold}, func(scan func(...any) error) error {
		var leaf, body []byte
		if err := scan(&leaf, &body); err != nil {
			return err
		}
		l, err := ledger.DecodeLeaf(leaf)
		if err != nil {
			return err
		}
		return f.add(l, body)
	})
	return f, err
}

// foldedHolds are holds as their steps leave them.
type foldedHolds []Held

func (f *foldedHolds) add(l ledger.Leaf, body []byte) error {
	var h LegalHold
	if err := json.Unmarshal(body, &h); err != nil {
		return fmt.Errorf("hold of leaf %d: %w", l.Seq, err)
	}
	if h.Step == HoldPlaced {
		*f = append(*f, Held{LegalHold: h, LeafIndex: l.Seq})
		return nil
	}
	for i := range *f {
		if (*f)[i].ID == h.ID {
			(*f)[i].ReleasedAt = h.At
			return nil
		}
	}
	return fmt.Errorf("leaf %d releases hold %s: %w", l.Seq, h.ID, ErrNotFound)
}

// coverage is what the holds in force cover.
type coverage struct {
	all          bool
	repositories map[int64]bool
}

func coverageIn(t *txn, org int64, at time.Time) (coverage, error) {
	list, err := holdsIn(t, org)
	c := coverage{repositories: map[int64]bool{}}
	for _, h := range list {
		switch {
		case !h.InForce(at):
		case h.RepoID == 0:
			c.all = true
		default:
			c.repositories[h.RepoID] = true
		}
	}
	return c, err
}

// any says whether there is a hold in force at all.
func (c coverage) any() bool { return c.all || len(c.repositories) > 0 }

// covers says whether a hold stops the disposal of what is about these repositories. What is about
// none in particular (0) is covered by every hold.
func (c coverage) covers(repositories ...int64) bool {
	return c.all || slices.ContainsFunc(repositories, func(id int64) bool { return c.repositories[id] || id == 0 && c.any() })
}

const selectRepositoryIDs = `SELECT repo_id FROM changes WHERE org_id = $1 AND lower(repository) = lower($2)
UNION SELECT repo_id FROM branches WHERE org_id = $1 AND lower(repository) = lower($2)
UNION SELECT repo_id FROM decisions WHERE org_id = $1 AND lower(repository) = lower($2) ORDER BY 1`

// RepositoryIDs returns the ids of the repositories that ever had a name, owner/name, as far as
// records say: a name is used again. ErrNotFound if there is none.
func (n Tenant) RepositoryIDs(ctx context.Context, name string) ([]int64, error) {
	var out []int64
	err := n.s.query(ctx, selectRepositoryIDs, []any{n.org, name}, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		out = append(out, id)
		return err
	})
	if err == nil && len(out) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: repository %s: %w", name, err)
	}
	return out, nil
}
