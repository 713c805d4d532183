package store

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// cosignatureBy is the key of a witness and its cosignature of a checkpoint.
func cosignatureBy(name string, signed []byte) (vkey string, line []byte) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte(name[:1]), ed25519.SeedSize))
	public := append([]byte{4}, key.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256([]byte(name + "\n" + string(public)))
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	sig := binary.BigEndian.AppendUint64(bytes.Clone(id[:4]), 9)
	sig = append(sig, ed25519.Sign(key, fmt.Appendf(nil, "cosignature/v1\ntime 9\n%s\n", text))...)
	return fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(public)), fmt.Appendf(nil, "— %s %s\n", name, base64.StdEncoding.EncodeToString(sig))
}

// Of what each witness cosigned, the checkpoint that covers the log of a size comes first, under the
// name that it had then.
func TestCosigned(t *testing.T) {
	at := newClock()
	path, last := restored(t, at)
	s := openSQLite(t, Options{URL: "sqlite:" + path, Now: at.Now})
	n := s.Tenant(acme)
	cosign := func(witness string, size int64) {
		t.Helper()
		vkey, line := cosignatureBy(witness, must(n.CheckpointAt(t.Context(), size)))
		ok(t, n.Cosign(t.Context(), size, vkey, line))
	}
	cosign("alpha", 1)
	cosign("alpha", 3)
	cosign("beta", 2)
	g, err := n.BeginGeneration(t.Context(), last)
	ok(t, err)
	_, size, err := n.Checkpoint(t.Context())
	ok(t, err)
	cosign("beta", size)
	for _, tt := range []struct{ of, alpha, beta int64 }{{1, 1, 2}, {2, 3, 2}, {3, 3, 2}, {4, 3, 4}} {
		got := must(n.Cosigned(t.Context(), tt.of))
		if len(got) != 2 || got[0].Size != tt.alpha || got[1].Size != tt.beta {
			t.Errorf("of %d leaves: got %+v, want %d and %d", tt.of, got, tt.alpha, tt.beta)
			continue
		}
		root := must(ledger.Root(tt.of, n.hashes(t.Context())))
		for _, c := range got {
			origin := "log.example/1001"
			if c.Size > g.Leaf {
				origin = g.Origin
			}
			witness := must(ledger.ParseWitness(c.Witness))
			checkpoint, _, err := ledger.ParseCosigned(c.Note, origin, witness)
			ok(t, err)
			if c.Size > tt.of {
				ok(t, ledger.CheckConsistency(c.Proof, tt.of, root, c.Size, checkpoint.Root))
			} else if c.Proof != nil {
				t.Errorf("a proof that %d leaves extend %d", c.Size, tt.of)
			}
		}
	}
	if got := must(s.Tenant(other).Cosigned(t.Context(), 0)); len(got) != 0 {
		t.Errorf("of another organisation: got %+v", got)
	}
	verifyLog(t, s)
}
