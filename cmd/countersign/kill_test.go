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
)

// BenchmarkKill kills twenty times, and measures how long the last restart takes to catch
// up by the real clock: what the dead process held is taken again when its leases end.
func BenchmarkKill(b *testing.B) {
	for i := range b.N {
		s := newSiege(b, uint64(i)+100)
		s.underLoad(b, func() { s.killings(b, 20) })
		began := time.Now()
		s.start(b)
		s.watch(b)
		s.waitFor(b, 2*time.Minute, func() bool { return s.settled(b) })
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
	mill    *ghsim.Repo      // in which what is released is merged
	yard    *ghsim.Repo      // whose main branch is pushed to past everything
	carried []ghsim.Delivery // check run events, to be delivered again under other ids

	mu           sync.Mutex
	played       int // stories so far
	told         []toldPull
	pushed       int             // to the yard
	acknowledged map[string]bool // ids that were answered with 202
	recorded     map[string]bool // ids of decisions that were looked up

	kills, kept, lost, redelivered int

	slow time.Duration // how many times as slow as the paces the load is
	// turns are the kinds of the stories to begin, and nothing else happens; nil: another one begins
	// when the one before has ended.
	turns chan int
}

// toldPull is a pull request with the conclusion that its story comes to.
type toldPull struct {
	pull
	want string
}

func newSiege(t testing.TB, seed uint64) *siege {
	s := &siege{process: startProcess(t), random: rand.New(rand.NewPCG(seed, seed)), slow: 1}
	s.begin(t)
	return s
}

// begin makes what is there before the load.
func (s *siege) begin(t testing.TB) {
	s.acknowledged, s.recorded = map[string]bool{}, map[string]bool{}
	s.repos = []*ghsim.Repo{s.shop, s.protected("desk"), s.protected("till")}
	s.mill, s.yard = s.protected("mill"), s.repository("yard", issuesPolicy)
	for i := range 8 {
		pr := s.copilotPullIn(s.repos[i%len(s.repos)], fmt.Sprintf("long open %d", i))
		s.told = append(s.told, toldPull{pr, held})
	}
	orFatal(t, s.sim.Drain(t.Context()))
	s.carried = s.foreignCheckRuns(t)
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

// killAt has the server killed when it makes a request, after some others of that route. The
// returned function waits for it.
func (p *process) killAt(t testing.TB, route string, others int) (reached func()) {
	t.Helper()
	dead := p.dead
	repair := p.sim.Faults.Add(ghsim.Fault{Route: route, Skip: others, Times: 1, Begun: p.strike()})
	return func() {
		defer repair()
		select {
		case <-dead:
		case <-time.After(time.Minute):
			t.Fatalf("nothing asked for %s", route)
		}
	}
}

// underLoad runs f under load. When it returns, every story has been told to its end.
func (s *siege) underLoad(t testing.TB, f func()) {
	stop := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(stop)
	for range players {
		running.Go(func() { s.play(stop) })
	}
	if s.turns == nil {
		for n := range couriers {
			running.Go(func() { s.carry(t, n, stop) })
		}
	}
	f()
}

// play tells story after story.
func (s *siege) play(stop <-chan struct{}) {
	tick := time.NewTicker(s.slow * playPace)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		i := s.nextStory()
		kind := kindOf(i)
		if s.turns != nil {
			select {
			case <-stop:
				return
			case kind = <-s.turns:
			}
		}
		switch kind {
		case pushes:
			s.push(i)
			continue
		case closes:
			s.close(i)
			continue
		}
		pr, steps, want := s.plot(i, kind)
		for _, step := range steps {
			<-tick.C
			step()
		}
		s.mu.Lock()
		s.told = append(s.told, toldPull{pr, want})
		s.mu.Unlock()
	}
}

func (s *siege) nextStory() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.played++
	return s.played
}

// The kinds of stories that end on a main branch, and one that is told only when a turn asks for it.
const merges, pushes, closes = 5, 6, 7

// kindOf is the kind of the i-th story: every other one ends on a main branch.
func kindOf(i int) int {
	if i%2 == 1 {
		return merges + i/2%2
	}
	return i / 2 % merges
}

// push pushes to a main branch directly.
func (s *siege) push(i int) {
	s.yard.Push("main", s.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"quick.go": fmt.Sprintf("package quick // %d\n", i)}})
	s.mu.Lock()
	s.pushed++
	s.mu.Unlock()
}

// close opens a pull request that is closed, and of which is heard afterwards.
func (s *siege) close(i int) {
	pr := s.untestedIn(s.repos[i%len(s.repos)], fmt.Sprintf("change %d", i))
	pr.Close(s.alice)
	pr.Label(s.alice, "never mind")
}

