package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/ledger"
)

// signingKey reads the key that signs checkpoints. The first start makes one: there is
// nothing that a person could add to it.
func signingKey(cfg *config.Config, log zerolog.Logger) (*ledger.Key, error) {
	secret, err := os.ReadFile(cfg.SigningKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		secret, err = makeSigningKey(cfg, log)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w\n  hint: COUNTERSIGN_SIGNING_KEY_FILE names the file; the account that runs countersign must be able to read it", err)
	}
	key, err := ledger.ParseKey(string(secret))
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w\n  hint: restore the file from its backup; a log is continued by the key that began it", cfg.SigningKeyFile, err)
	}
	return key, nil
}

// makeSigningKey writes a new key, unless there is a database already: its log was
// signed by a key that is now missing, and a new one would look like a forgery.
func makeSigningKey(cfg *config.Config, log zerolog.Logger) ([]byte, error) {
	database := strings.TrimPrefix(cfg.DatabaseURL, "sqlite:")
	if _, err := os.Stat(database); err == nil {
		return nil, fmt.Errorf("%s is missing but the database %s exists: its log was signed by the missing key. Restore the key from its backup", cfg.SigningKeyFile, database)
	}
	secret, public, err := ledger.GenerateKey(rand.Reader, cfg.LogOrigin())
	if err != nil {
		return nil, err
	}
	if err := writeOnce(cfg.SigningKeyFile, secret+"\n"); err != nil {
		return nil, err
	}
	log.Warn().Str("file", cfg.SigningKeyFile).Str("public", public).Msg("made a new signing key: back it up, and give the public one to your auditor")
	return []byte(secret), nil
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
