package gh_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
)

const (
	callback = "https://countersign.example.com/api/github/auth"
	verifier = "a-verifier-is-43-to-128-characters-long-0123456789"
	otherOne = "another-verifier-that-is-long-enough-for-the-RFC-7636"
)

// lobby is a simulated GitHub where people sign in to our App.
type lobby struct {
	t                 *testing.T
	sim               *ghsim.Sim
	acme              *ghsim.Org
	app               *ghsim.App
	alice, bob, carol *ghsim.User // an owner, a member, a collaborator from outside
	clientID, secret  string
	connection        *gh.Connection
	signIn            *gh.SignIn

	mu  sync.Mutex
	now time.Time
}

func newLobby(t *testing.T) *lobby {
	t.Helper()
	l := &lobby{t: t, sim: ghsim.New(ghsim.Options{}), now: time.Now()}
	if err := l.sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	l.alice, l.bob, l.carol = l.sim.User("alice"), l.sim.User("bob"), l.sim.User("carol")
	l.acme = l.sim.Org("acme").Owner(l.alice).Member(l.bob)
	l.app = l.sim.App(ghsim.AppSpec{Slug: "countersign", Permissions: map[string]string{"metadata": "read", "members": "read"}})
	l.clientID, l.secret = l.app.SignsIn(callback)
	key, err := l.app.PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	l.connection, err = gh.Connect(gh.Settings{V3URL: l.sim.URL() + "/api/v3/", V4URL: l.sim.URL() + "/api/graphql", AppID: l.app.ID(), PrivateKey: key, Now: l.clock})
	if err != nil {
		t.Fatal(err)
	}
	l.signIn = l.with(gh.OAuthApp{ClientID: l.clientID, ClientSecret: l.secret, RedirectURL: callback})
	return l
}

