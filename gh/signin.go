package gh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v62/github"
	"golang.org/x/oauth2"
)

// OAuthApp is how the App signs people in, as its settings page on GitHub has it.
type OAuthApp struct {
	// ClientID is not the App's numeric id. GitHub accepts two client secrets at a time.
	ClientID, ClientSecret string
	// RedirectURL is where GitHub sends the browser back to: one of the App's callback URLs,
	// to the letter.
	RedirectURL string
}

// PersonToken is what a person's sign-in gave: a user access token of the App, which can do what
// both the person and the App may. It is a secret, and formatting does not show it.
type PersonToken struct {
	Access string
	// Refresh gets the next token, once. Empty when the App's tokens do not expire.
	Refresh string
	// ExpiresAt and RefreshExpiresAt are UTC: 8 hours and 6 months later. Zero: never.
	ExpiresAt, RefreshExpiresAt time.Time
}

// Format implements fmt.Formatter: no verb shows a token.
func (PersonToken) Format(f fmt.State, _ rune) {
	io.WriteString(f, "PersonToken(not shown)") // a fmt.State takes everything
}

// ErrSignInSettings: GitHub signs nobody in, because the App's settings there and ours do not
// agree: the client secret, or the callback URL.
var ErrSignInSettings = errors.New("the App's sign-in is set up wrongly")

// keepRefreshed is how long the outcome of a refresh is handed to those who ask for it again.
const keepRefreshed = time.Minute

// SignIn signs people in with the App's web application flow, PKCE included. It is safe for
// concurrent use.
//
// Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
type SignIn struct {
	app      OAuthApp
	webURL   string
	settings Settings
	http     *http.Client // reaches GitHub's web address and nothing else

	mu        sync.Mutex // guards the rest
	secret    string
	refreshes map[string]*refresh // by the refresh token that was spent
}

// refresh is one refresh. Its token and error hold once done is closed.
type refresh struct {
	done  chan struct{}
	token PersonToken
	err   error
	until time.Time // how long it is kept; zero: it is under way
}

// SignIn prepares the sign-in. webURL is GitHub's address for people, "https://github.com". It
// makes no request.
func (c *Connection) SignIn(app OAuthApp, webURL string) (*SignIn, error) {
	if app.ClientID == "" || app.ClientSecret == "" || app.RedirectURL == "" {
		return nil, fmt.Errorf("%w: client id, client secret and redirect URL are all needed", ErrSignInSettings)
	}
	web, err := apiAddress("web", webURL)
	if err != nil {
		return nil, err
	}
	s := &SignIn{app: app, webURL: strings.TrimSuffix(webURL, "/"), settings: c.settings, secret: app.ClientSecret, refreshes: map[string]*refresh{}}
	home := &transport{next: c.settings.Transport, origins: map[string]bool{web.Scheme + "://" + web.Host: true}}
	s.http = &http.Client{Transport: &tokenTransport{next: home, observe: c.settings.Observe}, Timeout: c.settings.Timeout}
	return s, nil
}

// UseSecret has another client secret used from now on.
func (s *SignIn) UseSecret(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

func (s *SignIn) clientSecret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secret
}

