package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/countersign/countersign/ledger"
)

// The kinds of leaves that this package writes.
const (
	LeafDecision     = "decision"
	LeafObservations = "observations"
)

// logHead is the size and root of an organisation's log.
type logHead struct {
	origin string
	size   int64
	root   ledger.Hash
}

const (
	insertLogHead = `INSERT INTO log_heads (org_id, origin, size, root) VALUES ($1, $2, 0, $3) ON CONFLICT (org_id) DO NOTHING`
	selectLogHead = `SELECT origin, size, root FROM log_heads WHERE org_id = $1`
	insertLeaf    = `INSERT INTO log_leaves (org_id, leaf_index, leaf, salt, body, kind) VALUES ($1, $2, $3, $4, $5, $6)`
	insertHash    = `INSERT INTO log_hashes (org_id, position, hash) VALUES ($1, $2, $3)`
	selectHash    = `SELECT hash FROM log_hashes WHERE org_id = $1 AND position = $2`
	// Compare and swap: two that read the same head cannot both append to it.
	moveLogHead = `UPDATE log_heads SET size = $4, root = $5 WHERE org_id = $1 AND size = $2 AND root = $3`
)

// newSalt returns the random salt of one body.
func newSalt() (salt [ledger.SaltSize]byte) {
	rand.Read(salt[:]) // never fails
	return salt
}

// ensureLog makes the log of the organisation if there is none, and returns its head. The
// root of a log without leaves is the hash of nothing. ErrNoSigner if there is none and the store
// does not know the name that it would keep.
func (s *Store) ensureLog(t *txn, org int64) (logHead, error) {
	h, err := loadLogHead(t, org)
	if !errors.Is(err, sql.ErrNoRows) {
		return h, err
	}
	if s.origin == "" {
		return logHead{}, fmt.Errorf("%w: a new log has the key's name", ErrNoSigner)
	}
	empty := new(ledger.Rebuild).Root()
	origin := s.origin + "/" + strconv.FormatInt(org, 10)
	if _, err := t.exec(insertLogHead, org, origin, empty[:]); err != nil {
		return logHead{}, err
	}
	return loadLogHead(t, org)
}

func loadLogHead(t *txn, org int64) (logHead, error) {
	var h logHead
	var root []byte
	if err := t.row(selectLogHead, []any{org}, &h.origin, &h.size, &root); err != nil {
		return logHead{}, err
	}
	return h, h.setRoot(root)
}

func (h *logHead) setRoot(root []byte) error {
	if len(root) != len(h.root) {
		return fmt.Errorf("log head: root has %d bytes", len(root))
	}
	h.root = ledger.Hash(root)
	return nil
}

// appendLeaf adds one leaf to the log whose head was read in this transaction, and returns
// the new head. It is the last thing to do in a transaction that others may wait for.
func appendLeaf(t *txn, org int64, h logHead, kind string, at time.Time, salt [ledger.SaltSize]byte, body []byte) (logHead, error) {
	leaf, err := ledger.Leaf{
		V: ledger.LeafVersion, Kind: kind, Seq: h.size, RecordedAt: at, BodySHA256: ledger.BodyDigest(salt, body),
	}.Encode()
	if err != nil {
		return h, err
	}
	tree := ledger.NewOverlay(h.size, hashesIn(t, org))
	hashes, err := ledger.Append(h.size, leaf, tree)
	if err != nil {
		return h, err
	}
	tree.Add(hashes)
	next := logHead{origin: h.origin, size: h.size + 1}
	if next.root, err = ledger.Root(next.size, tree); err != nil {
		return h, err
	}
	if _, err := t.exec(insertLeaf, org, h.size, leaf, salt[:], body, kind); err != nil {
		return h, err
	}
	first, hashes := tree.Added()
	for i, hash := range hashes {
		if _, err := t.exec(insertHash, org, first+int64(i), hash[:]); err != nil {
			return h, err
		}
	}
	n, err := t.exec(moveLogHead, org, h.size, h.root[:], next.size, next.root[:])
	if err != nil {
		return h, err
	}
	if n != 1 {
		return h, ErrConflict
	}
	return next, nil
}

