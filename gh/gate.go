package gh

import (
	"sync"
	"time"
)

// budget names one of GitHub's hourly budgets.
type budget string

const (
	restBudget    budget = "rest"
	graphqlBudget budget = "graphql"
)

// gate remembers the rate limits of one installation. While one holds, requests are
// answered here with the same error: GitHub bans those who keep asking.
type gate struct {
	mu        sync.Mutex
	hourly    map[budget]time.Time
	secondary time.Time
}

func newGate() *gate { return &gate{hourly: map[budget]time.Time{}} }

// check returns the limit that holds at the moment for a budget, or nil.
func (g *gate) check(b budget, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.secondary.After(now) {
		return &RateLimitError{Until: g.secondary, Secondary: true}
	}
	if until := g.hourly[b]; until.After(now) {
		return &RateLimitError{Until: until}
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
