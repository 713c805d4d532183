package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// DefaultWritesPerMinute is how often an installation writes to GitHub in a minute. GitHub takes
// 80 requests that make content, in general, and has those wait who send more.
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
const DefaultWritesPerMinute = 60

// WriteClass says how urgent a write to GitHub is, the most urgent first.
type WriteClass int

// The classes of writes. Their numbers are stored.
const (
	WriteGroup WriteClass = 1 // the check run of a merge group: a queue waits for it
	WriteFlip  WriteClass = 2 // a check run whose status or conclusion changes
	WriteText  WriteClass = 3 // what nobody waits for: a changed text, an issue, a comment, a label
)

// share is how many of the writes of a minute there may be before one of the class. What is more
// urgent finds room where the rest finds none, so it goes first however many of the others wait.
func (c WriteClass) share(perMinute int) int {
	switch c {
	case WriteGroup:
		return perMinute
	case WriteFlip:
		return perMinute - perMinute/6
	}
	return perMinute - perMinute/3
}

// WriteLimitError says that an installation wrote to GitHub as often as it may. Nothing was written.
type WriteLimitError struct {
	// Until is when there should be room for this write, with those that wait before it.
	Until time.Time
	Class WriteClass
}

func (e *WriteLimitError) Error() string {
	return fmt.Sprintf("the installation has written to GitHub as often as it may in a minute; there should be room at %s", e.Until.Format(time.RFC3339))
}

const (
	writeWindow = time.Minute

	selectNewestWrite  = `SELECT n FROM github_writes WHERE installation_id = $1 ORDER BY n DESC LIMIT 1`
	selectWrite        = `SELECT at FROM github_writes WHERE installation_id = $1 AND n = $2`
	insertWrite        = `INSERT INTO github_writes (installation_id, n, at) VALUES ($1, $2, $3)`
	deleteWrites       = `DELETE FROM github_writes WHERE installation_id = $1 AND n <= $2`
	countWaitingBefore = `SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND wanted_gen > done_gen AND dead = 0 AND run_at > $4
  AND installation_id = $2 AND write_class BETWEEN 1 AND $3 AND (enqueued_at < $5 OR enqueued_at = $5 AND id < $6)`
)

// takeWrite counts one more write of the job's installation. There is one writer over all processes,
// so that all of them count together. *WriteLimitError if there is no room for it.
func (s *Store) takeWrite(t *txn, job Job, class WriteClass) error {
	var newest int64
	if err := t.row(selectNewestWrite, []any{job.InstallationID}, &newest); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	now, share := s.now(), class.share(s.writesPerMinute)
	var oldest int64 // of as many as there may be; none: there were fewer
	if err := t.row(selectWrite, []any{job.InstallationID, newest + 1 - int64(share)}, &oldest); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	// A write of the future was counted by a clock that was set back since: it holds nothing up.
	if at := fromMicros(oldest); at.Add(writeWindow).After(now) && at.Before(now.Add(writeWindow)) {
		return s.noRoom(t, job, class, now, at.Add(writeWindow))
	}
	if _, err := t.exec(insertWrite, job.InstallationID, newest+1, micros(now)); err != nil {
		return err
	}
	// Older ones decide nothing any more.
	_, err := t.exec(deleteWrites, job.InstallationID, newest+1-int64(s.writesPerMinute))
	return err
}

// noRoom says when there should be room. Those who wait come one after the other and not all at once,
// each to find room: in the order in which they were asked for, however often one of them finds none.
func (s *Store) noRoom(t *txn, job Job, class WriteClass, now, room time.Time) error {
	var before int64
	err := t.row(countWaitingBefore, []any{job.OrgID, job.InstallationID, int(class), micros(now), micros(job.EnqueuedAt), job.ID}, &before)
	if err != nil {
		return err
	}
	apart := writeWindow / time.Duration(class.share(s.writesPerMinute))
	return &WriteLimitError{Until: room.Add(time.Duration(before) * apart), Class: class}
}

// TakeWrite makes durable that a job is about to write to GitHub. *WriteLimitError if its installation
// has written as often as it may: then the job is to be given back by AwaitWrite. ErrLeaseLost if the
// lease is not held.
func (s *Store) TakeWrite(ctx context.Context, job Job, class WriteClass) error {
	return s.write(ctx, "count a write of "+job.Kind+" "+job.Key, func(t *txn) error {
		if _, err := hold(t, job); err != nil {
			return err
		}
		return s.takeWrite(t, job, class)
	})
}

const awaitWrite = `UPDATE jobs SET write_class = $4 WHERE org_id = $1 AND id = $2 AND lease = $3`

// AwaitWrite gives a job back that found no room for a write, without counting an attempt. A mark has
// it run before that: what it has to write may be more urgent by then.
func (s *Store) AwaitWrite(ctx context.Context, job Job, limit *WriteLimitError) error {
	return s.write(ctx, "await a write of "+job.Kind+" "+job.Key, func(t *txn) error {
		h, err := hold(t, job)
		if err != nil {
			return err
		}
		runAt := micros(limit.Until)
		if h.wanted > job.Generation {
			runAt = h.runAt
		}
		if _, err := t.exec(awaitWrite, job.OrgID, job.ID, job.Lease, int(limit.Class)); err != nil {
			return err
		}
		return s.release(t, job, h.attempts, runAt, 0, false, limit.Error())
	})
}

// WriteLine measures what an installation writes to GitHub.
type WriteLine struct {
	InstallationID int64
	LastMinute     int // writes in the minute that ends now
	Waiting        int // jobs that wait for room
}

const selectWriteLines = `SELECT installation_id, SUM(written), SUM(waiting) FROM (
  SELECT installation_id, CASE WHEN at > $1 THEN 1 ELSE 0 END AS written, 0 AS waiting FROM github_writes
  UNION ALL
  SELECT installation_id, 0, 1 FROM jobs WHERE wanted_gen > done_gen AND dead = 0 AND write_class > 0 AND run_at > $2
) AS each_one GROUP BY installation_id ORDER BY installation_id`

// WriteLines measures every installation that ever wrote, over all processes.
func (s *Store) WriteLines(ctx context.Context) ([]WriteLine, error) {
	now := s.now()
	var out []WriteLine
	err := s.query(ctx, selectWriteLines, []any{micros(now.Add(-writeWindow)), micros(now)}, func(scan func(...any) error) error {
		var l WriteLine
		err := scan(&l.InstallationID, &l.LastMinute, &l.Waiting)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: count writes to GitHub: %w", err)
	}
	return out, nil
}
