package evidence

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
)

// Log is the log of one organisation, with the records behind it. What a function is given is
// overwritten afterwards.
type Log interface {
	// Checkpoint is the signed checkpoint of the log at a size; 0: as it is now.
	Checkpoint(ctx context.Context, size int64) (signed []byte, of int64, err error)
	// Leaves calls each for the first leaves, as many as size says, in order.
	Leaves(ctx context.Context, size int64, each func(leaf []byte) error) error
	// Records calls each for those of the first leaves that are of these kinds, in order, with
	// their records. Salt and body are nil when they were disposed of.
	Records(ctx context.Context, size int64, kinds []string, each func(leaf, salt, body []byte) error) error
	// Decision is the decision of a leaf.
	Decision(ctx context.Context, leaf int64) (RecordedDecision, error)
	// DecisionAlone is the decision of a leaf without what it was made from.
	DecisionAlone(ctx context.Context, leaf int64) (RecordedDecision, error)
	// Cosigned is what each witness cosigned of the first leaves, as many as size says, or of the
	// beginning of them.
	Cosigned(ctx context.Context, size int64) ([]CosignedCheckpoint, error)
	// RecordDraw adds a record of kind LeafDraw.
	RecordDraw(ctx context.Context, body []byte) error
}

// RecordedDecision is the record of a decision, and the exact bytes that it rests on; what it
// lacks is nil.
type RecordedDecision struct {
	Salt, Body                         []byte
	Decision, Facts, Policy, Catalogue []byte
}

// recordedDecisions reads decisions that are in the bundle.
type recordedDecisions struct {
	whole func(leaf int64) (RecordedDecision, error)
	// counted is what is counted of one; there may be many, and none is read whole for it.
	counted func(leaf int64) (*counted, error)
}

// Options of an export.
type Options struct {
	Organisation string // login
	GitHub       string // address of GitHub for people, without a slash at its end
	Origin       string // of the log
	Generator    string // the program, with its version
	// Size is the size of the log that the bundle is about, of which there is a checkpoint; 0: as
	// it is now. With it, an export is done again: the same query gives the same bytes.
	Size int64
	// Key is the log's public key, and Signer signs with it.
	Key    string
	Signer note.Signer
	Query  Query
	// Progress is told what is being done and how much of it is, each step to its end; nil: nobody is.
	Progress func(doing string, done, total int64)
	// Record is given the manifest before it is written, and keeps a bundle from becoming one by an
	// error: without its manifest it is none. Nil: nothing keeps it.
	Record func(m Manifest, encoded []byte) error
}

// ErrExport: there is nothing to make a bundle of.
var ErrExport = errors.New("the evidence cannot be exported")

// maxGrowth is how often a log may grow while a draw from it is recorded.
const maxGrowth = 10

// Export writes the bundle of a period. The same query over the same size of the log gives the
// same bytes. A draw of a sample that the log does not know is recorded in it first: if we stop
// after that, it stays listed, and the same query finds it again.
func Export(ctx context.Context, log Log, o Options, w io.Writer) (Manifest, error) {
	m := Manifest{V: BundleVersion, Documents: DocumentsVersion, Generator: o.Generator, Organisation: o.Organisation, GitHub: o.GitHub, Origin: o.Origin, Query: o.Query, Limits: limits()}
	if err := o.Query.check(); err != nil {
		return m, err
	}
	x := &exporter{Options: o, log: log, zip: zip.NewWriter(w), manifest: m}
	if err := x.read(ctx); err != nil {
		return m, err
	}
	if err := x.write(ctx); err != nil {
		return m, err
	}
	return x.manifest, nil
}

type exporter struct {
	Options
	log        Log
	zip        *zip.Writer
	manifest   Manifest
	checkpoint []byte
	contents   contents
	findings   *findings
}

// What an export does, step by step, as people are told.
const (
	doingRead      = "reading the log"
	doingRecords   = "reading the records"
	doingLeaves    = "writing the log"
	doingWrite     = "writing the records"
	doingDecisions = "writing the decisions"
	doingDocuments = "writing the documents"
)

// tell says how far a step is: now and then, and when it is done.
func (x *exporter) tell(doing string, done, total int64) {
	if x.Progress != nil && (done%1000 == 0 || done == total) {
		x.Progress(doing, done, total)
	}
}

