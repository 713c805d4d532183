package gh

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// MaxPayloadBytes is the largest payload that GitHub sends.
// https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap
const MaxPayloadBytes = 25 << 20

const (
	maxDeliveryID = 100 // characters; GitHub sends a GUID of 36
	maxEventName  = 100
)

// What can be wrong with a request to the webhook address.
var (
	// ErrNoSecret: there is no secret to verify with, or an empty one, with which anybody
	// could sign.
	ErrNoSecret = errors.New("webhook secret is missing or empty")
	// ErrSignature: X-Hub-Signature-256 is missing or fits none of the secrets.
	ErrSignature = errors.New("webhook signature is missing or wrong")
	// ErrTooLarge: the payload is larger than MaxPayloadBytes.
	ErrTooLarge = errors.New("webhook payload is too large")
	// ErrNoDeliveryID: X-GitHub-Delivery is missing or no plausible id.
	ErrNoDeliveryID = errors.New("webhook delivery id is missing or malformed")
	// ErrNoEvent: X-GitHub-Event is missing or no plausible name.
	ErrNoEvent = errors.New("webhook event name is missing or malformed")
	// ErrContentType: the payload is not sent as JSON.
	ErrContentType = errors.New(`webhook content type is not application/json: choose it in the App's webhook settings`)
	// ErrMethod: the request is not a POST.
	ErrMethod = errors.New("webhook request is not a POST")
	// ErrIncomplete: the payload did not arrive whole.
	ErrIncomplete = errors.New("webhook payload did not arrive whole")
)

// Delivery is one webhook call whose signature holds.
type Delivery struct {
	ID    string // X-GitHub-Delivery
	Event string // X-GitHub-Event
	// Payload is the body, byte for byte as it was signed.
	Payload []byte
	// HookTargetID is the id of the App that the webhook belongs to; 0 when not said.
	HookTargetID int64
	// SecretIndex tells which of the secrets fits, from 0: it shows when an old secret
	// is not in use any more.
	SecretIndex int
	ReceivedAt  time.Time // UTC
}

// Intake reads webhook requests. It is safe for concurrent use.
type Intake struct {
	secrets atomic.Pointer[[][]byte]
}

// NewIntake returns an intake that accepts what is signed with any of the secrets.
// It returns ErrNoSecret when there are none or one is blank.
func NewIntake(secrets []string) (*Intake, error) {
	in := &Intake{}
	if err := in.Use(secrets); err != nil {
		return nil, err
	}
	return in, nil
}

// Use has the intake accept what is signed with any of these secrets, and nothing else, from the
// next request on. With ErrNoSecret it goes on with those that it had.
func (in *Intake) Use(secrets []string) error {
	if len(secrets) == 0 {
		return ErrNoSecret
	}
	var all [][]byte
	for i, s := range secrets {
		if strings.TrimSpace(s) == "" {
			return fmt.Errorf("secret %d: %w", i+1, ErrNoSecret)
		}
		all = append(all, []byte(s))
	}
	in.secrets.Store(&all)
	return nil
}

// Read reads one webhook request and verifies its signature over the raw body. The errors
// are those declared above. It writes no answer; w is needed to bound the body.
//
// Only SHA-256 signatures count: GitHub also sends a SHA-1 one, for receivers of old.
//
// Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
func (in *Intake) Read(w http.ResponseWriter, r *http.Request, now time.Time) (Delivery, error) {
	d := Delivery{
		ID:           r.Header.Get("X-GitHub-Delivery"),
		Event:        r.Header.Get("X-GitHub-Event"),
		HookTargetID: hookTarget(r.Header),
		ReceivedAt:   now.UTC(),
	}
	signature, err := checkHead(r, d)
	if err != nil {
		return Delivery{}, err
	}
	d.Payload, err = io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayloadBytes))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return Delivery{}, fmt.Errorf("more than %d bytes: %w", tooLarge.Limit, ErrTooLarge)
		}
		return Delivery{}, fmt.Errorf("%w: %v", ErrIncomplete, err)
	}
	d.SecretIndex, err = in.verify(signature, d.Payload)
	if err != nil {
		return Delivery{}, err
	}
	return d, nil
}

// checkHead checks all that can be checked before the body is read, and returns the
// signature.
func checkHead(r *http.Request, d Delivery) (signature []byte, err error) {
	if r.Method != http.MethodPost {
		return nil, ErrMethod
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return nil, ErrContentType
	}
	if !wellFormed(d.ID, maxDeliveryID, func(c byte) bool { return c > ' ' && c <= '~' }) {
		return nil, ErrNoDeliveryID
	}
	if !wellFormed(d.Event, maxEventName, func(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }) {
		return nil, ErrNoEvent
	}
	if r.ContentLength > MaxPayloadBytes {
		return nil, fmt.Errorf("%d bytes: %w", r.ContentLength, ErrTooLarge)
	}
	hexText, found := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	signature, err = hex.DecodeString(hexText)
	if !found || err != nil || len(signature) != sha256.Size {
		return nil, ErrSignature
	}
	return signature, nil
}

// verify returns the index of the secret that the signature was made with.
func (in *Intake) verify(signature, payload []byte) (int, error) {
	fits := -1
	for i, secret := range *in.secrets.Load() {
		mac := hmac.New(sha256.New, secret)
		mac.Write(payload)
		if hmac.Equal(signature, mac.Sum(nil)) && fits < 0 {
			fits = i
		}
	}
	if fits < 0 {
		return 0, ErrSignature
	}
	return fits, nil
}

func wellFormed(s string, longest int, allowed func(byte) bool) bool {
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

// hookTarget reads which App the webhook belongs to. The header is not signed and only
// for information, so an odd one counts as missing.
func hookTarget(h http.Header) int64 {
	if h.Get("X-GitHub-Hook-Installation-Target-Type") != "integration" {
		return 0
	}
	id, err := strconv.ParseInt(h.Get("X-GitHub-Hook-Installation-Target-ID"), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}
