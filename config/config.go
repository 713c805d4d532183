// Package config reads the settings of countersign from a YAML file and the
// environment, and says everything that is wrong with them at once.
//
// GitHub's settings keep the names that Apps built on go-githubapp use, so that an
// admin who runs one of those already knows them.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Config is the whole of the settings. The environment wins over the file.
type Config struct {
	// Listen is the address of the HTTP server, host:port. Default ":8080".
	Listen string `yaml:"listen"`
	// MetricsListen is the address at which /metrics is served, host:port, apart from everything else.
	// Default: it is not served. Example "127.0.0.1:9090".
	MetricsListen string `yaml:"metrics_listen"`
	// OTLPEndpoint is where a collector of OpenTelemetry takes traces over HTTP; "/v1/traces" is added.
	// Default: none are made. Example "http://127.0.0.1:4318".
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// PublicURL is where people and GitHub reach the server, without a trailing slash.
	// Its host names the decision log. Example "https://countersign.example.com".
	PublicURL string `yaml:"public_url"`
	// DatabaseURL is "sqlite:PATH", or "postgres://USER:PASSWORD@HOST/DATABASE" with the parameters
	// of libpq. Default "sqlite:countersign.db".
	DatabaseURL string `yaml:"database_url"`
	// SigningKeyFile holds the key that signs checkpoints; serve makes it when it is
	// missing and the log is empty. Default "countersign.key".
	SigningKeyFile string `yaml:"signing_key_file"`
	// OldSigningKeyFile holds the key that signed before SigningKeyFile, while the logs are handed
	// over to the new one: at the next start. Default: none.
	OldSigningKeyFile string `yaml:"old_signing_key_file"`
	// AppFolder is where setup keeps the App that it registered: see AppFile. Default "countersign-app".
	AppFolder string `yaml:"app_folder"`
	// TLSCertificateFile and TLSKeyFile hold the certificate, with those between it and its root,
	// and its key, in PEM. With them the server speaks HTTPS and nothing else. Default: none.
	TLSCertificateFile string `yaml:"tls_certificate_file"`
	TLSKeyFile         string `yaml:"tls_key_file"`
	// BundleFolder is where bundles of evidence are made that people ask for on the pages, for a day; it
	// is made when it is missing. Default: "bundles" beside a SQLite database, and with PostgreSQL
	// "countersign-bundles" in the system's folder for temporary files.
	BundleFolder string `yaml:"bundle_folder"`
	// Bucket is where bundles are put as well, locked. Default: nowhere.
	Bucket Bucket `yaml:"bucket"`
	// LogLevel is "debug", "info", "warn" or "error". Default "info".
	LogLevel string `yaml:"log_level"`
	// Workers is how many subjects are evaluated at a time. Default 32.
	Workers int `yaml:"workers"`
	// WritesPerMinute is how often each installation of the App may write to GitHub in a minute, over
	// all servers on one database. Default 60: GitHub takes 80. More is for an Enterprise Server whose
	// limits are others or off.
	WritesPerMinute int    `yaml:"writes_per_minute"`
	GitHub          GitHub `yaml:"github"`
	// Notifications are who is told of exceptions; in the file only. Default: nobody.
	Notifications []Notification `yaml:"notifications"`
	// Witnesses cosign the checkpoints of every log; in the file only. Default: nobody does.
	Witnesses []Witness `yaml:"witnesses"`

	// Retention is how long what is kept, by organisation; in the file only. Default: all of the log
	// for ever, raw payloads of webhooks for 30 days.
	Retention []Retention `yaml:"retention"`

	// Access is who has which role, by organisation; in the file only. Default: owners are admins, and
	// whoever can read a repository sees it.
	Access []Access `yaml:"access"`

	// Trackers are where the tickets are that changes name; in the file only. Default: none is linked.
	Trackers []Tracker `yaml:"trackers"`

	// unread are the environment variables whose text could not be read, which is said once.
	unread []string
}

