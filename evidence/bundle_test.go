package evidence

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// bundle is a bundle of testdata, taken apart, with the key that signs its log.
type bundle struct {
	files map[string][]byte
	key   *ledger.Key
	early []byte // a checkpoint from before
}

// testBundle has a sample.
func testBundle(t testing.TB) *bundle {
	t.Helper()
	return bundleIn(t, "acme.zip")
}

func bundleIn(t testing.TB, file string) *bundle {
	t.Helper()
	folder := filepath.Join("..", "testdata", "bundle")
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	key, err := ledger.ParseKey(string(read("log.key")))
	if err != nil {
		t.Fatal(err)
	}
	return &bundle{files: unzipped(t, read(file)), key: key, early: read("early.checkpoint")}
}

func unzipped(t testing.TB, content []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (b *bundle) zipped(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(b.files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (b *bundle) verify(t testing.TB, trust Trust) (Report, error) {
	t.Helper()
	content := b.zipped(t)
	return Verify(bytes.NewReader(content), int64(len(content)), trust)
}

// trust is what an auditor has who got the log's public key.
func (b *bundle) trust() Trust { return Trust{Key: b.key.Public()} }

// manifest reads the manifest, has it changed, and writes it again, unsigned.
func (b *bundle) manifest(t testing.TB, alter func(*Manifest)) {
	t.Helper()
	var m Manifest
	if err := json.Unmarshal(b.files[fileManifest], &m); err != nil {
		t.Fatal(err)
	}
	alter(&m)
	encoded, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	b.files[fileManifest] = encoded
}

// resign does what whoever holds a log's key can do: the manifest lists the files as they are,
// and is signed.
func (b *bundle) resign(t testing.TB, key *ledger.Key) {
	t.Helper()
	var origin string
	b.manifest(t, func(m *Manifest) {
		origin, m.Files = m.Origin, nil
		for _, name := range slices.Sorted(maps.Keys(b.files)) {
			if !selfContained(name) {
				m.Files = append(m.Files, FileInfo{name, digestOf(b.files[name]), int64(len(b.files[name]))})
			}
		}
	})
	signature, err := signManifest(origin, b.files[fileManifest], key)
	if err != nil {
		t.Fatal(err)
	}
	b.files[fileSignature] = signature
}

func (b *bundle) lines(name string) [][]byte {
	return bytes.SplitAfter(bytes.TrimSuffix(b.files[name], []byte("\n")), []byte("\n"))
}

// setLines writes lines, each with its end.
func (b *bundle) setLines(name string, lines [][]byte) {
	var out []byte
	for _, line := range lines {
		out = append(append(out, bytes.TrimSuffix(line, []byte("\n"))...), '\n')
	}
	b.files[name] = out
}

func TestBundleHolds(t *testing.T) {
	b := testBundle(t)
	trust := b.trust()
	trust.Checkpoints = []NamedCheckpoint{{"kept", b.early}, {"the bundle's own", b.files[fileCheckpoint]}}
	got, err := b.verify(t, trust)
	if err != nil {
		t.Fatalf("%v\nIf documents of bundles changed: go test ./cmd/countersign -run TestBundleOfTestdata -update", err)
	}
	if !got.DocumentsCompared || got.SelfAsserted || got.Reperformed < 2 || got.Updates < 2 || len(got.NotReperformed) > 0 || len(got.Checks) < 9 {
		t.Errorf("got %+v", got)
	}
	if again, err := b.verify(t, Trust{}); err != nil || !again.SelfAsserted {
		t.Errorf("without a key: self-asserted %t, %v", again.SelfAsserted, err)
	}
}

// memory is a file that is not in a zip file.
type memory []byte

func (m memory) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m)), nil }

