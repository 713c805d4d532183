package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/handlers"
)

// The server is killed under load and loses nothing that it acknowledged; in the end every
// pull request shows what its story comes to, and no check run was written twice.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSiege(t, 1)
	s.underLoad(t, func() { s.killings(t, 3) })
	s.takeOver(t)
	s.verify(t)
	t.Logf("%d deliveries acknowledged, %d redelivered, %d pull requests", s.kept, s.redelivered, len(s.told))
}

// BenchmarkKill kills twenty times, and measures how long the last restart takes to catch
// up by the real clock: what the dead process held is taken again when its leases end.
func BenchmarkKill(b *testing.B) {
	for i := range b.N {
		s := newSiege(b, uint64(i)+100)
		s.underLoad(b, func() { s.killings(b, 20) })
		began := time.Now()
		s.start(b)
		s.watch(b)
		s.settlePatiently(b, 2*time.Minute)
		caughtUp := time.Since(began)
		orFatal(b, s.server.store.Close())
		s.terminate(b)
		s.takeOver(b)
		s.verify(b)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(s.lost), "lost")
		b.ReportMetric(float64(s.kills), "kills")
		b.ReportMetric(float64(s.kept), "acknowledged")
		b.ReportMetric(caughtUp.Seconds(), "catch-up-s")
		b.Logf("%d kills, %d pull requests: %d deliveries acknowledged, %d lost; %d not acknowledged and redelivered; caught up after %.1f s",
			s.kills, len(s.told), s.kept, s.lost, s.redelivered, caughtUp.Seconds())
	}
}

// siege is a server under load that is killed again and again.
type siege struct {
	*process
	random  *rand.Rand // only for the moments of the kills
	repos   []*ghsim.Repo
	carried []ghsim.Delivery // check run events, to be delivered again under other ids

	mu           sync.Mutex
	told         []toldPull
	acknowledged []string // ids that were answered with 202

	kills, kept, lost, redelivered int

	slow time.Duration // how many times as slow as the paces the load is
}

// toldPull is a pull request with the conclusion that its story comes to.
type toldPull struct {
	pull
	want string
}

func newSiege(t testing.TB, seed uint64) *siege {
	s := &siege{process: startProcess(t), random: rand.New(rand.NewPCG(seed, seed)), slow: 1}
	s.repos = []*ghsim.Repo{s.shop, s.protected("desk"), s.protected("till")}
	for i := range 8 {
		pr := s.copilotPullIn(s.repos[i%len(s.repos)], fmt.Sprintf("long open %d", i))
		s.told = append(s.told, toldPull{pr, held})
	}
	orFatal(t, s.sim.Drain(t.Context()))
	s.carried = s.foreignCheckRuns(t)
	return s
}

// foreignCheckRuns are the check run events so far that are not about our own check runs.
func (w *acme) foreignCheckRuns(t testing.TB) []ghsim.Delivery {
	var list []ghsim.Delivery
	for _, d := range w.app.Deliveries() {
		if e, err := gh.Decode(d.Event, d.Payload); d.Event == "check_run" {
			orFatal(t, err)
			if e.CheckRun.App.ID != w.app.ID() {
				list = append(list, d)
			}
		}
	}
	return list
}

// Three goroutines play pull requests and two deliver check run events side by side, a step
// at each tick.
const (
	players   = 3
	couriers  = 2
	playPace  = 60 * time.Millisecond
	carryPace = 20 * time.Millisecond
)

// underLoad runs f under load. When it returns, every story has been told to its end.
func (s *siege) underLoad(t testing.TB, f func()) {
	stop := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(stop)
	for n := range players {
		running.Go(func() { s.play(n, stop) })
	}
	for n := range couriers {
		running.Go(func() { s.carry(t, n, stop) })
	}
	f()
}

// play opens pull request after pull request.
func (s *siege) play(n int, stop <-chan struct{}) {
	tick := time.NewTicker(s.slow * playPace)
	defer tick.Stop()
	for i := n; ; i += players {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		pr, steps, want := s.plot(i)
		for _, step := range steps {
			<-tick.C
			step()
		}
		s.mu.Lock()
		s.told = append(s.told, toldPull{pr, want})
		s.mu.Unlock()
	}
}

// plot is what happens to the i-th pull request, and what must come of it.
func (s *siege) plot(i int) (pull, []func(), string) {
	what := fmt.Sprintf("change %d", i)
	pr := s.untestedIn(s.repos[i%len(s.repos)], what)
	test := func(conclusion string) func() { return func() { s.test(pr, conclusion) } }
	approve := func() { pr.Approve(s.bob) }
	push := func() {
		pr.Push(s.copilot, ghsim.Commit{Message: "more" + s.requestedBy(s.alice), Files: map[string]string{"more.go": "package more // " + what + "\n"}})
	}
	switch i / len(s.repos) % 5 {
	case 0:
		return pr, []func(){test("success"), approve}, released
	case 1:
		return pr, []func(){approve, test("failure")}, failed
	case 2:
		return pr, []func(){test("success"), approve, push, test("success")}, held
	case 3:
		return pr, []func(){test("failure"), push, test("success"), approve}, released
	}
	return pr, []func(){test("success")}, held
}

