package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/handlers"
)

// Two servers on one database, under load. One is killed again and again, the other is paused past
// its leases and cut off from the database: nothing that was acknowledged is lost, every pull request
// shows what its story comes to, no check run is there twice, and the log that all signed holds.
// Like TestKilled it comes before the tests that run side by side.
func TestOnPostgresTwoServers(t *testing.T) { testServers(t, 2) }

// testServers has some servers, of which the first is killed, the second paused, and the last, which
// may be the second, cut off from the database.
func testServers(t *testing.T, n int) {
	s := newSiege(t, 7)
	s.slow = 10 // it lasts longer than the others
	link := newLink(t)
	door := &balancer{servers: []string{s.url}, client: &http.Client{Timeout: time.Second}, taken: make([]atomic.Int64, n), shunned: make([]atomic.Int64, n)}
	var twins []*process
	for len(twins) < n-1 {
		var settings []string
		if len(twins) == n-2 {
			settings = []string{"COUNTERSIGN_DATABASE_URL=" + link.to(t, s.at)}
		}
		twins = append(twins, s.twin(t, settings...))
		door.servers = append(door.servers, twins[len(twins)-1].url)
	}
	front := httptest.NewServer(door)
	t.Cleanup(front.Close)
	s.app.Hook(front.URL+handlers.HookPath, hookSecret)
	s.underLoad(t, func() {
		// The write will be done, and the server, if it is its own, has died without knowing of it.
		writing := func() { s.killAt(t, "POST *check-runs", s.random.IntN(10))() }
		for _, trouble := range []func(){
			func() { <-time.After(time.Second) }, writing,
			func() { twins[0].pause(t, 11*time.Second) }, writing,
			func() { link.silence(6 * time.Second) }, writing,
		} {
			trouble()
			s.kill(t)
			s.kills++
			s.start(t)
		}
	})
	for i := range door.taken {
		if got := door.taken[i].Load(); got < 20 {
			t.Errorf("server %d of %d took %d deliveries: the test tests little", i+1, n, got)
		}
	}
	orFatal(t, s.sim.Drain(t.Context()))
	s.kill(t)
	for _, twin := range twins {
		twin.kill(t)
	}
	s.takeOver(t)
	s.verify(t)
	t.Logf("%d servers: %d deliveries acknowledged, %d redelivered, %d pull requests", n, s.kept, s.redelivered, len(s.told))
}

// twin starts another server in the same world and on the same database.
func (p *process) twin(t testing.TB, settings ...string) *process {
	t.Helper()
	q := &process{acme: p.acme, http: p.http}
	q.configure(t, append(settings, asProgram+"=1"))
	t.Cleanup(func() {
		if q.cmd != nil {
			q.strike()()
		}
	})
	q.start(t)
	return q
}

// pause stops the process for a while, as a machine does that is suspended.
func (p *process) pause(t testing.TB, d time.Duration) {
	t.Helper()
	orFatal(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	<-time.After(d)
	orFatal(t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// balancer hands each delivery to one server, and to the next one if that does not answer. So several
// may get it.
type balancer struct {
	servers []string
	client  *http.Client
	next    atomic.Int64
	taken   []atomic.Int64
	shunned []atomic.Int64 // until when, in nanoseconds: it did not answer
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	first := int(b.next.Add(1))
	for i := range 2 * len(b.servers) {
		n := (first + i) % len(b.servers)
		if i < len(b.servers) && b.shunned[n].Load() > time.Now().UnixNano() {
			continue // unless the others do not answer either
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, b.servers[n]+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			break
		}
		req.Header = r.Header.Clone()
		res, err := b.client.Do(req)
		if err != nil {
			b.shunned[n].Store(time.Now().Add(time.Second).UnixNano())
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusAccepted {
			b.taken[n].Add(1)
		}
		w.WriteHeader(res.StatusCode)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}
