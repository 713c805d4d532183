package store

import (
	"context"
	"fmt"
	"time"
)

// QueueLine counts the jobs of one kind that are not done.
type QueueLine struct {
	Kind string
	Stats
	// Oldest is when the oldest mark of any job that is not dead was committed; zero: there is none.
	Oldest time.Time
}

const selectQueueLines = `SELECT kind,
  SUM(CASE WHEN dead = 0 AND lease_until <= $1 AND run_at <= $1 THEN 1 ELSE 0 END),
  SUM(CASE WHEN dead = 0 AND lease_until > $1 THEN 1 ELSE 0 END),
  SUM(CASE WHEN dead = 0 AND lease_until <= $1 AND run_at > $1 THEN 1 ELSE 0 END),
  SUM(CASE WHEN dead = 1 THEN 1 ELSE 0 END),
  COALESCE(MIN(CASE WHEN dead = 0 AND lease_until <= $1 AND run_at <= $1 THEN enqueued_at END), 0),
  COALESCE(MIN(CASE WHEN dead = 0 AND enqueued_at <= $1 THEN enqueued_at END), 0)
FROM jobs WHERE wanted_gen > done_gen GROUP BY kind ORDER BY kind`

// QueueLines counts jobs by kind, as of now.
func (s *Store) QueueLines(ctx context.Context) ([]QueueLine, error) {
	var out []QueueLine
	err := s.query(ctx, selectQueueLines, []any{micros(s.now())}, func(scan func(...any) error) error {
		var l QueueLine
		var ready, oldest int64
		err := scan(&l.Kind, &l.Ready, &l.Leased, &l.Waiting, &l.Dead, &ready, &oldest)
		l.OldestReady, l.Oldest = fromMicros(ready), fromMicros(oldest)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: count jobs by kind: %w", err)
	}
	return out, nil
}

// LogLine measures one log.
type LogLine struct {
	OrgID  int64
	Leaves int64
	// Signed is the size of the newest checkpoint, and SignedAt when it was signed; zero: there is none.
	Signed   int64
	SignedAt time.Time
}

const selectLogLines = `SELECT h.org_id, h.size, COALESCE(c.size, 0), COALESCE(c.signed_at, 0) FROM log_heads h
LEFT JOIN checkpoints c ON c.org_id = h.org_id AND c.size = (SELECT MAX(n.size) FROM checkpoints n WHERE n.org_id = h.org_id)
ORDER BY h.org_id`

// LogLines measures every log, by organisation.
func (s *Store) LogLines(ctx context.Context) ([]LogLine, error) {
	var out []LogLine
	err := s.query(ctx, selectLogLines, nil, func(scan func(...any) error) error {
		var l LogLine
		var at int64
		err := scan(&l.OrgID, &l.Leaves, &l.Signed, &at)
		l.SignedAt = fromMicros(at)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: measure logs: %w", err)
	}
	return out, nil
}

const countUploads = `SELECT COUNT(*) FROM bundle_uploads WHERE LENGTH(stored) = 0`

// CountUploads counts the bundles that are to be in the bucket and are not yet.
func (s *Store) CountUploads(ctx context.Context) (int, error) {
	var n int
	if err := s.one(ctx, countUploads, nil, &n); err != nil {
		return 0, fmt.Errorf("store: count uploads: %w", err)
	}
	return n, nil
}

// What has arrived since the last sweep is still noted.
const countLost = `SELECT COUNT(*) FROM lost_deliveries l WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.delivery_id = l.delivery_id)`

// CountLost counts the deliveries that are asked for again and not here yet.
func (s *Store) CountLost(ctx context.Context) (int, error) {
	var n int
	if err := s.one(ctx, countLost, nil, &n); err != nil {
		return 0, fmt.Errorf("store: count lost deliveries: %w", err)
	}
	return n, nil
}
