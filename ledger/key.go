package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrKey says that a text is not a key in the format of C2SP signed notes. The message never
// contains the text.
var ErrKey = errors.New("not a valid log key")

// Key is the private key that signs a log's checkpoints. It is a note.Signer that also knows
// its verifier.
type Key struct {
	note.Signer
	verifier note.Verifier
	public   string
}

// Verifier returns what checks the signatures of this key.
func (k *Key) Verifier() note.Verifier { return k.verifier }

// Public returns the verifier as text ("name+hash+base64"), to be given to everybody.
func (k *Key) Public() string { return k.public }

// GenerateKey makes an Ed25519 key with this name from random bytes. The first text is the
// secret for ParseKey, the second the public one for ParseVerifier. Name may contain neither
// spaces nor plus signs.
func GenerateKey(random io.Reader, name string) (secret, public string, err error) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '+' || r == 0x7f }) {
		return "", "", fmt.Errorf("%w: name %q", ErrKey, name)
	}
	secret, public, err = note.GenerateKey(random, name)
	if err != nil {
		return "", "", fmt.Errorf("generate key %s: %w", name, err)
	}
	return secret, public, nil
}

// ParseKey reads the secret text of GenerateKey. White space around it is ignored.
func ParseKey(secret string) (*Key, error) {
	secret = strings.TrimSpace(secret)
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	// PRIVATE+KEY+<name>+<hash>+<base64 of algorithm and seed>; NewSigner has checked it.
	part := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(part[len(part)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("%w: not an Ed25519 seed", ErrKey)
	}
	pub := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	public, err := note.NewEd25519VerifierKey(signer.Name(), pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	return &Key{Signer: signer, verifier: verifier, public: public}, nil
}

// ParseVerifier reads the public text of GenerateKey. White space around it is ignored.
func ParseVerifier(public string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	return v, nil
}
