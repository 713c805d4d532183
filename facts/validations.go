package facts

import (
	"errors"
	"fmt"
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// validations are every attempt of every check run and commit status on a commit, but our own.
func validations(app policy.App, head string, first *firstReading, second *secondReading) policy.List[policy.Validation] {
	out := policy.List[policy.Validation]{Complete: true}
	if err := errors.Join(first.checksErr, first.statusErr, first.runsErr, second.jobsErr); err != nil {
		out.Complete, out.Why = false, err.Error()
	}
	runs := map[int64]gh.WorkflowRun{}
	for _, run := range first.runs {
		runs[run.ID] = run
	}
	for _, check := range first.checkRuns {
		if check.App.ID == app.ID {
			continue
		}
		out.Items = append(out.Items, fromCheckRun(check, head, second.jobs, runs))
	}
	for _, status := range first.statuses {
		out.Items = append(out.Items, fromStatus(status, head))
	}
	out.Total = len(out.Items)
	return out
}

func fromCheckRun(check gh.CheckRun, head string, jobs map[int64]gh.Job, runs map[int64]gh.WorkflowRun) policy.Validation {
	v := policy.Validation{
		Kind: policy.KindCheckRun, ID: check.ID, Name: check.Name, App: policy.App{ID: check.App.ID, Slug: check.App.Slug},
		HeadSHA: check.HeadSHA, Status: check.Status, Conclusion: check.Conclusion,
		StartedAt: check.StartedAt.UTC(), CompletedAt: check.CompletedAt.UTC(),
	}
	job, ok := jobs[check.ID]
	if !ok || job.HeadSHA != head {
		return v
	}
	run, ok := runs[job.RunID]
	if !ok {
		return v
	}
	repository, path := workflowFile(run)
	v.Job = &policy.Job{
		ID: job.ID, Name: job.Name, RunID: job.RunID, Attempt: job.Attempt, Repository: repository, Path: path,
		Event: run.Event, Steps: job.Steps, Actor: account(run.Actor), TriggeringActor: account(run.TriggeringActor),
	}
	return v
}

// workflowFile says where the workflow is written: GitHub puts owner/name before the
// path of one that a ruleset requires from another repository.
func workflowFile(run gh.WorkflowRun) (repository, path string) {
	if before, _, ok := strings.Cut(run.Path, "/.github/"); ok && strings.Count(before, "/") == 1 {
		return before, run.Path[len(before)+1:]
	}
	return run.Repository, run.Path
}

// fromStatus gives a commit status the shape of a check run: pending is running,
// everything else is completed with the state as its conclusion.
func fromStatus(s gh.CommitStatus, head string) policy.Validation {
	v := policy.Validation{
		Kind: policy.KindStatus, ID: s.ID, Name: s.Context, Creator: account(s.Creator), HeadSHA: head,
		Status: "completed", Conclusion: s.State, StartedAt: s.CreatedAt.UTC(), CompletedAt: s.CreatedAt.UTC(),
	}
	if s.State == "pending" {
		v.Status, v.Conclusion = "in_progress", ""
	}
	return v
}

// partOf says which part of the facts a route fills.
func partOf(route string) string {
	for _, p := range []struct{ ending, part string }{
		{"/graphql", "change, commits, reviews, assignments, protection"},
		{"/pulls/{number}", "change"},
		{"/pulls/{number}/commits", "commits"},
		{"/pulls/{number}/files", "files"},
		{"/check-runs", "validations"},
		{"/statuses", "validations"},
		{"/actions/runs", "validations"},
		{"/jobs", "validations"},
		{"/contents/{path}", "policy, workflows"},
		{"/rules/branches/{branch}", "protection"},
		{"/rulesets/{ruleset_id}", "protection"},
		{"/permission", "reviews"},
		{"/members", "teams"},
		{"/activity", "stack"},
	} {
		if strings.HasSuffix(route, p.ending) {
			return p.part
		}
	}
	return fmt.Sprintf("unnamed (%s)", route)
}
