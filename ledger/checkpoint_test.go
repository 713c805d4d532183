package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// seed is a source of "random" bytes that are always the same: keys of tests are no secrets.
func seed(b byte) *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte{b}, 64)) }

func testKey(t testing.TB, name string, b byte) *Key {
	t.Helper()
	secret, public, err := GenerateKey(seed(b), name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(" " + secret + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if k.Public() != public {
		t.Fatalf("public key: got %s, want %s", k.Public(), public)
	}
	return k
}

const origin = "log.example/42"

func TestCheckpointGolden(t *testing.T) {
	g, k := grow(t), testKey(t, "log.example", 1)
	var all []byte
	for _, size := range []int64{0, 1, maxTree} {
		c := Checkpoint{Origin: origin, Size: size, Root: g.roots[size]}
		signed, err := c.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseCheckpoint(signed, origin, k.Verifier())
		if err != nil || back != c {
			t.Errorf("got %+v, %v, want %+v", back, err, c)
		}
		all = append(append(all, signed...), '\n')
	}
	golden(t, "checkpoints.golden", all)
}

func TestParseCheckpointRefuses(t *testing.T) {
	g, k, other := grow(t), testKey(t, "log.example", 1), testKey(t, "log.example", 2)
	c := Checkpoint{Origin: origin, Size: 5, Root: g.roots[5]}
	signed, err := c.Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) []byte {
		b, err := note.Sign(&note.Note{Text: s}, k)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	root := base64.StdEncoding.EncodeToString(c.Root[:])
	byOther, err := c.Sign(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string][]byte{
		"empty":            nil,
		"unsigned":         []byte(c.Text()),
		"another key":      byOther,
		"changed size":     bytes.Replace(signed, []byte("\n5\n"), []byte("\n6\n"), 1),
		"another log":      text(fmt.Sprintf("%s\n5\n%s\n", "log.example/43", root)),
		"size with zero":   text(fmt.Sprintf("%s\n05\n%s\n", origin, root)),
		"size with plus":   text(fmt.Sprintf("%s\n+5\n%s\n", origin, root)),
		"size too large":   text(fmt.Sprintf("%s\n18446744073709551615\n%s\n", origin, root)),
		"short root":       text(fmt.Sprintf("%s\n5\n%s\n", origin, "AAAA")),
		"not base64":       text(fmt.Sprintf("%s\n5\n%s\n", origin, "?")),
		"extension":        text(fmt.Sprintf("%s\n5\n%s\nmore\n", origin, root)),
		"too few lines":    text(fmt.Sprintf("%s\n5\n", origin)),
		"go sumdb":         text(fmt.Sprintf("go.sum database tree\n5\n%s\n", root)),
		"larger than ever": append(bytes.Clone(signed), bytes.Repeat([]byte("x"), maxCheckpoint)...),
	} {
		if got, err := ParseCheckpoint(src, origin, k.Verifier()); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: got %+v, %v, want ErrCheckpoint", name, got, err)
		}
	}
	if _, err := ParseCheckpoint(signed, origin); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("no verifier: got %v, want ErrCheckpoint", err)
	}
	if _, err := ParseCheckpoint(signed, origin, other.Verifier(), k.Verifier()); err != nil {
		t.Errorf("one of two verifiers: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	k := testKey(t, "log.example", 1)
	for _, c := range []Checkpoint{{Origin: ""}, {Origin: "a\nb"}, {Origin: "a\x00"}, {Origin: origin, Size: -1}} {
		if _, err := c.Sign(k); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%+v: got %v, want ErrCheckpoint", c, err)
		}
	}
}

func TestExtends(t *testing.T) {
	g := grow(t)
	at := func(size int64) Checkpoint { return Checkpoint{Origin: origin, Size: size, Root: g.roots[size]} }
	for _, old := range []int64{0, 1, 37, maxTree} {
		if _, err := at(maxTree).Extends(at(old), g.stored); err != nil {
			t.Error(err)
		}
	}
	fork := at(37)
	fork.Root[5] ^= 1
	elsewhere := at(37)
	elsewhere.Origin = "log.example/43"
	for name, old := range map[string]Checkpoint{"fork": fork, "another log": elsewhere} {
		if _, err := at(maxTree).Extends(old, g.stored); !errors.Is(err, ErrProof) {
			t.Errorf("%s: got %v, want ErrProof", name, err)
		}
	}
	if _, err := at(36).Extends(at(37), g.stored); !errors.Is(err, ErrProof) {
		t.Errorf("smaller log: got %v, want ErrProof", err)
	}
}

func TestKeysRefuse(t *testing.T) {
	for _, name := range []string{"", "a b", "a+b", "a\n"} {
		if _, _, err := GenerateKey(seed(1), name); !errors.Is(err, ErrKey) {
			t.Errorf("name %q: got %v, want ErrKey", name, err)
		}
	}
	if _, _, err := GenerateKey(bytes.NewReader(nil), "a"); err == nil {
		t.Error("no random bytes: got a key")
	}
	secret, public, err := GenerateKey(seed(1), "log.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", public, secret[:len(secret)-3], strings.Replace(secret, "log.example", "log.exampl", 1)} {
		k, err := ParseKey(s)
		if !errors.Is(err, ErrKey) {
			t.Errorf("got %v, %v, want ErrKey", k, err)
		}
		if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("the message shows the key: %v", err)
		}
	}
	if _, err := ParseVerifier(secret); !errors.Is(err, ErrKey) {
		t.Errorf("secret as verifier: got %v, want ErrKey", err)
	}
	if v, err := ParseVerifier(public + "\n"); err != nil || v.Name() != "log.example" {
		t.Errorf("got %v, %v", v, err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	k := testKey(f, "log.example", 1)
	g := grow(f)
	for _, size := range []int64{0, 5} {
		c := Checkpoint{Origin: origin, Size: size, Root: g.roots[size]}
		signed, err := c.Sign(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c.Text(), signed)
	}
	f.Add("log.example/42\n00\n\n", []byte{})
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		// As strangers would send it, and as a signer that signs anything would.
		signed, err := note.Sign(&note.Note{Text: text}, k)
		for _, src := range [][]byte{raw, signed} {
			if err != nil && src == nil {
				continue
			}
			c, err := ParseCheckpoint(src, origin, k.Verifier())
			if err != nil {
				continue
			}
			if !strings.HasPrefix(string(src), c.Text()+"\n") {
				t.Fatalf("%q was accepted and is written as %q", src, c.Text())
			}
		}
	})
}
