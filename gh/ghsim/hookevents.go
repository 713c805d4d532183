package ghsim

import "maps"

// This file has one function per webhook event, in GitHub's payload shape.

// emitPull tells about a pull request; extra is what the action adds.
func (s *Sim) emitPull(p *pull, action string, by *account, extra obj) {
	s.emit(event{name: "pull_request", action: action, repo: p.repo, sender: by, body: func() obj {
		body := obj{"number": p.number, "pull_request": s.renderPull(nil, p)}
		maps.Copy(body, extra)
		return body
	}})
}

func (s *Sim) emitReview(p *pull, v *review, action string, by *account) {
	s.emit(event{name: "pull_request_review", action: action, repo: p.repo, sender: by, body: func() obj {
		return obj{"review": s.renderHookReview(p, v), "pull_request": s.renderSimplePull(nil, p)}
	}})
}

// renderHookReview differs from REST: lower-case state, and the commit as it was sent.
func (s *Sim) renderHookReview(p *pull, v *review) obj {
	o := s.renderReview(p, v)
	o["state"] = lower(v.state)
	o["commit_id"] = v.submittedOn
	return o
}

func (s *Sim) emitRun(r *repo, c *checkRun, action string, by *account, extra obj) {
	e := event{name: "check_run", action: action, repo: r, sender: by, body: func() obj {
		o := s.renderRun(r, c)
		o["check_suite"] = s.renderSuite(r, c.suite)
		body := obj{"check_run": o}
		maps.Copy(body, extra)
		return body
	}}
	if action == "rerequested" || action == "requested_action" {
		e.only = c.app() // other Apps' buttons are none of our business
	}
	s.emit(e)
}

// emitSuite: "requested" and "rerequested" go to the suite's App alone.
func (s *Sim) emitSuite(r *repo, suite *checkSuite, action string, by *account) {
	e := event{name: "check_suite", action: action, repo: r, sender: by, body: func() obj {
		return obj{"check_suite": s.renderSuite(r, suite)}
	}}
	if action != "completed" {
		e.only = suite.app
	}
	s.emit(e)
}

func (s *Sim) emitStatus(r *repo, st *commitStatus) {
	s.emit(event{name: "status", repo: r, sender: st.creator, body: func() obj {
		return obj{"id": st.id, "sha": st.sha, "name": r.fullName(), "context": st.context, "state": st.state,
			"description": orNull(st.description), "target_url": orNull(st.targetURL), "avatar_url": s.avatar(st.creator),
			"branches": []obj{}, "commit": s.renderCommit(r, r.git.commits[st.sha]),
			"created_at": stamp(st.createdAt), "updated_at": stamp(st.createdAt)}
	}})
}

func (s *Sim) emitWorkflow(r *repo, run *workflowRun, action string, by *account) {
	s.emit(event{name: "workflow_run", action: action, repo: r, sender: by, body: func() obj {
		return obj{"workflow_run": s.renderWorkflowRun(r, run), "workflow": s.renderWorkflow(r, run.workflow)}
	}})
}

// emitPush tells about a ref: push, and create or delete.
func (s *Sim) emitPush(r *repo, u *refUpdate, forced bool) {
	created, deleted := u.before == zeroSHA, u.after == zeroSHA
	s.emit(event{name: "push", repo: r, sender: u.actor, body: func() obj { return s.renderPush(r, u, forced) }})
	if !created && !deleted {
		return
	}
	name := "create"
	if deleted {
		name = "delete"
	}
	s.emit(event{name: name, repo: r, sender: u.actor, body: func() obj {
		body := obj{"ref": branchName(u.ref), "ref_type": "branch", "pusher_type": "user"}
		if created {
			body["master_branch"], body["description"] = r.defaultBranch, orNull(r.description)
		}
		return body
	}})
}

func (s *Sim) renderPush(r *repo, u *refUpdate, forced bool) obj {
	created, deleted := u.before == zeroSHA, u.after == zeroSHA
	body := obj{"ref": u.ref, "before": u.before, "after": u.after, "created": created, "deleted": deleted, "forced": forced,
		"base_ref": nil, "compare": s.html(r) + "/compare/" + u.before[:12] + "..." + u.after[:12],
		"pusher": obj{"name": u.actor.login, "email": u.actor.noreply()}, "commits": []obj{}, "head_commit": nil}
	if deleted {
		return body
	}
	base := u.before
	if created {
		base = r.branch(r.defaultBranch)
	}
	body["head_commit"] = s.renderPushCommit(r, r.git.commits[u.after])
	body["commits"] = render(r.git.between(base, u.after), func(c *commit) obj { return s.renderPushCommit(r, c) })
	return body
}

func (s *Sim) emitGroup(r *repo, q *mergeQueue, e *queueEntry, action, reason string) {
	s.emit(event{name: "merge_group", action: action, repo: r, sender: s.account("github-merge-queue[bot]"), body: func() obj {
		body := obj{"merge_group": obj{"head_sha": e.headSHA, "head_ref": e.headRef, "base_sha": e.baseSHA,
			"base_ref": "refs/heads/" + q.branch, "head_commit": s.renderSimpleCommit(r.git.commits[e.headSHA])}}
		if reason != "" {
			body["reason"] = reason
		}
		return body
	}})
}

func (s *Sim) emitComment(t thread, c *comment, action string, by *account, extra obj) {
	s.emit(event{name: "issue_comment", action: action, repo: t.repo, sender: by, body: func() obj {
		body := obj{"issue": s.renderThread(t), "comment": s.renderComment(t, c)}
		maps.Copy(body, extra)
		return body
	}})
}

func (s *Sim) emitIssue(r *repo, i *issue, action string, by *account, extra obj) {
	s.emit(event{name: "issues", action: action, repo: r, sender: by, body: func() obj {
		body := obj{"issue": s.renderIssue(r, i)}
		maps.Copy(body, extra)
		return body
	}})
}

func (s *Sim) emitProtection(r *repo, p *protection, action string, by *account) {
	s.emit(event{name: "branch_protection_rule", action: action, repo: r, sender: by, body: func() obj {
		return obj{"rule": s.renderHookProtection(r, p)}
	}})
}

// emitRuleset tells the Apps on the repository, or on every repository of the
// organisation (once per installation).
func (s *Sim) emitRuleset(rs *ruleset, action string, by *account) {
	e := event{name: "repository_ruleset", action: action, repo: rs.repo, sender: by, body: func() obj {
		body := obj{"repository_ruleset": s.renderRuleset(&viewer{}, rs)}
		if rs.org != nil {
			body["organization"] = s.renderOrg(rs.org)
		}
		return body
	}}
	if rs.org != nil {
		e.target = rs.org.account
	}
	s.emit(e)
}

func (s *Sim) emitInstallation(i *installation, action string, by *account) {
	s.emit(event{name: "installation", action: action, target: i.target, only: i.app, sender: by, body: func() obj {
		return obj{"installation": s.renderInstallation(i), "repositories": s.installedRepos(i)}
	}})
}

// emitRepository tells about the repository itself: renamed, edited, archived, ….
func (s *Sim) emitRepository(r *repo, action string, by *account, extra obj) {
	s.emit(event{name: "repository", action: action, repo: r, sender: by, body: func() obj { return extra }})
}
