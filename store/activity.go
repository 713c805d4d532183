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
	err := n.s.query(ctx, selectReceived, []any{n.org, micros(from), micros(before)}, func(scan func(...any) error) error {
		o := Observation{OrgID: n.org}
		var at int64
		var disposed int
		if err := scan(&o.Seq, &o.DeliveryID, &o.Event, &o.Action, &at, &o.RepoID, &o.Number, &o.HeadSHA, &o.Body, &disposed); err != nil {
			return err
		}
		o.ReceivedAt, o.Disposed = fromMicros(at), disposed == 1
		return each(o)
	})
	if err != nil {
		return fmt.Errorf("store: observations of organisation %d: %w", n.org, err)
	}
	return nil
}
