package doctor

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What is spoken with an address is recorded, and the end of its certificate is seen from afar.
func TestTransport(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	end := server.Certificate().NotAfter
	for _, c := range []struct {
		name, address, want string
		now                 time.Time
	}{
		{"well", server.URL, "", end.Add(-22 * 24 * time.Hour)},
		{"ends soon", server.URL, "medium", end.Add(-20 * 24 * time.Hour)},
		{"ended", server.URL, "high", end.Add(time.Second)},
	} {
		e := &examination{Settings: Settings{Now: func() time.Time { return c.now }}, probes: server.Client()}
		p, err := e.probe(t.Context(), c.address)
		if err != nil {
			t.Fatal(err)
		}
		e.transport("github", "GITHUB_V3_API_URL", c.address, p)
		got := ""
		for _, f := range e.report.Findings {
			got += f.Severity
		}
		if seen := fmt.Sprint(e.report.Observed); got != c.want || !strings.Contains(seen, "TLS 1.3, TLS_AES_128_GCM_SHA256, certificate until ") {
			t.Errorf("%s: got %q, want %q; seen %s", c.name, got, c.want, seen)
		}
	}
	e := &examination{}
	e.transport("github", "GITHUB_V3_API_URL", "http://github.example/", probe{})
	e.transport("github", "GITHUB_V3_API_URL", "http://127.0.0.1/", probe{})
	if len(e.report.Findings) != 1 || e.report.Findings[0].Severity != High {
		t.Errorf("without TLS: %+v", e.report.Findings)
	}
	// Nobody follows an address that leads elsewhere, and a certificate of nobody's is not trusted.
	if _, err := (&examination{Settings: Settings{Now: time.Now}, probes: probing()}).probe(t.Context(), server.URL); err == nil {
		t.Error("a certificate that nobody signed is taken")
	} else if unknown := (x509.UnknownAuthorityError{}); !strings.Contains(err.Error(), unknown.Error()) {
		t.Errorf("got %v", err)
	}
}
