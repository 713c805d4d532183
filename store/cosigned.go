package store

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/countersign/countersign/ledger"
)

// Cosigned is a checkpoint as a witness cosigned it.
type Cosigned struct {
	Witness string // public key
	Size    int64
	// Note is the checkpoint with the witness's signature, and no other.
	Note []byte
	// Proof proves that the checkpoint extends the log of the size that was asked about; nil for
	// one that is not larger.
	Proof []ledger.Hash
}

const selectCosigned = `SELECT s.witness, s.size, s.lines, c.signed FROM cosignatures s
JOIN checkpoints c ON c.org_id = s.org_id AND c.size = s.size
WHERE s.org_id = $1 AND s.size = COALESCE(
  (SELECT MIN(n.size) FROM cosignatures n WHERE n.org_id = s.org_id AND n.witness = s.witness AND n.size >= $2 AND n.size <= $3),
  (SELECT MAX(n.size) FROM cosignatures n WHERE n.org_id = s.org_id AND n.witness = s.witness AND n.size < $2))
ORDER BY s.witness`

// Cosigned returns what each witness cosigned of the log of size leaves, by its public key: the
// smallest checkpoint of all of it, under the name that the log had then, or else the largest
// checkpoint of a beginning of it.
func (n Tenant) Cosigned(ctx context.Context, size int64) ([]Cosigned, error) {
	what := fmt.Sprintf("store: what is cosigned of %d leaves of organisation %d", size, n.org)
	last, err := n.lastUnderName(ctx, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var out []Cosigned
	err = n.s.query(ctx, selectCosigned, []any{n.org, size, last}, func(scan func(...any) error) error {
		var c Cosigned
		var lines, signed []byte
		if err := scan(&c.Witness, &c.Size, &lines, &signed); err != nil {
			return err
		}
		text, _, _ := bytes.Cut(signed, []byte("\n\n"))
		c.Note = append(append(bytes.Clone(text), "\n\n"...), lines...)
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	for i := range out {
		if out[i].Size <= size {
			continue
		}
		if _, out[i].Proof, err = n.Extension(ctx, size, out[i].Size); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lastUnderName is the largest size of a checkpoint that has the name which one of size leaves has.
func (n Tenant) lastUnderName(ctx context.Context, size int64) (int64, error) {
	var terms ledger.Terms
	if err := n.s.query(ctx, selectTerms, []any{n.org}, scanTerm(&terms)); err != nil {
		return 0, err
	}
	for _, m := range terms {
		if m.Leaf >= size && m.Origin != terms.At(size).Origin {
			return m.Leaf, nil
		}
	}
	return math.MaxInt64, nil
}
