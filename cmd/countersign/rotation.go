package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
)

// rotateEvery is how often the files of secrets are looked at: a secret that leaked is out of use
// that soon.
const rotateEvery = 10 * time.Second

// rotation keeps the secrets that may change while the server runs as the settings have them: the
// webhook's, the App's key, its client secret and the certificate. Everything else holds until the next start.
type rotation struct {
	load       func() (*config.Config, error)
	intake     *gh.Intake
	connection *gh.Connection
	signIn     *gh.SignIn // nil: nobody signs in
	log        zerolog.Logger

	certificate atomic.Pointer[tls.Certificate] // nil: no TLS

	mu      sync.Mutex // one look at a time, and guards the rest: what is in use, and the problem that was told last
	webhook []string
	appKey  string
	client  string
	pair    [2][]byte // certificate and key, as in their files
	told    string
}

// startRotation takes the first secrets into use.
func startRotation(cfg *config.Config, log zerolog.Logger, intake *gh.Intake, connection *gh.Connection, signIn *gh.SignIn) (*rotation, error) {
	r := &rotation{
		load:   func() (*config.Config, error) { return cfg, nil },
		intake: intake, connection: connection, signIn: signIn, log: log,
		webhook: cfg.GitHub.App.WebhookSecrets, appKey: cfg.GitHub.App.PrivateKey, client: cfg.GitHub.OAuth.ClientSecret,
	}
	return r, r.takeCertificate(cfg)
}

// run looks until ctx ends.
func (r *rotation) run(ctx context.Context) { regularly(ctx, rotateEvery, r.look) }

// look takes up what is new. What cannot be used changes nothing, and is told once. Each secret is
// looked at by itself: a bad certificate keeps no leaked webhook secret in use.
func (r *rotation) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	cfg, err := r.load()
	if err == nil {
		r.takeClientSecret(cfg)
		err = errors.Join(r.takeWebhook(cfg), r.takeAppKey(cfg), r.takeCertificate(cfg))
	}
	switch {
	case err == nil:
		r.told = ""
	case err.Error() != r.told:
		r.told = err.Error()
		r.log.Error().Err(err).Msg("the settings cannot be used as they are now: what was in use stays so, and the next start would fail")
	}
}

func (r *rotation) takeWebhook(cfg *config.Config) error {
	secrets := cfg.GitHub.App.WebhookSecrets
	if slices.Equal(secrets, r.webhook) {
		return nil
	}
	if err := r.intake.Use(secrets); err != nil {
		return fmt.Errorf("webhook secrets: %w", err)
	}
	r.webhook = secrets
	r.log.Info().Int("accepted", len(secrets)).Msg("webhook secrets were changed")
	return nil
}

func (r *rotation) takeAppKey(cfg *config.Config) error {
	key := cfg.GitHub.App.PrivateKey
	if key == r.appKey {
		return nil
	}
	if err := r.connection.UseKey([]byte(key)); err != nil {
		return err
	}
	r.appKey = key
	r.log.Info().Msg("the App's private key was changed")
	return nil
}

// takeClientSecret does not begin or end sign-in: that is for the next start.
func (r *rotation) takeClientSecret(cfg *config.Config) {
	secret := cfg.GitHub.OAuth.ClientSecret
	if r.signIn == nil || secret == "" || secret == r.client {
		return
	}
	r.signIn.UseSecret(secret)
	r.client = secret
	r.log.Info().Msg("the App's client secret was changed")
}

func (r *rotation) takeCertificate(cfg *config.Config) error {
	if cfg.TLSCertificateFile == "" {
		return nil
	}
	var pair [2][]byte
	for i, name := range []string{cfg.TLSCertificateFile, cfg.TLSKeyFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("TLS certificate: %w\n  hint: COUNTERSIGN_TLS_CERTIFICATE_FILE and COUNTERSIGN_TLS_KEY_FILE name the two files; the account that runs countersign must be able to read them", err)
		}
		pair[i] = text
	}
	if bytes.Equal(pair[0], r.pair[0]) && bytes.Equal(pair[1], r.pair[1]) {
		return nil
	}
	certificate, err := tls.X509KeyPair(pair[0], pair[1])
	if err != nil {
		// Both files may be on their way: the next look finds the other one.
		return fmt.Errorf("TLS certificate %s with key %s: %w", cfg.TLSCertificateFile, cfg.TLSKeyFile, err)
	}
	r.certificate.Store(&certificate)
	r.pair = pair
	r.log.Info().Time("until", certificate.Leaf.NotAfter).Msg("TLS certificate is in use")
	return nil
}

// tls is how the server speaks TLS; nil: it does not.
func (r *rotation) tls() *tls.Config {
	if r.certificate.Load() == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.certificate.Load(), nil },
	}
}
