package ghsim

import "time"

// actionsAppID is GitHub Actions, an App like any other.
const actionsAppID = 15368

// checkSuite groups the check runs of one App on one SHA.
type checkSuite struct {
	id         int64
	app        *app
	headSHA    string
	headBranch string       // "" for a SHA of a fork
	creator    *account     // who caused it
	run        *workflowRun // of an Actions suite
	push       *refUpdate   // the update that brought the SHA, nil when not known
	createdAt  time.Time
	updatedAt  time.Time
}

// checkRun is one named result on one SHA.
type checkRun struct {
	id          int64
	name        string
	headSHA     string
	suite       *checkSuite
	status      string // "queued", "in_progress", "completed"
	conclusion  string // "" until completed
	externalID  string
	detailsURL  string
	startedAt   time.Time
	completedAt time.Time
	output      checkOutput
	actions     []checkAction
	job         *job // of a run that Actions itself made; nil for a forged one
}

// app is the App that the run belongs to: its suite's.
func (c *checkRun) app() *app { return c.suite.app }

// checkOutput is what people read. has is false while nothing was ever written.
type checkOutput struct {
	title, summary, text string
	annotations          []Annotation
}

// checkAction is a button on a check run.
type checkAction struct{ label, description, identifier string }

// commitStatus is one commit status; a later one with the same context replaces it.
type commitStatus struct {
	id          int64
	sha         string
	context     string
	state       string // "error", "failure", "pending", "success"
	description string
	targetURL   string
	creator     *account
	createdAt   time.Time
}

// workflow is a workflow of GitHub Actions.
type workflow struct {
	id   int64
	name string
	path string // ".github/workflows/ci.yml"
}

// workflowRun is one run of a workflow; its attempts share the id.
type workflowRun struct {
	id         int64
	workflow   *workflow
	number     int
	event      string // "pull_request", "push", "workflow_dispatch", …
	headSHA    string
	headBranch string
	suite      *checkSuite
	actor      *account
	attempt    int      // the newest, from 1
	triggering *account // who started the newest attempt
	status     string
	conclusion string
	createdAt  time.Time
	startedAt  time.Time // of the newest attempt
	updatedAt  time.Time
	jobs       []*job // of every attempt, oldest first
}

// job is one job of one attempt. Its id is the id of its check run.
type job struct {
	id         int64
	run        *workflowRun
	attempt    int
	name       string
	check      *checkRun
	steps      []step
	runnerID   int64
	runnerName string
	createdAt  time.Time
}

// step is one step of a job.
type step struct {
	name        string
	status      string
	conclusion  string
	number      int
	startedAt   time.Time
	completedAt time.Time
}
