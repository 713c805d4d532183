package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Validate checks every setting and reports all problems at once.
func (c *Config) Validate() error { return errors.Join(c.validateServer(), c.validateApp()) }

// validateServer checks everything but the App.
func (c *Config) validateServer() error {
	var problems []error
	bad := func(setting, rule string, args ...any) {
		problems = append(problems, fmt.Errorf("config: "+setting+": "+rule, args...))
	}
	if why := checkListen(c.MetricsListen); why != "" && c.MetricsListen != "" {
		bad("COUNTERSIGN_METRICS_LISTEN", "is %q, %s\n  hint: write host:port, for example 127.0.0.1:9090, or leave it out", c.MetricsListen, why)
	}
	if why := checkListen(c.Listen); why != "" {
		bad("COUNTERSIGN_LISTEN", "is %q, %s\n  hint: write host:port, for example 127.0.0.1:8080, or :8080 for every address of this machine", c.Listen, why)
	}
	if c.Workers < 1 || c.Workers > 1024 {
		bad("COUNTERSIGN_WORKERS", "is %d, must be 1 to 1024", c.Workers)
	}
	if c.WritesPerMinute < 1 || c.WritesPerMinute > 1_000_000 {
		bad("COUNTERSIGN_WRITES_PER_MINUTE", "is %d, must be 1 to 1000000\n  hint: leave it out, unless your GitHub Enterprise Server has other limits than github.com", c.WritesPerMinute)
	}
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, c.LogLevel) {
		bad("COUNTERSIGN_LOG_LEVEL", "is %q, must be one of %s", c.LogLevel, strings.Join(levels, ", "))
	}
	if !databaseURL(c.DatabaseURL) {
		// It may hold a password, so it is not shown.
		bad("COUNTERSIGN_DATABASE_URL", "must be sqlite:PATH, for example sqlite:countersign.db, or postgres://USER:PASSWORD@HOST/DATABASE")
	}
	if c.OldSigningKeyFile == c.SigningKeyFile {
		bad("COUNTERSIGN_OLD_SIGNING_KEY_FILE", "is the same file as COUNTERSIGN_SIGNING_KEY_FILE\n  hint: move the old key to another name; the next start makes a new one")
	}
	if c.PublicURL == "" {
		bad("COUNTERSIGN_PUBLIC_URL", "is not set\n  hint: the address at which GitHub reaches this server, for example https://countersign.example.com; its host names the decision log")
	} else {
		problems = append(problems, checkURL("COUNTERSIGN_PUBLIC_URL", c.PublicURL))
	}
	if c.OTLPEndpoint != "" {
		problems = append(problems, checkURL("OTEL_EXPORTER_OTLP_ENDPOINT", c.OTLPEndpoint))
	}
	problems = append(problems,
		checkURL("GITHUB_WEB_URL", c.GitHub.WebURL),
		checkURL("GITHUB_V3_API_URL", c.GitHub.V3APIURL),
		checkURL("GITHUB_V4_API_URL", c.GitHub.V4APIURL))
	if (c.TLSCertificateFile == "") != (c.TLSKeyFile == "") {
		bad("COUNTERSIGN_TLS_CERTIFICATE_FILE", "and COUNTERSIGN_TLS_KEY_FILE are set together or not at all")
	}
	problems = append(problems, c.checkWitnesses(), c.checkAccess(), c.checkTrackers())
	return errors.Join(problems...)
}

// validateApp checks the App.
func (c *Config) validateApp() error {
	var problems []error
	bad := func(setting, rule string, args ...any) {
		problems = append(problems, fmt.Errorf("config: "+setting+": "+rule, args...))
	}
	if id := c.GitHub.App.IntegrationID; id < 0 {
		bad("GITHUB_APP_INTEGRATION_ID", "is %d, must be above 0", id)
	} else if id == 0 && !slices.Contains(c.unread, "GITHUB_APP_INTEGRATION_ID") {
		bad("GITHUB_APP_INTEGRATION_ID", "is not set\n  hint: the App ID on the App's settings page on GitHub; countersign setup registers an App")
	}
	if c.GitHub.App.PrivateKey == "" && c.GitHub.App.PrivateKeyFile == "" {
		bad("GITHUB_APP_PRIVATE_KEY", "is not set\n  hint: set it, or GITHUB_APP_PRIVATE_KEY_FILE to the file that GitHub let you download")
	}
	if c.GitHub.App.WebhookSecretsFile == "" {
		problems = append(problems, checkSecrets(c.GitHub.App.WebhookSecrets))
	}
	problems = append(problems, c.checkOAuth())
	return errors.Join(problems...)
}

// databaseURL says whether a URL is of a database that we know. The store reads the rest of it.
func databaseURL(u string) bool {
	path, isFile := strings.CutPrefix(u, "sqlite:")
	return isFile && path != "" || strings.HasPrefix(u, "postgres://") || strings.HasPrefix(u, "postgresql://")
}

// checkListen says what is wrong with an address to listen on; empty: nothing.
func checkListen(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "which is not host:port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "whose port is not a number from 0 to 65535"
	}
	return ""
}

// checkSecrets refuses an empty secret: with one, anybody could sign a delivery.
func checkSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("config: GITHUB_APP_WEBHOOK_SECRET: is not set\n  hint: without it anybody could send webhooks; use the secret of the App's webhook settings")
	}
	for i, s := range secrets {
		if strings.TrimSpace(s) == "" {
			return fmt.Errorf("config: GITHUB_APP_WEBHOOK_SECRET: secret %d of %d is empty; separate secrets by one comma", i+1, len(secrets))
		}
	}
	return nil
}

func checkURL(setting, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("config: %s: is %q, must be an http or https address with a host", setting, raw)
	}
	return nil
}

// LogOrigin is the name of the decision log: the host of the public URL.
func (c *Config) LogOrigin() string {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return ""
	}
	return u.Host
}
