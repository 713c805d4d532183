package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/countersign/countersign/ledger"
)

// LedgerReport is the result of CheckLedger.
type LedgerReport struct {
	Size        int64            // number of leaves
	Root        string           // root hash, base64 as in checkpoints
	Checkpoints int              // checkpoints that hold
	Kinds       map[string]int64 // leaves that hold, by kind
	// Cosignatures are those of witnesses that hold, by the key that each was kept with.
	Cosignatures int
	// Generations are those that the log began after its first.
	Generations []Generation
	// Disposed is how many of these have no body any more, as certificates say, by kind, and
	// DisposedObservations how many observations have none.
	Disposed             map[string]int64
	DisposedObservations int64
	// FirstBad is the first record that does not hold; nil: everything holds. What comes
	// after it was not looked at.
	FirstBad *BadRecord
}

// BadRecord says what does not hold.
type BadRecord struct {
	// Index is the index of the leaf that it is about; the size of the log for what is about
	// the log as a whole.
	Index int64
	// Kind is that of the leaf; empty where no leaf says one, or for the log as a whole.
	Kind string
	What string
}

// checkChunk is how many leaves are read at a time. There is no transaction around the whole
// check: it would keep SQLite from reusing its WAL file, and what is committed never changes.
const checkChunk = 256

// CheckLedger computes everything again from the bytes that are stored and compares: every
// body with its leaf, every decision and observation with its body, facts, policies and
// catalogues with their digests, every hash of the tree, every checkpoint's signature and
// root, the head, and the rows that say again what leaves of other kinds say. A body may be missing
// exactly where the record of a disposal says so, and must be missing there. It stops at the first
// record that does not hold and names it; that is not an error. Errors are about reading, and
// ErrNoSigner if there are checkpoints and no key to verify them.
//
// Records that are added while it runs are not looked at. Progress, which may be nil, is
// called with the number of leaves that were checked and the number in all.
func (n Tenant) CheckLedger(ctx context.Context, progress func(done, total int64)) (LedgerReport, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	c := checker{n: n, known: map[string]bool{}, newest: newestRows{}, gone: map[int64]string{}, report: LedgerReport{Kinds: map[string]int64{}, Disposed: map[string]int64{}}}
	err := c.run(ctx, progress)
	if bad := (badRecord{}); errors.As(err, &bad) {
		c.report.FirstBad, err = &BadRecord{Index: bad.index, Kind: n.kindOf(ctx, bad.index), What: bad.what}, nil
	}
	if err != nil {
		return LedgerReport{}, fmt.Errorf("store: check ledger of organisation %d: %w", n.org, err)
	}
	return c.report, nil
}

// badRecord carries a finding out of the check. It never leaves this file as an error.
type badRecord struct {
	index int64
	what  string
}

func (b badRecord) Error() string { return b.what }

func bad(index int64, format string, args ...any) error {
	return badRecord{index, fmt.Sprintf(format, args...)}
}

// kindOf is the kind of a leaf, as far as there is a leaf that says one.
func (n Tenant) kindOf(ctx context.Context, index int64) string {
	var src []byte
	if err := n.s.one(ctx, selectLeaf, []any{n.org, index}, &src); err != nil {
		return ""
	}
	leaf, err := ledger.DecodeLeaf(src)
	if err != nil {
		return ""
	}
	return leaf.Kind
}

type checker struct {
	n           Tenant
	report      LedgerReport
	head        logHead
	tree        ledger.Rebuild
	checkpoints []storedCheckpoint // not yet reached, smallest first
	sealed      int64              // seq of the last observation that a leaf covered
	known       map[string]bool    // policies and catalogues that were checked
	newest      newestRows         // not yet found
	terms       ledger.Terms       // all of them
	term        int                // the one that was reached
	trusted     bool               // a key that is to be believed signed a handover
	certified   certified          // what was disposed of
	gone        map[int64]string   // kinds of the leaves without a body, that no row was found of
	unsealed    int64              // leaves of observations without a body since the last one with
	decisions   int64              // leaves whose decision was there when the head was read
}

