package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/gh"
)

// registration reads the App, and compares what it asks for with what it needs; false: GitHub does
// not let us, so that nothing else on GitHub can be looked at.
func (e *examination) registration(ctx context.Context) bool {
	app, err := e.github.Registration(ctx)
	if err != nil {
		f := Finding{Severity: High, Check: checkAppKey, Subject: "GITHUB_APP_INTEGRATION_ID", What: "GitHub does not say who the App is, and nothing else there was looked at: " + err.Error(), Remedy: "Try again when GitHub answers."}
		if errors.Is(err, gh.ErrUnauthorized) || errors.Is(err, gh.ErrNotFound) {
			f.What = "GitHub does not accept the App's key, so nothing works, and nothing on GitHub was looked at."
			f.Remedy = "Compare GITHUB_APP_INTEGRATION_ID with the App ID in the App's settings on GitHub, and put a private key that is listed there into GITHUB_APP_PRIVATE_KEY or its file."
		}
		e.find(f)
		return false
	}
	e.app = app
	e.observe(checkAppKey, app.Slug, "GitHub accepts the key of App %d", app.ID)
	link := e.appLink("/permissions")
	e.granted(checkAppPermission, "the App "+app.Slug, app.Permissions, link, "Change the App's permissions; the owners of each organisation are then asked to agree.")
	e.subscribed(checkAppEvent, "the App "+app.Slug, app.Events, link)
	for _, name := range slices.Sorted(maps.Keys(app.Permissions)) {
		has, asks := app.Permissions[name], e.Manifest.Permissions[name]
		if levels[has] > levels[asks] && !(name == "issues" && has == "write") { // which is optional: see app.yml
			e.find(Finding{Severity: Low, Check: checkAppPermission, Subject: "the App " + app.Slug, What: fmt.Sprintf("It may %s %s, which app.yml does not ask for.", has, name),
				Remedy: "Take away what is not needed.", Link: link})
		}
	}
	return true
}

// appLink is the address of a page of the App's settings.
func (e *examination) appLink(page string) string {
	at := "/settings/apps/"
	if e.app.Owner.Type == "Organization" {
		at = "/organizations/" + url.PathEscape(e.app.Owner.Login) + at
	}
	return e.web() + at + url.PathEscape(e.app.Slug) + page
}

func (e *examination) web() string { return strings.TrimSuffix(e.cfg.GitHub.WebURL, "/") }

var levels = map[string]int{"": 0, "read": 1, "write": 2, "admin": 3}

// granted compares permissions with those of app.yml.
func (e *examination) granted(check, subject string, has map[string]string, link, remedy string) {
	for _, name := range slices.Sorted(maps.Keys(e.Manifest.Permissions)) {
		want := e.Manifest.Permissions[name]
		if levels[has[name]] >= levels[want] {
			continue
		}
		what := fmt.Sprintf("The permission %s is missing, and app.yml asks for %s.", name, want)
		if has[name] != "" {
			what = fmt.Sprintf("The permission %s is %s, and app.yml asks for %s.", name, has[name], want)
		}
		e.find(Finding{Severity: High, Check: check, Subject: subject, What: what, Remedy: remedy, Link: link})
	}
}

// subscribed compares events with those of app.yml.
func (e *examination) subscribed(check, subject string, has []string, link string) {
	for _, name := range e.Manifest.Events {
		if !slices.Contains(has, name) {
			e.find(Finding{Severity: High, Check: check, Subject: subject, What: fmt.Sprintf("It does not hear of the event %s, so what that tells is looked at late or never.", name), Remedy: "Subscribe the App to it. An event needs its permission first.", Link: link})
		}
	}
}

// webhook compares where GitHub sends deliveries with where the server takes them.
func (e *examination) webhook(ctx context.Context) {
	hook, err := e.github.HookConfig(ctx)
	f := Finding{Check: checkWebhook, Subject: "the App " + e.app.Slug, Link: e.appLink("")}
	say := func(severity, what, remedy string) {
		f.Severity, f.What, f.Remedy = severity, what, remedy
		e.find(f)
	}
	want := e.cfg.PublicURL + e.HookPath
	switch {
	case err != nil:
		say(High, "GitHub does not show the settings of its webhook: "+err.Error(), "Make the webhook active, with the URL "+want+".")
		return
	case hook.URL != want:
		say(High, fmt.Sprintf("GitHub sends to %q, and the server takes deliveries at %s.", hook.URL, want), "Set the webhook URL of the App, or COUNTERSIGN_PUBLIC_URL.")
	}
	if hook.ContentType != "json" {
		say(High, fmt.Sprintf("GitHub sends the content type %q, which the server refuses.", hook.ContentType), "Set the App's webhook to application/json.")
	}
	if !hook.HasSecret {
		say(High, "Deliveries are not signed, so the server refuses all of them.", "Set the webhook secret of the App to the one in GITHUB_APP_WEBHOOK_SECRET.")
	}
	if !hook.VerifiesTLS {
		say(Medium, "GitHub sends without looking at the server's certificate.", "Enable SSL verification in the App's webhook settings.")
	}
}

const (
	// deliveriesReach is how far back deliveries are looked at, and maxDeliveries how many.
	deliveriesReach = 72 * time.Hour
	maxDeliveries   = 2000
)

