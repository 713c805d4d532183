package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"
)

// queued is an organisation that has jobs that are due.
type queued struct {
	org    int64
	oldest int64 // since when the job that has been due longest is, microseconds
	busy   int   // jobs of it that are leased now
}

const selectQueued = `SELECT o.org_id,
  COALESCE((SELECT j.run_at FROM jobs j WHERE j.org_id = o.org_id AND j.wanted_gen > j.done_gen AND j.dead = 0 AND j.run_at <= $1 AND j.lease_until <= $1
    ORDER BY j.run_at, j.id LIMIT 1), 0),
  (SELECT COUNT(*) FROM jobs l WHERE l.org_id = o.org_id AND l.lease <> '' AND l.lease_until > $1)
FROM orgs o`

// queuedOrgs are the organisations that have jobs that are due.
func queuedOrgs(t *txn, now int64) (list []*queued, err error) {
	err = t.rows(selectQueued, []any{now}, func(scan func(...any) error) error {
		q := &queued{}
		if err := scan(&q.org, &q.oldest, &q.busy); err != nil || q.oldest == 0 {
			return err
		}
		list = append(list, q)
		return nil
	})
	return list, err
}

// shares says how many of limit jobs each organisation gets: the next one is for who has the fewest
// that run, and of several for who has waited longest. So an organisation with thousands of jobs
// delays another's by the time of one run.
func shares(list []*queued, limit int) map[int64]int {
	out := map[int64]int{}
	for range limit {
		next := slices.MinFunc(list, func(a, b *queued) int {
			return cmp.Or(cmp.Compare(a.busy+out[a.org], b.busy+out[b.org]), cmp.Compare(a.oldest, b.oldest), cmp.Compare(a.org, b.org))
		})
		out[next.org]++
	}
	return out
}

const claimJobs = `UPDATE jobs SET lease = $1, lease_owner = $2, lease_until = $3, started_at = $4, next_enqueued_at = 0, write_class = 0
WHERE id IN (SELECT id FROM jobs WHERE org_id = $5 AND wanted_gen > done_gen AND dead = 0 AND run_at <= $4 AND lease_until <= $4
  ORDER BY run_at, id LIMIT $6)
RETURNING id, kind, ukey, org_id, installation_id, repo_id, repository, number, head_sha, check_name, ref,
  wanted_gen, attempts, enqueued_at, delivery_id, run_at`

// dueJob is a claimed job with the time since which it was due.
type dueJob struct {
	Job
	runAt int64
}

// claiming is one Claim under way.
type claiming struct {
	token, owner string
	now, until   int64
	jobs         []dueJob
}

// Claim leases at most limit jobs that are due: each organisation gets its share, and of each those
// come first that have been due longest. A job whose lease has run out is due again. Owner is kept
// for people to read. ErrUnfit while the clocks here and of the database are apart.
func (s *Store) Claim(ctx context.Context, owner string, limit int, lease time.Duration) ([]Job, error) {
	if limit <= 0 || lease <= 0 {
		return nil, fmt.Errorf("%w: claim %d jobs for %s", ErrInvalid, limit, lease)
	}
	if err := s.stillFit(ctx); err != nil {
		return nil, err
	}
	var c claiming
	err := s.write(ctx, "claim jobs", func(t *txn) error {
		at := s.now()
		c = claiming{token: rand.Text(), owner: owner, now: micros(at), until: micros(at.Add(lease))}
		return c.all(t, limit)
	})
	if err != nil {
		return nil, err
	}
	s.lastClaim.Store(c.now)
	slices.SortFunc(c.jobs, func(a, b dueJob) int { return cmp.Or(cmp.Compare(a.runAt, b.runAt), cmp.Compare(a.ID, b.ID)) })
	out := make([]Job, len(c.jobs))
	for i, j := range c.jobs {
		out[i] = j.Job
	}
	return out, nil
}

// all claims until there are limit jobs or none is due. Whoever had fewer than its share leaves the
// rest of it to the others.
func (c *claiming) all(t *txn, limit int) error {
	for before := -1; before < len(c.jobs) && len(c.jobs) < limit; {
		before = len(c.jobs)
		list, err := queuedOrgs(t, c.now)
		if err != nil || len(list) == 0 {
			return err
		}
		for org, n := range shares(list, limit-len(c.jobs)) {
			if err := c.of(t, org, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// of claims jobs of one organisation.
func (c *claiming) of(t *txn, org int64, limit int) error {
	return t.rows(claimJobs, []any{c.token, c.owner, c.until, c.now, org, limit}, func(scan func(...any) error) error {
		j := dueJob{Job: Job{Lease: c.token}}
		var enqueued int64
		if err := scan(&j.ID, &j.Kind, &j.Key, &j.OrgID, &j.InstallationID, &j.RepoID, &j.Repository, &j.Number,
			&j.HeadSHA, &j.CheckName, &j.Ref, &j.Generation, &j.Attempt, &enqueued, &j.DeliveryID, &j.runAt); err != nil {
			return err
		}
		j.Attempt++
		j.EnqueuedAt = fromMicros(enqueued)
		c.jobs = append(c.jobs, j)
		return nil
	})
}
