package published

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// archive builds a .tgz as npm makes them.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// material pins body.
func material(body string) Material {
	sum := sha256.Sum256([]byte(body))
	return Material{
		Title: "test file", Package: "@test/file", Version: "1.0.0", Path: "package/file.txt",
		SHA256: hex.EncodeToString(sum[:]), CacheName: "file.gz",
	}
}

// npmThatPacks puts a program named npm first on the path that leaves the archive tgz
// where it is asked to and counts its calls in the file that is returned.
func npmThatPacks(t *testing.T, tgz []byte) (calls string) {
	t.Helper()
	bin := t.TempDir()
	calls = filepath.Join(bin, "calls")
	script := "#!/bin/sh\necho \"$2\" >> '" + calls + "'\nfor a; do case $a in --pack-destination=*) cp '" + bin + "/a.tgz' \"${a#*=}/a.tgz\";; esac; done\n"
	if err := errors.Join(
		os.WriteFile(filepath.Join(bin, "a.tgz"), tgz, 0o644),
		os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	return calls
}

func TestLoadFetchesOnceAndKeeps(t *testing.T) {
	m := material("hello")
	calls := npmThatPacks(t, archive(t, map[string]string{"package/other": "x", m.Path: "hello"}))
	dir := filepath.Join(t.TempDir(), "cache")
	for range 3 {
		got, err := Load(t.Context(), dir, m)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != "hello" {
			t.Fatalf("got %q, want %q", got, "hello")
		}
	}
	log, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if string(log) != "@test/file@1.0.0\n" {
		t.Errorf("npm was asked for %q, want the pinned version once", log)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 {
		t.Errorf("the cache folder holds %d files, want 1: %v", len(left), left)
	}
}

func TestLoadRefusesAnotherFile(t *testing.T) {
	m := material("hello")
	npmThatPacks(t, archive(t, map[string]string{m.Path: "hello, with a back door"}))
	dir := t.TempDir()
	if _, err := Load(t.Context(), dir, m); !errors.Is(err, ErrDigest) {
		t.Fatalf("got %v, want ErrDigest", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("the refused file was kept: %v", left)
	}
}

func TestLoadRepairsADamagedCache(t *testing.T) {
	m := material("hello")
	for name, damaged := range map[string][]byte{
		"not gzip":      []byte("garbage"),
		"another file":  gzipped(t, "hello, changed"),
		"cut short":     gzipped(t, "hello")[:12],
		"nothing in it": nil,
	} {
		t.Run(name, func(t *testing.T) {
			npmThatPacks(t, archive(t, map[string]string{m.Path: "hello"}))
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, m.CacheName), damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := Load(t.Context(), dir, m)
			if err != nil || string(got) != "hello" {
				t.Fatalf("got %q, %v, want the pinned file", got, err)
			}
			if _, err := cached(dir, m); err != nil {
				t.Errorf("the cache was not repaired: %v", err)
			}
		})
	}
}

func TestLoadWithoutNPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Load(t.Context(), t.TempDir(), material("hello"))
	if !errors.Is(err, ErrNoNPM) {
		t.Fatalf("got %v, want ErrNoNPM", err)
	}
	if !strings.Contains(err.Error(), "install npm, then run") {
		t.Errorf("%q does not say what to do", err)
	}
}

func TestLoadBySeveralAtOnce(t *testing.T) {
	m := material("hello")
	npmThatPacks(t, archive(t, map[string]string{m.Path: "hello"}))
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := Load(t.Context(), dir, m); err != nil || string(got) != "hello" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestExtract(t *testing.T) {
	tgz := archive(t, map[string]string{"package/a": "1", "package/b": "2"})
	if got, err := extract(bytes.NewReader(tgz), "package/b"); err != nil || string(got) != "2" {
		t.Errorf("got %q, %v, want 2", got, err)
	}
	if _, err := extract(bytes.NewReader(tgz), "package/c"); err == nil {
		t.Error("a file that is not there was found")
	}
	if _, err := extract(bytes.NewReader(tgz[:len(tgz)/2]), "package/c"); err == nil {
		t.Error("half an archive was read without an error")
	}
}

func TestReadAtMost(t *testing.T) {
	if _, err := readAtMost(strings.NewReader("12345"), 4); err == nil {
		t.Error("5 bytes were read where 4 are allowed")
	}
	if got, err := readAtMost(strings.NewReader("1234"), 4); err != nil || len(got) != 4 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCacheDirIsBesideGoMod(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := errors.Join(os.MkdirAll(below, 0o755), os.WriteFile(filepath.Join(root, "go.mod"), []byte("module x\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	got, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, ".cache", "published"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestPinned loads the real material: the pins are those of the registry's files.
func TestPinned(t *testing.T) {
	dir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range All() {
		if _, err := Load(t.Context(), dir, m); err != nil {
			t.Error(err)
		}
	}
}

func gzipped(t *testing.T, body string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write([]byte(body))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
