package gh

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxInstalled is how many installations of the App are read at most.
const maxInstalled = 10000

// Registration is the App as it is registered on GitHub.
type Registration struct {
	App
	Owner Account
	// HTMLURL is the App's page for everybody.
	HTMLURL string
	// Permissions are levels ("read", "write", "admin") by GitHub's names of permissions.
	Permissions map[string]string
	Events      []string
}

// Registration reads what the App asks for. Unlike Self, nothing of it is remembered.
//
// Source: GET /app (https://docs.github.com/rest/apps/apps#get-the-authenticated-app).
func (c *Connection) Registration(ctx context.Context) (Registration, error) {
	var w struct {
		wireApp
		Owner       *wireAccount      `json:"owner"`
		HTMLURL     string            `json:"html_url"`
		Permissions map[string]string `json:"permissions"`
		Events      []string          `json:"events"`
	}
	err := c.asApp().read(ctx, "GET /app", nil, nil, &w)
	if err == nil && (w.ID != c.settings.AppID || w.Slug == "" || w.Permissions == nil || w.Events == nil) {
		err = unavailable("an answer about App %d, %q, where we are %d", w.ID, w.Slug, c.settings.AppID)
	}
	if err != nil {
		return Registration{}, fmt.Errorf("read how the App is registered: %w", err)
	}
	return Registration{App: w.app(), Owner: w.Owner.account(), HTMLURL: w.HTMLURL, Permissions: w.Permissions, Events: w.Events}, nil
}

// Installed is an installation of the App, with what the account granted: that may be less than
// the App asks for, until an owner agrees to more.
type Installed struct {
	ID          int64
	Account     Account
	HTMLURL     string // its settings
	Permissions map[string]string
	Events      []string
	SuspendedAt time.Time // zero: it is not
}

// Installations returns the App's installations. ErrTruncated above 10,000.
//
// Source: GET /app/installations.
func (c *Connection) Installations(ctx context.Context) ([]Installed, error) {
	all, err := list(ctx, c.asApp(), listing[Installed]{
		route: "GET /app/installations", limit: maxInstalled,
		decode: array(wireInstalled.installed),
		id:     func(i Installed) int64 { return i.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list the App's installations: %w", err)
	}
	return all, nil
}

type wireInstalled struct {
	ID          int64             `json:"id"`
	Account     *wireAccount      `json:"account"`
	HTMLURL     string            `json:"html_url"`
	Permissions map[string]string `json:"permissions"`
	Events      []string          `json:"events"`
	SuspendedAt *time.Time        `json:"suspended_at"`
}

func (w wireInstalled) installed() (Installed, error) {
	i := Installed{ID: w.ID, Account: w.Account.account(), HTMLURL: w.HTMLURL, Permissions: w.Permissions, Events: w.Events, SuspendedAt: utc(w.SuspendedAt)}
	if w.ID <= 0 || i.Account.ID <= 0 || i.Account.Login == "" || w.Permissions == nil || w.Events == nil {
		return i, errors.New("an installation without an id, an account or its permissions")
	}
	return i, nil
}

// HookConfig is where GitHub sends the App's deliveries, and how.
type HookConfig struct {
	URL         string // empty: the App has no webhook
	ContentType string // "json" or "form"
	// VerifiesTLS is false when GitHub does not look at the certificate of who it sends to.
	VerifiesTLS bool
	// HasSecret says whether deliveries are signed. GitHub does not show the secret.
	HasSecret bool
}

// HookConfig reads the settings of the App's webhook.
//
// Source: GET /app/hook/config.
func (c *Connection) HookConfig(ctx context.Context) (HookConfig, error) {
	var w struct {
		URL         string `json:"url"`
		ContentType string `json:"content_type"`
		Secret      string `json:"secret"`
		// A number or a text, says GitHub's description.
		InsecureSSL any `json:"insecure_ssl"`
	}
	if err := c.asApp().read(ctx, "GET /app/hook/config", nil, nil, &w); err != nil {
		return HookConfig{}, fmt.Errorf("read the settings of the App's webhook: %w", err)
	}
	insecure := fmt.Sprint(w.InsecureSSL)
	return HookConfig{URL: w.URL, ContentType: w.ContentType, HasSecret: w.Secret != "", VerifiesTLS: insecure == "0" || w.InsecureSSL == nil}, nil
}
