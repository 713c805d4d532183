package ledger

import (
	"errors"
	"testing"
)

func TestDisposal(t *testing.T) {
	key, other := namedKey(t, 1), namedKey(t, 2)
	d := Disposal{"log.example/7", 12, "abc"}
	signed, err := d.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(signed, other.Verifier(), key.Verifier()); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]struct {
		of     Disposal
		signed []byte
		by     *Key
	}{
		"another key":    {d, signed, other},
		"another log":    {Disposal{"log.example/8", 12, "abc"}, signed, key},
		"another leaf":   {Disposal{"log.example/7", 13, "abc"}, signed, key},
		"another record": {Disposal{"log.example/7", 12, "abd"}, signed, key},
		"nothing":        {d, nil, key},
	} {
		if err := c.of.Check(c.signed, c.by.Verifier()); !errors.Is(err, ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", what, err)
		}
	}
	if _, err := ParseCheckpoint(signed, "log.example/7", key.Verifier()); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("it is read as a checkpoint: %v", err)
	}
	if _, err := (Disposal{"two\nlines", 1, "abc"}).Sign(key); err == nil {
		t.Error("an origin of two lines is signed")
	}
}
