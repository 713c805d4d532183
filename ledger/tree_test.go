package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
)

// maxTree is the largest tree of these tests: past 64, so that every shape of a right edge
// of six levels occurs.
const maxTree = 70

// memory stores hashes by position.
type memory []Hash

func (m memory) ReadHashes(positions []int64) ([]Hash, error) {
	out := make([]Hash, len(positions))
	for i, p := range positions {
		if p < 0 || p >= int64(len(m)) {
			return nil, fmt.Errorf("no hash at %d", p)
		}
		out[i] = m[p]
	}
	return out, nil
}

// grown is a tree of maxTree leaves with its root at every size.
type grown struct {
	leaves [][]byte
	stored memory
	roots  []Hash // by size
}

func grow(t testing.TB) grown {
	t.Helper()
	var g grown
	root, err := Root(0, g.stored)
	if err != nil {
		t.Fatal(err)
	}
	g.roots = append(g.roots, root)
	for i := int64(0); i < maxTree; i++ {
		leaf := encode(t, sampleLeaf(i))
		hs, err := Append(i, leaf, g.stored)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(g.stored)) != Positions(i) {
			t.Fatalf("leaf %d goes to position %d, want %d", i, len(g.stored), Positions(i))
		}
		g.leaves, g.stored = append(g.leaves, leaf), append(g.stored, hs...)
		if root, err = Root(i+1, g.stored); err != nil {
			t.Fatal(err)
		}
		g.roots = append(g.roots, root)
	}
	return g
}

