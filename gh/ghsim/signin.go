package ghsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The sign-in of people by an App's web application flow, at the addresses for browsers:
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app

const (
	tokenRoute   = "POST /login/oauth/access_token"
	codeLife     = 10 * time.Minute
	tokenLife    = 28800 * time.Second
	refreshLife  = 15811200 * time.Second
	browserIs    = "ghsim_user" // the cookie of a browser in which somebody is signed in
	authorizeURL = "/login/oauth/authorize"
)

// signingIn is an App's sign-in: its callback URLs, and what it gives out.
type signingIn struct {
	secret     string
	callbacks  []string
	forever    bool                 // tokens do not expire
	codes      map[string]*authCode // not yet used
	refreshers map[string]*token    // by refresh token
}

// authCode is what a browser brings back to the App.
type authCode struct {
	user                *account
	redirect, challenge string // challenge "": without PKCE
	until               time.Time
}

// SignsIn lets the App sign people in, back to the callback URLs, and returns its client id and
// client secret. A call again replaces the callback URLs and keeps the secret.
func (a *App) SignsIn(callbacks ...string) (clientID, clientSecret string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.a.signIn == nil {
		a.a.signIn = &signingIn{secret: a.s.secret(""), codes: map[string]*authCode{}, refreshers: map[string]*token{}}
	}
	a.a.signIn.callbacks = slices.Clone(callbacks)
	return a.a.clientID(), a.a.signIn.secret
}

// ReplaceClientSecret gives the App another client secret; the one before is not accepted any more.
func (a *App) ReplaceClientSecret() string {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.a.signIn.secret = a.s.secret("")
	return a.a.signIn.secret
}

// KeepUserTokens opts out of user access tokens that expire.
func (a *App) KeepUserTokens() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.a.signIn.forever = true
}

// SignedIn says who is signed in in every browser that did not choose on the page; nil: nobody.
func (s *Sim) SignedIn(u *User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.browser = nil
	if u != nil {
		s.browser = u.a
	}
}

func (a *app) clientID() string { return "Iv23sim" + decimal(a.id) }

// client finds the App with the client id; nil: none that signs people in.
func (s *Sim) client(id string) *app {
	for _, a := range s.apps {
		if a.signIn != nil && a.clientID() == id {
			return a
		}
	}
	return nil
}

// signInView is the page on which the browser's owner says who they are.
type signInView struct {
	App    string
	People []signInLink
	Cancel string
}

type signInLink struct{ Login, Path string }

// authorize sends the browser back to the App with a code, once it is known whose browser it is.
func (s *Sim) authorize(w http.ResponseWriter, r *http.Request) {
	back, page, refused := s.authorization(r)
	switch {
	case refused != "":
		http.Error(w, refused, http.StatusBadRequest)
	case page != nil:
		show(w, "signin", page)
	default:
		http.Redirect(w, r, back, http.StatusFound)
	}
}

// authorization is the address that the browser goes back to, or the page that asks who it is, or
// why neither.
func (s *Sim) authorization(r *http.Request) (back string, page *signInView, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	a := s.client(q.Get("client_id"))
	if a == nil {
		return "", nil, "There is no App with this client_id."
	}
	redirect := q.Get("redirect_uri")
	if redirect == "" && len(a.signIn.callbacks) > 0 {
		redirect = a.signIn.callbacks[0]
	}
	challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method")
	switch {
	case !slices.Contains(a.signIn.callbacks, redirect):
		return "", nil, "Be careful! The redirect_uri is not associated with this application."
	case (challenge != "" || method != "") && (method != "S256" || len(challenge) != 43):
		return "", nil, "The code challenge must be made with S256."
	}
	answer := url.Values{}
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	who := s.browserOf(r)
	if who == nil {
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user has denied your application access.")
		return "", s.signInView(a, r.URL.RequestURI(), redirect+"?"+answer.Encode()), ""
	}
	code := s.secret("")
	a.signIn.codes[code] = &authCode{user: who, redirect: redirect, challenge: challenge, until: time.Now().Add(codeLife)}
	answer.Set("code", code)
	return redirect + "?" + answer.Encode(), nil, ""
}

// browserOf is who is signed in in the browser; nil: nobody.
func (s *Sim) browserOf(r *http.Request) *account {
	if cookie, err := r.Cookie(browserIs); err == nil {
		return s.account(cookie.Value)
	}
	return s.browser
}

