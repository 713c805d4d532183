package gh

import (
	"errors"
	"fmt"
	"time"
)

// Sentinels, to be tested with errors.Is. Text is never matched.
var (
	// ErrNotFound: GitHub answered 404, or the installation may not see it.
	ErrNotFound = errors.New("not found on GitHub, or not visible to the installation")
	// ErrForbidden: GitHub answered 403 and it was not a rate limit: a permission is missing.
	ErrForbidden = errors.New("GitHub refused: a permission is missing")
	// ErrUnauthorized: GitHub answered 401: the token or the App's key is not accepted.
	ErrUnauthorized = errors.New("GitHub did not accept our credentials")
	// ErrTruncated: GitHub holds more than we read, or than it gives.
	ErrTruncated = errors.New("list is longer than can be read")
	// ErrUnavailable: no answer, a 5xx, or an answer that does not parse.
	ErrUnavailable = errors.New("GitHub is not available")
	// ErrRateLimited is what every *RateLimitError is.
	ErrRateLimited = errors.New("rate limited by GitHub")
	// ErrGraphQL is what every *GraphQLError is.
	ErrGraphQL = errors.New("GraphQL answer has errors")
	// ErrNoInstallation: GitHub gives us no token, because the installation is suspended
	// or gone. It is also ErrForbidden, and never ErrNotFound.
	ErrNoInstallation = fmt.Errorf("the installation is suspended or gone: %w", ErrForbidden)
	// ErrNotGranted: GitHub gives us no token for what is to be done, because the installation does
	// not have one of the permissions, or not the repository. It is also ErrForbidden.
	ErrNotGranted = fmt.Errorf("the installation was not granted this: an owner of the organisation accepts the App's permissions, and its repositories, in the App's settings: %w", ErrForbidden)
	// ErrInvalid: GitHub refused a request as invalid (422, 400), or we did before sending it.
	ErrInvalid = errors.New("GitHub refused the request as invalid")
	// ErrGone: GitHub answered 410: the issue was deleted, or the repository has issues disabled.
	ErrGone = errors.New("deleted, or disabled in the repository")
	// ErrNotAssignable: GitHub left an assignee out, as it does without a word with somebody who
	// cannot be assigned.
	ErrNotAssignable = errors.New("GitHub does not take this account as an assignee")
)

// RateLimitError says until when GitHub wants to be left alone.
type RateLimitError struct {
	// Until is when to come back, UTC. It is never zero.
	Until time.Time
	// Secondary is true for the abuse limit, false for the hourly budget.
	Secondary bool
	// Reserved is true where GitHub would answer, and what is left is kept for decisions.
	Reserved bool
}

func (e *RateLimitError) Error() string {
	kind := "hourly"
	if e.Secondary {
		kind = "secondary"
	}
	if e.Reserved {
		return fmt.Sprintf("what is left of GitHub's %s limit is kept for decisions, until %s", kind, e.Until.Format(time.RFC3339))
	}
	return fmt.Sprintf("rate limited by GitHub (%s limit) until %s", kind, e.Until.Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrRateLimited) true.
func (e *RateLimitError) Is(target error) bool { return target == ErrRateLimited }

// GraphQLError is an answer whose errors list is not empty: something in the data may
// be null because of it, so none of the data is used.
type GraphQLError struct {
	// Messages are GitHub's, each cut at 300 bytes; at most 10.
	Messages []string
	// Types are GitHub's machine-readable types beside them ("FORBIDDEN", "NOT_FOUND", …).
	Types []string
}

func (e *GraphQLError) Error() string {
	return fmt.Sprintf("GraphQL answer has errors: %q", e.Messages)
}

// Is makes errors.Is(err, ErrGraphQL) true.
func (e *GraphQLError) Is(target error) bool { return target == ErrGraphQL }
