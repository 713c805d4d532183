package ghsim

// startWorkflow starts a run of the workflow file on the SHA: a check suite of GitHub
// Actions of its own, with attempt 1. Jobs are added with addJob, then finishWorkflow.
func (s *Sim) startWorkflow(r *repo, sha, path, event string, by *account) *workflowRun {
	w := s.workflowOf(r, path)
	n := 1
	for _, other := range r.workflowRuns {
		if other.workflow == w {
			n++
		}
	}
	suite := s.newSuite(r, s.apps[actionsAppID], sha, by)
	run := &workflowRun{id: s.nextID(), workflow: w, number: n, event: event, headSHA: sha, suite: suite,
		actor: by, triggering: by, attempt: 1, status: "in_progress", createdAt: s.now()}
	run.headBranch = headBranch(r, suite)
	run.startedAt, run.updatedAt = run.createdAt, run.createdAt
	suite.run = run
	r.workflowRuns = append(r.workflowRuns, run)
	s.emitWorkflow(r, run, "requested", by)
	s.emitWorkflow(r, run, "in_progress", by)
	return run
}

// headBranch is the branch of a workflow run: that of the suite, else of the pull request.
func headBranch(r *repo, suite *checkSuite) string {
	if suite.headBranch != "" {
		return suite.headBranch
	}
	for _, p := range r.pulls {
		if p.headSHA == suite.headSHA {
			return p.headRef
		}
	}
	return ""
}

func (s *Sim) workflowOf(r *repo, path string) *workflow {
	for _, w := range r.workflows {
		if w.path == path {
			return w
		}
	}
	w := &workflow{id: s.nextID(), name: workflowName(path), path: path}
	r.workflows = append(r.workflows, w)
	return w
}

// addJob adds a job to the newest attempt, with its check run. conclusion "" leaves the
// job in progress.
func (s *Sim) addJob(r *repo, run *workflowRun, name, conclusion string, steps []string) *job {
	c := &checkRun{name: name, status: "in_progress"}
	j := &job{run: run, attempt: run.attempt, name: name, check: c, createdAt: s.now(), runnerID: s.nextID(), runnerName: "GitHub Actions 1"}
	c.job = j
	s.addRun(r, run.suite, c, run.triggering)
	j.id = c.id
	run.jobs = append(run.jobs, j)
	for i, title := range steps {
		j.steps = append(j.steps, step{name: title, status: "in_progress", number: i + 1, startedAt: s.now()})
	}
	if conclusion != "" {
		s.finishJob(r, j, conclusion)
	}
	return j
}

// finishJob completes a job. A skipped job never had a runner or steps.
func (s *Sim) finishJob(r *repo, j *job, conclusion string) {
	if conclusion == "skipped" {
		j.steps, j.runnerID, j.runnerName = nil, 0, ""
	}
	for i := range j.steps {
		st := &j.steps[i]
		st.status, st.conclusion, st.completedAt = "completed", "success", s.now()
		if i == len(j.steps)-1 {
			st.conclusion = conclusion
		}
	}
	s.changeRun(r, j.check, func(c *checkRun) { c.status, c.conclusion = "completed", conclusion }, j.run.triggering)
}

// finishWorkflow completes the newest attempt when all of its jobs are.
func (s *Sim) finishWorkflow(r *repo, run *workflowRun) {
	conclusion := "success"
	for _, j := range run.jobs {
		if j.attempt != run.attempt {
			continue
		}
		if j.check.status != "completed" {
			return
		}
		if j.check.conclusion != "success" && j.check.conclusion != "skipped" {
			conclusion = j.check.conclusion
		}
	}
	run.status, run.conclusion, run.updatedAt = "completed", conclusion, s.now()
	s.emitWorkflow(r, run, "completed", run.triggering)
}

// rerunWorkflow begins another attempt: same run id, same suite, new jobs.
func (s *Sim) rerunWorkflow(r *repo, run *workflowRun, by *account) {
	run.attempt++
	run.triggering = by
	run.status, run.conclusion = "in_progress", ""
	run.startedAt = s.now()
	run.updatedAt = run.startedAt
	s.emitWorkflow(r, run, "requested", by)
}

// forgeRun is a check run that a workflow with `checks: write` posts with its own token:
// App GitHub Actions, in the oldest Actions suite of the SHA, without a job.
func (s *Sim) forgeRun(r *repo, sha, name, conclusion string, by *account) *checkRun {
	suite := s.suiteFor(r, s.apps[actionsAppID], sha, by)
	return s.addRun(r, suite, &checkRun{name: name, status: "completed", conclusion: conclusion}, by)
}
