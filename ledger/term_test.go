package ledger

import (
	"errors"
	"testing"
)

// A log that was handed over, and then went on under another name.
func TestTerms(t *testing.T) {
	first, second := namedKey(t, 1), namedKey(t, 2)
	terms := Terms{{-1, "log", first.Public()}, {4, "log", second.Public()}, {7, "log/2", second.Public()}}
	for size, want := range map[int64]int{0: 0, 4: 0, 5: 1, 7: 1, 8: 2, 1000: 2} {
		if got := terms.At(size); got != terms[want] {
			t.Errorf("%d leaves: got %+v, want term %d", size, got, want)
		}
	}
	sign := func(origin string, key *Key) []byte {
		signed, err := Checkpoint{Origin: origin, Size: 3}.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for _, c := range []struct {
		what   string
		signed []byte
		origin string
		want   int // place of the term; -1: none
	}{
		{"the first key", sign("log", first), "log", 0},
		{"the second key", sign("log", second), "log", 1},
		{"any name", sign("log/2", second), "", 2},
		{"the name after", sign("log", second), "log/2", -1},
		{"a key that was gone by then", sign("log/2", first), "", -1},
		{"another key", sign("log", namedKey(t, 3)), "log", -1},
		{"another log", sign("other", first), "other", -1},
	} {
		got, by, err := terms.Open(c.signed, c.origin)
		switch {
		case c.want < 0:
			if !errors.Is(err, ErrCheckpoint) {
				t.Errorf("%s: got %v, %v, want ErrCheckpoint", c.what, by, err)
			}
		case err != nil || got.Size != 3 || by != terms[c.want]:
			t.Errorf("%s: got %v by %v, %v", c.what, got, by, err)
		}
	}
}
