package ghsim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// obj is a JSON object. Handlers build it with Sim.mu held; it is encoded afterwards, so
// nothing in it may be changed later.
type obj = map[string]any

// call is one request to the REST API.
type call struct {
	s      *Sim
	r      *http.Request
	route  *route
	viewer *viewer
	params map[string]string
	query  url.Values
	body   []byte
	repo   *repo // of {owner}/{repo}; never nil on routes that have it
	org    *org  // of {org}; never nil on routes that have it
	link   string
}

// answer is what a handler says. status 0 is 200.
type answer struct {
	status int
	body   any
}

// apiError is an answer that is not a success: GitHub's {"message", "documentation_url"}.
type apiError struct {
	status  int
	message string
	header  map[string]string
	docs    string
	errors  []obj // the "errors" of a 422
}

func (e *apiError) Error() string { return e.message }

var (
	errNotFound  = &apiError{status: 404, message: "Not Found"}
	errBadToken  = &apiError{status: 401, message: "Bad credentials"}
	errNeedsAuth = &apiError{status: 401, message: "Requires authentication"}
	errNeedsJWT  = &apiError{status: 401, message: "A JSON web token could not be decoded"}
	errNotByApp  = &apiError{status: 403, message: "Resource not accessible by integration"}
	errNotByUser = &apiError{status: 403, message: "Must have admin rights to Repository."}
)

// invalid is a 422: the request was understood and cannot be done.
func invalid(format string, args ...any) *apiError {
	return &apiError{status: 422, message: fmt.Sprintf(format, args...)}
}

const (
	restPrefix    = "/api/v3"
	graphqlPath   = "/api/graphql"
	maxBody       = 25 << 20
	graphqlRoute  = "POST /graphql"
	docsURL       = "https://docs.github.com/rest"
	unknownRoutes = "(no such route)"
)

// ServeHTTP answers REST, GraphQL, the App side of the sign-in and the pages for people.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.date())
	path := r.URL.EscapedPath()
	switch {
	case path == graphqlPath:
		s.serveLogged(w, r, graphqlRoute, s.answerGraphQL)
	case r.Method+" "+path == tokenRoute:
		s.serveLogged(w, r, tokenRoute, s.answerToken)
	case strings.HasPrefix(path, restPrefix+"/") || path == restPrefix:
		s.serveREST(w, r, strings.TrimPrefix(path, restPrefix))
	default:
		s.servePages(w, r)
	}
}

// date is the header of that name. It is of the clock by which limits end, which a client counts on.
func (s *Sim) date() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Format(http.TimeFormat)
}

