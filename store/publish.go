package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Publication is what GitHub should show on a head under a check name, and what it was told.
type Publication struct {
	RepoID                         int64
	Repository, HeadSHA, CheckName string
	// Wanted is the worst decision of the open changes on this head and check name.
	Wanted *DecisionRow
	// Also are the numbers of the other open changes judged here, ascending.
	Also []int
	// GitHubID is the check run's id at GitHub; 0: none is known.
	GitHubID int64
	// What was published last; all empty: nothing.
	PublishedRecordID, PublishedSaid, PublishedStatus, PublishedConclusion string
	PublishedAt                                                            time.Time
	// Attempting is the record whose write to GitHub was begun and never confirmed. Whether
	// GitHub has it must be found out before anything else is written. Empty: none.
	Attempting string
}

// DecisionRow is a decision as far as publishing needs it.
type DecisionRow struct {
	RecordID       string
	Decision       []byte // exact bytes, JSON
	LeafIndex      int64
	DecisionSHA256 string
	RecordedAt     time.Time
	Number         int
}

const selectPublication = `SELECT c.repository, c.wanted_also, c.attempting_record_id, c.github_id,
  c.published_record_id, c.published_said, c.published_status, c.published_conclusion, c.published_at,
  d.record_id, d.decision, d.leaf_index, d.decision_sha256, d.recorded_at, d.number
FROM check_runs c JOIN decisions d ON d.org_id = c.org_id AND d.record_id = c.wanted_record_id
WHERE c.org_id = $1 AND c.repo_id = $2 AND c.head_sha = $3 AND c.check_name = $4`

// Publication returns what is wanted and what was published on a head under a check name.
// ErrNotFound if no decision was ever recorded there.
func (n Tenant) Publication(ctx context.Context, repoID int64, headSHA, checkName string) (Publication, error) {
	p := Publication{RepoID: repoID, HeadSHA: headSHA, CheckName: checkName, Wanted: &DecisionRow{}}
	w := p.Wanted
	var also string
	var published, recorded int64
	err := n.s.one(ctx, selectPublication, []any{n.org, repoID, headSHA, checkName}, &p.Repository, &also, &p.Attempting, &p.GitHubID,
		&p.PublishedRecordID, &p.PublishedSaid, &p.PublishedStatus, &p.PublishedConclusion, &published,
		&w.RecordID, &w.Decision, &w.LeafIndex, &w.DecisionSHA256, &recorded, &w.Number)
	if err == nil {
		err = json.Unmarshal([]byte(also), &p.Also)
	}
	if err != nil {
		return Publication{}, fmt.Errorf("store: check run %s on %s: %w", checkName, headSHA, err)
	}
	p.PublishedAt, w.RecordedAt = fromMicros(published), fromMicros(recorded)
	return p, nil
}

const (
	selectWantedRecord = `SELECT wanted_record_id FROM check_runs WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND check_name = $4`
	updateAttempting   = `UPDATE check_runs SET attempting_record_id = $5 WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND check_name = $4`
	updatePublished    = `UPDATE check_runs SET attempting_record_id = '', github_id = $5, published_record_id = $6, published_said = $7,
  published_status = $8, published_conclusion = $9, published_at = $10
WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND check_name = $4`
)

// BeginPublish makes durable that a write of this record to GitHub is about to happen, so
// that after a crash it is known that GitHub may have it, and counts the write. It may be repeated,
// as another write. ErrLeaseLost if the lease is not held; ErrSuperseded if another record is wanted by
// now; *WriteLimitError if there is no room for the write: then the job is to be given back by AwaitWrite.
func (n Tenant) BeginPublish(ctx context.Context, job Job, recordID string, class WriteClass) error {
	if err := n.checkPublish(job, recordID); err != nil {
		return err
	}
	return n.s.write(ctx, "begin publishing "+job.Key, func(t *txn) error {
		if _, err := hold(t, job); err != nil {
			return err
		}
		wanted, err := n.wanted(t, job)
		if err != nil {
			return err
		}
		if wanted != recordID {
			return ErrSuperseded
		}
		if err := n.s.takeWrite(t, job, class); err != nil {
			return err
		}
		_, err = t.exec(updateAttempting, n.org, job.RepoID, job.HeadSHA, job.CheckName, recordID)
		return err
	})
}

