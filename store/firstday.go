package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/countersign/countersign/policy"
)

const upsertFirstDay = `INSERT INTO first_days (org_id, made_at, report) VALUES ($1, $2, $3)
ON CONFLICT (org_id) DO UPDATE SET made_at = excluded.made_at, report = excluded.report`

// KeepFirstDay keeps a report in place of the one before, without anybody's words: people are named in
// titles and reasons, and what is no evidence has no business to keep them.
func (n Tenant) KeepFirstDay(ctx context.Context, r *policy.FirstDay) error {
	report, err := json.Marshal(r.WithoutWords())
	if err != nil {
		return fmt.Errorf("encode the first day's report: %w", err)
	}
	return n.s.write(ctx, "keep the first day's report", func(t *txn) error {
		_, err := t.exec(upsertFirstDay, n.org, micros(r.At), report)
		return err
	})
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
