package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/countersign/countersign/ledger"
)

// LeafKeyRotation is the kind of the leaves that hand a log over to another key.
const LeafKeyRotation = "key-rotation"

// keyRotationBody is the body of its leaf. Both keys signed the handover, so whoever trusts one of
// them learns the other.
//
// Field names and order are part of the evidence format; add, never change.
type keyRotationBody struct {
	V        int    `json:"v"`
	Handover string `json:"handover"` // ledger.SignHandover, exact text
}

const keyRotationBodyVersion = 1

const (
	selectTerms = `SELECT leaf_index, origin, public FROM log_terms WHERE org_id = $1 ORDER BY leaf_index`
	insertTerm  = `INSERT INTO log_terms (org_id, leaf_index, origin, public) VALUES ($1, $2, $3, $4)`
)

func scanTerm(out *ledger.Terms) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var m ledger.Term
		err := scan(&m.Leaf, &m.Origin, &m.Public)
		*out = append(*out, m)
		return err
	}
}

func loadTerms(t *txn, org int64) (out ledger.Terms, err error) {
	err = t.rows(selectTerms, []any{org}, scanTerm(&out))
	return out, err
}

// openCheckpoint reads a stored checkpoint of size leaves by the key of its term; in a log that
// has no terms, by any key of the store.
func (s *Store) openCheckpoint(signed []byte, size int64, origin string, terms ledger.Terms) (ledger.Checkpoint, error) {
	if len(terms) == 0 {
		return ledger.ParseCheckpoint(signed, origin, s.verifiers...)
	}
	return terms.At(size).Open(signed)
}

// current is the term that the next checkpoint belongs to; ErrOtherKey if the store's key is not
// the one that signs it.
func (s *Store) current(h logHead, terms ledger.Terms) (ledger.Term, error) {
	if len(terms) == 0 {
		return ledger.Term{Leaf: -1, Origin: h.origin, Public: s.signer.Public()}, nil
	}
	m := terms[len(terms)-1]
	if m.Public != s.signer.Public() {
		return ledger.Term{}, fmt.Errorf("%w: %s", ErrOtherKey, m.Public)
	}
	return m, nil
}

// ContinueLog says whether the store's key continues the log, and hands the log over to it from
// old, which may be nil, if that is what signed last: with a leaf that both keys signed. It returns
// whether that happened. ErrOtherKey if another key continues the log, and ErrFork if the log does
// not extend its newest checkpoint.
func (n Tenant) ContinueLog(ctx context.Context, old *ledger.Key) (handedOver bool, err error) {
	if n.s.signer == nil {
		return false, fmt.Errorf("store: continue log of organisation %d: %w", n.org, ErrNoSigner)
	}
	err = n.s.write(ctx, "continue log of organisation "+strconv.FormatInt(n.org, 10), func(t *txn) error {
		h, err := loadLogHead(t, n.org)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		terms, err := loadTerms(t, n.org)
		if err != nil {
			return err
		}
		last, err := n.lastKey(t, h, terms, old)
		if err != nil || last {
			return err
		}
		handedOver = true
		return n.handOver(t, h, terms, old)
	})
	return handedOver && err == nil, err
}

