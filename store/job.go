package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The kinds of jobs.
const (
	KindEvaluate  = "evaluate"  // one pull request; key repository id / number
	KindPublish   = "publish"   // one check run; key repository id / head SHA / check name
	KindGroup     = "group"     // one merge group; key repository id / head SHA
	KindQueue     = "queue"     // one merge queue, watched for groups that nobody told of; key repository id / branch
	KindBranch    = "branch"    // what reached one branch; key repository id / branch
	KindRegister  = "register"  // the organisation's register of documents; key "register"
	KindScope     = "scope"     // which repositories there are; key scope
	KindBackfill  = "backfill"  // what reached branches before they were followed; key backfill
	KindReconcile = "reconcile" // repositories, compared with GitHub; key reconcile
	KindFirstDay  = "firstday"  // what would have been held of what was merged before; key firstday
	KindException = "exception" // one exception's clocks and notices; key its id
)

// Job is a claimed job. There is one row per kind, organisation and key, however often it is
// marked, and at most one holder of its lease.
type Job struct {
	ID                            int64
	Kind, Key                     string
	OrgID, InstallationID, RepoID int64
	Repository                    string
	Number                        int    // KindEvaluate
	HeadSHA                       string // KindPublish, KindGroup
	CheckName                     string // KindPublish
	// Ref is the branch (KindBranch, KindQueue), the branch that the group is to be merged into
	// (KindGroup), or the exception's id (KindException).
	Ref string
	// Generation is the number of marks that this run serves.
	Generation int64
	// Attempt is 1 in the first run since the newest mark, and one more after every Retry.
	Attempt int
	// Lease is the token that every write of this job must show.
	Lease string
	// EnqueuedAt is when the oldest mark that this run serves was committed.
	EnqueuedAt time.Time
	// DeliveryID is the newest delivery that marked it. Empty: none did since it was scheduled to look
	// again by itself.
	DeliveryID string
}

// job is the job that a mark asks for.
func (m Mark) job() Job {
	j := Job{
		Kind: m.Kind, OrgID: m.OrgID, InstallationID: m.InstallationID, RepoID: m.RepoID, Repository: m.Repository,
		Number: m.Number, HeadSHA: m.HeadSHA, Ref: m.Ref,
	}
	repo := strconv.FormatInt(m.RepoID, 10)
	switch m.Kind {
	case "", KindEvaluate:
		j.Kind, j.Key = KindEvaluate, repo+"/"+strconv.Itoa(m.Number)
	case KindGroup:
		j.Key = repo + "/" + m.HeadSHA
	case KindBranch, KindQueue:
		j.Key = repo + "/" + m.Ref
	case KindScope, KindBackfill, KindReconcile, KindFirstDay:
		j.Key = m.Kind
	case KindException:
		j.Key = m.Ref
	case KindRegister:
		j.Key = KindRegister
	}
	return j
}

// usable says whether the mark names its subject whole.
func (m Mark) usable() bool {
	if m.OrgID <= 0 {
		return false
	}
	switch m.Kind {
	case "", KindEvaluate:
		return m.RepoID > 0 && m.Number > 0
	case KindGroup:
		return m.RepoID > 0 && m.HeadSHA != "" && m.Ref != ""
	case KindBranch, KindQueue:
		return m.RepoID > 0 && m.Ref != ""
	case KindScope, KindBackfill, KindReconcile, KindFirstDay:
		return owner(m.Repository) != ""
	case KindException:
		return m.RepoID >= 0 && m.Ref != ""
	case KindRegister:
		return m.Repository != ""
	}
	return false
}

func publishJob(org, installation, repo int64, repository, head, checkName string) Job {
	return Job{
		Kind: KindPublish, Key: strconv.FormatInt(repo, 10) + "/" + head + "/" + checkName,
		OrgID: org, InstallationID: installation, RepoID: repo, Repository: repository, HeadSHA: head, CheckName: checkName,
	}
}

// Mark asks for jobs without a delivery, for example after a sweep. It returns when the marks
// are durable.
func (s *Store) Mark(ctx context.Context, marks []Mark) error {
	for _, m := range marks {
		if !m.usable() {
			return fmt.Errorf("%w: mark %+v", ErrInvalid, m)
		}
	}
	return s.write(ctx, "mark", func(t *txn) error {
		for _, m := range marks {
			if err := s.seeOrg(t, m.OrgID, owner(m.Repository)); err != nil {
				return err
			}
			if _, err := s.mark(t, m.job(), m.Noisy, false); err != nil {
				return err
			}
		}
		return nil
	})
}

// schedule is the part of a job's row that says when it runs. Times are microseconds.
type schedule struct {
	wanted, done, attempts                                  int64
	runAt, holdUntil, enqueuedAt, nextEnqueuedAt, startedAt int64
	leaseUntil                                              int64
	leased, dead                                            bool
}

