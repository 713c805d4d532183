// Package countersign holds the GitHub App manifest: what the App asks an organisation
// for, and why. The program is in cmd/countersign.
package countersign

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v4"
)

//go:embed app.yml
var appManifest []byte

// Manifest is the part of app.yml that says where the App is, what it may do and what it hears of.
type Manifest struct {
	Hook struct {
		URL string `yaml:"url"`
	} `yaml:"hook_attributes"`
	CallbackURLs []string `yaml:"callback_urls"`
	// Permissions are levels ("read", "write") by GitHub's names of permissions.
	Permissions map[string]string `yaml:"default_permissions"`
	Events      []string          `yaml:"default_events"`
}

// ReadManifest parses app.yml.
func ReadManifest() (Manifest, error) {
	var m Manifest
	if err := yaml.Unmarshal(appManifest, &m); err != nil {
		return Manifest{}, fmt.Errorf("app.yml: %w", err)
	}
	return m, nil
}

// Registration is app.yml as GitHub takes it to register an App: JSON, with the App's name, where
// GitHub sends deliveries, and where it sends people back to who sign in, and who registers it.
//
// Source: https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
func Registration(name, hookURL, signInURL, redirectURL string) ([]byte, error) {
	var whole map[string]any
	if err := yaml.Unmarshal(appManifest, &whole); err != nil {
		return nil, fmt.Errorf("app.yml: %w", err)
	}
	whole["name"], whole["redirect_url"] = name, redirectURL
	whole["callback_urls"] = []string{signInURL}
	whole["hook_attributes"] = map[string]any{"url": hookURL, "active": true}
	return json.Marshal(whole)
}
