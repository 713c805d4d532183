package gh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxIssueTitle and MaxIssueBody bound an issue, and a comment as its body, in
	// characters. GitHub refuses longer ones.
	MaxIssueTitle = 256
	MaxIssueBody  = 65_536
	// maxLabel bounds the name of a label, in characters.
	maxLabel = 50
)

// None of the writes below is repeated here: after ErrUnavailable it may have been done. They
// return ErrForbidden when the permission is missing or the conversation is locked, ErrGone
// when the repository has no issues or the issue was deleted, and ErrInvalid, before asking
// GitHub, for what it would refuse or cut. What is not UTF-8 is replaced.

// CreateIssue opens an issue and returns its number. GitHub makes the labels that the
// repository does not have, and leaves labels out for those who may not set them: then the
// number comes together with ErrForbidden.
//
// Source: POST /repos/{owner}/{repo}/issues.
func (c *Client) CreateIssue(ctx context.Context, r Repo, title, body string, labels []string) (number int, err error) {
	number, err = c.createIssue(ctx, r, title, body, labels)
	if err != nil {
		return number, fmt.Errorf("open an issue in %s: %w", r, err)
	}
	return number, nil
}

func (c *Client) createIssue(ctx context.Context, r Repo, title, body string, labels []string) (int, error) {
	problems := []error{checkText("title", title, MaxIssueTitle), checkText("body", body, MaxIssueBody)}
	for _, l := range labels {
		problems = append(problems, checkLabel(l))
	}
	if err := errors.Join(problems...); err != nil {
		return 0, err
	}
	in := struct {
		Title  string   `json:"title"`
		Body   string   `json:"body"`
		Labels []string `json:"labels,omitempty"`
	}{valid(title), valid(body), labels}
	a, err := c.call(ctx, "POST /repos/{owner}/{repo}/issues", []string{r.Owner, r.Name}, nil, in)
	if err != nil {
		return 0, err
	}
	issue, err := a.issue(http.StatusCreated)
	if err != nil {
		return 0, err
	}
	for _, l := range labels {
		if !slices.ContainsFunc(issue.Labels, func(has string) bool { return strings.EqualFold(has, l) }) {
			return issue.Number, fmt.Errorf("issue %d was opened without label %q: %w", issue.Number, l, ErrForbidden)
		}
	}
	return issue.Number, nil
}

// Comment writes a comment on an issue or into the conversation of a pull request.
//
// Source: POST /repos/{owner}/{repo}/issues/{number}/comments.
func (c *Client) Comment(ctx context.Context, r Repo, number int, body string) error {
	if err := c.comment(ctx, r, number, body); err != nil {
		return fmt.Errorf("comment on %s#%d: %w", r, number, err)
	}
	return nil
}

func (c *Client) comment(ctx context.Context, r Repo, number int, body string) error {
	if err := checkText("comment", body, MaxIssueBody); err != nil {
		return err
	}
	in := struct {
		Body string `json:"body"`
	}{valid(body)}
	a, err := c.call(ctx, "POST /repos/{owner}/{repo}/issues/{number}/comments", issueArgs(r, number), nil, in)
	if err == nil && a.status != http.StatusCreated {
		err = unavailable("status %d instead of %d", a.status, http.StatusCreated)
	}
	return err
}

// AddLabel adds a label to an issue or pull request, which keeps those that it has. GitHub
// makes a label that the repository does not have; one that is there already is no error.
//
// Source: POST /repos/{owner}/{repo}/issues/{number}/labels.
func (c *Client) AddLabel(ctx context.Context, r Repo, number int, label string) error {
	if err := c.addLabel(ctx, r, number, label); err != nil {
		return fmt.Errorf("label %s#%d %.80q: %w", r, number, label, err)
	}
	return nil
}

func (c *Client) addLabel(ctx context.Context, r Repo, number int, label string) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	in := struct {
		Labels []string `json:"labels"`
	}{[]string{label}}
	a, err := c.call(ctx, "POST /repos/{owner}/{repo}/issues/{number}/labels", issueArgs(r, number), nil, in)
	if err != nil {
		return err
	}
	var now []wireLabel
	if err := a.decode(&now); err != nil {
		return err
	}
	// A redirect makes a read of the write, which answers with the labels and adds none.
	if !slices.ContainsFunc(now, func(l wireLabel) bool { return strings.EqualFold(l.Name, label) }) {
		return unavailable("an answer without the label")
	}
	return nil
}