// mark makes the job wanted once more. A mark never makes a run that is due later, and never
// overrides holdUntil, which is a rate limit.
func (j *schedule) mark(now, noisy int64) {
	due := now
	if noisy > 0 && j.startedAt > 0 {
		due = min(max(now, j.startedAt+noisy), now+noisy) // the clock may have been set back since it started
	}
	switch running := j.leased && j.leaseUntil > now; {
	case running && j.nextEnqueuedAt == 0:
		// The first mark that the running lease does not serve: runAt still is that run's.
		j.nextEnqueuedAt, j.runAt = now, due
	case running:
		j.runAt = min(j.runAt, due)
	case j.wanted == j.done:
		j.enqueuedAt, j.runAt = now, due
	case j.dead:
		j.runAt = due
	default:
		// enqueuedAt lies ahead if nobody but Record.RunAgainAt asked for this run.
		j.enqueuedAt, j.runAt = min(j.enqueuedAt, now), min(j.runAt, due)
	}
	j.runAt = max(j.runAt, j.holdUntil)
	j.wanted++
	j.attempts, j.dead = 0, false
}

const (
	insertJob = `INSERT INTO jobs (org_id, kind, ukey, installation_id, repo_id, repository, number, head_sha, check_name, ref,
  delivery_id, wanted_gen, done_gen, attempts, run_at, hold_until, enqueued_at, next_enqueued_at, started_at,
  lease, lease_owner, lease_until, dead, last_error, last_error_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, 0, 0, $12, 0, $12, 0, 0, '', '', 0, 0, '', 0)
ON CONFLICT (org_id, kind, ukey) DO NOTHING`
	selectSchedule = `SELECT wanted_gen, done_gen, attempts, run_at, hold_until, enqueued_at, next_enqueued_at, started_at,
  lease_until, CASE WHEN lease = '' THEN 0 ELSE 1 END, dead
FROM jobs WHERE org_id = $1 AND kind = $2 AND ukey = $3`
	updateMarked = `UPDATE jobs SET wanted_gen = $4, attempts = $5, run_at = $6, enqueued_at = $7, next_enqueued_at = $8, dead = 0,
  installation_id = $9, repository = $10, delivery_id = $11
WHERE org_id = $1 AND kind = $2 AND ukey = $3`
)

// mark marks a job, and makes its row if there is none. With onlyDead it does so only if the
// job is dead. It says whether it marked.
func (s *Store) mark(t *txn, job Job, noisy, onlyDead bool) (bool, error) {
	now := micros(s.now())
	if !onlyDead {
		n, err := t.exec(insertJob, job.OrgID, job.Kind, job.Key, job.InstallationID, job.RepoID, job.Repository,
			job.Number, job.HeadSHA, job.CheckName, job.Ref, job.DeliveryID, now)
		if err != nil {
			return false, err
		}
		if n == 1 {
			t.woken = true
			return true, nil
		}
	}
	var j schedule
	var leased, dead int
	err := t.row(selectSchedule, []any{job.OrgID, job.Kind, job.Key}, &j.wanted, &j.done, &j.attempts, &j.runAt, &j.holdUntil,
		&j.enqueuedAt, &j.nextEnqueuedAt, &j.startedAt, &j.leaseUntil, &leased, &dead)
	if errors.Is(err, sql.ErrNoRows) && onlyDead {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	j.leased, j.dead = leased == 1, dead == 1
	if onlyDead && !j.dead {
		return false, nil
	}
	interval := int64(0)
	if noisy {
		interval = s.noisy.Microseconds()
	}
	j.mark(now, interval)
	_, err = t.exec(updateMarked, job.OrgID, job.Kind, job.Key, j.wanted, j.attempts, j.runAt, j.enqueuedAt, j.nextEnqueuedAt,
		job.InstallationID, job.Repository, job.DeliveryID)
	t.woken = true
	return true, err
}

// A merge queue is looked at again and again by itself, soon enough.
const selectUnderway = `SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND kind = $2 AND ukey = $3
AND wanted_gen > done_gen AND dead = 0 AND (run_at <= $4 OR lease_until > $4 OR hold_until > $4 OR attempts > 0 OR kind = 'queue')`

// underway says whether a job runs now, or will soon without another mark.
func (s *Store) underway(t *txn, job Job) (bool, error) {
	var n int
	err := t.row(selectUnderway, []any{job.OrgID, job.Kind, job.Key, micros(s.now())}, &n)
	return n > 0, err
}

const scheduleJob = `UPDATE jobs SET wanted_gen = wanted_gen + 1, run_at = $4, enqueued_at = $4, delivery_id = ''
WHERE org_id = $1 AND kind = $2 AND ukey = $3 AND wanted_gen = done_gen`

// schedule makes a job that has nothing left to do run at a time to come. One that was
// marked meanwhile runs before that and is scheduled anew by what it finds.
func (s *Store) schedule(t *txn, job Job, at time.Time) error {
	_, err := t.exec(scheduleJob, job.OrgID, job.Kind, job.Key, micros(at))
	t.woken = true
	return err
}

const renewJob = `UPDATE jobs SET lease_until = $4 WHERE org_id = $1 AND id = $2 AND lease = $3 AND lease <> ''`

// Renew makes the lease last from now. ErrLeaseLost if the job has another holder or none;
// a lease that ran out and that nobody took is renewed. ErrUnfit while the clocks here and of the
// database are apart.
func (s *Store) Renew(ctx context.Context, job Job, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("%w: lease of %s", ErrInvalid, lease)
	}
	if err := s.stillFit(ctx); err != nil {
		return err
	}
	return s.write(ctx, "renew "+job.Kind+" "+job.Key, func(t *txn) error {
		n, err := t.exec(renewJob, job.OrgID, job.ID, job.Lease, micros(s.now().Add(lease)))
		if err == nil && n != 1 {
			err = ErrLeaseLost
		}
		return err
	})
}

