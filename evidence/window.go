package evidence

import "io"

// windowBytes is how far a bundle is read ahead. Larger is not faster: what is read next does not
// always lie behind.
const windowBytes = 64 << 10

// window reads a file ahead. A bundle has many small files, one behind the other, and reading one
// takes three pieces of it. Like what reads it, it is for one goroutine.
type window struct {
	file io.ReaderAt
	at   int64
	have []byte
}

func (w *window) ReadAt(p []byte, at int64) (int, error) {
	if len(p) > windowBytes {
		return w.file.ReadAt(p, at)
	}
	var err error
	if at < w.at || at+int64(len(p)) > w.at+int64(len(w.have)) {
		var n int
		if cap(w.have) == 0 {
			w.have = make([]byte, windowBytes)
		}
		n, err = w.file.ReadAt(w.have[:windowBytes], at)
		w.at, w.have = at, w.have[:n]
	}
	n := copy(p, w.have[at-w.at:])
	if n == len(p) {
		err = nil
	}
	return n, err
}
