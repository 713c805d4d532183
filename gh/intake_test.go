package gh_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

func sign(newHash func() hash.Hash, secret, body string) string {
	mac := hmac.New(newHash, []byte(secret))
	io.WriteString(mac, body)
	return hex.EncodeToString(mac.Sum(nil))
}

// signed is a delivery as GitHub sends it.
func signed(secret, body string) *http.Request {
	r := httptest.NewRequest("POST", "/api/github/hook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	r.Header.Set("X-GitHub-Event", "pull_request")
	r.Header.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	r.Header.Set("X-GitHub-Hook-Installation-Target-ID", "42")
	r.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, secret, body))
	r.Header.Set("X-Hub-Signature", "sha1="+sign(sha1.New, secret, body))
	return r
}

func intake(t *testing.T, secrets ...string) *gh.Intake {
	t.Helper()
	in, err := gh.NewIntake(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

var receivedAt = time.Date(2026, 11, 23, 13, 0, 0, 0, time.FixedZone("", 3600))

func TestIntakeReads(t *testing.T) {
	const body = "{ \"zen\" : \"caf\u00e9\" }\n"
	in := intake(t, "new", "old")
	for index, secret := range []string{"new", "old"} {
		got, err := in.Read(httptest.NewRecorder(), signed(secret, body), receivedAt)
		if err != nil {
			t.Fatal(err)
		}
		want := gh.Delivery{
			ID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Event: "pull_request", Payload: []byte(body),
			HookTargetID: 42, SecretIndex: index, ReceivedAt: receivedAt.UTC(),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("secret %q (-want +got):\n%s", secret, diff)
		}
	}
}

// TestGitHubsOwnExample uses the values that GitHub publishes to test receivers with.
// https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
func TestGitHubsOwnExample(t *testing.T) {
	r := signed("", "Hello, World!")
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	if _, err := intake(t, "It's a Secret to Everybody").Read(httptest.NewRecorder(), r, receivedAt); err != nil {
		t.Error(err)
	}
}

func TestIntakeRefuses(t *testing.T) {
	const body = `{"a":1}`
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		want   error
	}{
		{"a GET", func(r *http.Request) { r.Method = "GET" }, gh.ErrMethod},
		{"a form", set("Content-Type", "application/x-www-form-urlencoded"), gh.ErrContentType},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, gh.ErrContentType},
		{"no delivery id", func(r *http.Request) { r.Header.Del("X-GitHub-Delivery") }, gh.ErrNoDeliveryID},
		{"a delivery id of 101", set("X-GitHub-Delivery", strings.Repeat("a", 101)), gh.ErrNoDeliveryID},
		{"a delivery id with a space", set("X-GitHub-Delivery", "a b"), gh.ErrNoDeliveryID},
		{"a delivery id beyond ASCII", set("X-GitHub-Delivery", "é"), gh.ErrNoDeliveryID},
		{"no event", func(r *http.Request) { r.Header.Del("X-GitHub-Event") }, gh.ErrNoEvent},
		{"an event that is no name", set("X-GitHub-Event", "push\" --"), gh.ErrNoEvent},
		{"no signature", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, gh.ErrSignature},
		{"no signature at all", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256"); r.Header.Del("X-Hub-Signature") }, gh.ErrSignature},
		{"an empty signature", set("X-Hub-Signature-256", "sha256="), gh.ErrSignature},
		{"SHA-1 in its place", set("X-Hub-Signature-256", "sha1="+sign(sha1.New, "good", body)), gh.ErrSignature},
		{"half a signature", set("X-Hub-Signature-256", "sha256="+sign(sha256.New, "good", body)[:32]), gh.ErrSignature},
		{"one wrong digit in the signature", func(r *http.Request) {
			text := []byte(r.Header.Get("X-Hub-Signature-256"))
			last := &text[len(text)-1]
			if *last == '0' {
				*last = '1'
			} else {
				*last = '0'
			}
			r.Header.Set("X-Hub-Signature-256", string(text))
		}, gh.ErrSignature},
		{"no hexadecimal", set("X-Hub-Signature-256", "sha256="+strings.Repeat("z", 64)), gh.ErrSignature},
		{"no prefix", set("X-Hub-Signature-256", sign(sha256.New, "good", body)), gh.ErrSignature},
		{"another secret", set("X-Hub-Signature-256", "sha256="+sign(sha256.New, "bad", body)), gh.ErrSignature},
		{"an empty secret", set("X-Hub-Signature-256", "sha256="+sign(sha256.New, "", body)), gh.ErrSignature},
		{"another body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(body + " ")) }, gh.ErrSignature},
		{"a length above the limit", func(r *http.Request) { r.ContentLength = gh.MaxPayloadBytes + 1 }, gh.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signed("good", body)
			tt.change(r)
			got, err := intake(t, "good").Read(httptest.NewRecorder(), r, receivedAt)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if diff := cmp.Diff(gh.Delivery{}, got); diff != "" {
				t.Errorf("something of it was returned:\n%s", diff)
			}
		})
	}
}

func TestIntakeAcceptsACharset(t *testing.T) {
	r := signed("good", "{}")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-GitHub-Hook-Installation-Target-ID", "no number")
	d, err := intake(t, "good").Read(httptest.NewRecorder(), r, receivedAt)
	if err != nil || d.HookTargetID != 0 {
		t.Errorf("got target %d, %v", d.HookTargetID, err)
	}
}

func TestIntakeBodyLimit(t *testing.T) {
	in := intake(t, "good")
	for size, want := range map[int]error{gh.MaxPayloadBytes: nil, gh.MaxPayloadBytes + 1: gh.ErrTooLarge} {
		r := signed("good", strings.Repeat(" ", size))
		r.ContentLength = -1 // chunked: the length is not known before
		if _, err := in.Read(httptest.NewRecorder(), r, receivedAt); !errors.Is(err, want) {
			t.Errorf("%d bytes: got %v, want %v", size, err, want)
		}
	}
}

// TestIntakeBrokenOff sends half a payload over a real connection.
func TestIntakeBrokenOff(t *testing.T) {
	in := intake(t, "good")
	result := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := in.Read(w, r, receivedAt)
		result <- err
	}))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"+
		"X-GitHub-Delivery: 1\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: sha256="+strings.Repeat("0", 64)+"\r\n\r\n{\"half\":")
	conn.Close()
	if err := <-result; !errors.Is(err, gh.ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
}

func TestNoSecret(t *testing.T) {
	for _, secrets := range [][]string{nil, {}, {""}, {"good", ""}, {" \n"}} {
		if _, err := gh.NewIntake(secrets); !errors.Is(err, gh.ErrNoSecret) {
			t.Errorf("%q: got %v, want ErrNoSecret", secrets, err)
		}
	}
	_, err := gh.NewIntake([]string{"visible", ""})
	if strings.Contains(err.Error(), "visible") {
		t.Errorf("the error tells a secret: %v", err)
	}
}
