package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// payloadType is the type of what our envelopes hold.
const payloadType = "application/vnd.in-toto+json"

// maxEnvelope is how much larger than its payload in Base64 an envelope may be.
const maxEnvelope = 4096

// signed says whether what a document is made of is the payload of an envelope that the log's key
// signs. Whoever verifies the bundle cannot sign again: they compare the payload, and check the
// signature.
func (d document) signed() bool { return strings.HasPrefix(d.name, "attestations/") }

// envelope is a signed payload.
// https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     []byte              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"` // "name+hash", as the log's public key begins
	Sig   []byte `json:"sig"`
}

// preAuth is what is signed of a payload. It begins like no checkpoint and no manifest, so that
// no signature can be taken for another.
// https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
func preAuth(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// seal puts a payload into an envelope, signed.
func seal(payload []byte, signer note.Signer) ([]byte, error) {
	sig, err := signer.Sign(preAuth(payload))
	if err != nil {
		return nil, fmt.Errorf("sign statement: %w", err)
	}
	b, err := json.Marshal(envelope{payloadType, payload, []envelopeSignature{{keyID(signer.Name(), signer.KeyHash()), sig}}})
	if err != nil {
		return nil, fmt.Errorf("encode envelope: %w", err)
	}
	return append(b, '\n'), nil
}

func keyID(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }

// openEnvelope is the payload of an envelope that was signed with the key.
func openEnvelope(raw []byte, key note.Verifier) ([]byte, error) {
	var e envelope
	if err := strictly(raw, &e); err != nil {
		return nil, fmt.Errorf("it is no envelope: %v", err)
	}
	if again, err := json.Marshal(e); err != nil || !bytes.Equal(append(again, '\n'), raw) {
		return nil, errors.New("it is not in the form that is written")
	}
	if e.PayloadType != payloadType || len(e.Signatures) != 1 || e.Signatures[0].KeyID != keyID(key.Name(), key.KeyHash()) || !key.Verify(preAuth(e.Payload), e.Signatures[0].Sig) {
		return nil, errors.New("it is not signed by the log's key")
	}
	return e.Payload, nil
}
