package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
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
		if err := s.Send(t.Context(), Slack, notice()); err == nil || strings.Contains(err.Error(), "secret") {
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