// recorder remembers what was answered, for the log.
type recorder struct {
	http.ResponseWriter
	status   int
	answered *bytes.Buffer // the body, while somebody observes; nil otherwise
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.answered != nil {
		w.answered.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// exchange is one request on its way through faults, authentication and log.
type exchange struct {
	w      *recorder
	r      *http.Request
	entry  *Request
	fault  *activeFault
	viewer *viewer
	body   []byte
}

// serveLogged does what REST and GraphQL share: the log entry, faults that need no
// answer, the body and the credentials. Then next answers.
func (s *Sim) serveLogged(w http.ResponseWriter, r *http.Request, name string, next func(*exchange)) {
	x := &exchange{w: &recorder{ResponseWriter: w}, r: r, entry: &Request{At: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Route: name}}
	w.Header().Set("X-GitHub-Request-Id", s.requestID())
	w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	observers := s.watched(x)
	defer func() { // also when a dropped connection panics with http.ErrAbortHandler
		x.entry.Status = x.w.status
		x.entry.Duration = time.Since(x.entry.At)
		s.log.add(*x.entry)
		x.tell(observers)
	}()
	x.fault = s.Faults.take(name, r)
	x.body, _ = io.ReadAll(io.LimitReader(r.Body, maxBody)) // a broken upload is an empty or cut body, which no route accepts
	x.entry.Body = x.body
	if !x.fault.wait(r.Context()) {
		return
	}
	viewer, err := s.authenticate(r)
	if err != nil {
		s.fail(x, err)
		return
	}
	x.viewer = viewer
	x.viewer.stale = x.fault.staleHeads
	x.entry.identify(viewer)
	if x.fault.answers() {
		x.fault.answer(s, x)
		return
	}
	next(x)
}

func (s *Sim) answerGraphQL(x *exchange) {
	x.entry.Billable = true
	x.r.Body = io.NopCloser(bytes.NewReader(x.body))
	if !x.fault.spoils() {
		s.serveGraphQL(x.w, x.r, x.viewer)
		return
	}
	kept := &bufferedResponse{header: x.w.Header()}
	s.serveGraphQL(kept, x.r, x.viewer)
	x.fault.send(x.w, kept.status, kept.body.Bytes())
}

// bufferedResponse keeps an answer back, so that a fault can spoil it.
type bufferedResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *bufferedResponse) Header() http.Header { return b.header }

func (b *bufferedResponse) WriteHeader(status int) { b.status = status }

func (b *bufferedResponse) Write(data []byte) (int, error) {
	if b.status == 0 {
		b.status = http.StatusOK
	}
	return b.body.Write(data)
}

// serveREST finds the route and answers.
func (s *Sim) serveREST(w http.ResponseWriter, r *http.Request, path string) {
	path = s.byID(path)
	route, params := s.routes.find(r.Method, path)
	name := r.Method + " " + unknownRoutes
	if route != nil {
		name = route.name()
	}
	s.serveLogged(w, r, name, func(x *exchange) {
		err := s.admit(x.viewer)
		if err == nil && r.Method != http.MethodGet {
			err = s.admitWrite(x.viewer)
		}
		if err != nil {
			s.fail(x, err)
			return
		}
		if route == nil {
			s.fail(x, errNotFound)
			return
		}
		c := &call{s: s, r: r, route: route, viewer: x.viewer, params: params, query: r.URL.Query(), body: x.body}
		a, err := c.run()
		var refused *apiError
		switch {
		case errors.As(err, &refused):
			s.fail(x, refused)
		case err != nil:
			s.fail(x, invalid("%s", err))
		default:
			s.reply(x, c, a)
		}
	})
}

// byID rewrites /repositories/{id}/… to /repos/{owner}/{repo}/…, where renames redirect to.
func (s *Sim) byID(path string) string {
	rest, ok := strings.CutPrefix(path, "/repositories/")
	if !ok {
		return path
	}
	number, tail, _ := strings.Cut(rest, "/")
	id, _ := strconv.ParseInt(number, 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repos[id]; r != nil {
		return strings.TrimSuffix("/repos/"+r.fullName()+"/"+tail, "/")
	}
	return path
}

// run finds what the path names, checks the permission and calls the handler, all with
// the world's lock held.
func (c *call) run() (*answer, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err := c.resolve(); err != nil {
		return nil, err
	}
	if err := c.permit(); err != nil {
		return nil, err
	}
	return c.route.handle(c)
}

// resolve finds the repository and the organisation of the path.
func (c *call) resolve() error {
	if owner, ok := c.params["owner"]; ok {
		c.repo = c.s.repository(owner, c.params["repo"])
		// An App asks with its own key where it is installed; the handler knows.
		visible := c.repo != nil && (c.route.permission == "jwt" || c.s.canSee(c.viewer, c.repo))
		if !visible {
			return errNotFound
		}
		if !strings.EqualFold(c.repo.fullName(), owner+"/"+c.params["repo"]) {
			return c.moved()
		}
	}
	if login, ok := c.params["org"]; ok {
		if a := c.s.account(login); a != nil {
			c.org = c.s.orgs[a.id]
		}
		if c.org == nil {
			return errNotFound
		}
	}
	return nil
}

// moved redirects from a former name of the repository, which GitHub does by id.
func (c *call) moved() error {
	_, tail, _ := strings.Cut(strings.TrimPrefix(c.r.URL.EscapedPath(), restPrefix+"/repos/"+url.PathEscape(c.params["owner"])+"/"), "/")
	to := c.s.api("/repositories/" + decimal(c.repo.id))
	if tail != "" {
		to += "/" + tail
	}
	if c.r.URL.RawQuery != "" {
		to += "?" + c.r.URL.RawQuery
	}
	status := http.StatusMovedPermanently
	if c.r.Method != http.MethodGet {
		status = http.StatusTemporaryRedirect
	}
	return &apiError{status: status, message: "Moved Permanently", header: map[string]string{"Location": to}}
}

// permit checks the route's permission.
func (c *call) permit() error {
	v, need := c.viewer, c.route.permission
	switch {
	case need == "jwt":
		if v.app == nil {
			return errNeedsJWT
		}
		return nil
	case need == "client":
		if v.client == nil || v.client.clientID() != c.params["client_id"] {
			return errNotFound
		}
		return nil
	case v.app != nil:
		return errNotByApp
	case v.anonymous() && (c.route.level == "write" || need == "signed-in"):
		return errNeedsAuth
	case need == "" || need == "signed-in":
		return nil
	case c.repo != nil && c.s.can(v, c.repo, need, c.route.level):
		return nil
	case c.route.onPulls != "" && c.repo.pull(int(c.number("number"))) != nil && c.s.can(v, c.repo, c.route.onPulls, c.route.level):
		return nil
	case c.repo == nil && c.org != nil && c.s.canOrg(v, c.org, need, c.route.level):
		return nil
	case v.installation != nil:
		return errNotByApp
	case v.anonymous():
		return errNeedsAuth
	}
	return errNotByUser
}

// reply sends a success: JSON, ETag, 304, rate limit headers.
func (s *Sim) reply(x *exchange, c *call, a *answer) {
	h := x.w.Header()
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		s.fail(x, &apiError{status: 500, message: err.Error()})
		return
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	if c.link != "" && !x.fault.noLink {
		h.Set("Link", c.link)
	}
	x.entry.Billable = true
	if x.r.Method == http.MethodGet && status == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `"` + hex.EncodeToString(sum[:]) + `"`
		h.Set("ETag", tag)
		h.Set("Cache-Control", "private, max-age=60, s-maxage=60")
		h.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP")
		if matches(x.r.Header.Get("If-None-Match"), tag) {
			x.entry.Billable, status, body = false, http.StatusNotModified, nil
		}
	}
	s.spendREST(x, h)
	if status == http.StatusNotModified || status == http.StatusNoContent {
		h.Del("Content-Type")
		x.w.WriteHeader(status)
		return
	}
	x.fault.send(x.w, status, body)
}

// matches says whether the If-None-Match header names the tag, weakly or not.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// fail sends an error as GitHub words it.
func (s *Sim) fail(x *exchange, err error) {
	e := &apiError{status: 500, message: err.Error()}
	errors.As(err, &e)
	h := x.w.Header()
	for k, v := range e.header {
		h.Set(k, v)
	}
	if h.Get("X-RateLimit-Remaining") == "" && x.viewer != nil {
		x.entry.Billable = true
		s.spendREST(x, h)
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	docs := e.docs
	if docs == "" {
		docs = docsURL
	}
	body := obj{"message": e.message, "documentation_url": docs, "status": strconv.Itoa(e.status)}
	if e.status == 301 || e.status == 307 {
		body["url"] = e.header["Location"]
	}
	if e.errors != nil {
		body["errors"] = e.errors
	}
	data, _ := json.Marshal(body) // strings only: cannot fail
	x.w.WriteHeader(e.status)
	x.w.Write(data) // the client may be gone; nobody to tell
}

// requestID is GitHub's X-GitHub-Request-Id.
func (s *Sim) requestID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%04X:%06X:%07X", s.random.Intn(1<<16), s.random.Intn(1<<24), s.random.Intn(1<<28))
}

// decode reads the JSON body into v.
func (c *call) decode(v any) error {
	if err := json.Unmarshal(c.body, v); err != nil {
		return &apiError{status: 400, message: "Problems parsing JSON"}
	}
	return nil
}

// number is a numeric parameter of the path; 0 when it is not a number.
func (c *call) number(name string) int64 {
	n, _ := strconv.ParseInt(c.params[name], 10, 64)
	return n
}
