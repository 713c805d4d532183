package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Without a sample, a bundle holds what every decision of the period was made from and what it said:
// two blobs for each that are much like those of the one before, and to most no page leads. As a file
// each they were most of the bundle, and finding and inflating them most of verifying it. So facts and
// decisions to which no page leads are packed: a pack is a file of many blobs, each on a line of its
// own behind its digest.

const (
	// packs is the folder of the packs: packs/00001.txt and so on.
	packs = "packs/"
	// maxPack is the size of the largest pack in bytes: one is inflated whole to read a line of it.
	maxPack = 256 << 10
	// maxPacked is the size of the largest blob that is packed. Deflate looks back no further: a
	// larger one gains nothing.
	maxPacked = 32 << 10
	// digestBytes is the length of a digest as it is written.
	digestBytes = 64
)

func packName(n int) string { return fmt.Sprintf("%s%05d.txt", packs, n) }

func isPack(name string) bool {
	n, ok := strings.CutPrefix(name, packs)
	n, ok2 := strings.CutSuffix(n, ".txt")
	return ok && ok2 && len(n) == 5 && strings.Trim(n, "0123456789") == ""
}

// packable says whether a blob can be a line of a pack.
func packable(blob []byte) bool {
	return len(blob) > 0 && len(blob) <= maxPacked && bytes.IndexByte(blob, '\n') < 0
}

// blobWriter writes blobs, each once: as a file where a page leads to it, else packed where that can
// be. One that was packed before a page led to it is there as both.
type blobWriter struct {
	file    func(name string, content []byte) error
	pack    packer
	written map[[sha256.Size]byte]blobForm
}

// blobForm is how a blob is in the bundle.
type blobForm byte

const (
	blobPacked blobForm = iota + 1
	blobFiled
)

func newBlobWriter(file func(name string, content []byte) error) *blobWriter {
	return &blobWriter{file: file, pack: packer{file: file}, written: map[[sha256.Size]byte]blobForm{}}
}

// write writes what a decision was made from, and what it said. Pages of all bundles lead to policies
// and catalogues.
func (w *blobWriter) write(d RecordedDecision, shown bool) error {
	own := blobPacked
	if shown {
		own = blobFiled
	}
	for _, b := range []struct {
		blob []byte
		as   blobForm
	}{{d.Decision, own}, {d.Facts, own}, {d.Policy, blobFiled}, {d.Catalogue, blobFiled}} {
		if err := w.blob(b.blob, b.as); err != nil {
			return err
		}
	}
	return nil
}

func (w *blobWriter) blob(blob []byte, as blobForm) error {
	if blob == nil {
		return nil
	}
	if !packable(blob) {
		as = blobFiled
	}
	digest := sha256.Sum256(blob)
	if w.written[digest] >= as {
		return nil
	}
	w.written[digest] = as
	if as == blobPacked {
		return w.pack.add(hex.EncodeToString(digest[:]), blob)
	}
	return w.file(blobs+hex.EncodeToString(digest[:]), blob)
}

// packer writes packs: a full one when the next blob comes, the last one by flush.
type packer struct {
	file    func(name string, content []byte) error
	written int
	lines   []byte
}

