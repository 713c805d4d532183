package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LogState is how a log stands: what people look at who want to know whether it can be believed.
type LogState struct {
	Origin string // its name now
	Size   int64
	Root   string // base64, as in checkpoints
	// Signed is the size of the newest checkpoint, and Checkpoint its exact text; 0: there is none.
	Signed     int64
	SignedAt   time.Time
	Checkpoint string
	Keys       []LogKey
	// Generations are the times at which it went on under another name, oldest first.
	Generations    []Generation
	Contradictions []Contradiction
}

// Contradiction is a witness that knows a log of a name which ours does not extend.
type Contradiction struct {
	Origin  string
	Witness string // public key
	Size    int64  // leaves that it knows
	FoundAt time.Time
}

const (
	selectSignedState    = `SELECT signed, size, signed_at FROM checkpoints WHERE org_id = $1 ORDER BY size DESC LIMIT 1`
	selectContradictions = `SELECT origin, witness, size, found_at FROM log_contradictions WHERE org_id = $1 ORDER BY found_at, witness`
)

// LogState returns how the log stands; ErrNotFound if there is none.
func (n Tenant) LogState(ctx context.Context) (LogState, error) {
	h, terms, err := n.named(ctx)
	if err != nil {
		return LogState{}, fmt.Errorf("store: log of organisation %d: %w", n.org, err)
	}
	out := LogState{Origin: nameOf(h, terms), Size: h.size, Root: h.root.String()}
	var signed []byte
	var at int64
	err = n.s.one(ctx, selectSignedState, []any{n.org}, &signed, &out.Signed, &at)
	if err == nil {
		out.Checkpoint, out.SignedAt = string(signed), fromMicros(at)
	} else if !errors.Is(err, ErrNotFound) {
		return LogState{}, fmt.Errorf("store: newest checkpoint of organisation %d: %w", n.org, err)
	}
	if out.Keys, err = n.LogKeys(ctx); err != nil && !errors.Is(err, ErrNoSigner) {
		return LogState{}, err
	}
	if out.Generations, err = n.generations(ctx); err != nil {
		return LogState{}, err
	}
	err = n.s.query(ctx, selectContradictions, []any{n.org}, func(scan func(...any) error) error {
		var c Contradiction
		var found int64
		err := scan(&c.Origin, &c.Witness, &c.Size, &found)
		c.FoundAt = fromMicros(found)
		out.Contradictions = append(out.Contradictions, c)
		return err
	})
	if err != nil {
		return LogState{}, fmt.Errorf("store: contradictions of organisation %d: %w", n.org, err)
	}
	return out, nil
}

// generations are what the log's own leaves say of the times at which it got another name.
func (n Tenant) generations(ctx context.Context) (out []Generation, err error) {
	err = n.recordsOf(ctx, LeafGeneration, func(l ledger.Leaf, body []byte) error {
		var b generationBody
		if err := json.Unmarshal(body, &b); err != nil {
			return err
		}
		out = append(out, Generation{l.Seq, b.Origin, b.LastSize, b.Size, b.LostFrom, b.LostTo})
		return nil
	})
	return out, err
}

const selectLastCosignature = `SELECT size, cosigned_at FROM cosignatures WHERE org_id = $1 AND witness = $2 ORDER BY size DESC LIMIT 1`

// LastCosigned returns of how many leaves a witness, by its public key, cosigned the newest
// checkpoint that it did, and when that was kept; 0: it cosigned none.
func (n Tenant) LastCosigned(ctx context.Context, witness string) (size int64, at time.Time, err error) {
	var kept int64
	err = n.s.one(ctx, selectLastCosignature, []any{n.org, witness}, &size, &kept)
	if errors.Is(err, ErrNotFound) {
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("store: what is cosigned of organisation %d: %w", n.org, err)
	}
	return size, fromMicros(kept), nil
}

const selectAccessesBelow = `SELECT leaf, body FROM log_leaves WHERE org_id = $1 AND kind = '` + LeafAccess + `' AND leaf_index < $2 ORDER BY leaf_index DESC LIMIT $3`

// AccessesBelow returns the newest accesses whose leaves are below one, newest first. Those whose
// bodies were disposed of have no What.
func (n Tenant) AccessesBelow(ctx context.Context, leaf int64, limit int) (out []Accessed, err error) {
	err = n.s.query(ctx, selectAccessesBelow, []any{n.org, leaf, limit}, func(scan func(...any) error) error {
		var raw, body []byte
		if err := scan(&raw, &body); err != nil {
			return err
		}
		l, err := ledger.DecodeLeaf(raw)
		if err != nil {
			return err
		}
		a := Accessed{LeafIndex: l.Seq, Access: Access{At: l.RecordedAt}}
		if body != nil {
			err = json.Unmarshal(body, &a.Access)
		}
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: accesses of organisation %d: %w", n.org, err)
	}
	return out, nil
}

// LeafSince returns the index of the first leaf that was recorded at a time or after it; the size of
// the log if there is none. It trusts that leaves follow each other in time, and reads few of them.
func (n Tenant) LeafSince(ctx context.Context, at time.Time) (int64, error) {
	h, err := n.head(ctx)
	if err != nil {
		return 0, fmt.Errorf("store: log of organisation %d: %w", n.org, err)
	}
	low, high := int64(0), h.size
	for low < high {
		middle := low + (high-low)/2
		var raw []byte
		if err := n.s.one(ctx, selectLeaf, []any{n.org, middle}, &raw); err != nil {
			return 0, fmt.Errorf("store: leaf %d of organisation %d: %w", middle, n.org, err)
		}
		l, err := ledger.DecodeLeaf(raw)
		if err != nil {
			return 0, err
		}
		if l.RecordedAt.Before(at) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}