// read reads the log, and has the draw of the sample recorded in it.
func (x *exporter) read(ctx context.Context) (err error) {
	for range maxGrowth {
		if x.checkpoint, x.manifest.LogSize, err = x.log.Checkpoint(ctx, x.Size); err != nil {
			return err
		}
		x.contents = contents{origin: x.Origin, query: x.Query}
		if err := x.leaves(ctx, doingRead, x.contents.leaf); err != nil {
			return err
		}
		if err := x.records(ctx, doingRecords, func(l ledger.Leaf, _, body []byte) error { return x.contents.record(l, body) }); err != nil {
			return err
		}
		switch err := x.contents.disposals.settle(x.Query); {
		case errors.Is(err, errNotCertified) && x.Size == 0:
			continue // it was disposed of while the log was read
		case errors.Is(err, errNotCertified):
			return fmt.Errorf("%w: the log had %d leaves, and something was disposed of since: %w; export it as it is now", ErrExport, x.Size, err)
		case err != nil:
			return err
		}
		drawn, err := x.draw(ctx)
		if err != nil {
			return err
		}
		if drawn {
			return x.derive(ctx)
		}
	}
	return fmt.Errorf("%w: the log grows faster than it is read: end the period in the past", ErrExport)
}

func (x *exporter) leaves(ctx context.Context, doing string, do func(l ledger.Leaf, leaf []byte) error) error {
	return x.log.Leaves(ctx, x.manifest.LogSize, func(leaf []byte) error {
		l, err := ledger.DecodeLeaf(leaf)
		if err != nil {
			return err
		}
		if err := do(l, leaf); err != nil {
			return err
		}
		x.tell(doing, l.Seq+1, x.manifest.LogSize)
		return nil
	})
}

// records reads the records that are wanted.
func (x *exporter) records(ctx context.Context, doing string, do func(l ledger.Leaf, salt, body []byte) error) error {
	read := int64(0)
	err := x.log.Records(ctx, x.manifest.LogSize, wantedKinds(), func(leaf, salt, body []byte) error {
		l, err := ledger.DecodeLeaf(leaf)
		if err != nil || !x.Query.wanted(l) {
			return err
		}
		if read++; read%1000 == 0 && x.Progress != nil {
			x.Progress(doing, l.Seq+1, x.manifest.LogSize) // by the place in the log: how many there are is not known
		}
		return do(l, salt, body)
	})
	if err == nil {
		x.tell(doing, x.manifest.LogSize, x.manifest.LogSize)
	}
	return err
}

// draw says whether the log knows the draw, and records it if it does not.
func (x *exporter) draw(ctx context.Context) (known bool, err error) {
	if x.Query.Sample == nil {
		return true, nil
	}
	body, _, recorded, err := x.contents.draw()
	switch {
	case err != nil || recorded:
		return recorded, err
	case x.Size != 0:
		return false, fmt.Errorf("%w: this sample was not drawn when the log had %d leaves", ErrExport, x.Size)
	}
	return false, x.log.RecordDraw(ctx, body)
}

func (x *exporter) derive(ctx context.Context) (err error) {
	recorded := recordedDecisions{
		whole:   func(leaf int64) (RecordedDecision, error) { return x.log.Decision(ctx, leaf) },
		counted: counting{}.read(func(leaf int64) (RecordedDecision, error) { return x.log.DecisionAlone(ctx, leaf) }),
	}
	x.findings, err = x.contents.derive(x.Organisation, x.GitHub, recorded)
	if err == nil {
		x.manifest.AsOf, x.manifest.Population, x.manifest.Counts = x.contents.asOf, x.findings.digest, x.findings.counts
	}
	return err
}

