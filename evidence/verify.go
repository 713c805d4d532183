package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
)

// Check is one thing that was checked, and held.
type Check struct {
	Name string `json:"name"`
	Did  string `json:"did"` // in whole sentences, with figures
}

// Unable is a decision that this program cannot make again.
type Unable struct {
	Leaf int64  `json:"leaf"`
	Why  string `json:"why"`
}

// Report is what was checked of a bundle, in order. What was checked before something did not hold
// is in it as well.
type Report struct {
	Manifest Manifest `json:"manifest"`
	Key      string   `json:"key"`
	// SelfAsserted is true when the key that signed it came out of the bundle itself.
	SelfAsserted bool    `json:"key_is_self_asserted"`
	Checks       []Check `json:"checks"`
	// Reperformed are how many decisions came out again, byte for byte, and Updates how many
	// updates were judged again.
	Reperformed int `json:"decisions_reperformed"`
	Updates     int `json:"updates_judged_again"`
	// NotReperformed are those that could not be done again.
	NotReperformed []Unable `json:"not_reperformed"`
	// DocumentsCompared is false for documents of another version than this program makes.
	DocumentsCompared bool `json:"documents_compared"`
	// Cosigned is what witnesses cosigned of the log, and Anchored how checkpoints in a repository
	// stand to it; nil: none was given.
	Cosigned []Cosigned `json:"cosigned"`
	Anchored *Anchored  `json:"anchored,omitempty"`
	// Restored are the times at which an old copy of the database was restored.
	Restored []Restored `json:"restored,omitempty"`
	// Mainlines are the branches of the population; set when everything held.
	Mainlines []Mainline `json:"-"`
}

// Trust is what an auditor has of their own.
type Trust struct {
	// Key is the log's public key; empty: the one in the bundle.
	Key string
	// Checkpoints are those of the log that were kept earlier: the log must begin with each.
	Checkpoints []NamedCheckpoint
	// Anchors are those that were kept in a repository, of whatever log and size: nothing of them
	// may contradict the log, and it must begin with one at least. Nil: there is none.
	Anchors []NamedCheckpoint
	// Witnesses are the public keys of witnesses, and WitnessesNeeded how many of them must have
	// cosigned all of the log.
	Witnesses       []string
	WitnessesNeeded int
	// Progress is told how many of how many decisions were done again; nil: nobody is.
	Progress func(done, total int64)
	// Tested is told of every change of the sample, and of every one that something was found
	// about, once all of the bundle holds; nil: nobody is.
	Tested func(TestedChange) error
}

// NamedCheckpoint is a signed checkpoint and where it came from.
type NamedCheckpoint struct {
	Name   string
	Signed []byte
}

// Verify checks a bundle with nothing but itself and what the auditor has: hashes, signatures,
// that every record is a leaf of the signed log, that every record of the period is there, that
// the sample is the one of its seed, that every decision comes out again from its facts, and that
// the documents are those of the records. The first thing that does not hold is a *BundleError.
func Verify(bundle io.ReaderAt, size int64, t Trust) (Report, error) {
	a, err := openArchive(bundle, size)
	if err != nil {
		return Report{}, err
	}
	return a.verify(t)
}

func (a archive) verify(t Trust) (Report, error) {
	v := &verifier{archive: a, trust: t, alike: counting{},
		report: Report{NotReperformed: []Unable{}, Cosigned: []Cosigned{}}, again: newReperformer(), packed: newUnpacker(a)}
	for _, step := range []func() error{v.manifest, v.hashes, v.log, v.terms, v.beginsWith, v.anchors, v.cosigned, v.records, v.counts, v.decisions, v.reperform, v.documents} {
		if err := step(); err != nil {
			return v.report, err
		}
	}
	v.report.Mainlines = mainlines(v.findings.updates)
	if t.Tested != nil {
		return v.report, v.findings.tested(t.Tested)
	}
	return v.report, nil
}

type verifier struct {
	trust    Trust
	report   Report
	archive  archive
	key      note.Verifier // in the bundle
	public   string        // the same as text
	bytes    int64         // of all files that the manifest lists
	leaves   []ledger.Leaf
	contents contents
	lineage  lineage
	findings *findings
	decided  []decided // those that the findings need, in their order
	shown    []int64   // leaves of those to whose blobs a page leads
	made     int       // how many of them were made again, or could not be
	alike    counting
	again    *reperformer
	packed   *unpacker
}

