package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// wholeBundle has no sample: what no page leads to is packed.
func wholeBundle(t testing.TB) *bundle {
	t.Helper()
	return bundleIn(t, "whole.zip")
}

func TestWholeBundleHolds(t *testing.T) {
	b := wholeBundle(t)
	got, err := b.verify(t, b.trust())
	if err != nil || !got.DocumentsCompared || got.Reperformed < 3 {
		t.Errorf("got %+v, %v\nIf documents of bundles changed: go test ./cmd/countersign -run TestBundleOfTestdata -update", got, err)
	}
	t.Run("with a blob of a pack as a file too", func(t *testing.T) {
		b := wholeBundle(t)
		b.fileToo(t)
		b.resign(t, b.key)
		if _, err := b.verify(t, b.trust()); err != nil {
			t.Error(err)
		}
	})
	t.Run("with a byte flipped", func(t *testing.T) {
		b.files[packName(1)][digestBytes+10] ^= 1
		_, err := b.verify(t, b.trust())
		wantBroken(t, err, packName(1), "not the file that the manifest lists")
	})
}

// fileToo makes a file of the first blob of the pack, as if a page led to it, and leaves it there.
func (b *bundle) fileToo(t *testing.T) {
	t.Helper()
	digest, blob, ok := bytes.Cut(b.lines(packName(1))[0], []byte(" "))
	if !ok {
		t.Fatal("nothing is packed")
	}
	b.files[blobs+string(digest)] = bytes.TrimSuffix(blob, []byte("\n"))
}

// A bundle of the first version of the format has no packs, and its documents are not those of now.
func TestBundleOfVersion1(t *testing.T) {
	b := testBundle(t)
	b.manifest(t, func(m *Manifest) { m.V, m.Documents = 1, 1 })
	b.resign(t, b.key)
	if got, err := b.verify(t, b.trust()); err != nil || got.DocumentsCompared || got.Reperformed < 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What the holder of the key may try with packs.
func TestForgedPacks(t *testing.T) {
	for _, tt := range []struct {
		what  string
		forge func(lines [][]byte) [][]byte
		want  string
	}{
		{"facts changed", func(l [][]byte) [][]byte {
			i := slices.IndexFunc(l, func(line []byte) bool { return bytes.Contains(line, []byte(`"state":"approved"`)) })
			l[i] = bytes.Replace(l[i], []byte(`"state":"approved"`), []byte(`"state":"commented"`), 1)
			return l
		}, "has another digest"},
		{"what nobody decided on", func(l [][]byte) [][]byte { return append(l, []byte(digestOf([]byte("{}"))+" {}")) }, "no decision of the bundle was made from a line of it"},
		{"the same twice", func(l [][]byte) [][]byte { return append(l, l[0]) }, "twice"},
		{"a digest in capitals", func(l [][]byte) [][]byte {
			return append(l[1:], append(bytes.ToUpper(l[0][:digestBytes]), l[0][digestBytes:]...))
		}, "is no digest"},
		{"no space", func(l [][]byte) [][]byte { l[0][digestBytes] = '\t'; return l }, "a line is no digest"},
		{"nothing behind a digest", func(l [][]byte) [][]byte { return append(l, []byte(digestOf(nil)+" ")) }, "a line is no digest"},
		{"an empty line", func(l [][]byte) [][]byte { return append(l, []byte("\n")) }, "a line is no digest"},
		{"more than is read", func(l [][]byte) [][]byte {
			return append(l, []byte(digestOf(nil)+" "+strings.Repeat("x", maxPack)))
		}, "larger than"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b := wholeBundle(t)
			b.setLines(packName(1), tt.forge(b.lines(packName(1))))
			b.resign(t, b.key)
			_, err := b.verify(t, b.trust())
			wantBroken(t, err, packName(1), tt.want)
		})
	}
	for _, tt := range []struct {
		what  string
		forge func(t *testing.T, b *bundle)
		file  string
		want  string
	}{
		{"the end of the last line", func(_ *testing.T, b *bundle) {
			b.files[packName(1)] = bytes.TrimSuffix(b.files[packName(1)], []byte("\n"))
		}, packName(1), "a line is no digest"},
		{"another one in place of what is a file too", func(t *testing.T, b *bundle) {
			b.fileToo(t)
			lines := b.lines(packName(1))
			lines[0] = append(lines[0][:digestBytes:digestBytes], " something else"...)
			b.setLines(packName(1), lines)
		}, packName(1), "has another digest"},
		{"in a bundle from before there were packs", func(t *testing.T, b *bundle) {
			b.manifest(t, func(m *Manifest) { m.V = 1 })
		}, packName(1), "version 1 has no packs"},
		{"the first one missing", func(_ *testing.T, b *bundle) {
			b.files[packName(2)] = b.files[packName(1)]
			delete(b.files, packName(1))
		}, packName(2), "not the next pack"},
		{"an empty one", func(_ *testing.T, b *bundle) { b.files[packName(2)] = nil }, packName(2), "it is empty"},
		{"facts missing", func(_ *testing.T, b *bundle) { b.setLines(packName(1), b.lines(packName(1))[1:]) }, blobs, "it is missing"},
		{"what a page leads to", func(t *testing.T, b *bundle) { b.packAll(t, `"title"`) }, blobs, "it is missing"},
		{"a policy", func(t *testing.T, b *bundle) { b.packAll(t, `"source"`) }, blobs, "it is missing"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b := wholeBundle(t)
			tt.forge(t, b)
			b.resign(t, b.key)
			_, err := b.verify(t, b.trust())
			wantBroken(t, err, tt.file, tt.want)
		})
	}
}

