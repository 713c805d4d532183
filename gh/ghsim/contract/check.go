package contract

import (
	"slices"
	"sync"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// Recorder collects violations.
type Recorder struct {
	description *Description

	mu   sync.Mutex
	seen map[Violation]int // how often
	// operations and hooks are what was compared.
	exchanges, hooks int
}

// Check compares everything that passes the simulated GitHub from now on, and fails t at
// its end when there were violations.
func Check(t testing.TB, sim *ghsim.Sim) *Recorder {
	t.Helper()
	r := Record(t, sim)
	t.Cleanup(func() {
		for _, v := range r.Violations() {
			t.Errorf("not as GitHub describes it: %s", v)
		}
	})
	return r
}

// Record is Check for tests that look at the violations themselves.
func Record(t testing.TB, sim *ghsim.Sim) *Recorder {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatalf("GitHub's description: %v", err)
	}
	r := &Recorder{description: d, seen: map[Violation]int{}}
	t.Cleanup(sim.Observe(r.exchange, r.hook))
	return r
}

func (r *Recorder) exchange(x ghsim.Exchange) {
	list := r.description.Exchange(x)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges++
	for _, v := range list {
		r.seen[v]++
	}
}

func (r *Recorder) hook(s ghsim.Sent) {
	list := r.description.Hook(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks++
	for _, v := range list {
		r.seen[v]++
	}
}

// Violations lists what was found so far, each once, in order.
func (r *Recorder) Violations() []Violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Violation
	for v := range r.seen {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Violation) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return list
}

// Compared says how many exchanges and webhooks were compared.
func (r *Recorder) Compared() (exchanges, hooks int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exchanges, r.hooks
}
