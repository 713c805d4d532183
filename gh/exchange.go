package gh

import (
	"net/http"
	"time"

	"github.com/countersign/countersign/tracing"
)

// Exchange is one request that was sent to GitHub and how it went, for whoever counts them.
type Exchange struct {
	Route  string // with its parameters as names
	Status int    // 0: no answer
	// Revalidated is true when GitHub said that what we had is still current (304).
	Revalidated bool
}

// tell tells whoever counts of an exchange, and its span; h is nil when there was no answer.
func (c *Client) tell(span tracing.Span, route string, status int, h http.Header) {
	revalidated := h.Get("X-From-Cache") != ""
	span.Number(tracing.Installation, c.installation)
	span.Number(tracing.Status, int64(status))
	if revalidated {
		span.Yes(tracing.Revalidated)
	}
	if c.observe != nil {
		c.observe(Exchange{Route: route, Status: status, Revalidated: revalidated})
	}
}

// Budget is what GitHub said last of an hourly budget, as far as it still holds.
type Budget struct {
	Installation int64  // 0: the App itself
	Resource     string // "core" or "graphql"
	// Limit is what there is in an hour, and Remaining what is left of this one.
	Limit, Remaining int
	// Reset is when the hour ends, by our clock. Zero: it has ended, and nothing was asked since.
	Reset time.Time
}

// Budgets are those of every installation that was asked about something, and of the App itself.
// What was never asked is not in it, and neither is a server that has no limits.
func (c *Connection) Budgets() []Budget {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.settings.Now()
	list := c.app.gate.budgets(0, now)
	for id, in := range c.installed {
		list = append(list, in.gate.budgets(id, now)...)
	}
	return list
}
