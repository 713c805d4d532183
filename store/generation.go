package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafGeneration is the kind of the leaf with which a log goes on under another name, after an old
// copy of the database was restored.
const LeafGeneration = "generation"

// generationBody is the body of its leaf.
//
// Field names and order are part of the evidence format; add, never change.
type generationBody struct {
	V      int    `json:"v"`
	Origin string `json:"origin"` // the log's name from this leaf on
	Before string `json:"before"` // and before
	// LastCheckpoint is the newest checkpoint under the name before that is known, exact text: the
	// log does not extend it.
	LastCheckpoint string `json:"last_checkpoint"`
	LastSize       int64  `json:"last_size"` // its number of leaves
	Size           int64  `json:"size"`      // number of leaves of the copy, all of which are kept
	// LostFrom and LostTo are the interval of which the log may miss leaves: from the newest leaf of
	// the copy that was signed until this one.
	LostFrom time.Time `json:"lost_from"`
	LostTo   time.Time `json:"lost_to"`
}

const generationBodyVersion = 1

// Generation is a log that goes on under another name.
type Generation struct {
	Leaf             int64 // that began it
	Origin           string
	LastSize, Size   int64     // leaves that were known of the log before, and that are left
	LostFrom, LostTo time.Time // what was recorded in between may be missing
}

// BeginGeneration lets a log go on under another name: last is the newest checkpoint that anybody
// has of it, and the log does not extend it, because the database is an old copy. The leaves of the
// copy stay, and the next one says what is known of those that are lost. Nothing is ever signed
// under the old name again.
//
// ErrInvalid if last is no checkpoint of the log under its present name, or if the log extends it:
// then nothing is lost. ErrFork if the log does not extend its own newest checkpoint: then the
// database was changed, and a new name must not hide it. ErrNotFound if there is no log.
func (n Tenant) BeginGeneration(ctx context.Context, last []byte) (g Generation, err error) {
	if n.s.signer == nil {
		return Generation{}, fmt.Errorf("store: begin generation of organisation %d: %w", n.org, ErrNoSigner)
	}
	err = n.s.write(ctx, "begin generation of organisation "+strconv.FormatInt(n.org, 10), func(t *txn) error {
		h, err := loadLogHead(t, n.org)
		if err != nil {
			return err
		}
		terms, err := loadTerms(t, n.org)
		if err != nil {
			return err
		}
		was, err := n.s.current(h, terms)
		if err != nil {
			return err
		}
		newest, err := n.newestCheckpoint(t, h, terms)
		if err != nil {
			return err
		}
		checkpoint, _, err := append(terms, was).Open(last, was.Origin)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		_, err = ledger.Consistency(checkpoint.Size, checkpoint.Root, h.size, h.root, hashesIn(t, n.org))
		if err == nil {
			return fmt.Errorf("%w: the log of %d leaves extends that checkpoint of %d, so nothing is lost", ErrInvalid, h.size, checkpoint.Size)
		}
		if !errors.Is(err, ledger.ErrProof) {
			return err
		}
		g, err = n.beginGeneration(t, h, terms, was, checkpoint, last, newest.size)
		return err
	})
	return g, err
}

// What could not be published meanwhile is tried again at once, also what was given up.
const publishAgain = `UPDATE jobs SET attempts = 0, dead = 0, run_at = $2, hold_until = 0
WHERE org_id = $1 AND kind = 'publish' AND wanted_gen > done_gen AND lease = ''`

// beginGeneration appends the leaf. Signed is the size of the newest checkpoint of the copy: it is not
// known which leaves after that were recorded before the copy was made, and which afterwards.
func (n Tenant) beginGeneration(t *txn, h logHead, terms ledger.Terms, was ledger.Term, known ledger.Checkpoint, last []byte, signed int64) (Generation, error) {
	var raw []byte
	if err := t.row(selectLeaf, []any{n.org, max(signed, 1) - 1}, &raw); err != nil {
		return Generation{}, err
	}
	leaf, err := ledger.DecodeLeaf(raw)
	if err != nil {
		return Generation{}, err
	}
	if len(terms) == 0 {
		terms = ledger.Terms{was}
		if _, err := t.exec(insertTerm, n.org, was.Leaf, was.Origin, was.Public); err != nil {
			return Generation{}, err
		}
	}
	at := n.s.moment()
	is := ledger.Term{Leaf: h.size, Origin: nextOrigin(h.origin, terms), Public: was.Public}
	body, err := json.Marshal(generationBody{
		V: generationBodyVersion, Origin: is.Origin, Before: was.Origin, LastCheckpoint: string(last), LastSize: known.Size,
		Size: h.size, LostFrom: leaf.RecordedAt, LostTo: at,
	})
	if err != nil {
		return Generation{}, err
	}
	if _, err := n.appendRecord(t, LeafGeneration, at, body); err != nil {
		return Generation{}, err
	}
	if _, err := t.exec(insertTerm, n.org, is.Leaf, is.Origin, is.Public); err != nil {
		return Generation{}, err
	}
	if _, err := t.exec(publishAgain, n.org, micros(at)); err != nil {
		return Generation{}, err
	}
	t.woken = true
	return Generation{is.Leaf, is.Origin, known.Size, h.size, leaf.RecordedAt, at}, nil
}

// nextOrigin is the first name of the log with the number of the generation behind it.
func nextOrigin(first string, terms ledger.Terms) string {
	names := map[string]bool{}
	for _, m := range terms {
		names[m.Origin] = true
	}
	return first + "/" + strconv.Itoa(len(names)+1)
}

// checkGeneration checks the leaf with which a log goes on under another name.
func (c *checker) checkGeneration(leaf ledger.Leaf, body []byte, was, is ledger.Term) error {
	var b generationBody
	if err := json.Unmarshal(body, &b); err != nil || b.Before != was.Origin || b.Origin != is.Origin || was.Public != is.Public || b.Size != leaf.Seq {
		return bad(leaf.Seq, "leaf %d: the log does not go on under another name as is on record", leaf.Seq)
	}
	known, _, err := c.terms[:c.term].Open([]byte(b.LastCheckpoint), was.Origin)
	if err == nil && !c.handedOver() {
		_, err = c.openBy(was, []byte(b.LastCheckpoint))
	}
	if err != nil || known.Size != b.LastSize {
		return bad(leaf.Seq, "leaf %d: the last checkpoint before it, of %d leaves, does not hold: %v", leaf.Seq, b.LastSize, err)
	}
	c.report.Generations = append(c.report.Generations, Generation{leaf.Seq, b.Origin, b.LastSize, b.Size, b.LostFrom, b.LostTo})
	return nil
}
