package ledger

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// Rebuild computes a tree again from its leaves alone, trusting no stored hash. It keeps one
// hash per level, so a log of any size is checked in constant memory. The zero value is the
// tree of no leaves.
type Rebuild struct {
	size int64
	// edge holds the roots of the complete subtrees on the right edge, largest first: one
	// for every bit that is set in size.
	edge []Hash
}

// Size returns the number of leaves so far.
func (t *Rebuild) Size() int64 { return t.size }

// Append adds a leaf and returns the hashes that must be stored for it, in order.
func (t *Rebuild) Append(leaf []byte) []Hash {
	h := LeafHash(leaf)
	out := []Hash{h}
	for n := t.size; n&1 == 1; n >>= 1 {
		h = tlog.NodeHash(t.edge[len(t.edge)-1], h)
		t.edge = t.edge[:len(t.edge)-1]
		out = append(out, h)
	}
	t.edge = append(t.edge, h)
	t.size++
	return out
}

// Root returns the root hash of the leaves so far.
func (t *Rebuild) Root() Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}
