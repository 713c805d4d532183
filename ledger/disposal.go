package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// disposalTitle begins the text that is signed of a disposal. It is no checkpoint: no log has this
// name.
const disposalTitle = "countersign disposal/v1"

// Disposal says which record certifies a disposal. A log's key signs it, so that nobody certifies a
// disposal who can do no more than write to the log's database.
type Disposal struct {
	Origin string
	Leaf   int64  // of the record
	SHA256 string // of the record without the signature, in hexadecimal
}

// Sign returns the disposal as a signed note.
func (d Disposal) Sign(key *Key) ([]byte, error) {
	if err := checkOrigin(d.Origin); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: d.text()}, key)
	if err != nil {
		return nil, fmt.Errorf("sign disposal of %s: %w", d.Origin, err)
	}
	return signed, nil
}

// Check is ErrKey if a signed note is not of this disposal, or by none of the verifiers.
func (d Disposal) Check(signed []byte, verifiers ...note.Verifier) error {
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return fmt.Errorf("%w: disposal of leaf %d: %w", ErrKey, d.Leaf, err)
	}
	if n.Text != d.text() {
		return fmt.Errorf("%w: what is signed is not the disposal of leaf %d", ErrKey, d.Leaf)
	}
	return nil
}

func (d Disposal) text() string {
	return strings.Join([]string{disposalTitle, d.Origin, strconv.FormatInt(d.Leaf, 10), d.SHA256, ""}, "\n")
}