// carry delivers check run events that GitHub already sent once more under ids of its own,
// beside the simulator, which sends one delivery at a time.
func (s *siege) carry(t testing.TB, n int, stop <-chan struct{}) {
	tick := time.NewTicker(s.slow * carryPace)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", n, i)
		if status, err := s.send(t.Context(), s.carried[i%len(s.carried)], id); err == nil && status == http.StatusAccepted {
			s.mu.Lock()
			s.acknowledged = append(s.acknowledged, id)
			s.mu.Unlock()
		}
	}
}

// killings kills the server n times and leaves it dead.
func (s *siege) killings(t testing.TB, n int) {
	for i := range n {
		switch {
		case s.cmd == nil && i%4 == 3:
			s.launch(t) // and may be killed before it serves
		case s.cmd == nil:
			s.start(t)
		}
		if i%3 == 1 {
			// The write will be done, and the server has died without knowing of it.
			s.killAt(t, "POST *check-runs", s.random.IntN(20))()
		} else {
			<-time.After(time.Duration(s.random.IntN(1200)) * time.Millisecond)
		}
		s.kill(t)
		s.kills++
	}
}

// takeOver starts the server on what the dead one left, with a clock on which its leases
// have run out, and waits until everything is done.
func (s *siege) takeOver(t testing.TB) {
	s.later(time.Minute)
	orFatal(t, s.startServer(t.Context()))
	s.app.Hook("http://"+s.server.listener.Addr().String()+handlers.HookPath, hookSecret)
	s.redeliver(t)
	// An older event that is delivered last looks, for a minute, as if the API were behind.
	s.mustSettle(t)
}

// redeliver delivers what was not acknowledged again, as an operator would: GitHub does not.
func (s *siege) redeliver(t testing.TB) {
	t.Helper()
	for range 5 {
		orFatal(t, s.sim.Drain(t.Context()))
		missing := s.unacknowledged()
		if len(missing) == 0 {
			return
		}
		s.redelivered += len(missing)
		for _, guid := range missing {
			orFatal(t, s.app.Redeliver(guid))
		}
	}
	t.Fatal("there are deliveries that are refused again and again")
}

func (s *siege) unacknowledged() []string {
	var missing []string
	done := map[string]bool{}
	for _, d := range slices.Backward(s.app.Deliveries()) {
		if d.StatusCode == http.StatusAccepted {
			done[d.GUID] = true
		}
	}
	for _, d := range s.app.Deliveries() {
		if !done[d.GUID] {
			done[d.GUID] = true
			missing = append(missing, d.GUID)
		}
	}
	return missing
}

// settlePatiently waits by the real clock until nothing is left to do.
func (s *siege) settlePatiently(t testing.TB, most time.Duration) {
	t.Helper()
	late := time.After(most)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !s.settled(t) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not caught up after %s", most)
		}
	}
}

// verify looks at everything that must hold once it is quiet again.
func (s *siege) verify(t testing.TB) {
	t.Helper()
	s.verifyDeliveries(t)
	if len(s.told) < 3*s.kills {
		t.Errorf("only %d pull requests in %d kills: the load was too small", len(s.told), s.kills)
	}
	for _, pr := range s.told {
		got := s.check(pr.pull, "countersign")
		state := got.Conclusion
		if got.Status != "completed" {
			state = got.Status
		}
		if state != pr.want {
			t.Errorf("%s#%d: got %q (%s), want %s", pr.Repo().FullName(), pr.Number(), state, got.Title, pr.want)
		}
		for _, head := range pr.Heads() {
			s.verifyCheckRuns(t, pr.Repo(), head)
		}
	}
	if n := s.decisions(t); n == 0 {
		t.Error("the log is empty")
	}
}

// verifyDeliveries: what was acknowledged is stored.
func (s *siege) verifyDeliveries(t testing.TB) {
	for _, d := range s.app.Deliveries() {
		if d.StatusCode == http.StatusAccepted {
			s.acknowledged = append(s.acknowledged, d.GUID)
		}
	}
	s.kept = len(s.acknowledged)
	for _, id := range s.acknowledged {
		stored, err := s.server.store.Delivered(t.Context(), id)
		orFatal(t, err)
		if !stored {
			s.lost++
			t.Errorf("delivery %s was acknowledged and is lost", id)
		}
	}
}

// verifyCheckRuns: every check run of ours stands on a recorded decision, none was written
// twice, and none says what the one before it said.
func (s *siege) verifyCheckRuns(t testing.TB, repo *ghsim.Repo, head string) {
	seen := map[string]bool{}
	last := ""
	for _, c := range repo.CheckRuns(head) {
		if c.AppID != s.app.ID() {
			continue
		}
		if seen[c.ExternalID] {
			t.Errorf("%s %s: two check runs of record %s", repo.FullName(), head, c.ExternalID)
		}
		seen[c.ExternalID] = true
		if says := c.Status + " " + c.Conclusion; says == last {
			t.Errorf("%s %s: two check runs in a row say %q", repo.FullName(), head, says)
		} else {
			last = says
		}
		if _, err := s.server.store.Tenant(s.org.ID()).Decision(t.Context(), c.ExternalID); err != nil {
			t.Errorf("%s %s: a check run without a decision: %v", repo.FullName(), head, err)
		}
	}
}
