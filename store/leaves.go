package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// LeafDraw is the kind of the leaves that say which samples were drawn for audits.
const LeafDraw = "draw"

const selectLeavesBelow = `SELECT leaf FROM log_leaves WHERE org_id = $1 AND leaf_index < $2 ORDER BY leaf_index`

// Leaves calls each for the first leaves of the log, as many as size says, in order, with their
// exact bytes.
func (n Tenant) Leaves(ctx context.Context, size int64, each func(leaf []byte) error) error {
	var read int64
	err := n.s.query(ctx, selectLeavesBelow, []any{n.org, size}, func(scan func(...any) error) error {
		var leaf []byte
		if err := scan(&leaf); err != nil {
			return err
		}
		read++
		return each(leaf)
	})
	if err == nil && read != size {
		err = fmt.Errorf("%w: %d of %d leaves are there", ErrNotFound, read, size)
	}
	if err != nil {
		return fmt.Errorf("store: leaves of organisation %d: %w", n.org, err)
	}
	return nil
}

const (
	selectRecord  = `SELECT leaf, salt, body FROM log_leaves WHERE org_id = $1 AND leaf_index = $2`
	selectOfKinds = `SELECT leaf, salt, body FROM log_leaves
WHERE org_id = $1 AND leaf_index < $2 AND kind IN ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ORDER BY leaf_index`
	maxKinds = 16 // placeholders
)

// Records calls each for those of the first leaves that are of one of these kinds, in order, with
// the salt and the body of the record; both are nil when they were disposed of.
func (n Tenant) Records(ctx context.Context, size int64, kinds []string, each func(leaf, salt, body []byte) error) error {
	args := []any{n.org, size}
	for i := range maxKinds {
		if i < len(kinds) {
			args = append(args, kinds[i])
		} else {
			args = append(args, "") // no leaf's
		}
	}
	if len(kinds) > maxKinds {
		return fmt.Errorf("%w: records of %d kinds", ErrInvalid, len(kinds))
	}
	err := n.s.query(ctx, selectOfKinds, args, func(scan func(...any) error) error {
		var leaf, salt, body []byte
		if err := scan(&leaf, &salt, &body); err != nil {
			return err
		}
		return each(leaf, salt, body)
	})
	if err != nil {
		return fmt.Errorf("store: records of organisation %d: %w", n.org, err)
	}
	return nil
}

// RecordAt is the record of one leaf; salt and body are nil when they were disposed of.
func (n Tenant) RecordAt(ctx context.Context, index int64) (leaf, salt, body []byte, err error) {
	if err := n.s.one(ctx, selectRecord, []any{n.org, index}, &leaf, &salt, &body); err != nil {
		return nil, nil, nil, fmt.Errorf("store: leaf %d of organisation %d: %w", index, n.org, err)
	}
	return leaf, salt, body, nil
}

// RecordDraw adds the record of a draw to the log.
func (n Tenant) RecordDraw(ctx context.Context, body []byte) error {
	if !json.Valid(body) {
		return fmt.Errorf("%w: a draw that is not JSON", ErrInvalid)
	}
	return n.s.write(ctx, "record a draw", func(t *txn) error {
		_, err := n.appendRecord(t, LeafDraw, n.s.moment(), body)
		return err
	})
}
