package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/countersign/countersign/store"
)

// Settings are what the pages need.
type Settings struct {
	Store *store.Store
	// GitHub is how people sign in; nil: nobody can, and the pages say what to set.
	GitHub *GitHub
	// PublicURL is where people reach the server, without a trailing slash. Over https cookies are
	// sent over TLS only.
	PublicURL string
	// GitHubURL is GitHub's web address, without a trailing slash.
	GitHubURL string
	Version   string
	Now       func() time.Time
	Log       zerolog.Logger
}

// GitHub is how people sign in, and what they may see.
type GitHub struct {
	// SignInURL is where GitHub asks a person whether they sign in here. state comes back with the
	// answer, and verifier proves that who redeems it is who asked (PKCE).
	SignInURL func(state, verifier string) string
	// SignIn redeems the code of GitHub's answer.
	SignIn func(ctx context.Context, code, verifier string) (Person, error)
	// Look says what the owner of a token sees now, and which token to use from now on. It returns
	// ErrSignedOut when GitHub does not accept the token any more.
	Look func(ctx context.Context, person Person) ([]store.Sight, []byte, error)
	// SignOut has GitHub forget a token.
	SignOut func(ctx context.Context, token []byte) error
}

// Person is somebody who signed in at GitHub.
type Person struct {
	ID    int64 // GitHub's account id
	Login string
	Token []byte // opaque here, and secret
}

// Site is all pages.
type Site struct {
	Settings
	looks   singleflight.Group // by session: GitHub's refresh tokens can be used once
	pages   templates
	secure  bool
	handler http.Handler
}

// New makes the pages ready to be served.
func New(s Settings) (*Site, error) {
	public, err := url.Parse(s.PublicURL)
	if err != nil {
		return nil, err
	}
	site := &Site{Settings: s, secure: public.Scheme == "https"}
	if site.pages, err = parsePages(); err != nil {
		return nil, err
	}
	site.handler = site.routes()
	return site, nil
}

// ServeHTTP serves every path that routes lists.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes are all pages, and all that can be done on them.
func (s *Site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /signin", s.signIn)
	mux.HandleFunc("GET "+CallbackPath, s.signedIn)
	mux.HandleFunc("POST /signout", s.signOut)
	mux.HandleFunc("GET /audit/{secret}", s.auditLink)
	mux.HandleFunc("POST /audit/{secret}", s.auditorIn)
	mux.Handle("GET /static/", static())

	mux.Handle("GET /orgs/{org}/changes", s.page("changes.html", s.changes))
	mux.Handle("GET /orgs/{org}/changes/{repo}/{number}", s.page("change.html", s.change))
	mux.Handle("GET /orgs/{org}/changes/{repo}/{number}/facts", s.file(s.changeFacts))
	mux.Handle("GET /orgs/{org}/changes/{repo}/{number}/proof", s.file(s.changeProof))
	mux.HandleFunc("/", s.nowhere)
	return http.NewCrossOriginProtection().Handler(s.guarded(mux))
}

// guarded tells browsers that nothing of a page comes from elsewhere, and that it is part of no
// other page.
func (s *Site) guarded(next http.Handler) http.Handler {
	// A form that leads to GitHub is a redirect from one of ours, which form-action covers as well.
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' " +
		s.GitHubURL + "; frame-ancestors 'none'; base-uri 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "no-store")
		}
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// maxForm bounds what a form sends, in bytes.
const maxForm = 256 << 10
