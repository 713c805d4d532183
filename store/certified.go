package store

import (
	"context"
	"encoding/json"
	"maps"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
)

// emptySHA256 is the digest of nothing.
var emptySHA256 = hexSHA256(nil)

// certified is what the records of disposals say, as the check of a log needs it.
type certified struct {
	leaves, seqs ledger.Covers              // a certificate's number is that of its leaf
	kinds        map[int64]map[string]int64 // bodies found missing, by the certificate and their kind
	read         int64                      // certificates that were read are those of leaves below
}

// covered adds ranges to those that are known. Nothing is disposed of twice.
func covered(known, more ledger.Covers) (ledger.Covers, error) {
	for _, m := range more {
		if m.Run[0] < 0 || m.Run[1] < m.Run[0] {
			return known, bad(m.Certificate, "leaf %d: it says that %d to %d was disposed of, which is no range", m.Certificate, m.Run[0], m.Run[1])
		}
	}
	all := append(known, more...)
	if both := all.Sort(); both != nil {
		a, b := both[0], both[1]
		return all, bad(max(a.Certificate, b.Certificate), "leaves %d and %d both say that %d was disposed of", a.Certificate, b.Certificate, b.Run[0])
	}
	return all, nil
}

func leavesOf(c *certified) ledger.Covers { return c.leaves }
func seqsOf(c *certified) ledger.Covers   { return c.seqs }

const selectDisposals = `SELECT leaf_index, body FROM log_leaves WHERE org_id = $1 AND kind = 'disposal' AND leaf_index >= $2 ORDER BY leaf_index`

// readCertified reads what was disposed of until now. That the records are those of their leaves is
// checked when the check comes to them.
func (c *checker) readCertified(ctx context.Context) error {
	var leaves, seqs ledger.Covers
	if c.certified.kinds == nil {
		c.certified.kinds = map[int64]map[string]int64{}
	}
	err := c.n.s.query(ctx, selectDisposals, []any{c.n.org, c.certified.read}, func(scan func(...any) error) error {
		var index int64
		var body []byte
		var d Disposal
		if err := scan(&index, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &d); err != nil {
			return bad(index, "leaf %d: its body is no record of a disposal", index)
		}
		for _, r := range d.Leaves {
			leaves = append(leaves, ledger.Cover{Run: r, Certificate: index})
		}
		for _, r := range d.Seqs {
			seqs = append(seqs, ledger.Cover{Run: r, Certificate: index})
		}
		c.certified.read = index + 1
		return nil
	})
	if err == nil {
		c.certified.leaves, err = covered(c.certified.leaves, leaves)
	}
	if err == nil {
		c.certified.seqs, err = covered(c.certified.seqs, seqs)
	}
	return err
}

// find finds what covers a leaf or an observation. One that is missing and not covered may have
// been disposed of after the certificates were read.
func (c *checker) find(ctx context.Context, of func(*certified) ledger.Covers, i int64, missing bool) (ledger.Cover, bool, error) {
	by, ok := of(&c.certified).Find(i)
	if ok || !missing {
		return by, ok, nil
	}
	if err := c.readCertified(ctx); err != nil {
		return by, false, err
	}
	by, ok = of(&c.certified).Find(i)
	return by, ok, nil
}

// checkGone checks that the body of a leaf is missing because it was disposed of.
func (c *checker) checkGone(ctx context.Context, leaf ledger.Leaf) error {
	by, ok, err := c.find(ctx, leavesOf, leaf.Seq, true)
	switch {
	case err != nil:
		return err
	case !ok || by.Certificate <= leaf.Seq || !disposable[leaf.Kind]:
		return bad(leaf.Seq, "leaf %d: its body is missing", leaf.Seq)
	}
	if c.certified.kinds[by.Certificate] == nil {
		c.certified.kinds[by.Certificate] = map[string]int64{}
	}
	c.certified.kinds[by.Certificate][leaf.Kind]++
	c.report.Disposed[leaf.Kind]++
	c.gone[leaf.Seq] = leaf.Kind
	switch {
	case leaf.Kind == LeafObservations:
		c.unsealed++
	case leaf.Kind == LeafDecision && by.Certificate >= c.head.size:
		c.decisions++ // it was there when they were counted
	case leaf.Kind == LeafDecision:
		return c.checkNoDecision(ctx, leaf.Seq)
	}
	return nil
}