// write writes the files of the bundle.
func (x *exporter) write(ctx context.Context) error {
	steps := []func() error{
		func() error { return x.file(fileCheckpoint, x.checkpoint) },
		func() error { return x.addCosigned(ctx) },
		func() error { return x.file(fileKey, []byte(strings.TrimSpace(x.Key)+"\n")) },
		func() error { return x.addLeaves(ctx) },
		func() error { return x.addRecords(ctx) },
		func() error { return x.addDecisions(ctx) },
		x.addDocuments,
		x.finish,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// entry is one file that is being written.
type entry struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func newEntry(w io.Writer) *entry { return &entry{w: w, hash: sha256.New()} }

func (e *entry) Write(b []byte) (int, error) {
	e.hash.Write(b)
	e.n += int64(len(b))
	return e.w.Write(b)
}

func (e *entry) sum() string { return hex.EncodeToString(e.hash.Sum(nil)) }

// add makes a file of what fill writes. Without times in it, the archive is the same every time.
func (x *exporter) add(name string, fill func(io.Writer) error) error {
	w, err := x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	e := newEntry(w)
	if err := fill(e); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	x.manifest.Files = append(x.manifest.Files, FileInfo{name, e.sum(), e.n})
	return nil
}

func (x *exporter) file(name string, content []byte) error {
	return x.add(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// addLeaves writes every leaf of the log: whoever has them sees that no record of the period was
// left out.
func (x *exporter) addLeaves(ctx context.Context) error {
	return x.add(fileLeaves, func(w io.Writer) error {
		return x.leaves(ctx, doingLeaves, func(_ ledger.Leaf, leaf []byte) error {
			if _, err := w.Write(leaf); err != nil {
				return err
			}
			_, err := w.Write([]byte{'\n'})
			return err
		})
	})
}

func (x *exporter) addRecords(ctx context.Context) error {
	return x.add(fileRecords, func(w io.Writer) error {
		return x.records(ctx, doingWrite, func(l ledger.Leaf, salt, body []byte) error {
			if body == nil && x.contents.disposals.by(l.Seq) == nil {
				return fmt.Errorf("%w: the record of leaf %d was disposed of meanwhile: export again", ErrExport, l.Seq)
			}
			if body == nil {
				return nil
			}
			_, err := w.Write(recordLine{l.Seq, salt, body}.encode())
			return err
		})
	})
}

// addDecisions writes the records of the decisions that belong to the bundle, and what each was
// made from.
func (x *exporter) addDecisions(ctx context.Context) error {
	var records []byte
	shown, made := x.findings.shownDecisions(), newBlobWriter(x.file)
	for i, leaf := range x.findings.decisions {
		x.tell(doingDecisions, int64(i+1), int64(len(x.findings.decisions)))
		d, err := x.log.Decision(ctx, leaf)
		if err != nil {
			return fmt.Errorf("decision of leaf %d: %w", leaf, err)
		}
		records = append(records, recordLine{leaf, d.Salt, d.Body}.encode()...)
		_, led := slices.BinarySearch(shown, leaf)
		if err := made.write(d, led); err != nil {
			return err
		}
	}
	if err := made.flush(); err != nil {
		return err
	}
	return x.file(fileDecisions, records)
}

// addCosigned writes what witnesses cosigned by now.
func (x *exporter) addCosigned(ctx context.Context) error {
	list, err := x.log.Cosigned(ctx, x.manifest.LogSize)
	if err != nil {
		return err
	}
	content, err := encodeCosigned(list)
	if err != nil {
		return err
	}
	return x.file(fileCosigned, content)
}

func (x *exporter) addDocuments() error {
	documents, streamed := x.findings.documents(), x.findings.streamed()
	total := int64(len(documents) + len(streamed))
	done := func(n int) {
		if x.Progress != nil {
			x.Progress(doingDocuments, int64(n), total)
		}
	}
	for i, d := range documents {
		done(i)
		content, err := d.make()
		if err == nil && d.signed() {
			content, err = seal(content, x.Signer)
		}
		if err != nil {
			return err
		}
		if err := x.file(d.name, content); err != nil {
			return err
		}
	}
	for i, d := range streamed {
		done(len(documents) + i)
		if err := x.add(d.name, d.write); err != nil {
			return err
		}
	}
	done(int(total))
	return nil
}

// finish writes the manifest and its signature.
func (x *exporter) finish() error {
	x.manifest.Files = slices.DeleteFunc(x.manifest.Files, func(f FileInfo) bool { return selfContained(f.Name) })
	slices.SortFunc(x.manifest.Files, func(a, b FileInfo) int { return strings.Compare(a.Name, b.Name) })
	manifest, err := x.manifest.encode()
	if err != nil {
		return err
	}
	signature, err := signManifest(x.Origin, manifest, x.Signer)
	if err != nil {
		return err
	}
	if x.Record != nil {
		if err := x.Record(x.manifest, manifest); err != nil {
			return err
		}
	}
	if err := x.file(fileManifest, manifest); err != nil {
		return err
	}
	if err := x.file(fileSignature, signature); err != nil {
		return err
	}
	x.manifest.Files = x.manifest.Files[:len(x.manifest.Files)-2] // it does not list itself
	if err := x.zip.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}
