package config

import (
	"io/fs"
	"strings"
	"testing"
)

func TestOAuth(t *testing.T) {
	files := func(name string) ([]byte, error) {
		text, ok := map[string]string{"secret": "s3cret\n", "empty": " \n"}[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	}
	const id, secret, file = "GITHUB_OAUTH_CLIENT_ID", "GITHUB_OAUTH_CLIENT_SECRET", "GITHUB_OAUTH_CLIENT_SECRET_FILE"
	for name, c := range map[string]struct {
		set  []string
		says string // empty: fine
		want OAuth
	}{
		"none":         {nil, "", OAuth{}},
		"both":         {[]string{id, "Iv1", secret, "s3cret"}, "", OAuth{ClientID: "Iv1", ClientSecret: "s3cret"}},
		"from a file":  {[]string{id, "Iv1", file, "secret"}, "", OAuth{ClientID: "Iv1", ClientSecret: "s3cret", ClientSecretFile: "secret"}},
		"no id":        {[]string{secret, "s3cret"}, "GITHUB_OAUTH_CLIENT_ID: is not set", OAuth{}},
		"no secret":    {[]string{id, "Iv1"}, "GITHUB_OAUTH_CLIENT_SECRET: is not set", OAuth{}},
		"two secrets":  {[]string{id, "Iv1", secret, "s3cret", file, "secret"}, "are both set: keep one", OAuth{}},
		"no file":      {[]string{id, "Iv1", file, "nowhere"}, "github.oauth.client_secret_file: open nowhere", OAuth{}},
		"an empty one": {[]string{id, "Iv1", file, "empty"}, "has no secret in it", OAuth{}},
	} {
		cfg, err := Load("", env(append(c.set, good...)...), files)
		if (err == nil) != (c.says == "") {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
			continue
		}
		if err != nil && (strings.Count(err.Error(), "config: ") != 1 || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %v, want %q once and no secret", name, err, c.says)
		}
		if err == nil && (cfg.GitHub.OAuth != c.want || cfg.CallbackURL() != "https://countersign.example.com/api/github/auth") {
			t.Errorf("%s: got %+v, %s", name, cfg.GitHub.OAuth, cfg.CallbackURL())
		}
	}
	cfg, err := Load("c.yml", env(good...), func(string) ([]byte, error) {
		return []byte("github:\n  oauth: {client_id: Iv1, client_secret: x}\n"), nil
	})
	if err != nil || cfg.GitHub.OAuth != (OAuth{ClientID: "Iv1", ClientSecret: "x"}) {
		t.Errorf("from the settings file: %v", err)
	}
}