// errEnough ends the reading of deliveries.
var errEnough = errors.New("enough deliveries were read")

// deliveries looks at which of them did not arrive: by the newest attempt of each.
func (e *examination) deliveries(ctx context.Context) {
	attempts, seen := 0, map[string]bool{}
	var newest, lost []gh.DeliveryAttempt // one of each delivery
	err := e.github.Deliveries(ctx, e.Now().Add(-deliveriesReach), func(page []gh.DeliveryAttempt) error {
		for _, a := range page {
			if attempts++; seen[a.GUID] {
				continue
			}
			seen[a.GUID] = true
			newest = append(newest, a)
			if !a.Arrived() {
				lost = append(lost, a)
			}
		}
		if attempts >= maxDeliveries {
			return errEnough
		}
		return nil
	})
	f := Finding{Check: checkDeliveries, Subject: "the App " + e.app.Slug, Link: e.appLink("/advanced")}
	switch {
	case err != nil && !errors.Is(err, errEnough):
		f.Severity, f.What, f.Remedy = Medium, "What GitHub delivered cannot be read: "+err.Error(), "Try again when GitHub answers."
	case len(newest) == 0:
		f.Severity, f.What, f.Remedy = Low, "GitHub delivered nothing in three days, so nothing shows that it reaches the server.", "Look that the webhook is active, and open a pull request. After setup, GitHub's ping is listed there: redeliver it."
	case !newest[0].Arrived():
		f.Severity, f.What, f.Remedy = High, fmt.Sprintf("The newest delivery did not arrive: %s. Of %d in three days, %d did not.", outcome(newest[0]), len(newest), len(lost)), advice(newest[0])
	case len(lost) > 0:
		f.Severity, f.What, f.Remedy = Medium, fmt.Sprintf("Of %d deliveries in three days, %d did not arrive, however often they were sent; the newest of those: %s.", len(newest), len(lost), outcome(lost[0])),
			"The server asks again for them once an hour. What never comes is an exception of the kind blind-interval."
	default:
		e.observe(checkDeliveries, e.app.Slug, "all of the newest %d arrived", len(newest))
		return
	}
	e.find(f)
}

func outcome(a gh.DeliveryAttempt) string {
	if a.StatusCode == 0 {
		return fmt.Sprintf("%s at %s was not answered (%s)", a.Event, a.At.Format(time.RFC3339), a.Status)
	}
	return fmt.Sprintf("%s at %s was answered with %d", a.Event, a.At.Format(time.RFC3339), a.StatusCode)
}

func advice(a gh.DeliveryAttempt) string {
	switch {
	case a.StatusCode == 401:
		return "The signature did not fit: compare the webhook secret in the App's settings with GITHUB_APP_WEBHOOK_SECRET."
	case a.StatusCode == 0:
		return "GitHub does not reach the server: look at DNS, firewall, proxy and certificate, from outside."
	}
	return "Look for it in the server's log, and for a proxy that answers in its place."
}

// organisations looks at everything that has the App.
func (e *examination) organisations(ctx context.Context) {
	installed, err := e.github.Installations(ctx)
	if err != nil {
		e.find(Finding{Severity: High, Check: checkInstallation, Subject: "the App " + e.app.Slug, What: "GitHub does not list its installations, so no organisation was looked at: " + err.Error(), Remedy: "Try again when GitHub answers."})
		return
	}
	for _, i := range installed {
		if e.Organisation == "" || strings.EqualFold(e.Organisation, i.Account.Login) {
			e.report.Organisations++
			e.installation(ctx, i)
		}
	}
	if e.report.Organisations == 0 {
		who := cmp.Or(e.Organisation, "any organisation")
		e.find(Finding{Severity: High, Check: checkInstallation, Subject: "the App " + e.app.Slug, What: "It is not installed on " + who + ".", Remedy: "Install it, on all repositories or on those that are to be held.", Link: cmp.Or(e.app.HTMLURL, e.appLink("")) + "/installations/new"})
	}
}

// installation looks at what an organisation granted, and then at its repositories.
func (e *examination) installation(ctx context.Context, i gh.Installed) {
	if !i.SuspendedAt.IsZero() {
		e.find(Finding{Severity: High, Check: checkInstallation, Subject: i.Account.Login, What: "The installation is suspended since " + i.SuspendedAt.Format(time.RFC3339) + ": nothing there is looked at or held.", Remedy: "An owner ends the suspension.", Link: i.HTMLURL})
		return
	}
	e.granted(checkGrantedPermission, i.Account.Login, i.Permissions, i.HTMLURL, "An owner of the organisation agrees to what the App asks for.")
	e.subscribed(checkGrantedEvent, i.Account.Login, i.Events, i.HTMLURL)
	client, err := e.github.Installation(i.ID, gh.ToLookOver())
	if err != nil {
		e.find(Finding{Severity: High, Check: checkInstallation, Subject: i.Account.Login, What: "It cannot be used: " + err.Error(), Remedy: "Install the App anew.", Link: i.HTMLURL})
		return
	}
	o := &organisation{examination: e, client: client, account: i.Account, link: i.HTMLURL, roles: map[string]gh.Permission{}, members: map[string]membership{}}
	if e.store != nil {
		o.tenant = e.store.Tenant(i.Account.ID)
	}
	o.look(ctx)
}
