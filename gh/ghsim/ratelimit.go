package ghsim

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// budget is what one installation or one user has left of an hour, for one resource.
type budget struct {
	limit, used int
	resetAt     time.Time
}

// budgetOf returns the viewer's budget for "core" (REST requests) or "graphql" (points),
// renewed when its hour is over.
func (s *Sim) budgetOf(v *viewer, resource string) *budget {
	who := "anonymous"
	switch {
	case v.installation != nil:
		who = "installation " + decimal(v.installation.id)
	case v.app != nil:
		who = "app " + decimal(v.app.id)
	case v.user != nil:
		who = "user " + decimal(v.user.id)
	}
	b := s.budgets[resource+" "+who]
	if b == nil {
		b = &budget{limit: s.options.RateLimit}
		s.budgets[resource+" "+who] = b
	}
	if now := s.now(); !now.Before(b.resetAt) {
		b.used, b.resetAt = 0, now.Add(time.Hour).Truncate(time.Second)
	}
	return b
}

// remaining is never negative.
func (b *budget) remaining() int { return max(0, b.limit-b.used) }

// header writes the x-ratelimit-* headers.
func (b *budget) header(h http.Header, resource string) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(b.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(b.remaining()))
	h.Set("X-RateLimit-Used", strconv.Itoa(b.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(b.resetAt.Unix(), 10))
	h.Set("X-RateLimit-Resource", resource)
}

// admit refuses a request when the viewer's hour is used up.
func (s *Sim) admit(v *viewer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.budgetOf(v, "core")
	if b.remaining() > 0 {
		return nil
	}
	return exhausted(b, "core", v)
}

// admitWrite refuses a request that writes when the installation made too many in a minute.
func (s *Sim) admitWrite(v *viewer) error {
	if s.options.WritesPerMinute == 0 || v.installation == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, now := v.installation.id, s.now()
	s.writes[id] = slices.DeleteFunc(s.writes[id], func(at time.Time) bool { return !at.After(now.Add(-time.Minute)) })
	if len(s.writes[id]) >= s.options.WritesPerMinute {
		return secondaryLimit(time.Minute)
	}
	s.writes[id] = append(s.writes[id], now)
	return nil
}

// Spend takes so many requests and GraphQL points of an installation's hour.
func (i *Installation) Spend(requests, points int) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	v := &viewer{installation: i.i}
	i.s.budgetOf(v, "core").used += requests
	i.s.budgetOf(v, "graphql").used += points
}

// exhausted is GitHub's answer when the hour is used up.
func exhausted(b *budget, resource string, v *viewer) *apiError {
	h := http.Header{}
	b.header(h, resource)
	header := map[string]string{}
	for k := range h {
		header[k] = h.Get(k)
	}
	message := "API rate limit exceeded"
	if v.installation != nil {
		message += " for installation ID " + decimal(v.installation.id)
	}
	return &apiError{status: 403, message: message + ".", header: header,
		docs: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"}
}

// spendREST counts a billable request and writes the headers.
func (s *Sim) spendREST(x *exchange, h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.budgetOf(x.viewer, "core")
	if x.entry.Billable {
		b.used++
	}
	b.header(h, "core")
}

// renderBudget is one resource of GET /rate_limit.
func renderBudget(b *budget) obj {
	return obj{"limit": b.limit, "used": b.used, "remaining": b.remaining(), "reset": b.resetAt.Unix()}
}
