package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
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

// The JSON form of a leaf, between its values. A log has many leaves and they have one form, so it
// is written and read by hand. No value that check lets pass holds a character that JSON escapes.
const (
	leafV      = `{"v":`
	leafKind   = `,"kind":"`
	leafSeq    = `","seq":`
	leafAt     = `,"recorded_at":"`
	leafDigest = `","body_sha256":"`
	leafEnd    = `"}`
)

// Encode returns the exact bytes of the leaf, which are what the tree hashes. Parts of a
// microsecond are cut off. It returns ErrLeaf for a leaf that has no encoding.
func (l Leaf) Encode() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 192)
	b = strconv.AppendInt(append(b, leafV...), int64(l.V), 10)
	b = append(append(b, leafKind...), l.Kind...)
	b = strconv.AppendInt(append(b, leafSeq...), l.Seq, 10)
	b = l.RecordedAt.UTC().AppendFormat(append(b, leafAt...), leafTime)
	b = append(append(b, leafDigest...), l.BodySHA256...)
	return append(b, leafEnd...), nil
}

// DecodeLeaf reads a leaf. Only the bytes that Encode would write are accepted: another
// order, another spelling of the same time, an unknown or repeated field and trailing bytes
// all give ErrLeaf. Two different byte strings are never the same leaf.
func DecodeLeaf(src []byte) (l Leaf, err error) {
	v, rest := cut(src, leafV, leafKind)
	kind, rest := cut(rest, "", leafSeq)
	seq, rest := cut(rest, "", leafAt)
	at, rest := cut(rest, "", leafDigest)
	digest, _ := cut(rest, "", leafEnd)
	l.Kind, l.BodySHA256 = kind, digest
	if l.V, err = strconv.Atoi(v); err != nil {
		return Leaf{}, fmt.Errorf("%w: v: %v", ErrLeaf, err)
	}
	if l.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
		return Leaf{}, fmt.Errorf("%w: seq: %v", ErrLeaf, err)
	}
	if l.RecordedAt, err = time.Parse(leafTime, at); err != nil {
		return Leaf{}, fmt.Errorf("%w: recorded_at: %v", ErrLeaf, err)
	}
	l.RecordedAt = l.RecordedAt.UTC()
	again, err := l.Encode()
	if err != nil {
		return Leaf{}, err
	}
	if !bytes.Equal(again, src) {
		return Leaf{}, fmt.Errorf("%w: not in the form that is written", ErrLeaf)
	}
	return l, nil
}

// cut returns what stands between two texts, the first of which begins src, and what is behind;
// nothing where they are not there.
func cut(src []byte, before, behind string) (string, []byte) {
	src, begins := bytes.CutPrefix(src, []byte(before))
	found, rest, ends := bytes.Cut(src, []byte(behind))
	if !begins || !ends {
		return "", nil
	}
	return string(found), rest
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