func (v *verifier) held(name, format string, args ...any) {
	v.report.Checks = append(v.report.Checks, Check{name, fmt.Sprintf(format, args...)})
}

// manifest checks the manifest, its form and who signed it.
func (v *verifier) manifest() error {
	raw, err := v.archive.read(fileManifest, maxBlob)
	if err != nil {
		return err
	}
	m := &v.report.Manifest
	if *m, err = decodeManifest(raw); err != nil {
		return broken(fileManifest, "it is not a manifest: %v", err)
	}
	if m.V < 1 || m.V > BundleVersion {
		return broken(fileManifest, "it is of version %d, and this program reads versions up to %d", m.V, BundleVersion)
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, raw) {
		return broken(fileManifest, "it is not in the form that is written")
	}
	if err := m.Query.check(); err != nil {
		return broken(fileManifest, "%v", err)
	}
	if err := v.logKey(); err != nil {
		return err
	}
	signature, err := v.archive.read(fileSignature, 4096)
	if err != nil {
		return err
	}
	if err := checkManifest(m.Origin, raw, signature, v.key); err != nil {
		return broken(fileSignature, "the manifest is not signed by the log's key: %v", err)
	}
	v.held("manifest", "The manifest is signed by the key of the log %s.", m.Origin)
	return nil
}

// logKey is the key in the bundle. Whether it is to be believed is said when the log was read, which
// may have had the auditor's before.
func (v *verifier) logKey() error {
	inside, err := v.archive.read(fileKey, 4096)
	if err != nil {
		return err
	}
	v.public = strings.TrimSpace(string(inside))
	if v.public+"\n" != string(inside) {
		return broken(fileKey, "it is not in the form that is written")
	}
	origin := v.report.Manifest.Origin
	if v.key, err = ledger.ParseVerifier(v.public); err != nil || v.key.Name() != keyName(origin) {
		return broken(fileKey, "it is no key of the log %s", origin)
	}
	return nil
}

// strictly reads JSON that holds nothing else than is known.
func strictly(raw []byte, into any) error {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind it")
	}
	return nil
}

// selfContained says whether the manifest does not list a file: what is in it is signed by itself.
func selfContained(name string) bool {
	return name == fileManifest || name == fileSignature || name == fileCosigned
}

// hashes compares every file with the manifest, which lists all but those that are signed by themselves.
func (v *verifier) hashes() error {
	var total int64
	files := v.report.Manifest.Files
	for i := range files {
		f := &files[i]
		in := v.archive[f.Name]
		switch digest, blob := strings.CutPrefix(f.Name, blobs); {
		case selfContained(f.Name) || in != nil && in.listed != nil:
			return broken(fileManifest, "it lists %q, which it must not", f.Name)
		case in == nil:
			return broken(f.Name, "it is missing")
		case blob && digest != f.SHA256:
			return broken(f.Name, "its content has another digest than its name")
		case isPack(f.Name) && v.report.Manifest.V < 2:
			return broken(f.Name, "a bundle of version %d has no packs", v.report.Manifest.V)
		case isPack(f.Name):
			if err := v.packed.add(*f); err != nil {
				return err
			}
		case !blob: // blobs and packs are compared when they are read, and every one is
			if err := v.archive.compare(*f); err != nil {
				return err
			}
		}
		in.listed = f
		total += f.Bytes
	}
	for name, in := range v.archive {
		if in.listed == nil && !selfContained(name) {
			return broken(name, "the manifest does not list it")
		}
	}
	v.bytes = total
	return nil
}

