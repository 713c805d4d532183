package web

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
)

// asking is the cookie of somebody who is at GitHub to sign in: what was asked, and where they
// wanted to go. Only the browser that asked can redeem the answer.
const asking = "countersign-signin"

// signIn sends somebody to GitHub.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	if s.GitHub == nil {
		s.home(w, r)
		return
	}
	state, verifier := newSecret(), newSecret()
	http.SetCookie(w, s.cookie(asking, state+"."+verifier+"."+url.QueryEscape(ownPath(r.FormValue("to"))), s.CallbackPath, 10*time.Minute))
	http.Redirect(w, r, s.GitHub.SignInURL(state, verifier), http.StatusSeeOther)
}

// ownPath is a path of this site to go to after signing in; of anything else, the first page.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || len(to) > 2000 {
		return "/"
	}
	return to
}

// signedIn redeems GitHub's answer.
func (s *Site) signedIn(w http.ResponseWriter, r *http.Request) {
	if s.GitHub == nil {
		s.home(w, r)
		return
	}
	again := refusedPage{"GitHub's answer does not belong to a sign-in that was begun here in the last minutes.", "Sign in again."}
	c, err := r.Cookie(asking)
	if err != nil {
		s.refused(w, http.StatusBadRequest, frame{Path: "/"}, "Not signed in", again)
		return
	}
	http.SetCookie(w, s.cookie(asking, "", s.CallbackPath, -time.Second))
	parts := strings.SplitN(c.Value, ".", 3)
	if len(parts) != 3 || subtle.ConstantTimeCompare([]byte(parts[0]), []byte(r.FormValue("state"))) != 1 {
		s.refused(w, http.StatusBadRequest, frame{Path: "/"}, "Not signed in", again)
		return
	}
	if r.FormValue("error") != "" || r.FormValue("code") == "" {
		s.refused(w, http.StatusForbidden, frame{Path: "/"}, "Not signed in", refusedPage{"GitHub did not sign you in: it was declined there.", "Sign in again, and agree on GitHub's page."})
		return
	}
	person, err := s.GitHub.SignIn(r.Context(), r.FormValue("code"), parts[1])
	if err != nil {
		s.Log.Warn().Err(err).Msg("somebody could not sign in")
		s.refused(w, http.StatusBadGateway, frame{Path: "/"}, "Not signed in", refusedPage{"GitHub did not confirm who you are.", "Sign in again. If it stays, whoever runs the server finds the cause in its log."})
		return
	}
	_, secret, err := s.begin(r.Context(), w, store.Session{PersonID: person.ID, Login: person.Login}, person.Token)
	if err == nil {
		err = s.look(r.Context(), secret)
	}
	if err != nil {
		s.refuse(w, r, frame{Path: "/"}, err)
		return
	}
	to, err := url.QueryUnescape(parts[2])
	if err != nil {
		to = "/"
	}
	http.Redirect(w, r, ownPath(to), http.StatusSeeOther)
}

// signOut ends this session, or all of the person's; what GitHub gave is given back.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	session, err := s.Store.Session(r.Context(), known(c.Value))
	if err == nil {
		if token, err := unseal(c.Value, session.Token); err == nil && s.GitHub != nil {
			if err := s.GitHub.SignOut(r.Context(), token); err != nil {
				s.Log.Warn().Err(err).Msg("GitHub did not take a token back; it expires by itself")
			}
		}
		if r.FormValue("everywhere") != "" {
			err = s.Store.EndSessionsOf(r.Context(), session.PersonID)
		} else {
			err = s.Store.EndSession(r.Context(), session.ID)
		}
		if err != nil {
			s.refuse(w, r, frame{Path: "/", Person: session.Login}, err)
			return
		}
	}
	http.SetCookie(w, s.cookie(s.cookieName(), "", "/", -time.Second))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