// Whatever byte of whatever file is flipped, by somebody who does not hold the log's key, the
// bundle does not hold: every byte of what is read before a digest is known, and a thousand of
// every other file, whose digest is compared whole.
func TestEveryByte(t *testing.T) {
	b := testBundle(t)
	var flips sync.WaitGroup
	for name, content := range b.files {
		step := 1
		if !slices.Contains([]string{fileManifest, fileSignature, fileKey, fileCosigned}, name) {
			step = max(1, len(content)/1000)
		}
		flips.Go(func() {
			for i := 0; i < len(content); i += step {
				flipped := bytes.Clone(content)
				flipped[i] ^= 1 << (i % 8)
				if err := b.without(name, flipped); err == nil {
					t.Errorf("%s: byte %d was flipped, and everything holds", name, i)
					return
				}
			}
		})
	}
	flips.Wait()
}

// without verifies the bundle with another content of one file. The others are those of the
// manifest, which TestBundleHolds has found out, and are left out where they do not matter.
func (b *bundle) without(name string, content []byte) error {
	a := archive{}
	for _, of := range []string{fileManifest, fileSignature, fileKey} {
		a[of] = &bundled{opener: memory(b.files[of])}
	}
	a[name] = &bundled{opener: memory(content)}
	v := &verifier{archive: a, trust: b.trust()}
	if err := v.manifest(); err != nil {
		return err
	}
	if name == fileCosigned {
		for _, of := range []string{fileLeaves, fileCheckpoint} {
			a[of] = &bundled{opener: memory(b.files[of])}
		}
		return cmp.Or(v.log(), v.terms(), v.cosigned())
	}
	for _, f := range v.report.Manifest.Files {
		if f.Name == name {
			return a.compare(f)
		}
	}
	return nil
}

