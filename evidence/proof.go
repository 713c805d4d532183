package evidence

import (
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// storedHashes are the hashes of a tree in the order in which it stores them.
type storedHashes []ledger.Hash

// ReadHashes implements ledger.HashReader.
func (s storedHashes) ReadHashes(positions []int64) ([]ledger.Hash, error) {
	out := make([]ledger.Hash, len(positions))
	for i, p := range positions {
		if p < 0 || p >= int64(len(s)) {
			return nil, fmt.Errorf("hash at position %d: %w", p, ledger.ErrProof)
		}
		out[i] = s[p]
	}
	return out, nil
}

// signedLog is the log that a bundle is about, as the checkpoint in it signs it.
type signedLog struct {
	Origin string
	Size   int64
	Root   ledger.Hash
	AsOf   time.Time
	hashes storedHashes
}

// RootHex is the root hash in hexadecimal.
func (l signedLog) RootHex() string { return fmt.Sprintf("%x", l.Root[:]) }

// inclusion is the proof that a record is in the log.
type inclusion struct {
	Title        string // what the record says
	File         string // of the bundle, that has the record
	Leaf         int64
	RecordDigest string // in hexadecimal, with the salt
	LeafHash     string
	Path         []sibling // from the leaf to the root
}

// sibling is a hash on the way from a leaf to the root, and on which side of what is there by then
// it is joined.
type sibling struct{ Side, Hash string }

// Line is where the leaf is in the list of leaves.
func (i inclusion) Line() int64 { return i.Leaf + 1 }

// prove proves that the leaf with this index is in the log.
func (l signedLog) prove(leaf int64) (out inclusion, err error) {
	hash, path, err := ledger.InclusionAt(leaf, l.Size, l.Root, l.hashes)
	if err != nil {
		return out, err
	}
	out.Leaf, out.LeafHash = leaf, fmt.Sprintf("%x", hash[:])
	sides := sidesOf(leaf, l.Size, len(path))
	for i, h := range path {
		out.Path = append(out.Path, sibling{sides[i], fmt.Sprintf("%x", h[:])})
	}
	return out, nil
}

// sidesOf says on which side the hashes of an inclusion proof are joined.
// https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2
func sidesOf(leaf, size int64, n int) []string {
	at, last := leaf, size-1
	out := make([]string, n)
	for i := range out {
		out[i] = "right"
		if at&1 == 1 || at == last {
			out[i] = "left"
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		}
		at, last = at>>1, last>>1
	}
	return out
}
