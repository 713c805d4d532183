package evidence

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The bounds of a bundle. A bundle is as hostile as whoever hands it over.
const (
	maxFiles     = 2_000_000
	maxBlob      = 64 << 20
	maxLine      = 96 << 20 // of a record, which may be a large one in base64
	maxUncovered = 16 << 30 // bytes in all, uncompressed
)

// BundleError says what does not hold, and in which file.
type BundleError struct {
	File string `json:"file,omitempty"` // empty: the bundle as a whole
	What string `json:"what"`
}

func (e *BundleError) Error() string {
	if e.File == "" {
		return e.What
	}
	return e.File + ": " + e.What
}

func broken(file, format string, args ...any) error {
	return &BundleError{file, fmt.Sprintf(format, args...)}
}

// orBroken is an error as what is wrong with a file, if it does not say so itself.
func orBroken(file string, err error) error {
	var b *BundleError
	if err == nil || errors.As(err, &b) {
		return err
	}
	return broken(file, "%v", err)
}

// archive is what is in a bundle, by name: files of its zip file. Nothing of it is ever written to
// a disk.
type archive map[string]*bundled

// bundled is one file of a bundle. There may be many: what is known of one is kept with it.
type bundled struct {
	opener
	// listed is what the manifest says of it; nil: nothing.
	listed *FileInfo
	// used is true of a blob that a decision was made from.
	used bool
}

type opener interface {
	Open() (io.ReadCloser, error)
}

// openArchive lists the files of a bundle, which have the names that they may have and no other.
func openArchive(bundle io.ReaderAt, size int64) (archive, error) {
	in, err := zip.NewReader(&window{file: bundle}, size)
	if err != nil {
		return nil, broken("", "it is not a zip file: %v", err)
	}
	if len(in.File) > maxFiles {
		return nil, broken("", "it has %d files, at most %d are read", len(in.File), maxFiles)
	}
	if in.Comment != "" {
		return nil, broken("", "the zip file has a comment, which no bundle has")
	}
	a := archive{}
	var total uint64
	for _, f := range in.File {
		switch {
		case !validName(f.Name):
			return nil, broken("", "a file has the name %.100q, which no bundle has", f.Name)
		case a[f.Name] != nil:
			return nil, broken(f.Name, "it is there twice")
		}
		if total += f.UncompressedSize64; f.UncompressedSize64 > maxUncovered || total > maxUncovered {
			return nil, broken("", "it is larger than %d bytes", int64(maxUncovered))
		}
		a[f.Name] = &bundled{opener: f}
	}
	return a, nil
}

func validName(name string) bool { return isMachine(name) || isDocument(name) }

// isMachine says whether a file is one that no document is made of.
func isMachine(name string) bool {
	if digest, ok := strings.CutPrefix(name, blobs); ok {
		_, is := digestIn([]byte(digest))
		return is
	}
	return isPack(name) || slices.Contains([]string{fileManifest, fileSignature, fileCheckpoint, fileKey, fileLeaves, fileRecords, fileDecisions, fileCosigned}, name)
}

func (a archive) open(name string) (io.ReadCloser, error) {
	f := a[name]
	if f == nil {
		return nil, broken(name, "it is missing")
	}
	r, err := f.Open()
	if err != nil {
		return nil, broken(name, "it cannot be read: %v", err)
	}
	return r, nil
}

// read returns a file whole, no longer than limit.
func (a archive) read(name string, limit int64) ([]byte, error) {
	return a.readInto(new(bytes.Buffer), name, limit)
}

// readInto is read into a buffer, which is emptied first and holds what is returned.
func (a archive) readInto(b *bytes.Buffer, name string, limit int64) ([]byte, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b.Reset()
	_, err = b.ReadFrom(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, broken(name, "it cannot be read: %v", err)
	case int64(b.Len()) > limit:
		return nil, broken(name, "it is larger than %d bytes", limit)
	}
	return b.Bytes(), nil
}

// lines calls each for the lines of a file, without their ends. The last line ends too.
func (a archive) lines(name string, each func(line []byte) error) error {
	r, err := a.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for in.Scan() {
		if err := each(in.Bytes()); err != nil {
			return orBroken(name, err)
		}
	}
	if err := in.Err(); err != nil {
		return broken(name, "it cannot be read: %v", err)
	}
	return nil
}

// otherThanListed: a file is another one than the manifest says.
func otherThanListed(name string) error {
	return broken(name, "it is not the file that the manifest lists")
}

// compare compares a file with what the manifest says of it.
func (a archive) compare(f FileInfo) error {
	r, err := a.open(f.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	h := newEntry(io.Discard)
	if _, err := io.Copy(h, io.LimitReader(r, f.Bytes+1)); err != nil {
		return broken(f.Name, "it cannot be read: %v", err)
	}
	if h.n != f.Bytes || h.sum() != f.SHA256 {
		return otherThanListed(f.Name)
	}
	return nil
}
