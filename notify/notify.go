// Package notify tells an organisation's people of what has to be looked at: in Slack, by an
// incoming webhook, and to a program of theirs, by a signed webhook.
//
// A notice may arrive more than once, with the same id: whoever acts on it keeps the ids. The
// addresses are secrets, and no error shows one.
package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The headers of a signed webhook. The signature is "sha256=" and the hexadecimal HMAC-SHA256
// of the body, as in GitHub's own webhooks.
const (
	HeaderID        = "Countersign-Notice"
	HeaderSignature = "Countersign-Signature-256"
)

// The names of the ways.
const (
	Slack   = "slack"
	Webhook = "webhook"
)

// Notice is one thing to tell. Its JSON is the body of the signed webhook: add, never change.
type Notice struct {
	V int `json:"v"` // 1
	// ID is the same however often the notice is sent.
	ID string `json:"id"`
	// Event is "exception.opened", "exception.overdue" or "test".
	Event        string `json:"event"`
	Organisation string `json:"organisation"`
	Repository   string `json:"repository,omitempty"`   // owner/name
	Number       int    `json:"pull_request,omitempty"` // 0: none
	// URL is the pull request; empty when it is about none.
	URL string `json:"url,omitempty"`
	// Title and Text are for people, in plain text that may hold anything.
	Title string `json:"title"`
	Text  string `json:"text"`
	// Exception is the exception as its newest step left it; null: it is a test.
	Exception json.RawMessage `json:"exception"`
}

// The events of an exception.
const (
	Opened  = "opened"
	Overdue = "overdue"
)

// Wanted is of which severities exceptions are told, by event.
type Wanted map[string][]string

// Organisation is where one organisation wants to be told, and of what. What is empty is not used.
type Organisation struct {
	SlackURL      string
	SlackWants    Wanted
	WebhookURL    string
	WebhookSecret []byte
	WebhookWants  Wanted
}

// Wanted is what is told one way.
func (o Organisation) Wanted(way string) Wanted {
	if way == Slack {
		return o.SlackWants
	}
	return o.WebhookWants
}

// Wants says whether an event of an exception of this severity is told one way.
func (o Organisation) Wants(way, event, severity string) bool {
	return slices.Contains(o.Wanted(way)[event], severity)
}

// Ways are the ways that an organisation has, in the order in which they are used.
func (o Organisation) Ways() []string {
	var out []string
	if o.SlackURL != "" {
		out = append(out, Slack)
	}
	if o.WebhookURL != "" {
		out = append(out, Webhook)
	}
	return out
}

// Sender sends notices. It may be used concurrently.
type Sender struct {
	organisations map[string]Organisation
	client        *http.Client
}

// timeout is for one notice, from the connection to the end of the answer.
const timeout = 10 * time.Second

// NewSender makes a sender for the organisations, by login.
func NewSender(organisations map[string]Organisation) *Sender {
	s := &Sender{organisations: map[string]Organisation{}, client: &http.Client{
		Timeout: timeout,
		// A redirect would carry what is private to an address that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for login, o := range organisations {
		s.organisations[strings.ToLower(login)] = o
	}
	return s
}

// Of is where an organisation wants to be told, by its login.
func (s *Sender) Of(login string) Organisation {
	if s == nil {
		return Organisation{}
	}
	return s.organisations[strings.ToLower(login)]
}

// Send sends a notice one way. It returns nil only when the receiver took it.
func (s *Sender) Send(ctx context.Context, way string, n Notice) error {
	if _, err := s.send(ctx, way, n); err != nil {
		return fmt.Errorf("notify %s: %w", way, err)
	}
	return nil
}

// send is Send, and says what the receiver answered; 0: nothing.
func (s *Sender) send(ctx context.Context, way string, n Notice) (status int, err error) {
	o := s.Of(n.Organisation)
	n.V = 1
	switch way {
	case Slack:
		body, err := json.Marshal(map[string]any{"text": slackText(n), "unfurl_links": false})
		if err != nil {
			return 0, err
		}
		return s.post(ctx, o.SlackURL, body, nil)
	case Webhook:
		body, err := json.Marshal(n)
		if err != nil {
			return 0, err
		}
		return s.post(ctx, o.WebhookURL, body, map[string]string{HeaderID: n.ID, HeaderSignature: Sign(o.WebhookSecret, body)})
	}
	return 0, errors.New("there is no such way")
}

// Sign is the value of HeaderSignature for a body.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (s *Sender) post(ctx context.Context, address string, body []byte, header map[string]string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("its address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, cause(err)
	}
	defer resp.Body.Close()
	// What is read to the end leaves the connection usable; more than this is nobody's answer.
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("the receiver answered %d", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// slackText is a notice as Slack shows it. Everything that comes from elsewhere is escaped as
// Slack asks for (https://api.slack.com/reference/surfaces/formatting#escaping): without a
// bare "<" there are neither links nor mentions in it.
func slackText(n Notice) string {
	about := slackEscape(n.Organisation)
	if n.Repository != "" {
		about = slackEscape(n.Repository)
	}
	if n.Number != 0 {
		about = fmt.Sprintf("%s#%d", about, n.Number)
	}
	if n.URL != "" {
		about = "<" + strings.ReplaceAll(slackEscape(n.URL), "|", "%7C") + "|" + about + ">"
	}
	return "*" + slackEscape(n.Title) + "* " + about + "\n" + slackEscape(n.Text)
}

// maxSlack is how much of one text is shown in Slack, in bytes.
const maxSlack = 2000

func slackEscape(s string) string {
	if len(s) > maxSlack {
		s = strings.ToValidUTF8(s[:maxSlack], "") + "…"
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
