package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

const (
	insertContradiction = `INSERT INTO log_contradictions (org_id, origin, witness, size, found_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, origin, witness) DO UPDATE SET size = excluded.size`
	selectContradiction = `SELECT witness, size FROM log_contradictions WHERE org_id = $1 AND origin = $2 ORDER BY size DESC LIMIT 1`
	deleteContradiction = `DELETE FROM log_contradictions WHERE org_id = $1 AND origin = $2 AND witness = $3`
)

// Contradict keeps that a witness, by its public key, was asked about the checkpoint of a size, and
// knows a number of leaves that the log does not extend: from now on nothing is signed under the log's
// name, until that witness cosigns. A log of no more leaves than our newest checkpoint contradicts
// only if other says that the witness knows another root. It returns whether it is a contradiction;
// about a name that the log does not have any more, it is none.
func (n Tenant) Contradict(ctx context.Context, witness string, asked, knows int64, other bool) (bool, error) {
	contradicts := false
	err := n.s.write(ctx, "keep contradiction of organisation "+strconv.FormatInt(n.org, 10), func(t *txn) error {
		origin, present, err := n.originOf(t, asked)
		if err != nil || !present {
			return err
		}
		var signed []byte
		var newest int64
		if err := t.row(selectNewestCheckpoint, []any{n.org}, &signed, &newest); err != nil {
			return err
		}
		// Another process may have signed a larger log, and had it cosigned, a moment ago.
		if contradicts = other || knows > newest; !contradicts {
			return nil
		}
		_, err = t.exec(insertContradiction, n.org, origin, witness, knows, micros(n.s.now()))
		return err
	})
	return contradicts && err == nil, err
}

// originOf is the name in the checkpoint of a size, and whether the log still has it.
func (n Tenant) originOf(t *txn, size int64) (origin string, present bool, err error) {
	h, err := loadLogHead(t, n.org)
	if err != nil {
		return "", false, err
	}
	terms, err := loadTerms(t, n.org)
	if err != nil || len(terms) == 0 {
		return h.origin, true, err
	}
	origin = terms.At(size).Origin
	return origin, origin == terms[len(terms)-1].Origin, nil
}

// contradicted returns ErrFork if somebody knows a log of this name that ours does not extend.
func (n Tenant) contradicted(t *txn, origin string) error {
	var witness string
	var size int64
	switch err := t.row(selectContradiction, []any{n.org, origin}, &witness, &size); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: the witness %s knows %s with %d leaves", ErrFork, witness, origin, size)
}

const (
	selectContradicting = `SELECT DISTINCT witness FROM log_contradictions`
	deleteWitness       = `DELETE FROM log_contradictions WHERE witness = $1`
)

// ForgetOtherWitnesses forgets what witnesses said who are not asked any more.
func (s *Store) ForgetOtherWitnesses(ctx context.Context, asked []string) error {
	return s.write(ctx, "forget witnesses", func(t *txn) error {
		var gone []string
		err := t.rows(selectContradicting, nil, func(scan func(...any) error) error {
			var w string
			err := scan(&w)
			if !slices.Contains(asked, w) {
				gone = append(gone, w)
			}
			return err
		})
		for _, w := range gone {
			if err == nil {
				_, err = t.exec(deleteWitness, w)
			}
		}
		return err
	})
}
