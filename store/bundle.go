package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Bundle is evidence that somebody asks for on the pages: first it is looked at what it would say, and
// it is made when they say so. Its file is beside the server that made it, for a day.
type Bundle struct {
	ID       string
	Query    json.RawMessage // evidence.Query
	AskedBy  Who
	AskedAt  time.Time
	State    BundleState
	Server   string // process that does it, or did it last
	Run      string // tells the attempts apart
	BeatAt   time.Time
	Progress BundleProgress
	// LogSize is how many leaves the file is made of; 0: that is not fixed yet.
	LogSize int64
	// Preview is what the bundle would say (evidence.Preview); nil: it was not looked at yet.
	Preview json.RawMessage
	// Cause is why it failed, for people; empty: it did not.
	Cause string
	// ManifestSHA256 and Bytes are the file's; zero: it is not made.
	ManifestSHA256 string
	Bytes          int64
	// Upload is how far it is with putting the file into the bucket of the settings; nil: there was none
	// when it was made.
	Upload *Upload
}

// BundleProgress is how far a step is. Doing is empty while it waits for its turn.
type BundleProgress struct {
	Doing       string
	Done, Total int64
}

// BundleState is how far a bundle is.
type BundleState string

// The states of a bundle, in order. Without a preview, what failed was the look.
const (
	BundleLooking BundleState = "looking"
	BundleLooked  BundleState = "looked"
	BundleMaking  BundleState = "making"
	BundleMade    BundleState = "made"
	BundleFailed  BundleState = "failed"
)

// bundleSilence is after how long without a sign of life whoever makes a bundle is taken for dead.
const bundleSilence = 30 * time.Second

// Busy says whether somebody is at it now.
func (b Bundle) Busy(now time.Time) bool { return b.begun() && now.Sub(b.BeatAt) < bundleSilence }

// Killed says whether whoever was at it is gone, and it is not done.
func (b Bundle) Killed(now time.Time) bool { return b.begun() && !b.Busy(now) }

func (b Bundle) begun() bool { return b.State == BundleLooking || b.State == BundleMaking }

const insertBundle = `INSERT INTO bundles (org_id, id, query, asked_by, asked_at, state, server, run, beat_at, doing, done, total, log_size, preview, cause, manifest_sha256, bytes)
VALUES ($1, $2, $3, $4, $5, 'looking', $6, $7, $5, '', 0, 0, 0, $8, '', '', 0)`

// AskBundle keeps that somebody asks for a bundle, for the server to look at it.
func (n Tenant) AskBundle(ctx context.Context, query json.RawMessage, by Who, server string) (Bundle, error) {
	if !json.Valid(query) || !by.known() || server == "" {
		return Bundle{}, fmt.Errorf("%w: a bundle for %s at %q", ErrInvalid, by, server)
	}
	asker, err := json.Marshal(by)
	if err != nil {
		return Bundle{}, err
	}
	b := Bundle{ID: newRecordID(), Query: query, AskedBy: by, AskedAt: n.s.moment(), State: BundleLooking, Server: server, Run: newRecordID()}
	b.BeatAt = b.AskedAt
	err = n.s.write(ctx, "ask for a bundle", func(t *txn) error {
		_, err := t.exec(insertBundle, n.org, b.ID, []byte(query), asker, micros(b.AskedAt), server, b.Run, []byte{})
		return err
	})
	return b, err
}

// A bundle that somebody is at is not taken from them.
const takeBundle = `UPDATE bundles SET state = CASE WHEN LENGTH(preview) = 0 THEN 'looking' ELSE 'making' END,
  server = $3, run = $4, beat_at = $5, doing = '', done = 0, total = 0, cause = ''
WHERE org_id = $1 AND id = $2 AND (state IN ('looked', 'failed', 'made') OR beat_at <= $6)`

// TakeBundle gives a bundle to a server, to be made, or to be looked at if that failed. One whose
// size of the log was fixed before is made of the same. ErrNotFound if there is none, or somebody is at it.
func (n Tenant) TakeBundle(ctx context.Context, id, server string) (Bundle, error) {
	run := newRecordID()
	err := n.s.write(ctx, "take a bundle", func(t *txn) error {
		now := n.s.moment()
		return one(t.exec(takeBundle, n.org, id, server, run, micros(now), micros(now.Add(-bundleSilence))))
	})
	if err != nil {
		return Bundle{}, err
	}
	return n.Bundle(ctx, id)
}

