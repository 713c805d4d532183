package gh

import (
	"net/http"
	"strconv"
)

// Exchange is one request that was sent to GitHub and how it went, for whoever counts them.
type Exchange struct {
	Installation int64  // 0: the App itself, or a person
	Route        string // with its parameters as names
	Status       int    // 0: no answer
	// Revalidated is true when GitHub said that what we had is still current (304).
	Revalidated bool
	// Resource is the budget that GitHub counted it to, and Remaining what is left of it in this
	// hour; -1: GitHub did not say.
	Resource  string
	Remaining int
}

// tell tells whoever counts of an exchange; h is nil when there was no answer.
func (c *Client) tell(route string, status int, h http.Header) {
	if c.observe == nil {
		return
	}
	e := Exchange{Installation: c.installation, Route: route, Status: status, Revalidated: h.Get("X-From-Cache") != "", Remaining: -1}
	n, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	// The cache answers with headers of when it was filled, as far as a 304 brought no newer ones.
	switch resource := h.Get("X-RateLimit-Resource"); {
	case err != nil || n < 0:
	case resource == "core" || resource == "graphql":
		e.Resource, e.Remaining = resource, n
	}
	c.observe(e)
}
