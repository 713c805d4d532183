package store

import "testing"

// A mark that asks for no haste waits as long as it may, and not until a time that a clock showed
// before it was set back.
func TestMarkAfterTheClockWasSetBack(t *testing.T) {
	const now, noisy = 1_000, 10
	for started, want := range map[int64]int64{0: now, now - noisy: now, now - 4: now + 6, now + 500: now + noisy} {
		j := schedule{startedAt: started}
		if j.mark(now, noisy); j.runAt != want {
			t.Errorf("started at %d: runs at %d, want %d", started, j.runAt, want)
		}
	}
}
