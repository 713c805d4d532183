package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// GitHub gives at most 1,000 runs to a search by head SHA.
	// https://docs.github.com/rest/actions/workflow-runs#list-workflow-runs-for-a-repository
	maxWorkflowRuns = 1000
	maxJobs         = 2000
)

// WorkflowRuns returns the GitHub Actions runs on a head SHA, each as its newest attempt;
// at most 1,000, else ErrTruncated.
//
// Source: GET /repos/{owner}/{repo}/actions/runs?head_sha=.
func (c *Client) WorkflowRuns(ctx context.Context, r Repo, sha string) ([]WorkflowRun, error) {
	if err := askSHA(sha); err != nil {
		return nil, fmt.Errorf("list workflow runs of %s: %w", r, err)
	}
	runs, err := list(ctx, c, listing[WorkflowRun]{
		route:  "GET /repos/{owner}/{repo}/actions/runs",
		args:   []string{r.Owner, r.Name},
		query:  url.Values{"head_sha": {sha}},
		limit:  maxWorkflowRuns,
		decode: counted("workflow_runs", wireWorkflowRun.run),
		id:     func(run WorkflowRun) int64 { return run.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list workflow runs of %s@%s: %w", r, sha, err)
	}
	return runs, nil
}

type wireWorkflowRun struct {
	ID              int64        `json:"id"`
	Name            string       `json:"name"`
	Path            string       `json:"path"`
	Event           string       `json:"event"`
	HeadSHA         string       `json:"head_sha"`
	Attempt         int          `json:"run_attempt"`
	SuiteID         int64        `json:"check_suite_id"`
	Status          string       `json:"status"`
	Conclusion      string       `json:"conclusion"`
	Actor           *wireAccount `json:"actor"`
	TriggeringActor *wireAccount `json:"triggering_actor"`
	Repository      struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

func (w wireWorkflowRun) run() (WorkflowRun, error) {
	if w.ID <= 0 {
		return WorkflowRun{}, errNoID
	}
	if w.Path == "" || w.Repository.FullName == "" {
		return WorkflowRun{}, errors.New("a workflow run without a path or repository")
	}
	return WorkflowRun{
		ID: w.ID, Name: w.Name, Path: workflowPath(w.Path), Event: w.Event, HeadSHA: w.HeadSHA,
		Attempt: w.Attempt, SuiteID: w.SuiteID, Status: w.Status, Conclusion: w.Conclusion,
		Repository: w.Repository.FullName,
		Actor:      w.Actor.account(), TriggeringActor: w.TriggeringActor.account(),
	}, checkSHA("head", w.HeadSHA)
}

// workflowPath cuts the "@ref" that GitHub appends to some paths. An "@" may also be part
// of the file's name or of the ref, so it looks for the end of the file's name.
func workflowPath(path string) string {
	cutAt := -1
	for _, extension := range []string{".yml@", ".yaml@"} {
		if i := strings.Index(path, extension); i >= 0 && (cutAt < 0 || i+len(extension)-1 < cutAt) {
			cutAt = i + len(extension) - 1
		}
	}
	if cutAt < 0 {
		return path
	}
	return path[:cutAt]
}

// Jobs returns the jobs of every attempt of a workflow run, at most 2,000, else
// ErrTruncated.
//
// Source: GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs?filter=all.
func (c *Client) Jobs(ctx context.Context, r Repo, runID int64) ([]Job, error) {
	jobs, err := list(ctx, c, listing[Job]{
		route:  "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
		args:   []string{r.Owner, r.Name, strconv.FormatInt(runID, 10)},
		query:  url.Values{"filter": {"all"}},
		limit:  maxJobs,
		decode: counted("jobs", wireJob.job),
		id:     func(j Job) int64 { return j.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs of run %d of %s: %w", runID, r, err)
	}
	return jobs, nil
}

type wireJob struct {
	ID          int64             `json:"id"`
	RunID       int64             `json:"run_id"`
	Attempt     int               `json:"run_attempt"`
	Name        string            `json:"name"`
	HeadSHA     string            `json:"head_sha"`
	Status      string            `json:"status"`
	Conclusion  string            `json:"conclusion"`
	Steps       []json.RawMessage `json:"steps"` // counted, not read
	RunnerID    int64             `json:"runner_id"`
	StartedAt   *time.Time        `json:"started_at"`
	CompletedAt *time.Time        `json:"completed_at"`
}

func (w wireJob) job() (Job, error) {
	if w.ID <= 0 || w.RunID <= 0 {
		return Job{}, errNoID
	}
	return Job{
		ID: w.ID, RunID: w.RunID, Attempt: w.Attempt, Name: w.Name, HeadSHA: w.HeadSHA,
		Status: w.Status, Conclusion: w.Conclusion, Steps: len(w.Steps), RunnerID: w.RunnerID,
		StartedAt: utc(w.StartedAt), CompletedAt: utc(w.CompletedAt),
	}, checkSHA("head", w.HeadSHA)
}
