package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 hash of the tree: of a leaf, of a node, or a root.
type Hash = tlog.Hash

// HashReader reads stored hashes by their position. The hashes of a tree are stored in the
// order in which Append returns them; position 0 is the first hash of the first leaf.
type HashReader = tlog.HashReader

// HashReaderFunc makes a function a HashReader.
type HashReaderFunc = tlog.HashReaderFunc

// ErrProof says that stored hashes do not prove what was asked: a leaf that is not in the
// tree, a tree that does not extend another, or a hash that was changed in the storage.
var ErrProof = errors.New("ledger: proof does not hold")

// LeafHash returns the hash of a leaf's exact bytes.
func LeafHash(leaf []byte) Hash { return tlog.RecordHash(leaf) }

// Positions returns how many hashes a tree of size leaves stores, which is the position of
// the first hash that the next leaf adds.
func Positions(size int64) int64 { return tlog.StoredHashCount(size) }

// Append returns the hashes to store when leaf becomes the leaf with index size. They belong
// at Positions(size), Positions(size)+1, and so on.
func Append(size int64, leaf []byte, r HashReader) ([]Hash, error) {
	if size < 0 {
		return nil, fmt.Errorf("append to a tree of %d leaves: %w", size, ErrProof)
	}
	hs, err := tlog.StoredHashes(size, leaf, r)
	if err != nil {
		return nil, fmt.Errorf("append leaf %d: %w", size, err)
	}
	return hs, nil
}

// Root returns the root hash of the first size leaves. The root of no leaves is the hash of
// the empty string, as in RFC 6962.
func Root(size int64, r HashReader) (Hash, error) {
	if size < 0 {
		return Hash{}, fmt.Errorf("root of a tree of %d leaves: %w", size, ErrProof)
	}
	h, err := tlog.TreeHash(size, r)
	if err != nil {
		return Hash{}, fmt.Errorf("root of %d leaves: %w", size, err)
	}
	return h, nil
}

// Inclusion proves that leaf is the leaf with this index in the tree of size leaves whose
// root is given. The proof was checked; ErrProof if it does not hold.
func Inclusion(index int64, leaf []byte, size int64, root Hash, r HashReader) ([]Hash, error) {
	if index < 0 || index >= size {
		return nil, fmt.Errorf("leaf %d of %d: %w", index, size, ErrProof)
	}
	p, err := tlog.ProveRecord(size, index, r)
	if err != nil {
		return nil, fmt.Errorf("prove leaf %d of %d: %w", index, size, err)
	}
	if err := CheckInclusion(p, index, leaf, size, root); err != nil {
		return nil, err
	}
	return p, nil
}

// InclusionAt is Inclusion for whoever has the leaf elsewhere: it returns the hash that the tree
// has of the leaf with this index, and the checked proof.
func InclusionAt(index, size int64, root Hash, r HashReader) (leaf Hash, proof []Hash, err error) {
	if index < 0 || index >= size {
		return leaf, nil, fmt.Errorf("leaf %d of %d: %w", index, size, ErrProof)
	}
	stored, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return leaf, nil, fmt.Errorf("hash of leaf %d: %w", index, err)
	}
	if proof, err = tlog.ProveRecord(size, index, r); err != nil {
		return leaf, nil, fmt.Errorf("prove leaf %d of %d: %w", index, size, err)
	}
	if err := tlog.CheckRecord(proof, size, root, index, stored[0]); err != nil {
		return leaf, nil, fmt.Errorf("leaf %d of %d: %w: %v", index, size, ErrProof, err)
	}
	return stored[0], proof, nil
}

// CheckInclusion checks an inclusion proof that somebody gave.
func CheckInclusion(proof []Hash, index int64, leaf []byte, size int64, root Hash) error {
	if err := tlog.CheckRecord(proof, size, root, index, LeafHash(leaf)); err != nil {
		return fmt.Errorf("leaf %d of %d: %w: %v", index, size, ErrProof, err)
	}
	return nil
}

// Consistency proves that the tree of size leaves with this root begins with the tree of
// oldSize leaves with oldRoot. The proof was checked; ErrProof if it does not hold. A tree
// of no leaves is the beginning of every tree, and that needs no hashes.
func Consistency(oldSize int64, oldRoot Hash, size int64, root Hash, r HashReader) ([]Hash, error) {
	if oldSize < 0 || oldSize > size {
		return nil, fmt.Errorf("tree of %d to %d leaves: %w", oldSize, size, ErrProof)
	}
	var p tlog.TreeProof
	if oldSize > 0 {
		var err error
		if p, err = tlog.ProveTree(size, oldSize, r); err != nil {
			return nil, fmt.Errorf("prove tree of %d to %d leaves: %w", oldSize, size, err)
		}
	}
	if err := CheckConsistency(p, oldSize, oldRoot, size, root); err != nil {
		return nil, err
	}
	return p, nil
}

// CheckConsistency checks a consistency proof that somebody gave.
func CheckConsistency(proof []Hash, oldSize int64, oldRoot Hash, size int64, root Hash) error {
	if oldSize == 0 {
		if empty := new(Rebuild).Root(); oldRoot != empty || size < 0 || len(proof) != 0 {
			return fmt.Errorf("tree of 0 to %d leaves: %w", size, ErrProof)
		}
		return nil
	}
	if err := tlog.CheckTree(proof, size, root, oldSize, oldRoot); err != nil {
		return fmt.Errorf("tree of %d to %d leaves: %w: %v", oldSize, size, ErrProof, err)
	}
	return nil
}

// Overlay is a HashReader over hashes that are stored and hashes that are not stored yet.
// It lets several leaves be appended before any of their hashes is written.
type Overlay struct {
	under HashReader
	start int64 // position of the first hash in added
	added []Hash
}

// NewOverlay returns an Overlay over a tree of size leaves.
func NewOverlay(size int64, under HashReader) *Overlay {
	return &Overlay{under: under, start: Positions(size)}
}

// Add puts hashes behind those that are there, in the order in which Append returned them.
func (o *Overlay) Add(hs []Hash) { o.added = append(o.added, hs...) }

// Added returns the position of the first added hash, and the added hashes.
func (o *Overlay) Added() (position int64, hs []Hash) { return o.start, o.added }

// ReadHashes implements HashReader.
func (o *Overlay) ReadHashes(positions []int64) ([]Hash, error) {
	out := make([]Hash, len(positions))
	var below, where []int64
	for i, p := range positions {
		switch {
		case p < o.start:
			below, where = append(below, p), append(where, int64(i))
		case p-o.start < int64(len(o.added)):
			out[i] = o.added[p-o.start]
		default:
			return nil, fmt.Errorf("hash at position %d: %w: not written", p, ErrProof)
		}
	}
	if len(below) == 0 {
		return out, nil
	}
	hs, err := o.under.ReadHashes(below)
	if err != nil {
		return nil, err
	}
	if len(hs) != len(below) {
		return nil, fmt.Errorf("read %d hashes, want %d: %w", len(hs), len(below), ErrProof)
	}
	for i, h := range hs {
		out[where[i]] = h
	}
	return out, nil
}
