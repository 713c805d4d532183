package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

var (
	kills = flag.Int("kills", 0, "how often the server is killed on each database; 0: as often as CI can afford")
	seed  = flag.Uint64("seed", 1, "of the order of the points and of the moments")
)

// The server is killed at each point at which it matters what was done before, and at any moment,
// while GitHub is slow and events come in. It is started again, and what it finds is enough: nothing
// that was acknowledged is lost, nothing was written to GitHub twice, everything shows what its story
// comes to, and the log holds.
//
// This is what CI can afford. `make crash` passes all points, again and again, on PostgreSQL too, and
// looks at what became of the server after each. It comes before the tests that run side by side: its
// load goes on for as long as the server needs, so beside them both take longer.
func TestKilled(t *testing.T) {
	testKilled(t)
}

func testKilled(t *testing.T) {
	var sum toll
	for world := *seed; sum.kills < max(*kills, 1) && !t.Failed(); world++ {
		t.Run(fmt.Sprint("seed ", world), func(t *testing.T) {
			c := newCrash(t, world)
			for _, at := range c.rounds() {
				t.Run(nameOf(at), func(t *testing.T) { c.round(t, at) })
				if t.Failed() {
					t.Logf("it was killed %s", strings.Join(c.trail, ", "))
					t.FailNow() // what comes then would follow from it
				}
				if c.looks++; *kills > 0 && sum.kills+len(c.trail) >= *kills {
					break
				}
			}
			sum.add(c)
		})
	}
	if !t.Failed() {
		t.Logf("%+v, and nothing lost, doubled or wrong", sum)
	}
}

// toll is what was looked at.
type toll struct{ kills, looks, acknowledged, pulls, checkRuns, leaves int }

func (sum *toll) add(c *crash) {
	sum.kills += len(c.trail)
	sum.looks += c.looks
	sum.acknowledged += len(c.acknowledged)
	sum.pulls += len(c.told)
	sum.checkRuns += len(c.recorded)
	sum.leaves += c.leaves
}

// crash is a siege of a victim.
type crash struct {
	*siege
	link     *link // nil: SQLite
	orders   *os.File
	launched time.Time // by its clock
	trail    []string  // where it was killed
	looks    int       // how often it was looked at what became of it
	leaves   int       // of the log
}

// rounds are the points of one world. By hand these are all, and what becomes of the server is looked
// at after each. In CI they are those at which something could be lost or done twice, and it is looked
// at twice.
func (c *crash) rounds() [][]point {
	list, each := points(), 1
	if *kills == 0 {
		list = slices.DeleteFunc(list, func(p point) bool { return !p.always })
		each = (len(list) + 1) / 2
	}
	c.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return slices.Collect(slices.Chunk(list, each))
}

func newCrash(t testing.TB, seed uint64) *crash {
	t.Helper()
	p := newProcess(t)
	c := &crash{siege: &siege{process: p, random: rand.New(rand.NewPCG(seed, seed)), slow: 1, turns: make(chan int, players)}}
	settings := []string{asVictim + "=1"}
	if p.at != "" {
		c.link = newLink(t)
		settings = append(settings, "COUNTERSIGN_DATABASE_URL="+c.link.to(t, p.at))
	}
	p.configure(t, settings)
	c.serve(t)
	p.populate()
	c.begin(t)
	c.sim.Faults.SetLatency(30 * time.Millisecond)
	return c
}

// launch starts the process, which waits for the order to go.
func (c *crash) launch(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(c.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	orFatal(t, err)
	defer log.Close()
	read, write, err := os.Pipe()
	orFatal(t, err)
	defer read.Close()
	if c.orders != nil {
		c.orders.Close()
	}
	c.orders = write
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = c.env, log, []*os.File{read}
	c.run(t, cmd)
	c.tellTime(t)
	c.launched = c.now()
}

// serve launches the process and waits until it takes deliveries.
func (c *crash) serve(t testing.TB) {
	t.Helper()
	c.launch(t)
	c.order(t, orderGo)
	c.waitUntil(t, c.ready)
}

// order gives the process an order; one that is dead does not hear it.
func (c *crash) order(t testing.TB, order string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.orders, order); err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
}

func (c *crash) tellTime(t testing.TB) { c.order(t, fmt.Sprint(orderClock, c.ahead.Load())) }

// round kills the server at some points, one after the other, and looks at what becomes of it.
func (c *crash) round(t *testing.T, at []point) {
	c.underLoad(t, func() {
		for _, p := range at {
			c.reach(t, p)
		}
	})
	c.serve(t)
	c.watch(t)
	c.converge(t)
	c.verify(t)
	c.leaves = int(c.acme.leaves(t))
	orFatal(t, c.server.store.Close())
	c.server = nil
}

