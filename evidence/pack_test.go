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

// packed is the bundle with what can be packed in a pack, as that of another period would have it.
func (b *bundle) packed(t testing.TB) *bundle {
	t.Helper()
	w := newBlobWriter(func(name string, content []byte) error {
		b.files[name] = bytes.Clone(content)
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if content := b.files[name]; strings.HasPrefix(name, blobs) && packable(content) {
			delete(b.files, name)
			if err := w.blob(content, blobPacked); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.pack.flush(); err != nil {
		t.Fatal(err)
	}
	if len(b.files[packName(1)]) == 0 {
		t.Fatal("nothing was packed")
	}
	b.manifest(t, func(m *Manifest) { m.V = 2 })
	b.resign(t, b.key)
	return b
}

func TestPackedBundleHolds(t *testing.T) {
	filed, err := testBundle(t).verify(t, testBundle(t).trust())
	if err != nil {
		t.Fatal(err)
	}
	b := testBundle(t).packed(t)
	got, err := b.verify(t, b.trust())
	if err != nil || got.Reperformed != filed.Reperformed || got.Updates != filed.Updates {
		t.Errorf("%d decisions and %d updates of %d and %d: %v", got.Reperformed, got.Updates, filed.Reperformed, filed.Updates, err)
	}
	t.Run("and a blob of it as a file too", func(t *testing.T) {
		b := testBundle(t).packed(t)
		digest, blob, _ := bytes.Cut(b.lines(packName(1))[0], []byte(" "))
		b.files[blobs+string(digest)] = bytes.TrimSuffix(blob, []byte("\n"))
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

// A bundle of the first version of the format has no packs, and is read as it was.
func TestBundleOfVersion1(t *testing.T) {
	b := testBundle(t)
	b.manifest(t, func(m *Manifest) { m.V = 1 })
	b.resign(t, b.key)
	if _, err := b.verify(t, b.trust()); err != nil {
		t.Error(err)
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
		{"nothing", func(l [][]byte) [][]byte { return append(l, []byte(digestOf(nil)+" ")) }, "a line is no digest"},
		{"an empty line", func(l [][]byte) [][]byte { return append(l, []byte("\n")) }, "a line is no digest"},
		{"more than is read", func(l [][]byte) [][]byte {
			return append(l, []byte(digestOf(nil)+" "+strings.Repeat("x", maxPack)))
		}, "larger than"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b := testBundle(t).packed(t)
			b.setLines(packName(1), tt.forge(b.lines(packName(1))))
			b.resign(t, b.key)
			_, err := b.verify(t, b.trust())
			wantBroken(t, err, packName(1), tt.want)
		})
	}
	t.Run("the end of the last line", func(t *testing.T) {
		b := testBundle(t).packed(t)
		b.files[packName(1)] = bytes.TrimSuffix(b.files[packName(1)], []byte("\n"))
		b.resign(t, b.key)
		_, err := b.verify(t, b.trust())
		wantBroken(t, err, packName(1), "a line is no digest")
	})
	t.Run("in a bundle from before there were packs", func(t *testing.T) {
		b := testBundle(t).packed(t)
		b.manifest(t, func(m *Manifest) { m.V = 1 })
		b.resign(t, b.key)
		_, err := b.verify(t, b.trust())
		wantBroken(t, err, packName(1), "version 1 has no packs")
	})
	t.Run("facts missing", func(t *testing.T) {
		b := testBundle(t).packed(t)
		lines := b.lines(packName(1))
		b.setLines(packName(1), lines[1:])
		b.resign(t, b.key)
		_, err := b.verify(t, b.trust())
		wantBroken(t, err, blobs+string(lines[0][:digestBytes]), "it is missing")
	})
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
	for i := range 3000 {
		blob := []byte(fmt.Sprintf("%d %s", i, strings.Repeat("x", i*7%9000)))
		all = append(all, blob)
		if err := errors.Join(w.blob(blob, blobPacked), w.blob(blob, blobPacked)); err != nil {
			t.Fatal(err)
		}
	}
	large, long, policy := bytes.Repeat([]byte("y"), maxPacked+1), []byte("two\nlines"), []byte("a policy")
	err := errors.Join(w.write(RecordedDecision{Decision: large, Facts: long, Policy: policy}, false), w.write(RecordedDecision{Decision: all[0], Policy: policy}, true), w.pack.flush())
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range [][]byte{large, long, policy, all[0]} {
		if !bytes.Equal(files[blobs+digestOf(blob)], blob) {
			t.Errorf("%.20q is no file", blob)
		}
	}
	a, u := archive{}, newUnpacker()
	for name, content := range files {
		a[name] = &bundled{opener: memory(content)}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !isPack(name) {
			continue
		}
		if err := u.index(a, FileInfo{name, digestOf(files[name]), int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
	}
	if len(u.names) < maxOpened/2 || len(u.places) != len(all) || len(files) != len(u.names)+4 {
		t.Fatalf("%d packs of %d blobs, %d files", len(u.names), len(u.places), len(files))
	}
	var b bytes.Buffer
	for i := range all {
		blob := all[i*1009%len(all)]
		at := u.find(digestOf(blob))
		if at == nil {
			t.Fatalf("%.20q is in no pack", blob)
		}
		if got, err := u.read(a, &b, at); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("%.20q came out as %.20q, %v", blob, got, err)
		}
	}
	if len(u.opened) > maxOpened || len(u.order) != len(u.opened) {
		t.Errorf("%d packs are kept, in an order of %d", len(u.opened), len(u.order))
	}
}

// Whatever somebody hands over as a pack, it is one in its one form, or there is a reason.
func FuzzPack(f *testing.F) {
	f.Add(testBundle(f).packed(f).files[packName(1)])
	f.Add([]byte(digestOf([]byte("{}")) + " {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		name, u := packName(1), newUnpacker()
		a := archive{name: &bundled{opener: memory(content)}}
		err := u.index(a, FileInfo{name, digestOf(content), int64(len(content))})
		var b *BundleError
		if err != nil {
			if !errors.As(err, &b) {
				t.Errorf("%v is no reason", err)
			}
			return
		}
		var again []byte
		for i := range u.places {
			blob, err := u.read(a, new(bytes.Buffer), &u.places[i])
			if err != nil {
				t.Fatal(err)
			}
			digest := content[len(again) : len(again)+digestBytes]
			if u.find(string(digest)) != &u.places[i] {
				t.Errorf("%s is not found where it is", digest)
			}
			again = append(append(append(append(again, digest...), ' '), blob...), '\n')
		}
		if !bytes.Equal(again, content) {
			t.Errorf("%q is read as %q", content, again)
		}
	})
}
