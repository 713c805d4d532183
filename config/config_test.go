package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

var good = []string{
	"COUNTERSIGN_PUBLIC_URL", "https://countersign.example.com/",
	"GITHUB_APP_INTEGRATION_ID", "123",
	"GITHUB_APP_WEBHOOK_SECRET", "new,old",
	"GITHUB_APP_PRIVATE_KEY", "pem",
}

func noFiles(name string) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func TestLoadFromEnvironment(t *testing.T) {
	c, err := Load("", env(good...), noFiles)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":8080" || c.GitHub.V4APIURL != "https://api.github.com/graphql" || c.Workers != 32 || c.WritesPerMinute != 60 {
		t.Errorf("defaults not filled in: %+v", c)
	}
	if got := c.GitHub.App.WebhookSecrets; len(got) != 2 || got[0] != "new" || got[1] != "old" {
		t.Errorf("got secrets %q, want both", got)
	}
	if got := c.LogOrigin(); got != "countersign.example.com" {
		t.Errorf("got origin %q", got)
	}
}

// Everything that is wrong is said in one go, so that nobody starts the server ten times.
func TestEveryProblemAtOnce(t *testing.T) {
	_, err := Load("", env(
		"COUNTERSIGN_LOG_LEVEL", "loud",
		"COUNTERSIGN_DATABASE_URL", "mysql://x",
		"COUNTERSIGN_WORKERS", "many", "COUNTERSIGN_WRITES_PER_MINUTE", "-1",
		"COUNTERSIGN_OLD_SIGNING_KEY_FILE", "countersign.key",
		"GITHUB_V3_API_URL", "ftp://x",
		"GITHUB_APP_WEBHOOK_SECRET", "s3cret,",
		"GITHUB_APP_PRIVATE_KEY_FILE", "/nowhere.pem",
	), noFiles)
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{
		"COUNTERSIGN_LOG_LEVEL", "loud", "debug, info, warn, error",
		"COUNTERSIGN_DATABASE_URL", "COUNTERSIGN_WORKERS", "COUNTERSIGN_WRITES_PER_MINUTE", "COUNTERSIGN_OLD_SIGNING_KEY_FILE", "GITHUB_V3_API_URL",
		"COUNTERSIGN_PUBLIC_URL", "GITHUB_APP_INTEGRATION_ID",
		"secret 2 of 2 is empty", "/nowhere.pem", "hint:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Error("error shows a secret")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("want fs.ErrNotExist to be recognisable")
	}
}

func TestFileIsStrictAndEnvironmentWins(t *testing.T) {
	file := func(src string) func(string) ([]byte, error) {
		return func(string) ([]byte, error) { return []byte(src), nil }
	}
	c, err := Load("c.yml", env(good...), file("listen: ':9'\nlog_level: debug\ngithub:\n  app:\n    integration_id: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":9" || c.GitHub.App.IntegrationID != 123 {
		t.Errorf("got listen %q and id %d, want the file's and the environment's", c.Listen, c.GitHub.App.IntegrationID)
	}
	if _, err := Load("c.yml", env(good...), file("listn: ':9'\n")); err == nil || !strings.Contains(err.Error(), "listn") {
		t.Errorf("unknown key: got %v", err)
	}
	if _, err := Load("c.yml", env(good...), noFiles); err == nil || !strings.Contains(err.Error(), "hint: create it") {
		t.Errorf("missing file: got %v", err)
	}
}

func TestBothKeysIsRefused(t *testing.T) {
	_, err := Load("", env(append([]string{"GITHUB_APP_PRIVATE_KEY_FILE", "k.pem"}, good...)...),
		func(string) ([]byte, error) { return []byte("pem"), nil })
	if err == nil || !strings.Contains(err.Error(), "keep one") {
		t.Errorf("got %v", err)
	}
}

func TestListen(t *testing.T) {
	for address, fine := range map[string]bool{
		":8080": true, "127.0.0.1:0": true, "[::1]:80": true, "localhost:65535": true,
		"8080": false, "localhost": false, ":http": false, ":65536": false, ":-1": false, ":": false, "::1:80": false, ":+80": false,
	} {
		for _, name := range []string{"COUNTERSIGN_LISTEN", "COUNTERSIGN_METRICS_LISTEN"} {
			_, err := Load("", env(append([]string{name, address}, good...)...), noFiles)
			if (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "hint: write host:port") {
				t.Errorf("%s %s: got %v, want fine: %v", name, address, err, fine)
			}
		}
	}
}

// What is wrong with the App's id is said once.
func TestIntegrationID(t *testing.T) {
	for id, says := range map[string]string{"": "is not set", "0": "is not set", "one": "must be a whole number", "-1": "must be above 0", "99999999999999999999": "must be a whole number"} {
		_, err := Load("", env(append([]string{"GITHUB_APP_INTEGRATION_ID", id}, good...)...), noFiles)
		if err == nil || strings.Count(err.Error(), "GITHUB_APP_INTEGRATION_ID") != 1 || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q, once", id, err, says)
		}
	}
}