// rfc6962 is the definition of a root in section 2.1 of the RFC, written down literally.
func rfc6962(leaves [][]byte) Hash {
	switch len(leaves) {
	case 0:
		return new(Rebuild).Root()
	case 1:
		return LeafHash(leaves[0])
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	l, r := rfc6962(leaves[:k]), rfc6962(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

func TestRootsAreThoseOfTheRFC(t *testing.T) {
	g := grow(t)
	for size := range g.roots {
		if want := rfc6962(g.leaves[:size]); g.roots[size] != want {
			t.Errorf("%d leaves: got %s, want %s", size, g.roots[size], want)
		}
	}
}

func TestRebuildAgrees(t *testing.T) {
	g := grow(t)
	var r Rebuild
	for i, leaf := range g.leaves {
		if r.Root() != g.roots[i] || r.Size() != int64(i) {
			t.Fatalf("%d leaves: got root %s of %d, want %s", i, r.Root(), r.Size(), g.roots[i])
		}
		for k, h := range r.Append(leaf) {
			if want := g.stored[Positions(int64(i))+int64(k)]; h != want {
				t.Fatalf("leaf %d, hash %d: got %s, want %s", i, k, h, want)
			}
		}
	}
}

func TestInclusionAtEverySize(t *testing.T) {
	g := grow(t)
	for size := int64(0); size <= maxTree; size++ {
		for i := int64(0); i < size; i++ {
			p, err := Inclusion(i, g.leaves[i], size, g.roots[size], g.stored)
			if err != nil {
				t.Fatal(err)
			}
			other := (i + 1) % maxTree
			if err := CheckInclusion(p, i, g.leaves[other], size, g.roots[size]); !errors.Is(err, ErrProof) {
				t.Fatalf("leaf %d proves to be leaf %d of %d: %v", other, i, size, err)
			}
		}
		for _, i := range []int64{-1, size} {
			if _, err := Inclusion(i, nil, size, g.roots[size], g.stored); !errors.Is(err, ErrProof) {
				t.Errorf("leaf %d of %d: got %v, want ErrProof", i, size, err)
			}
		}
	}
}

func TestConsistencyOfAllPairs(t *testing.T) {
	g := grow(t)
	for size := int64(0); size <= maxTree; size++ {
		for old := int64(0); old <= size; old++ {
			p, err := Consistency(old, g.roots[old], size, g.roots[size], g.stored)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckConsistency(p, old, LeafHash([]byte("fork")), size, g.roots[size]); !errors.Is(err, ErrProof) {
				t.Fatalf("another tree of %d extends to %d: %v", old, size, err)
			}
		}
		if _, err := Consistency(size+1, g.roots[0], size, g.roots[size], g.stored); !errors.Is(err, ErrProof) {
			t.Errorf("tree of %d to %d: got %v, want ErrProof", size+1, size, err)
		}
	}
}

// A changed hash either is not used by a proof or makes it fail. It is never handed out.
func TestNoProofFromAChangedHash(t *testing.T) {
	g := grow(t)
	const size = 37
	failed := 0
	for p := int64(0); p < Positions(size); p++ {
		changed := append(memory(nil), g.stored...)
		changed[p][0] ^= 1
		for i := int64(0); i < size; i++ {
			proof, err := Inclusion(i, g.leaves[i], size, g.roots[size], changed)
			if err == nil {
				err = CheckInclusion(proof, i, g.leaves[i], size, g.roots[size])
			} else {
				failed++
				if errors.Is(err, ErrProof) {
					err = nil
				}
			}
			if err != nil {
				t.Fatalf("position %d, leaf %d: %v", p, i, err)
			}
		}
	}
	if failed == 0 {
		t.Error("no proof met a changed hash")
	}
}

func TestOverlay(t *testing.T) {
	g := grow(t)
	for _, start := range []int64{0, 1, 7, 64} {
		o := NewOverlay(start, g.stored[:Positions(start)])
		for i := start; i < maxTree; i++ {
			hs, err := Append(i, g.leaves[i], o)
			if err != nil {
				t.Fatal(err)
			}
			o.Add(hs)
			if root, err := Root(i+1, o); err != nil || root != g.roots[i+1] {
				t.Fatalf("from %d, %d leaves: got %s, %v, want %s", start, i+1, root, err, g.roots[i+1])
			}
		}
		first, added := o.Added()
		if first != Positions(start) || first+int64(len(added)) != int64(len(g.stored)) {
			t.Errorf("from %d: %d hashes from position %d, want %d in all", start, len(added), first, len(g.stored))
		}
		if _, err := o.ReadHashes([]int64{0, Positions(maxTree)}); !errors.Is(err, ErrProof) {
			t.Errorf("hash behind the end: got %v, want ErrProof", err)
		}
	}
	short := HashReaderFunc(func([]int64) ([]Hash, error) { return nil, nil })
	if _, err := NewOverlay(4, short).ReadHashes([]int64{0}); !errors.Is(err, ErrProof) {
		t.Errorf("reader that returns too little: got %v, want ErrProof", err)
	}
}

func TestReaderErrorsComeBack(t *testing.T) {
	broken := errors.New("disk")
	r := HashReaderFunc(func([]int64) ([]Hash, error) { return nil, broken })
	_, errAppend := Append(3, []byte("x"), r)
	_, errRoot := Root(3, r)
	_, errIn := Inclusion(0, []byte("x"), 3, Hash{}, r)
	_, errCon := Consistency(1, Hash{}, 3, Hash{}, r)
	_, errOver := NewOverlay(3, r).ReadHashes([]int64{0})
	for i, err := range []error{errAppend, errRoot, errIn, errCon, errOver} {
		if !errors.Is(err, broken) {
			t.Errorf("call %d: got %v, want the reader's error", i, err)
		}
	}
	_, errAppend = Append(-1, nil, r)
	_, errRoot = Root(-1, r)
	if !errors.Is(errAppend, ErrProof) || !errors.Is(errRoot, ErrProof) {
		t.Errorf("negative sizes: got %v and %v, want ErrProof", errAppend, errRoot)
	}
}

func BenchmarkAppend(b *testing.B) {
	leaf := encode(b, sampleLeaf(0))
	var stored memory
	var size int64
	for b.Loop() {
		hs, err := Append(size, leaf, stored)
		if err != nil {
			b.Fatal(err)
		}
		stored = append(stored, hs...)
		size++
		if _, err := Root(size, stored); err != nil {
			b.Fatal(err)
		}
	}
}
