package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LeafRegister is the kind of the leaves that say which documents an organisation registers, and
// what was found of them.
const LeafRegister = "register"

const selectNewestOfKind = `SELECT body FROM log_leaves WHERE org_id = $1 AND kind = $2 ORDER BY leaf_index DESC LIMIT 1`

// NewestRecord is the body of the newest record of a kind; nil if there is none.
func (n Tenant) NewestRecord(ctx context.Context, kind string) (body []byte, err error) {
	err = n.s.one(ctx, selectNewestOfKind, []any{n.org, kind}, &body)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: newest %s of organisation %d: %w", kind, n.org, err)
	}
	return body, nil
}

// RecordRegister records a register, and finishes the job that read it until it is to be read
// again. ErrLeaseLost if the job's lease is not held any more.
func (n Tenant) RecordRegister(ctx context.Context, job Job, body []byte, again time.Time) error {
	if !json.Valid(body) || job.OrgID != n.org || job.Kind != KindRegister {
		return fmt.Errorf("%w: register of organisation %d for job %s %s", ErrInvalid, n.org, job.Kind, job.Key)
	}
	return n.s.write(ctx, "record register", func(t *txn) error {
		if err := finish(t, job); err != nil {
			return err
		}
		if err := n.s.schedule(t, job, again); err != nil {
			return err
		}
		_, err := n.appendRecord(t, LeafRegister, n.s.moment(), body)
		return err
	})
}
