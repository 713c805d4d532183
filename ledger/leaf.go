package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LeafVersion is the version of the leaf format.
const LeafVersion = 1

// SaltSize is the size of a body's salt in bytes.
const SaltSize = 32

// maxKind bounds the length of a leaf's kind in bytes.
const maxKind = 32

// leafTime is the layout of Leaf.RecordedAt: UTC with exactly six decimals, so that one
// moment has one spelling.
const leafTime = "2006-01-02T15:04:05.000000Z"

// ErrLeaf says that bytes are not a leaf in the one form that Encode writes.
var ErrLeaf = errors.New("not a valid ledger leaf")

// Leaf is what the log commits to for one record. It names nobody: the record itself is the
// body, kept beside the log with its salt, and both can be disposed of while the leaf stays.
//
// Field names and order are part of the evidence format; add, never change.
type Leaf struct {
	// V is LeafVersion.
	V int
	// Kind says what the body is: "decision", "observations", … Lower-case letters and
	// hyphens, at most 32 bytes.
	Kind string
	// Seq is the leaf's own index in its log, from 0.
	Seq int64
	// RecordedAt is when the record was made, UTC, to the microsecond.
	RecordedAt time.Time
	// BodySHA256 is BodyDigest of the body: 64 lower-case hex digits.
	BodySHA256 string
}

// wireLeaf is the JSON form of a leaf, in the order in which it is written.
type wireLeaf struct {
	V          int    `json:"v"`
	Kind       string `json:"kind"`
	Seq        int64  `json:"seq"`
	RecordedAt string `json:"recorded_at"`
	BodySHA256 string `json:"body_sha256"`
}

// Encode returns the exact bytes of the leaf, which are what the tree hashes. Parts of a
// microsecond are cut off. It returns ErrLeaf for a leaf that has no encoding.
func (l Leaf) Encode() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return json.Marshal(wireLeaf{
		V: l.V, Kind: l.Kind, Seq: l.Seq,
		RecordedAt: l.RecordedAt.UTC().Format(leafTime), BodySHA256: l.BodySHA256,
	})
}

// DecodeLeaf reads a leaf. Only the bytes that Encode would write are accepted: another
// order, another spelling of the same time, an unknown or repeated field and trailing bytes
// all give ErrLeaf. Two different byte strings are never the same leaf.
func DecodeLeaf(src []byte) (Leaf, error) {
	var w wireLeaf
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return Leaf{}, fmt.Errorf("%w: %v", ErrLeaf, err)
	}
	at, err := time.Parse(leafTime, w.RecordedAt)
	if err != nil {
		return Leaf{}, fmt.Errorf("%w: recorded_at: %v", ErrLeaf, err)
	}
	l := Leaf{V: w.V, Kind: w.Kind, Seq: w.Seq, RecordedAt: at.UTC(), BodySHA256: w.BodySHA256}
	again, err := l.Encode()
	if err != nil {
		return Leaf{}, err
	}
	if !bytes.Equal(again, src) {
		return Leaf{}, fmt.Errorf("%w: not in the form that is written", ErrLeaf)
	}
	return l, nil
}

// BodyDigest returns SHA-256 over the salt followed by the exact bytes of the body, as 64
// lower-case hex digits. The salt has a fixed size, so no other pair gives the same input.
func BodyDigest(salt [SaltSize]byte, body []byte) string {
	h := sha256.New()
	h.Write(salt[:])
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func (l Leaf) check() error {
	switch {
	case l.V != LeafVersion:
		return fmt.Errorf("%w: version %d, this program knows %d", ErrLeaf, l.V, LeafVersion)
	case !validKind(l.Kind):
		return fmt.Errorf("%w: kind %q", ErrLeaf, l.Kind)
	case l.Seq < 0:
		return fmt.Errorf("%w: seq %d", ErrLeaf, l.Seq)
	case !validDigest(l.BodySHA256):
		return fmt.Errorf("%w: body_sha256 %q", ErrLeaf, l.BodySHA256)
	}
	// The layout has four digits for the year.
	if y := l.RecordedAt.UTC().Year(); y < 0 || y > 9999 {
		return fmt.Errorf("%w: recorded_at in year %d", ErrLeaf, y)
	}
	return nil
}

func validKind(s string) bool {
	if s == "" || len(s) > maxKind {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}

func validDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
