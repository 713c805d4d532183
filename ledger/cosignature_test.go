package ledger

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// A witness's key, a checkpoint and its cosignature, made by transparency-dev/formats.
const (
	vectorWitness     = "w.example/w+c22ad15a+BIeEYWyIflHbOa35hZiaSoi/2m58VssbPCFlbK7TQNhp"
	vectorCheckpoint  = "log\n7\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n— log /+g4keA0FJx7yPVmWU5KFyrmMvHmjaCMR3cWgV6lyFDPEJdDhf1TR6vTcO1PN1ox3dIyFEcFBZ6gcqftZGFADLC2ZAE=\n"
	vectorCosignature = "— w.example/w wirRWgAAAABrB0sIfSz7lLi5ok4ubNqB1Ny8ZvK0CnDJyiSvSMYmepFb25Av7PyjxNmZqA22blV+l1CtScC0oLu+33jAfuxRKv9UBg==\n"
)

func TestCosignatureOfAnotherImplementation(t *testing.T) {
	w, err := ParseWitness(vectorWitness + "\n")
	if err != nil {
		t.Fatal(err)
	}
	strange := "— strange.example/w AAAAAAAA\n"
	got, err := Cosignatures([]byte(vectorCheckpoint), []byte(strange+vectorCosignature), w)
	if err != nil || string(got) != vectorCosignature {
		t.Errorf("got %q, %v, want the one line", got, err)
	}
	for what, c := range map[string][2]string{
		"another size":      {strings.Replace(vectorCheckpoint, "7", "8", 1), vectorCosignature},
		"another time":      {vectorCheckpoint, strings.Replace(vectorCosignature, "AAAABrB0s", "AAAABrB0t", 1)},
		"none of its own":   {vectorCheckpoint, strange},
		"no line":           {vectorCheckpoint, strings.TrimSpace(vectorCosignature)},
		"another text":      {vectorCheckpoint, "\nlog\n8\n\n" + vectorCosignature},
		"more than is read": {vectorCheckpoint, vectorCosignature + strings.Repeat(strange, maxCheckpoint/len(strange))},
	} {
		if got, err := Cosignatures([]byte(c[0]), []byte(c[1]), w); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: got %q, %v, want ErrCheckpoint", what, got, err)
		}
	}
}

func TestParseWitnessRefuses(t *testing.T) {
	_, plain, err := GenerateKey(bytes.NewReader(make([]byte, 64)), "w.example/w")
	if err != nil {
		t.Fatal(err)
	}
	for what, key := range map[string]string{
		"nothing": "", "no key": "w.example/w", "a key that signs checkpoints": plain, "another name": "x" + vectorWitness,
		"another hash": strings.Replace(vectorWitness, "c22ad15a", "c22ad15b", 1), "half a key": vectorWitness[:40], "a line end in it": vectorWitness[:60] + "\n" + vectorWitness[60:], "a space": strings.Replace(vectorWitness, "/", " ", 1),
	} {
		if _, err := ParseWitness(key); !errors.Is(err, ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", what, err)
		}
	}
}

// Whatever a witness answers, what is kept of it is its signature of this checkpoint.
func FuzzCosignatures(f *testing.F) {
	w, err := ParseWitness(vectorWitness)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(vectorCosignature))
	f.Add([]byte("— strange.example/w AAAAAAAA\n" + vectorCosignature))
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, err := Cosignatures([]byte(vectorCheckpoint), answer, w)
		if err == nil && string(got) != vectorCosignature {
			t.Errorf("kept %q", got)
		}
	})
}

func TestParseCosigned(t *testing.T) {
	w, err := ParseWitness(vectorWitness)
	if err != nil {
		t.Fatal(err)
	}
	text, line, _ := strings.Cut(vectorCheckpoint, "\n\n")
	text += "\n\n"
	c, at, err := ParseCosigned([]byte(text+vectorCosignature), "log", w)
	if err != nil || c.Size != 7 || at.Unix() != 0x6b074b08 {
		t.Fatalf("got %+v at %d, %v", c, at.Unix(), err)
	}
	for what, s := range map[string]string{
		"with the log's signature": text + line + vectorCosignature, "twice": text + vectorCosignature + vectorCosignature, "by nobody": text,
		"another size": strings.Replace(text, "7", "8", 1) + vectorCosignature, "another spelling": text + strings.Replace(vectorCosignature, "Bg==", "Bh==", 1),
		"another time": text + strings.Replace(vectorCosignature, "AAAABrB0s", "AAAABrB0t", 1), "nothing": "",
	} {
		if c, at, err := ParseCosigned([]byte(s), "log", w); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: got %+v at %v, %v, want ErrCheckpoint", what, c, at, err)
		}
	}
	if _, _, err := ParseCosigned([]byte(text+vectorCosignature), "other", w); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("of another log: got %v, want ErrCheckpoint", err)
	}
}
