package ghsim

import (
	"slices"
	"strings"
)

// openIssue opens an issue. GitHub tells of its labels one by one, after the opening.
func (s *Sim) openIssue(r *repo, by *account, title, body string, labels ...string) *issue {
	r.nextNumber++
	i := &issue{id: s.nextID(), number: r.nextNumber, title: title, body: body, state: "open", author: by, via: by.app, createdAt: s.now()}
	i.updatedAt = i.createdAt
	r.issues = append(r.issues, i)
	s.emitIssue(r, i, "opened", by, nil)
	for _, name := range labels {
		s.setLabel(onIssue(r, i), by, name, true)
	}
	return i
}

// closeIssue closes an issue; reason is "completed", "not_planned" or "duplicate". closer is the
// pull request that closed it by being merged, nil for none.
func (s *Sim) closeIssue(r *repo, i *issue, by *account, reason string, closer *pull) {
	if i.state == "closed" {
		return
	}
	i.state, i.stateReason, i.closedBy, i.closedAt = "closed", reason, by, s.now()
	i.updatedAt = i.closedAt
	i.timeline = append(i.timeline, s.entry(timelineEvent{kind: "ClosedEvent", actor: by, closer: closer}))
	s.emitIssue(r, i, "closed", by, nil)
}

func (s *Sim) reopenIssue(r *repo, i *issue, by *account) {
	if i.state == "open" {
		return
	}
	i.state, i.stateReason, i.closedBy, i.closedAt = "open", "reopened", nil, zeroTime
	i.updatedAt = s.now()
	i.timeline = append(i.timeline, s.entry(timelineEvent{kind: "ReopenedEvent", actor: by}))
	s.emitIssue(r, i, "reopened", by, nil)
}

// editIssue changes title and body.
func (s *Sim) editIssue(r *repo, i *issue, by *account, title, body string) {
	changes := obj{}
	if title != i.title {
		changes["title"] = obj{"from": i.title}
	}
	if body != i.body {
		changes["body"] = obj{"from": i.body}
	}
	i.title, i.body, i.updatedAt = title, body, s.now()
	s.emitIssue(r, i, "edited", by, obj{"changes": changes})
}

// setLabel adds a label, or takes it off. The label is made when the repository does not have
// it.
func (s *Sim) setLabel(t thread, by *account, name string, on bool) {
	l, labels := s.labelOf(t.repo, name), t.labels()
	at := slices.Index(*labels, l)
	if on == (at >= 0) {
		return
	}
	kind, action := "LabeledEvent", "labeled"
	if on {
		*labels = append(*labels, l)
	} else {
		*labels = slices.Delete(*labels, at, at+1)
		kind, action = "UnlabeledEvent", "unlabeled"
	}
	s.changed(t, timelineEvent{kind: kind, actor: by, label: l}, action, obj{"label": s.renderLabel(t.repo, l)})
}

// labelOf is the label of the name, whose case does not matter.
func (s *Sim) labelOf(r *repo, name string) *label {
	for _, l := range r.labels {
		if strings.EqualFold(l.name, name) {
			return l
		}
	}
	l := &label{id: s.nextID(), name: name, color: "ededed"}
	r.labels = append(r.labels, l)
	return l
}

func (s *Sim) setAssignee(t thread, by, who *account, on bool) {
	assignees := t.assignees()
	at := slices.Index(*assignees, who)
	if on == (at >= 0) {
		return
	}
	kind, action := "AssignedEvent", "assigned"
	if on {
		*assignees = append(*assignees, who)
	} else {
		*assignees = slices.Delete(*assignees, at, at+1)
		kind, action = "UnassignedEvent", "unassigned"
	}
	s.changed(t, timelineEvent{kind: kind, actor: by, subject: who}, action, obj{"assignee": s.renderUser(who)})
}

// changed notes and tells what was done to a thread. Only the timeline of a pull request can be
// asked for.
func (s *Sim) changed(t thread, e timelineEvent, action string, extra obj) {
	*t.touched() = s.now()
	if t.pull != nil {
		s.note(t.pull, e)
		s.emitPull(t.pull, action, e.actor, extra)
		return
	}
	s.emitIssue(t.repo, t.issue, action, e.actor, extra)
}

// assignable says whether GitHub takes somebody as an assignee: who may write, who is a member
// of the organisation and may read, and who commented.
// https://docs.github.com/issues/tracking-your-work-with-issues/using-issues/assigning-issues-and-pull-requests-to-other-github-users
func (s *Sim) assignable(t thread, who *account) bool {
	if who == nil || who.kind != "User" {
		return false
	}
	role, o := rank[s.role(t.repo, who)], s.orgs[t.repo.owner.id]
	member := o != nil && o.members[who.id] != ""
	commented := slices.ContainsFunc(*t.comments(), func(c *comment) bool { return c.author == who })
	return role >= rank["write"] || member && role >= rank["read"] || commented
}

// addComment puts a comment on an issue, or on the conversation of a pull request.
func (s *Sim) addComment(t thread, by *account, body string) *comment {
	c := &comment{id: s.nextID(), author: by, via: by.app, body: body, createdAt: s.now()}
	c.updatedAt = c.createdAt
	*t.comments() = append(*t.comments(), c)
	*t.touched() = c.createdAt
	s.emitComment(t, c, "created", by, nil)
	return c
}

func (s *Sim) editComment(t thread, c *comment, by *account, body string) {
	from := c.body
	c.body, c.editor, c.updatedAt = body, by, s.now()
	s.emitComment(t, c, "edited", by, obj{"changes": obj{"body": obj{"from": from}}})
}