const keepBundle = `UPDATE bundles SET state = $4, beat_at = $5, doing = $6, done = $7, total = $8, log_size = $9, preview = $10, cause = $11,
  manifest_sha256 = $12, bytes = $13 WHERE org_id = $1 AND id = $2 AND run = $3`

// KeepBundle keeps how far whoever took a bundle is with it. BeatAt is set. ErrNotFound if somebody
// else has taken it since, or it was forgotten.
func (n Tenant) KeepBundle(ctx context.Context, b Bundle) error {
	return n.s.write(ctx, "keep a bundle", func(t *txn) error { return n.keepBundle(t, b) })
}

func (n Tenant) keepBundle(t *txn, b Bundle) error {
	return one(t.exec(keepBundle, n.org, b.ID, b.Run, string(b.State), micros(n.s.moment()), b.Progress.Doing, b.Progress.Done, b.Progress.Total, b.LogSize,
		notNull(b.Preview), b.Cause, b.ManifestSHA256, b.Bytes))
}

const (
	bundleColumns = `SELECT b.id, b.query, b.asked_by, b.asked_at, b.state, b.server, b.run, b.beat_at, b.doing, b.done, b.total, b.log_size, b.preview, b.cause, b.manifest_sha256, b.bytes,
  u.sha256, u.locked_until, u.attempts, u.next_at, u.run, u.cause, u.stored FROM bundles b LEFT JOIN bundle_uploads u ON u.org_id = b.org_id AND u.bundle_id = b.id `
	selectBundle  = bundleColumns + `WHERE b.org_id = $1 AND b.id = $2`
	selectBundles = bundleColumns + `WHERE b.org_id = $1 ORDER BY b.asked_at DESC, b.id LIMIT $2`
)

// Bundle returns a bundle that was asked for in the last day; ErrNotFound if there is none.
func (n Tenant) Bundle(ctx context.Context, id string) (Bundle, error) {
	list, err := n.bundles(ctx, selectBundle, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: bundle %.100q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Bundle{}, err
	}
	return list[0], nil
}

// Bundles returns the bundles that were asked for last, newest first.
func (n Tenant) Bundles(ctx context.Context, limit int) ([]Bundle, error) {
	return n.bundles(ctx, selectBundles, limit)
}

func (n Tenant) bundles(ctx context.Context, query string, arg any) (out []Bundle, err error) {
	err = n.s.query(ctx, query, []any{n.org, arg}, func(scan func(...any) error) error {
		var b Bundle
		var asked, beat int64
		var query, by, preview []byte
		var u uploadRow
		if err := scan(&b.ID, &query, &by, &asked, &b.State, &b.Server, &b.Run, &beat, &b.Progress.Doing, &b.Progress.Done, &b.Progress.Total, &b.LogSize,
			&preview, &b.Cause, &b.ManifestSHA256, &b.Bytes, &u.sha256, &u.until, &u.attempts, &u.next, &u.run, &u.cause, &u.stored); err != nil {
			return err
		}
		var err error
		if b.Upload, err = u.upload(); err != nil {
			return err
		}
		b.Query, b.AskedAt, b.BeatAt = query, fromMicros(asked), fromMicros(beat)
		if len(preview) > 0 {
			b.Preview = preview
		}
		out = append(out, b)
		return json.Unmarshal(by, &out[len(out)-1].AskedBy)
	})
	if err != nil {
		return nil, fmt.Errorf("store: bundles of organisation %d: %w", n.org, err)
	}
	return out, nil
}

const forgetBundles = `DELETE FROM bundles WHERE org_id = $1 AND asked_at < $2 AND (asked_at < $3
  OR NOT EXISTS (SELECT 1 FROM bundle_uploads u WHERE u.org_id = bundles.org_id AND u.bundle_id = bundles.id AND LENGTH(u.stored) = 0))`

// ForgetBundles forgets the bundles that were asked for before a time, and those that still wait for the
// bucket when they were asked for before another. What the log says of them stays.
func (n Tenant) ForgetBundles(ctx context.Context, before, waiting time.Time) error {
	return n.s.write(ctx, "forget bundles", func(t *txn) error {
		_, err := t.exec(forgetBundles, n.org, micros(before), micros(waiting))
		return err
	})
}
