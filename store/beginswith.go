package store

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/ledger"
)

// Name is the name that the log's next checkpoint has. ErrNotFound if there is no log.
func (n Tenant) Name(ctx context.Context) (string, error) {
	h, terms, err := n.named(ctx)
	if err != nil {
		return "", fmt.Errorf("store: name of the log of organisation %d: %w", n.org, err)
	}
	return nameOf(h, terms), nil
}

// BeginsWith returns the size of a checkpoint of the log under its present name that somebody kept. ErrFork
// if the log does not begin with it, and ledger.ErrCheckpoint if it is none of the log's.
func (n Tenant) BeginsWith(ctx context.Context, signed []byte) (size int64, err error) {
	what := fmt.Sprintf("store: a checkpoint that was kept of organisation %d", n.org)
	h, terms, err := n.named(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	var c ledger.Checkpoint
	if len(terms) == 0 {
		c, err = ledger.ParseCheckpoint(signed, h.origin, n.s.verifiers...)
	} else {
		c, _, err = terms.Open(signed, nameOf(h, terms))
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	if c.Size > h.size {
		return c.Size, fmt.Errorf("%s: %w: it is of %d leaves, and the log has %d: the database is an old copy", what, ErrFork, c.Size, h.size)
	}
	if _, err := ledger.Consistency(c.Size, c.Root, h.size, h.root, n.hashes(ctx)); err != nil {
		return c.Size, fmt.Errorf("%s: %w: %w", what, ErrFork, err)
	}
	return c.Size, nil
}

// named reads what the log is called. The terms are read after the head: one that begins in between
// leaves the name before in force for what the head has.
func (n Tenant) named(ctx context.Context) (h logHead, terms ledger.Terms, err error) {
	if h, err = n.head(ctx); err == nil {
		err = n.s.query(ctx, selectTerms, []any{n.org}, scanTerm(&terms))
	}
	return h, terms, err
}

func nameOf(h logHead, terms ledger.Terms) string {
	if len(terms) == 0 {
		return h.origin
	}
	return terms[len(terms)-1].Origin
}