type storedCheckpoint struct {
	size   int64
	signed []byte
}

// counts is how many rows there are, read together with the head.
type counts struct{ leaves, hashes, decisions, sealed int64 }

const (
	selectCheckpoints = `SELECT size, signed FROM checkpoints WHERE org_id = $1 ORDER BY size`
	// One statement, and so one state of the database.
	selectHeadAndCounts = `SELECT h.origin, h.size, h.root, o.sealed,
  (SELECT COUNT(*) FROM log_leaves l WHERE l.org_id = h.org_id),
  (SELECT COUNT(*) FROM log_hashes x WHERE x.org_id = h.org_id),
  (SELECT COUNT(*) FROM decisions d WHERE d.org_id = h.org_id)
FROM log_heads h JOIN orgs o ON o.org_id = h.org_id WHERE h.org_id = $1`
	selectWithoutLog = `SELECT (SELECT COUNT(*) FROM decisions WHERE org_id = $1)
  + (SELECT COUNT(*) FROM orgs WHERE org_id = $1 AND sealed > 0)
  + (SELECT COUNT(*) FROM log_leaves WHERE org_id = $1)
  + (SELECT COUNT(*) FROM log_hashes WHERE org_id = $1)
  + (SELECT COUNT(*) FROM checkpoints WHERE org_id = $1)
  + (SELECT COUNT(*) FROM exceptions WHERE org_id = $1)
  + (SELECT COUNT(*) FROM attestations WHERE org_id = $1)
  + (SELECT COUNT(*) FROM protection_snapshots WHERE org_id = $1)
  + (SELECT COUNT(*) FROM branch_updates WHERE org_id = $1)
  + (SELECT COUNT(*) FROM backfilled_updates WHERE org_id = $1)`
)

func (c *checker) run(ctx context.Context, progress func(done, total int64)) error {
	// Checkpoints first: one that is signed after the head was read would seem to be ahead.
	if err := c.readCheckpoints(ctx); err != nil {
		return err
	}
	have, err := c.readHead(ctx)
	if errors.Is(err, ErrNotFound) {
		return c.checkNoLog(ctx)
	}
	if err == nil {
		err = c.readCertified(ctx)
	}
	if err != nil {
		return err
	}
	if err := c.readTerms(ctx); err != nil {
		return err
	}
	for c.tree.Size() < c.head.size {
		if err := c.checkChunk(ctx); err != nil {
			return err
		}
		progress(c.tree.Size(), c.head.size)
	}
	if err := c.checkUnsealed(ctx, have.sealed, c.head.size); err != nil {
		return err
	}
	if err := c.checkEnd(have); err != nil {
		return err
	}
	if err := c.checkTerms(); err != nil {
		return err
	}
	if err := c.checkRows(ctx); err != nil {
		return err
	}
	return c.checkCosignatures(ctx)
}

func (c *checker) readCheckpoints(ctx context.Context) error {
	err := c.n.s.query(ctx, selectCheckpoints, []any{c.n.org}, func(scan func(...any) error) error {
		var p storedCheckpoint
		if err := scan(&p.size, &p.signed); err != nil {
			return err
		}
		c.checkpoints = append(c.checkpoints, p)
		return nil
	})
	if err == nil && len(c.checkpoints) > 0 && len(c.n.s.verifiers) == 0 {
		err = ErrNoSigner
	}
	return err
}

func (c *checker) readHead(ctx context.Context) (have counts, err error) {
	var root []byte
	err = c.n.s.one(ctx, selectHeadAndCounts, []any{c.n.org}, &c.head.origin, &c.head.size, &root, &have.sealed,
		&have.leaves, &have.hashes, &have.decisions)
	if err != nil {
		return have, err
	}
	if err := c.head.setRoot(root); err != nil {
		return have, bad(c.head.size, "%v", err)
	}
	c.report.Size, c.report.Root = c.head.size, c.head.root.String()
	return have, nil
}

