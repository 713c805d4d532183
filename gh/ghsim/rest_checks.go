package ghsim

import (
	"net/http"
	"slices"
	"time"
)

// maxSuites is how many suites of a ref the check run list looks at.
const maxSuites = 1000

// listRuns lists the check runs of a commit. filter=latest, the default, gives the newest
// of each name within each suite: two suites may still have one of the same name.
func listRuns(c *call) (*answer, error) {
	x, err := c.commitParam("sha")
	if err != nil {
		return nil, err
	}
	suites := c.repo.suitesAt[x.sha]
	suites = suites[max(0, len(suites)-maxSuites):]
	var found []*checkRun
	for _, suite := range suites {
		if app := c.query.Get("app_id"); app != "" && app != decimal(suite.app.id) {
			continue
		}
		for _, run := range c.repo.runsOf(suite, c.query.Get("filter") != "all") {
			if wants(c, "check_name", run.name) && wants(c, "status", run.status) {
				found = append(found, run)
			}
		}
	}
	slices.SortFunc(found, func(a, b *checkRun) int { return int(b.id - a.id) }) // newest first
	return &answer{body: obj{"total_count": len(found), "check_runs": render(page(c, found), func(r *checkRun) obj { return c.s.renderRun(c.repo, r) })}}, nil
}

// runInput is what POST and PATCH of a check run take.
type runInput struct {
	Name        *string    `json:"name"`
	HeadSHA     string     `json:"head_sha"`
	DetailsURL  *string    `json:"details_url"`
	ExternalID  *string    `json:"external_id"`
	Status      *string    `json:"status"`
	StartedAt   *time.Time `json:"started_at"`
	Conclusion  *string    `json:"conclusion"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *struct {
		Title, Summary, Text string
		Annotations          []annotationInput
	} `json:"output"`
	Actions []struct{ Label, Description, Identifier string } `json:"actions"`
}

// maxOutput is the greatest size of summary and text, in bytes. A longer summary is
// refused, a longer text is cut without a word.
const maxOutput = 65535

var (
	runStatuses    = []string{"queued", "in_progress", "completed", "waiting", "requested", "pending"}
	runConclusions = []string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}
)

// check refuses what GitHub refuses.
func (in *runInput) check() error {
	switch {
	case in.Status != nil && !slices.Contains(runStatuses, *in.Status):
		return invalid("Invalid request. %q is not a valid status.", *in.Status)
	case in.Conclusion != nil && !slices.Contains(runConclusions, *in.Conclusion):
		return invalid("Invalid request. %q is not a valid conclusion.", *in.Conclusion)
	case in.Status != nil && *in.Status == "completed" && in.Conclusion == nil:
		return invalid("Invalid request. For 'properties/status', \"completed\" needs a conclusion.")
	case in.Output != nil && len(in.Output.Summary) > maxOutput:
		return invalid("Invalid request. Only 65535 characters are allowed; %d were supplied.", len(in.Output.Summary))
	case in.Output != nil && (in.Output.Title == "" || in.Output.Summary == ""):
		return invalid("Invalid request. \"title\" and \"summary\" of output must be given.")
	case in.Output != nil && checkAnnotations(in.Output.Annotations) != nil:
		return checkAnnotations(in.Output.Annotations)
	case len(in.Actions) > 3:
		return invalid("Invalid request. No more than 3 items are allowed in actions.")
	}
	for _, a := range in.Actions {
		if len(a.Label) > 20 || len(a.Description) > 40 || len(a.Identifier) > 20 {
			return invalid("Invalid request. An action is too long: label 20, description 40, identifier 20.")
		}
	}
	return nil
}

// apply writes the input into the run. A conclusion alone completes it.
func (in *runInput) apply(c *checkRun) {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&c.name, in.Name)
	set(&c.detailsURL, in.DetailsURL)
	set(&c.externalID, in.ExternalID)
	set(&c.status, in.Status)
	set(&c.conclusion, in.Conclusion)
	if in.Conclusion != nil {
		c.status = "completed"
	}
	if in.StartedAt != nil {
		c.startedAt = *in.StartedAt
	}
	if in.CompletedAt != nil {
		c.completedAt = *in.CompletedAt
	}
	if in.Output != nil { // replaced as a whole, but for the annotations, which add up
		text := in.Output.Text
		c.output = checkOutput{in.Output.Title, in.Output.Summary, text[:min(len(text), maxOutput)], append(c.output.annotations, annotationsOf(in.Output.Annotations)...)}
	}
	if in.Actions != nil {
		c.actions = nil
		for _, a := range in.Actions {
			c.actions = append(c.actions, checkAction{a.Label, a.Description, a.Identifier})
		}
	}
}

func createRun(c *call) (*answer, error) {
	var in runInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Name == nil || *in.Name == "" || c.repo.git.commits[in.HeadSHA] == nil {
		return nil, invalid("Invalid request. \"name\" and an existing \"head_sha\" must be given.")
	}
	run := &checkRun{}
	in.apply(run)
	suite := c.s.suiteFor(c.repo, c.viewer.installation.app, in.HeadSHA, c.viewer.user)
	c.s.addRun(c.repo, suite, run, c.viewer.user)
	return &answer{status: http.StatusCreated, body: c.s.renderRun(c.repo, run)}, nil
}

func (c *call) runOf() (*checkRun, error) {
	run := c.repo.run(c.number("check_run_id"))
	if run == nil {
		return nil, errNotFound
	}
	return run, nil
}

func getRun(c *call) (*answer, error) {
	run, err := c.runOf()
	if err != nil {
		return nil, err
	}
	return &answer{body: c.s.renderRun(c.repo, run)}, nil
}

// updateRun: only the App that made a run may change it.
func updateRun(c *call) (*answer, error) {
	run, err := c.runOf()
	if err != nil {
		return nil, err
	}
	if c.viewer.installation == nil || run.app() != c.viewer.installation.app {
		return nil, &apiError{status: 403, message: "Invalid app_id `" + decimal(run.app().id) + "` - check run can only be modified by the GitHub App that created it."}
	}
	var in runInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	c.s.changeRun(c.repo, run, in.apply, c.viewer.user)
	return &answer{body: c.s.renderRun(c.repo, run)}, nil
}

func rerequestRun(c *call) (*answer, error) {
	run, err := c.runOf()
	if err != nil {
		return nil, err
	}
	c.s.rerequest(c.repo, run, c.viewer.user)
	return &answer{status: http.StatusCreated, body: obj{}}, nil
}

func listStatuses(c *call) (*answer, error) {
	x, err := c.commitParam("sha")
	if err != nil {
		return nil, err
	}
	found := slices.Clone(c.repo.statuses[x.sha])
	slices.Reverse(found)
	return &answer{body: render(page(c, found), func(st *commitStatus) obj { return c.s.renderStatus(c.repo, st) })}, nil
}

func createStatus(c *call) (*answer, error) {
	var in struct {
		State, Description, Context string
		TargetURL                   string `json:"target_url"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Context == "" {
		in.Context = "default"
	}
	sha := c.params["sha"]
	if c.repo.git.commits[sha] == nil || !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State) {
		return nil, invalid("Validation Failed")
	}
	st := c.s.addStatus(c.repo, &commitStatus{sha: sha, context: in.Context, state: in.State, description: in.Description, targetURL: in.TargetURL, creator: c.viewer.user})
	return &answer{status: http.StatusCreated, body: c.s.renderStatus(c.repo, st)}, nil
}

