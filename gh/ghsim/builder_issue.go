package ghsim

import "slices"

// Issue is an issue.
type Issue struct {
	s *Sim
	r *repo
	i *issue
}

// OpenIssue opens an issue.
func (r *Repo) OpenIssue(by Actor, title, body string) *Issue {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.r.nextNumber++
	i := &issue{id: r.s.nextID(), number: r.r.nextNumber, title: title, body: body, state: "open", author: by.actsAs(), createdAt: r.s.now()}
	i.updatedAt = i.createdAt
	r.r.issues = append(r.r.issues, i)
	r.s.emitIssue(r.r, i, "opened", i.author, nil)
	return &Issue{r.s, r.r, i}
}

// Number is the issue's number.
func (i *Issue) Number() int { return i.i.number }

// Assign assigns somebody, which is how an agent is often asked to start.
func (i *Issue) Assign(by, who Actor) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	if slices.Contains(i.i.assignees, who.actsAs()) {
		return
	}
	i.i.assignees = append(i.i.assignees, who.actsAs())
	i.i.updatedAt = i.s.now()
	i.s.emitIssue(i.r, i.i, "assigned", by.actsAs(), obj{"assignee": i.s.renderUser(who.actsAs())})
}

// Close closes the issue.
func (i *Issue) Close(by Actor) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.i.state, i.i.closedAt = "closed", i.s.now()
	i.i.updatedAt = i.i.closedAt
	i.s.emitIssue(i.r, i.i, "closed", by.actsAs(), nil)
}
