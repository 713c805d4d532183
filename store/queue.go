package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Stats counts the jobs that are not done.
type Stats struct {
	Ready   int // due and not leased
	Leased  int
	Waiting int // due later
	Dead    int
	// OldestReady is when the oldest mark of a ready job was committed; zero: none is ready.
	OldestReady time.Time
}

// QueueStats counts jobs as of now.
func (s *Store) QueueStats(ctx context.Context) (Stats, error) {
	lines, err := s.QueueLines(ctx)
	if err != nil {
		return Stats{}, err
	}
	var all Stats
	for _, l := range lines {
		all.Ready, all.Leased, all.Waiting, all.Dead = all.Ready+l.Ready, all.Leased+l.Leased, all.Waiting+l.Waiting, all.Dead+l.Dead
		if at := l.OldestReady; !at.IsZero() && (all.OldestReady.IsZero() || at.Before(all.OldestReady)) {
			all.OldestReady = at
		}
	}
	return all, nil
}

// Jobs that wait for their time can be very many: of these the next one is read, by its index, and
// all only of those that are leased.
const selectNextRun = `SELECT MIN(next) FROM (
  SELECT MIN(run_at) AS next FROM jobs WHERE wanted_gen > done_gen AND dead = 0 AND run_at > $1 AND lease = ''
  UNION ALL
  SELECT MIN(CASE WHEN lease_until > run_at THEN lease_until ELSE run_at END) FROM jobs
  WHERE wanted_gen > done_gen AND dead = 0 AND lease <> '' AND (run_at > $1 OR lease_until > $1)
) AS ends`

// NextRun returns when the next job becomes due after the last Claim: its time to run, or the
// end of a lease that might not be renewed. Zero: no job will by itself. A job that became due
// since the last Claim counts, with a time that has passed, so that none falls between the
// two calls; jobs that Claim saw and left because of its limit do not.
func (s *Store) NextRun(ctx context.Context) (time.Time, error) {
	since := s.lastClaim.Load()
	if since == 0 {
		since = micros(s.now())
	}
	var at sql.NullInt64
	if err := s.one(ctx, selectNextRun, []any{since}, &at); err != nil {
		return time.Time{}, fmt.Errorf("store: find next job: %w", err)
	}
	return fromMicros(at.Int64), nil
}

// DeadJob is a job that failed too often. Any mark revives it.
type DeadJob struct {
	Kind, Key                     string
	OrgID, InstallationID, RepoID int64
	Repository                    string
	Number                        int
	HeadSHA, CheckName            string
	Attempts                      int
	Cause                         string    // of the last failure
	DiedAt                        time.Time // last failure
	EnqueuedAt                    time.Time // oldest mark that was not served
	DeliveryID                    string
}

const selectDead = `SELECT kind, ukey, org_id, installation_id, repo_id, repository, number, head_sha, check_name,
  attempts, last_error, last_error_at, enqueued_at, delivery_id
FROM jobs WHERE dead = 1 ORDER BY last_error_at, id`

// DeadJobs returns all dead jobs, the longest dead first.
func (s *Store) DeadJobs(ctx context.Context) ([]DeadJob, error) {
	var out []DeadJob
	err := s.query(ctx, selectDead, nil, func(scan func(...any) error) error {
		var d DeadJob
		var died, enqueued int64
		if err := scan(&d.Kind, &d.Key, &d.OrgID, &d.InstallationID, &d.RepoID, &d.Repository, &d.Number, &d.HeadSHA, &d.CheckName,
			&d.Attempts, &d.Cause, &died, &enqueued, &d.DeliveryID); err != nil {
			return err
		}
		d.DiedAt, d.EnqueuedAt = fromMicros(died), fromMicros(enqueued)
		out = append(out, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list dead jobs: %w", err)
	}
	return out, nil
}