// A value that stands in the wrong place may be a secret: the error says where, and not what.
func TestFileErrorsShowNoValue(t *testing.T) {
	for name, src := range map[string]string{
		"text for a list":       "github:\n  app:\n    webhook_secrets: s3cret\n",
		"text for a number":     "workers: s3cret-and-long\n",
		"back-quotes":           "workers: \"`s3cret`\"\n",
		"several":               "workers: s3`cret\ngithub:\n  app: s3cret`\n",
		"an alias":              "github:\n  app:\n    private_key: *s3cret\n",
		"an alias with a quote": "github:\n  app:\n    private_key: *it's3cret\n",
		"a number":              "workers: 0x1s3cret\n",
		"no mapping":            "GITHUB_APP_WEBHOOK_SECRET=s3cret\n",
		"a tag":                 "workers: !s3cret 1\n", "a secret like a tag of YAML": "workers: !!s3cret\n",
		"a tag of YAML": "workers: !!int s3cret\n",
		"not closed":    "github:\n  app:\n    private_key: \"s3cret\n",
	} {
		_, err := Load("c.yml", env(good...), func(string) ([]byte, error) { return []byte(src), nil })
		if err == nil || strings.Contains(err.Error(), "s3") || !strings.Contains(err.Error(), "config: c.yml: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Webhook secrets come from one place, and from a file one in a line.
func TestWebhookSecretsFile(t *testing.T) {
	without := slices.DeleteFunc(slices.Clone(good), func(s string) bool { return s == "GITHUB_APP_WEBHOOK_SECRET" || s == "new,old" })
	files := func(text string) func(string) ([]byte, error) {
		return func(string) ([]byte, error) { return []byte(text), nil }
	}
	c, err := Load("", env(append([]string{"GITHUB_APP_WEBHOOK_SECRETS_FILE", "f"}, without...)...), files("one\r\n\n two\n"))
	if err != nil || !slices.Equal(c.GitHub.App.WebhookSecrets, []string{"one", "two"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for what, load := range map[string]func() (*Config, error){
		"has no secret in it": func() (*Config, error) {
			return Load("", env(append([]string{"GITHUB_APP_WEBHOOK_SECRETS_FILE", "f"}, without...)...), files(" \n"))
		},
		"are both set": func() (*Config, error) {
			return Load("", env(append([]string{"GITHUB_APP_WEBHOOK_SECRETS_FILE", "f"}, good...)...), files("one"))
		},
		"together or not at all": func() (*Config, error) {
			return Load("", env(append([]string{"COUNTERSIGN_TLS_KEY_FILE", "f"}, good...)...), noFiles)
		},
	} {
		if _, err := load(); err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "one\n") {
			t.Errorf("%v, want %q", err, what)
		}
	}
}

// The App comes from its folder when nothing else is said of it, and is never mixed of both.
func TestAppFolder(t *testing.T) {
	files := func(name string) ([]byte, error) {
		switch name {
		case "f/app.yml":
			return []byte("integration_id: 7\nslug: x\nprivate_key_file: key.pem\nwebhook_secrets_file: hook\nclient_id: c\nclient_secret_file: s\n"), nil
		case "f/key.pem", "f/hook", "f/s", "other.pem":
			return []byte("of " + name), nil
		case "bad/app.yml":
			return []byte("integration_id: secret-text\n"), nil
		}
		return nil, fs.ErrNotExist
	}
	base := []string{"COUNTERSIGN_PUBLIC_URL", "https://c.example", "COUNTERSIGN_APP_FOLDER", "f"}
	c, err := Load("", env(base...), files)
	if err != nil || c.GitHub.App.IntegrationID != 7 || c.GitHub.App.PrivateKey != "of f/key.pem" || c.GitHub.App.WebhookSecrets[0] != "of f/hook" ||
		c.GitHub.OAuth.ClientID != "c" || c.GitHub.OAuth.ClientSecret != "of f/s" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := Load("", env(append(base, "GITHUB_APP_PRIVATE_KEY_FILE", "other.pem")...), files); err == nil || !strings.Contains(err.Error(), "GITHUB_APP_INTEGRATION_ID: is not set") {
		t.Errorf("half of the App in the settings: got %v", err)
	}
	if _, err := Load("", env("COUNTERSIGN_PUBLIC_URL", "https://c.example", "COUNTERSIGN_APP_FOLDER", "bad"), files); err == nil || strings.Contains(err.Error(), "secret-text") {
		t.Errorf("a broken file: got %v", err)
	}
	for name, c := range map[string]struct {
		env  []string
		want bool
	}{
		"no App":          {[]string{"COUNTERSIGN_PUBLIC_URL", "https://c.example"}, true},
		"an App":          {base, false},
		"half of an App":  {[]string{"COUNTERSIGN_PUBLIC_URL", "https://c.example", "GITHUB_APP_WEBHOOK_SECRET", "x"}, false},
		"an id unread":    {[]string{"COUNTERSIGN_PUBLIC_URL", "https://c.example", "GITHUB_APP_INTEGRATION_ID", "x"}, false},
		"no address":      {nil, false},
		"a broken folder": {[]string{"COUNTERSIGN_PUBLIC_URL", "https://c.example", "COUNTERSIGN_APP_FOLDER", "bad"}, false},
	} {
		if _, ok := FirstStart("", env(c.env...), files); ok != c.want {
			t.Errorf("%s: first start %t, want %t", name, ok, c.want)
		}
	}
}