// Assign assigns somebody to an issue or pull request, beside those who are. It returns
// ErrNotAssignable for somebody whom GitHub does not take: it takes who may write to the
// repository, a member of its organisation, or who commented there, at most 10 in all, and
// ignores anybody else.
//
// Source: POST /repos/{owner}/{repo}/issues/{number}/assignees.
func (c *Client) Assign(ctx context.Context, r Repo, number int, login string) error {
	if err := c.assign(ctx, r, number, login); err != nil {
		return fmt.Errorf("assign %.80q to %s#%d: %w", login, r, number, err)
	}
	return nil
}

func (c *Client) assign(ctx context.Context, r Repo, number int, login string) error {
	if login == "" {
		return fmt.Errorf("%w: no login", ErrInvalid)
	}
	in := struct {
		Assignees []string `json:"assignees"`
	}{[]string{login}}
	a, err := c.call(ctx, "POST /repos/{owner}/{repo}/issues/{number}/assignees", issueArgs(r, number), nil, in)
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated {
		return unavailable("status %d instead of %d", a.status, http.StatusCreated)
	}
	var now struct {
		Assignees *[]wireAccount `json:"assignees"`
	}
	if err := a.decode(&now); err != nil {
		return err
	}
	if now.Assignees == nil {
		return unavailable("an answer without assignees")
	}
	if !slices.ContainsFunc(*now.Assignees, func(w wireAccount) bool { return strings.EqualFold(w.Login, login) }) {
		return ErrNotAssignable
	}
	return nil
}

// RemoveLabel takes a label off an issue or pull request; one that does not have it is no error.
//
// Source: DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}.
func (c *Client) RemoveLabel(ctx context.Context, r Repo, number int, label string) error {
	err := checkLabel(label)
	if err == nil {
		_, err = c.call(ctx, "DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}", append(issueArgs(r, number), label), nil, nil)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("take label %.80q off %s#%d: %w", label, r, number, err)
	}
	return nil
}

// CloseIssue closes an issue; one that is closed is no error. The number of a pull request
// would close the pull request.
//
// Source: PATCH /repos/{owner}/{repo}/issues/{number}.
func (c *Client) CloseIssue(ctx context.Context, r Repo, number int) error {
	if err := c.setIssueState(ctx, r, number, "closed"); err != nil {
		return fmt.Errorf("close issue %s#%d: %w", r, number, err)
	}
	return nil
}

// ReopenIssue opens an issue again; one that is open is no error.
//
// Source: PATCH /repos/{owner}/{repo}/issues/{number}.
func (c *Client) ReopenIssue(ctx context.Context, r Repo, number int) error {
	if err := c.setIssueState(ctx, r, number, "open"); err != nil {
		return fmt.Errorf("open issue %s#%d again: %w", r, number, err)
	}
	return nil
}

func (c *Client) setIssueState(ctx context.Context, r Repo, number int, state string) error {
	in := struct {
		State string `json:"state"`
	}{state}
	a, err := c.call(ctx, "PATCH /repos/{owner}/{repo}/issues/{number}", issueArgs(r, number), nil, in)
	if err != nil {
		return err
	}
	issue, err := a.issue(http.StatusOK)
	if err == nil && (issue.Number != number || issue.State != state) {
		err = unavailable("an answer about issue %d, which is %s", issue.Number, issue.State)
	}
	return err
}

// checkText refuses a text that is empty or longer than GitHub takes.
func checkText(what, text string, most int) error {
	if n := utf8.RuneCountInString(valid(text)); strings.TrimSpace(text) == "" || n > most {
		return fmt.Errorf("%w: %s of %d characters, want 1 to %d", ErrInvalid, what, n, most)
	}
	return nil
}

// checkLabel refuses what is no name of a label, and what GitHub reads as several.
func checkLabel(label string) error {
	n := utf8.RuneCountInString(label)
	if strings.TrimSpace(label) == "" || n > maxLabel || strings.Contains(label, ",") || !utf8.ValidString(label) {
		return fmt.Errorf("%w: label %.80q of %d characters, want 1 to %d without a comma", ErrInvalid, label, n, maxLabel)
	}
	return nil
}