// plot is what happens to the i-th pull request, and what must come of it.
func (s *siege) plot(i, kind int) (pull, []func(), string) {
	what, repo := fmt.Sprintf("change %d", i), s.repos[i%len(s.repos)]
	if kind == merges {
		repo = s.mill
	}
	pr := s.untestedIn(repo, what)
	test := func(conclusion string) func() { return func() { s.test(pr, conclusion) } }
	approve := func() { pr.Approve(s.bob) }
	push := func() {
		pr.Push(s.copilot, ghsim.Commit{Message: "more" + s.requestedBy(s.alice), Files: map[string]string{"more.go": "package more // " + what + "\n"}})
	}
	switch kind {
	case 0:
		return pr, []func(){test("success"), approve}, released
	case 1:
		return pr, []func(){approve, test("failure")}, failed
	case 2:
		return pr, []func(){test("success"), approve, push, test("success")}, held
	case 3:
		return pr, []func(){test("failure"), push, test("success"), approve}, released
	case merges:
		return pr, []func(){func() { pr.EnableAutoMerge(s.alice, "squash") }, test("success"), approve}, released
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
			s.acknowledged[id] = true
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
			s.killAt(t, createsCheckRun, s.random.IntN(20))()
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
	s.startAgain(t)
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
	done, list := map[string]bool{}, s.app.Deliveries()
	for _, d := range list {
		if d.StatusCode == http.StatusAccepted {
			done[d.GUID] = true
		}
	}
	for _, d := range list {
		if !done[d.GUID] {
			done[d.GUID] = true
			missing = append(missing, d.GUID)
		}
	}
	return missing
}

// verify looks at everything that must hold once it is quiet again.
func (s *siege) verify(t testing.TB) {
	t.Helper()
	s.verifyDeliveries(t)
	if s.turns == nil && len(s.told) < 3*s.kills {
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
	s.verifyBranches(t)
	if n := s.decisions(t); n == 0 {
		t.Error("the log is empty")
	}
}

// verifyBranches: every update of the branches is on record, once and in its order, each push past
// everything is an exception with an issue, once, and there are no others.
func (s *siege) verifyBranches(t testing.TB) {
	t.Helper()
	for _, repo := range []*ghsim.Repo{s.mill, s.yard} {
		list, err := s.server.store.Tenant(s.org.ID()).Updates(t.Context(), repo.ID())
		orFatal(t, err)
		for i, u := range list {
			if i > 0 && u.Before != list[i-1].After {
				t.Errorf("%s: an update begins at %s, and the one before ended at %s", repo.FullName(), u.Before, list[i-1].After)
			}
		}
		if n := len(list); n > 0 && list[n-1].After != repo.Head("main") {
			t.Errorf("%s: the updates on record end at %s, and the branch is at %s", repo.FullName(), list[n-1].After, repo.Head("main"))
		}
	}
	if got := len(s.updates(t, s.yard)); got != s.pushed {
		t.Errorf("%d pushes to the yard are on record, want %d", got, s.pushed)
	}
	if got := s.found(t, s.mill); len(got) > 0 {
		t.Errorf("what was merged as it should be made exceptions: %v", got)
	}
	if got, want := s.found(t, s.yard), slices.Repeat([]string{"direct-push high"}, s.pushed); !slices.Equal(got, want) {
		t.Errorf("%d pushes to the yard made %d exceptions: %v", s.pushed, len(got), got)
	}
	if got := len(s.yard.Issues()); got != s.pushed {
		t.Errorf("%d pushes to the yard made %d issues", s.pushed, got)
	}
}

// verifyDeliveries: what was acknowledged is stored, and was never asked for again: it would be here
// by now although it had been lost.
func (s *siege) verifyDeliveries(t testing.TB) {
	first := map[string]bool{}
	for _, d := range s.app.Deliveries() {
		if first[d.GUID] {
			s.lost++
			t.Errorf("delivery %s was acknowledged, and then it was asked for: it was lost", d.GUID)
		}
		if d.StatusCode == http.StatusAccepted {
			s.acknowledged[d.GUID], first[d.GUID] = true, true
		}
	}
	s.kept = len(s.acknowledged)
	for id := range s.acknowledged {
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
		if s.recorded[c.ExternalID] {
			continue
		}
		if _, err := s.server.store.Tenant(s.org.ID()).Decision(t.Context(), c.ExternalID); err != nil {
			t.Errorf("%s %s: a check run without a decision: %v", repo.FullName(), head, err)
		}
		s.recorded[c.ExternalID] = true
	}
}