// Published is what GitHub was told.
type Published struct {
	RecordID string
	// GitHubID is the id that GitHub gave the check run.
	GitHubID int64
	// Said is the digest of what a reader would notice.
	Said, Status, Conclusion string
}

// Published makes durable what GitHub now shows, and finishes the publish job. If another
// record is wanted by now, the job is given back instead and runs again at once. ErrLeaseLost
// if the lease is not held: the next holder finds the write through Publication.Attempting.
func (n Tenant) Published(ctx context.Context, job Job, p Published) error {
	if err := n.checkPublished(job, p); err != nil {
		return err
	}
	return n.s.write(ctx, "published "+job.Key, func(t *txn) error {
		h, err := hold(t, job)
		if err != nil {
			return err
		}
		wanted, err := n.wanted(t, job)
		if err != nil {
			return err
		}
		at := micros(n.s.now())
		if _, err := t.exec(updatePublished, n.org, job.RepoID, job.HeadSHA, job.CheckName, p.GitHubID, p.RecordID, p.Said,
			p.Status, p.Conclusion, at); err != nil {
			return err
		}
		if wanted != p.RecordID {
			return n.s.release(t, job, h.attempts, at, 0, false, "")
		}
		return finish(t, job)
	})
}

const selectOnHead = `SELECT d.record_id FROM check_runs c JOIN decisions d ON d.org_id = c.org_id AND d.record_id = c.wanted_record_id
WHERE c.org_id = $1 AND c.repo_id = $2 AND c.head_sha = $3 ORDER BY c.check_name LIMIT 1`

// DecisionOn returns the decision that is wanted on a head, by the first check name when there
// are several; ErrNotFound if nothing was ever decided there.
func (n Tenant) DecisionOn(ctx context.Context, repoID int64, headSHA string) (Decided, error) {
	var record string
	if err := n.s.one(ctx, selectOnHead, []any{n.org, repoID, headSHA}, &record); err != nil {
		return Decided{}, fmt.Errorf("store: decision on %s: %w", headSHA, err)
	}
	return n.Decision(ctx, record)
}

const selectForBase = `SELECT c.record_id FROM changes c JOIN decisions d ON d.org_id = c.org_id AND d.record_id = c.record_id
WHERE c.org_id = $1 AND c.repo_id = $2 AND c.governing_ref = $3 ORDER BY d.leaf_index DESC LIMIT 1`

// DecisionForBase returns the newest decision about any change that was judged by a branch;
// ErrNotFound if there is none, so that nothing says that the branch is enrolled.
func (n Tenant) DecisionForBase(ctx context.Context, repoID int64, governingRef string) (Decided, error) {
	var record string
	if err := n.s.one(ctx, selectForBase, []any{n.org, repoID, governingRef}, &record); err != nil {
		return Decided{}, fmt.Errorf("store: decision for %s: %w", governingRef, err)
	}
	return n.Decision(ctx, record)
}

// Confirm makes durable what was found on GitHub of a write that was begun and never
// confirmed. The job stays claimed, to write what is wanted by now. ErrLeaseLost if the lease
// is not held.
func (n Tenant) Confirm(ctx context.Context, job Job, p Published) error {
	if err := n.checkPublished(job, p); err != nil {
		return err
	}
	return n.s.write(ctx, "confirm "+job.Key, func(t *txn) error {
		if _, err := hold(t, job); err != nil {
			return err
		}
		_, err := t.exec(updatePublished, n.org, job.RepoID, job.HeadSHA, job.CheckName, p.GitHubID, p.RecordID, p.Said,
			p.Status, p.Conclusion, micros(n.s.now()))
		return err
	})
}

func (n Tenant) wanted(t *txn, job Job) (string, error) {
	var wanted string
	err := t.row(selectWantedRecord, []any{n.org, job.RepoID, job.HeadSHA, job.CheckName}, &wanted)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return wanted, err
}

func (n Tenant) checkPublished(job Job, p Published) error {
	if p.GitHubID <= 0 || p.Status == "" {
		return fmt.Errorf("%w: published %s as check run %d with status %q", ErrInvalid, job.Key, p.GitHubID, p.Status)
	}
	return n.checkPublish(job, p.RecordID)
}

func (n Tenant) checkPublish(job Job, recordID string) error {
	if job.OrgID != n.org || job.Kind != KindPublish || recordID == "" {
		return fmt.Errorf("%w: publish record %q of organisation %d for job %s %s", ErrInvalid, recordID, n.org, job.Kind, job.Key)
	}
	return nil
}
