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
	// Declare keeps an emergency that somebody declares on the page of a pull request, and Confirm
	// that somebody confirms to have reviewed its commit. refused says in a sentence why it was not kept.
	Declare func(ctx context.Context, tenant store.Tenant, said Statement, ticket, reason string) (refused string, err error)
	Confirm func(ctx context.Context, tenant store.Tenant, said Statement) (refused string, err error)
	// Bundles makes bundles of evidence.
	Bundles *Bundles
	// Trackers are where the tickets of an organisation are, by its login.
	Trackers func(login string) []Tracker
	// Notices tells people of exceptions.
	Notices Notices
	// Witnesses are the public keys of those who are asked to cosign checkpoints.
	Witnesses []string
	// PublicURL is where people reach the server, without a trailing slash. Over https cookies are
	// sent over TLS only.
	PublicURL string
	// CallbackPath is where GitHub sends people back to, below PublicURL.
	CallbackPath string
	// GitHubURL is GitHub's web address, without a trailing slash.
	GitHubURL string
	// AppID is GitHub's id of the App: what a required check is pinned to.
	AppID   int64
	Version string
	Now     func() time.Time
	Log     zerolog.Logger
}

// GitHub is how people sign in, and what they may see.
type GitHub struct {
	// SignInURL is where GitHub asks a person whether they sign in here. state comes back with the
	// answer, and verifier proves that who redeems it is who asked (PKCE).
	SignInURL func(state, verifier string) string
	// SignIn redeems the code of GitHub's answer.
	SignIn func(ctx context.Context, code, verifier string) (Person, error)
	// Look says what a person sees now. A token that replaces theirs is handed to keep before it is
	// used: the one before is worth nothing then. It returns ErrSignedOut when GitHub does not accept
	// the token any more.
	Look func(ctx context.Context, person Person, keep func(token []byte) error) ([]store.Sight, error)
	// CanWrite says whether a person may write to a repository, which has this id and this name.
	CanWrite func(ctx context.Context, person Person, repoID int64, repository string) (bool, error)
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
	site.handler = site.serve()
	return site, nil
}

// ServeHTTP serves every path of Routes, and says of others that there is nothing.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Route is one address of the pages, as http.ServeMux writes it.
type Route struct {
	Pattern string
	handler http.Handler
}

// Routes are all pages, and all that can be done on them. What is about an organisation is below
// /orgs/{org}/, and is reached by nobody who does not see that organisation.
func (s *Site) Routes() []Route {
	return []Route{
		{"GET /{$}", http.HandlerFunc(s.home)},
		{"GET /signin", http.HandlerFunc(s.signIn)},
		{"GET " + s.CallbackPath, http.HandlerFunc(s.signedIn)},
		{"POST /signout", http.HandlerFunc(s.signOut)},
		{"GET /audit/{secret}", http.HandlerFunc(s.auditLink)},
		{"POST /audit/{secret}", http.HandlerFunc(s.auditorIn)},
		{"GET /static/", static()},

		{"GET /orgs/{org}/overview", s.page("overview.html", s.overview)},
		{"POST /orgs/{org}/first-day", s.act(s.askFirstDay)},
		{"GET /orgs/{org}/merged", s.page("merged.html", s.merged)},
		{"GET /orgs/{org}/protection", s.page("protection.html", s.protection)},
		{"GET /orgs/{org}/protection/{repo}/{ref...}", s.page("branch.html", s.branch)},
		{"GET /orgs/{org}/agents", s.page("agents.html", s.agents)},
		{"GET /orgs/{org}/admin", s.page("admin.html", s.admin)},
		{"POST /orgs/{org}/admin/jobs/{job}/revive", s.act(s.revive)},
		{"POST /orgs/{org}/admin/deliveries/{delivery}/replay", s.act(s.replay)},
		{"POST /orgs/{org}/admin/notifications/test", s.page("notices.html", s.testNotices)},
		{"GET /orgs/{org}/policy", s.page("policy.html", s.policies)},
		{"GET /orgs/{org}/policy/try", s.page("try.html", s.trial)},
		{"POST /orgs/{org}/policy/try", s.page("try.html", s.trial)},
		{"GET /orgs/{org}/exceptions", s.page("exceptions.html", s.exceptions)},
		{"GET /orgs/{org}/exceptions/{id}", s.page("exception.html", s.exception)},
		{"POST /orgs/{org}/exceptions/{id}/close", s.act(s.closeException)},
		{"GET /orgs/{org}/changes", s.page("changes.html", s.changes)},
		{"GET /orgs/{org}/changes/{repo}/{number}", s.page("change.html", s.change)},
		{"POST /orgs/{org}/changes/{repo}/{number}/emergency", s.act(s.declare)},
		{"POST /orgs/{org}/changes/{repo}/{number}/confirm", s.act(s.confirm)},
		{"GET /orgs/{org}/changes/{repo}/{number}/facts", s.file(s.changeFacts)},
		{"GET /orgs/{org}/changes/{repo}/{number}/proof", s.file(s.changeProof)},

		{"GET /orgs/{org}/evidence", s.page("evidence.html", s.evidence)},
		{"POST /orgs/{org}/evidence/bundles", s.act(s.askBundle)},
		{"GET /orgs/{org}/evidence/bundles/{bundle}", s.page("bundle.html", s.bundle)},
		{"POST /orgs/{org}/evidence/bundles/{bundle}", s.act(s.makeBundle)},
		{"GET /orgs/{org}/evidence/bundles/{bundle}/file", s.stream(s.bundleFile)},
		{"GET /orgs/{org}/evidence/grants", s.page("grants.html", s.grants)},
		{"POST /orgs/{org}/evidence/grants", s.page("granted.html", s.grantAudit)},
		{"POST /orgs/{org}/evidence/grants/{grant}/revoke", s.act(s.revokeGrant)},
		{"GET /orgs/{org}/ledger", s.page("ledger.html", s.ledger)},
	}
}

// serve is everything, behind what guards it.
func (s *Site) serve() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.Routes() {
		mux.Handle(r.Pattern, r.handler)
	}
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
		// With no-referrer at all, browsers do not say where a form came from either.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "no-store")
		}
		if s.secure {
			h.Set("Cross-Origin-Opener-Policy", "same-origin") // browsers take it over TLS only
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// maxForm bounds what a form sends, in bytes.
const maxForm = 256 << 10
