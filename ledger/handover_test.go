package ledger

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func namedKey(t *testing.T, seed byte) *Key {
	t.Helper()
	secret, _, err := GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), "log.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHandover(t *testing.T) {
	old, next, other := namedKey(t, 1), namedKey(t, 2), namedKey(t, 3)
	signed, err := SignHandover("log.example/7", 12, old, next)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ParseHandover(signed)
	if want := (Handover{"log.example/7", 12, old.Public(), next.Public()}); err != nil || h != want {
		t.Fatalf("got %+v, %v, want %+v", h, err, want)
	}
	if !SignedBy(signed, old.Verifier()) || !SignedBy(signed, other.Verifier(), next.Verifier()) || SignedBy(signed, other.Verifier()) {
		t.Error("it is signed by the old key and the new one, and by no other")
	}
	byOne := func(k *Key) string {
		s, err := note.Sign(&note.Note{Text: h.text()}, k)
		if err != nil {
			t.Fatal(err)
		}
		return string(s)
	}
	stolen := h
	stolen.New = other.Public()
	forged, err := note.Sign(&note.Note{Text: stolen.text()}, next, other)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"another size": strings.Replace(string(signed), "\n12\n", "\n13\n", 1), "another log": strings.Replace(string(signed), "/7", "/8", 1),
		"another new key": strings.Replace(string(signed), next.Public(), other.Public(), 1), "the old key alone": byOne(old), "the new key alone": byOne(next),
		"taken by another": string(forged), "another spelling": strings.Replace(string(signed), "\n12\n", "\n012\n", 1), "nothing": "", "a line": "x\n",
	} {
		if got, err := ParseHandover([]byte(text)); !errors.Is(err, ErrKey) {
			t.Errorf("%s: got %+v, %v, want ErrKey", what, got, err)
		}
	}
	if _, err := ParseCheckpoint(signed, "log.example/7", old.Verifier()); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a handover is taken for a checkpoint: %v", err)
	}
}

func FuzzParseHandover(f *testing.F) {
	f.Add([]byte("countersign key rotation/v1\nlog.example/7\n12\na+00000000+AA\nb+00000000+AA\n\n— a AAAA\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if h, err := ParseHandover(src); err == nil && !strings.HasPrefix(string(src), h.text()) {
			t.Errorf("took %q for %+v", src, h)
		}
	})
}