func (s *SignIn) config() *oauth2.Config {
	return &oauth2.Config{
		ClientID: s.app.ClientID, ClientSecret: s.clientSecret(), RedirectURL: s.app.RedirectURL,
		Endpoint: oauth2.Endpoint{
			AuthURL: s.webURL + "/login/oauth/authorize", TokenURL: s.webURL + "/login/oauth/access_token",
			// Said, because trying both ways would spend the code.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// URL is where the browser is sent to. State and verifier are secrets of this one attempt, which
// the caller keeps with the browser; a verifier has 43 to 128 characters (RFC 7636).
func (s *SignIn) URL(state, verifier string) string {
	return s.config().AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange turns the code that the browser came back with into the person's token. It returns
// ErrUnauthorized for a code that is wrong, used or older than ten minutes, and ErrSignInSettings
// when an administrator has to repair something.
//
// Source: POST /login/oauth/access_token of GitHub's web address.
func (s *SignIn) Exchange(ctx context.Context, code, verifier string) (PersonToken, error) {
	if !isToken(code) || verifier == "" {
		return PersonToken{}, fmt.Errorf("sign in: no usable code: %w", ErrUnauthorized)
	}
	asked := s.settings.Now().UTC()
	answered, err := s.config().Exchange(context.WithValue(ctx, oauth2.HTTPClient, s.http), code, oauth2.VerifierOption(verifier))
	token, err := s.tokenOf(ctx, asked, answered, err)
	if err != nil {
		return PersonToken{}, fmt.Errorf("sign in: %w", err)
	}
	return token, nil
}

// Refresh gets the next token. GitHub ends the old one and its refresh token with that, so store
// what comes back before it is used. It returns ErrUnauthorized when the person has to sign in again.
//
// Whoever asks for the same refresh meanwhile, or within a minute, gets the same token, and it
// goes on when ctx ends: a browser that gives up signs nobody out. Where another process was
// faster, this returns ErrUnauthorized although the sign-in lives on: read it again from the
// store, and only if it still has this token it is over.
//
// Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
func (s *SignIn) Refresh(ctx context.Context, old PersonToken) (PersonToken, error) {
	if !isToken(old.Refresh) {
		return PersonToken{}, fmt.Errorf("refresh a sign-in: it has no refresh token: %w", ErrUnauthorized)
	}
	r := s.refreshOf(context.WithoutCancel(ctx), old.Refresh)
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return PersonToken{}, fmt.Errorf("refresh a sign-in: %w", ctx.Err())
	}
}

// refreshOf begins the refresh of a token, unless there is one.
func (s *SignIn) refreshOf(ctx context.Context, spent string) *refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settings.Now()
	for key, r := range s.refreshes {
		if !r.until.IsZero() && now.After(r.until) {
			delete(s.refreshes, key)
		}
	}
	r := s.refreshes[spent]
	if r == nil {
		r = &refresh{done: make(chan struct{})}
		s.refreshes[spent] = r
		go s.refresh(ctx, spent, r) // ends with the client's time-out
	}
	return r
}

func (s *SignIn) refresh(ctx context.Context, spent string, r *refresh) {
	asked := s.settings.Now().UTC()
	source := s.config().TokenSource(context.WithValue(ctx, oauth2.HTTPClient, s.http), &oauth2.Token{RefreshToken: spent})
	answered, err := source.Token()
	token, err := s.tokenOf(ctx, asked, answered, err)
	if err == nil && token.Refresh == spent {
		err = unavailable("the refresh token that was spent came back")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(r.done)
	if err != nil {
		r.err = fmt.Errorf("refresh a sign-in: %w", err)
		delete(s.refreshes, spent)
		return
	}
	r.token, r.until = token, s.settings.Now().Add(keepRefreshed)
}

// Revoke ends a person's token, at sign-out. One that is out of date is refreshed first: GitHub
// ends only tokens that it knows. ErrNotFound: it knew none, because it had ended already.
//
// Source: DELETE /applications/{client_id}/token (https://docs.github.com/rest/apps/oauth-applications#delete-an-app-token).
func (s *SignIn) Revoke(ctx context.Context, t PersonToken) error {
	if t.Refresh != "" && !t.ExpiresAt.IsZero() && !s.settings.Now().Before(t.ExpiresAt) {
		next, err := s.Refresh(ctx, t)
		if err != nil {
			return fmt.Errorf("end a sign-in: %w", err)
		}
		t = next
	}
	inner, err := newTransport(s.settings)
	if err != nil {
		return fmt.Errorf("end a sign-in: %w", err)
	}
	basic := &github.BasicAuthTransport{Username: s.app.ClientID, Password: s.clientSecret(), Transport: inner}
	c, err := clientOver(github.NewClient(&http.Client{Transport: basic, Timeout: s.settings.Timeout}), s.settings)
	if err != nil {
		return fmt.Errorf("end a sign-in: %w", err)
	}
	body := map[string]string{"access_token": t.Access}
	if _, err := c.call(ctx, "DELETE /applications/{client_id}/token", []string{s.app.ClientID}, nil, body); err != nil {
		return fmt.Errorf("end a sign-in: %w", err)
	}
	return nil
}

// tokenOf reads the answer to a request for a token. No text of GitHub's or of the library gets
// into an error: either may quote what was sent.
func (s *SignIn) tokenOf(ctx context.Context, asked time.Time, t *oauth2.Token, err error) (PersonToken, error) {
	if err != nil {
		return PersonToken{}, s.refusal(ctx, err)
	}
	expires, ok := lifetime(t.Extra("expires_in"))
	refreshExpires, refreshOK := lifetime(t.Extra("refresh_token_expires_in"))
	if !ok || !refreshOK || !isToken(t.AccessToken) || t.RefreshToken != "" && !isToken(t.RefreshToken) || !strings.EqualFold(t.TokenType, "bearer") {
		return PersonToken{}, unavailable("an answer that is no token")
	}
	token := PersonToken{Access: t.AccessToken, Refresh: t.RefreshToken}
	if expires > 0 {
		token.ExpiresAt = asked.Add(expires)
	}
	if refreshExpires > 0 {
		token.RefreshExpiresAt = asked.Add(refreshExpires)
	}
	return token, nil
}

// errorCode is what GitHub's error codes look like.
var errorCode = regexp.MustCompile(`^[a-z_]{1,60}$`)

// refusal says what it means that no token came. GitHub words its refusals as a success with an error
// in it: https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
func (s *SignIn) refusal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask GitHub: %w", ctx.Err())
	}
	if unsent := (*url.Error)(nil); errors.As(err, &unsent) { // which names the address and what failed
		return unavailable("%v", unsent)
	}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		return unavailable("an answer that is no token")
	}
	code := refused.ErrorCode
	switch {
	case code == "bad_verification_code", code == "bad_refresh_token", code == "unverified_user_email":
		return fmt.Errorf("GitHub says %s: %w", code, ErrUnauthorized)
	case code == "incorrect_client_credentials", code == "redirect_uri_mismatch":
		return fmt.Errorf("GitHub says %s: %w", code, ErrSignInSettings)
	case errorCode.MatchString(code):
		return fmt.Errorf("GitHub says %s: %w", code, ErrForbidden)
	case refused.Response.StatusCode/100 == 2:
		return unavailable("an answer that is no token")
	}
	return statusError(refused.Response.StatusCode, refused.Response.Header, nil, s.settings.Now())
}

// lifetime reads a number of seconds, which may be missing: 0. The library gives a JSON number as
// a float64, and an integer in a form as an int64.
func lifetime(value any) (time.Duration, bool) {
	var seconds float64
	switch v := value.(type) {
	case nil:
		return 0, true
	case float64:
		seconds = v
	case int64:
		seconds = float64(v)
	case string:
		return 0, v == ""
	}
	const most = 10 * 365 * 24 * 3600
	return time.Duration(seconds) * time.Second, seconds >= 1 && seconds <= most
}

// tokenTransport asks for JSON, which GitHub does not give here by itself, and tells whoever counts.
type tokenTransport struct {
	next    http.RoundTripper
	observe func(Exchange) // may be nil
}

// RoundTrip implements http.RoundTripper.
func (t *tokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	resp, err := t.next.RoundTrip(r)
	if t.observe != nil {
		e := Exchange{Route: "POST /login/oauth/access_token"}
		if err == nil {
			e.Status = resp.StatusCode
		}
		t.observe(e)
	}
	return resp, err
}
