package main

import (
	"context"
	"fmt"
	"os"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/notify"
	"github.com/countersign/countersign/web"
)

const notifyHelp = `countersign notify is about who is told of exceptions: docs/notifications.md.

  countersign notify test    send a test to an organisation's receivers

example: countersign notify test --org acme --config settings.yml`

const notifyTestHelp = `countersign notify test sends a notice that says that it is a test each way in which an organisation
is told of exceptions, whatever else is told there, and prints what the receivers answered.

It uses the settings of the server: run it where and as countersign serve runs. It exits with 0
when every receiver took the test, else with 1.

example:
  countersign notify test --org acme --config settings.yml`

func runNotify(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "notify", notifyHelp, map[string]func(context.Context, []string, environment) error{"test": runNotifyTest}, args, env)
}

func runNotifyTest(ctx context.Context, args []string, env environment) error {
	flags := newFlags("notify test", env.stderr, notifyTestHelp)
	file := flags.String("config", "", "YAML `file` with settings, as of serve")
	org := orgFlag(flags)
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *org == "" {
		fmt.Fprintln(env.stderr, "countersign notify test: --org is needed")
		return errUsage
	}
	cfg, err := config.Load(*file, env.getenv, os.ReadFile)
	if err != nil {
		return err
	}
	tests := sender(cfg).Test(ctx, *org, "Who runs the server")
	if len(tests) == 0 {
		return fmt.Errorf("the settings have nobody of %q who is told of exceptions\nhint: write under notifications who that is, and name the file with --config", *org)
	}
	missed := 0
	for _, t := range tests {
		took := "arrived"
		if !t.Took {
			took = "DID NOT ARRIVE"
			missed++
		}
		fmt.Fprintf(env.stdout, "%s: %s. %s\n", wayInWords(t.Way), took, t.Answer)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d receivers did not take the test", missed, len(tests))
	}
	return nil
}

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

// noticesOf is what the pages show of who is told, and how they send a test.
func noticesOf(s *notify.Sender) web.Notices {
	ways := func(login string) (out []web.NoticeWay) {
		of := s.Of(login)
		for _, way := range of.Ways() {
			wants := of.Wanted(way)
			out = append(out, web.NoticeWay{Name: wayInWords(way), Opened: wants[notify.Opened], Overdue: wants[notify.Overdue]})
		}
		return out
	}
	return web.Notices{Ways: ways, Test: func(ctx context.Context, login, by string) (out []web.NoticeTest) {
		for _, t := range s.Test(ctx, login, by) {
			out = append(out, web.NoticeTest{Name: wayInWords(t.Way), Took: t.Took, Answer: t.Answer})
		}
		return out
	}}
}

func wayInWords(way string) string {
	if way == notify.Slack {
		return "Slack"
	}
	return "Signed webhook"
}
