package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// settings reads the settings; false: with these nothing else can be looked at.
func (e *examination) settings() bool {
	cfg, err := e.Load()
	if err != nil {
		for _, problem := range apart(err) {
			what, remedy, _ := strings.Cut(strings.TrimPrefix(problem.Error(), "config: "), "\n  hint: ")
			setting, rest, ok := strings.Cut(what, ": ")
			if !ok {
				setting, rest = "settings", what
			}
			e.find(Finding{Severity: High, Check: checkSettings, Subject: setting, What: rest, Remedy: cmp.Or(remedy, "Correct it; docs/operations.md and the README list the settings.")})
		}
		e.find(Finding{Severity: High, Check: checkSettings, Subject: "everything else", What: "was not looked at, because it needs the settings.",
			Remedy: "Correct the settings and run doctor again, in the environment in which countersign serve runs."})
		return false
	}
	e.cfg = cfg
	e.github, err = gh.Connect(gh.Settings{
		V3URL: cfg.GitHub.V3APIURL, V4URL: cfg.GitHub.V4APIURL, AppID: cfg.GitHub.App.IntegrationID,
		PrivateKey: []byte(cfg.GitHub.App.PrivateKey), UserAgent: e.UserAgent, Now: e.Now,
	})
	if err != nil {
		e.find(Finding{Severity: High, Check: checkAppKey, Subject: "GITHUB_APP_PRIVATE_KEY", What: "It cannot be used: " + err.Error(),
			Remedy: "Download a private key from the App's settings on GitHub, and name it in GITHUB_APP_PRIVATE_KEY_FILE. Nothing on GitHub was looked at."})
		return false
	}
	return true
}

// apart are the errors that were joined.
func apart(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var out []error
	for _, one := range joined.Unwrap() {
		out = append(out, apart(one)...)
	}
	return out
}

// files looks at who may read the files that hold secrets.
func (e *examination) files() {
	app := e.cfg.GitHub.App
	for _, file := range []struct{ setting, name string }{
		{"COUNTERSIGN_SIGNING_KEY_FILE", e.cfg.SigningKeyFile}, {"COUNTERSIGN_OLD_SIGNING_KEY_FILE", e.cfg.OldSigningKeyFile},
		{"COUNTERSIGN_TLS_KEY_FILE", e.cfg.TLSKeyFile}, {"GITHUB_APP_PRIVATE_KEY_FILE", app.PrivateKeyFile}, {"GITHUB_APP_WEBHOOK_SECRETS_FILE", app.WebhookSecretsFile},
		{"GITHUB_OAUTH_CLIENT_SECRET_FILE", e.cfg.GitHub.OAuth.ClientSecretFile}, {"COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY_FILE", e.cfg.Bucket.SecretAccessKeyFile},
	} {
		setting, name := file.setting, file.name
		info, err := os.Stat(name)
		if err != nil {
			continue // whoever uses the file says that it is missing
		}
		switch mode := info.Mode().Perm(); {
		case mode&0o007 != 0:
			e.find(Finding{Severity: High, Check: checkFileMode, Subject: setting, What: fmt.Sprintf("Everybody on this machine may use %s (mode %04o).", name, mode),
				Remedy: "chmod 600 " + name + ", and replace what is in it if others have been on the machine."})
		case mode&0o070 != 0:
			e.find(Finding{Severity: Low, Check: checkFileMode, Subject: setting, What: fmt.Sprintf("The group of %s may use it too (mode %04o).", name, mode),
				Remedy: "chmod 600 " + name + ", unless the group is the server's alone."})
		}
	}
}

// database opens the database as it is, and compares its logs with the signing key.
func (e *examination) database(ctx context.Context) {
	key := e.signingKey()
	st, err := store.OpenExisting(ctx, store.Options{URL: e.cfg.DatabaseURL, Signer: key, AsItIs: true, Now: e.Now})
	const setting = "COUNTERSIGN_DATABASE_URL"
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.find(Finding{Severity: Medium, Check: checkDatabase, Subject: setting, What: "There is no database yet.",
			Remedy: "Start countersign serve, which makes it. If it ran before, this is not its database: run doctor in the server's environment and folder."})
		return
	case errors.Is(err, store.ErrOlderDatabase):
		e.find(Finding{Severity: Medium, Check: checkDatabase, Subject: setting, What: first(err), Remedy: "Start countersign serve of this version, which brings the database to it, and run doctor again. What is in the database was not looked at."})
		return
	case err != nil:
		_, hint, _ := strings.Cut(err.Error(), "\nhint: ")
		e.find(Finding{Severity: High, Check: checkDatabase, Subject: setting, What: "It cannot be read and written: " + first(err), Remedy: cmp.Or(hint, "Make it reachable and writable for the account that runs countersign.")})
		return
	}
	e.store = st
	e.observe(checkDatabase, setting, "it can be read and written, and has the version of this program")
	e.space()
	e.logs(ctx, key)
}

