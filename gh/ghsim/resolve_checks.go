package ghsim

import "slices"

// rollup is GitHub's summary of the checks and statuses of a commit.
type rollup struct {
	repo     *repo
	contexts []typed // CheckRun of repoRun, StatusContext of repoStatus
}

// repoRun, repoSuite, repoStatus and repoWorkflowRun are what a repository has, with
// the repository.
type (
	repoRun struct {
		repo *repo
		*checkRun
	}
	repoSuite struct {
		repo *repo
		*checkSuite
	}
	repoStatus struct {
		repo *repo
		*commitStatus
	}
	repoWorkflowRun struct {
		repo *repo
		*workflowRun
	}
)

// rollupOf lists the newest run of every name in every suite, and the newest status of
// every context. GitHub leaves out suites that somebody started by hand
// (workflow_dispatch) although they may satisfy a required check. Nil: there is nothing.
func rollupOf(r *repo, sha string) any {
	type key struct {
		suite *checkSuite
		name  string
	}
	newest := map[key]*checkRun{}
	var order []key
	for _, run := range r.runsAt[sha] {
		if w := run.suite.run; w != nil && w.event == "workflow_dispatch" {
			continue
		}
		k := key{run.suite, run.name}
		if newest[k] == nil {
			order = append(order, k)
		}
		newest[k] = run
	}
	out := &rollup{repo: r}
	for _, k := range order {
		out.contexts = append(out.contexts, typed{"CheckRun", repoRun{r, newest[k]}})
	}
	for _, s := range newestStatuses(r, sha) {
		out.contexts = append(out.contexts, typed{"StatusContext", s})
	}
	if len(out.contexts) == 0 {
		return nil
	}
	return out
}

// newestStatuses is the newest status of every context.
func newestStatuses(r *repo, sha string) (list []repoStatus) {
	seen := map[string]bool{}
	for _, s := range slices.Backward(r.statuses[sha]) {
		if !seen[s.context] {
			seen[s.context] = true
			list = append(list, repoStatus{r, s})
		}
	}
	return list
}

// statusOf is what a commit's statuses say together; nil: it has none.
func statusOf(r *repo, sha string) any {
	if list := newestStatuses(r, sha); len(list) > 0 {
		return list
	}
	return nil
}

var statusFields = map[string]resolver{
	"contexts": on(func(list []repoStatus) any { return list }),
}

var rollupFields = map[string]resolver{
	"state":    on(func(r *rollup) any { return r.state() }),
	"contexts": in(func(_ *gqlQuery, r *rollup, args gqlArgs) (any, error) { return paged(r.contexts, args) }),
}

// state is the worst of the contexts.
func (r *rollup) state() string {
	worst := "SUCCESS"
	for _, c := range r.contexts {
		state := ""
		switch v := c.value.(type) {
		case repoRun:
			state = stateOf(v.checkRun)
		case repoStatus:
			state = map[string]string{"error": "ERROR", "failure": "FAILURE", "pending": "PENDING"}[v.state]
		}
		switch {
		case state == "ERROR" || state == "FAILURE":
			return state
		case state == "PENDING":
			worst = state
		}
	}
	return worst
}

// stateOf is a check run's part in the rollup: neutral and skipped count as success.
func stateOf(run *checkRun) string {
	switch {
	case run.status != "completed":
		return "PENDING"
	case run.conclusion == "success" || run.conclusion == "neutral" || run.conclusion == "skipped":
		return "SUCCESS"
	}
	return "FAILURE"
}

var rollupContextFields = map[string]resolver{
	"checkRunCount":      on(func(c *connection) any { return countOf(c, "CheckRun") }),
	"statusContextCount": on(func(c *connection) any { return countOf(c, "StatusContext") }),
}

func countOf(c *connection, typeName string) int {
	n := 0
	for _, v := range c.all {
		if v.(typed).name == typeName {
			n++
		}
	}
	return n
}

var checkRunFields = map[string]resolver{
	"databaseId":  on(func(c repoRun) any { return c.id }),
	"name":        on(func(c repoRun) any { return c.name }),
	"status":      on(func(c repoRun) any { return c.status }),
	"conclusion":  on(func(c repoRun) any { return textOrNull(c.conclusion) }),
	"startedAt":   on(func(c repoRun) any { return c.startedAt }),
	"completedAt": on(func(c repoRun) any { return c.completedAt }),
	"externalId":  on(func(c repoRun) any { return textOrNull(c.externalID) }),
	"detailsUrl":  on(func(c repoRun) any { return textOrNull(c.detailsURL) }),
	"title":       on(func(c repoRun) any { return textOrNull(c.output.title) }),
	"summary":     on(func(c repoRun) any { return textOrNull(c.output.summary) }),
	"text":        on(func(c repoRun) any { return textOrNull(c.output.text) }),
	"checkSuite":  on(func(c repoRun) any { return repoSuite{c.repo, c.suite} }),
	"repository":  on(func(c repoRun) any { return c.repo }),
	"isRequired": in(func(q *gqlQuery, c repoRun, args gqlArgs) (any, error) {
		return q.isRequired(c.repo, args, c.name, c.suite.app.id)
	}),
}