// GitHub is how GitHub is reached, and as which App.
type GitHub struct {
	// WebURL, V3APIURL and V4APIURL are GitHub's; left out they are github.com's.
	// For Enterprise Server: https://HOST, https://HOST/api/v3/, https://HOST/api/graphql.
	WebURL   string `yaml:"web_url"`
	V3APIURL string `yaml:"v3_api_url"`
	V4APIURL string `yaml:"v4_api_url"`
	App      App    `yaml:"app"`
	OAuth    OAuth  `yaml:"oauth"`
}

// App is the GitHub App's identity and secrets.
type App struct {
	// IntegrationID is the App's numeric id.
	IntegrationID int64 `yaml:"integration_id"`
	// WebhookSecrets are accepted side by side while a secret is rotated. WebhookSecretsFile
	// names a file that has them instead, one in a line.
	WebhookSecrets     []string `yaml:"webhook_secrets"`
	WebhookSecretsFile string   `yaml:"webhook_secrets_file"`
	// PrivateKey is the App's key in PEM, or PrivateKeyFile names the file that has it.
	PrivateKey     string `yaml:"private_key"`
	PrivateKeyFile string `yaml:"private_key_file"`
}

// setting ties an environment variable to the field that it sets.
type setting struct {
	env string
	set func(c *Config, value string) error
}

var settings = []setting{
	{"COUNTERSIGN_LISTEN", text(func(c *Config) *string { return &c.Listen })},
	{"COUNTERSIGN_METRICS_LISTEN", text(func(c *Config) *string { return &c.MetricsListen })},
	{"OTEL_EXPORTER_OTLP_ENDPOINT", text(func(c *Config) *string { return &c.OTLPEndpoint })},
	{"COUNTERSIGN_PUBLIC_URL", text(func(c *Config) *string { return &c.PublicURL })},
	{"COUNTERSIGN_DATABASE_URL", text(func(c *Config) *string { return &c.DatabaseURL })},
	{"COUNTERSIGN_SIGNING_KEY_FILE", text(func(c *Config) *string { return &c.SigningKeyFile })},
	{"COUNTERSIGN_OLD_SIGNING_KEY_FILE", text(func(c *Config) *string { return &c.OldSigningKeyFile })},
	{"COUNTERSIGN_APP_FOLDER", text(func(c *Config) *string { return &c.AppFolder })},
	{"COUNTERSIGN_TLS_CERTIFICATE_FILE", text(func(c *Config) *string { return &c.TLSCertificateFile })},
	{"COUNTERSIGN_TLS_KEY_FILE", text(func(c *Config) *string { return &c.TLSKeyFile })},
	{"COUNTERSIGN_BUNDLE_FOLDER", text(func(c *Config) *string { return &c.BundleFolder })},
	{"COUNTERSIGN_BUCKET", text(func(c *Config) *string { return &c.Bucket.Name })},
	{"COUNTERSIGN_BUCKET_ENDPOINT", text(func(c *Config) *string { return &c.Bucket.Endpoint })},
	{"COUNTERSIGN_BUCKET_REGION", text(func(c *Config) *string { return &c.Bucket.Region })},
	{"COUNTERSIGN_BUCKET_PREFIX", text(func(c *Config) *string { return &c.Bucket.Prefix })},
	{"COUNTERSIGN_BUCKET_ACCESS_KEY_ID", text(func(c *Config) *string { return &c.Bucket.AccessKeyID })},
	{"COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY", text(func(c *Config) *string { return &c.Bucket.SecretAccessKey })},
	{"COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY_FILE", text(func(c *Config) *string { return &c.Bucket.SecretAccessKeyFile })},
	{"COUNTERSIGN_BUCKET_RETENTION", text(func(c *Config) *string { return &c.Bucket.Retention })},
	{"COUNTERSIGN_BUCKET_MODE", text(func(c *Config) *string { return &c.Bucket.Mode })},
	{"COUNTERSIGN_LOG_LEVEL", text(func(c *Config) *string { return &c.LogLevel })},
	{"COUNTERSIGN_WORKERS", number(func(c *Config) *int { return &c.Workers })},
	{"COUNTERSIGN_WRITES_PER_MINUTE", number(func(c *Config) *int { return &c.WritesPerMinute })},
	{"GITHUB_WEB_URL", text(func(c *Config) *string { return &c.GitHub.WebURL })},
	{"GITHUB_V3_API_URL", text(func(c *Config) *string { return &c.GitHub.V3APIURL })},
	{"GITHUB_V4_API_URL", text(func(c *Config) *string { return &c.GitHub.V4APIURL })},
	{"GITHUB_APP_INTEGRATION_ID", func(c *Config, v string) (err error) {
		c.GitHub.App.IntegrationID, err = strconv.ParseInt(v, 10, 64)
		return err
	}},
	{"GITHUB_APP_WEBHOOK_SECRET", func(c *Config, v string) error {
		c.GitHub.App.WebhookSecrets = strings.Split(v, ",")
		return nil
	}},
	{"GITHUB_APP_WEBHOOK_SECRETS_FILE", text(func(c *Config) *string { return &c.GitHub.App.WebhookSecretsFile })},
	{"GITHUB_APP_PRIVATE_KEY", text(func(c *Config) *string { return &c.GitHub.App.PrivateKey })},
	{"GITHUB_APP_PRIVATE_KEY_FILE", text(func(c *Config) *string { return &c.GitHub.App.PrivateKeyFile })},
	{"GITHUB_OAUTH_CLIENT_ID", text(func(c *Config) *string { return &c.GitHub.OAuth.ClientID })},
	{"GITHUB_OAUTH_CLIENT_SECRET", text(func(c *Config) *string { return &c.GitHub.OAuth.ClientSecret })},
	{"GITHUB_OAUTH_CLIENT_SECRET_FILE", text(func(c *Config) *string { return &c.GitHub.OAuth.ClientSecretFile })},
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = v
		return nil
	}
}