// first is the first line of an error: what follows is a hint.
func first(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// The least that is free where a database file is. A busy organisation writes some ten megabytes a day.
const (
	leastFree  = 256 << 20
	littleFree = 2 << 30
)

// space looks at the room for a database file.
func (e *examination) space() {
	path, ok := strings.CutPrefix(e.cfg.DatabaseURL, "sqlite:")
	if !ok {
		return // the room of a PostgreSQL server cannot be seen from here
	}
	free, err := e.Free(filepath.Dir(path))
	f := Finding{Check: checkSpace, Subject: path, Remedy: "Make room: a delivery that cannot be written is refused. Raw payloads are kept for 30 days unless docs/retention.md is followed."}
	switch {
	case err != nil:
		f.Severity, f.What = Low, "How much room there is cannot be told: "+err.Error()
	case free < leastFree:
		f.Severity, f.What = High, fmt.Sprintf("Only %d MiB are free on its disk.", free>>20)
	case free < littleFree:
		f.Severity, f.What = Medium, fmt.Sprintf("Only %d MiB are free on its disk.", free>>20)
	default:
		return
	}
	e.find(f)
}

// signingKey reads the key that signs the logs; nil: it cannot be used, which is a finding.
func (e *examination) signingKey() *ledger.Key {
	const setting = "COUNTERSIGN_SIGNING_KEY_FILE"
	secret, err := os.ReadFile(e.cfg.SigningKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		e.find(Finding{Severity: High, Check: checkSigningKey, Subject: setting, What: fmt.Sprintf("There is no key at %s.", e.cfg.SigningKeyFile),
			Remedy: "If the server never ran, its first start makes it. Else restore it from its backup, or copy it from the other servers: a log is continued by the key that signed it."})
		return nil
	}
	var key *ledger.Key
	if err == nil {
		key, err = ledger.ParseKey(string(secret))
	}
	if err != nil {
		e.find(Finding{Severity: High, Check: checkSigningKey, Subject: setting, What: "The key cannot be used: " + err.Error(),
			Remedy: "Restore it from its backup, readable for the account that runs countersign."})
		return nil
	}
	e.observe(checkSigningKey, setting, "%s", key.Public())
	return key
}

// logs asks whether the key is the one that continues each log.
func (e *examination) logs(ctx context.Context, key *ledger.Key) {
	orgs, err := e.store.Orgs(ctx)
	if err != nil {
		e.find(Finding{Severity: High, Check: checkDatabase, Subject: "COUNTERSIGN_DATABASE_URL", What: "What is in it cannot be read: " + first(err), Remedy: "countersign ledger check looks at all of it."})
	}
	for _, org := range orgs {
		if key == nil {
			return
		}
		// Without an old key nothing is handed over, and nothing written.
		_, err := e.store.Tenant(org.ID).ContinueLog(ctx, nil)
		switch {
		case errors.Is(err, store.ErrOtherKey):
			e.find(Finding{Severity: High, Check: checkSigningKey, Subject: "the log of " + org.Login, What: "Another key signed it last, so nothing is published: " + first(err),
				Remedy: "Restore the key that signed last as COUNTERSIGN_SIGNING_KEY_FILE, or name it in COUNTERSIGN_OLD_SIGNING_KEY_FILE to hand the log over (docs/ledger.md)."})
		case err != nil:
			e.find(Finding{Severity: High, Check: checkLedger, Subject: "the log of " + org.Login, What: "It does not extend its newest checkpoint, so nothing is published: " + first(err),
				Remedy: "Run countersign ledger check, which says what does not hold; docs/ledger.md says what to do then."})
		}
	}
}

func (e *examination) close() {
	if e.store == nil {
		return
	}
	if err := e.store.Close(); err != nil {
		e.find(Finding{Severity: Medium, Check: checkDatabase, Subject: "COUNTERSIGN_DATABASE_URL", What: "It could not be closed: " + first(err), Remedy: "Look at its disk."})
	}
}
