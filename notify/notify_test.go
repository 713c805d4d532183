package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// receiver takes notices and answers with a status.
func receiver(t *testing.T, status int) (address string, got *[]*http.Request, bodies *[]string) {
	t.Helper()
	got, bodies = &[]*http.Request{}, &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got, *bodies = append(*got, r), append(*bodies, string(body))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/T0/secret", got, bodies
}

func notice() Notice {
	return Notice{
		ID: "e1/opened", Event: "exception.opened", Organisation: "Acme", Repository: "acme/shop", Number: 7, URL: "https://github.com/acme/shop/pull/7",
		Title: "An exception was opened: emergency", Text: "<!channel> & <https://evil.example|look> @here", Exception: json.RawMessage(`{"id":"e1"}`),
	}
}

func TestTheSignedWebhook(t *testing.T) {
	address, got, bodies := receiver(t, http.StatusAccepted)
	s := NewSender(map[string]Organisation{"acme": {WebhookURL: address, WebhookSecret: []byte("key")}})
	if err := s.Send(t.Context(), Webhook, notice()); err != nil {
		t.Fatal(err)
	}
	body, header := (*bodies)[0], (*got)[0].Header
	// echo -n "$body" | openssl dgst -sha256 -hmac key
	if header.Get(HeaderSignature) != Sign([]byte("key"), []byte(body)) || header.Get(HeaderID) != "e1/opened" {
		t.Errorf("headers: %v", header)
	}
	var n Notice
	if err := json.Unmarshal([]byte(body), &n); err != nil || n.V != 1 || n.Text != notice().Text || string(n.Exception) != `{"id":"e1"}` {
		t.Errorf("got %s (%v)", body, err)
	}
}