// What somebody without the key, or with it, may try, and what the auditor is told.
func TestForgedBundles(t *testing.T) {
	secret, _, err := ledger.GenerateKey(strings.NewReader(strings.Repeat("another key than that", 4)), "countersign.demo")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ledger.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	rows := func(alter func(lines [][]byte) [][]byte) func(t *testing.T, b *bundle) {
		return func(t *testing.T, b *bundle) { b.setLines("population.csv", alter(b.lines("population.csv"))) }
	}
	records := func(file string, alter func(lines [][]byte) [][]byte) func(t *testing.T, b *bundle) {
		return func(t *testing.T, b *bundle) { b.setLines(file, alter(b.lines(file))) }
	}
	drop := func(lines [][]byte) [][]byte { return slices.Delete(lines, 1, 2) }
	double := func(lines [][]byte) [][]byte { return slices.Insert(lines, 1, lines[1]) }
	swap := func(lines [][]byte) [][]byte { lines[1], lines[2] = lines[2], lines[1]; return lines }
	for _, tt := range []struct {
		what   string
		forge  func(t *testing.T, b *bundle)
		signed bool // by the log's key: whoever forged it holds it
		file   string
		want   string
	}{
		{"a row dropped", rows(drop), false, "population.csv", "not the file that the manifest lists"},
		{"a row dropped, by the holder of the key", rows(drop), true, "population.csv", "not what the records say"},
		{"a row added, by the holder of the key", rows(double), true, "population.csv", "not what the records say"},
		{"two changes swapped, by the holder of the key", rows(swap), true, "population.csv", "not what the records say"},
		{"a record left out, by the holder of the key", records(fileRecords, drop), true, fileRecords, "no certificate of a disposal covers it"},
		{"a record twice, by the holder of the key", records(fileRecords, double), true, fileRecords, "out of order"},
		{"two records swapped, by the holder of the key", records(fileRecords, swap), true, fileRecords, "out of order"},
		{"a decision left out, by the holder of the key", records(fileDecisions, drop), true, fileDecisions, "is missing"},
		{"a leaf left out, by the holder of the key", records(fileLeaves, drop), true, fileLeaves, "is not leaf 1"},
		{"the last leaf left out, by the holder of the key", records(fileLeaves, func(l [][]byte) [][]byte { return l[:len(l)-1] }), true, fileLeaves, "these are not the"},
		{"a record changed, by the holder of the key", records(fileRecords, func(l [][]byte) [][]byte {
			l[0] = changedBody(l[0])
			return l
		}), true, fileRecords, "not what the log commits to"},
		{"facts changed, by the holder of the key", func(t *testing.T, b *bundle) {
			name := b.blobWith(t, `"state":"approved"`)
			b.files[name] = bytes.Replace(b.files[name], []byte(`"state":"approved"`), []byte(`"state":"commented"`), 1)
		}, true, blobs, "another digest than its name"},
		{"facts that nobody decided on, by the holder of the key", func(t *testing.T, b *bundle) {
			b.files[blobs+digestOf([]byte("{}"))] = []byte("{}")
		}, true, blobs, "no decision of the bundle was made from it"},
		{"another document, by the holder of the key", func(t *testing.T, b *bundle) { b.files["letter.html"] = []byte("all is well") }, true, "letter.html", "the records give no such document"},
		{"a document left out, by the holder of the key", func(t *testing.T, b *bundle) { delete(b.files, "exceptions.csv") }, true, "exceptions.csv", "missing"},
		{"a sample by another seed, by the holder of the key", func(t *testing.T, b *bundle) {
			b.manifest(t, func(m *Manifest) { m.Query.Sample.Seed[0] ^= 1 })
		}, true, fileRecords, "the log has no record of this draw"},
		{"another period, by the holder of the key", func(t *testing.T, b *bundle) {
			b.manifest(t, func(m *Manifest) { m.Query.Sample = nil; m.Query.To = m.Query.From.AddDate(0, 0, 1) })
		}, true, fileManifest, "the population is not the one of the records"},
		{"fewer deviations, by the holder of the key", func(t *testing.T, b *bundle) {
			b.manifest(t, func(m *Manifest) { m.Counts.Deviations = 0 })
		}, true, fileManifest, "its counts are"},
		{"a file that nobody lists", func(t *testing.T, b *bundle) { b.files["more.csv"] = nil }, false, "more.csv", "the manifest does not list it"},
		{"a file missing", func(t *testing.T, b *bundle) { delete(b.files, "sample.csv") }, false, "sample.csv", "missing"},
		{"another version, by the holder of the key", func(t *testing.T, b *bundle) { b.manifest(t, func(m *Manifest) { m.V = BundleVersion + 1 }) }, true, fileManifest, "it is of version 3"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b := testBundle(t)
			tt.forge(t, b)
			if tt.signed {
				b.resign(t, b.key)
			}
			_, err := b.verify(t, b.trust())
			wantBroken(t, err, tt.file, tt.want)
		})
	}
	t.Run("all of it signed by another key", func(t *testing.T) {
		b := testBundle(t)
		trust := b.trust()
		b.signedBy(t, other)
		if got, err := b.verify(t, Trust{}); err != nil || !got.SelfAsserted {
			t.Errorf("by its own word: self-asserted %t, %v", got.SelfAsserted, err)
		}
		_, err := b.verify(t, trust)
		wantBroken(t, err, fileKey, "another key than yours")
		trust = Trust{Checkpoints: []NamedCheckpoint{{"kept", b.early}}}
		_, err = b.verify(t, trust)
		wantBroken(t, err, "", "kept is not a checkpoint of this log")
	})
}

// What a decision was made from is compared with its name also where that did not suffice to make
// it again, and what the manifest lists is there.
func TestBlobsWithoutUse(t *testing.T) {
	digest := digestOf([]byte("a catalogue"))
	a := archive{blobs + digest: &bundled{opener: memory("another one"), listed: &FileInfo{Bytes: 11}}}
	v := &verifier{archive: a, again: newReperformer(), packed: newUnpacker(a)}
	_, _, err := v.judgedBy(&decisionBody{CatalogueSHA256: digest})
	wantBroken(t, err, blobs+digest, "another digest than its name")
	a[blobs+digest].opener = memory("a catalogue")
	if _, _, err := v.judgedBy(&decisionBody{CatalogueSHA256: digest}); err != nil || !a[blobs+digest].used {
		t.Errorf("got %v, used: %t", err, a[blobs+digest].used)
	}
	v = &verifier{archive: archive{}}
	v.report.Manifest.Files = []FileInfo{{blobs + digest, digest, 11}}
	wantBroken(t, v.hashes(), blobs+digest, "it is missing")
}