const countDecisionAt = `SELECT COUNT(*) FROM decisions WHERE org_id = $1 AND leaf_index = $2`

// checkNoDecision checks that a decision went with its record.
func (c *checker) checkNoDecision(ctx context.Context, index int64) error {
	var n int64
	err := c.n.s.one(ctx, countDecisionAt, []any{c.n.org, index}, &n)
	if err == nil && n != 0 {
		err = bad(index, "leaf %d: its record was disposed of, and its decision is there", index)
	}
	return err
}

// checkDisposal checks that the log's key signed a certificate, and that it counts what is missing by
// it, leaf by leaf.
func (c *checker) checkDisposal(leaf ledger.Leaf, body []byte) error {
	var d Disposal
	if err := json.Unmarshal(body, &d); err != nil || d.V != disposalVersion {
		return bad(leaf.Seq, "leaf %d: its body is no record of a disposal", leaf.Seq)
	}
	if err := c.checkSigned(leaf, d); err != nil {
		return err
	}
	var leaves, seqs int64
	for _, r := range d.Leaves {
		leaves += r.Len()
	}
	for _, r := range d.Seqs {
		seqs += r.Len()
	}
	if leaves != d.Records || seqs != d.Observations || !maps.Equal(d.Kinds, c.certified.kinds[leaf.Seq]) {
		return bad(leaf.Seq, "leaf %d: it counts other records than are missing by it", leaf.Seq)
	}
	return nil
}

// checkSigned checks that the key of the term signed a certificate: others may write to the database.
func (c *checker) checkSigned(leaf ledger.Leaf, d Disposal) error {
	m := ledger.Term{Origin: c.head.origin}
	if len(c.terms) > 0 {
		m = c.terms[c.term]
	}
	verifiers := c.n.s.verifiers
	if len(verifiers) == 0 {
		return ErrNoSigner
	}
	if c.handedOver() {
		v, err := ledger.ParseVerifier(m.Public)
		if err != nil {
			return bad(leaf.Seq, "leaf %d: %v", leaf.Seq, err)
		}
		verifiers = []note.Verifier{v}
	}
	what, err := d.toSign(m.Origin, leaf.Seq)
	if err != nil {
		return err
	}
	if err := what.Check([]byte(d.Signed), verifiers...); err != nil {
		return bad(leaf.Seq, "leaf %d: the certificate of a disposal is not signed by the log's key: %v", leaf.Seq, err)
	}
	return nil
}

const countDisposed = `SELECT COUNT(*) FROM observations WHERE org_id = $1 AND seq > $2 AND seq <= $3 AND disposed = 1 AND body = $4`

// checkUnsealed checks the observations of leaves whose bodies are gone: all up to a seq, which the
// next leaf that has one begins after.
func (c *checker) checkUnsealed(ctx context.Context, to, index int64) error {
	if c.unsealed == 0 {
		return nil
	}
	if to-c.sealed < c.unsealed {
		return bad(index, "%d leaves of observations were disposed of before leaf %d, and %d observations", c.unsealed, index, max(to-c.sealed, 0))
	}
	var gone int64
	if err := c.n.s.one(ctx, countDisposed, []any{c.n.org, c.sealed, to, []byte{}}, &gone); err != nil {
		return err
	}
	if gone != to-c.sealed {
		return bad(index, "observations %d to %d are in no record, and are not all disposed of", c.sealed+1, to)
	}
	for seq := c.sealed + 1; seq <= to; {
		by, ok, err := c.find(ctx, seqsOf, seq, true)
		if err != nil {
			return err
		}
		if !ok {
			return bad(index, "what observation %d said is missing", seq)
		}
		seq = by.Run[1] + 1
	}
	c.report.DisposedObservations += gone
	c.sealed, c.unsealed = to, 0
	return nil
}
