package store

import (
	"context"
	"fmt"
	"time"
)

const selectReceived = `SELECT seq, delivery_id, event, action, received_at, repo_id, number, head_sha, body, disposed
FROM observations WHERE org_id = $1 AND received_at >= $2 AND received_at < $3 ORDER BY seq`

// Received calls each for what every event said that was received from one time on and before
// another, in order of receipt.
func (n Tenant) Received(ctx context.Context, from, before time.Time, each func(Observation) error) error {
	if err := n.eachObservation(ctx, selectReceived, []any{n.org, micros(from), micros(before)}, each); err != nil {
		return fmt.Errorf("store: observations of organisation %d: %w", n.org, err)
	}
	return nil
}
