package main

import (
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/notify"
)

// sender tells the organisations that the settings name of their exceptions.
func sender(cfg *config.Config) *notify.Sender {
	organisations := map[string]notify.Organisation{}
	for _, n := range cfg.Notifications {
		organisations[n.Organisation] = notify.Organisation{
			SlackURL: n.SlackWebhookURL, SlackWants: wanted(n.Slack),
			WebhookURL: n.WebhookURL, WebhookSecret: []byte(n.WebhookSecret), WebhookWants: wanted(n.Webhook),
		}
	}
	return notify.NewSender(organisations)
}

func wanted(t config.Told) notify.Wanted {
	return notify.Wanted{notify.Opened: t.Opened, notify.Overdue: t.Overdue}
}
