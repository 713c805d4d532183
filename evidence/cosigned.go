package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
)

// maxCosigned bounds the file of cosigned checkpoints, in bytes.
const maxCosigned = 4 << 20

// CosignedCheckpoint is what a witness cosigned of a log: all of what a bundle has of it, or the
// beginning of that. It is one line of a bundle's file, and has one spelling.
//
// Field names and order are part of the evidence format; add, never change.
type CosignedCheckpoint struct {
	Witness string `json:"witness"` // public key
	// Checkpoint is exact text, with the witness's signature and no other.
	Checkpoint string `json:"checkpoint"`
	// Proof proves that a checkpoint of more leaves extends the bundle's log.
	Proof []ledger.Hash `json:"proof,omitempty"`
}

// Cosigned is what a witness cosigned, as it was checked.
type Cosigned struct {
	Witness string `json:"witness"` // public key
	// Leaves are how many of the bundle's leaves it covers.
	Leaves int64     `json:"leaves"`
	At     time.Time `json:"at"` // when it was cosigned, by the witness's clock
	// Named is true when the key is one that the auditor named; else it is the bundle's own word.
	Named bool `json:"named"`
}

// CheckWitness says whether a text is the public key of a witness.
func CheckWitness(public string) error {
	_, err := ledger.ParseWitness(public)
	return err
}

// encodeCosigned writes the lines of a file, ordered by witness.
func encodeCosigned(list []CosignedCheckpoint) ([]byte, error) {
	slices.SortFunc(list, func(a, b CosignedCheckpoint) int { return strings.Compare(a.Witness, b.Witness) })
	var out []byte
	for _, c := range list {
		line, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode what %s cosigned: %w", c.Witness, err)
		}
		out = append(append(out, line...), '\n')
	}
	return out, nil
}

// cosigned checks what witnesses cosigned. The file is not in the manifest, so that the same bundle
// can be made again when more is cosigned; everything in it is signed by itself.
func (v *verifier) cosigned() error {
	raw, err := v.archive.read(fileCosigned, maxCosigned)
	if err != nil {
		return err
	}
	var list []CosignedCheckpoint
	for line := range bytes.Lines(raw) {
		var c CosignedCheckpoint
		if err := strictly(line, &c); err != nil {
			return broken(fileCosigned, "a line is no cosigned checkpoint: %v", err)
		}
		if n := len(list); n > 0 && c.Witness <= list[n-1].Witness {
			return broken(fileCosigned, "the witness %s is out of order, or there twice", c.Witness)
		}
		list = append(list, c)
	}
	if again, err := encodeCosigned(list); err != nil || !bytes.Equal(again, raw) {
		return broken(fileCosigned, "it is not in the form that is written")
	}
	for _, c := range list {
		got, err := v.oneCosigned(c)
		if err != nil {
			return broken(fileCosigned, "%s: %v", c.Witness, err)
		}
		v.report.Cosigned = append(v.report.Cosigned, got)
	}
	return v.enoughCosigned()
}

// oneCosigned checks what one witness cosigned, and how much of the log that is.
func (v *verifier) oneCosigned(c CosignedCheckpoint) (out Cosigned, err error) {
	witness, err := ledger.ParseWitness(c.Witness)
	if err != nil || strings.TrimSpace(c.Witness) != c.Witness {
		return out, fmt.Errorf("it is no key of a witness: %v", err)
	}
	origin, _ := nameAndSize([]byte(c.Checkpoint))
	checkpoint, at, err := ledger.ParseCosigned([]byte(c.Checkpoint), origin, witness)
	if err != nil {
		return out, err
	}
	out = Cosigned{Witness: c.Witness, Leaves: min(checkpoint.Size, v.contents.tree.Size()), At: at, Named: slices.Contains(v.trust.Witnesses, c.Witness)}
	if !v.lineage.called(origin) {
		return out, fmt.Errorf("it cosigned the log %q, which is another", origin)
	}
	switch stands, err := v.stands(checkpoint, ""); {
	case err != nil:
		return out, err
	case stands == lost || stands == begins && len(c.Proof) > 0:
		return out, fmt.Errorf("it does not cosign the leaves that the bundle has")
	case stands == beyond:
		return out, ledger.CheckConsistency(c.Proof, v.contents.tree.Size(), v.contents.tree.Root(), checkpoint.Size, checkpoint.Root)
	}
	return out, nil
}

// enoughCosigned says whether as many of the witnesses that the auditor named cosigned all of the
// log as are needed.
func (v *verifier) enoughCosigned() error {
	all, of := 0, v.contents.tree.Size()
	for _, c := range v.report.Cosigned {
		if c.Named && c.Leaves == of {
			all++
		}
	}
	if all < v.trust.WitnessesNeeded {
		return broken(fileCosigned, "%d of the %d witnesses that you named cosigned all %d leaves, and %d are needed. What a witness cosigned since is in the bundle when it is exported again with --log-size %d", all, len(v.trust.Witnesses), of, v.trust.WitnessesNeeded, of)
	}
	if len(v.report.Cosigned) > 0 {
		v.held("witnesses", "Each of %d cosignatures is of this log; %d of the %d witnesses that you named cosigned all %d leaves of it.", len(v.report.Cosigned), all, len(v.trust.Witnesses), of)
	}
	return nil
}