// The example of RFC 4231, section 4.3.
func TestSign(t *testing.T) {
	got := Sign([]byte("Jefe"), []byte("what do ya want for nothing?"))
	if want := "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Text from elsewhere mentions nobody and links nowhere.
func TestSlackIsEscaped(t *testing.T) {
	address, _, bodies := receiver(t, http.StatusOK)
	s := NewSender(map[string]Organisation{"acme": {SlackURL: address}})
	if err := s.Send(t.Context(), Slack, notice()); err != nil {
		t.Fatal(err)
	}
	var message struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal([]byte((*bodies)[0]), &message); err != nil {
		t.Fatal(err)
	}
	want := "*An exception was opened: emergency* <https://github.com/acme/shop/pull/7|acme/shop#7>\n" +
		"&lt;!channel&gt; &amp; &lt;https://evil.example|look&gt; @here"
	if message.Text != want {
		t.Errorf("got %q, want %q", message.Text, want)
	}
}

// What the receiver did not take is an error, a redirect is not followed, and no error shows
// the address.
func TestNotTaken(t *testing.T) {
	for name, status := range map[string]int{"refused": 403, "broken": 500, "redirected": 307, "moved": 302} {
		t.Run(name, func(t *testing.T) {
			address, got, _ := receiver(t, status)
			s := NewSender(map[string]Organisation{"acme": {SlackURL: address}})
			err := s.Send(t.Context(), Slack, notice())
			if err == nil || strings.Contains(err.Error(), "secret") || len(*got) != 1 {
				t.Errorf("got error %v after %d requests", err, len(*got))
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		s := NewSender(map[string]Organisation{"acme": {SlackURL: server.URL + "/T0/secret"}})
		if err := s.Send(t.Context(), Slack, notice()); err == nil || err.Error() != "notify slack: connection refused" {
			t.Errorf("got %v", err)
		}
	})
}

func TestNobodyElseIsTold(t *testing.T) {
	s := NewSender(map[string]Organisation{"acme": {SlackURL: "https://example.com"}})
	if ways := s.Of("globex").Ways(); len(ways) != 0 {
		t.Errorf("globex: %v", ways)
	}
	if ways := s.Of("ACME").Ways(); len(ways) != 1 {
		t.Errorf("acme: %v", ways)
	}
}

// What an organisation did not ask for is told nowhere.
func TestWhatIsWanted(t *testing.T) {
	o := Organisation{SlackWants: Wanted{Opened: {"high"}}, WebhookWants: Wanted{Opened: {"high", "low"}, Overdue: {"medium"}}}
	for _, c := range []struct {
		way, event, severity string
		want                 bool
	}{
		{Slack, Opened, "high", true}, {Slack, Opened, "low", false}, {Slack, Overdue, "high", false},
		{Webhook, Opened, "low", true}, {Webhook, Opened, "medium", false}, {Webhook, Overdue, "medium", true}, {Webhook, "closed", "high", false},
	} {
		if got := o.Wants(c.way, c.event, c.severity); got != c.want {
			t.Errorf("%s, %s, %s: got %v", c.way, c.event, c.severity, got)
		}
	}
}

// A test goes each way, whatever else is told there, says what it is, and never where it went.
func TestTest(t *testing.T) {
	slack, _, said := receiver(t, http.StatusOK)
	hook, got, bodies := receiver(t, http.StatusNotFound)
	s := NewSender(map[string]Organisation{"acme": {SlackURL: slack, WebhookURL: hook, WebhookSecret: []byte("key")}})
	results := s.Test(t.Context(), "ACME", "<!here> carol")
	if len(results) != 2 || !results[0].Took || results[0].Answer != "It answered 200 OK." || results[1].Took || !strings.HasPrefix(results[1].Answer, "It answered 404 Not Found. It does not take") {
		t.Errorf("got %+v", results)
	}
	if text := (*said)[0]; !strings.Contains(text, "This is a test") || !strings.Contains(text, "carol had this sent") || strings.Contains(text, "<!here") {
		t.Errorf("slack: %s", text)
	}
	var n Notice
	if err := json.Unmarshal([]byte((*bodies)[0]), &n); err != nil || n.Event != "test" || string(n.Exception) != "null" || !strings.HasPrefix(n.ID, "test/") ||
		(*got)[0].Header.Get(HeaderSignature) != Sign([]byte("key"), []byte((*bodies)[0])) {
		t.Errorf("webhook: %s (%v)", (*bodies)[0], err)
	}
	if none := s.Test(t.Context(), "globex", "carol"); len(none) != 0 {
		t.Errorf("globex: %+v", none)
	}
}

// Each failure says what to do, and none where it was sent.
func TestTestsThatAreNotTaken(t *testing.T) {
	for status, says := range map[int]string{302: "Redirects are not followed", 403: "does not take notices at this address", 429: "in a minute", 503: "is broken"} {
		address, _, _ := receiver(t, status)
		s := NewSender(map[string]Organisation{"acme": {SlackURL: address}})
		if got := s.Test(t.Context(), "acme", "carol")[0]; got.Took || !strings.Contains(got.Answer, says) || strings.Contains(got.Answer, "127.0.0.1") || strings.Contains(got.Answer, "/secret") {
			t.Errorf("%d: got %+v, want %q", status, got, says)
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for address, says := range map[string]string{
		closed.URL + "/secret": "connection refused", untrusted.URL + "/secret": "its certificate cannot be trusted",
	} {
		s := NewSender(map[string]Organisation{"acme": {SlackURL: address}})
		if got := s.Test(t.Context(), "acme", "carol")[0]; got.Took || !strings.Contains(got.Answer, "could not be reached: "+says) || strings.Contains(got.Answer, "secret") {
			t.Errorf("%s: got %+v, want %q", address, got, says)
		}
	}
}

// What says where a receiver is does not pass.
func TestCauses(t *testing.T) {
	for want, err := range map[string]error{
		"its name is not known": &url.Error{Op: "Post", URL: "https://secret.example/T0", Err: &net.OpError{Err: &net.DNSError{Err: "no such host", Name: "secret.example"}}},
		"no answer in time":     &url.Error{Op: "Post", URL: "https://secret.example/T0", Err: context.DeadlineExceeded},
		"context canceled":      &url.Error{Op: "Post", URL: "https://secret.example/T0", Err: context.Canceled},
		"the connection failed": errors.New("secret.example sent nonsense"),
	} {
		if got := cause(err).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
