package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/web"
)

// publicURL is where the world's server says it is.
const publicURL = "http://countersign.demo"

// browser is somebody's browser without JavaScript: it keeps cookies and follows redirects.
type browser struct {
	t      testing.TB
	client http.Client
}

// newBrowser reaches the world's server by its public name.
func (w *acme) newBrowser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	orFatal(t, err)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "countersign.demo:") {
			address = w.server.listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, http.Client{Jar: jar, Transport: transport}}
}

// signIn signs somebody in, and returns what they see then.
func (w *acme) signIn(t testing.TB, u *ghsim.User) (*browser, string) {
	t.Helper()
	b := w.newBrowser(t)
	w.sim.SignedIn(u)
	status, page := b.get("/signin?to=/")
	if status != http.StatusOK {
		t.Fatalf("%s: signing in gave %d: %s", u.Login(), status, page)
	}
	return b, page
}

func (b *browser) get(path string) (status int, page string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, publicURL+path, nil)
	orFatal(b.t, err)
	return b.do(r)
}

func (b *browser) post(path string, form url.Values) (status int, page string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, publicURL+path, strings.NewReader(form.Encode()))
	orFatal(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// from posts as another site's page would.
func (b *browser) from(site, path string) (status int, page string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, publicURL+path, nil)
	orFatal(b.t, err)
	r.Header.Set("Sec-Fetch-Site", site)
	return b.do(r)
}

