package gh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxOutputBytes bounds the summary and the text of a check run, each in bytes of UTF-8.
// GitHub refuses a longer summary and silently cuts a longer text.
const MaxOutputBytes = 65_535

const (
	maxActions           = 3
	maxActionLabel       = 20 // characters
	maxActionDescription = 40
	maxActionIdentifier  = 20
)

// CreateCheckRun creates a check run. It is not repeated here: after ErrUnavailable the
// check run may exist, and is to be looked for by its external id.
//
// Source: POST /repos/{owner}/{repo}/check-runs.
func (c *Client) CreateCheckRun(ctx context.Context, r Repo, w CheckRunWrite) (CheckRun, error) {
	run, err := c.createCheckRun(ctx, r, w)
	if err != nil {
		return CheckRun{}, fmt.Errorf("create check run %q on %s@%s: %w", w.Name, r, w.HeadSHA, err)
	}
	return run, nil
}

func (c *Client) createCheckRun(ctx context.Context, r Repo, w CheckRunWrite) (CheckRun, error) {
	if err := askSHA(w.HeadSHA); err != nil {
		return CheckRun{}, err
	}
	body, err := newCheckRunBody(w)
	if err != nil {
		return CheckRun{}, err
	}
	body.HeadSHA = w.HeadSHA
	a, err := c.call(ctx, "POST /repos/{owner}/{repo}/check-runs", []string{r.Owner, r.Name}, nil, body)
	if err != nil {
		return CheckRun{}, err
	}
	run, err := writtenCheckRun(a, http.StatusCreated)
	if err == nil && run.HeadSHA != w.HeadSHA {
		err = unavailable("an answer about head %s", run.HeadSHA)
	}
	return run, err
}

// UpdateCheckRun changes a check run that is not completed; GitHub does not reopen a
// completed one. HeadSHA cannot be changed and is not sent; the output is replaced as a
// whole.
//
// Source: PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}.
func (c *Client) UpdateCheckRun(ctx context.Context, r Repo, id int64, w CheckRunWrite) (CheckRun, error) {
	run, err := c.updateCheckRun(ctx, r, id, w)
	if err != nil {
		return CheckRun{}, fmt.Errorf("update check run %d of %s: %w", id, r, err)
	}
	return run, nil
}

func (c *Client) updateCheckRun(ctx context.Context, r Repo, id int64, w CheckRunWrite) (CheckRun, error) {
	body, err := newCheckRunBody(w)
	if err != nil {
		return CheckRun{}, err
	}
	a, err := c.call(ctx, "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
		[]string{r.Owner, r.Name, strconv.FormatInt(id, 10)}, nil, body)
	if err != nil {
		return CheckRun{}, err
	}
	run, err := writtenCheckRun(a, http.StatusOK)
	if err == nil && run.ID != id {
		err = unavailable("an answer about check run %d", run.ID)
	}
	return run, err
}

// writtenCheckRun reads the answer to a write. Another status than the documented one
// means that a redirect made something else of the request.
func writtenCheckRun(a answer, want int) (CheckRun, error) {
	if a.status != want {
		return CheckRun{}, unavailable("status %d instead of %d", a.status, want)
	}
	var w wireCheckRun
	if err := a.decode(&w); err != nil {
		return CheckRun{}, err
	}
	run, err := w.run()
	if err != nil {
		return CheckRun{}, unavailable("%v", err)
	}
	return run, nil
}

// checkRunBody is the JSON of both writes.
type checkRunBody struct {
	Name        string               `json:"name"`
	HeadSHA     string               `json:"head_sha,omitempty"`
	DetailsURL  string               `json:"details_url,omitempty"`
	ExternalID  string               `json:"external_id,omitempty"`
	Status      string               `json:"status"`
	Conclusion  string               `json:"conclusion,omitempty"`
	CompletedAt *time.Time           `json:"completed_at,omitempty"`
	Output      checkRunOutput       `json:"output"`
	Actions     []checkRunActionBody `json:"actions,omitempty"`
}

type checkRunOutput struct {
	Title   string `json:"title"`
	Summary string `json:"summary"`
	Text    string `json:"text,omitempty"`
	// Annotations are left out when there are none: GitHub keeps those that are there.
	Annotations []annotationBody `json:"annotations,omitempty"`
}

type checkRunActionBody struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// newCheckRunBody refuses, with every problem at once, what GitHub would refuse or cut.
func newCheckRunBody(w CheckRunWrite) (checkRunBody, error) {
	body := checkRunBody{
		Name: w.Name, DetailsURL: w.DetailsURL, ExternalID: w.ExternalID,
		Status: w.Status, Conclusion: w.Conclusion,
		Output: checkRunOutput{Title: valid(w.Title), Summary: valid(w.Summary), Text: valid(w.Text)},
	}
	if w.Status == "completed" && !w.CompletedAt.IsZero() {
		// To the second, as GitHub keeps it.
		at := w.CompletedAt.UTC().Truncate(time.Second)
		body.CompletedAt = &at
	}
	annotations, err := newAnnotations(w.Annotations)
	body.Output.Annotations = annotations
	problems := []error{err, checkState(w.Status, w.Conclusion), checkOutput(body.Name, body.Output)}
	if len(w.Actions) > maxActions {
		problems = append(problems, fmt.Errorf("%d actions, at most %d", len(w.Actions), maxActions))
	}
	for _, a := range w.Actions {
		problems = append(problems, checkAction(a))
		body.Actions = append(body.Actions, checkRunActionBody(a))
	}
	if err := errors.Join(problems...); err != nil {
		return checkRunBody{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return body, nil
}

// valid replaces what is not UTF-8, so that what is counted is what is sent.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func checkState(status, conclusion string) error {
	switch status {
	case "queued", "in_progress":
		if conclusion != "" {
			return fmt.Errorf("conclusion %q on status %q", conclusion, status)
		}
	case "completed":
		conclusions := []string{"success", "failure", "neutral", "action_required", "cancelled", "skipped", "timed_out"}
		if !slices.Contains(conclusions, conclusion) {
			return fmt.Errorf("conclusion %q on status %q", conclusion, status)
		}
	default:
		return fmt.Errorf("status %q", status)
	}
	return nil
}

func checkOutput(name string, o checkRunOutput) error {
	var problems []error
	if name == "" {
		problems = append(problems, errors.New("no name"))
	}
	if o.Title == "" || o.Summary == "" {
		problems = append(problems, errors.New("output without a title or a summary"))
	}
	if len(o.Summary) > MaxOutputBytes {
		problems = append(problems, fmt.Errorf("summary of %d bytes, at most %d", len(o.Summary), MaxOutputBytes))
	}
	if len(o.Text) > MaxOutputBytes {
		problems = append(problems, fmt.Errorf("text of %d bytes, at most %d", len(o.Text), MaxOutputBytes))
	}
	return errors.Join(problems...)
}

func checkAction(a CheckRunAction) error {
	var problems []error
	for _, field := range []struct {
		name, value string
		max         int
	}{
		{"label", a.Label, maxActionLabel},
		{"description", a.Description, maxActionDescription},
		{"identifier", a.Identifier, maxActionIdentifier},
	} {
		if n := utf8.RuneCountInString(field.value); n == 0 || n > field.max {
			problems = append(problems, fmt.Errorf("action %s %q has %d characters, want 1 to %d", field.name, field.value, n, field.max))
		}
	}
	return errors.Join(problems...)
}
