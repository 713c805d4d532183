package ghsim

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
)

// The pages for people: enough to look at a pull request, act on it as somebody, and see
// what the check run says. They need no JavaScript and ask for no password: whoever can
// reach the port may act as anybody, in a world that is not real.

//go:embed pages/pages.html
var pageFiles embed.FS

// servePages answers everything that is not an API.
func (s *Sim) servePages(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.homePage)
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("GET "+authorizeURL, s.authorize)
	mux.HandleFunc("GET /{owner}/{repo}", s.repoPage)
	mux.HandleFunc("GET /{owner}/{repo}/pull/{number}", s.pullPage)
	mux.HandleFunc("POST /{owner}/{repo}/pull/{number}", s.pullAction)
	protected := http.NewCrossOriginProtection()
	// An App is registered from a page elsewhere, which is what a manifest is for.
	for _, pattern := range []string{"POST /organizations/{org}/settings/apps/new", "POST /settings/apps/new"} {
		mux.HandleFunc(pattern, s.registerPage)
		protected.AddInsecureBypassPattern(pattern)
	}
	mux.HandleFunc("POST /settings/apps/manifest", s.registerApp)
	protected.Handler(mux).ServeHTTP(w, r)
}

// show renders a page to a buffer first, so that a mistake is an error and not half a page.
func show(w http.ResponseWriter, name string, data any) {
	t, err := template.ParseFS(pageFiles, "pages/pages.html")
	var b bytes.Buffer
	if err == nil {
		err = t.ExecuteTemplate(&b, name, data)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action *")
	w.Write(b.Bytes()) // the reader may be gone; nobody to tell
}

func (s *Sim) homePage(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	data := s.homeView()
	s.mu.Unlock()
	show(w, "home", data)
}

func (s *Sim) repoPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	found := s.repository(r.PathValue("owner"), r.PathValue("repo"))
	if found == nil {
		s.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	data := s.repoView(found)
	s.mu.Unlock()
	show(w, "repo", data)
}

// pullOfPage finds the pull request of a page; nil when there is none. It takes the lock.
func (s *Sim) pullOfPage(r *http.Request) *PullRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.repository(r.PathValue("owner"), r.PathValue("repo"))
	number, _ := strconv.Atoi(r.PathValue("number"))
	if found == nil || found.pull(number) == nil {
		return nil
	}
	return &PullRequest{s, found.pull(number)}
}

func (s *Sim) pullPage(w http.ResponseWriter, r *http.Request) {
	pr := s.pullOfPage(r)
	if pr == nil {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	data := s.pullView(pr.p)
	s.mu.Unlock()
	data.Note = r.URL.Query().Get("note")
	if r.URL.Query().Has("wait") { // the gate's answer comes in a moment: look once more
		w.Header().Set("Refresh", "2; url="+data.Path+"?note="+url.QueryEscape(data.Note))
	}
	show(w, "pull", data)
}

// pullAction does what a button says and goes back to the page.
func (s *Sim) pullAction(w http.ResponseWriter, r *http.Request) {
	pr := s.pullOfPage(r)
	if pr == nil {
		http.NotFound(w, r)
		return
	}
	note := s.act(pr, r)
	http.Redirect(w, r, r.URL.Path+"?wait&note="+url.QueryEscape(note), http.StatusSeeOther)
}

// act does what the form asks for and says in a sentence what came of it.
func (s *Sim) act(pr *PullRequest, r *http.Request) string {
	s.mu.Lock()
	a := s.account(r.PostFormValue("as"))
	s.mu.Unlock()
	if a == nil {
		return "Choose who acts."
	}
	as := &User{s, a}
	switch r.PostFormValue("do") {
	case "approve":
		return said(pr.reviewAs(as, "APPROVED"), a.login+" approved.")
	case "changes":
		return said(pr.reviewAs(as, "CHANGES_REQUESTED"), a.login+" requested changes.")
	case "push":
		return said(pr.pushAs(as, r.PostFormValue("message")), a.login+" pushed a commit.")
	case "pass":
		pr.Repo().RunWorkflow(pr.HeadSHA(), r.PostFormValue("workflow"), "pull_request", Job{Name: r.PostFormValue("job"), Conclusion: "success"})
		return "The validation passed."
	case "fail":
		pr.Repo().RunWorkflow(pr.HeadSHA(), r.PostFormValue("workflow"), "pull_request", Job{Name: r.PostFormValue("job"), Conclusion: "failure"})
		return "The validation failed."
	case "merge":
		return said(pr.Merge(as, "merge"), a.login+" merged it.")
	}
	return "That button is not known."
}

func said(err error, done string) string {
	if err != nil {
		return "GitHub refuses: " + err.Error() + "."
	}
	return done
}

func (p *PullRequest) reviewAs(by *User, state string) error {
	_, err := p.TryReview(ReviewSpec{By: by, State: state})
	return err
}

// pushAs pushes a commit that changes a file of its own, so that it never conflicts.
func (p *PullRequest) pushAs(by *User, message string) error {
	name := "pushed-" + decimal(len(p.Heads())) + ".txt"
	_, err := p.Repo().TryPush(p.p.headRef, by, Commit{Message: message, Files: map[string]string{name: message + "\n"}})
	return err
}