func (b *browser) do(r *http.Request) (status int, page string) {
	b.t.Helper()
	answer, err := b.client.Do(r)
	orFatal(b.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	orFatal(b.t, err)
	return answer.StatusCode, string(body)
}

// wantPage gets a page and checks what is, and what is not, in it.
func (b *browser) wantPage(path string, status int, has []string, not ...string) string {
	b.t.Helper()
	got, page := b.get(path)
	if got != status {
		b.t.Fatalf("%s: got %d, want %d\n%s", path, got, status, page)
	}
	for _, text := range has {
		if !strings.Contains(page, text) {
			b.t.Errorf("%s lacks %q\n%s", path, text, page)
		}
	}
	for _, text := range not {
		if strings.Contains(page, text) {
			b.t.Errorf("%s has %q", path, text)
		}
	}
	return page
}

// A developer follows the link of the check run, signs in, and is on the page of their pull request.
func TestPageOfACheckRun(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.copilotPull("<script>alert(1)</script> add a cache")
	check := w.wantCheck(t, pr, "in_progress")
	page, found := strings.CutPrefix(check.DetailsURL, publicURL)
	if !found {
		t.Fatalf("the check run links to %q", check.DetailsURL)
	}
	b := w.newBrowser(t)
	b.wantPage(page, http.StatusUnauthorized, []string{"Sign in with GitHub", "/signin?to=%2forgs%2facme%2fchanges%2f"}, "add a cache")
	w.sim.SignedIn(w.alice)
	b.wantPage("/signin?to="+url.QueryEscape(page), http.StatusOK, []string{
		"&lt;script&gt;alert(1)&lt;/script&gt; add a cache", "acme/shop #", check.Title, "What to do:", "Who is behind it", "Leaf in the log", "Download the proof"}, "<script>alert")
	b.wantPage("/orgs/acme/changes", http.StatusOK, []string{"add a cache", "waits", "written by an agent"})
	b.wantPage("/orgs/acme/changes?verdict=pass", http.StatusOK, []string{"No change is like that"}, "add a cache")
	b.wantPage("/orgs/acme/changes?agent=copilot-cloud-agent&repository=shop&class=agent&rule=human-review", http.StatusOK, []string{"add a cache"})
	b.wantPage("/orgs/acme/changes?from=tomorrow", http.StatusBadRequest, []string{"A day is written like"})
	b.wantPage(page+"/proof", http.StatusOK, []string{`"checkpoint": "countersign.demo/`, `"proof": [`})
	b.wantPage(page+"/facts", http.StatusOK, []string{`"repository"`})
	accesses, _, err := w.server.store.Tenant(w.org.ID()).Accesses(t.Context())
	orFatal(t, err)
	if len(accesses) != 2 || accesses[0].What != store.AccessRead || accesses[0].By.Login != "alice" || accesses[0].By.AccountID != w.alice.ID() {
		t.Errorf("the log's accesses are %+v, want two of alice's", accesses)
	}
	// An approval is another decision, and the first stays.
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
	b.wantPage(page, http.StatusOK, []string{"passes", "Decided on"})
	b.wantPage(page+"?record="+check.ExternalID, http.StatusOK, []string{"This is an earlier decision", "waits"})
}

// Nobody reaches anything of an organisation that GitHub does not show to them, on any route.
func TestPagesAreApart(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.copilotPull("a secret plan")
	check := w.wantCheck(t, pr, "in_progress")
	mallory, page := w.signIn(t, w.sim.User("mallory"))
	if !strings.Contains(page, "Nothing to see yet") {
		t.Errorf("a stranger sees %s", page)
	}
	nobody := w.newBrowser(t)
	site, err := web.New(web.Settings{CallbackPath: "/callback"})
	orFatal(t, err)
	fill := strings.NewReplacer("{org}", "acme", "{repo}", "", "{number}", "1", "{ref...}", "main", "{bundle}", "1", "{grant}", "1")
	walked := 0
	for _, route := range site.Routes() {
		method, pattern, _ := strings.Cut(route.Pattern, " ")
		if !strings.Contains(pattern, "{org}") {
			continue
		}
		walked++
		path := strings.TrimPrefix(check.DetailsURL, publicURL)
		repo := strings.Split(path, "/")[4]
		address := fill.Replace(strings.ReplaceAll(pattern, "{repo}", repo))
		for who, b := range map[*browser]int{mallory: http.StatusNotFound, nobody: http.StatusUnauthorized} {
			do := who.get
			if method == http.MethodPost {
				do = func(path string) (int, string) { return who.post(path, url.Values{}) }
			}
			if status, page := do(address); status != b || strings.Contains(page, "secret plan") || strings.Contains(page, check.Title) {
				t.Errorf("%s %s: got %d, want %d: %s", method, address, status, b, page)
			}
		}
	}
	if walked < 4 {
		t.Errorf("only %d routes are about an organisation", walked)
	}
}

// What GitHub takes away is gone here too, and what it does not say is not shown.
func TestPagesFollowGitHub(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.copilotPull("a change")
	w.wantCheck(t, pr, "in_progress")
	erin := w.sim.User("erin") // who is no member
	w.shop.Collaborator(erin, "read")
	b, _ := w.signIn(t, erin)
	b.wantPage("/orgs/acme/changes", http.StatusOK, []string{"a change"})
	w.shop.Collaborator(erin, "")
	b.wantPage("/orgs/acme/changes", http.StatusOK, []string{"a change"}) // looked at a moment ago
	w.later(6 * time.Minute)
	b.wantPage("/orgs/acme/changes", http.StatusNotFound, nil, "a change") // GitHub shows nothing of acme any more
	// While GitHub does not say what somebody sees, nothing is shown.
	w.shop.Collaborator(erin, "read")
	for _, route := range []string{"GET /user/installations", "GET /user/installations/{installation_id}/repositories"} {
		w.sim.Faults.Add(ghsim.Fault{Route: route, Status: http.StatusBadGateway})
		w.later(6 * time.Minute)
		b.wantPage("/orgs/acme/changes", http.StatusServiceUnavailable, []string{"nothing is shown"}, "a change")
		w.sim.Faults.Clear()
	}
	b.wantPage("/orgs/acme/changes", http.StatusOK, []string{"a change"})
	// Signing out gives the token back.
	if status, page := b.post("/signout", url.Values{"everywhere": {"1"}}); status != http.StatusOK || !strings.Contains(page, "Sign in with GitHub") {
		t.Errorf("signing out gave %d: %s", status, page)
	}
	b.wantPage("/orgs/acme/changes", http.StatusUnauthorized, nil, "a change")
	// An answer that this browser did not ask for signs nobody in.
	b.wantPage("/api/github/auth?state=x&code=y", http.StatusBadRequest, []string{"does not belong to a sign-in"})
	// Somebody else's page cannot act.
	if status, _ := b.from("cross-site", "/signout"); status != http.StatusForbidden {
		t.Errorf("a form of another site: got %d", status)
	}
}