// log builds the tree again from its leaves and compares it with the signed checkpoint.
func (v *verifier) log() error {
	m := &v.report.Manifest
	v.contents = contents{origin: m.Origin, query: m.Query}
	tree := &v.contents.tree
	err := v.archive.lines(fileLeaves, func(line []byte) error {
		l, err := ledger.DecodeLeaf(line)
		if err != nil || l.Seq != tree.Size() {
			return broken(fileLeaves, "line %d is not leaf %d: %v", tree.Size()+1, tree.Size(), err)
		}
		v.leaves = append(v.leaves, l)
		return v.contents.leaf(l, line)
	})
	if err != nil {
		return err
	}
	signed, err := v.archive.read(fileCheckpoint, maxBlob)
	if err != nil {
		return err
	}
	checkpoint, err := ledger.ParseCheckpoint(signed, m.Origin, v.key)
	if err != nil {
		return broken(fileCheckpoint, "it is not a checkpoint that the log's key signed: %v", err)
	}
	if checkpoint.Size != tree.Size() || checkpoint.Root != tree.Root() || m.LogSize != tree.Size() {
		return broken(fileLeaves, "these are not the %d leaves that the checkpoint signs", checkpoint.Size)
	}
	if len(v.leaves) == 0 || !m.AsOf.Equal(v.contents.asOf) {
		return broken(fileManifest, "as_of is not when the newest leaf was recorded")
	}
	v.held("log", "The %d leaves give the root %s that the checkpoint signs.", tree.Size(), tree.Root())
	return nil
}

