package ledger

import "slices"

// Term is a part of a log whose checkpoints have one name and one key.
type Term struct {
	Leaf           int64 // that began it; -1: the first
	Origin, Public string
}

// Open reads a checkpoint by the name and the key of the term.
func (t Term) Open(signed []byte) (Checkpoint, error) {
	verifier, err := ParseVerifier(t.Public)
	if err != nil {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(signed, t.Origin, verifier)
}

// Terms are those of one log, oldest first.
type Terms []Term

// At is the term of a checkpoint of size leaves. There must be terms.
func (t Terms) At(size int64) Term {
	out := t[0]
	for _, m := range t {
		if m.Leaf < size {
			out = m
		}
	}
	return out
}

// Open reads a checkpoint by the terms that had this name, any if it is empty, the newest first, and
// says by which: when an old copy of a log was made, another key may have signed than does now. What
// none of them signed under its name is ErrCheckpoint.
func (t Terms) Open(signed []byte, origin string) (c Checkpoint, by Term, err error) {
	err = ErrCheckpoint
	for _, m := range slices.Backward(t) {
		if origin != "" && m.Origin != origin {
			continue
		}
		if c, err = m.Open(signed); err == nil {
			return c, m, nil
		}
	}
	return Checkpoint{}, Term{}, err
}
