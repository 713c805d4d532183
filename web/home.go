package web

import (
	"errors"
	"net/http"

	"github.com/countersign/countersign/store"
)

// homePage is where somebody begins: signing in, or choosing an organisation.
type homePage struct {
	To    string // where signing in leads
	Ready bool   // signing in is set up
	Orgs  []store.Seen
}

// home leads into the only organisation that somebody sees, or shows all of them.
func (s *Site) home(w http.ResponseWriter, r *http.Request) {
	session, err := s.session(r)
	var seen []store.Seen
	if err == nil {
		seen, err = s.Store.Seen(r.Context(), session)
	}
	switch {
	case errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrSignedOut):
		s.welcome(w, http.StatusOK, "/")
	case err != nil:
		s.refuse(w, r, frame{Path: "/", Person: session.Login}, err)
	case len(seen) == 1 && r.URL.Path == "/":
		http.Redirect(w, r, "/orgs/"+seen[0].Login+"/overview", http.StatusSeeOther)
	default:
		s.render(w, http.StatusOK, "home.html", frame{Title: "Organisations", Path: "/", Person: session.Login, Auditor: session.GrantID != ""}, homePage{Ready: s.GitHub != nil, Orgs: seen})
	}
}

// welcome is the page to sign in on.
func (s *Site) welcome(w http.ResponseWriter, status int, to string) {
	s.render(w, status, "home.html", frame{Title: "Sign in", Path: to}, homePage{To: to, Ready: s.GitHub != nil})
}
