package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/web"
)

// seen is a page that is looked at in the browser.
type seen struct {
	name    string
	pattern string // its route
	path    string
	has     string // a text that must be on it
}

// Every page in a real browser: it can be used by everybody, loads nothing from elsewhere, breaks none
// of its own rules, and shows hostile text as text.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	w.tellAcme(t, listen(t, 0), listen(t, 0), "")
	mustDo(t, w.greenPull(t, "merged").Merge(w.bob, "squash"))
	pr := w.copilotPull(`</title><script>alert("title")</script><img src=x onerror=alert(1)>`)
	check := w.wantCheck(t, pr, "in_progress")
	change := strings.TrimPrefix(check.DetailsURL, publicURL)
	w.shop.Unprotect("main", w.carol)
	w.shop.Push("main", w.dave, ghsim.Commit{Message: "in haste", Files: map[string]string{"hot": "fix"}})
	w.mustSettle(t)
	open, err := w.server.store.Tenant(w.org.ID()).Exceptions(t.Context(), store.ExceptionFilter{Kind: "direct-push"})
	orFatal(t, err)
	if len(open) != 1 {
		t.Fatalf("got %d exceptions, want one", len(open))
	}
	w.onCall(t)
	urgent := w.davesPull(w.pageEmergencyRepo("urgent"), code)
	w.test(urgent, "success")
	w.wantCheck(t, urgent, held)
	confirmed := w.copilotPullIn(w.guardedRepo("confirmed", confirmingPolicy), "rounding of prices")
	confirmed.Approve(w.carol)
	w.wantCheck(t, confirmed, held)
	c := w.openChromium(t)

	c.open(change)
	c.accessible("signing in")
	c.screenshot("sign-in")
	c.click("Sign in with GitHub")
	c.click("carol")
	c.see("Who is behind it")

	// A bundle is looked at and made while its page asks how far that is.
	c.open("/orgs/acme/evidence")
	c.click("See what it would say")
	c.see("Is everything there?")
	c.click("Make the bundle")
	c.see("SHA-256 of its manifest.json")
	var bundle string
	c.do(chromedp.Location(&bundle))

	pages := []seen{
		{"organisations", "GET /{$}", "/", "Changes"},
		{"changes", "GET /orgs/{org}/changes", "/orgs/acme/changes", "alert"},
		{"no changes", "GET /orgs/{org}/changes", "/orgs/acme/changes?verdict=repair", "No change is like that"},
		{"change", "GET /orgs/{org}/changes/{repo}/{number}", change, "onerror"},
		{"exceptions", "GET /orgs/{org}/exceptions", "/orgs/acme/exceptions", "direct push"},
		{"no exceptions", "GET /orgs/{org}/exceptions", "/orgs/acme/exceptions?state=overdue", "No exception is like that"},
		{"exception", "GET /orgs/{org}/exceptions/{id}", "/orgs/acme/exceptions/" + open[0].ID, "Settle it"},
		{"policies", "GET /orgs/{org}/policy", "/orgs/acme/policy?branch=main&repo=" + strings.Split(change, "/")[4], "validation.required[tests]"},
		{"a draft of a policy", "GET /orgs/{org}/policy/try", "/orgs/acme/policy/try", "Check and try"},
		{"overview", "GET /orgs/{org}/overview", "/orgs/acme/overview", "1 without a pull request"},
		{"merged", "GET /orgs/{org}/merged", "/orgs/acme/merged", "no pull request"},
		{"protection", "GET /orgs/{org}/protection", "/orgs/acme/protection", "can be changed in other ways"},
		{"branch", "GET /orgs/{org}/protection/{repo}/{ref...}", fmt.Sprintf("/orgs/acme/protection/%d/main", w.shop.ID()), "What to do:"},
		{"agents", "GET /orgs/{org}/agents", "/orgs/acme/agents", "Whom they come from"},
		{"evidence", "GET /orgs/{org}/evidence", "/orgs/acme/evidence", "See what it would say"},
		{"bundle", "GET /orgs/{org}/evidence/bundles/{bundle}", strings.TrimPrefix(bundle, publicURL), "Control matrix"},
		{"no bundle", "GET /orgs/{org}/evidence/bundles/{bundle}", "/orgs/acme/evidence/bundles/none", "not known any more"},
		{"auditors", "GET /orgs/{org}/evidence/grants", "/orgs/acme/evidence/grants", "Nobody was let in yet"},
		{"ledger", "GET /orgs/{org}/ledger", "/orgs/acme/ledger", "Who read or took what"},
		{"admin", "GET /orgs/{org}/admin", "/orgs/acme/admin", "pull request opened"},
		{"not found", "", "/orgs/other/changes", "Not found"},
	}
	for _, p := range pages {
		c.open(p.path)
		c.see(p.has)
		c.accessible(p.name)
		c.screenshot(strings.ReplaceAll(p.name, " ", "-"))
		for _, problem := range c.wentWrong() {
			t.Errorf("%s: %s", p.name, problem)
		}
	}
	everyPageIsLookedAt(t, pages)

	// A draft with a mistake, and without.
	c.open("/orgs/acme/policy/try")
	c.do(chromedp.SetValue("textarea", "version: 1\nmode: enforce\nbranch: [main]\n"))
	c.click("Check and try")
	c.see("The draft cannot be used")
	c.do(chromedp.SetValue("textarea", strings.Replace(shopPolicy, "agent: {approvals: 1}", "agent: {approvals: 2}", 1)))
	c.click("Check and try")
	c.see("Decisions made again: 4.") // the newest of each of the four pull requests
	c.accessible("a tried policy")
	c.screenshot("a-tried-policy")

	// An approval is confirmed.
	c.open(changePage(confirmed))
	c.see("You approved this.")
	c.accessible("a commit to confirm")
	c.screenshot("a-commit-to-confirm")
	c.click("I reviewed this commit")
	c.see("Your confirmation was received.")
	c.accessible("a confirmed commit")
	w.wantCheck(t, confirmed, released)

	// An emergency, by somebody who is not on call.
	c.open(changePage(urgent))
	c.click("Declare an emergency")
	c.accessible("the form of an emergency")
	c.screenshot("emergency-form")
	c.do(chromedp.SendKeys(`input[name="ticket"]`, "INC-7"), chromedp.SendKeys("textarea", "the shop is down"))
	c.click("Declare the emergency")
	c.see("was received")
	w.mustSettle(t)
	c.click("show the newest decision")
	c.see("The emergency declaration of carol was not accepted: not a member of acme/oncall")
	c.accessible("an emergency that does not count")
	c.screenshot("emergency-not-accepted")

	// The link of an auditor, which is shown once.
	c.open("/orgs/acme/evidence/grants")
	c.do(chromedp.SendKeys(`input[name="name"]`, "Jo <Doe>"))
	c.click("Make the link")
	c.see("Copy it now")
	c.accessible("the link of an auditor")
	c.screenshot("auditor-link")

	// A test of the notifications.
	c.open("/orgs/acme/admin")
	c.click("Send a test")
	c.see("It answered 200 OK.")
	c.accessible("a test of the notifications")
	c.screenshot("a-test-of-the-notifications")

	// Settling an exception, by somebody who is not behind it.
	c.open("/orgs/acme/exceptions/" + open[0].ID)
	c.do(chromedp.SendKeys("textarea", "Reviewed afterwards, and protected again."))
	c.click("Close the exception")
	c.see("What was done: Reviewed afterwards")

	// Without a mouse: the first stop leads past the header.
	c.open("/orgs/acme/changes")
	var focused string
	c.do(chromedp.KeyEvent("\t"), chromedp.Evaluate(`document.activeElement.textContent`, &focused))
	if focused != "To the content" {
		t.Errorf("the first tab stop is %q", focused)
	}
	c.click("everywhere")
	c.see("Sign in with GitHub")
}

// everyPageIsLookedAt fails for a page of an organisation that the browser did not open.
func everyPageIsLookedAt(t *testing.T, pages []seen) {
	t.Helper()
	opened := map[string]bool{
		// Files, which are no pages.
		"GET /orgs/{org}/evidence/bundles/{bundle}/file": true,
		"GET /orgs/{org}/changes/{repo}/{number}/facts":  true, "GET /orgs/{org}/changes/{repo}/{number}/proof": true,
	}
	for _, p := range pages {
		opened[p.pattern] = true
	}
	site, err := web.New(web.Settings{CallbackPath: "/callback"})
	orFatal(t, err)
	for _, r := range site.Routes() {
		if strings.HasPrefix(r.Pattern, "GET /orgs/") && !opened[r.Pattern] {
			t.Errorf("no browser looked at %s: add it to the pages", r.Pattern)
		}
	}
}
