package gh

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// budget names one of GitHub's hourly budgets, as X-RateLimit-Resource does.
type budget string

const (
	restBudget    budget = "core"
	graphqlBudget budget = "graphql"
)

const (
	// reserveShare is the part of an hour's budget, a fifth, that is left to decisions: what can
	// wait asks for nothing any more when less than that remains.
	reserveShare = 5
	// maxAtOnce is how many requests of one installation are under way at a time. GitHub takes a
	// hundred, and has those wait for a minute who send more.
	// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
	maxAtOnce = 90
)

// spareMinute are the points that what can wait leaves alone in any minute: half of what GitHub
// allows, 900 for REST and 2,000 for GraphQL.
var spareMinute = map[budget]int{restBudget: 450, graphqlBudget: 1000}

// gate remembers the rate limits of one installation. While one holds, requests are
// answered here with the same error: GitHub bans those who keep asking.
type gate struct {
	turns chan struct{} // one for each request under way

	mu        sync.Mutex // guards the rest
	hourly    map[budget]time.Time
	secondary time.Time
	told      map[budget]standing
	minutes   map[budget]*lastMinute
}

// standing is what GitHub said of an hourly budget.
type standing struct {
	limit, remaining int
	reset            int64     // by GitHub's clock, Unix seconds: tells one hour from another
	until            time.Time // by ours
}

func newGate() *gate {
	return &gate{
		turns: make(chan struct{}, maxAtOnce), hourly: map[budget]time.Time{}, told: map[budget]standing{},
		minutes: map[budget]*lastMinute{restBudget: {}, graphqlBudget: {}},
	}
}

// enter waits for the turn of a request, and counts it. It returns the limit that holds at the
// moment, also of those that hold for what can wait alone. leave ends the request.
func (g *gate) enter(ctx context.Context, b budget, points int, canWait bool, now func() time.Time) (leave func(), err error) {
	select {
	case g.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("ask GitHub: %w", ctx.Err())
	}
	at := now()
	g.mu.Lock()
	defer g.mu.Unlock()
	limit := g.holds(b, at)
	if limit == nil && canWait {
		limit = g.spared(b, at)
	}
	if limit != nil {
		<-g.turns
		return nil, limit
	}
	g.minutes[b].add(at, points)
	return func() { <-g.turns }, nil
}

// holds is the limit that holds for every request, or nil.
func (g *gate) holds(b budget, now time.Time) *RateLimitError {
	if g.secondary.After(now) {
		return &RateLimitError{Until: g.secondary, Secondary: true}
	}
	if until := g.hourly[b]; until.After(now) {
		return &RateLimitError{Until: until}
	}
	return nil
}

// spared is the limit that holds for what can wait, or nil.
func (g *gate) spared(b budget, now time.Time) *RateLimitError {
	if s := g.told[b]; now.Before(s.until) && s.remaining < s.limit/reserveShare {
		return &RateLimitError{Until: s.until, Reserved: true}
	}
	if at := g.minutes[b].below(spareMinute[b], now); at.After(now) {
		return &RateLimitError{Until: at, Secondary: true, Reserved: true}
	}
	return nil
}

// note remembers a limit that GitHub told. The secondary one holds for both budgets.
func (g *gate) note(b budget, limit *RateLimitError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit.Secondary {
		g.secondary = limit.Until
		return
	}
	g.hourly[b] = limit.Until
}

// hear remembers what an answer says of the budget that it was counted to. Answers overtake each
// other, so that of the same hour the least counts. The cache answers with headers of when it was
// filled, as far as a 304 brought no newer ones: those are of an hour that is over.
func (g *gate) hear(h http.Header, now time.Time) {
	b := budget(h.Get("X-RateLimit-Resource"))
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	reset, err3 := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if g.minutes[b] == nil || err != nil || err2 != nil || err3 != nil || limit <= 0 || remaining < 0 {
		return // a server without limits says nothing of them
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.told[b]
	switch {
	case !now.Before(known.until) || reset > known.reset:
	case reset < known.reset || remaining > known.remaining:
		return
	}
	g.told[b] = standing{limit: limit, remaining: remaining, reset: reset, until: bounded(untilReset(h, now), now)}
}

// budgets are what GitHub said, as far as it still holds.
func (g *gate) budgets(installation int64, now time.Time) (list []Budget) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range []budget{restBudget, graphqlBudget} {
		s, ok := g.told[b]
		if !ok {
			continue
		}
		out := Budget{Installation: installation, Resource: string(b), Limit: s.limit, Remaining: s.remaining, Reset: s.until}
		if !now.Before(s.until) {
			out.Remaining, out.Reset = s.limit, time.Time{}
		}
		list = append(list, out)
	}
	return list
}

// lastMinute counts the points of a minute, by the second.
type lastMinute struct {
	at [60]int64 // which second is counted, Unix
	n  [60]int
}

func (m *lastMinute) add(now time.Time, points int) {
	second := now.Unix()
	i := second % 60
	if m.at[i] != second {
		m.at[i], m.n[i] = second, 0
	}
	m.n[i] += points
}

// below is from when on fewer points than most were spent in the minute before; now or a time that
// has passed, if that is so already.
func (m *lastMinute) below(most int, now time.Time) time.Time {
	second := now.Unix()
	sum := 0
	for i, at := range m.at {
		if at > second-60 {
			sum += m.n[i]
		}
	}
	at := now
	for s := second - 59; sum >= most && s <= second; s++ {
		if m.at[s%60] == s {
			sum -= m.n[s%60]
		}
		at = time.Unix(s+60, 0)
	}
	return at
}
