package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Run is a range of leaves or of observations, the first and the last.
type Run [2]int64

// Len is how many it has.
func (r Run) Len() int64 { return r[1] - r[0] + 1 }

// RunsText lists ranges for a person to read.
func RunsText(runs []Run) string {
	var out []string
	for _, r := range runs {
		if r[0] == r[1] {
			out = append(out, strconv.FormatInt(r[0], 10))
		} else {
			out = append(out, fmt.Sprintf("%d to %d", r[0], r[1]))
		}
	}
	return strings.Join(out, ", ")
}

// Cover is a range that a certificate of a disposal covers.
type Cover struct {
	Run         Run
	Certificate int64 // the number that its reader gives it
}

// Covers are ranges of which none overlaps another, in order.
type Covers []Cover

// Sort puts ranges in order. Nothing is disposed of twice: both are two that overlap, if any do.
func (c Covers) Sort() (both []Cover) {
	slices.SortFunc(c, func(a, b Cover) int { return cmp.Compare(a.Run[0], b.Run[0]) })
	for i := 1; i < len(c); i++ {
		if c[i-1].Run[1] >= c[i].Run[0] {
			return c[i-1 : i+1]
		}
	}
	return nil
}

// Find finds what covers a leaf or an observation.
func (c Covers) Find(i int64) (Cover, bool) {
	at, ok := slices.BinarySearchFunc(c, i, func(c Cover, i int64) int {
		switch {
		case c.Run[1] < i:
			return -1
		case c.Run[0] > i:
			return 1
		}
		return 0
	})
	if !ok {
		return Cover{}, false
	}
	return c[at], true
}
