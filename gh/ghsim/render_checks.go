package ghsim

// renderRun is a check run.
func (s *Sim) renderRun(r *repo, c *checkRun) obj {
	u := s.repoAPI(r) + "/check-runs/" + decimal(c.id)
	html := s.html(r) + "/runs/" + decimal(c.id)
	details := c.detailsURL
	if details == "" {
		details = s.baseURL + "/apps/" + c.app().slug
	}
	if c.job != nil {
		html = s.html(r) + "/actions/runs/" + decimal(c.job.run.id) + "/job/" + decimal(c.id)
		details = html
	}
	return obj{"id": c.id, "name": c.name, "node_id": nodeID("CheckRun", c.id), "head_sha": c.headSHA, "external_id": c.externalID, "url": u, "html_url": html,
		"details_url": details, "status": c.status, "conclusion": orNull(c.conclusion), "started_at": stamp(c.startedAt), "completed_at": stamp(c.completedAt),
		"output": obj{"title": orNull(c.output.title), "summary": orNull(c.output.summary), "text": orNull(c.output.text),
			"annotations_count": len(c.output.annotations), "annotations_url": u + "/annotations"},
		"check_suite": obj{"id": c.suite.id}, "app": s.renderApp(c.app()), "pull_requests": s.pullsAt(r, c.headSHA)}
}

// renderSuite is a check suite as webhooks carry it.
func (s *Sim) renderSuite(r *repo, suite *checkSuite) obj {
	u := s.repoAPI(r) + "/check-suites/" + decimal(suite.id)
	status, conclusion := r.suiteState(suite)
	before := any(nil)
	if suite.push != nil {
		before = suite.push.before
	}
	return obj{"id": suite.id, "node_id": nodeID("CheckSuite", suite.id), "head_branch": orNull(suite.headBranch), "head_sha": suite.headSHA,
		"status": status, "conclusion": orNull(conclusion), "url": u, "before": before, "after": suite.headSHA,
		"pull_requests": s.pullsAt(r, suite.headSHA), "app": s.renderApp(suite.app), "created_at": stamp(suite.createdAt), "updated_at": stamp(suite.updatedAt),
		"rerequestable": true, "runs_rerequestable": true, "latest_check_runs_count": len(r.runsOf(suite, true)), "check_runs_url": u + "/check-runs",
		"head_commit": s.renderSimpleCommit(r.git.commits[suite.headSHA])}
}

// renderStatus is a commit status.
func (s *Sim) renderStatus(r *repo, st *commitStatus) obj {
	return obj{"url": s.repoAPI(r) + "/statuses/" + st.sha, "avatar_url": s.avatar(st.creator), "id": st.id, "node_id": nodeID("StatusContext", st.id),
		"state": st.state, "description": orNull(st.description), "target_url": orNull(st.targetURL), "context": st.context,
		"created_at": stamp(st.createdAt), "updated_at": stamp(st.createdAt), "creator": s.renderUser(st.creator)}
}

func (s *Sim) renderWorkflow(r *repo, w *workflow) obj {
	u := s.repoAPI(r) + "/actions/workflows/" + decimal(w.id)
	return obj{"id": w.id, "node_id": nodeID("Workflow", w.id), "name": w.name, "path": w.path, "state": "active", "created_at": stamp(r.createdAt),
		"updated_at": stamp(r.createdAt), "url": u, "html_url": s.html(r) + "/blob/" + r.defaultBranch + "/" + w.path, "badge_url": s.html(r) + "/workflows/" + w.name + "/badge.svg"}
}

// renderWorkflowRun is a run at its newest attempt.
func (s *Sim) renderWorkflowRun(r *repo, run *workflowRun) obj {
	u := s.repoAPI(r) + "/actions/runs/" + decimal(run.id)
	title := run.workflow.name
	if c := r.git.commits[run.headSHA]; c != nil {
		title = c.headline()
	}
	previous := any(nil)
	if run.attempt > 1 {
		previous = u + "/attempts/" + decimal(run.attempt-1)
	}
	return obj{"id": run.id, "name": run.workflow.name, "node_id": nodeID("WorkflowRun", run.id), "check_suite_id": run.suite.id,
		"check_suite_node_id": nodeID("CheckSuite", run.suite.id), "head_branch": orNull(run.headBranch), "head_sha": run.headSHA, "path": run.workflow.path,
		"run_number": run.number, "run_attempt": run.attempt, "event": run.event, "status": run.status, "conclusion": orNull(run.conclusion),
		"workflow_id": run.workflow.id, "url": u, "html_url": s.html(r) + "/actions/runs/" + decimal(run.id), "pull_requests": s.pullsAt(r, run.headSHA),
		"created_at": stamp(run.createdAt), "updated_at": stamp(run.updatedAt), "run_started_at": stamp(run.startedAt), "actor": s.renderUser(run.actor),
		"triggering_actor": s.renderUser(run.triggering), "jobs_url": u + "/jobs", "logs_url": u + "/logs",
		"check_suite_url": s.repoAPI(r) + "/check-suites/" + decimal(run.suite.id), "artifacts_url": u + "/artifacts", "cancel_url": u + "/cancel",
		"rerun_url": u + "/rerun", "previous_attempt_url": previous, "workflow_url": s.repoAPI(r) + "/actions/workflows/" + decimal(run.workflow.id), "referenced_workflows": []obj{},
		"head_commit": s.renderSimpleCommit(r.git.commits[run.headSHA]), "repository": s.renderMinimalRepo(r), "head_repository": s.renderMinimalRepo(r), "display_title": title}
}

// renderJob is one job of one attempt.
func (s *Sim) renderJob(r *repo, j *job) obj {
	run := s.repoAPI(r) + "/actions/runs/" + decimal(j.run.id)
	var runner, runnerName, group, groupName any
	if j.runnerID != 0 {
		runner, runnerName, group, groupName = j.runnerID, j.runnerName, int64(2), "GitHub Actions"
	}
	steps := render(j.steps, func(st step) obj {
		return obj{"name": st.name, "status": st.status, "conclusion": orNull(st.conclusion), "number": st.number, "started_at": stamp(st.startedAt), "completed_at": stamp(st.completedAt)}
	})
	return obj{"id": j.id, "run_id": j.run.id, "run_url": run, "run_attempt": j.attempt, "node_id": nodeID("CheckRun", j.id), "head_sha": j.run.headSHA,
		"url": s.repoAPI(r) + "/actions/jobs/" + decimal(j.id), "html_url": s.html(r) + "/actions/runs/" + decimal(j.run.id) + "/job/" + decimal(j.id),
		"status": j.check.status, "conclusion": orNull(j.check.conclusion), "created_at": stamp(j.createdAt), "started_at": stamp(j.check.startedAt),
		"completed_at": stamp(j.check.completedAt), "name": j.name, "steps": steps, "check_run_url": s.repoAPI(r) + "/check-runs/" + decimal(j.id),
		"labels": []string{"ubuntu-latest"}, "runner_id": runner, "runner_name": runnerName, "runner_group_id": group, "runner_group_name": groupName,
		"workflow_name": j.run.workflow.name, "head_branch": orNull(j.run.headBranch)}
}
