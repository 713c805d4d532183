package evidence

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// How long nobody looked is said, from the period's beginning to its end; a record that is gone is
// none.
func TestReadingsOfTheScope(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC) }
	first := int64(0)
	reading := func(leaf int64, n int) scopeReading {
		return scopeReading{leaf: leaf, at: day(n), Complete: true, SameAs: &first}
	}
	whole := scopeReading{leaf: 0, at: day(1), Complete: true, PrivateRepositories: -1, Repositories: []scopedEntry{{ID: 7, Repository: "acme/shop", State: "installed", Private: true}}}
	q := Query{From: day(10), To: day(20)}
	for name, c := range map[string]struct {
		all  []scopeReading
		asOf time.Time
		want string
	}{
		"none":               {nil, day(30), "0 readings, -1 hours, 0 not read, []"},
		"every day":          {[]scopeReading{whole, reading(1, 9), reading(2, 11), reading(3, 13), reading(4, 19), reading(5, 21)}, day(30), "4 readings, 144 hours, 0 not read, [2026-01-09 installed]"},
		"never again":        {[]scopeReading{whole, reading(1, 9)}, day(30), "1 readings, 240 hours, 0 not read, [2026-01-09 installed]"},
		"the period goes on": {[]scopeReading{whole, reading(1, 9)}, day(12), "1 readings, 48 hours, 0 not read, [2026-01-09 installed]"},
		"the record is gone": {[]scopeReading{reading(1, 9), reading(2, 11)}, day(12), "0 readings, -1 hours, 2 not read, []"},
	} {
		s := scopeWithin(c.all, q, c.asOf)
		var states []string
		for _, r := range s.Repositories {
			for _, x := range r.States {
				states = append(states, x.From.Format(time.DateOnly)+" "+x.State)
			}
		}
		got := fmt.Sprintf("%d readings, %d hours, %d not read, [%s]", s.Readings, s.LongestGapHours, len(s.NotRead), strings.Join(states, " "))
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
