// Package setup registers the GitHub App from a browser, by GitHub's manifest flow: a page that sends
// the person to GitHub with what the App asks for, and the one to which GitHub sends them back.
//
// Its pages are for whoever has the token that was printed where the program runs, until one App is
// registered; then nothing is served any more.
package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/gh"
)

// Path is where the pages are.
const Path = "/setup"

// CallbackPath is where GitHub sends the person back to.
const CallbackPath = Path + "/callback"

// Settings say what is registered, and where.
type Settings struct {
	// WebURL is GitHub's address for people.
	WebURL string
	// Organisation is who is to own the App, by login; a person may name another. Empty: the person.
	Organisation string
	// Token is what somebody must know to begin.
	Token string
	// Manifest is what the App asks for, under a name.
	Manifest func(name string) ([]byte, error)
	// Complete exchanges the code of a registration for the App.
	Complete func(ctx context.Context, code string) (gh.Registered, error)
	// Keep keeps the App's secrets, and returns where, in words.
	Keep func(gh.Registered) (where string, err error)
	// Told is told of what goes wrong, and Done of the App that was kept, once.
	Told func(error)
	Done func(gh.Registered)
	Now  func() time.Time
}

// stateLasts is how long somebody may take on GitHub, and maxStates how many may be there at a time.
const (
	stateLasts = time.Hour
	maxStates  = 20
)

// Setup are the pages.
type Setup struct {
	Settings
	pages  *template.Template
	policy string // of contents, but for where forms go to

	mu     sync.Mutex           // guards the rest, and lets one registration be completed at a time
	states map[string]time.Time // that GitHub was given, with their ends
	done   bool
}

//go:embed pages.html
var pageFiles embed.FS

// style is all there is of it. Its digest is in the policy of contents.
const style = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}label{display:block;margin:1rem 0}input{display:block;font:inherit;width:100%;box-sizing:border-box;padding:.4rem}button{font:inherit;padding:.5rem 1rem}code{overflow-wrap:anywhere}:root{color-scheme:light dark}"

// New makes the pages.
func New(s Settings) (*Setup, error) {
	pages, err := template.New("").Funcs(template.FuncMap{"style": func() template.CSS { return style }}).ParseFS(pageFiles, "pages.html")
	if err != nil {
		return nil, err
	}
	if len(s.Token) < 20 {
		return nil, errors.New("the token of setup can be guessed")
	}
	sum := sha256.Sum256([]byte(style))
	return &Setup{Settings: s, pages: pages, states: map[string]time.Time{},
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action "}, nil
}

// NewToken makes a token for one setup.
func NewToken() (string, error) {
	raw := make([]byte, 20)
	_, err := rand.Read(raw)
	return hex.EncodeToString(raw), err
}

// Routes are all routes of this package.
func (s *Setup) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, s.begin)
	mux.Handle("POST "+Path, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.register)))
	mux.HandleFunc("GET "+CallbackPath, s.callback)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		done := s.done
		s.mu.Unlock()
		if done {
			http.NotFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// show renders a page whole before anything of it is sent. Forms of it go to formsTo alone.
func (s *Setup) show(w http.ResponseWriter, status int, name, formsTo string, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.Told(err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.policy+formsTo)
	h.Set("X-Content-Type-Options", "nosniff")
	// GitHub and others are not told of the code in the address.
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		s.Told(err)
	}
}

// failed says what went wrong and what to do.
func (s *Setup) failed(w http.ResponseWriter, status int, what, remedy string) {
	s.show(w, status, "failed", "'none'", map[string]string{"What": what, "Remedy": remedy})
}

func (s *Setup) begin(w http.ResponseWriter, _ *http.Request) {
	s.show(w, http.StatusOK, "begin", "'self'", map[string]string{"Organisation": s.Organisation})
}

// login is the shape of an account's login, and name that of an App.
var (
	login = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})$`)
	name  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 _-]{0,33}$`)
)

// register checks the token, and hands out the form that goes to GitHub.
func (s *Setup) register(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	given, want := sha256.Sum256([]byte(strings.TrimSpace(r.PostFormValue("token")))), sha256.Sum256([]byte(s.Token))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		s.failed(w, http.StatusForbidden, "That is not the token.", "It stands where the program was started: in the terminal, or in the server's log. Each start makes a new one.")
		return
	}
	organisation, called := strings.TrimSpace(r.PostFormValue("organisation")), strings.TrimSpace(r.PostFormValue("name"))
	if called == "" {
		called = suggested(organisation)
	}
	if organisation != "" && !login.MatchString(organisation) || !name.MatchString(called) {
		s.failed(w, http.StatusUnprocessableEntity, "That is no login of an organisation, or no name of an App.", "Write the login as in the address of the organisation's page. A name has at most 34 letters, digits and hyphens.")
		return
	}
	manifest, err := s.Manifest(called)
	var state string
	if err == nil {
		state, err = s.newState()
	}
	if err != nil {
		s.Told(err)
		s.failed(w, http.StatusInternalServerError, "The form could not be made.", "What went wrong stands where the program runs.")
		return
	}
	at := strings.TrimSuffix(s.WebURL, "/")
	to := at + "/settings/apps/new"
	if organisation != "" {
		to = at + "/organizations/" + url.PathEscape(organisation) + "/settings/apps/new"
	}
	s.show(w, http.StatusOK, "register", at, map[string]string{"To": to + "?state=" + state, "Manifest": string(manifest), "Name": called, "Organisation": organisation})
}

// suggested is a name of an App. Names are one of a kind on all of GitHub.
func suggested(organisation string) string {
	all := "countersign-" + organisation
	if organisation == "" {
		all = "countersign"
	}
	return all[:min(len(all), 34)]
}

// newState makes a state that GitHub hands back: only who knew the token gets one.
func (s *Setup) newState() (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	state := hex.EncodeToString(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	for one, end := range s.states {
		if s.Now().After(end) || len(s.states) >= maxStates {
			delete(s.states, one)
		}
	}
	s.states[state] = s.Now().Add(stateLasts)
	return state, nil
}

// useState says whether a state is one of ours, which it is no longer afterwards.
func (s *Setup) useState(given string) bool {
	found := ""
	for one, end := range s.states {
		if subtle.ConstantTimeCompare([]byte(one), []byte(given)) == 1 && s.Now().Before(end) {
			found = one
		}
	}
	delete(s.states, found)
	return found != ""
}

// callback is where GitHub sends the person who registered the App, with a code for its secrets.
func (s *Setup) callback(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || !s.useState(r.URL.Query().Get("state")) {
		s.failed(w, http.StatusForbidden, "This was not begun here, or is older than an hour.", "Begin again at "+Path+". If an App was registered, delete it on GitHub.")
		return
	}
	app, err := s.Complete(r.Context(), r.URL.Query().Get("code"))
	if err != nil {
		s.Told(err)
		s.failed(w, http.StatusBadGateway, "GitHub did not hand out the App's secrets.", "Delete the App that was just registered on GitHub, and begin again at "+Path+". What went wrong stands where the program runs.")
		return
	}
	where, err := s.Keep(app)
	if err != nil {
		s.Told(err)
		s.failed(w, http.StatusInternalServerError, "The App's secrets could not be kept.", "Delete the App "+app.Slug+" on GitHub, since nobody has its secrets now, repair what stands where the program runs, and begin again at "+Path+".")
		return
	}
	s.done = true
	s.show(w, http.StatusOK, "done", "'none'", map[string]any{"Slug": app.Slug, "ID": app.ID, "Where": where, "Install": app.HTMLURL + "/installations/new"})
	s.Done(app)
}
