package store

import (
	"context"
	"fmt"
	"time"
)

// JudgedRef names a decision about a pull request that has facts.
type JudgedRef struct {
	RecordID  string
	LeafIndex int64
}

// A decision is left out when a later one in the period is about the same head, unless every
// one is wanted.
const selectJudged = `SELECT d.record_id, d.leaf_index FROM decisions d
WHERE d.org_id = $1 AND d.number > 0 AND d.facts_sha256 <> '' AND d.policy_sha256 <> ''
  AND d.recorded_at >= $2 AND d.recorded_at < $3
  AND ($4 = 1 OR NOT EXISTS (SELECT 1 FROM decisions later
    WHERE later.org_id = d.org_id AND later.repo_id = d.repo_id AND later.number = d.number AND later.leaf_index > d.leaf_index
      AND later.head_sha = d.head_sha AND later.facts_sha256 <> '' AND later.policy_sha256 <> '' AND later.recorded_at < $3))
ORDER BY d.leaf_index`

// Judged lists the decisions about pull requests that were recorded from one time on and
// before another, and have facts, by leaf: the newest per pull request and head, or all.
func (n Tenant) Judged(ctx context.Context, from, before time.Time, all bool) ([]JudgedRef, error) {
	var out []JudgedRef
	err := n.s.query(ctx, selectJudged, []any{n.org, micros(from), micros(before), bit(all)}, func(scan func(...any) error) error {
		var r JudgedRef
		if err := scan(&r.RecordID, &r.LeafIndex); err != nil {
			return err
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list decisions of organisation %d: %w", n.org, err)
	}
	return out, nil
}