const finishJob = `UPDATE jobs SET done_gen = $4, attempts = 0, lease = '', lease_owner = '', lease_until = 0, hold_until = 0,
  enqueued_at = CASE WHEN next_enqueued_at > 0 THEN next_enqueued_at ELSE enqueued_at END, next_enqueued_at = 0, last_error = ''
WHERE org_id = $1 AND id = $2 AND lease = $3 AND lease <> '' RETURNING wanted_gen`

// Finish says that the marks up to job.Generation are served. A job that was marked since it
// was claimed runs again. ErrLeaseLost if the lease is not held any more.
func (s *Store) Finish(ctx context.Context, job Job) error {
	return s.write(ctx, "finish "+job.Kind+" "+job.Key, func(t *txn) error { return finish(t, job) })
}

// FinishUntil is Finish for a job that has to look again by itself: at the given time, or
// with the next mark if that comes before.
func (s *Store) FinishUntil(ctx context.Context, job Job, at time.Time) error {
	return s.write(ctx, "finish "+job.Kind+" "+job.Key, func(t *txn) error {
		if err := finish(t, job); err != nil {
			return err
		}
		return s.schedule(t, job, at)
	})
}

func finish(t *txn, job Job) error {
	var wanted int64
	err := t.row(finishJob, []any{job.OrgID, job.ID, job.Lease, job.Generation}, &wanted)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLeaseLost
	}
	if err == nil && wanted > job.Generation {
		t.woken = true
	}
	return err
}

const (
	selectHeld = `SELECT wanted_gen, attempts, run_at FROM jobs WHERE org_id = $1 AND id = $2 AND lease = $3 AND lease <> ''`
	releaseJob = `UPDATE jobs SET lease = '', lease_owner = '', lease_until = 0, next_enqueued_at = 0,
  attempts = $4, run_at = $5, hold_until = $6, dead = $7, last_error = $8, last_error_at = $9
WHERE org_id = $1 AND id = $2 AND lease = $3`
)

// held is what is known of a job by showing its lease.
type held struct{ wanted, attempts, runAt int64 }

// hold checks that the lease is still held.
func hold(t *txn, job Job) (held, error) {
	var h held
	err := t.row(selectHeld, []any{job.OrgID, job.ID, job.Lease}, &h.wanted, &h.attempts, &h.runAt)
	if errors.Is(err, sql.ErrNoRows) {
		return h, ErrLeaseLost
	}
	return h, err
}

// Retry gives the job back after a failed run, to run at the given time, and counts the
// attempt. After Options.MaxAttempts the job is dead: visible in DeadJobs, and revived by any
// mark. A job that was marked since it was claimed is not made to wait: a mark means the same
// whether it comes before or after the failure.
func (s *Store) Retry(ctx context.Context, job Job, at time.Time, cause string) error {
	return s.write(ctx, "retry "+job.Kind+" "+job.Key, func(t *txn) error {
		h, err := hold(t, job)
		if err != nil {
			return err
		}
		attempts, runAt := h.attempts+1, micros(at)
		if h.wanted > job.Generation {
			attempts, runAt = 0, h.runAt
		}
		return s.release(t, job, attempts, runAt, 0, attempts >= int64(s.attempts), cause)
	})
}

// Postpone gives the job back without counting an attempt, because it is known that it cannot
// be done before the given time: a rate limit. No mark makes it run earlier.
func (s *Store) Postpone(ctx context.Context, job Job, until time.Time, cause string) error {
	return s.write(ctx, "postpone "+job.Kind+" "+job.Key, func(t *txn) error {
		h, err := hold(t, job)
		if err != nil {
			return err
		}
		return s.release(t, job, h.attempts, micros(until), micros(until), false, cause)
	})
}

func (s *Store) release(t *txn, job Job, attempts, runAt, holdUntil int64, dead bool, cause string) error {
	// The worker's timer has to be set again, so this counts as work.
	t.woken = true
	_, err := t.exec(releaseJob, job.OrgID, job.ID, job.Lease, attempts, runAt, holdUntil, bit(dead), cause, micros(s.now()))
	return err
}