// add packs a blob that is packable.
func (p *packer) add(digest string, blob []byte) error {
	if len(p.lines)+len(digest)+len(blob)+2 > maxPack {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.lines = append(append(append(p.lines, digest...), ' '), blob...)
	p.lines = append(p.lines, '\n')
	return nil
}

func (p *packer) flush() error {
	if len(p.lines) == 0 {
		return nil
	}
	p.written++
	err := p.file(packName(p.written), p.lines)
	p.lines = p.lines[:0]
	return err
}

// unpacker finds blobs in packs.
type unpacker struct {
	names  []string
	places []place
	at     map[[sha256.Size]byte]int // of places, by the digest that stands before the blob
	opened map[int]*bytes.Buffer     // packs that were opened last
	order  []int                     // the same, the oldest first
	spare  *bytes.Buffer             // for the next one
}

// place is where a blob stands.
type place struct {
	pack, from, to int32 // index of names, and bytes in it
	used           bool
}

// maxOpened is how many packs are kept. What follows from another is mostly not far behind it.
const maxOpened = 64

func newUnpacker() *unpacker {
	return &unpacker{at: map[[sha256.Size]byte]int{}, opened: map[int]*bytes.Buffer{}, spare: new(bytes.Buffer)}
}

// index compares a pack with what the manifest says of it, and notes what is in it. Whether a blob
// has the digest that stands before it is compared when it is read, and every one is.
func (u *unpacker) index(a archive, f FileInfo) error {
	if f.Bytes > maxPack {
		return broken(f.Name, "it is larger than %d bytes", maxPack)
	}
	if want := packName(len(u.names) + 1); f.Name != want || f.Bytes == 0 {
		return broken(f.Name, "it is empty, or not the next pack: that is %s", want)
	}
	content, err := a.readInto(u.spare, f.Name, maxPack)
	if err != nil {
		return err
	}
	if int64(len(content)) != f.Bytes || digestOf(content) != f.SHA256 {
		return otherThanListed(f.Name)
	}
	pack := int32(len(u.names))
	u.names = append(u.names, f.Name)
	for from := 0; from < len(content); {
		end := bytes.IndexByte(content[from:], '\n')
		if end <= digestBytes+1 || content[from+digestBytes] != ' ' {
			return broken(f.Name, "a line is no digest and what has it")
		}
		end += from
		digest, ok := digestIn(content[from : from+digestBytes])
		if _, twice := u.at[digest]; !ok || twice {
			return broken(f.Name, "%.64q is no digest, or is there twice", content[from:end])
		}
		if len(u.places) == maxFiles {
			return broken(f.Name, "there is more in the packs than %d blobs", maxFiles)
		}
		u.at[digest] = len(u.places)
		u.places = append(u.places, place{pack: pack, from: int32(from + digestBytes + 1), to: int32(end)})
		from = end + 1
	}
	return nil
}

// digestIn reads a digest in the form that is written.
func digestIn(text []byte) (digest [sha256.Size]byte, ok bool) {
	if len(text) != digestBytes || bytes.ContainsAny(text, "ABCDEF") {
		return digest, false
	}
	_, err := hex.Decode(digest[:], text)
	return digest, err == nil
}

// find is the place of a blob; nil: it is in no pack.
func (u *unpacker) find(digest string) *place {
	key, ok := digestIn([]byte(digest))
	i, there := u.at[key]
	if !ok || !there {
		return nil
	}
	return &u.places[i]
}

// read copies what stands at a place into a buffer, which is emptied first and holds what is returned.
func (u *unpacker) read(a archive, b *bytes.Buffer, at *place) ([]byte, error) {
	pack, err := u.open(a, int(at.pack))
	if err != nil {
		return nil, err
	}
	b.Reset()
	b.Write(pack[at.from:at.to])
	return b.Bytes(), nil
}

// open is the content of a pack, until others were opened.
func (u *unpacker) open(a archive, n int) ([]byte, error) {
	if b := u.opened[n]; b != nil {
		return b.Bytes(), nil
	}
	b := u.spare
	content, err := a.readInto(b, u.names[n], maxPack)
	if err != nil {
		return nil, err
	}
	u.opened[n], u.order, u.spare = b, append(u.order, n), new(bytes.Buffer)
	if len(u.order) > maxOpened {
		oldest := u.order[0]
		u.spare, u.order = u.opened[oldest], u.order[1:]
		delete(u.opened, oldest)
	}
	return content, nil
}

// nameOf is the pack of a place.
func (u *unpacker) nameOf(at *place) string { return u.names[at.pack] }

// unused is the pack with a blob that nobody read; false: there is none.
func (u *unpacker) unused() (name string, ok bool) {
	for _, p := range u.places {
		if !p.used {
			return u.nameOf(&p), true
		}
	}
	return "", false
}