// moment is now, as leaves and their bodies have it: UTC, to the microsecond.
func (s *Store) moment() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// appendRecord adds the leaf of a record whose body is kept with it, and returns its index.
// Nothing in the transaction may append with a head that was read before.
func (n Tenant) appendRecord(t *txn, kind string, at time.Time, body []byte) (int64, error) {
	h, err := n.s.ensureLog(t, n.org)
	if err != nil {
		return 0, err
	}
	_, err = appendLeaf(t, n.org, h, kind, at, newSalt(), body)
	return h.size, err
}

// hashesIn reads stored hashes in a transaction, one statement each: a leaf needs about
// twenty of a million, and a list of unknown length has no portable placeholder.
func hashesIn(t *txn, org int64) ledger.HashReader {
	return ledger.HashReaderFunc(func(positions []int64) ([]ledger.Hash, error) {
		return readHashes(positions, func(position int64) (b []byte, err error) {
			err = t.row(selectHash, []any{org, position}, &b)
			return b, err
		})
	})
}

// hashes reads stored hashes outside of any transaction. What was committed never changes.
func (n Tenant) hashes(ctx context.Context) ledger.HashReader {
	return ledger.HashReaderFunc(func(positions []int64) ([]ledger.Hash, error) {
		return readHashes(positions, func(position int64) (b []byte, err error) {
			err = n.s.one(ctx, selectHash, []any{n.org, position}, &b)
			return b, err
		})
	})
}

func readHashes(positions []int64, read func(int64) ([]byte, error)) ([]ledger.Hash, error) {
	out := make([]ledger.Hash, len(positions))
	for i, p := range positions {
		b, err := read(p)
		if err != nil {
			return nil, fmt.Errorf("log hash at position %d: %w", p, err)
		}
		if len(b) != len(out[i]) {
			return nil, fmt.Errorf("log hash at position %d has %d bytes", p, len(b))
		}
		out[i] = ledger.Hash(b)
	}
	return out, nil
}

// head reads the log's head outside of any transaction; ErrNotFound if there is no log.
func (n Tenant) head(ctx context.Context) (logHead, error) {
	var h logHead
	var root []byte
	if err := n.s.one(ctx, selectLogHead, []any{n.org}, &h.origin, &h.size, &root); err != nil {
		return logHead{}, err
	}
	return h, h.setRoot(root)
}

const selectLeaf = `SELECT leaf FROM log_leaves WHERE org_id = $1 AND leaf_index = $2`

// Inclusion proves that a leaf is in the log as it is now. It returns the leaf's exact bytes,
// the checked proof, and the size and root that it leads to.
func (n Tenant) Inclusion(ctx context.Context, index int64) (leaf []byte, proof []ledger.Hash, size int64, root ledger.Hash, err error) {
	h, err := n.head(ctx)
	if err == nil {
		err = n.s.one(ctx, selectLeaf, []any{n.org, index}, &leaf)
	}
	if err == nil {
		proof, err = ledger.Inclusion(index, leaf, h.size, h.root, n.hashes(ctx))
	}
	if err != nil {
		return nil, nil, 0, ledger.Hash{}, fmt.Errorf("store: prove leaf %d of organisation %d: %w", index, n.org, err)
	}
	return leaf, proof, h.size, h.root, nil
}

const (
	selectNewestCheckpoint = `SELECT signed, size FROM checkpoints WHERE org_id = $1 ORDER BY size DESC LIMIT 1`
	insertCheckpoint       = `INSERT INTO checkpoints (org_id, size, signed, signed_at) VALUES ($1, $2, $3, $4)`
)

