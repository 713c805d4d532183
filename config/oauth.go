package config

import (
	"errors"
	"fmt"
	"strings"
)

// CallbackPath is where GitHub sends a browser back to after a sign-in, below PublicURL.
const CallbackPath = "/api/github/auth"

// OAuth is how the App signs people in, for the pages. Left out, nobody can sign in.
type OAuth struct {
	// ClientID stands on the App's settings page on GitHub; it is not the App ID.
	ClientID string `yaml:"client_id"`
	// ClientSecret is made on that page, or ClientSecretFile names the file that has it.
	ClientSecret     string `yaml:"client_secret"`
	ClientSecretFile string `yaml:"client_secret_file"`
}

// CallbackURL has to be one of the App's callback URLs on GitHub, to the letter.
func (c *Config) CallbackURL() string { return c.PublicURL + CallbackPath }

func (c *Config) readClientSecret(files func(string) ([]byte, error)) error {
	o := &c.GitHub.OAuth
	if o.ClientSecretFile == "" {
		return nil
	}
	if o.ClientSecret != "" {
		return errors.New("config: GITHUB_OAUTH_CLIENT_SECRET and GITHUB_OAUTH_CLIENT_SECRET_FILE are both set: keep one")
	}
	text, err := files(o.ClientSecretFile)
	if err != nil {
		return fmt.Errorf("config: github.oauth.client_secret_file: %w\n  hint: put the client secret of the App's settings page on GitHub into it, readable for the account that runs countersign", err)
	}
	if o.ClientSecret = strings.TrimSpace(string(text)); o.ClientSecret == "" {
		return fmt.Errorf("config: github.oauth.client_secret_file: %s has no secret in it\n  hint: make a client secret on the App's settings page on GitHub", o.ClientSecretFile)
	}
	return nil
}

// checkOAuth refuses half a sign-in.
func (c *Config) checkOAuth() error {
	o := c.GitHub.OAuth
	switch hasSecret := o.ClientSecret != "" || o.ClientSecretFile != ""; {
	case o.ClientID == "" && hasSecret:
		return errors.New("config: GITHUB_OAUTH_CLIENT_ID: is not set, and the client secret is\n  hint: the client ID on the App's settings page on GitHub, which is not the App ID; without both nobody can sign in")
	case o.ClientID != "" && !hasSecret:
		return errors.New("config: GITHUB_OAUTH_CLIENT_SECRET: is not set, and GITHUB_OAUTH_CLIENT_ID is\n  hint: make a client secret on the App's settings page on GitHub, or set GITHUB_OAUTH_CLIENT_SECRET_FILE; without both nobody can sign in")
	}
	return nil
}
