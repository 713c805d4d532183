package gh

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v62/github"
)

// Registered is an App that was just registered from a manifest, with its secrets: GitHub hands
// them out this once.
type Registered struct {
	App
	HTMLURL       string // its page, where it is installed
	PrivateKey    string // PEM
	WebhookSecret string
	// ClientID and ClientSecret are for signing people in.
	ClientID, ClientSecret string
}

// CompleteRegistration exchanges the code with which GitHub sent somebody back for the App that they
// registered. A code works once, and for an hour. ErrNotFound: it is not one, or was used.
//
// Source: POST /app-manifests/{code}/conversions.
func CompleteRegistration(ctx context.Context, s Settings, code string) (Registered, error) {
	client, err := nobody(s)
	if err != nil {
		return Registered{}, err
	}
	registered, err := client.completeRegistration(ctx, code)
	if err != nil {
		return Registered{}, fmt.Errorf("complete the registration of the App: %w", err)
	}
	return registered, nil
}

// nobody is a client without credentials.
func nobody(s Settings) (*Client, error) {
	s, err := s.complete()
	if err != nil {
		return nil, fmt.Errorf("connect to GitHub: %w", err)
	}
	inner, err := newTransport(s)
	if err != nil {
		return nil, err
	}
	api := github.NewClient(&http.Client{Transport: inner, Timeout: s.Timeout})
	api.UserAgent = s.UserAgent
	if api.BaseURL, err = url.Parse(strings.TrimSuffix(s.V3URL, "/") + "/"); err != nil {
		return nil, fmt.Errorf("connect to GitHub: %w", err)
	}
	return newClient(api, s, 0), nil
}

func (c *Client) completeRegistration(ctx context.Context, code string) (Registered, error) {
	a, err := c.call(ctx, "POST /app-manifests/{code}/conversions", []string{code}, nil, nil)
	if err != nil {
		return Registered{}, err
	}
	var w struct {
		wireApp
		HTMLURL       string `json:"html_url"`
		PEM           string `json:"pem"`
		WebhookSecret string `json:"webhook_secret"`
		ClientID      string `json:"client_id"`
		ClientSecret  string `json:"client_secret"`
	}
	if err := a.decode(&w); err != nil {
		return Registered{}, unavailable("an answer that does not parse") // it has secrets in it
	}
	if a.status != http.StatusCreated || w.ID <= 0 || w.Slug == "" || w.PEM == "" || w.WebhookSecret == "" {
		return Registered{}, unavailable("an App without an id, a slug, a key or a webhook secret")
	}
	return Registered{App: w.app(), HTMLURL: w.HTMLURL, PrivateKey: w.PEM, WebhookSecret: w.WebhookSecret, ClientID: w.ClientID, ClientSecret: w.ClientSecret}, nil
}
