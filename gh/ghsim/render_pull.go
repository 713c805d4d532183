package ghsim

import "maps"

func (s *Sim) pullAPI(p *pull) string { return s.repoAPI(p.repo) + "/pulls/" + decimal(p.number) }

func (s *Sim) pullHTML(p *pull) string { return s.html(p.repo) + "/pull/" + decimal(p.number) }

// association is the author's relation to the repository.
func (s *Sim) association(r *repo, a *account) string {
	switch {
	case a == r.owner:
		return "OWNER"
	case s.orgs[r.owner.id] != nil && s.orgs[r.owner.id].members[a.id] != "":
		return "MEMBER"
	case r.collaborators[a.id] != "":
		return "COLLABORATOR"
	case a.app != nil:
		return "CONTRIBUTOR"
	}
	return "NONE"
}

// renderSide is head or base of a pull request.
func (s *Sim) renderSide(r *repo, ref, sha string) obj {
	if r == nil { // the fork is gone
		return obj{"label": "unknown:" + ref, "ref": ref, "sha": sha, "user": nil, "repo": nil}
	}
	return obj{"label": r.owner.login + ":" + ref, "ref": ref, "sha": sha, "user": s.renderUser(r.owner), "repo": s.renderRepo(r)}
}

// renderSimplePull is a pull request as lists have it.
func (s *Sim) renderSimplePull(v *viewer, p *pull) obj {
	u, html := s.pullAPI(p), s.pullHTML(p)
	issue := s.repoAPI(p.repo) + "/issues/" + decimal(p.number)
	head := s.headOf(v, p)
	statuses := s.repoAPI(p.repo) + "/statuses/" + head
	href := func(to string) obj { return obj{"href": to} }
	o := obj{
		"url": u, "id": p.id, "node_id": nodeID("PullRequest", p.id), "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"issue_url": issue, "commits_url": u + "/commits", "review_comments_url": u + "/comments",
		"review_comment_url": s.repoAPI(p.repo) + "/pulls/comments{/number}", "comments_url": issue + "/comments", "statuses_url": statuses,
		"number": p.number, "state": p.state, "locked": p.locked, "active_lock_reason": nil, "title": p.title, "user": s.renderUser(p.author), "body": orNull(p.body),
		"labels":    render(p.labels, func(l *label) obj { return s.renderLabel(p.repo, l) }),
		"milestone": nil, "created_at": stamp(p.createdAt), "updated_at": stamp(p.updatedAt), "closed_at": stamp(p.closedAt), "merged_at": stamp(p.mergedAt),
		"merge_commit_sha": orNull(p.mergeSHA), "assignee": nil, "assignees": s.renderUsers(p.assignees), "draft": p.draft,
		"requested_reviewers": s.renderUsers(p.requested), "requested_teams": render(p.requestedTeams, s.renderTeam),
		"head": s.renderSide(p.headRepo, p.headRef, head), "base": s.renderSide(p.repo, p.baseRef, p.baseSHA),
		"_links": obj{"self": href(u), "html": href(html), "issue": href(issue), "comments": href(issue + "/comments"),
			"review_comments": href(u + "/comments"), "review_comment": href(s.repoAPI(p.repo) + "/pulls/comments{/number}"),
			"commits": href(u + "/commits"), "statuses": href(statuses)},
		"author_association": s.association(p.repo, p.author), "auto_merge": s.renderAutoMerge(p.autoMerge),
	}
	if len(p.assignees) > 0 {
		o["assignee"] = s.renderUser(p.assignees[0])
	}
	if p.stack != nil {
		o["stack"] = s.renderStack(p)
	}
	return o
}

// renderStack is the place of a pull request in its stack, counted from 1 at the bottom.
func (s *Sim) renderStack(p *pull) obj {
	position := 0
	for i, other := range p.stack.pulls {
		if other == p {
			position = i + 1
		}
	}
	return obj{"id": p.stack.id, "number": p.stack.number, "size": len(p.stack.pulls), "position": position,
		"base": obj{"ref": p.stack.base, "sha": p.repo.branch(p.stack.base)}}
}

func (s *Sim) renderUsers(l []*account) []any {
	out := make([]any, 0, len(l))
	for _, a := range l {
		out = append(out, s.renderUser(a))
	}
	return out
}

func (s *Sim) renderAutoMerge(m *autoMerge) any {
	if m == nil {
		return nil
	}
	return obj{"enabled_by": s.renderUser(m.by), "merge_method": m.method, "commit_title": "", "commit_message": ""}
}

// renderPull is one pull request in full.
func (s *Sim) renderPull(v *viewer, p *pull) obj {
	o := s.renderSimplePull(v, p)
	head := s.headOf(v, p)
	files := s.netDiff(p, head)
	added, removed := 0, 0
	for _, f := range files {
		added, removed = added+f.additions, removed+f.deletions
	}
	var mergeable any
	switch s.mergeable(p) {
	case "MERGEABLE":
		mergeable = true
	case "CONFLICTING":
		mergeable = false
	}
	maps.Copy(o, obj{"merged": p.merged, "mergeable": mergeable, "rebaseable": mergeable, "mergeable_state": lower(s.mergeState(p)),
		"merged_by": s.renderUser(p.mergedBy), "comments": len(p.comments), "review_comments": 0, "maintainer_can_modify": false,
		"commits": len(s.commitsOf(p, head)), "additions": added, "deletions": removed, "changed_files": len(files)})
	return o
}

// commitsOf lists the commits of the pull request at the head, oldest first.
func (s *Sim) commitsOf(p *pull, head string) []*commit {
	return p.repo.git.between(s.baseTip(p), head)
}

// renderMinimalPull is a pull request inside check runs and workflow runs.
func (s *Sim) renderMinimalPull(p *pull) obj {
	small := func(r *repo) obj {
		return obj{"id": r.id, "url": s.repoAPI(r), "name": r.name}
	}
	return obj{"id": p.id, "number": p.number, "url": s.pullAPI(p), "head": obj{"ref": p.headRef, "sha": p.headSHA, "repo": small(p.headRepoOrBase())},
		"base": obj{"ref": p.baseRef, "sha": p.baseSHA, "repo": small(p.repo)}}
}

// pullsAt lists the open pull requests with the SHA as head, as check runs carry them:
// those of forks are left out.
func (s *Sim) pullsAt(r *repo, sha string) []obj {
	out := []obj{}
	for _, p := range r.pulls {
		if p.state == "open" && p.headSHA == sha && p.headRepo == r {
			out = append(out, s.renderMinimalPull(p))
		}
	}
	return out
}

// renderReview is a review as REST has it.
func (s *Sim) renderReview(p *pull, v *review) obj {
	html := s.pullHTML(p) + "#pullrequestreview-" + decimal(v.id)
	o := obj{"id": v.id, "node_id": nodeID("PullRequestReview", v.id), "user": s.renderUser(v.author), "body": v.body, "state": v.state,
		"html_url": html, "pull_request_url": s.pullAPI(p), "_links": obj{"html": obj{"href": html}, "pull_request": obj{"href": s.pullAPI(p)}},
		"commit_id": v.commitSHA, "author_association": s.association(p.repo, v.author)}
	if v.state != "PENDING" {
		o["submitted_at"] = stamp(v.submittedAt)
	}
	return o
}
