package ledger

import (
	"errors"
	"fmt"
	"math"

	formats "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// ErrCheckpoint says that bytes are not a checkpoint of this log, signed by a known key.
var ErrCheckpoint = errors.New("not a valid checkpoint")

// ErrUnknownSigner says that none of the keys that are known signed a checkpoint. It comes with
// ErrCheckpoint.
var ErrUnknownSigner = errors.New("signed by no known key")

// maxCheckpoint bounds the size of a signed checkpoint in bytes. Ours have about 250; the
// rest is room for the cosignatures of witnesses.
const maxCheckpoint = 64 << 10

// Checkpoint says which leaves a log held at one time.
type Checkpoint struct {
	// Origin is the name of the log.
	Origin string
	// Size is the number of leaves.
	Size int64
	// Root is the root hash of these leaves.
	Root Hash
}

// Sign returns the checkpoint as a C2SP signed note.
func (c Checkpoint) Sign(signer note.Signer) ([]byte, error) {
	if err := checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	if c.Size < 0 {
		return nil, fmt.Errorf("%w: size %d", ErrCheckpoint, c.Size)
	}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of %s at %d: %w", c.Origin, c.Size, err)
	}
	return signed, nil
}

// ParseCheckpoint reads a signed checkpoint of the log named origin. At least one of the
// verifiers must have signed it, else it is ErrUnknownSigner; signatures by keys that are not among
// them are passed over. Everything else gives ErrCheckpoint, extension lines included, which we never write.
func ParseCheckpoint(signed []byte, origin string, verifiers ...note.Verifier) (Checkpoint, error) {
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(signed))
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if unknown := (*note.UnverifiedNoteError)(nil); errors.As(err, &unknown) {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, ErrUnknownSigner)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %v", ErrCheckpoint, err)
	}
	var f formats.Checkpoint
	if _, err := f.Unmarshal([]byte(n.Text)); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %v", ErrCheckpoint, err)
	}
	if f.Origin != origin {
		return Checkpoint{}, fmt.Errorf("%w: of log %q, want %q", ErrCheckpoint, f.Origin, origin)
	}
	if f.Size > math.MaxInt64 || len(f.Hash) != len(Hash{}) {
		return Checkpoint{}, fmt.Errorf("%w: size %d, root of %d bytes", ErrCheckpoint, f.Size, len(f.Hash))
	}
	c := Checkpoint{Origin: f.Origin, Size: int64(f.Size), Root: Hash(f.Hash)}
	// The parser takes "007" and unpadded base64 for what they mean; one checkpoint has one
	// spelling here.
	if c.Text() != n.Text {
		return Checkpoint{}, fmt.Errorf("%w: not in the form that is written", ErrCheckpoint)
	}
	return c, nil
}

// Extends proves from stored hashes that the log of checkpoint c begins with the log of old,
// and returns the checked proof. ErrProof if it does not, or if the logs differ in name.
func (c Checkpoint) Extends(old Checkpoint, r HashReader) ([]Hash, error) {
	if c.Origin != old.Origin {
		return nil, fmt.Errorf("checkpoints of %q and %q: %w", old.Origin, c.Origin, ErrProof)
	}
	return Consistency(old.Size, old.Root, c.Size, c.Root, r)
}

// Text is what is signed of the checkpoint.
func (c Checkpoint) Text() string {
	return string(formats.Checkpoint{Origin: c.Origin, Size: uint64(c.Size), Hash: c.Root[:]}.Marshal())
}

// checkOrigin refuses names that would not survive as the first line of a checkpoint.
func checkOrigin(origin string) error {
	if origin == "" {
		return fmt.Errorf("%w: empty origin", ErrCheckpoint)
	}
	for _, c := range origin {
		if c < 0x20 || c == 0x7f || c == '\uFFFD' {
			return fmt.Errorf("%w: origin %q", ErrCheckpoint, origin)
		}
	}
	return nil
}
