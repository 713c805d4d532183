package worker

import (
	"fmt"
	"testing"
)

// However many branches there are that nobody follows, each is marked some time.
func TestSilentBranchesAreAllMarkedSomeTime(t *testing.T) {
	for _, n := range []int{0, 1, marksAtOnce, 3*marksAtOnce + 7} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprint("release/", i))
		}
		marked := map[string]bool{}
		for range 500 { // a chance of less than 1 in 10^80 that one is left out
			now := some(list)
			if len(now) != min(n, marksAtOnce) {
				t.Fatalf("%d of %d are marked at once", len(now), n)
			}
			for _, ref := range now {
				marked[ref] = true
			}
		}
		if len(marked) != n {
			t.Errorf("%d of %d branches were marked", len(marked), n)
		}
	}
}
