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
// be. One that was packed before a page led to it is there as both. A pack is written when it is full
// and the next blob comes, the last one by flush.
type blobWriter struct {
	file    func(name string, content []byte) error
	written map[[sha256.Size]byte]blobForm
	packs   int
	lines   []byte // of the pack that is not written yet
}

// blobForm is how a blob is in the bundle.
type blobForm byte

const (
	blobPacked blobForm = iota + 1
	blobFiled
)

func newBlobWriter(file func(name string, content []byte) error) *blobWriter {
	return &blobWriter{file: file, written: map[[sha256.Size]byte]blobForm{}}
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
		return w.pack(hex.EncodeToString(digest[:]), blob)
	}
	return w.file(blobs+hex.EncodeToString(digest[:]), blob)
}

// pack packs a blob that is packable.
func (w *blobWriter) pack(digest string, blob []byte) error {
	if len(w.lines)+len(digest)+len(blob)+2 > maxPack {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.lines = append(append(append(w.lines, digest...), ' '), blob...)
	w.lines = append(w.lines, '\n')
	return nil
}

func (w *blobWriter) flush() error {
	if len(w.lines) == 0 {
		return nil
	}
	w.packs++
	err := w.file(packName(w.packs), w.lines)
	w.lines = w.lines[:0]
	return err
}

// unpacker finds blobs in packs. It reads one pack after the other, each when something is asked for
// that is in none of those before: what is verified comes mostly in the order in which it is packed.
type unpacker struct {
	archive archive
	packs   []FileInfo
	indexed int // of packs
	places  []place
	at      map[[sha256.Size]byte]int // index of places, by the digest that stands before the blob
	opened  map[int]*bytes.Buffer     // packs that were opened last, by their index
	order   []int                     // the same, the oldest first
	spare   *bytes.Buffer             // for the next one
}

// place is where a blob stands.
type place struct {
	pack, from, to int32 // index of packs, and bytes in it
	used           bool
}

// maxOpened is how many packs are kept. What follows from another is mostly not far behind it.
const maxOpened = 64

func newUnpacker(a archive) *unpacker {
	return &unpacker{archive: a, at: map[[sha256.Size]byte]int{}, opened: map[int]*bytes.Buffer{}, spare: new(bytes.Buffer)}
}

// add takes a pack as the manifest lists it. It is compared with that when it is read, and every one is.
func (u *unpacker) add(f FileInfo) error {
	if f.Bytes > maxPack {
		return broken(f.Name, "it is larger than %d bytes", maxPack)
	}
	if want := packName(len(u.packs) + 1); f.Name != want || f.Bytes == 0 {
		return broken(f.Name, "it is empty, or not the next pack: that is %s", want)
	}
	u.packs = append(u.packs, f)
	return nil
}

// indexNext compares the next pack with what the manifest says of it, and notes what is in it. Whether
// a blob has the digest that stands before it is compared when it is read, and every one is.
func (u *unpacker) indexNext() error {
	f, pack := u.packs[u.indexed], u.indexed
	content, err := u.open(pack)
	if err != nil {
		return err
	}
	if int64(len(content)) != f.Bytes || digestOf(content) != f.SHA256 {
		return otherThanListed(f.Name)
	}
	u.indexed++
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
		u.places = append(u.places, place{pack: int32(pack), from: int32(from + digestBytes + 1), to: int32(end)})
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

// read copies a blob into a buffer, which is emptied first and holds what is returned; nil: it is in
// no pack.
func (u *unpacker) read(b *bytes.Buffer, digest string) ([]byte, error) {
	key, ok := digestIn([]byte(digest))
	if !ok {
		return nil, nil
	}
	for {
		if i, there := u.at[key]; there {
			return u.readAt(b, i, digest)
		}
		if u.indexed == len(u.packs) {
			return nil, nil
		}
		if err := u.indexNext(); err != nil {
			return nil, err
		}
	}
}

func (u *unpacker) readAt(b *bytes.Buffer, i int, digest string) ([]byte, error) {
	at := &u.places[i]
	pack, err := u.open(int(at.pack))
	if err != nil {
		return nil, err
	}
	b.Reset()
	b.Write(pack[at.from:at.to])
	if digestOf(b.Bytes()) != digest {
		return nil, broken(u.packs[at.pack].Name, "what stands behind %s has another digest", digest)
	}
	at.used = true
	return b.Bytes(), nil
}

// open is the content of a pack, until others were opened.
func (u *unpacker) open(n int) ([]byte, error) {
	if b := u.opened[n]; b != nil {
		return b.Bytes(), nil
	}
	b := u.spare
	content, err := u.archive.readInto(b, u.packs[n].Name, maxPack)
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

// holding is the pack that holds a blob, as far as they were read; empty: none.
func (u *unpacker) holding(digest string) string {
	key, ok := digestIn([]byte(digest))
	if i, there := u.at[key]; ok && there {
		return u.packs[u.places[i].pack].Name
	}
	return ""
}

// settle reads what was not read: packs that nothing was asked for in, and lines. A line may be
// there only if its blob was read elsewhere, and then it is compared too.
func (u *unpacker) settle(readElsewhere func(digest string) bool) error {
	for u.indexed < len(u.packs) {
		if err := u.indexNext(); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	for i, at := range u.places {
		if at.used {
			continue
		}
		pack, err := u.open(int(at.pack))
		if err != nil {
			return err
		}
		digest := string(pack[at.from-digestBytes-1 : at.from-1])
		if !readElsewhere(digest) {
			return broken(u.packs[at.pack].Name, "no decision of the bundle was made from a line of it")
		}
		if _, err := u.readAt(&b, i, digest); err != nil {
			return err
		}
	}
	return nil
}
