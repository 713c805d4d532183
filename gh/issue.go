package gh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxIssues bounds a list of issues.
	maxIssues = 2000
	// maxIssueComments is how many comments GitHub lets an issue or a pull request have.
	maxIssueComments = 2500
)

// Issue is an issue, or a pull request as GitHub shows it among the issues.
type Issue struct {
	Number      int
	State       string // "open", "closed"
	StateReason string // "completed", "not_planned", "duplicate", "reopened"; empty: GitHub does not say
	Author      Account
	// ClosedBy has ID 0 while it is open, and in lists, where GitHub may leave it out.
	ClosedBy Account
	// AppID is the App through which it was opened, 0 for none. A person can open an issue
	// through an App: only an Author that is the App's own bot says that the App did it.
	AppID         int64
	Title         string
	Body          string // Markdown
	Labels        []string
	CreatedAt     time.Time
	ClosedAt      time.Time // zero while it is open
	IsPullRequest bool
	// Locked: no App comments, and nobody without write access.
	Locked bool
}

// IssueComment is a comment on an issue or in the conversation of a pull request.
type IssueComment struct {
	ID        int64
	Author    Account
	AppID     int64  // the App through which it was written, as of an Issue
	Body      string // Markdown, as it is now
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Issue returns an issue or a pull request. It returns ErrGone when it was deleted, and
// ErrNotFound when it was moved to another repository.
//
// Source: GET /repos/{owner}/{repo}/issues/{number}.
func (c *Client) Issue(ctx context.Context, r Repo, number int) (Issue, error) {
	issue, err := c.issue(ctx, r, number)
	if err != nil {
		return Issue{}, fmt.Errorf("read issue %s#%d: %w", r, number, err)
	}
	return issue, nil
}

func (c *Client) issue(ctx context.Context, r Repo, number int) (Issue, error) {
	a, err := c.get(ctx, "GET /repos/{owner}/{repo}/issues/{number}", issueArgs(r, number), nil)
	if err != nil {
		return Issue{}, err
	}
	issue, err := a.issue(http.StatusOK)
	if err == nil && issue.Number != number {
		// GitHub redirects to where an issue was moved to, and it has another number there.
		err = fmt.Errorf("it is issue %d of another repository: %w", issue.Number, ErrNotFound)
	}
	return issue, err
}

// IssuesLabelled returns the issues and pull requests that have a label, open and closed,
// oldest first, at most 2,000, else ErrTruncated. With since, they are those that were updated
// at or after it. It returns ErrInvalid for a label that cannot be asked for: GitHub takes
// commas as several labels.
//
// Source: GET /repos/{owner}/{repo}/issues?state=all&sort=created&direction=asc.
func (c *Client) IssuesLabelled(ctx context.Context, r Repo, label string, since time.Time) ([]Issue, error) {
	fail := func(err error) ([]Issue, error) {
		return nil, fmt.Errorf("list issues of %s labelled %.80q: %w", r, label, err)
	}
	if err := checkLabel(label); err != nil {
		return fail(err)
	}
	// Oldest first: what is opened while we read comes at the end and moves no page.
	query := url.Values{"state": {"all"}, "labels": {label}, "sort": {"created"}, "direction": {"asc"}}
	setSince(query, since)
	issues, err := list(ctx, c, listing[Issue]{
		route:  "GET /repos/{owner}/{repo}/issues",
		args:   []string{r.Owner, r.Name},
		query:  query,
		limit:  maxIssues,
		decode: array(wireIssue.issue),
		id:     func(i Issue) int64 { return int64(i.Number) },
	})
	if err != nil {
		return fail(err)
	}
	return issues, nil
}

// IssueComments returns the comments on an issue or pull request, oldest first, at most 2,500,
// else ErrTruncated. With since, they are those that were written or edited at or after it.
//
// Source: GET /repos/{owner}/{repo}/issues/{number}/comments.
func (c *Client) IssueComments(ctx context.Context, r Repo, number int, since time.Time) ([]IssueComment, error) {
	query := url.Values{}
	setSince(query, since)
	comments, err := list(ctx, c, listing[IssueComment]{
		route:  "GET /repos/{owner}/{repo}/issues/{number}/comments",
		args:   issueArgs(r, number),
		query:  query,
		limit:  maxIssueComments,
		decode: array(wireIssueComment.comment),
		id:     func(x IssueComment) int64 { return x.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list comments on %s#%d: %w", r, number, err)
	}
	return comments, nil
}

func issueArgs(r Repo, number int) []string {
	return []string{r.Owner, r.Name, strconv.Itoa(number)}
}

// setSince asks for what was updated at or after a time; the zero time asks for everything.
func setSince(query url.Values, since time.Time) {
	if !since.IsZero() {
		query.Set("since", since.UTC().Format(time.RFC3339))
	}
}

// issue reads an issue out of an answer, which must have the documented status.
func (a answer) issue(want int) (Issue, error) {
	if a.status != want {
		return Issue{}, unavailable("status %d instead of %d", a.status, want)
	}
	var w wireIssue
	if err := a.decode(&w); err != nil {
		return Issue{}, err
	}
	issue, err := w.issue()
	if err != nil {
		return Issue{}, unavailable("%v", err)
	}
	return issue, nil
}

type wireIssue struct {
	Number      int          `json:"number"`
	State       string       `json:"state"`
	StateReason string       `json:"state_reason"`
	User        *wireAccount `json:"user"`
	ClosedBy    *wireAccount `json:"closed_by"`
	App         *wireApp     `json:"performed_via_github_app"`
	Title       string       `json:"title"`
	Body        string       `json:"body"`
	Labels      *[]wireLabel `json:"labels"`
	CreatedAt   *time.Time   `json:"created_at"`
	ClosedAt    *time.Time   `json:"closed_at"`
	PullRequest *struct{}    `json:"pull_request"`
	Locked      bool         `json:"locked"`
}

type wireLabel struct {
	Name string `json:"name"`
}

func (w wireIssue) issue() (Issue, error) {
	switch {
	case w.Number <= 0:
		return Issue{}, errors.New("an issue without a number")
	case w.State != "open" && w.State != "closed":
		return Issue{}, fmt.Errorf("an issue in state %.80q", w.State)
	case w.Labels == nil || w.CreatedAt == nil:
		return Issue{}, errors.New("an issue without labels or the time when it was opened")
	}
	i := Issue{
		Number: w.Number, State: w.State, StateReason: w.StateReason, Author: w.User.account(), ClosedBy: w.ClosedBy.account(),
		AppID: w.App.app().ID, Title: w.Title, Body: w.Body, CreatedAt: utc(w.CreatedAt), ClosedAt: utc(w.ClosedAt),
		IsPullRequest: w.PullRequest != nil, Locked: w.Locked,
	}
	for _, l := range *w.Labels {
		i.Labels = append(i.Labels, l.Name)
	}
	return i, nil
}

type wireIssueComment struct {
	ID        int64        `json:"id"`
	User      *wireAccount `json:"user"`
	App       *wireApp     `json:"performed_via_github_app"`
	Body      string       `json:"body"`
	CreatedAt *time.Time   `json:"created_at"`
	UpdatedAt *time.Time   `json:"updated_at"`
}

func (w wireIssueComment) comment() (IssueComment, error) {
	switch {
	case w.ID <= 0:
		return IssueComment{}, errNoID
	case w.CreatedAt == nil || w.UpdatedAt == nil:
		return IssueComment{}, errors.New("a comment without the times of it")
	}
	return IssueComment{
		ID: w.ID, Author: w.User.account(), AppID: w.App.app().ID, Body: w.Body,
		CreatedAt: utc(w.CreatedAt), UpdatedAt: utc(w.UpdatedAt),
	}, nil
}
