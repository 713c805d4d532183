package config

import (
	"strings"
	"testing"
)

func TestWitnesses(t *testing.T) {
	const key, other = "w.example/w+c22ad15a+BIeE", "v.example/w+c22ad15a+BIeE"
	for name, c := range map[string]struct {
		list []Witness
		says string // empty: fine
	}{
		"none":         {nil, ""},
		"two":          {[]Witness{{key, "https://w.example/submit"}, {other, "http://127.0.0.1:9/"}}, ""},
		"twice":        {[]Witness{{key, "https://w.example"}, {key, "https://w.example"}}, "witnesses[1].key: is no public key, or stands twice"},
		"no key":       {[]Witness{{"w.example/w", "https://w.example"}}, "witnesses[0].key"},
		"no address":   {[]Witness{{key, "w.example"}}, "witnesses[0].url"},
		"in the clear": {[]Witness{{key, "http://w.example"}}, "must hold an https address"},
	} {
		err := (&Config{Witnesses: c.list}).checkWitnesses()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}
