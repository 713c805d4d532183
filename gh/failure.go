package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
)

const (
	// maxErrorText bounds what is kept of GitHub's explanation.
	maxErrorText = 300
	// secondaryWait is what GitHub asks for when it does not say how long.
	// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
	secondaryWait = time.Minute
	// maxWait bounds a wait that GitHub names: its longest window is an hour, and a
	// broken clock must not park a change for a year.
	maxWait = time.Hour
	minWait = time.Second
)

func unavailable(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrUnavailable)...)
}

// statusError says what an answer that is not a success means. Body is its body or the
// beginning of it.
func statusError(status int, h http.Header, body []byte, now time.Time) error {
	text := explanation(body)
	if status == http.StatusForbidden || status == http.StatusTooManyRequests {
		if limit := rateLimit(status, h, body, now); limit != nil {
			return limit
		}
	}
	sentinel := ErrUnavailable
	switch status {
	case http.StatusUnauthorized:
		sentinel = ErrUnauthorized
	case http.StatusForbidden:
		sentinel = ErrForbidden
	case http.StatusNotFound:
		sentinel = ErrNotFound
	case http.StatusGone:
		sentinel = ErrGone
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		sentinel = ErrInvalid
	}
	return fmt.Errorf("status %d %q: %w", status, text, sentinel)
}

// rateLimit recognises GitHub's limits in a 403 or 429, or returns nil.
func rateLimit(status int, h http.Header, body []byte, now time.Time) *RateLimitError {
	if wait, ok := retryAfter(h, now); ok {
		return &RateLimitError{Until: bounded(wait, now), Secondary: true}
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		return &RateLimitError{Until: bounded(untilReset(h, now), now)}
	}
	if status == http.StatusTooManyRequests || tellsSecondary(body) {
		return &RateLimitError{Until: bounded(secondaryWait, now), Secondary: true}
	}
	return nil
}

// tellsSecondary reads GitHub's explanation, which is the only sign of a secondary limit
// when no header comes with it.
func tellsSecondary(body []byte) bool {
	var e struct {
		Message string `json:"message"`
		URL     string `json:"documentation_url"`
	}
	if json.Unmarshal(body, &e) != nil {
		return false
	}
	return secondaryText(e.Message) ||
		strings.Contains(e.URL, "secondary-rate-limit") || strings.Contains(e.URL, "abuse-rate-limit")
}

func secondaryText(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "secondary rate limit") || strings.Contains(m, "abuse detection")
}

// retryAfter reads the header of that name, as seconds or as a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Retry-After")
	if text == "" {
		return 0, false
	}
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(seconds, int(maxWait/time.Second))) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(serverTime(h, now)), true
	}
	return secondaryWait, true
}

// untilReset is how long GitHub's hourly budget stays empty. It is counted on GitHub's
// own clock, so that it is right when ours is not.
func untilReset(h http.Header, now time.Time) time.Duration {
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || reset <= 0 {
		return secondaryWait
	}
	return time.Unix(reset, 0).Sub(serverTime(h, now))
}

func serverTime(h http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return now
}

func bounded(wait time.Duration, now time.Time) time.Time {
	return now.Add(min(max(wait, minWait), maxWait)).UTC()
}

// explanation is GitHub's message with its details, cut.
func explanation(body []byte) string {
	var e struct {
		Message string            `json:"message"`
		Errors  []json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &e) != nil || e.Message == "" {
		return cut(string(body))
	}
	text := e.Message
	for _, detail := range e.Errors {
		text += "; " + string(detail)
	}
	return cut(text)
}

func cut(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	return strings.ToValidUTF8(text, "")
}

// sendError says what it means that no complete answer came. The caller's own end of
// patience stays recognisable; a time-out of ours is GitHub not being available.
func (c *Client) sendError(ctx context.Context, by *carrier, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask GitHub: %w", ctx.Err())
	}
	if token := (*ghinstallation.HTTPError)(nil); errors.As(err, &token) && token.Response != nil {
		return c.tokenError(by.what, token.Response)
	}
	return unavailable("%v", err)
}

// tokenError says what a refused installation token means. "Not found" here is about the
// installation: it must not read as if the file or rule that was asked for were absent.
//
// Source: https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
func (c *Client) tokenError(s scope, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // only for the explanation
	resp.Body.Close()
	err := statusError(resp.StatusCode, resp.Header, body, c.now())
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrGone), errors.Is(err, ErrForbidden):
		return fmt.Errorf("token of installation %d: status %d %q: %w", c.installation, resp.StatusCode, explanation(body), ErrNoInstallation)
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return fmt.Errorf("token of installation %d for %s: %q: %w", c.installation, s, explanation(body), ErrNotGranted)
	case errors.Is(err, ErrInvalid):
		return unavailable("token of installation %d: status %d %q", c.installation, resp.StatusCode, explanation(body))
	}
	return fmt.Errorf("token of installation %d: %w", c.installation, err)
}