// reach has the server killed at a point.
func (c *crash) reach(t testing.TB, p point) {
	t.Helper()
	if p.started && (c.cmd != nil || p.behind != "") {
		c.reach(t, pointNamed(cmp.Or(p.behind, anyMoment)))
	}
	if p.started { // and there is something that it did not hear
		c.push(c.nextStory())
		orFatal(t, c.sim.Drain(t.Context()))
	}
	if p.story == pushes && c.cmd == nil {
		c.later(time.Minute) // the server waits no more for what would tell of the updates that it did not hear of
	}
	if c.cmd != nil {
		<-time.After(time.Duration(c.random.Int64N(int64(200 * time.Millisecond))))
		c.lay(t, p)
	} else {
		c.launch(t)
		c.lay(t, p)
		c.order(t, orderGo)
	}
	c.await(t, p)
	c.kill(t)
	c.kills, c.trail = c.kills+1, append(c.trail, p.name)
	c.later(11 * time.Second) // the leases of the dead have run out
}

// await has happen what leads to a point, and sometimes something else, until the process is dead.
func (c *crash) await(t testing.TB, p point) {
	t.Helper()
	if n := len(c.trail); n%3 == 0 {
		c.tell(n / 3 % merges)
	}
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for began := time.Now(); ; {
		c.tell(cmp.Or(p.story, merges))
		select {
		case <-c.dead:
			return
		case <-tick.C:
		}
		// What nobody waits for leaves GitHub's minute to decisions, and is put off while there is so
		// much to decide. A step is shorter than a lease.
		c.later(5 * time.Second)
		c.tellTime(t)
		if time.Since(began) > time.Minute {
			t.Fatalf("it never came to the point %q\n%s", p.name, c.said())
		}
	}
}

// tell has a story begin, unless others have not begun yet.
func (c *crash) tell(kind int) {
	select {
	case c.turns <- kind:
	default:
	}
}

// said is the end of what the servers logged.
func (c *crash) said() []byte {
	log, _ := os.ReadFile(c.logFile())
	return log[max(0, len(log)-8000):]
}

// lay has the process killed at a point.
func (c *crash) lay(t testing.TB, p point) {
	t.Helper()
	strike := c.strike()
	if p.fails != "" {
		c.sim.Faults.Add(ghsim.Fault{Route: p.fails, Times: 1, Status: 502})
	}
	switch {
	case p.within > 0:
		time.AfterFunc(time.Duration(c.random.Int64N(int64(p.within))), strike)
	case p.route != "" && p.after:
		c.sim.Faults.Add(ghsim.Fault{Route: p.route, Times: 1, Done: strike})
	case p.route != "":
		c.sim.Faults.Add(ghsim.Fault{Route: p.route, Times: 1, Drop: true, Begun: strike})
	case c.link != nil:
		c.link.ambush.lay(p, strike)
	default:
		c.order(t, orderDie+p.name)
	}
}

// converge waits until the server has got back what it did not hear and has nothing left to do. It
// moves the clocks on to what is due soon.
func (c *crash) converge(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(2 * quick)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		orFatal(t, c.sim.Drain(t.Context()))
		settled := c.settled(t)
		if settled && !c.misses(t) {
			return
		}
		if settled && c.askedInVain(t) {
			c.terminate(t)
			c.later(time.Hour)
			c.serve(t)
		}
		wait, err := c.due(t.Context(), soon)
		orFatal(t, err)
		if wait > 0 {
			c.later(wait)
			c.tellTime(t)
		}
		if time.Since(began) > 2*time.Minute {
			stats, _ := c.server.store.QueueStats(t.Context())
			t.Fatalf("it is not done with what it was to do: %+v\n%s", stats, c.said())
		}
	}
}

// misses says whether there is a delivery that the server does not hold.
func (c *crash) misses(t testing.TB) bool {
	for _, guid := range c.unacknowledged() {
		if stored, err := c.server.store.Delivered(t.Context(), guid); err != nil || !stored {
			orFatal(t, err)
			return true
		}
	}
	return false
}

// askedInVain says whether everything that is lost was asked for and did not come, because the server
// died in between: it is asked for again with the sweep of an hour later.
func (c *crash) askedInVain(t testing.TB) bool {
	swept, err := c.server.store.SweptTo(t.Context(), store.SweepDeliveries)
	orFatal(t, err)
	lost, err := c.server.store.LostDeliveries(t.Context(), c.launched.Add(-50*time.Minute), 1)
	orFatal(t, err)
	return len(lost) == 0 && !swept.Before(c.launched.Truncate(time.Microsecond))
}