func (c *checker) checkNoLog(ctx context.Context) error {
	var rows int64
	if err := c.n.s.one(ctx, selectWithoutLog, []any{c.n.org}, &rows); err != nil {
		return err
	}
	if rows != 0 {
		return bad(0, "there are records, but the head of the log is missing")
	}
	c.report.Root = c.tree.Root().String()
	return nil
}

func (c *checker) checkEnd(have counts) error {
	size := c.head.size
	decisions := c.decisions
	switch {
	case c.tree.Root() != c.head.root:
		return bad(size, "the head has another root than its %d leaves", size)
	case have.leaves != size:
		return bad(size, "there are %d leaves, the head says %d", have.leaves, size)
	case have.hashes != ledger.Positions(size):
		return bad(size, "there are %d hashes, %d leaves have %d", have.hashes, size, ledger.Positions(size))
	case have.decisions != decisions:
		return bad(size, "there are %d decisions, and leaves for %d", have.decisions, decisions)
	case have.sealed != c.sealed:
		return bad(size, "observations are said to be in leaves up to %d, they are up to %d", have.sealed, c.sealed)
	case len(c.checkpoints) > 0:
		return bad(size, "there is a checkpoint of %d leaves, the log has %d", c.checkpoints[0].size, size)
	}
	return nil
}

const (
	selectLeaves = `SELECT leaf_index, leaf, salt, body, kind FROM log_leaves
WHERE org_id = $1 AND leaf_index >= $2 AND leaf_index < $3 ORDER BY leaf_index`
	selectHashes = `SELECT position, hash FROM log_hashes
WHERE org_id = $1 AND position >= $2 AND position < $3 ORDER BY position`
)

type storedLeaf struct {
	index            int64
	leaf, salt, body []byte
	kind             string
}

func (c *checker) checkChunk(ctx context.Context) error {
	from := c.tree.Size()
	to := min(from+checkChunk, c.head.size)
	leaves, err := c.readLeaves(ctx, from, to)
	if err != nil {
		return err
	}
	hashes, err := c.readHashes(ctx, ledger.Positions(from), ledger.Positions(to))
	if err != nil {
		return err
	}
	for i := from; i < to; i++ {
		if len(leaves) == 0 || leaves[0].index != i {
			return bad(i, "leaf %d is missing", i)
		}
		if err := c.checkLeaf(ctx, leaves[0]); err != nil {
			return err
		}
		position := ledger.Positions(i)
		for _, want := range c.tree.Append(leaves[0].leaf) {
			if got, ok := hashes[position]; !ok || !bytes.Equal(got, want[:]) {
				return bad(i, "leaf %d: the hash at position %d is missing or is not that of the leaves", i, position)
			}
			position++
		}
		if err := c.checkCheckpoint(); err != nil {
			return err
		}
		leaves = leaves[1:]
	}
	return nil
}

