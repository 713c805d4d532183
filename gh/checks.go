package gh

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	maxCheckRuns = 1000
	maxStatuses  = 2000
)

// CheckRuns returns every check run on a commit, every attempt of every suite, at most
// 1,000, else ErrTruncated. The order is GitHub's and means nothing.
//
// Source: GET /repos/{owner}/{repo}/commits/{sha}/check-runs?filter=all.
func (c *Client) CheckRuns(ctx context.Context, r Repo, sha string) ([]CheckRun, error) {
	return c.checkRuns(ctx, r, sha, url.Values{"filter": {"all"}})
}

// CheckRunsNamed is CheckRuns for one name and one App.
func (c *Client) CheckRunsNamed(ctx context.Context, r Repo, sha, name string, appID int64) ([]CheckRun, error) {
	return c.checkRuns(ctx, r, sha, url.Values{
		"filter": {"all"}, "check_name": {name}, "app_id": {strconv.FormatInt(appID, 10)},
	})
}

func (c *Client) checkRuns(ctx context.Context, r Repo, sha string, query url.Values) ([]CheckRun, error) {
	if err := askSHA(sha); err != nil {
		return nil, fmt.Errorf("list check runs of %s: %w", r, err)
	}
	runs, err := list(ctx, c, listing[CheckRun]{
		route:  "GET /repos/{owner}/{repo}/commits/{sha}/check-runs",
		args:   []string{r.Owner, r.Name, sha},
		query:  query,
		limit:  maxCheckRuns,
		decode: counted("check_runs", wireCheckRun.run),
		id:     func(run CheckRun) int64 { return run.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list check runs of %s@%s: %w", r, sha, err)
	}
	return runs, nil
}

type wireCheckRun struct {
	ID          int64      `json:"id"`
	Name        string     `json:"name"`
	HeadSHA     string     `json:"head_sha"`
	Status      string     `json:"status"`
	Conclusion  string     `json:"conclusion"`
	ExternalID  string     `json:"external_id"`
	DetailsURL  string     `json:"details_url"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      struct {
		Title string `json:"title"`
	} `json:"output"`
	App   *wireApp `json:"app"`
	Suite *struct {
		ID int64 `json:"id"`
	} `json:"check_suite"`
}

func (w wireCheckRun) run() (CheckRun, error) {
	if w.ID <= 0 {
		return CheckRun{}, errNoID
	}
	if w.Name == "" || w.Status == "" {
		return CheckRun{}, errors.New("a check run without a name or status")
	}
	run := CheckRun{
		ID: w.ID, Name: w.Name, HeadSHA: w.HeadSHA, Status: w.Status, Conclusion: w.Conclusion,
		ExternalID: w.ExternalID, DetailsURL: w.DetailsURL, Title: w.Output.Title,
		StartedAt: utc(w.StartedAt), CompletedAt: utc(w.CompletedAt), App: w.App.app(),
	}
	if w.Suite != nil {
		run.SuiteID = w.Suite.ID
	}
	return run, checkSHA("head", w.HeadSHA)
}

// Statuses returns every commit status on a commit, newest first, also those that a newer
// one of the same context replaced; at most 2,000, else ErrTruncated.
//
// Source: GET /repos/{owner}/{repo}/commits/{sha}/statuses.
func (c *Client) Statuses(ctx context.Context, r Repo, sha string) ([]CommitStatus, error) {
	if err := askSHA(sha); err != nil {
		return nil, fmt.Errorf("list statuses of %s: %w", r, err)
	}
	statuses, err := list(ctx, c, listing[CommitStatus]{
		route:  "GET /repos/{owner}/{repo}/commits/{sha}/statuses",
		args:   []string{r.Owner, r.Name, sha},
		limit:  maxStatuses,
		decode: array(wireStatus.status),
		id:     func(s CommitStatus) int64 { return s.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list statuses of %s@%s: %w", r, sha, err)
	}
	return statuses, nil
}

type wireStatus struct {
	ID        int64        `json:"id"`
	Context   string       `json:"context"`
	State     string       `json:"state"`
	Creator   *wireAccount `json:"creator"`
	CreatedAt *time.Time   `json:"created_at"`
}

func (w wireStatus) status() (CommitStatus, error) {
	if w.ID <= 0 {
		return CommitStatus{}, errNoID
	}
	if w.State == "" {
		return CommitStatus{}, errors.New("a status without a state")
	}
	return CommitStatus{
		ID: w.ID, Context: w.Context, State: w.State, Creator: w.Creator.account(), CreatedAt: utc(w.CreatedAt),
	}, nil
}