// listWorkflowRuns filters by head_sha, event, branch and status; newest first.
func listWorkflowRuns(c *call) (*answer, error) {
	var found []*workflowRun
	for _, run := range slices.Backward(c.repo.workflowRuns) {
		state := c.query.Get("status")
		if wants(c, "head_sha", run.headSHA) && wants(c, "event", run.event) && wants(c, "branch", run.headBranch) &&
			(state == "" || state == run.status || state == run.conclusion) {
			found = append(found, run)
		}
	}
	return &answer{body: obj{"total_count": len(found), "workflow_runs": render(page(c, found), func(r *workflowRun) obj { return c.s.renderWorkflowRun(c.repo, r) })}}, nil
}

func (c *call) workflowRunOf() (*workflowRun, error) {
	for _, run := range c.repo.workflowRuns {
		if run.id == c.number("run_id") {
			return run, nil
		}
	}
	return nil, errNotFound
}

func getWorkflowRun(c *call) (*answer, error) {
	run, err := c.workflowRunOf()
	if err != nil {
		return nil, err
	}
	return &answer{body: c.s.renderWorkflowRun(c.repo, run)}, nil
}

// listJobs: filter=latest, the default, gives the jobs of the newest attempt.
func listJobs(c *call) (*answer, error) {
	run, err := c.workflowRunOf()
	if err != nil {
		return nil, err
	}
	var found []*job
	for _, j := range run.jobs {
		if c.query.Get("filter") == "all" || j.attempt == run.attempt {
			found = append(found, j)
		}
	}
	return &answer{body: obj{"total_count": len(found), "jobs": render(page(c, found), func(j *job) obj { return c.s.renderJob(c.repo, j) })}}, nil
}

func getJob(c *call) (*answer, error) {
	for _, run := range c.repo.workflowRuns {
		for _, j := range run.jobs {
			if j.id == c.number("job_id") {
				return &answer{body: c.s.renderJob(c.repo, j)}, nil
			}
		}
	}
	return nil, errNotFound
}
