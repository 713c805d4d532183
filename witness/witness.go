// Package witness asks witnesses for their cosignatures: strangers to us who sign a checkpoint
// when it extends what they have seen of the log before, so that nobody is shown another one.
//
// The protocol is https://c2sp.org/tlog-witness. A cosignature is checked before it is returned.
package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
)

// ErrInconsistent says that the witness found the proof wrong: it knows another log of this name.
var ErrInconsistent = errors.New("witness: the checkpoint does not extend what the witness knows")

// SizeError says that the witness knows the log at another size than it was asked from.
type SizeError struct{ Size int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("witness: it knows the log with %d leaves", e.Size)
}

// timeout is for one request, from the connection to the end of the answer.
const timeout = 10 * time.Second

// maxAnswer bounds an answer in bytes: a few cosignatures of some kilobytes each.
const maxAnswer = 32 << 10

// Witness is one witness. It may be used concurrently.
type Witness struct {
	key      string
	verifier note.Verifier
	address  string
	client   *http.Client
}

// New makes a witness from its public key and its submission prefix.
func New(key, prefix string) (*Witness, error) {
	verifier, err := ledger.ParseWitness(key)
	if err != nil {
		return nil, err
	}
	return &Witness{
		key: strings.TrimSpace(key), verifier: verifier, address: strings.TrimSuffix(prefix, "/") + "/add-checkpoint",
		client: &http.Client{
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Name is the name in its key.
func (w *Witness) Name() string { return w.verifier.Name() }

// Key is its public key, as text.
func (w *Witness) Key() string { return w.key }

// Cosign asks for cosignatures of a signed checkpoint, with the proof that it extends the log of
// old leaves, and returns their lines. A *SizeError if the witness knows another size than old,
// ErrInconsistent if it refuses the proof.
func (w *Witness) Cosign(ctx context.Context, old int64, proof []ledger.Hash, signed []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(ledger.AddCheckpoint(old, proof, signed)))
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", w.Name(), err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", w.Name(), err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", w.Name(), err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return ledger.Cosignatures(signed, answer, w.verifier)
	case http.StatusConflict:
		return nil, fmt.Errorf("ask witness %s from %d: %w", w.Name(), old, conflict(answer, old))
	case http.StatusUnprocessableEntity:
		return nil, fmt.Errorf("ask witness %s from %d: %w", w.Name(), old, ErrInconsistent)
	}
	return nil, fmt.Errorf("witness %s answered %d: %.200q", w.Name(), resp.StatusCode, answer)
}

// conflict reads what a witness says with "409 Conflict": the size that it knows. If that is the size
// that was asked from, it knows another root of it.
func conflict(answer []byte, old int64) error {
	size, err := strconv.ParseInt(strings.TrimSuffix(string(answer), "\n"), 10, 64)
	switch {
	case err != nil || size < 0:
		return fmt.Errorf("it answered 409 and no size: %.200q", answer)
	case size == old:
		return ErrInconsistent
	}
	return &SizeError{size}
}
