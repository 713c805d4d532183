package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func sampleLeaf(seq int64) Leaf {
	salt := [SaltSize]byte{0: 1, 31: byte(seq)}
	return Leaf{
		V: LeafVersion, Kind: "decision", Seq: seq,
		RecordedAt: time.Date(2026, 11, 23, 12, 0, 0, 1234, time.UTC).Add(time.Duration(seq) * time.Second),
		BodySHA256: BodyDigest(salt, []byte("body")),
	}
}

func encode(t testing.TB, l Leaf) []byte {
	t.Helper()
	b, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLeafGolden(t *testing.T) {
	var all []byte
	for _, l := range []Leaf{sampleLeaf(0), sampleLeaf(70), {V: 1, Kind: "observations", Seq: 1<<63 - 1,
		RecordedAt: time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("east", 3600)).AddDate(1, 0, 0), BodySHA256: strings.Repeat("0f", 32)}} {
		b := encode(t, l)
		all = append(append(all, b...), '\n')
		back, err := DecodeLeaf(b)
		if err != nil {
			t.Fatalf("decode %s: %v", b, err)
		}
		l.RecordedAt = l.RecordedAt.UTC().Truncate(time.Microsecond)
		if back != l {
			t.Errorf("got %+v, want %+v", back, l)
		}
	}
	golden(t, "leaves.golden", all)
}

func TestDecodeLeafRefuses(t *testing.T) {
	good := string(encode(t, sampleLeaf(7)))
	cases := map[string]string{
		"empty":             "",
		"null":              "null",
		"trailing newline":  good + "\n",
		"trailing object":   good + "{}",
		"leading space":     " " + good,
		"space inside":      strings.Replace(good, ":", ": ", 1),
		"other version":     strings.Replace(good, `"v":1`, `"v":2`, 1),
		"unknown field":     strings.Replace(good, `{`, `{"x":1,`, 1),
		"repeated field":    strings.Replace(good, `{`, `{"v":1,`, 1),
		"other case":        strings.Replace(good, `"kind"`, `"Kind"`, 1),
		"negative seq":      strings.Replace(good, `"seq":7`, `"seq":-7`, 1),
		"seq as float":      strings.Replace(good, `"seq":7`, `"seq":7.0`, 1),
		"time with offset":  strings.Replace(good, `Z"`, `+00:00"`, 1),
		"time in seconds":   strings.Replace(good, ".000001", "", 1),
		"kind with capital": strings.Replace(good, `"decision"`, `"Decision"`, 1),
		"empty kind":        strings.Replace(good, `"decision"`, `""`, 1),
		"long kind":         strings.Replace(good, `"decision"`, `"`+strings.Repeat("k", 33)+`"`, 1),
		"escaped kind":      strings.Replace(good, `"decision"`, `"\u0064ecision"`, 1),
		"digest too short":  strings.Replace(good, `"}`, ``, 1)[:len(good)-4] + `"}`,
		"digest in capital": strings.Replace(good, sampleLeaf(7).BodySHA256, strings.ToUpper(sampleLeaf(7).BodySHA256), 1),
		"missing field":     good[:strings.Index(good, `,"body_sha256"`)] + "}",
	}
	for name, src := range cases {
		if src == good {
			t.Fatalf("%s: the case is the good leaf", name)
		}
		if l, err := DecodeLeaf([]byte(src)); !errors.Is(err, ErrLeaf) {
			t.Errorf("%s: got %+v, %v, want ErrLeaf", name, l, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Leaf){
		"version": func(l *Leaf) { l.V = 0 },
		"kind":    func(l *Leaf) { l.Kind = "a b" },
		"seq":     func(l *Leaf) { l.Seq = -1 },
		"digest":  func(l *Leaf) { l.BodySHA256 = "" },
		"year":    func(l *Leaf) { l.RecordedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		l := sampleLeaf(0)
		change(&l)
		if b, err := l.Encode(); !errors.Is(err, ErrLeaf) {
			t.Errorf("%s: got %s, %v, want ErrLeaf", name, b, err)
		}
	}
}

func TestBodyDigestNeedsItsSalt(t *testing.T) {
	a := BodyDigest([SaltSize]byte{1}, []byte("body"))
	if b := BodyDigest([SaltSize]byte{2}, []byte("body")); a == b {
		t.Errorf("two salts give the same digest %s", a)
	}
	if b := BodyDigest([SaltSize]byte{1}, []byte("bodY")); a == b {
		t.Errorf("two bodies give the same digest %s", a)
	}
	// sha256 of 32 zero bytes: anyone can compute a digest with a shell.
	const zero = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
	if got := BodyDigest([SaltSize]byte{}, nil); got != zero {
		t.Errorf("got %s, want %s", got, zero)
	}
}

// wireLeaf is a leaf as encoding/json reads and writes it: another way to the same bytes.
type wireLeaf struct {
	V          int    `json:"v"`
	Kind       string `json:"kind"`
	Seq        int64  `json:"seq"`
	RecordedAt string `json:"recorded_at"`
	BodySHA256 string `json:"body_sha256"`
}

// slowLeaf reads a leaf with encoding/json; false: it is none.
func slowLeaf(t testing.TB, src []byte) (Leaf, bool) {
	t.Helper()
	var w wireLeaf
	if err := json.Unmarshal(src, &w); err != nil {
		return Leaf{}, false
	}
	at, err := time.Parse(leafTime, w.RecordedAt)
	if err != nil {
		return Leaf{}, false
	}
	l := Leaf{w.V, w.Kind, w.Seq, at.UTC(), w.BodySHA256}
	if l.check() != nil {
		return Leaf{}, false
	}
	w.RecordedAt = l.RecordedAt.Format(leafTime)
	again, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return l, bytes.Equal(again, src)
}

// Whatever the bytes are, encoding/json makes the same leaf of them, or none either.
func FuzzDecodeLeaf(f *testing.F) {
	f.Add(encode(f, sampleLeaf(0)))
	f.Add([]byte(`{"v":1,"kind":"x","seq":0,"recorded_at":"0000-01-01T00:00:00.000000Z","body_sha256":""}`))
	f.Add(encode(f, Leaf{V: 1, Kind: "x", Seq: 1<<63 - 1, RecordedAt: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), BodySHA256: strings.Repeat("0f", 32)}))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := DecodeLeaf(src)
		slow, ok := slowLeaf(t, src)
		if (err == nil) != ok || err == nil && l != slow {
			t.Fatalf("%q gives %+v, %v, and with encoding/json %+v, %t", src, l, err, slow, ok)
		}
		if err != nil {
			return
		}
		if again := encode(t, l); !bytes.Equal(again, src) {
			t.Fatalf("%q was accepted and is written as %q", src, again)
		}
	})
}