func number(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		*field(c), err = strconv.Atoi(v)
		return err
	}
}

// Load reads the YAML file at path (none when path is empty), lets the environment
// override it, fills the defaults in, reads the private key and validates the whole.
//
// The error joins every problem found; each names the setting, what it has and what
// it may be. No secret's value is ever part of an error.
func Load(path string, getenv func(string) string, files func(string) ([]byte, error)) (*Config, error) {
	c, problems := read(path, getenv, files)
	problems = append(problems, c.readPrivateKey(files), c.readWebhookSecrets(files), c.readClientSecret(files), c.readNotifications(files), c.readRetention(), c.readBucket(files), c.Validate())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return c, nil
}

// read reads the file, the environment and the App's folder, and fills the defaults in.
func read(path string, getenv func(string) string, files func(string) ([]byte, error)) (c *Config, problems []error) {
	c = &Config{}
	if path != "" {
		if err := c.readFile(path, files); err != nil {
			problems = append(problems, err)
		}
	}
	for _, s := range settings {
		value := getenv(s.env)
		if value == "" {
			continue
		}
		if err := s.set(c, value); err != nil {
			problems = append(problems, fmt.Errorf("config: %s: must be a whole number", s.env))
			c.unread = append(c.unread, s.env)
		}
	}
	c.defaults()
	if err := c.readAppFolder(files); err != nil {
		problems = append(problems, err)
	}
	return c, problems
}

func (c *Config) readFile(path string, files func(string) ([]byte, error)) error {
	src, err := files(path)
	if err != nil {
		return fmt.Errorf("config: %s: %w\n  hint: create it, or leave --config out and use the environment", path, err)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(src), yaml.WithKnownFields())
	if err != nil {
		return fmt.Errorf("config: %s: %w", path, err)
	}
	if err := loader.Load(c); err != nil {
		return fmt.Errorf("config: %s: %s\n  hint: the README lists the settings", path, withoutValues(err))
	}
	return nil
}

