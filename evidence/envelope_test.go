package evidence

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

func newKey(t *testing.T, name string) *ledger.Key {
	t.Helper()
	secret, _, err := ledger.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestEnvelopeIsOfTheLogsKey(t *testing.T) {
	key, other := newKey(t, "log.example"), newKey(t, "log.example")
	sealed, err := seal([]byte(`{"says":"so"}`), key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := openEnvelope(sealed, key.Verifier()); err != nil || string(got) != `{"says":"so"}` {
		t.Fatalf("got %s, %v", got, err)
	}
	foreign, err := seal([]byte(`{"says":"so"}`), other)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"somebody else's":      foreign,
		"under our key's name": bytes.ReplaceAll(foreign, []byte(keyID(other.Name(), other.KeyHash())), []byte(keyID(key.Name(), key.KeyHash()))),
		"another payload":      bytes.Replace(sealed, []byte("eyJzYXlz"), []byte("eyJzYXlt"), 1),
		"another type":         bytes.Replace(sealed, []byte("in-toto+json"), []byte("other+json"), 1),
		"more space":           append([]byte(" "), sealed...),
		"one more field":       bytes.Replace(sealed, []byte(`{"payloadType"`), []byte(`{"x":1,"payloadType"`), 1),
		"no signature":         []byte(strings.Split(string(sealed), `"signatures":[`)[0] + `"signatures":[]}` + "\n"),
	} {
		if got, err := openEnvelope(raw, key.Verifier()); err == nil {
			t.Errorf("%s: opened %s", name, got)
		}
	}
}
