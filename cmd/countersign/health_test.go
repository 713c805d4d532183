package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// health runs the command with an environment.
func health(t *testing.T, env map[string]string, args ...string) error {
	t.Helper()
	return run(t.Context(), append([]string{"health"}, args...), func(name string) string { return env[name] }, strings.NewReader(""), io.Discard, io.Discard)
}

// The server is found by its own settings, with TLS too, and what does not run is not alive.
func TestHealthAsksTheServer(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	folder := t.TempDir()
	for _, secure := range []bool{false, true} {
		settings := map[string]string{
			"COUNTERSIGN_DATABASE_URL": "sqlite:" + filepath.Join(folder, "health.db"), "COUNTERSIGN_SIGNING_KEY_FILE": filepath.Join(folder, "health.key"),
			"COUNTERSIGN_LISTEN": "127.0.0.1:0",
		}
		if secure {
			settings["COUNTERSIGN_TLS_CERTIFICATE_FILE"], settings["COUNTERSIGN_TLS_KEY_FILE"] = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
			writeCertificate(t, settings["COUNTERSIGN_TLS_CERTIFICATE_FILE"], settings["COUNTERSIGN_TLS_KEY_FILE"])
		}
		cfg, err := w.withSettings(settings)()
		mustDo(t, err)
		s, err := newServer(t.Context(), cfg, zerolog.Nop(), pace{now: w.now})
		mustDo(t, err)
		settings["COUNTERSIGN_LISTEN"] = s.listener.Addr().String()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		if err := health(t, settings); err != nil {
			t.Errorf("secure %t: %v", secure, err)
		}
		stop()
		mustDo(t, <-ended)
		if err := health(t, settings); err == nil || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("secure %t: of a server that has ended: %v", secure, err)
		}
	}
}

func TestHealthIsTheServersOwn(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if err := health(t, nil, "--url", other.URL); err == nil || !strings.Contains(err.Error(), "answers 404") {
		t.Errorf("of something else: %v", err)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer elsewhere.Close()
	if err := health(t, nil, "--url", elsewhere.URL); err == nil || !strings.Contains(err.Error(), "answers 302") {
		t.Errorf("of a redirect: %v", err)
	}
}

func TestHealthFindsTheServer(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:8080", ":9000": "http://127.0.0.1:9000", "0.0.0.0:80": "http://127.0.0.1:80",
		"[::]:80": "http://[::1]:80", "10.1.2.3:80": "http://10.1.2.3:80", "inner.example:80": "http://inner.example:80",
	} {
		got, err := localAddress(func(name string) string { return map[string]string{"COUNTERSIGN_LISTEN": listen}[name] })
		if err != nil || got != want {
			t.Errorf("%q is asked at %q (%v), want %q", listen, got, err, want)
		}
	}
	if _, err := localAddress(func(string) string { return "8080" }); err == nil {
		t.Error("a port alone is taken")
	}
}
