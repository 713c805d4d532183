package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/countersign/countersign/store"
)

// visit is a request of somebody who is signed in, about one organisation.
type visit struct {
	*http.Request
	session store.Session
	view    store.View
	// slight is set by a page that shows how far something is and no evidence: it asks for itself
	// every second, and that is not recorded.
	slight bool
}

// who is the visitor, as the log of accesses names them.
func (v *visit) who() store.Who {
	if v.session.GrantID != "" {
		return store.Who{User: v.session.Login, Host: "grant " + v.session.GrantID}
	}
	return store.Who{AccountID: v.session.PersonID, Login: v.session.Login}
}

// person is the visitor with their token, to ask GitHub in their name.
func (s *Site) person(v *visit) (Person, error) {
	c, err := v.Cookie(s.cookieName())
	if err != nil {
		return Person{}, ErrSignedOut
	}
	token, err := unseal(c.Value, v.session.Token)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrSignedOut, err)
	}
	return Person{v.session.PersonID, v.session.Login, token}, nil
}

// id is a number in the path; 0: there is none, and so nothing has it.
func (v *visit) id(name string) int64 {
	n, err := strconv.ParseInt(v.PathValue(name), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// base is the path of the organisation's pages.
func (v *visit) base() string { return "/orgs/" + url.PathEscape(v.view.Login) }

// enter finds out who asks and about which organisation, or answers that they must sign in.
func (s *Site) enter(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	session, err := s.session(r)
	f := frame{Path: r.URL.RequestURI(), Person: session.Login}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrSignedOut) {
		s.askToSignIn(w, r)
		return nil, false
	}
	if err != nil {
		s.refuse(w, r, f, err)
		return nil, false
	}
	seen, err := s.Store.Seen(r.Context(), session)
	if errors.Is(err, store.ErrNotFound) { // a grant that ended
		s.askToSignIn(w, r)
		return nil, false
	}
	if err == nil {
		var view store.View
		if view, err = s.viewOf(r, session, seen); err == nil {
			return &visit{Request: r, session: session, view: view}, true
		}
	}
	s.refuse(w, r, f, err)
	return nil, false
}

// viewOf is the view of the organisation in the path, which is its login now, or its id.
func (s *Site) viewOf(r *http.Request, session store.Session, seen []store.Seen) (store.View, error) {
	name := r.PathValue("org")
	for _, o := range seen {
		if strings.EqualFold(o.Login, name) || strconv.FormatInt(o.OrgID, 10) == name {
			return s.Store.View(r.Context(), session, o.OrgID)
		}
	}
	return store.View{}, fmt.Errorf("web: organisation %.100q: %w", name, store.ErrNotFound)
}

// askToSignIn answers a page that nobody is signed in for: with the page to sign in on, from which
// they come back here.
func (s *Site) askToSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/"
	if r.Method == http.MethodGet {
		to = r.URL.RequestURI()
	}
	s.welcome(w, http.StatusUnauthorized, to)
}

// shown is what a page shows.
type shown struct {
	title string
	data  any
}

// page serves a page of an organisation.
func (s *Site) page(name string, make func(v *visit) (shown, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := s.enter(w, r)
		if !ok {
			return
		}
		f := s.frameOf(v)
		out, err := make(v)
		if err == nil {
			err = s.noteReading(v)
		}
		if err != nil {
			s.refuse(w, r, f, err)
			return
		}
		f.Title = out.title
		s.render(w, http.StatusOK, name, f, out.data)
	})
}

func (s *Site) frameOf(v *visit) frame {
	section, _, _ := strings.Cut(strings.TrimPrefix(v.URL.Path, "/orgs/"+v.PathValue("org")+"/"), "/")
	if section == "merged" { // the rows of its figures
		section = "overview"
	}
	return frame{Path: v.URL.RequestURI(), Person: v.session.Login, Auditor: v.session.GrantID != "", Org: v.view.Login, Role: v.view.Role, Section: section}
}

// noteReading has the log say what an auditor read. It is there before the page is sent.
func (s *Site) noteReading(v *visit) error {
	if v.view.Role != store.RoleAuditor || v.slight {
		return nil
	}
	return s.noteAccess(v, "")
}

// noteAccess has the log say that something was read; of a bundle, which one.
func (s *Site) noteAccess(v *visit, manifestSHA256 string) error {
	tenant, err := v.view.Of(v.Context(), v.id("repo"))
	if err != nil {
		return err
	}
	query, err := json.Marshal(map[string]string{"page": v.URL.Path, "query": v.URL.RawQuery})
	if err != nil {
		return err
	}
	return tenant.RecordAccess(v.Context(), store.Access{What: store.AccessRead, By: v.who(), Query: query, ManifestSHA256: manifestSHA256})
}

// attachment is a file that somebody takes.
type attachment struct {
	name, kind string
	content    []byte
}

// file serves evidence that somebody takes with them, which is always noted.
func (s *Site) file(make func(v *visit) (attachment, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := s.enter(w, r)
		if !ok {
			return
		}
		out, err := make(v)
		if err == nil {
			err = s.noteAccess(v, "")
		}
		if err != nil {
			s.refuse(w, r, s.frameOf(v), err)
			return
		}
		w.Header().Set("Content-Type", out.kind)
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", out.name))
		if _, err := w.Write(out.content); err != nil {
			s.Log.Debug().Err(err).Msg("a file was not taken")
		}
	})
}

// act serves a form: what it does, and where it leads.
func (s *Site) act(do func(v *visit) (to string, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := s.enter(w, r)
		if !ok {
			return
		}
		to, err := do(v)
		if err != nil {
			s.refuse(w, r, s.frameOf(v), err)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}
