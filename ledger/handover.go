package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// handoverTitle begins the text of a handover. It is no checkpoint: no log has this name.
const handoverTitle = "countersign key rotation/v1"

// Handover says that the key Old hands a log over to the key New: checkpoints of more leaves than
// Size are signed by it.
type Handover struct {
	Origin   string
	Size     int64
	Old, New string // public keys
}

// SignHandover returns a handover as a signed note, with the signatures of both keys: the old one
// gives the log away, and the new one takes it.
func SignHandover(origin string, size int64, old, next *Key) ([]byte, error) {
	h := Handover{origin, size, old.Public(), next.Public()}
	if err := checkOrigin(origin); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: h.text()}, old, next)
	if err != nil {
		return nil, fmt.Errorf("sign handover of %s: %w", origin, err)
	}
	return signed, nil
}

// ParseHandover reads a handover that both of its keys signed; ErrKey for anything else. Whether
// one of them is a key of the log is not said here: see SignedBy.
func ParseHandover(signed []byte) (Handover, error) {
	line := strings.SplitN(string(signed), "\n", 6)
	if len(line) < 6 {
		return Handover{}, fmt.Errorf("%w: no handover", ErrKey)
	}
	size, err := strconv.ParseInt(line[2], 10, 64)
	if err != nil {
		return Handover{}, fmt.Errorf("%w: handover at %q", ErrKey, line[2])
	}
	h := Handover{Origin: line[1], Size: size, Old: line[3], New: line[4]}
	for _, public := range []string{h.Old, h.New} {
		v, err := ParseVerifier(public)
		if err != nil {
			return Handover{}, err
		}
		n, err := note.Open(signed, note.VerifierList(v))
		if err != nil || n.Text != h.text() {
			return Handover{}, fmt.Errorf("%w: handover is not signed by %s", ErrKey, public)
		}
	}
	return h, nil
}

// SignedBy says whether one of the verifiers is a key that signed a handover. Names and hashes of
// keys are not compared: somebody can make another key that has the same.
func SignedBy(signed []byte, verifiers ...note.Verifier) bool {
	_, err := note.Open(signed, note.VerifierList(verifiers...))
	return err == nil
}

func (h Handover) text() string {
	return strings.Join([]string{handoverTitle, h.Origin, strconv.FormatInt(h.Size, 10), h.Old, h.New, ""}, "\n")
}
