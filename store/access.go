package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafAccess is the kind of the leaves that say who took or read evidence.
const LeafAccess = "access"

// AccessExport is an access that took a bundle, and AccessStored says that it was put into a bucket and is
// locked there.
const (
	AccessExport = "export"
	AccessStored = "stored"
)

// Access says who took or read which evidence. It is the body of its leaf.
//
// Field names and order are part of the evidence format; add, never change.
type Access struct {
	V    int    `json:"v"`
	What string `json:"what"` // "export", "stored", "read", "grant", "revoke"
	By   Who    `json:"by"`
	// Query is what was asked for, and LogSize the size of the log that answered.
	Query   json.RawMessage `json:"query"`
	LogSize int64           `json:"log_size"`
	// ManifestSHA256 is the digest of the bundle's manifest: it tells the bundle apart.
	ManifestSHA256 string `json:"manifest_sha256,omitempty"`
	// DrawLeaf is the leaf of the draw of its sample; nil: there is no sample.
	DrawLeaf *int64    `json:"draw_leaf,omitempty"`
	At       time.Time `json:"at"` // UTC, to the microsecond
	// Stored is where the bundle is and until when it is locked there; nil: this is about something else.
	Stored *Stored `json:"stored,omitempty"`
}

// Stored is a file in a bucket, as the storage said when the lock was read back.
//
// Field names and order are part of the evidence format; add, never change.
type Stored struct {
	Endpoint  string `json:"endpoint"` // address of the storage
	Bucket    string `json:"bucket"`
	Object    string `json:"object"`
	VersionID string `json:"version_id"`
	SHA256    string `json:"sha256"` // of the file, hexadecimal
	Bytes     int64  `json:"bytes"`
	// Mode is how strong the lock is, in S3's words, and LockedUntil when it ends, UTC.
	Mode        string    `json:"mode"`
	LockedUntil time.Time `json:"locked_until"`
}

const accessVersion = 1

// RecordAccess adds an access to the log. V and At are set.
func (n Tenant) RecordAccess(ctx context.Context, a Access) error {
	if a.What == "" || !a.By.known() || !json.Valid(a.Query) || (a.What == AccessStored) != (a.Stored != nil) {
		return fmt.Errorf("%w: access %q without who, or without its query, or without where", ErrInvalid, a.What)
	}
	return n.s.write(ctx, "record an access", func(t *txn) error { return n.recordAccess(t, a) })
}

func (n Tenant) recordAccess(t *txn, a Access) error {
	a.V, a.At = accessVersion, n.s.moment()
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = n.appendRecord(t, LeafAccess, a.At, body)
	return err
}

// Accessed is an access with its leaf.
type Accessed struct {
	Access
	LeafIndex int64
}

// Accesses returns every access that the log still holds, oldest first, and of how many the body
// was disposed of.
func (n Tenant) Accesses(ctx context.Context) (out []Accessed, disposed int, err error) {
	err = n.recordsOf(ctx, LeafAccess, func(l ledger.Leaf, body []byte) error {
		if body == nil {
			disposed++
			return nil
		}
		a := Accessed{LeafIndex: l.Seq}
		err := json.Unmarshal(body, &a.Access)
		out = append(out, a)
		return err
	})
	return out, disposed, err
}

const selectOfKind = `SELECT leaf, body FROM log_leaves WHERE org_id = $1 AND kind = $2 ORDER BY leaf_index`

// recordsOf calls each for the records of one kind, in order; a body that was disposed of is nil.
func (n Tenant) recordsOf(ctx context.Context, kind string, each func(l ledger.Leaf, body []byte) error) error {
	err := n.s.query(ctx, selectOfKind, []any{n.org, kind}, func(scan func(...any) error) error {
		var leaf, body []byte
		if err := scan(&leaf, &body); err != nil {
			return err
		}
		l, err := ledger.DecodeLeaf(leaf)
		if err != nil {
			return err
		}
		if err := each(l, body); err != nil {
			return fmt.Errorf("leaf %d: %w", l.Seq, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: records of kind %s of organisation %d: %w", kind, n.org, err)
	}
	return nil
}