// Checkpoint returns a signed checkpoint of the log as it is now, as the exact bytes that
// were stored, and its size. It signs only if the newest checkpoint is of a smaller log.
//
// It returns ErrFork, and signs nothing, if the log does not extend the newest checkpoint, if that
// is not one of ours or if a witness knows another log; ErrOtherKey if the log was handed over to another key; ErrNotFound for a log without leaves; ErrNoSigner without a key.
func (n Tenant) Checkpoint(ctx context.Context) (signed []byte, size int64, err error) {
	if n.s.signer == nil || len(n.s.verifiers) == 0 {
		return nil, 0, fmt.Errorf("store: checkpoint of organisation %d: %w", n.org, ErrNoSigner)
	}
	err = n.s.write(ctx, "checkpoint of organisation "+strconv.FormatInt(n.org, 10), func(t *txn) error {
		signed, size, err = n.checkpoint(t)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return signed, size, nil
}

func (n Tenant) checkpoint(t *txn) ([]byte, int64, error) {
	h, err := loadLogHead(t, n.org)
	if errors.Is(err, sql.ErrNoRows) || err == nil && h.size == 0 {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	terms, err := loadTerms(t, n.org)
	if err != nil {
		return nil, 0, err
	}
	m, err := n.s.current(h, terms)
	if err != nil {
		return nil, 0, err
	}
	if err := n.contradicted(t, m.Origin); err != nil {
		return nil, 0, err
	}
	newest, err := n.newestCheckpoint(t, h, terms)
	if err != nil {
		return nil, 0, err
	}
	if newest.size == h.size {
		return newest.signed, h.size, nil
	}
	signed, err := ledger.Checkpoint{Origin: m.Origin, Size: h.size, Root: h.root}.Sign(n.s.signer)
	if err != nil {
		return nil, 0, err
	}
	_, err = t.exec(insertCheckpoint, n.org, h.size, signed, micros(n.s.now()))
	return signed, h.size, err
}

// newestCheckpoint returns the newest checkpoint, of size 0 if there is none, after it saw that the
// log extends it. ErrFork if it does not, or if the checkpoint is not one of ours.
func (n Tenant) newestCheckpoint(t *txn, h logHead, terms ledger.Terms) (storedCheckpoint, error) {
	var newest storedCheckpoint
	err := t.row(selectNewestCheckpoint, []any{n.org}, &newest.signed, &newest.size)
	if errors.Is(err, sql.ErrNoRows) {
		// The head must at least be the root of what is stored.
		root, err := ledger.Root(h.size, hashesIn(t, n.org))
		if err != nil || root != h.root {
			return storedCheckpoint{}, fmt.Errorf("%w: the head is not the root of %d leaves", ErrFork, h.size)
		}
		return storedCheckpoint{}, nil
	}
	if err != nil {
		return storedCheckpoint{}, err
	}
	newest.signed = bytes.Clone(newest.signed)
	old, err := n.s.openCheckpoint(newest.signed, newest.size, h.origin, terms)
	if err == nil {
		_, err = ledger.Consistency(old.Size, old.Root, h.size, h.root, hashesIn(t, n.org))
	}
	if err != nil {
		return storedCheckpoint{}, fmt.Errorf("%w: %w", ErrFork, err)
	}
	newest.size = old.Size
	return newest, nil
}

// NewestCheckpoint is the newest checkpoint that was signed, as the exact bytes that were stored, and the
// size of the log that it is of. It signs nothing: strangers may ask. ErrNotFound if none was.
func (n Tenant) NewestCheckpoint(ctx context.Context) (signed []byte, size int64, err error) {
	err = n.s.one(ctx, selectNewestCheckpoint, []any{n.org}, &signed, &size)
	if err != nil {
		return nil, 0, fmt.Errorf("store: newest checkpoint of organisation %d: %w", n.org, err)
	}
	return signed, size, nil
}

const selectCheckpointAt = `SELECT signed FROM checkpoints WHERE org_id = $1 AND size = $2`

// CheckpointAt is the checkpoint that was signed of the log at a size, as the exact bytes that were
// stored. ErrNotFound if none was.
func (n Tenant) CheckpointAt(ctx context.Context, size int64) (signed []byte, err error) {
	if err := n.s.one(ctx, selectCheckpointAt, []any{n.org, size}, &signed); err != nil {
		return nil, fmt.Errorf("store: checkpoint of organisation %d at %d leaves: %w", n.org, size, err)
	}
	return signed, nil
}

// Tile returns a tile of the log that the newest signed checkpoint is of. ErrNotFound if there is
// no checkpoint, or the log does not have the tile yet.
func (n Tenant) Tile(ctx context.Context, tile ledger.Tile) ([]byte, error) {
	_, size, err := n.NewestCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	hashes, err := tile.Hashes(size, n.hashes(ctx))
	if errors.Is(err, ledger.ErrProof) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("store: tile of organisation %d: %w", n.org, err)
	}
	return hashes, nil
}