// records compares every record with its leaf, and looks whether all of the period are there.
func (v *verifier) records() error {
	next, n := 0, 0
	skipTo := func(index int64) error { // the wanted leaves before index have no record
		for ; next < len(v.leaves) && v.leaves[next].Seq < index; next++ {
			if l := v.leaves[next]; v.report.Manifest.Query.wanted(l) {
				if err := v.contents.record(l, nil); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := v.archive.lines(fileRecords, func(line []byte) error {
		r, l, err := v.record(fileRecords, line)
		if err != nil {
			return err
		}
		if r.Index < int64(next) || !v.report.Manifest.Query.wanted(l) {
			return broken(fileRecords, "the record of leaf %d is out of order, or does not belong to the period", r.Index)
		}
		if err := skipTo(r.Index); err != nil {
			return err
		}
		next, n = next+1, n+1
		return v.contents.record(l, r.Body)
	})
	if err == nil {
		err = skipTo(int64(len(v.leaves)))
	}
	if err == nil {
		err = orBroken(fileRecords, v.contents.disposals.settle(v.report.Manifest.Query))
	}
	if err != nil {
		return err
	}
	d := v.contents.disposals
	v.held("records", "All %d records of the period are what their leaves commit to; %d were disposed of.", n, d.records)
	if len(d.gone)+d.decisions > 0 {
		v.held("disposals", "Each record that is not there is named by a certificate of its disposal in the log. %d decisions of the period could not be made again, because their bodies were disposed of.", d.decisions)
	}
	return nil
}

// record reads one line of records and compares it with its leaf.
func (v *verifier) record(file string, line []byte) (r recordLine, l ledger.Leaf, err error) {
	if r, err = decodeRecordLine(line); err != nil {
		return r, l, broken(file, "a line is no record: %v", err)
	}
	if r.Index < 0 || r.Index >= int64(len(v.leaves)) || len(r.Salt) != ledger.SaltSize {
		return r, l, broken(file, "the record of leaf %d is none", r.Index)
	}
	l = v.leaves[r.Index]
	if ledger.BodyDigest([ledger.SaltSize]byte(r.Salt), r.Body) != l.BodySHA256 {
		return r, l, broken(file, "the record of leaf %d is not what the log commits to", r.Index)
	}
	return r, l, nil
}

// counts draws the sample again and compares the figures of the manifest with the records.
func (v *verifier) counts() (err error) {
	m := &v.report.Manifest
	if v.findings, err = v.contents.derive(m.Organisation, m.GitHub, recordedDecisions{whole: v.recorded, counted: v.counted()}); err != nil {
		return orBroken(fileRecords, err)
	}
	if m.Population != v.findings.digest {
		return broken(fileManifest, "the population is not the one of the records")
	}
	if m.Counts != v.findings.counts {
		return broken(fileManifest, "its counts are %+v, and the records give %+v", m.Counts, v.findings.counts)
	}
	v.held("population", "The population is the %d changes of the records, in %d updates of %d branches; %d gaps.", m.Counts.Population,
		v.findings.completeness.Totals.Updates, len(v.findings.completeness.Branches), m.Counts.Gaps)
	if n := m.Counts.BeforeInstallation; n > 0 {
		v.held("earlier", "%d changes of the population came before their branch was enrolled. They were read from GitHub's list afterwards, and nothing about them was tested.", n)
	}
	if d := v.findings.draw; d != nil {
		v.held("sample", "The %d items of the sample are those of the seed, which came from the %s.", v.findings.sampled(), d.SeedBy)
	}
	return nil
}

// documents makes every document again and compares it.
func (v *verifier) documents() error {
	if v.report.Manifest.Documents != DocumentsVersion {
		v.held("documents", "NOT COMPARED: the documents have version %d, and this program makes version %d. Their digests are those of the signed manifest.", v.report.Manifest.Documents, DocumentsVersion)
		return nil
	}
	all, known := v.findings.documents(), map[string]bool{}
	for _, d := range all {
		known[d.name] = true
		want, err := d.make()
		if err != nil {
			return broken(d.name, "it cannot be made again: %v", err)
		}
		if err := v.sameDocument(d, want); err != nil {
			return err
		}
	}
	for _, d := range v.findings.streamed() {
		known[d.name] = true
		e := newEntry(io.Discard)
		if err := d.write(e); err != nil {
			return broken(d.name, "it cannot be made again: %v", err)
		}
		if err := v.sameFile(FileInfo{d.name, e.sum(), e.n}); err != nil {
			return err
		}
	}
	for name := range v.archive {
		if !known[name] && !isMachine(name) {
			return broken(name, "the records give no such document")
		}
	}
	v.report.DocumentsCompared = true
	v.held("documents", "All %d documents are what the records say, byte for byte.", len(known))
	return nil
}

// sameDocument compares a document with what the records give. The signature of one that is signed
// cannot be made again: it is checked.
func (v *verifier) sameDocument(d document, want []byte) error {
	if d.signed() {
		return v.sameStatement(d, want)
	}
	return v.sameFile(FileInfo{d.name, digestOf(want), int64(len(want))})
}

// sameFile compares what the records give with the file that the manifest lists, which is in the
// bundle: all files were compared with the manifest.
func (v *verifier) sameFile(made FileInfo) error {
	if in := v.archive[made.Name]; in == nil || in.listed == nil || *in.listed != made {
		return broken(made.Name, "it is missing, or is not what the records say")
	}
	return nil
}

func (v *verifier) sameStatement(d document, want []byte) error {
	got, err := v.archive.read(d.name, 2*int64(len(want))+maxEnvelope)
	if err != nil {
		return err
	}
	if got, err = openEnvelope(got, v.key); err != nil {
		return broken(d.name, "%v", err)
	}
	if !bytes.Equal(got, want) {
		return broken(d.name, "it is not what the records say")
	}
	return nil
}

// decided is a decision that is in the bundle: its record, and what came of making it again.
type decided struct {
	salt [ledger.SaltSize]byte
	body []byte
	// made is true once it was made again, or could not be. Counted is what is counted of it, when
	// it came out as it was.
	made    bool
	counted *counted
}

// decisions reads the records of decisions.
func (v *verifier) decisions() error {
	wanted, last := v.findings.decisions, int64(-1)
	v.shown = v.findings.shownDecisions()
	v.decided = make([]decided, 0, len(wanted))
	err := v.archive.lines(fileDecisions, func(line []byte) error {
		r, l, err := v.record(fileDecisions, line)
		if err != nil {
			return err
		}
		if _, needed := slices.BinarySearch(wanted, r.Index); r.Index <= last || l.Kind != leafDecision || !needed {
			return broken(fileDecisions, "the record of leaf %d is out of order, or no change rests on it", r.Index)
		}
		if next := wanted[len(v.decided)]; r.Index != next {
			return broken(fileDecisions, "the decision of leaf %d is missing", next)
		}
		last = r.Index
		v.decided = append(v.decided, decided{salt: [ledger.SaltSize]byte(r.Salt), body: r.Body})
		return nil
	})
	if err == nil && len(v.decided) != len(wanted) {
		err = broken(fileDecisions, "the decision of leaf %d is missing", wanted[len(v.decided)])
	}
	return err
}

// decidedAt is the decision of a leaf; nil: the bundle has none.
func (v *verifier) decidedAt(leaf int64) *decided {
	i, ok := slices.BinarySearch(v.findings.decisions, leaf)
	if !ok {
		return nil
	}
	return &v.decided[i]
}
