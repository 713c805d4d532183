package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// cosignatureType is the signature type of Ed25519 cosignatures. Those of ML-DSA are not read yet.
const cosignatureType = 0x04

// witnessKey checks cosignatures of https://c2sp.org/tlog-cosignature. It is a note.Verifier of its
// own, because the library's brings the network with it, which this room is kept from.
type witnessKey struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

// ParseWitness reads the public key of a witness ("name+hash+base64", of type 4) as what checks its
// cosignatures. White space around it is ignored.
func ParseWitness(public string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(public), "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") || len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureType {
		return nil, fmt.Errorf("%w: a witness has an Ed25519 key of type 4, as name+hash+base64", ErrKey)
	}
	// https://c2sp.org/signed-note#verifier-keys
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	w := witnessKey{name: name, id: binary.BigEndian.Uint32(sum[:]), key: key[1:]}
	if name == "" || strings.ContainsFunc(name, unicode.IsSpace) || hash != fmt.Sprintf("%08x", w.id) {
		return nil, fmt.Errorf("%w: of a witness: its hash does not fit its name and key", ErrKey)
	}
	return w, nil
}

// Name, KeyHash and Verify implement note.Verifier.
func (w witnessKey) Name() string    { return w.name }
func (w witnessKey) KeyHash() uint32 { return w.id }

// Verify checks a cosignature: eight bytes of time, and a signature over that and the checkpoint.
func (w witnessKey) Verify(checkpoint, cosignature []byte) bool {
	if len(cosignature) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(cosignature)
	signed := append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), checkpoint...)
	return ed25519.Verify(w.key, signed, cosignature[8:])
}

// AddCheckpoint is what a witness is asked to cosign a signed checkpoint with: the size that it
// knows of the log, and the proof that the checkpoint extends it. See
// https://c2sp.org/tlog-witness#add-checkpoint.
func AddCheckpoint(old int64, proof []Hash, signed []byte) []byte {
	var b bytes.Buffer
	b.WriteString("old " + strconv.FormatInt(old, 10) + "\n")
	for _, h := range proof {
		b.WriteString(h.String() + "\n")
	}
	b.WriteByte('\n')
	b.Write(signed)
	return b.Bytes()
}

// Cosignatures returns the signature lines among lines that are a witness's cosignatures of a
// signed checkpoint, as they follow the checkpoint's own. Lines of other keys are left out.
// ErrCheckpoint if there is none, or one that does not hold.
func Cosignatures(signed, lines []byte, witness note.Verifier) ([]byte, error) {
	if len(signed)+len(lines) > maxCheckpoint {
		return nil, fmt.Errorf("%w: %d bytes of cosignatures", ErrCheckpoint, len(lines))
	}
	n, err := note.Open(append(bytes.Clone(signed), lines...), note.VerifierList(witness))
	if err != nil {
		return nil, fmt.Errorf("%w: cosignature of %s: %v", ErrCheckpoint, witness.Name(), err)
	}
	var b bytes.Buffer
	for _, s := range n.Sigs {
		b.WriteString("— " + s.Name + " " + s.Base64 + "\n")
	}
	return b.Bytes(), nil
}

// maxCosignedAt bounds the time of a cosignature that is read, in seconds since 1970: times beyond
// have no form in JSON.
const maxCosignedAt = 253402300799

// ParseCosigned reads a checkpoint of the log named origin that holds the signature of a witness and
// no other, and returns with it when the witness cosigned it, by its own clock, UTC. It has one
// spelling; ErrCheckpoint for everything else.
func ParseCosigned(text []byte, origin string, witness note.Verifier) (c Checkpoint, at time.Time, err error) {
	if c, err = ParseCheckpoint(text, origin, witness); err != nil {
		return c, at, err
	}
	n, err := note.Open(text, note.VerifierList(witness))
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return c, at, fmt.Errorf("%w: not cosigned by %s alone", ErrCheckpoint, witness.Name())
	}
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || string(text) != n.Text+"\n— "+n.Sigs[0].Name+" "+base64.StdEncoding.EncodeToString(raw)+"\n" {
		return c, at, fmt.Errorf("%w: its cosignature is not in the form that is written", ErrCheckpoint)
	}
	seconds := binary.BigEndian.Uint64(raw[4:]) // behind the hash of the key; Verify has seen the length
	if seconds > maxCosignedAt {
		return c, at, fmt.Errorf("%w: cosigned %d seconds after 1970", ErrCheckpoint, seconds)
	}
	return c, time.Unix(int64(seconds), 0).UTC(), nil
}
