package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafRecovery is the kind of the leaves that say that a backup was restored, or that it was tried.
const LeafRecovery = "recovery"

// Recovery says that a backup became a database again, and how long that took. It is the body of
// its leaf: in the restored log, or in the one that goes on where it was a rehearsal.
//
// Field names and order are part of the evidence format; add, never change.
type Recovery struct {
	V         int  `json:"v"`
	Rehearsal bool `json:"rehearsal"` // restored to see that it can be, and thrown away
	By        Who  `json:"by"`
	// BackupSHA256 is the digest of the backup, and BackupBytes its size.
	BackupSHA256 string `json:"backup_sha256"`
	BackupBytes  int64  `json:"backup_bytes"`
	// Leaves is the size of this log in the backup, all of them re-hashed, and NewestAt when the
	// newest was recorded: what came later is not in the backup.
	Leaves   int64     `json:"leaves"`
	NewestAt time.Time `json:"newest_at,omitzero"`
	// TookMillis is the time from the beginning until every log of the backup was checked.
	TookMillis int64     `json:"took_ms"`
	At         time.Time `json:"at"` // UTC, to the microsecond
}

const recoveryVersion = 1

// RecordRecovery adds a recovery to the log. V and At are set.
func (n Tenant) RecordRecovery(ctx context.Context, r Recovery) error {
	if len(r.BackupSHA256) != 64 || !r.By.known() {
		return fmt.Errorf("%w: recovery without its backup, or without who", ErrInvalid)
	}
	return n.s.write(ctx, "record a recovery", func(t *txn) error {
		r.V, r.At = recoveryVersion, n.s.moment()
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = n.appendRecord(t, LeafRecovery, r.At, body)
		return err
	})
}

// Recovered is a recovery with its leaf.
type Recovered struct {
	Recovery
	LeafIndex int64
}

// Recoveries returns every recovery of the log, oldest first. They are never disposed of.
func (n Tenant) Recoveries(ctx context.Context) (out []Recovered, err error) {
	err = n.recordsOf(ctx, LeafRecovery, func(l ledger.Leaf, body []byte) error {
		r := Recovered{LeafIndex: l.Seq}
		err := json.Unmarshal(body, &r.Recovery)
		out = append(out, r)
		return err
	})
	return out, err
}

const selectNewestLeaf = `SELECT leaf FROM log_leaves WHERE org_id = $1 ORDER BY leaf_index DESC LIMIT 1`

// NewestAt returns when the newest leaf of the log was recorded; ErrNotFound if it has none.
func (n Tenant) NewestAt(ctx context.Context) (time.Time, error) {
	var leaf []byte
	if err := n.s.one(ctx, selectNewestLeaf, []any{n.org}, &leaf); err != nil {
		return time.Time{}, fmt.Errorf("store: newest leaf of organisation %d: %w", n.org, err)
	}
	l, err := ledger.DecodeLeaf(leaf)
	return l.RecordedAt, err
}