func (l *lobby) clock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *lobby) later(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

func (l *lobby) with(app gh.OAuthApp) *gh.SignIn {
	l.t.Helper()
	s, err := l.connection.SignIn(app, l.sim.URL()+"/")
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// visit opens an address as a browser does, up to where GitHub sends it back to the App.
func (l *lobby) visit(address string) (back url.Values, page string) {
	l.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.open(&http.Client{Jar: jar}, address)
}

func (l *lobby) open(browser *http.Client, address string) (back url.Values, page string) {
	l.t.Helper()
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			back = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := browser.Get(address)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return back, string(text)
}

// token signs somebody in.
func (l *lobby) token(u *ghsim.User) gh.PersonToken {
	l.t.Helper()
	l.sim.SignedIn(u)
	back, _ := l.visit(l.signIn.URL("state", verifier))
	token, err := l.signIn.Exchange(l.t.Context(), back.Get("code"), verifier)
	if err != nil {
		l.t.Fatal(err)
	}
	return token
}

func (l *lobby) person(u *ghsim.User) *gh.Client { return l.client(l.token(u)) }

func (l *lobby) client(t gh.PersonToken) *gh.Client {
	l.t.Helper()
	c, err := l.connection.Person(t.Access)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *lobby) alive(t gh.PersonToken) bool {
	l.t.Helper()
	_, err := l.client(t).Whoami(l.t.Context())
	if err != nil && !errors.Is(err, gh.ErrUnauthorized) {
		l.t.Fatal(err)
	}
	return err == nil
}

// A person is asked who they are, chooses, and is signed in; or cancels.
func TestSignIn(t *testing.T) {
	l := newLobby(t)
	address := l.signIn.URL("the state & more", verifier)
	_, page := l.visit(address)
	links := map[string]string{}
	for _, m := range regexp.MustCompile(`<a href="([^"]+)">(\w+)</a>`).FindAllStringSubmatch(page, -1) {
		links[m[2]] = html.UnescapeString(m[1])
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	back, _ := l.open(browser, l.sim.URL()+links["carol"])
	if back.Get("state") != "the state & more" || back.Get("error") != "" {
		t.Fatalf("back with %v", back)
	}
	token, err := l.signIn.Exchange(t.Context(), back.Get("code"), verifier)
	if err != nil {
		t.Fatal(err)
	}
	if token.ExpiresAt != l.clock().UTC().Add(8*time.Hour) || token.RefreshExpiresAt != l.clock().UTC().Add(183*24*time.Hour) {
		t.Errorf("expires at %s and %s", token.ExpiresAt, token.RefreshExpiresAt)
	}
	if who, err := l.client(token).Whoami(t.Context()); err != nil || who.ID != l.carol.ID() || who.Login != "carol" {
		t.Errorf("got %+v, %v", who, err)
	}
	// The browser is known from then on.
	if back, _ = l.open(browser, address); back.Get("code") == "" {
		t.Errorf("the second time: back with %v", back)
	}
	cancelled, err := url.Parse(links["Cancel"])
	if err != nil || !strings.HasPrefix(links["Cancel"], callback) {
		t.Fatalf("cancel goes to %q, %v", links["Cancel"], err)
	}
	if back = cancelled.Query(); back.Get("error") != "access_denied" || back.Get("state") != "the state & more" || back.Get("code") != "" {
		t.Errorf("cancelled: back with %v", back)
	}
}

func TestTokensThatNeverExpire(t *testing.T) {
	l := newLobby(t)
	l.app.KeepUserTokens()
	token := l.token(l.alice)
	if token.Refresh != "" || !token.ExpiresAt.IsZero() || !token.RefreshExpiresAt.IsZero() {
		t.Errorf("expires at %s and %s", token.ExpiresAt, token.RefreshExpiresAt)
	}
	if _, err := l.signIn.Refresh(t.Context(), token); !errors.Is(err, gh.ErrUnauthorized) {
		t.Errorf("refresh: %v", err)
	}
	if err := l.signIn.Revoke(t.Context(), token); err != nil || l.alive(token) {
		t.Errorf("revoke: %v, alive %v", err, l.alive(token))
	}
}

// A code is good once, for the browser that began, at the App that it was made for.
func TestCodesAreRefused(t *testing.T) {
	l := newLobby(t)
	l.sim.SignedIn(l.alice)
	code := func() string {
		back, _ := l.visit(l.signIn.URL("s", verifier))
		return back.Get("code")
	}
	exchange := func(s *gh.SignIn, code, verifier string) error {
		_, err := s.Exchange(t.Context(), code, verifier)
		return err
	}
	used := code()
	if err := exchange(l.signIn, used, verifier); err != nil {
		t.Fatal(err)
	}
	wrong := l.with(gh.OAuthApp{ClientID: l.clientID, ClientSecret: "wrong", RedirectURL: callback})
	elsewhere := l.with(gh.OAuthApp{ClientID: l.clientID, ClientSecret: l.secret, RedirectURL: callback + "/other"})
	for name, c := range map[string]struct {
		err, want error
	}{
		"used":                 {exchange(l.signIn, used, verifier), gh.ErrUnauthorized},
		"another verifier":     {exchange(l.signIn, code(), otherOne), gh.ErrUnauthorized},
		"no verifier":          {exchange(l.signIn, code(), ""), gh.ErrUnauthorized},
		"made up":              {exchange(l.signIn, "made-up", verifier), gh.ErrUnauthorized},
		"no code":              {exchange(l.signIn, "", verifier), gh.ErrUnauthorized},
		"endless":              {exchange(l.signIn, strings.Repeat("x", 10_000), verifier), gh.ErrUnauthorized},
		"a wrong secret":       {exchange(wrong, code(), verifier), gh.ErrSignInSettings},
		"another redirect URL": {exchange(elsewhere, code(), verifier), gh.ErrSignInSettings},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.err, c.want)
		}
	}
	if _, page := l.visit(elsewhere.URL("s", verifier)); !strings.Contains(page, "redirect_uri is not associated") {
		t.Errorf("a redirect URL that is not registered: %s", page)
	}
	wrong.UseSecret(l.app.ReplaceClientSecret())
	if err := exchange(wrong, code(), verifier); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
	if err := exchange(l.signIn, code(), verifier); !errors.Is(err, gh.ErrSignInSettings) {
		t.Errorf("with the old secret: %v", err)
	}
}

// Everybody who asks at the same time gets the one next token, whose browser gave up too.
func TestRefresh(t *testing.T) {
	l := newLobby(t)
	old := l.token(l.alice)
	l.later(9 * time.Hour)
	l.sim.ResetRequests()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.signIn.Refresh(gone, old); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	tokens := make(chan gh.PersonToken, 8)
	for range cap(tokens) {
		go func() {
			next, err := l.signIn.Refresh(t.Context(), old)
			if err != nil {
				t.Error(err)
			}
			tokens <- next
		}()
	}
	next := <-tokens
	for range cap(tokens) - 1 {
		if got := <-tokens; got != next {
			t.Error("two tokens came of one refresh")
		}
	}
	if n := len(l.sim.Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if l.alive(old) || !l.alive(next) || next.ExpiresAt != l.clock().UTC().Add(8*time.Hour) {
		t.Errorf("old alive %v, new alive %v until %s", l.alive(old), l.alive(next), next.ExpiresAt)
	}
	l.later(2 * time.Minute)
	if _, err := l.signIn.Refresh(t.Context(), old); !errors.Is(err, gh.ErrUnauthorized) {
		t.Errorf("a refresh token that is spent: %v", err)
	}
	repair := l.sim.Faults.Add(ghsim.Fault{Route: "POST /login/*", Status: 502})
	if _, err := l.signIn.Refresh(t.Context(), next); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("while GitHub is down: %v", err)
	}
	repair()
	if again, err := l.signIn.Refresh(t.Context(), next); err != nil || !l.alive(again) {
		t.Errorf("a failure was kept: %v", err)
	}
}

// Signing out ends the token on GitHub too, even one that is out of date.
func TestRevoke(t *testing.T) {
	l := newLobby(t)
	token, other := l.token(l.alice), l.token(l.alice)
	if err := l.signIn.Revoke(t.Context(), token); err != nil || l.alive(token) || !l.alive(other) {
		t.Errorf("%v, alive %v, the other session %v", err, l.alive(token), l.alive(other))
	}
	if _, err := l.signIn.Refresh(t.Context(), token); !errors.Is(err, gh.ErrUnauthorized) {
		t.Errorf("its refresh token: %v", err)
	}
	if err := l.signIn.Revoke(t.Context(), token); !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	l.later(9 * time.Hour)
	if err := l.signIn.Revoke(t.Context(), other); err != nil || l.alive(other) {
		t.Errorf("out of date: %v", err)
	}
	if next, err := l.signIn.Refresh(t.Context(), other); err != nil || l.alive(next) {
		t.Errorf("the token that it was refreshed to: %v", err)
	}
	wrong := l.with(gh.OAuthApp{ClientID: l.clientID, ClientSecret: "wrong", RedirectURL: callback})
	if err := wrong.Revoke(t.Context(), l.token(l.bob)); !errors.Is(err, gh.ErrUnauthorized) {
		t.Errorf("with a wrong secret: %v", err)
	}
}

// Whatever comes instead of a token is an error that shows nothing of what was sent.
func TestAnswersThatAreNoToken(t *testing.T) {
	const good = `"access_token":"ghu_1","token_type":"bearer"`
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the secret was sent to another host") }))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"a page":               {200, "<html>SENT</html>", gh.ErrUnavailable},
		"nothing":              {200, "", gh.ErrUnavailable},
		"no token":             {200, "{}", gh.ErrUnavailable},
		"a token of two words": {200, `{"access_token":"ghu 1","token_type":"bearer"}`, gh.ErrUnavailable},
		"another type":         {200, `{"access_token":"ghu_1","token_type":"SENT"}`, gh.ErrUnavailable},
		"a lifetime below 0":   {200, `{` + good + `,"expires_in":-1}`, gh.ErrUnavailable},
		"a lifetime for ever":  {200, `{` + good + `,"expires_in":28800,"refresh_token":"ghr_1","refresh_token_expires_in":1e300}`, gh.ErrUnavailable},
		"a lifetime in words":  {200, `{` + good + `,"refresh_token_expires_in":"SENT"}`, gh.ErrUnavailable},
		"endless":              {200, `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, gh.ErrUnavailable},
		"down":                 {500, "SENT", gh.ErrUnavailable},
		"forbidden":            {403, "SENT", gh.ErrForbidden},
		"too often":            {429, "SENT", gh.ErrRateLimited},
		"an error as one":      {400, `{"error":"bad_verification_code","error_description":"SENT"}`, gh.ErrUnauthorized},
		"suspended":            {200, `{"error":"application_suspended","error_description":"SENT"}`, gh.ErrForbidden},
		"an error that echoes": {200, `{"error":"SENT"}`, gh.ErrUnavailable},
		"elsewhere":            {307, "", gh.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", elsewhere.URL)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				fmt.Fprint(w, strings.ReplaceAll(c.body, "SENT", "the-secret the-code "+verifier))
			})
			signIn, err := s.connect(t).SignIn(gh.OAuthApp{ClientID: "id", ClientSecret: "the-secret", RedirectURL: callback}, s.URL)
			if err != nil {
				t.Fatal(err)
			}
			token, err := signIn.Exchange(t.Context(), "the-code", verifier)
			if !errors.Is(err, c.want) || token != (gh.PersonToken{}) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			for _, secret := range []string{"the-secret", "the-code", verifier} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v shows what was sent", err)
				}
			}
		})
	}
}

// A token in a form is read too: GitHub gives that to whoever does not ask for JSON.
func TestTokenInAForm(t *testing.T) {
	s := newServer(t)
	s.mux.HandleFunc("POST /login/oauth/access_token", reply(200, "access_token=ghu_1&token_type=bearer&scope=&expires_in=28800&refresh_token=ghr_1&refresh_token_expires_in=15811200",
		"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"))
	signIn, err := s.connect(t).SignIn(gh.OAuthApp{ClientID: "id", ClientSecret: "s", RedirectURL: callback}, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signIn.Exchange(t.Context(), "code", verifier)
	want := gh.PersonToken{Access: "ghu_1", Refresh: "ghr_1", ExpiresAt: s.now.UTC().Add(8 * time.Hour), RefreshExpiresAt: s.now.UTC().Add(183 * 24 * time.Hour)}
	if err != nil || token != want {
		t.Errorf("%v, until %s and %s", err, token.ExpiresAt, token.RefreshExpiresAt)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s", token, token, &token, token), fmt.Sprint([]gh.PersonToken{token}, struct{ Token gh.PersonToken }{token})} {
		if strings.Contains(shown, "gh") {
			t.Errorf("formatting shows it: %s", shown)
		}
	}
}

func TestSignInNeedsSettings(t *testing.T) {
	s := newServer(t)
	whole := gh.OAuthApp{ClientID: "id", ClientSecret: "s", RedirectURL: callback}
	for name, c := range map[string]struct {
		app gh.OAuthApp
		web string
	}{
		"no id": {gh.OAuthApp{ClientSecret: "s", RedirectURL: callback}, s.URL}, "no secret": {gh.OAuthApp{ClientID: "id", RedirectURL: callback}, s.URL},
		"no redirect": {gh.OAuthApp{ClientID: "id", ClientSecret: "s"}, s.URL}, "no web address": {whole, ""}, "a login in it": {whole, "https://a:b@github.com"},
	} {
		if _, err := s.connect(t).SignIn(c.app, c.web); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
