package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Upload is how far it is with putting the file of a bundle into the bucket of the settings.
type Upload struct {
	SHA256      string    // of the file, hexadecimal
	LockedUntil time.Time // at least
	// Attempts is how often it was begun, and NextAt when it is again, or when whoever is at it is taken
	// for dead.
	Attempts int
	NextAt   time.Time
	Run      string // of who is at it; empty: nobody
	// Cause is why the last attempt failed, for people; empty: none did.
	Cause string
	// Stored is where the file is; nil: it is not there yet.
	Stored *Stored
}

// uploadSilence is after how long without a sign of life whoever is at an upload is taken for dead.
const uploadSilence = time.Minute

// Busy says whether somebody is at it now.
func (u *Upload) Busy(now time.Time) bool { return u != nil && u.Run != "" && now.Before(u.NextAt) }

// Waits says whether the file is still to be put into the bucket.
func (u *Upload) Waits() bool { return u != nil && u.Stored == nil }

// uploadRow is an upload beside its bundle; all of it is null where there is none.
type uploadRow struct {
	sha256, run, cause    sql.NullString
	until, attempts, next sql.NullInt64
	stored                []byte
}

func (r uploadRow) upload() (*Upload, error) {
	if !r.sha256.Valid {
		return nil, nil
	}
	u := &Upload{SHA256: r.sha256.String, LockedUntil: fromMicros(r.until.Int64), Attempts: int(r.attempts.Int64), NextAt: fromMicros(r.next.Int64), Run: r.run.String, Cause: r.cause.String}
	if len(r.stored) == 0 {
		return u, nil
	}
	u.Stored = &Stored{}
	return u, json.Unmarshal(r.stored, u.Stored)
}

// The same bytes that are in the bucket already are not put there again.
const askUpload = `INSERT INTO bundle_uploads (org_id, bundle_id, sha256, locked_until, attempts, next_at, run, cause, stored)
VALUES ($1, $2, $3, $4, 0, $5, '', '', $6)
ON CONFLICT (org_id, bundle_id) DO UPDATE SET sha256 = excluded.sha256, locked_until = excluded.locked_until, attempts = 0, next_at = excluded.next_at,
  run = '', cause = '', stored = excluded.stored
WHERE bundle_uploads.sha256 <> excluded.sha256 OR LENGTH(bundle_uploads.stored) = 0`

// KeepMade keeps a bundle that is made, and that its file is to be in the bucket, locked until a time at
// least: both or neither. ErrNotFound as for KeepBundle.
func (n Tenant) KeepMade(ctx context.Context, b Bundle, sha256 string, until time.Time) error {
	return n.s.write(ctx, "keep a bundle that is made", func(t *txn) error {
		if err := n.keepBundle(t, b); err != nil {
			return err
		}
		_, err := t.exec(askUpload, n.org, b.ID, sha256, micros(until), micros(n.s.moment()), []byte{})
		return err
	})
}

const selectDueUploads = bundleColumns + `WHERE b.org_id = $1 AND b.state = 'made' AND LENGTH(u.stored) = 0 AND u.next_at <= $2 ORDER BY u.next_at, b.id`

// DueUploads returns the bundles whose files are to be put into the bucket now, and nobody is at it.
func (n Tenant) DueUploads(ctx context.Context) ([]Bundle, error) {
	return n.bundles(ctx, selectDueUploads, micros(n.s.moment()))
}

const selectWaitingUploads = `SELECT bundle_id FROM bundle_uploads WHERE org_id = $1 AND LENGTH(stored) = 0`

// WaitingUploads returns the ids of all bundles whose files are still to be put into the bucket, also of
// those that somebody is at.
func (n Tenant) WaitingUploads(ctx context.Context) (ids []string, err error) {
	err = n.s.query(ctx, selectWaitingUploads, []any{n.org}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list the bundles of organisation %d that wait for the bucket: %w", n.org, err)
	}
	return ids, nil
}

const takeUpload = `UPDATE bundle_uploads SET run = $3, attempts = attempts + 1, next_at = $4 WHERE org_id = $1 AND bundle_id = $2 AND LENGTH(stored) = 0 AND next_at <= $5`

// TakeUpload gives the upload of a bundle to whoever has its file. ErrNotFound if it is not due: somebody is
// at it, or it is there.
func (n Tenant) TakeUpload(ctx context.Context, id string) (Bundle, error) {
	err := n.s.write(ctx, "take an upload", func(t *txn) error {
		now := n.s.moment()
		return one(t.exec(takeUpload, n.org, id, newRecordID(), micros(now.Add(uploadSilence)), micros(now)))
	})
	if err != nil {
		return Bundle{}, err
	}
	return n.Bundle(ctx, id)
}

const beatUpload = `UPDATE bundle_uploads SET next_at = $4 WHERE org_id = $1 AND bundle_id = $2 AND run = $3`

// BeatUpload keeps that somebody is at the upload that they took. ErrNotFound if it is not theirs any more.
func (n Tenant) BeatUpload(ctx context.Context, b Bundle) error {
	return n.s.write(ctx, "be at an upload", func(t *txn) error {
		return one(t.exec(beatUpload, n.org, b.ID, b.Upload.Run, micros(n.s.moment().Add(uploadSilence))))
	})
}

const failUpload = `UPDATE bundle_uploads SET run = '', cause = $4, next_at = $5 WHERE org_id = $1 AND bundle_id = $2 AND run = $3`

// FailUpload keeps why an upload failed that somebody took, and after how long it is tried again. ErrNotFound
// if it is not theirs any more.
func (n Tenant) FailUpload(ctx context.Context, b Bundle, cause string, again time.Duration) error {
	return n.s.write(ctx, "keep why an upload failed", func(t *txn) error {
		return one(t.exec(failUpload, n.org, b.ID, b.Upload.Run, cause, micros(n.s.moment().Add(again))))
	})
}

const endUpload = `UPDATE bundle_uploads SET run = '', cause = '', stored = $4 WHERE org_id = $1 AND bundle_id = $2 AND run = $3`

// EndUpload keeps where the file is, and puts it on record in the log: both or neither, so that it is once.
// ErrNotFound if the upload is not theirs any more.
func (n Tenant) EndUpload(ctx context.Context, b Bundle, s Stored) error {
	stored, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return n.s.write(ctx, "keep where a bundle is", func(t *txn) error {
		if err := one(t.exec(endUpload, n.org, b.ID, b.Upload.Run, stored)); err != nil {
			return err
		}
		return n.recordAccess(t, Access{What: AccessStored, By: b.AskedBy, Query: b.Query, LogSize: b.LogSize, ManifestSHA256: b.ManifestSHA256, Stored: &s})
	})
}