func (c *checker) readLeaves(ctx context.Context, from, to int64) (out []storedLeaf, err error) {
	err = c.n.s.query(ctx, selectLeaves, []any{c.n.org, from, to}, func(scan func(...any) error) error {
		var l storedLeaf
		if err := scan(&l.index, &l.leaf, &l.salt, &l.body, &l.kind); err != nil {
			return err
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

func (c *checker) readHashes(ctx context.Context, from, to int64) (map[int64][]byte, error) {
	out := map[int64][]byte{}
	err := c.n.s.query(ctx, selectHashes, []any{c.n.org, from, to}, func(scan func(...any) error) error {
		var position int64
		var hash []byte
		if err := scan(&position, &hash); err != nil {
			return err
		}
		out[position] = hash
		return nil
	})
	return out, err
}

func (c *checker) checkLeaf(ctx context.Context, l storedLeaf) error {
	leaf, err := ledger.DecodeLeaf(l.leaf)
	if err != nil {
		return bad(l.index, "leaf %d: %v", l.index, err)
	}
	if leaf.Seq != l.index {
		return bad(l.index, "leaf %d says that it is leaf %d", l.index, leaf.Seq)
	}
	if leaf.Kind != l.kind {
		return bad(l.index, "leaf %d is of kind %s, and its row says %q", l.index, leaf.Kind, l.kind)
	}
	err = c.checkRecord(ctx, leaf, l)
	if errors.As(err, &badRecord{}) && l.body != nil {
		// It may have been disposed of since it was read.
		again, readErr := c.readLeaves(ctx, l.index, l.index+1)
		if readErr != nil {
			return readErr
		}
		if len(again) == 1 && again[0].body == nil {
			err = c.checkRecord(ctx, leaf, again[0])
		}
	}
	if err != nil {
		return err
	}
	c.report.Kinds[leaf.Kind]++
	return nil
}

// checkRecord compares the record of a leaf with it.
func (c *checker) checkRecord(ctx context.Context, leaf ledger.Leaf, l storedLeaf) error {
	if l.body == nil {
		return c.checkGone(ctx, leaf)
	}
	if by, ok := c.certified.leaves.Find(l.index); ok && by.Certificate < c.head.size {
		return bad(l.index, "leaf %d: leaf %d says that its body was disposed of, and it is there", l.index, by.Certificate)
	}
	if len(l.salt) != ledger.SaltSize {
		return bad(l.index, "leaf %d: its salt is missing", l.index)
	}
	if ledger.BodyDigest([ledger.SaltSize]byte(l.salt), l.body) != leaf.BodySHA256 {
		return bad(l.index, "leaf %d: its body or salt was changed", l.index)
	}
	if err := c.checkBody(ctx, leaf, l.body); err != nil {
		return err
	}
	if err := c.newest.see(leaf, l.body); err != nil {
		return bad(l.index, "leaf %d: its body is not that of a leaf of kind %s: %v", l.index, leaf.Kind, err)
	}
	return c.turn(leaf, l.body)
}

// checkBody compares what a body is about with it.
func (c *checker) checkBody(ctx context.Context, leaf ledger.Leaf, body []byte) error {
	switch leaf.Kind {
	case LeafDecision:
		err := c.checkDecision(ctx, leaf, body)
		if err == nil {
			c.decisions++
		}
		return err
	case LeafObservations:
		sealed, disposed := c.sealed, c.report.DisposedObservations
		err := c.checkObservations(ctx, leaf, body)
		if err != nil {
			c.sealed, c.report.DisposedObservations = sealed, disposed
		}
		return err
	case LeafDisposal:
		return c.checkDisposal(leaf, body)
	}
	return nil
}

// checkDecision compares the decision's row with the body, byte for byte, and its exact bytes
// and blobs with the digests in it.
func (c *checker) checkDecision(ctx context.Context, leaf ledger.Leaf, body []byte) error {
	d, err := c.n.decisionRow(ctx, selectDecisionAt, leaf.Seq)
	if errors.Is(err, ErrNotFound) {
		return bad(leaf.Seq, "leaf %d: its decision is missing", leaf.Seq)
	}
	if err != nil {
		return err
	}
	again, err := json.Marshal(d.decisionBody)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, body) || d.recordedAt != leaf.RecordedAt.UnixMicro() {
		return bad(leaf.Seq, "leaf %d: the row of decision %s was changed", leaf.Seq, d.RecordID)
	}
	if hexSHA256(d.decision) != d.DecisionSHA256 {
		return bad(leaf.Seq, "leaf %d: the bytes of decision %s were changed", leaf.Seq, d.RecordID)
	}
	for _, b := range []struct{ what, sha256 string }{
		{"facts", d.FactsSHA256}, {"policy", d.PolicySHA256}, {"catalogue", d.CatalogueSHA256},
	} {
		if c.known[b.sha256] {
			continue
		}
		if err := c.checkBlob(ctx, b.sha256); errors.As(err, &badRecord{}) {
			return bad(leaf.Seq, "leaf %d: the %s of decision %s: %v", leaf.Seq, b.what, d.RecordID, err)
		} else if err != nil {
			return err
		}
		// Facts are of one decision each; remembering them would take memory for nothing.
		if b.what != "facts" {
			c.known[b.sha256] = true
		}
	}
	return nil
}

func (c *checker) checkBlob(ctx context.Context, sha256 string) error {
	if sha256 == "" {
		return nil
	}
	b := blob{sha256: sha256}
	err := c.n.s.one(ctx, selectBlob, []any{c.n.org, sha256}, &b.size, &b.gzip)
	if errors.Is(err, ErrNotFound) {
		return bad(0, "blob %s is missing", sha256)
	}
	if err != nil {
		return err
	}
	if _, err := b.unpack(); err != nil {
		return bad(0, "%v", err)
	}
	return nil
}

// checkObservations compares every observation that the body lists with its row. Leaves cover
// observations in order of receipt and without gaps.
func (c *checker) checkObservations(ctx context.Context, leaf ledger.Leaf, body []byte) error {
	var b observationsBody
	if err := json.Unmarshal(body, &b); err != nil || b.V != observationsBodyVersion || len(b.Observations) == 0 {
		return bad(leaf.Seq, "leaf %d: its body is not a list of observations", leaf.Seq)
	}
	if err := c.checkUnsealed(ctx, b.Observations[0].Seq-1, leaf.Seq); err != nil {
		return err
	}
	rows, err := c.n.summaries(ctx, c.sealed, len(b.Observations))
	if err != nil {
		return err
	}
	for i, want := range b.Observations {
		switch c.sealed++; {
		case want.Seq != c.sealed:
			return bad(leaf.Seq, "leaf %d: observation %d is in no leaf before it", leaf.Seq, c.sealed)
		case i >= len(rows) || rows[i].Seq != want.Seq:
			return bad(leaf.Seq, "leaf %d: observation %d is missing", leaf.Seq, want.Seq)
		}
		if err := c.checkObservation(ctx, leaf.Seq, rows[i], want); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkObservation(ctx context.Context, leaf int64, row storedObservation, want observationSummary) error {
	by, covered, err := c.find(ctx, seqsOf, row.Seq, row.disposed)
	switch {
	case err != nil:
		return err
	case row.disposed && !covered:
		return bad(leaf, "leaf %d: what observation %d said is missing", leaf, row.Seq)
	case !row.disposed && covered && by.Certificate < c.head.size:
		return bad(leaf, "leaf %d: leaf %d says that observation %d was disposed of, and it is there", leaf, by.Certificate, row.Seq)
	case row.disposed:
		c.report.DisposedObservations++
		if row.BodySHA256 != emptySHA256 {
			return bad(leaf, "leaf %d: observation %d was disposed of, and says something", leaf, row.Seq)
		}
		row.BodySHA256 = want.BodySHA256
	}
	if row.observationSummary != want {
		return bad(leaf, "leaf %d: observation %d was changed", leaf, want.Seq)
	}
	return nil
}

// checkCheckpoint checks the next checkpoint if the tree has reached its size. That its root
// is the root of these leaves says more than a consistency proof would.
func (c *checker) checkCheckpoint() error {
	if len(c.checkpoints) == 0 || c.checkpoints[0].size > c.tree.Size() {
		return nil
	}
	stored := c.checkpoints[0]
	last := c.tree.Size() - 1
	cp, err := c.openCheckpoint(stored)
	if err != nil {
		return bad(last, "checkpoint of %d leaves: %v", stored.size, err)
	}
	if cp.Size != stored.size || cp.Size != c.tree.Size() || cp.Root != c.tree.Root() {
		return bad(last, "checkpoint of %d leaves: it says %d leaves with another root than the leaves have", stored.size, cp.Size)
	}
	c.checkpoints = c.checkpoints[1:]
	c.report.Checkpoints++
	return nil
}
