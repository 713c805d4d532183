package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
)

// withSettings are the settings of a world's server, some of them other ones. They are read anew
// at each call, as the server does it.
func (w *acme) withSettings(other map[string]string) func() (*config.Config, error) {
	return func() (*config.Config, error) {
		settings, err := w.settings()
		if err != nil {
			return nil, err
		}
		for name, value := range other {
			settings[name] = value
		}
		return config.Load("", func(name string) string { return settings[name] }, os.ReadFile)
	}
}

// A webhook secret is rotated while the server runs: the new one is accepted beside the old one,
// and then alone. A file that cannot be used changes nothing.
func TestWebhookSecretsAreRotated(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	file := filepath.Join(t.TempDir(), "secrets")
	w.server.rotation.load = w.withSettings(map[string]string{"GITHUB_APP_WEBHOOK_SECRET": "", "GITHUB_APP_WEBHOOK_SECRETS_FILE": file})
	for _, step := range []struct {
		name, file string
		old, new   int
	}{
		{"both", hookSecret + "\n\nthe-new-one\n", 202, 202},
		{"an empty file", "\n", 202, 202},
		{"the new one", "the-new-one\n", 401, 202},
	} {
		mustDo(t, os.WriteFile(file, []byte(step.file), 0o600))
		w.server.rotation.look()
		for secret, want := range map[string]int{hookSecret: step.old, "the-new-one": step.new, "": 401} {
			if got := w.deliver(t, "ping", slug("rotation "+step.name+" "+secret), secret, []byte(`{"zen":"x"}`)); got != want {
				t.Errorf("%s: %q is answered with %d, want %d", step.name, secret, got, want)
			}
		}
	}
}

// The App's key is replaced on GitHub and in the settings, and what comes then is decided.
func TestTheAppsKeyIsReplaced(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.server.rotation.load = w.withSettings(nil)
	w.wantCheck(t, w.untested("before the key"), "in_progress")
	mustDo(t, w.app.ReplaceKey())
	w.app.Install(w.org).EndTokens()
	w.server.rotation.look()
	w.wantCheck(t, w.untested("after the key"), "in_progress")
	mustDo(t, w.server.worker.SweepDeliveries(t.Context())) // which is asked as the App
}

// The client secret is replaced on GitHub and in the settings, and people go on signing in.
func TestTheClientSecretIsReplaced(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.server.rotation.load = w.withSettings(nil)
	w.sim.SignedIn(w.sim.User("alice"))
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	signIn := func() error {
		const verifier = "a-verifier-is-43-to-128-characters-long-0123456789"
		answer, err := browser.Get(w.server.signIn.URL("state", verifier))
		mustDo(t, err)
		mustDo(t, answer.Body.Close())
		back, err := answer.Location()
		mustDo(t, err)
		_, err = w.server.signIn.Exchange(t.Context(), back.Query().Get("code"), verifier)
		return err
	}
	mustDo(t, signIn())
	w.app.ReplaceClientSecret()
	if err := signIn(); !errors.Is(err, gh.ErrSignInSettings) {
		t.Errorf("with the old secret: %v", err)
	}
	w.server.rotation.look()
	mustDo(t, signIn())
}

// The server speaks TLS with the certificate that its files have now, from version 1.2 on.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	first := writeCertificate(t, certificate, key)
	load := w.withSettings(map[string]string{
		"COUNTERSIGN_DATABASE_URL": "sqlite:" + filepath.Join(folder, "tls.db"), "COUNTERSIGN_SIGNING_KEY_FILE": filepath.Join(folder, "tls.signing"),
		"COUNTERSIGN_TLS_CERTIFICATE_FILE": certificate, "COUNTERSIGN_TLS_KEY_FILE": key,
	})
	cfg, err := load()
	mustDo(t, err)
	s, err := newServer(t.Context(), cfg, zerolog.Nop(), pace{now: w.now})
	mustDo(t, err)
	s.rotation.load = load
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- s.run(ctx) }()
	defer func() { stop(); mustDo(t, <-ended) }()

	address := s.listener.Addr().String()
	health := func(trusted *x509.Certificate, newest uint16) (*http.Response, error) {
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: newest}}}
		defer client.CloseIdleConnections()
		return client.Get("https://" + address + "/healthz")
	}
	answer, err := health(first, tls.VersionTLS13)
	mustDo(t, err)
	mustDo(t, answer.Body.Close())
	for name, want := range map[string]string{"Strict-Transport-Security": "max-age=31536000", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, err := health(first, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if plain, err := http.Get("http://" + address + "/healthz"); err == nil {
		mustDo(t, plain.Body.Close())
		if plain.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %s", plain.Status)
		}
	}
	second := writeCertificate(t, certificate, key)
	s.rotation.look()
	if _, err := health(first, tls.VersionTLS13); err == nil {
		t.Error("the old certificate is still shown")
	}
	if answer, err = health(second, tls.VersionTLS13); err != nil {
		t.Fatal(err)
	}
	mustDo(t, answer.Body.Close())
	mustDo(t, os.WriteFile(key, []byte("not a key"), 0o600))
	s.rotation.look()
	if answer, err = health(second, tls.VersionTLS13); err != nil {
		t.Fatalf("after a bad file: %v", err)
	}
	mustDo(t, answer.Body.Close())
}

// writeCertificate makes a certificate for this machine and writes it, with its key, into files.
func writeCertificate(t *testing.T, certificate, key string) *x509.Certificate {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustDo(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	mustDo(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}, &x509.Certificate{SerialNumber: serial}, &secret.PublicKey, secret)
	mustDo(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(secret)
	mustDo(t, err)
	mustDo(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	mustDo(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	mustDo(t, err)
	return parsed
}
