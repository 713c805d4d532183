package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafDisposal is the kind of the leaves that say what was disposed of.
const LeafDisposal = "disposal"

// Why something is disposed of.
const (
	ReasonRetention   = "retention"   // it was kept as long as the settings say
	ReasonUninstalled = "uninstalled" // the App was uninstalled, and the grace has passed
	ReasonPerson      = "person"      // somebody asked for the erasure of their data
)

// Disposal certifies what was disposed of: it is written in the transaction that does it. It is
// the body of its leaf. Bodies and salts go, the leaves stay: what was in them cannot be known any
// more, that they were there can.
//
// Field names and order are part of the evidence format; add, never change.
type Disposal struct {
	V      int    `json:"v"`
	Reason string `json:"reason"` // "retention", "uninstalled" or "person"
	// Why says it in whole sentences.
	Why string `json:"why"`
	// By is who asked for it; zero: the settings do.
	By Who `json:"by,omitzero"`
	// Before is the time up to which it was recorded or received; zero: whenever.
	Before time.Time `json:"before,omitzero"`
	// Records is how many records' bodies were disposed of, Kinds how many of each kind, and Leaves
	// which leaves are theirs.
	Records int64            `json:"records,omitempty"`
	Kinds   map[string]int64 `json:"kinds,omitempty"`
	Leaves  []ledger.Run     `json:"leaves,omitempty"`
	// Observations is how many observations' bodies, and Seqs which they were.
	Observations int64        `json:"observations,omitempty"`
	Seqs         []ledger.Run `json:"seqs,omitempty"`
	// Deliveries is how many payloads of deliveries, and ReceivedFrom and ReceivedTo when the oldest
	// and the newest of them were received. Their digests stay.
	Deliveries   int64     `json:"deliveries,omitempty"`
	ReceivedFrom time.Time `json:"received_from,omitzero"`
	ReceivedTo   time.Time `json:"received_to,omitzero"`
	// Blobs is how many facts, policies and catalogues went with the decisions that were made from
	// them.
	Blobs int64     `json:"blobs,omitempty"`
	At    time.Time `json:"at"` // UTC, to the microsecond
	// Signed is a ledger.Disposal of the record as it is without this, signed by the log's key; exact
	// text.
	Signed string `json:"signed"`
}

const disposalVersion = 1

// disposable are the kinds of records that are ever disposed of. What says that something was
// disposed of or held, and what the log's own signatures rest on, stays.
var disposable = map[string]bool{
	LeafDecision: true, LeafObservations: true, LeafMerge: true, LeafException: true, LeafProtection: true,
	LeafAttestation: true, LeafDraw: true, LeafAccess: true, LeafScope: true, LeafEnrolment: true, LeafRegister: true,
	LeafBackfilled: true, LeafBackfill: true, LeafReconcile: true,
}

// addTo adds a number, larger than those before, to runs.
func addTo(runs []ledger.Run, i int64) []ledger.Run {
	if last := len(runs) - 1; last >= 0 && runs[last][1] == i-1 {
		runs[last][1] = i
		return runs
	}
	return append(runs, ledger.Run{i, i})
}

func (d *Disposal) empty() bool { return d.Records == 0 && d.Observations == 0 && d.Deliveries == 0 }

// add adds what another certificate of the same run says, for a sum.
func (d *Disposal) add(o Disposal) {
	d.Records += o.Records
	d.Observations += o.Observations
	d.Deliveries += o.Deliveries
	d.Blobs += o.Blobs
}

// recordDisposal certifies a disposal, if there was one. ErrNoSigner without a key, and ErrOtherKey if
// the key is not the log's.
func (n Tenant) recordDisposal(t *txn, d Disposal) error {
	if d.empty() {
		return nil
	}
	d.V, d.At = disposalVersion, n.s.moment()
	if err := n.signDisposal(t, &d); err != nil {
		return err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode disposal: %w", err)
	}
	_, err = n.appendRecord(t, LeafDisposal, d.At, body)
	return err
}

// signDisposal signs the record that the next leaf is to be of.
func (n Tenant) signDisposal(t *txn, d *Disposal) error {
	if n.s.signer == nil {
		return ErrNoSigner
	}
	h, err := n.s.ensureLog(t, n.org)
	if err != nil {
		return err
	}
	terms, err := loadTerms(t, n.org)
	if err != nil {
		return err
	}
	m, err := n.s.current(h, terms)
	if err != nil {
		return err
	}
	what, err := d.toSign(m.Origin, h.size)
	if err != nil {
		return err
	}
	signed, err := what.Sign(n.s.signer)
	d.Signed = string(signed)
	return err
}

// toSign is what is signed of the record of a leaf.
func (d Disposal) toSign(origin string, leaf int64) (ledger.Disposal, error) {
	d.Signed = ""
	body, err := json.Marshal(d)
	if err != nil {
		return ledger.Disposal{}, fmt.Errorf("encode disposal: %w", err)
	}
	return ledger.Disposal{Origin: origin, Leaf: leaf, SHA256: hexSHA256(body)}, nil
}

// Certified is a disposal with its leaf.
type Certified struct {
	Disposal
	LeafIndex int64
}

// Disposals returns every disposal, oldest first.
func (n Tenant) Disposals(ctx context.Context) (out []Certified, err error) {
	err = n.recordsOf(ctx, LeafDisposal, func(l ledger.Leaf, body []byte) error {
		c := Certified{LeafIndex: l.Seq}
		err := json.Unmarshal(body, &c.Disposal)
		out = append(out, c)
		return err
	})
	return out, err
}

// InclusionAt proves that a leaf is in the log as it was at a size, with the root of that size.
func (n Tenant) InclusionAt(ctx context.Context, index, size int64) (leaf []byte, proof []ledger.Hash, root ledger.Hash, err error) {
	err = n.s.one(ctx, selectLeaf, []any{n.org, index}, &leaf)
	if err == nil {
		root, err = ledger.Root(size, n.hashes(ctx))
	}
	if err == nil {
		proof, err = ledger.Inclusion(index, leaf, size, root, n.hashes(ctx))
	}
	if err != nil {
		return nil, nil, ledger.Hash{}, fmt.Errorf("store: prove leaf %d of %d of organisation %d: %w", index, size, n.org, err)
	}
	return leaf, proof, root, nil
}