func wantBroken(t *testing.T, err error, file, what string) {
	t.Helper()
	var b *BundleError
	if !errors.As(err, &b) || !strings.HasPrefix(b.File, file) || file == "" && b.File != "" || !strings.Contains(b.What, what) {
		t.Errorf("got %v, want %s: … %s …", err, file, what)
	}
}

// changedBody is a record with another body.
func changedBody(line []byte) []byte {
	r, err := decodeRecordLine(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		panic(err)
	}
	r.Body = append(r.Body, ' ')
	return r.encode()
}

func TestRecordLine(t *testing.T) {
	want := recordLine{Index: 17, Salt: bytes.Repeat([]byte{7}, 32), Body: []byte(`{"v":1}`)}
	line := bytes.TrimSuffix(want.encode(), []byte("\n"))
	got, err := decodeRecordLine(line)
	if err != nil || got.Index != want.Index || !bytes.Equal(got.Salt, want.Salt) || !bytes.Equal(got.Body, want.Body) || !json.Valid(line) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, other := range []string{"", "{}", string(line) + " ", " " + string(line), strings.Replace(string(line), "17", "017", 1), strings.Replace(string(line), "17", "+17", 1),
		strings.Replace(string(line), `"body"`, `"BODY"`, 1), strings.Replace(string(line), "ey", "ey\n", 1), strings.Replace(string(line), "==", "", 1), strings.Replace(string(line), `fQ==`, `fR==`, 1)} {
		if got, err := decodeRecordLine([]byte(other)); err == nil && other != string(line) {
			t.Errorf("%q is read as %+v", other, got)
		}
	}
}

// blobWith is the name of the first blob that holds a text.
func (b *bundle) blobWith(t *testing.T, text string) string {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if strings.HasPrefix(name, blobs) && bytes.Contains(b.files[name], []byte(text)) {
			return name
		}
	}
	t.Fatalf("no blob holds %s", text)
	return ""
}

