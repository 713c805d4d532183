package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// countedOut is a file whose bytes all differ from those nearby.
func countedOut(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.Bytes()[:n]
}

// A file that is read ahead is the same file.
func TestWindow(t *testing.T) {
	for _, n := range []int{0, 1, windowBytes - 1, windowBytes, windowBytes + 1, 3*windowBytes + 7} {
		content := countedOut(n)
		w := &window{file: bytes.NewReader(content)}
		if err := iotest.TestReader(io.NewSectionReader(w, 0, int64(n)), content); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			at, p := random.Int64N(int64(n)+10), make([]byte, random.IntN(windowBytes/8))
			if random.IntN(10) == 0 {
				p = make([]byte, windowBytes+random.IntN(10))
			}
			want := make([]byte, len(p))
			wantN, wantErr := bytes.NewReader(content).ReadAt(want, at)
			got, err := w.ReadAt(p, at)
			if got != wantN || !bytes.Equal(p[:got], want[:got]) || (err != nil) != (got < len(p)) || got < len(p) && !errors.Is(err, wantErr) {
				t.Fatalf("%d bytes, %d from %d: got %d, %v, want %d, %v", n, len(p), at, got, err, wantN, wantErr)
			}
		}
	}
}
