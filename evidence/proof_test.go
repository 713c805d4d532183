package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// Every leaf of logs of many sizes leads to the root, by the hashes and sides that a page shows.
func TestPathLeadsToTheRoot(t *testing.T) {
	var tree ledger.Rebuild
	log := signedLog{Origin: "log.example/7"}
	for size := int64(1); size <= 70; size++ {
		log.hashes = append(log.hashes, tree.Append(fmt.Appendf(nil, "leaf %d", size-1))...)
		log.Size, log.Root = size, tree.Root()
		for leaf := range size {
			p, err := log.prove(leaf)
			if err != nil {
				t.Fatal(err)
			}
			hash := sha256.Sum256(fmt.Appendf([]byte{0}, "leaf %d", leaf))
			if p.LeafHash != fmt.Sprintf("%x", hash) {
				t.Fatalf("leaf %d of %d has the hash %s, want %x", leaf, size, p.LeafHash, hash)
			}
			for _, s := range p.Path {
				other, err := hex.DecodeString(s.Hash)
				if err != nil {
					t.Fatal(err)
				}
				if s.Side == "left" {
					hash = sha256.Sum256(append(append([]byte{1}, other...), hash[:]...))
				} else {
					hash = sha256.Sum256(append(append([]byte{1}, hash[:]...), other...))
				}
			}
			if hash != log.Root {
				t.Fatalf("leaf %d of %d: the path leads to %x, want %x", leaf, size, hash, log.Root)
			}
		}
	}
	if _, err := log.prove(log.Size); !errors.Is(err, ledger.ErrProof) {
		t.Errorf("a leaf that is not there: got %v", err)
	}
	log.hashes[0][0] ^= 1
	if _, err := log.prove(0); !errors.Is(err, ledger.ErrProof) {
		t.Errorf("a hash that was changed: got %v", err)
	}
}
