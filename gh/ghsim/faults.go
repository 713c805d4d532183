package ghsim

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong on purpose. Zero fields change nothing.
type Fault struct {
	// Route says which requests: a name as in Request.Route, where "*" stands for any text
	// ("GET *", "*/check-runs"). Empty: every request.
	Route string
	// Only narrows further; nil: every request of the route.
	Only func(*http.Request) bool
	// Skip lets that many requests pass first.
	Skip int
	// Times is how many requests are hit; 0: until the fault is taken back.
	Times int

	Latency time.Duration // before the answer
	// Status answers with this error and changes nothing in the world: 500, 502, 403, 401, ….
	Status  int
	Message string
	// RateLimited answers 403 with no requests remaining until Reset (zero: in an hour).
	RateLimited bool
	Reset       time.Time
	// Secondary answers GitHub's secondary rate limit: 403 with Retry-After.
	Secondary  bool
	RetryAfter time.Duration
	// AfterDoing lets the request take effect before the fault answers: a write that is done
	// and reported lost. It goes with Status and Drop.
	AfterDoing bool
	Drop       bool // breaks the connection instead of answering
	Malformed  bool // the body is not JSON
	CutBody    bool // the connection breaks in the middle of the body
	NoLink     bool // a list says nothing of its further pages
	// StaleHeads answers as if the last n head changes of every pull request had not
	// happened yet: webhooks ahead of the API.
	StaleHeads int
	// Begun is called when a request arrives, and Done when it has taken effect, before it is answered.
	Begun, Done func()
}

// Faults is the list of faults in force. Its methods may be called at any time.
type Faults struct {
	mu      sync.Mutex
	latency time.Duration
	list    []*plannedFault
}

type plannedFault struct {
	Fault
	seen, hits int
}

func newFaults() *Faults { return &Faults{} }

// Add puts a fault in force. The returned function takes it back.
func (f *Faults) Add(fault Fault) (repair func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &plannedFault{Fault: fault}
	f.list = append(f.list, p)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.list = slices.DeleteFunc(f.list, func(x *plannedFault) bool { return x == p })
	}
}

// SetLatency delays the answer to every request to the APIs.
func (f *Faults) SetLatency(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency = d
}

// Clear takes every fault back, the latency too.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.latency = nil, 0
}

// activeFault is what the faults in force do to one request. Never nil.
type activeFault struct {
	latency    time.Duration
	failure    *Fault // answers instead of the handler; nil: none
	afterDoing bool
	malformed  bool
	cutBody    bool
	noLink     bool
	staleHeads int
	done       []func()
}

// take collects the faults for a request and counts them.
func (f *Faults) take(route string, r *http.Request) *activeFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &activeFault{latency: f.latency}
	for _, p := range f.list {
		if !routeMatches(p.Route, route) || (p.Only != nil && !p.Only(r)) {
			continue
		}
		if p.seen++; p.seen <= p.Skip || (p.Times > 0 && p.hits >= p.Times) {
			continue
		}
		p.hits++
		if p.Begun != nil {
			p.Begun()
		}
		a.add(&p.Fault)
	}
	return a
}

func (a *activeFault) add(f *Fault) {
	a.latency += f.Latency
	a.malformed = a.malformed || f.Malformed
	a.cutBody = a.cutBody || f.CutBody
	a.noLink = a.noLink || f.NoLink
	a.staleHeads = max(a.staleHeads, f.StaleHeads)
	if f.Done != nil {
		a.done = append(a.done, f.Done)
	}
	if f.Status != 0 || f.Drop || f.RateLimited || f.Secondary {
		a.failure, a.afterDoing = f, f.AfterDoing
	}
}

// routeMatches compares with "*" standing for any text, slashes included.
func routeMatches(pattern, route string) bool {
	if pattern == "" {
		return true
	}
	flat := func(s string) string { return strings.NewReplacer("/", "|", "{", "(", "}", ")").Replace(s) }
	ok, err := path.Match(flat(pattern), flat(route))
	return err == nil && ok
}

// wait lets the latency pass. It returns false when the client gave up.
func (a *activeFault) wait(ctx context.Context) bool {
	if a.latency == 0 {
		return true
	}
	t := time.NewTimer(a.latency)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// answers says whether the fault answers instead of the handler.
func (a *activeFault) answers() bool { return a.failure != nil && !a.afterDoing }

// spoils says whether send does more than to hand an answer on.
func (a *activeFault) spoils() bool {
	return a.failure != nil || a.malformed || a.cutBody || len(a.done) > 0
}

// answer sends the failure.
func (a *activeFault) answer(s *Sim, x *exchange) {
	f := a.failure
	switch {
	case f.Drop:
		hangUp(x.w)
	case f.RateLimited:
		s.fail(x, s.rateLimited(x.viewer, f.Reset))
	case f.Secondary:
		s.fail(x, secondaryLimit(f.RetryAfter))
	default:
		message := f.Message
		if message == "" {
			message = http.StatusText(f.Status)
		}
		s.fail(x, &apiError{status: f.Status, message: message})
	}
}

func (s *Sim) rateLimited(v *viewer, reset time.Time) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := *s.budgetOf(v, "core")
	b.used = b.limit
	if !reset.IsZero() {
		b.resetAt = reset
	}
	return exhausted(&b, "core", v)
}

func secondaryLimit(after time.Duration) *apiError {
	e := &apiError{status: 403, message: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
		docs: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits", header: map[string]string{}}
	if after > 0 {
		e.header["Retry-After"] = strconv.Itoa(int(after.Seconds()))
	}
	return e
}

// hangUp breaks the connection in the middle of the status line. Closing it without a
// byte would not do: Go's client then repeats a GET by itself, and nobody sees the fault.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Write([]byte("HTTP/1.1 "))
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// send writes a success, or what the fault makes of it.
func (a *activeFault) send(w http.ResponseWriter, status int, body []byte) {
	for _, done := range a.done {
		done()
	}
	switch {
	case a.failure != nil && a.failure.Drop:
		hangUp(w)
	case a.failure != nil:
		status, body = a.failure.Status, []byte(`{"message":"Server Error"}`)
	case a.malformed:
		body = append([]byte("<html>"), body...)
	case a.cutBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	w.Write(body) // the client may be gone; nobody to tell
}
