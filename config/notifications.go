package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Notification is where one organisation is told of its exceptions. Addresses of webhooks are
// secrets, so each is in a file of its own.
type Notification struct {
	// Organisation is its login.
	Organisation string `yaml:"organisation"`
	// SlackWebhookURLFile holds the address of a Slack incoming webhook.
	SlackWebhookURLFile string `yaml:"slack_webhook_url_file"`
	// WebhookURLFile holds the address of a webhook, and WebhookSecretFile the secret, of at
	// least 16 bytes, that it is signed with.
	WebhookURLFile    string `yaml:"webhook_url_file"`
	WebhookSecretFile string `yaml:"webhook_secret_file"`
	// Slack and Webhook are what is told there.
	Slack   Told `yaml:"slack"`
	Webhook Told `yaml:"webhook"`

	// What the files hold.
	SlackWebhookURL string `yaml:"-"`
	WebhookURL      string `yaml:"-"`
	WebhookSecret   string `yaml:"-"`
}

// leastSecret is the length of the shortest secret that signs webhooks, in bytes.
const leastSecret = 16

// readNotifications reads the files that the notifications name and checks what they hold. No
// error shows it.
func (c *Config) readNotifications(files func(string) ([]byte, error)) error {
	var problems []error
	seen := map[string]bool{}
	for i := range c.Notifications {
		n, at := &c.Notifications[i], fmt.Sprintf("config: notifications[%d]", i)
		bad := func(rule string) { problems = append(problems, errors.New(at+rule)) }
		if login := strings.ToLower(n.Organisation); login == "" || seen[login] {
			bad(".organisation: is missing, or stands twice")
		} else {
			seen[login] = true
		}
		if n.SlackWebhookURLFile == "" && n.WebhookURLFile == "" {
			bad(": names neither slack_webhook_url_file nor webhook_url_file")
		}
		if (n.WebhookURLFile == "") != (n.WebhookSecretFile == "") {
			bad(": webhook_url_file and webhook_secret_file belong together")
		}
		problems = append(problems, n.Slack.read(at+".slack", n.SlackWebhookURLFile, quiet), n.Webhook.read(at+".webhook", n.WebhookURLFile, everything))
		for _, f := range []struct {
			key, path string
			into      *string
			check     func(string) error
		}{
			{"slack_webhook_url_file", n.SlackWebhookURLFile, &n.SlackWebhookURL, checkReceiver},
			{"webhook_url_file", n.WebhookURLFile, &n.WebhookURL, checkReceiver},
			{"webhook_secret_file", n.WebhookSecretFile, &n.WebhookSecret, checkSecret},
		} {
			if f.path == "" {
				continue
			}
			text, err := files(f.path)
			if err == nil {
				*f.into = strings.TrimSpace(string(text))
				err = f.check(*f.into)
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("%s.%s: %w", at, f.key, err))
			}
		}
	}
	return errors.Join(problems...)
}

func checkSecret(s string) error {
	if len(s) < leastSecret {
		return fmt.Errorf("holds fewer than %d bytes", leastSecret)
	}
	return nil
}

// checkReceiver refuses an address over which what is private would go in the clear.
func checkReceiver(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return errors.New("does not hold an address, for example https://hooks.example.com/countersign")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !thisMachine(u)) {
		return errors.New("must hold an https address; http is for this machine only")
	}
	return nil
}
