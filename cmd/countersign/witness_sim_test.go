package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	formats "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// simWitness is a witness over real HTTP, as https://c2sp.org/tlog-witness and
// https://c2sp.org/tlog-cosignature say, with nothing of our own code in it.
type simWitness struct {
	*httptest.Server
	name string
	key  ed25519.PrivateKey

	mu       sync.Mutex
	trusted  []note.Verifier // keys of logs
	logs     map[string]simLog
	requests int
	spoil    func(lines string) string // what the witness makes of its own answer
	status   int                       // what it answers with instead; 0: nothing
	held     chan struct{}             // until when it does not answer; nil: it does
}

// simLog is the newest checkpoint that a witness cosigned.
type simLog struct {
	size uint64
	root []byte
}

func startWitness(t *testing.T, name string) *simWitness {
	t.Helper()
	w := &simWitness{name: name, logs: map[string]simLog{}, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte(name[:1]), ed25519.SeedSize))}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/submit/add-checkpoint" {
			http.Error(rw, "nothing here", http.StatusNotFound)
			return
		}
		w.mu.Lock()
		held := w.held
		w.mu.Unlock()
		if held != nil {
			<-held
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.requests++
		status, answer := w.addCheckpoint(string(body))
		if status == http.StatusConflict {
			rw.Header().Set("Content-Type", "text/x.tlog.size")
		}
		rw.WriteHeader(status)
		io.WriteString(rw, answer)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *simWitness) vkey() (text string, id [4]byte) {
	key := append([]byte{0x04}, w.key.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256([]byte(w.name + "\n" + string(key)))
	copy(id[:], sum[:])
	return fmt.Sprintf("%s+%x+%s", w.name, id, base64.StdEncoding.EncodeToString(key)), id
}

// trust has the witness take checkpoints that a log's key signed.
func (w *simWitness) trust(t *testing.T, public string) {
	t.Helper()
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trusted = append(w.trusted, v)
}

func (w *simWitness) addCheckpoint(body string) (int, string) {
	if w.status != 0 {
		return w.status, "out of order\n"
	}
	head, checkpoint, ok := strings.Cut(body, "\n\n")
	lines := strings.Split(head, "\n")
	oldText, isOld := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseUint(oldText, 10, 63)
	if !ok || !isOld || err != nil || strconv.FormatUint(old, 10) != oldText || len(lines) > 64 {
		return http.StatusBadRequest, "no request\n"
	}
	var proof [][]byte
	for _, l := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != sha256.Size {
			return http.StatusBadRequest, "no proof\n"
		}
		proof = append(proof, h)
	}
	n, err := note.Open([]byte(checkpoint), note.VerifierList(w.trusted...))
	if err != nil {
		return http.StatusForbidden, "no key\n"
	}
	var c formats.Checkpoint
	if _, err := c.Unmarshal([]byte(n.Text)); err != nil || old > c.Size {
		return http.StatusBadRequest, "no checkpoint\n"
	}
	known := w.logs[c.Origin]
	switch {
	case old != known.size || old == c.Size && !bytes.Equal(known.root, c.Hash):
		return http.StatusConflict, fmt.Sprintf("%d\n", known.size)
	case !consistent(old, c.Size, known.root, c.Hash, proof):
		return http.StatusUnprocessableEntity, "no proof\n"
	}
	w.logs[c.Origin] = simLog{c.Size, c.Hash}
	answer := "— another.example/w " + base64.StdEncoding.EncodeToString(make([]byte, 76)) + "\n" + w.cosign(n.Text)
	if w.spoil != nil {
		answer = w.spoil(answer)
	}
	return http.StatusOK, answer
}

func (w *simWitness) cosign(text string) string {
	const at = 1700000000
	_, id := w.vkey()
	sig := binary.BigEndian.AppendUint64(id[:], at)
	sig = append(sig, ed25519.Sign(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...)
	return fmt.Sprintf("— %s %s\n", w.name, base64.StdEncoding.EncodeToString(sig))
}

// consistent verifies a consistency proof in the order of RFC 6962, as RFC 9162 section 2.1.4.2
// says it step by step.
func consistent(first, second uint64, firstHash, secondHash []byte, path [][]byte) bool {
	switch {
	case first == 0:
		return len(path) == 0
	case first == second:
		return len(path) == 0 && bytes.Equal(firstHash, secondHash)
	case len(path) == 0:
		return false
	case bits.OnesCount64(first) == 1:
		path = append([][]byte{firstHash}, path...)
	}
	fn, sn := first-1, second-1
	for fn&1 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	fr, sr := path[0], path[0]
	for _, c := range path[1:] {
		if sn == 0 {
			return false
		}
		if fn&1 == 1 || fn == sn {
			fr, sr = nodeHash(c, fr), nodeHash(c, sr)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			sr = nodeHash(sr, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	return sn == 0 && bytes.Equal(fr, firstHash) && bytes.Equal(sr, secondHash)
}

func nodeHash(left, right []byte) []byte {
	h := sha256.Sum256(append(append([]byte{1}, left...), right...))
	return h[:]
}

func (w *simWitness) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}

// set changes how the witness behaves.
func (w *simWitness) set(change func(*simWitness)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}
