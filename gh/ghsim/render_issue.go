package ghsim

import "maps"

// renderThread is an issue, or a pull request as it is among the issues.
func (s *Sim) renderThread(t thread) obj {
	if t.pull != nil {
		return s.renderPullAsIssue(t.pull)
	}
	return s.renderIssue(t.repo, t.issue)
}

// renderOneThread is renderThread with what GitHub adds when it is asked for that one.
func (s *Sim) renderOneThread(t thread) obj {
	o := s.renderThread(t)
	o["closed_by"] = nil
	if t.issue != nil {
		o["closed_by"] = s.renderUser(t.issue.closedBy)
	}
	return o
}

// renderPullAsIssue is the pull request as issue events carry it.
func (s *Sim) renderPullAsIssue(p *pull) obj {
	o := s.renderIssue(p.repo, &issue{id: p.id, number: p.number, title: p.title, body: p.body, state: p.state, author: p.author, via: p.via,
		createdAt: p.createdAt, updatedAt: p.updatedAt, closedAt: p.closedAt, locked: p.locked, labels: p.labels, assignees: p.assignees, comments: p.comments})
	html := s.pullHTML(p)
	maps.Copy(o, obj{"html_url": html, "node_id": nodeID("PullRequest", p.id), "draft": p.draft,
		"pull_request": obj{"url": s.pullAPI(p), "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "merged_at": stamp(p.mergedAt)}})
	return o
}

// renderIssue is an issue.
func (s *Sim) renderIssue(r *repo, i *issue) obj {
	u := s.repoAPI(r) + "/issues/" + decimal(i.number)
	o := obj{"url": u, "repository_url": s.repoAPI(r), "labels_url": u + "/labels{/name}", "comments_url": u + "/comments", "events_url": u + "/events",
		"html_url": s.html(r) + "/issues/" + decimal(i.number), "id": i.id, "node_id": nodeID("Issue", i.id), "number": i.number, "title": i.title,
		"user": s.renderUser(i.author), "labels": render(i.labels, func(l *label) obj { return s.renderLabel(r, l) }),
		"state": i.state, "state_reason": orNull(i.stateReason), "locked": i.locked, "active_lock_reason": nil,
		"assignee": nil, "assignees": s.renderUsers(i.assignees), "milestone": nil,
		"comments": len(i.comments), "created_at": stamp(i.createdAt), "updated_at": stamp(i.updatedAt), "closed_at": stamp(i.closedAt),
		"author_association": s.association(r, i.author), "body": orNull(i.body), "reactions": s.reactions(u), "performed_via_github_app": s.renderVia(i.via)}
	if len(i.assignees) > 0 {
		o["assignee"] = s.renderUser(i.assignees[0])
	}
	return o
}

// renderVia is the App through which something was done; null for none.
func (s *Sim) renderVia(a *app) any {
	if a == nil {
		return nil
	}
	return s.renderApp(a)
}

func (s *Sim) reactions(u string) obj {
	return obj{"url": u + "/reactions", "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0}
}

// renderComment is a comment on an issue or pull request.
func (s *Sim) renderComment(t thread, c *comment) obj {
	u, kind, number := s.repoAPI(t.repo)+"/issues/comments/"+decimal(c.id), "/issues/", decimal(t.number())
	if t.pull != nil {
		kind = "/pull/"
	}
	return obj{"url": u, "html_url": s.html(t.repo) + kind + number + "#issuecomment-" + decimal(c.id), "issue_url": s.repoAPI(t.repo) + "/issues/" + number,
		"id": c.id, "node_id": nodeID("IssueComment", c.id), "user": s.renderUser(c.author), "created_at": stamp(c.createdAt), "updated_at": stamp(c.updatedAt),
		"author_association": s.association(t.repo, c.author), "body": c.body, "reactions": s.reactions(u), "performed_via_github_app": s.renderVia(c.via)}
}