// lastKey says whether the store's own key signed last, or none did; ErrOtherKey if old did not either.
func (n Tenant) lastKey(t *txn, h logHead, terms ledger.Terms, old *ledger.Key) (bool, error) {
	if len(terms) > 0 {
		last := terms[len(terms)-1].Public
		if last != n.s.signer.Public() && (old == nil || last != old.Public()) {
			return false, fmt.Errorf("%w: %s", ErrOtherKey, last)
		}
		return last == n.s.signer.Public(), nil
	}
	var newest []byte
	var size int64
	err := t.row(selectNewestCheckpoint, []any{n.org}, &newest, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	switch _, err := ledger.ParseCheckpoint(newest, h.origin, n.s.signer.Verifier()); {
	case err == nil:
		return true, nil
	case !errors.Is(err, ledger.ErrUnknownSigner):
		return false, fmt.Errorf("%w: %w", ErrFork, err)
	case old == nil || !ledger.SignedBy(newest, old.Verifier()):
		return false, ErrOtherKey
	}
	return false, nil
}

// handOver appends the leaf that hands a log over from old, after a last look that the log is the
// one that old signed.
func (n Tenant) handOver(t *txn, h logHead, terms ledger.Terms, old *ledger.Key) error {
	if len(terms) == 0 {
		terms = ledger.Terms{{Leaf: -1, Origin: h.origin, Public: old.Public()}}
		if _, err := t.exec(insertTerm, n.org, terms[0].Leaf, terms[0].Origin, terms[0].Public); err != nil {
			return err
		}
	}
	if _, err := n.newestCheckpoint(t, h, terms); err != nil {
		return err
	}
	next := ledger.Term{Leaf: h.size, Origin: terms[len(terms)-1].Origin, Public: n.s.signer.Public()}
	handover, err := ledger.SignHandover(next.Origin, h.size, old, n.s.signer)
	if err != nil {
		return err
	}
	body, err := json.Marshal(keyRotationBody{keyRotationBodyVersion, string(handover)})
	if err != nil {
		return err
	}
	if _, err := n.appendRecord(t, LeafKeyRotation, n.s.moment(), body); err != nil {
		return err
	}
	_, err = t.exec(insertTerm, n.org, next.Leaf, next.Origin, next.Public)
	return err
}

// LogKey is a key that signs a log's checkpoints.
type LogKey struct {
	From   int64  // the smallest number of leaves of a checkpoint that it signs
	Origin string // first line of these checkpoints
	Public string
}

// LogKeys returns the keys that ever signed the log's checkpoints, oldest first, and what the log was
// called then. ErrNotFound if there is no log.
func (n Tenant) LogKeys(ctx context.Context) ([]LogKey, error) {
	h, terms, err := n.named(ctx)
	if err == nil && n.s.signer == nil {
		err = ErrNoSigner
	}
	if err != nil {
		return nil, fmt.Errorf("store: keys of organisation %d: %w", n.org, err)
	}
	if len(terms) == 0 {
		return []LogKey{{0, h.origin, n.s.signer.Public()}}, nil
	}
	var out []LogKey
	for _, m := range terms {
		out = append(out, LogKey{m.Leaf + 1, m.Origin, m.Public})
	}
	return out, nil
}

// turn takes in a leaf that begins a term, which must be the next one on record.
func (c *checker) turn(leaf ledger.Leaf, body []byte) error {
	if leaf.Kind != LeafKeyRotation && leaf.Kind != LeafGeneration {
		return nil
	}
	if c.term+1 >= len(c.terms) || c.terms[c.term+1].Leaf != leaf.Seq {
		return bad(leaf.Seq, "leaf %d: what it begins is not on record", leaf.Seq)
	}
	was, is := c.terms[c.term], c.terms[c.term+1]
	c.term++
	if leaf.Kind == LeafGeneration {
		return c.checkGeneration(leaf, body, was, is)
	}
	return c.checkHandover(leaf, body, was, is)
}

// checkHandover checks the leaf with which a log is handed over.
func (c *checker) checkHandover(leaf ledger.Leaf, body []byte, was, is ledger.Term) error {
	var b keyRotationBody
	err := json.Unmarshal(body, &b)
	var h ledger.Handover
	if err == nil {
		h, err = ledger.ParseHandover([]byte(b.Handover))
	}
	if want := (ledger.Handover{Origin: was.Origin, Size: leaf.Seq, Old: was.Public, New: is.Public}); err != nil || h != want || is.Origin != was.Origin {
		return bad(leaf.Seq, "leaf %d: it does not hand the log over as is on record: %v", leaf.Seq, err)
	}
	c.trusted = c.trusted || ledger.SignedBy([]byte(b.Handover), c.n.s.verifiers...)
	return nil
}

// checkTerms says what is wrong with the terms when all leaves were seen. A log that was handed over
// is believed if one of its keys is to be believed, since both keys signed every handover.
func (c *checker) checkTerms() error {
	if len(c.terms) > 0 && c.term+1 < len(c.terms) {
		return bad(c.head.size, "a term of the log is said to begin with leaf %d, which does not begin one", c.terms[c.term+1].Leaf)
	}
	if c.handedOver() && !c.trusted {
		return bad(c.head.size, "none of the keys that the log was handed over to and from is the one that is to be believed")
	}
	return nil
}

// handedOver says whether the log had more than one key. If it had one, what is on record of it is
// not taken for it: checkpoints are held to the keys that are to be believed.
func (c *checker) handedOver() bool {
	return slices.ContainsFunc(c.terms, func(m ledger.Term) bool { return m.Public != c.terms[0].Public })
}

func (c *checker) openCheckpoint(p storedCheckpoint) (ledger.Checkpoint, error) {
	m := ledger.Term{Origin: c.head.origin}
	if len(c.terms) > 0 {
		m = c.terms.At(p.size)
	}
	return c.openBy(m, p.signed)
}

// openBy reads a checkpoint of a term. What is on record of its key must hold as well.
func (c *checker) openBy(m ledger.Term, signed []byte) (ledger.Checkpoint, error) {
	if !c.handedOver() {
		checkpoint, err := ledger.ParseCheckpoint(signed, m.Origin, c.n.s.verifiers...)
		if err != nil || m.Public == "" {
			return checkpoint, err
		}
	}
	return m.Open(signed)
}

// readTerms reads the terms that the log had when its head was read.
func (c *checker) readTerms(ctx context.Context) error {
	err := c.n.s.query(ctx, selectTerms, []any{c.n.org}, scanTerm(&c.terms))
	for i, m := range c.terms {
		if m.Leaf >= c.head.size {
			c.terms = c.terms[:i]
			break
		}
	}
	if err == nil && len(c.terms) > 0 && (c.terms[0].Leaf != -1 || c.terms[0].Origin != c.head.origin) {
		return bad(0, "the first term of the log is missing or was changed")
	}
	return err
}
