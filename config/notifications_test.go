package config

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"
)

func TestNotifications(t *testing.T) {
	files := func(name string) ([]byte, error) {
		text, ok := map[string]string{
			"slack": "https://hooks.slack.example/services/T0/B0/s3cret\n", "hook": "https://example.com/in", "here": "http://127.0.0.1:9000/s3cret",
			"secret": "0123456789abcdef\n", "short": "s3cret", "clear": "http://example.com/s3cret", "login": "https://s3cret@example.com", "text": "s3cret",
		}[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	}
	for name, c := range map[string]struct {
		list []Notification
		says string // empty: fine
	}{
		"none":            {nil, ""},
		"slack":           {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "slack"}}, ""},
		"both":            {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "slack", WebhookURLFile: "hook", WebhookSecretFile: "secret"}}, ""},
		"on this machine": {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "here"}}, ""},
		"nobody":          {[]Notification{{SlackWebhookURLFile: "slack"}}, "organisation: is missing"},
		"twice":           {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "slack"}, {Organisation: "Acme", SlackWebhookURLFile: "slack"}}, "stands twice"},
		"no way":          {[]Notification{{Organisation: "acme"}}, "names neither"},
		"not signed":      {[]Notification{{Organisation: "acme", WebhookURLFile: "hook"}}, "belong together"},
		"short secret":    {[]Notification{{Organisation: "acme", WebhookURLFile: "hook", WebhookSecretFile: "short"}}, "fewer than 16 bytes"},
		"in the clear":    {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "clear"}}, "must hold an https address"},
		"with a login":    {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "login"}}, "does not hold an address"},
		"no address":      {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "text"}}, "does not hold an address"},
		"chosen":          {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "slack", Slack: Told{Opened: []string{"low", "high"}, Overdue: []string{}}}}, ""},
		"no severity":     {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "slack", Slack: Told{Opened: []string{"hihg"}}}}, `notifications[0].slack.opened: has "hihg", must be a list of high, medium, low`},
		"severity twice":  {[]Notification{{Organisation: "acme", WebhookURLFile: "hook", WebhookSecretFile: "secret", Webhook: Told{Overdue: []string{"low", "low"}}}}, `notifications[0].webhook.overdue: has "low"`},
		"told nowhere":    {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "slack", Webhook: Told{Opened: []string{}}}}, "notifications[0].webhook: says what is told, and not where"},
		"no file":         {[]Notification{{Organisation: "acme", SlackWebhookURLFile: "nowhere"}}, "slack_webhook_url_file: open nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &Config{Notifications: c.list}
			err := cfg.readNotifications(files)
			if (err == nil) != (c.says == "") {
				t.Fatalf("got %v, want %q", err, c.says)
			}
			if err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("got %v, want %q and no secret", err, c.says)
			}
		})
	}
}

// What the settings do not say is quiet in Slack and everything elsewhere; an empty list is nothing.
func TestWhatIsTold(t *testing.T) {
	read := func(slack string) (*Config, error) {
		return Load("settings.yml", env(good...), func(name string) ([]byte, error) {
			switch name {
			case "settings.yml":
				return []byte("notifications:\n- organisation: acme\n  slack_webhook_url_file: url\n  webhook_url_file: url\n  webhook_secret_file: secret\n" + slack), nil
			case "secret":
				return []byte("0123456789abcdef"), nil
			}
			return []byte("https://hooks.slack.example/T0"), nil
		})
	}
	for written, want := range map[string]Told{
		"":                                       quiet,
		"  slack: {opened: []}\n":                {Opened: []string{}, Overdue: quiet.Overdue},
		"  slack: {overdue: [low]}\n":            {Opened: quiet.Opened, Overdue: []string{"low"}},
		"  slack: {opened: [], overdue: [high]}": {Opened: []string{}, Overdue: []string{"high"}},
	} {
		c, err := read(written)
		if err != nil {
			t.Fatal(err)
		}
		if n := c.Notifications[0]; !reflect.DeepEqual(n.Slack, want) || !reflect.DeepEqual(n.Webhook, everything) {
			t.Errorf("%q: got %+v, want %+v", written, n, want)
		}
	}
	for written, says := range map[string]string{
		"  slack: {closed: [high]}\n": "line 6: there is no setting closed",
		"  slack: {opened: high}\n":   "line 6",
		"  slack: [high]\n":           "line 6",
	} {
		if _, err := read(written); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", written, err, says)
		}
	}
}

func TestNotificationsOfTheFile(t *testing.T) {
	files := func(name string) ([]byte, error) {
		if name == "settings.yml" {
			return []byte("notifications:\n- {organisation: acme, slack_webhook_url_file: slack}\n"), nil
		}
		return []byte("https://hooks.slack.example/T0\n"), nil
	}
	c, err := Load("settings.yml", env(good...), files)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Notifications; len(n) != 1 || n[0].Organisation != "acme" || n[0].SlackWebhookURL != "https://hooks.slack.example/T0" {
		t.Errorf("got %+v", n)
	}
}
