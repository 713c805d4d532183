package ghsim

import (
	"slices"
	"sync"
	"time"
)

// Request is one request that the simulated GitHub has answered.
type Request struct {
	At       time.Time
	Duration time.Duration // until the answer was written, latency faults included
	Method   string
	Path     string
	Query    string
	// Route has parameters as names: "GET /repos/{owner}/{repo}/pulls/{number}". GraphQL is
	// "POST /graphql".
	Route  string
	Status int // 0: the connection was dropped
	// Billable is false for 304 answers, which GitHub does not count.
	Billable       bool
	InstallationID int64  // 0: not by an installation
	Login          string // the account of the token; "" for an App's JWT
	Body           []byte // as sent
}

// Counter adds up the requests of one route.
type Counter struct{ Requests, Billable, NotModified, Failed int }

// requestLog keeps the requests. Its own lock: requests end while the world is busy.
type requestLog struct {
	mu   sync.Mutex
	list []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
}

// identify fills in who asked.
func (r *Request) identify(v *viewer) {
	if v.installation != nil {
		r.InstallationID = v.installation.id
	}
	if v.user != nil {
		r.Login = v.user.login
	}
}

// Requests lists every request to the APIs since the start or the last ResetRequests, in
// the order in which they ended. Pages for people are not in it.
func (s *Sim) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.list)
}

// ResetRequests forgets the requests so far.
func (s *Sim) ResetRequests() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.list = nil
}

// RequestCounts adds up Requests by route.
func (s *Sim) RequestCounts() map[string]Counter {
	counts := map[string]Counter{}
	for _, r := range s.Requests() {
		c := counts[r.Route]
		c.Requests++
		if r.Billable {
			c.Billable++
		}
		if r.Status == 304 {
			c.NotModified++
		}
		if r.Status == 0 || r.Status >= 400 {
			c.Failed++
		}
		counts[r.Route] = c
	}
	return counts
}