var statusContextFields = map[string]resolver{
	"context":     on(func(s repoStatus) any { return s.context }),
	"state":       on(func(s repoStatus) any { return s.state }),
	"createdAt":   on(func(s repoStatus) any { return s.createdAt }),
	"creator":     on(func(s repoStatus) any { return anActor(s.creator) }),
	"description": on(func(s repoStatus) any { return textOrNull(s.description) }),
	"targetUrl":   on(func(s repoStatus) any { return textOrNull(s.targetURL) }),
	"commit":      on(func(s repoStatus) any { return commitOf(s.repo, s.sha) }),
	"isRequired": in(func(q *gqlQuery, s repoStatus, args gqlArgs) (any, error) {
		source := int64(0)
		if s.creator != nil && s.creator.app != nil {
			source = s.creator.app.id
		}
		return q.isRequired(s.repo, args, s.context, source)
	}),
}

// isRequired answers isRequired of a run or status: whether the governing base of the
// pull request asks for that name, from that App or from any source.
func (q *gqlQuery) isRequired(r *repo, args gqlArgs, name string, appID int64) (any, error) {
	number, given := args.int("pullRequestNumber")
	if !given {
		return nil, refusal("NOT_SIMULATED", "the simulated GitHub needs pullRequestNumber for isRequired")
	}
	for _, p := range r.pulls {
		if p.number == number {
			return q.sim.requiredOn(r, p.governingBase(), name, appID), nil
		}
	}
	return nil, refusal("NOT_FOUND", "Could not resolve to a PullRequest with the number of %d.", number)
}

var checkSuiteFields = map[string]resolver{
	"databaseId": on(func(s repoSuite) any { return s.id }),
	"app":        on(func(s repoSuite) any { return s.app }),
	"creator":    on(func(s repoSuite) any { return aUser(s.creator) }),
	"commit":     on(func(s repoSuite) any { return commitOf(s.repo, s.headSHA) }),
	"createdAt":  on(func(s repoSuite) any { return s.createdAt }),
	"updatedAt":  on(func(s repoSuite) any { return s.updatedAt }),
	"repository": on(func(s repoSuite) any { return s.repo }),
	"checkRuns": in(func(_ *gqlQuery, s repoSuite, args gqlArgs) (any, error) {
		var list []repoRun
		for _, c := range s.repo.runsOf(s.checkSuite, args.object("filterBy").string("checkType") == "LATEST") {
			list = append(list, repoRun{s.repo, c})
		}
		return paged(list, args)
	}),
	"push": on(func(s repoSuite) any {
		if s.push == nil || s.push.actor == nil {
			return nil
		}
		return s.push
	}),
	"workflowRun": on(func(s repoSuite) any {
		if s.run == nil {
			return nil
		}
		return repoWorkflowRun{s.repo, s.run}
	}),
}

var pushFields = map[string]resolver{
	"previousSha": on(func(p *refUpdate) any { return p.before }),
	"nextSha":     on(func(p *refUpdate) any { return p.after }),
	"pusher":      on(func(p *refUpdate) any { return anActor(p.actor) }),
}

var workflowFields = map[string]resolver{
	"databaseId": on(func(w *workflow) any { return w.id }),
	"name":       on(func(w *workflow) any { return w.name }),
}

var workflowRunFields = map[string]resolver{
	"databaseId": on(func(w repoWorkflowRun) any { return w.id }),
	"event":      on(func(w repoWorkflowRun) any { return w.event }),
	"runNumber":  on(func(w repoWorkflowRun) any { return w.number }),
	"createdAt":  on(func(w repoWorkflowRun) any { return w.createdAt }),
	"updatedAt":  on(func(w repoWorkflowRun) any { return w.updatedAt }),
	"workflow":   on(func(w repoWorkflowRun) any { return w.workflow }),
	"file":       on(func(w repoWorkflowRun) any { return w }),
	"checkSuite": on(func(w repoWorkflowRun) any { return repoSuite{w.repo, w.suite} }),
}

var workflowRunFileFields = map[string]resolver{
	"path":           on(func(w repoWorkflowRun) any { return w.workflow.path }),
	"repositoryName": on(func(w repoWorkflowRun) any { return w.repo.fullName() }),
}