// signedBy makes the bundle one of another key, as somebody would who made up the log.
func (b *bundle) signedBy(t *testing.T, key *ledger.Key) {
	t.Helper()
	b.files[fileKey] = []byte(key.Public() + "\n")
	for name, content := range b.files {
		if !(document{name: name}).signed() {
			continue
		}
		payload, err := openEnvelope(content, b.key.Verifier())
		if err == nil {
			b.files[name], err = seal(payload, key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b.signTree(t, key)
	b.resign(t, key)
}

// signTree signs the leaves as they are.
func (b *bundle) signTree(t *testing.T, key *ledger.Key) {
	t.Helper()
	var tree ledger.Rebuild
	for _, line := range b.lines(fileLeaves) {
		tree.Append(bytes.TrimSuffix(line, []byte("\n")))
	}
	var m Manifest
	if err := json.Unmarshal(b.files[fileManifest], &m); err != nil {
		t.Fatal(err)
	}
	signed, err := ledger.Checkpoint{Origin: m.Origin, Size: tree.Size(), Root: tree.Root()}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	b.files[fileCheckpoint] = signed
}

// Whoever holds the key can make up another log. A checkpoint that the auditor kept shows it.
func TestRewrittenLog(t *testing.T) {
	cut := func(b *bundle, n int) {
		b.setLines(fileLeaves, b.lines(fileLeaves)[:n])
	}
	early, err := ledger.ParseCheckpoint(testBundle(t).early, "countersign.demo/"+orgOf(t), testBundle(t).key.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		alter func(b *bundle)
		want  string
	}{
		"a leaf changed": {func(b *bundle) {
			lines := b.lines(fileLeaves)
			l, err := ledger.DecodeLeaf(bytes.TrimSuffix(lines[0], []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			l.BodySHA256 = strings.Repeat("0", 64)
			if lines[0], err = l.Encode(); err != nil {
				t.Fatal(err)
			}
			b.setLines(fileLeaves, lines)
		}, "it was rewritten"},
		"the log cut": {func(b *bundle) { cut(b, int(early.Size)-1) }, "the log was cut"},
	} {
		b := testBundle(t)
		tt.alter(b)
		b.signTree(t, b.key)
		var tree ledger.Rebuild
		var last ledger.Leaf
		for _, line := range b.lines(fileLeaves) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			tree.Append(line)
			if last, err = ledger.DecodeLeaf(line); err != nil {
				t.Fatal(err)
			}
		}
		b.manifest(t, func(m *Manifest) { m.LogSize, m.AsOf = tree.Size(), last.RecordedAt })
		b.resign(t, b.key)
		trust := b.trust()
		trust.Checkpoints = []NamedCheckpoint{{"kept", b.early}}
		_, err := b.verify(t, trust)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", what, err, tt.want)
		}
		_, err = b.verify(t, b.trust())
		wantBroken(t, err, fileCosigned, "one.example/w")
	}
}

func orgOf(t *testing.T) string {
	t.Helper()
	var m Manifest
	if err := json.Unmarshal(testBundle(t).files[fileManifest], &m); err != nil {
		t.Fatal(err)
	}
	_, org, _ := strings.Cut(m.Origin, "/")
	return org
}

// Zip files that no bundle is.
func TestHostileArchives(t *testing.T) {
	archived := func(write func(z *zip.Writer)) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		write(z)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	named := func(names ...string) []byte {
		return archived(func(z *zip.Writer) {
			for _, name := range names {
				if _, err := z.Create(name); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	for what, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"nothing":             {nil, "not a zip file"},
		"text":                {[]byte("hello"), "not a zip file"},
		"a way out":           {named("../evil"), "which no bundle has"},
		"an absolute name":    {named("/etc/passwd"), "which no bundle has"},
		"a folder too deep":   {named("a/b/c"), "which no bundle has"},
		"a backslash":         {named(`a\b`), "which no bundle has"},
		"an alternate stream": {named("index.html:evil"), "which no bundle has"},
		"a file twice":        {named("index.html", "index.html"), "there twice"},
		"no manifest":         {named("index.html"), "it is missing"},
		"a comment": {archived(func(z *zip.Writer) {
			if err := z.SetComment("read me"); err != nil {
				t.Fatal(err)
			}
		}), "has a comment"},
		"a bomb": {archived(func(z *zip.Writer) {
			w, err := z.Create(fileManifest)
			if err != nil {
				t.Fatal(err)
			}
			zeros := make([]byte, 1<<20)
			for range 65 {
				if _, err := w.Write(zeros); err != nil {
					t.Fatal(err)
				}
			}
		}), "larger than"},
		"a size that is a lie": {archived(func(z *zip.Writer) {
			if _, err := z.CreateRaw(&zip.FileHeader{Name: fileManifest, Method: zip.Store, UncompressedSize64: maxUncovered + 1}); err != nil {
				t.Fatal(err)
			}
		}), "larger than"},
	} {
		_, err := Verify(bytes.NewReader(tt.content), int64(len(tt.content)), Trust{})
		var b *BundleError
		if !errors.As(err, &b) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", what, err, tt.want)
		}
	}
}

// Whatever bytes somebody hands over, verifying them ends with a reason and without a panic.
func FuzzVerify(f *testing.F) {
	b := testBundle(f)
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		f.Add(name, b.files[name], true)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte, signed bool) {
		b := testBundle(t)
		same := bytes.Equal(b.files[name], content)
		b.files[name] = content
		if signed && json.Valid(b.files[fileManifest]) && name != fileManifest {
			b.resign(t, b.key)
		}
		_, err := b.verify(t, b.trust())
		var broken *BundleError
		if err != nil && !errors.As(err, &broken) {
			t.Errorf("%v is no reason", err)
		}
		if err == nil && !same && name != fileKey {
			t.Errorf("%q was replaced, and everything holds", name)
		}
	})
}