// unknownKey is what the YAML library says of a key that no setting has.
var unknownKey = regexp.MustCompile(`^field (.+) not found in type \S+$`)

// withoutValues says where a file cannot be used, and names an unknown key. The YAML library
// also quotes the beginning of what it could not use, and that may be a secret.
func withoutValues(err error) string {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = &yaml.LoadErrors{Errors: []*yaml.LoadError{one}}
	default:
		return "is empty, or is not YAML"
	}
	var out []string
	for _, e := range all.Errors {
		what := "is not YAML, or has a value that does not fit its setting"
		if m := unknownKey.FindStringSubmatch(e.Message); m != nil {
			what = "there is no setting " + m[1]
		}
		if e.Mark.Line > 0 {
			what = fmt.Sprintf("line %d: %s", e.Mark.Line, what)
		}
		out = append(out, what)
	}
	return strings.Join(out, "; ")
}

func (c *Config) defaults() {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&c.Listen, ":8080"},
		{&c.DatabaseURL, "sqlite:countersign.db"},
		{&c.SigningKeyFile, "countersign.key"},
		{&c.AppFolder, "countersign-app"},
		{&c.LogLevel, "info"},
		{&c.GitHub.WebURL, "https://github.com"},
		{&c.GitHub.V3APIURL, "https://api.github.com/"},
		{&c.GitHub.V4APIURL, "https://api.github.com/graphql"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if file, sqlite := strings.CutPrefix(c.DatabaseURL, "sqlite:"); c.BundleFolder == "" && sqlite {
		c.BundleFolder = filepath.Join(filepath.Dir(file), "bundles")
	} else if c.BundleFolder == "" {
		c.BundleFolder = filepath.Join(os.TempDir(), "countersign-bundles")
	}
	if c.Workers == 0 {
		c.Workers = 32
	}
	if c.WritesPerMinute == 0 {
		c.WritesPerMinute = 60
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
}

func (c *Config) readPrivateKey(files func(string) ([]byte, error)) error {
	app := &c.GitHub.App
	if app.PrivateKeyFile == "" {
		return nil
	}
	if app.PrivateKey != "" {
		return errors.New("config: GITHUB_APP_PRIVATE_KEY and GITHUB_APP_PRIVATE_KEY_FILE are both set: keep one")
	}
	pem, err := files(app.PrivateKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("config: github.app.private_key_file: %w\n  hint: download the App's private key from its settings page on GitHub and put it at %s", err, app.PrivateKeyFile)
	}
	if err != nil {
		return fmt.Errorf("config: github.app.private_key_file: %w\n  hint: make it readable for the account that runs countersign", err)
	}
	app.PrivateKey = string(pem)
	return nil
}

func (c *Config) readWebhookSecrets(files func(string) ([]byte, error)) error {
	app := &c.GitHub.App
	if app.WebhookSecretsFile == "" {
		return nil
	}
	if len(app.WebhookSecrets) > 0 {
		return errors.New("config: GITHUB_APP_WEBHOOK_SECRET and GITHUB_APP_WEBHOOK_SECRETS_FILE are both set: keep one")
	}
	text, err := files(app.WebhookSecretsFile)
	if err != nil {
		return fmt.Errorf("config: github.app.webhook_secrets_file: %w\n  hint: put the secret of the App's webhook settings into it, readable for the account that runs countersign", err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			app.WebhookSecrets = append(app.WebhookSecrets, line)
		}
	}
	if len(app.WebhookSecrets) == 0 {
		return fmt.Errorf("config: github.app.webhook_secrets_file: %s has no secret in it\n  hint: write one in a line; while one is rotated, the old one and the new one", app.WebhookSecretsFile)
	}
	return nil
}
