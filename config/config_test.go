package config

import (
	"errors"
	"io/fs"
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
	if c.Listen != ":8080" || c.GitHub.V4APIURL != "https://api.github.com/graphql" || c.Workers != 32 {
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
		"COUNTERSIGN_WORKERS", "many",
		"GITHUB_V3_API_URL", "ftp://x",
		"GITHUB_APP_WEBHOOK_SECRET", "s3cret,",
		"GITHUB_APP_PRIVATE_KEY_FILE", "/nowhere.pem",
	), noFiles)
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{
		"COUNTERSIGN_LOG_LEVEL", "loud", "debug, info, warn, error",
		"COUNTERSIGN_DATABASE_URL", "COUNTERSIGN_WORKERS", "GITHUB_V3_API_URL",
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
