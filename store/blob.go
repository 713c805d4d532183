package store

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"
)

// zipper compresses facts, policies and catalogues. A gzip.Writer has about a megabyte of
// tables, so writers are used again.
type zipper struct{ pool sync.Pool }

// blob is exact bytes on their way into the database.
type blob struct {
	sha256 string // of the exact bytes; empty: there are none
	size   int
	gzip   []byte
}

func (z *zipper) pack(src []byte) (blob, error) {
	if len(src) == 0 {
		return blob{}, nil
	}
	var buf bytes.Buffer
	w, ok := z.pool.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return blob{}, err
		}
	}
	defer z.pool.Put(w)
	w.Reset(&buf)
	if _, err := w.Write(src); err != nil {
		return blob{}, err
	}
	if err := w.Close(); err != nil {
		return blob{}, err
	}
	return blob{sha256: hexSHA256(src), size: len(src), gzip: buf.Bytes()}, nil
}

// unpack gives the exact bytes back, or an error if they are not what was stored.
func (b blob) unpack() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b.gzip))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", b.sha256, err)
	}
	// One byte more than expected shows that there is more, without reading all of it.
	out, err := io.ReadAll(io.LimitReader(r, int64(b.size)+1))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", b.sha256, err)
	}
	if len(out) != b.size || hexSHA256(out) != b.sha256 {
		return nil, fmt.Errorf("blob %s: its bytes have another digest", b.sha256)
	}
	return out, nil
}

const insertBlob = `INSERT INTO blobs (org_id, sha256, size, gzip) VALUES ($1, $2, $3, $4) ON CONFLICT (org_id, sha256) DO NOTHING`

func saveBlob(t *txn, org int64, b blob) error {
	if b.sha256 == "" {
		return nil
	}
	_, err := t.exec(insertBlob, org, b.sha256, b.size, b.gzip)
	return err
}
