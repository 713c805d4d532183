package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/countersign/countersign/policy"
)

const upsertFirstDay = `INSERT INTO first_days (org_id, made_at, report) VALUES ($1, $2, $3)
ON CONFLICT (org_id) DO UPDATE SET made_at = excluded.made_at, report = excluded.report`

// KeepFirstDay keeps a report that was made by hand in place of the one before, without anybody's words:
// people are named in titles and reasons, and what is no evidence has no business to keep them. The one
// that the server is making by itself is not made: it would take the place of this one.
func (n Tenant) KeepFirstDay(ctx context.Context, r *policy.FirstDay) error {
	report, err := encodeFirstDay(r)
	if err != nil {
		return err
	}
	return n.s.write(ctx, "keep the first day's report", func(t *txn) error {
		if _, err := t.exec(endFirstDayAsk, n.org, micros(n.s.now())); err != nil {
			return err
		}
		return n.putFirstDay(t, r, report)
	})
}

func encodeFirstDay(r *policy.FirstDay) ([]byte, error) {
	report, err := json.Marshal(r.WithoutWords())
	if err != nil {
		return nil, fmt.Errorf("encode the first day's report: %w", err)
	}
	return report, nil
}

func (n Tenant) putFirstDay(t *txn, r *policy.FirstDay, report []byte) error {
	_, err := t.exec(upsertFirstDay, n.org, micros(r.At), report)
	return err
}

const selectFirstDay = `SELECT report FROM first_days WHERE org_id = $1`

// FirstDay is the report that is kept; ErrNotFound if there is none.
func (n Tenant) FirstDay(ctx context.Context) (*policy.FirstDay, error) {
	var report []byte
	if err := n.s.one(ctx, selectFirstDay, []any{n.org}, &report); err != nil {
		return nil, fmt.Errorf("store: first day's report of organisation %d: %w", n.org, err)
	}
	var r policy.FirstDay
	if err := json.Unmarshal(report, &r); err != nil {
		return nil, fmt.Errorf("store: first day's report of organisation %d: %w", n.org, err)
	}
	return &r, nil
}