func (s *Sim) signInView(a *app, back, cancel string) *signInView {
	v := &signInView{App: a.name, Cancel: cancel}
	for _, who := range s.accounts {
		if who.kind == "User" && who.login != "web-flow" {
			v.People = append(v.People, signInLink{who.login, "/login?" + url.Values{"as": {who.login}, "return_to": {back}}.Encode()})
		}
	}
	slices.SortFunc(v.People, func(a, b signInLink) int { return strings.Compare(a.Login, b.Login) })
	return v
}

// login signs somebody in in the browser and goes back to the App's sign-in.
func (s *Sim) login(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	who := s.account(r.URL.Query().Get("as"))
	s.mu.Unlock()
	back := r.URL.Query().Get("return_to")
	if who == nil || who.kind != "User" || !strings.HasPrefix(back, authorizeURL+"?") {
		http.NotFound(w, r)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: browserIs, Value: who.login, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, back, http.StatusFound)
}

// answerToken turns a code or a refresh token into a user access token. What it refuses, it
// refuses as GitHub does: with status 200 and an error in the body.
func (s *Sim) answerToken(x *exchange) {
	form, err := url.ParseQuery(string(x.body))
	if err != nil {
		form = url.Values{}
	}
	s.mu.Lock()
	answer := s.grant(form)
	s.mu.Unlock()
	body, kind := []byte(answer.Encode()), "application/x-www-form-urlencoded; charset=utf-8"
	if strings.Contains(x.r.Header.Get("Accept"), "json") {
		body, kind = tokenJSON(answer), "application/json; charset=utf-8"
	}
	x.w.Header().Set("Content-Type", kind)
	x.fault.send(x.w, http.StatusOK, body)
}

// tokenJSON writes the answer as an object, in which the lifetimes are numbers.
func tokenJSON(answer url.Values) []byte {
	o := obj{}
	for k := range answer {
		o[k] = answer.Get(k)
		if strings.HasSuffix(k, "expires_in") {
			o[k] = json.Number(answer.Get(k))
		}
	}
	body, _ := json.Marshal(o) // strings and numbers only: cannot fail
	return body
}

func refuseToken(code, description string) url.Values {
	return url.Values{"error": {code}, "error_description": {description}, "error_uri": {"/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/"}}
}

func (s *Sim) grant(form url.Values) url.Values {
	a := s.client(form.Get("client_id"))
	if a == nil || a.signIn.secret != form.Get("client_secret") {
		return refuseToken("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
	}
	switch form.Get("grant_type") {
	case "refresh_token":
		spent := form.Get("refresh_token")
		old := a.signIn.refreshers[spent]
		delete(a.signIn.refreshers, spent)
		if old == nil || time.Now().After(old.refreshUntil) {
			return refuseToken("bad_refresh_token", "The refresh token passed is incorrect or expired.")
		}
		delete(s.tokens, old.value)
		return s.newUserToken(a, old.user)
	case "", "authorization_code":
		code := a.signIn.codes[form.Get("code")]
		delete(a.signIn.codes, form.Get("code")) // it is good for one try
		switch redirect := form.Get("redirect_uri"); {
		case code == nil || time.Now().After(code.until) || !code.proves(form.Get("code_verifier")):
			return refuseToken("bad_verification_code", "The code passed is incorrect or expired.")
		case redirect != "" && redirect != code.redirect:
			return refuseToken("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")
		}
		return s.newUserToken(a, code.user)
	}
	return refuseToken("unsupported_grant_type", "The grant_type is not supported.")
}

// proves says whether the verifier is the one that the challenge was made from.
func (c *authCode) proves(verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return c.challenge == "" || c.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
}

// newUserToken makes a user access token of the App.
func (s *Sim) newUserToken(a *app, u *account) url.Values {
	t := &token{value: s.secret("ghu_"), user: u, app: a}
	answer := url.Values{"access_token": {t.value}, "token_type": {"bearer"}, "scope": {""}}
	if !a.signIn.forever {
		t.refresh = s.secret("ghr_")
		t.expiresAt, t.refreshUntil = time.Now().Add(tokenLife), time.Now().Add(refreshLife)
		a.signIn.refreshers[t.refresh] = t
		answer.Set("expires_in", decimal(int(tokenLife.Seconds())))
		answer.Set("refresh_token", t.refresh)
		answer.Set("refresh_token_expires_in", decimal(int(refreshLife.Seconds())))
	}
	s.tokens[t.value] = t
	return answer
}
