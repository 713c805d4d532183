package ghsim

import (
	"fmt"
	"slices"
	"time"
)

// Hooks are the controls over the deliveries of one App. They apply to deliveries that
// are queued from then on.
type Hooks struct{ q *sender }

// Hooks returns the controls over the App's deliveries.
func (a *App) Hooks() *Hooks {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return &Hooks{a.s.senderOf(a.a)}
}

func (h *Hooks) change(f func(q *sender)) {
	h.q.mu.Lock()
	defer h.q.mu.Unlock()
	f(h.q)
}

// Hold keeps deliveries back until Release. Drain does not wait for them.
func (h *Hooks) Hold() { h.change(func(q *sender) { q.holding = true }) }

// Release sends what was held back, in order.
func (h *Hooks) Release() { h.ReleaseOrdered(nil) }

// ReleaseReversed sends what was held back, the newest first.
func (h *Hooks) ReleaseReversed() {
	h.ReleaseOrdered(func(n int) []int {
		var order []int
		for i := n - 1; i >= 0; i-- {
			order = append(order, i)
		}
		return order
	})
}

// ReleaseOrdered sends what was held back in the order that arrange gives: positions of
// the n held deliveries, some of which may be left out or repeated. Nil: as they came.
func (h *Hooks) ReleaseOrdered(arrange func(n int) []int) {
	h.change(func(q *sender) {
		held := q.held
		q.held, q.holding = nil, false
		if arrange == nil {
			for _, item := range held {
				q.enqueue(item)
			}
			return
		}
		for _, i := range arrange(len(held)) {
			q.enqueue(held[i])
		}
	})
}

// Held is how many deliveries are held back.
func (h *Hooks) Held() int {
	n := 0
	h.change(func(q *sender) { n = len(q.held) })
	return n
}

// DropNext loses the next n deliveries: recorded as "failed to connect", never sent.
func (h *Hooks) DropNext(n int) { h.change(func(q *sender) { q.dropNext = n }) }

// Drop loses every delivery that match accepts, until Drop(nil).
func (h *Hooks) Drop(match func(event, action string) bool) {
	h.change(func(q *sender) { q.drop = match })
}

// DuplicateNext sends each of the next n deliveries twice, with the same id.
func (h *Hooks) DuplicateNext(n int) { h.change(func(q *sender) { q.twice = n }) }

// Delay waits before each delivery.
func (h *Hooks) Delay(d time.Duration) { h.change(func(q *sender) { q.delay = d }) }

// Redeliver sends the newest attempt of the delivery again, as somebody would in GitHub's
// settings of the App.
func (a *App) Redeliver(guid string) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for _, d := range slices.Backward(a.a.deliveries) {
		if d.guid == guid {
			a.s.redeliver(a.a, d)
			return nil
		}
	}
	return fmt.Errorf("ghsim: no delivery %s of %s", guid, a.a.slug)
}
