package web

import (
	"net/http"

	"github.com/countersign/countersign/store"
)

// auditPage asks an auditor who followed their link to begin.
type auditPage struct {
	Secret string
	Grant  store.Grant
}

// auditLink shows what a link opens. It opens it only when asked to by a form, so that programs that
// follow links in mails do not.
func (s *Site) auditLink(w http.ResponseWriter, r *http.Request) {
	secret := r.PathValue("secret")
	g, _, err := s.Store.GrantOf(r.Context(), known(secret))
	if err != nil {
		s.refuse(w, r, frame{Path: "/"}, err)
		return
	}
	s.render(w, http.StatusOK, "audit.html", frame{Title: "Evidence for " + g.Name, Path: "/"}, auditPage{secret, g})
}

// auditorIn signs an auditor in.
func (s *Site) auditorIn(w http.ResponseWriter, r *http.Request) {
	g, org, err := s.Store.GrantOf(r.Context(), known(r.PathValue("secret")))
	if err == nil {
		_, _, err = s.begin(r.Context(), w, store.Session{Login: g.Name, GrantOrg: org, GrantID: g.ID, ExpiresAt: g.ExpiresAt}, nil)
	}
	if err != nil {
		s.refuse(w, r, frame{Path: "/"}, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
