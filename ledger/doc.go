// Package ledger holds the formats and the arithmetic of the decision log: the bytes of a
// leaf, the salted digest of what a leaf stands for, the Merkle tree of RFC 6962 with its
// proofs, and signed C2SP checkpoints.
//
// It is pure. It reads no file, no clock and no database: hashes come from a HashReader
// that the caller provides, times and random bytes are arguments. That is what lets an
// auditor run the same code over an exported bundle.
//
// A proof is never handed out unchecked. The tree arithmetic of
// golang.org/x/mod/sumdb/tlog computes proofs from stored hashes without noticing that one
// of them was changed, so Inclusion and Consistency verify what they computed first.
//
// Formats: https://www.rfc-editor.org/rfc/rfc6962#section-2.1 (hashing),
// https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note (checkpoints).
package ledger
