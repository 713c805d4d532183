package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// signingKey reads the key that signs checkpoints. The first start makes one: there is
// nothing that a person could add to it.
func signingKey(ctx context.Context, cfg *config.Config, log zerolog.Logger) (*ledger.Key, error) {
	secret, err := os.ReadFile(cfg.SigningKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		secret, err = makeSigningKey(ctx, cfg, log)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w\n  hint: COUNTERSIGN_SIGNING_KEY_FILE names the file; the account that runs countersign must be able to read it", err)
	}
	return parseSigningKey(cfg.SigningKeyFile, secret)
}

// readSigningKey reads the key that --key names.
func readSigningKey(file string) (*ledger.Key, error) {
	secret, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w\n  hint: --key names the key that serve signs the log with", err)
	}
	return parseSigningKey(file, secret)
}

func parseSigningKey(file string, secret []byte) (*ledger.Key, error) {
	key, err := ledger.ParseKey(string(secret))
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w\n  hint: it is the file that serve made and signs with, whole, and not the public key. Restore it from its backup: a log is continued by the key that began it, or that it was handed over to", file, err)
	}
	return key, nil
}

// oldSigningKey is the key that hands the logs over; nil when the settings name none.
func oldSigningKey(cfg *config.Config) (*ledger.Key, error) {
	if cfg.OldSigningKeyFile == "" {
		return nil, nil
	}
	secret, err := os.ReadFile(cfg.OldSigningKeyFile)
	if err != nil {
		return nil, fmt.Errorf("old signing key: %w\n  hint: COUNTERSIGN_OLD_SIGNING_KEY_FILE names it; leave that out when the logs were handed over", err)
	}
	return parseSigningKey(cfg.OldSigningKeyFile, secret)
}

// continueLogs hands the logs over from the old key, and refuses a key that does not continue them:
// no check run could be published with it. A log that is broken is no reason not to serve the others.
func continueLogs(ctx context.Context, st *store.Store, cfg *config.Config, log zerolog.Logger) error {
	old, err := oldSigningKey(cfg)
	if err != nil {
		return err
	}
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		handedOver, err := st.Tenant(org.ID).ContinueLog(ctx, old)
		switch {
		case errors.Is(err, store.ErrOtherKey):
			return fmt.Errorf("the log of %s: %w\n  hint: restore the key that signed last as COUNTERSIGN_SIGNING_KEY_FILE, or name it in COUNTERSIGN_OLD_SIGNING_KEY_FILE to hand the logs over to a new one", org.Login, err)
		case err != nil:
			log.Error().Err(err).Str("organisation", org.Login).Msg("the log is not continued; countersign ledger check says what does not hold")
		case handedOver:
			log.Warn().Str("organisation", org.Login).Msg("the log was handed over to the new signing key: give its public key to your auditor and to the witnesses")
		}
	}
	return nil
}

// makeSigningKey writes a new key, unless there is a database already: its log was
// signed by a key that is now missing, and a new one would look like a forgery. It is none when the
// settings name the old key, which hands the log over.
func makeSigningKey(ctx context.Context, cfg *config.Config, log zerolog.Logger) ([]byte, error) {
	switch err := store.Exists(ctx, cfg.DatabaseURL); {
	case err == nil && cfg.OldSigningKeyFile == "":
		return nil, fmt.Errorf("%s is missing but the database exists: its log was signed by the missing key. Restore the key from its backup, or copy it from the other servers", cfg.SigningKeyFile)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	secret, public, err := writeNewKey(cfg.SigningKeyFile, cfg.LogOrigin())
	if err != nil {
		return nil, err
	}
	log.Warn().Str("file", cfg.SigningKeyFile).Str("public", public).Msg("made a new signing key: back it up, and give the public one to your auditor")
	return []byte(secret), nil
}

// writeNewKey makes a key for logs of this origin, in a file that is not there yet.
func writeNewKey(file, origin string) (secret, public string, err error) {
	if secret, public, err = ledger.GenerateKey(rand.Reader, origin); err != nil {
		return "", "", err
	}
	return secret, public, writeOnce(file, secret+"\n")
}

// writeOnce makes a file with all of the text or none: one that was cut short by a crash
// would stop every later start. It never replaces a file.
func writeOnce(path, text string) error {
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	_, err = part.WriteString(text)
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Link(part.Name(), path)
}
