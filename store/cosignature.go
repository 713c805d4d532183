package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/countersign/countersign/ledger"
)

// Uncosigned is a log whose newest checkpoint a witness has not cosigned.
type Uncosigned struct {
	OrgID  int64
	Size   int64 // of the newest checkpoint
	Before int64 // of the newest that the witness cosigned; 0: none
}

const selectUncosigned = `SELECT org_id, size, cosigned FROM (SELECT c.org_id, MAX(c.size) AS size,
    COALESCE((SELECT MAX(s.size) FROM cosignatures s WHERE s.org_id = c.org_id AND s.witness = $1), 0) AS cosigned
  FROM checkpoints c GROUP BY c.org_id) AS newest
WHERE size > cosigned OR $2 = 1 ORDER BY org_id`

// Uncosigned returns the logs that a witness, by its public key, has to be asked about, by
// organisation. With all set, it returns those as well whose newest checkpoint it has cosigned.
func (s *Store) Uncosigned(ctx context.Context, witness string, all bool) ([]Uncosigned, error) {
	var out []Uncosigned
	err := s.query(ctx, selectUncosigned, []any{witness, bit(all)}, func(scan func(...any) error) error {
		var u Uncosigned
		err := scan(&u.OrgID, &u.Size, &u.Before)
		out = append(out, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list logs to cosign: %w", err)
	}
	return out, nil
}

// Extension returns the signed checkpoint of a size, and the proof that it extends the log of old
// leaves, checked against the hashes of both. ErrNotFound if there is no such checkpoint.
func (n Tenant) Extension(ctx context.Context, old, size int64) (signed []byte, proof []ledger.Hash, err error) {
	what := fmt.Sprintf("store: prove that %d leaves of organisation %d extend %d", size, n.org, old)
	if signed, err = n.CheckpointAt(ctx, size); err != nil {
		return nil, nil, err
	}
	hashes := n.hashes(ctx)
	before, err := ledger.Root(old, hashes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	now, err := ledger.Root(size, hashes)
	if err == nil {
		proof, err = ledger.Consistency(old, before, size, now, hashes)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	return signed, proof, nil
}

const insertCosignature = `INSERT INTO cosignatures (org_id, witness, size, lines, cosigned_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, witness, size) DO UPDATE SET lines = excluded.lines, cosigned_at = excluded.cosigned_at`

// Cosign keeps the cosignatures of a witness, by its public key, beside the checkpoint of a size. What
// the witness said against the log is settled by them.
// ledger.ErrCheckpoint, and nothing is written, if they are not those of that checkpoint.
func (n Tenant) Cosign(ctx context.Context, size int64, witness string, lines []byte) error {
	what := "keep cosignature of organisation " + strconv.FormatInt(n.org, 10)
	verifier, err := ledger.ParseWitness(witness)
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return n.s.write(ctx, what, func(t *txn) error {
		var signed []byte
		if err := t.row(selectCheckpointAt, []any{n.org, size}, &signed); err != nil {
			return err
		}
		lines, err := ledger.Cosignatures(signed, lines, verifier)
		if err != nil {
			return err
		}
		if _, err := t.exec(insertCosignature, n.org, witness, size, lines, micros(n.s.now())); err != nil {
			return err
		}
		origin, _, err := n.originOf(t, size)
		if err != nil {
			return err
		}
		_, err = t.exec(deleteContradiction, n.org, origin, witness)
		return err
	})
}

const selectCosignatures = `SELECT lines FROM cosignatures WHERE org_id = $1 AND size = $2 ORDER BY witness`

// CosignedCheckpoint is NewestCheckpoint with the cosignatures that it has so far.
func (n Tenant) CosignedCheckpoint(ctx context.Context) ([]byte, error) {
	signed, size, err := n.NewestCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	err = n.s.query(ctx, selectCosignatures, []any{n.org, size}, func(scan func(...any) error) error {
		var lines []byte
		err := scan(&lines)
		signed = append(signed, lines...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: cosignatures of organisation %d: %w", n.org, err)
	}
	return signed, nil
}

const selectAllCosignatures = `SELECT s.size, s.witness, s.lines, c.signed FROM cosignatures s
JOIN checkpoints c ON c.org_id = s.org_id AND c.size = s.size WHERE s.org_id = $1 ORDER BY s.size, s.witness`

// checkCosignatures checks every cosignature by the key of the witness that it was kept with.
// Whether that is the key of anybody's witness is not said here.
func (c *checker) checkCosignatures(ctx context.Context) error {
	return c.n.s.query(ctx, selectAllCosignatures, []any{c.n.org}, func(scan func(...any) error) error {
		var size int64
		var witness string
		var lines, signed []byte
		if err := scan(&size, &witness, &lines, &signed); err != nil {
			return err
		}
		verifier, err := ledger.ParseWitness(witness)
		if err == nil {
			_, err = ledger.Cosignatures(signed, lines, verifier)
		}
		if errors.Is(err, ledger.ErrKey) || errors.Is(err, ledger.ErrCheckpoint) {
			return bad(size-1, "checkpoint of %d leaves: %v", size, err)
		}
		c.report.Cosignatures++
		return err
	})
}