// packAll moves the files that hold a text into the pack.
func (b *bundle) packAll(t *testing.T, text string) {
	t.Helper()
	moved := 0
	for name, blob := range maps.Clone(b.files) {
		digest, is := strings.CutPrefix(name, blobs)
		if !is || !packable(blob) || !bytes.Contains(blob, []byte(text)) {
			continue
		}
		moved++
		delete(b.files, name)
		b.files[packName(1)] = append(b.files[packName(1)], digest+" "+string(blob)+"\n"...)
	}
	if moved == 0 {
		t.Fatalf("no file that could be packed holds %s", text)
	}
}

// Every blob is there once, as a file where a page leads to it or a line cannot hold it, and no pack
// is larger than is read. However they are asked for, each comes out as it went in.
func TestPacks(t *testing.T) {
	files := map[string][]byte{}
	w := newBlobWriter(func(name string, content []byte) error {
		if files[name] != nil {
			return fmt.Errorf("%s is written twice", name)
		}
		files[name] = bytes.Clone(content)
		return nil
	})
	var all [][]byte
	for i := range 5000 {
		blob := []byte(fmt.Sprintf("%d %s", i, strings.Repeat("x", i*7%9000)))
		all = append(all, blob)
		if err := errors.Join(w.blob(blob, blobPacked), w.blob(blob, blobPacked)); err != nil {
			t.Fatal(err)
		}
	}
	large, long, policy := bytes.Repeat([]byte("y"), maxPacked+1), []byte("two\nlines"), []byte("a policy")
	err := errors.Join(w.write(RecordedDecision{Decision: large, Facts: long, Policy: policy}, false), w.write(RecordedDecision{Decision: all[0], Policy: policy}, true), w.flush())
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range [][]byte{large, long, policy, all[0]} {
		if !bytes.Equal(files[blobs+digestOf(blob)], blob) {
			t.Errorf("%.20q is no file", blob)
		}
	}
	a := archive{}
	u := newUnpacker(a)
	for name, content := range files {
		a[name] = &bundled{opener: memory(content)}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !isPack(name) {
			continue
		}
		if err := u.add(FileInfo{name, digestOf(files[name]), int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
	}
	if len(u.packs) <= maxOpened || len(files) != len(u.packs)+4 {
		t.Fatalf("%d packs, %d files", len(u.packs), len(files))
	}
	var b bytes.Buffer
	for i := range all {
		blob := all[i*1009%len(all)]
		if got, err := u.read(&b, digestOf(blob)); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("%.20q came out as %.20q, %v", blob, got, err)
		}
	}
	if len(u.opened) != maxOpened || len(u.order) != maxOpened || len(u.places) != len(all) {
		t.Errorf("%d packs are kept, in an order of %d, with %d places", len(u.opened), len(u.order), len(u.places))
	}
	if got, err := u.read(&b, digestOf(large)); got != nil || err != nil {
		t.Errorf("%.20q is in a pack: %v", got, err)
	}
}

// Whatever somebody hands over as a pack, it is one in its one form, or there is a reason.
func FuzzPack(f *testing.F) {
	f.Add(wholeBundle(f).files[packName(1)])
	f.Add([]byte(digestOf([]byte("{}")) + " {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		name := packName(1)
		u := newUnpacker(archive{name: &bundled{opener: memory(content)}})
		err := u.add(FileInfo{name, digestOf(content), int64(len(content))})
		if err == nil {
			err = u.indexNext()
		}
		var b *BundleError
		if err != nil {
			if !errors.As(err, &b) {
				t.Errorf("%v is no reason", err)
			}
			return
		}
		var again []byte
		for _, at := range u.places {
			digest := content[len(again) : len(again)+digestBytes]
			blob, err := u.read(new(bytes.Buffer), string(digest))
			if err != nil && errors.As(err, &b) {
				blob = content[at.from:at.to] // it has another digest
			} else if err != nil || blob == nil {
				t.Fatalf("%s is not found: %v", digest, err)
			}
			again = append(append(append(append(again, digest...), ' '), blob...), '\n')
		}
		if !bytes.Equal(again, content) {
			t.Errorf("%q is read as %q", content, again)
		}
	})
}
