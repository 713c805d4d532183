package ghsim

// Issue is an issue.
type Issue struct {
	s *Sim
	r *repo
	i *issue
}

// OpenIssue opens an issue.
func (r *Repo) OpenIssue(by Actor, title, body string, labels ...string) *Issue {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return &Issue{r.s, r.r, r.s.openIssue(r.r, by.actsAs(), title, body, labels...)}
}

// Issue returns the issue with the number; nil when there is none.
func (r *Repo) Issue(number int) *Issue {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if t, ok := r.r.thread(number); ok && t.issue != nil {
		return &Issue{r.s, r.r, t.issue}
	}
	return nil
}

// Issues lists the issues, oldest first, without pull requests and what was deleted.
func (r *Repo) Issues() (list []*Issue) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, i := range r.r.issues {
		if !i.deleted {
			list = append(list, &Issue{r.s, r.r, i})
		}
	}
	return list
}

// DisableIssues turns the issues of the repository off.
func (r *Repo) DisableIssues() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.r.noIssues = true
}

// do runs f with the world's lock held.
func (i *Issue) do(f func(s *Sim, i *issue)) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	f(i.s, i.i)
}

func (i *Issue) thread() thread { return onIssue(i.r, i.i) }

// Number is the issue's number.
func (i *Issue) Number() int { return i.i.number }

// Title is the issue's title.
func (i *Issue) Title() (title string) {
	i.do(func(_ *Sim, x *issue) { title = x.title })
	return title
}

// Body is the issue's text.
func (i *Issue) Body() (body string) {
	i.do(func(_ *Sim, x *issue) { body = x.body })
	return body
}

// State is "open" or "closed".
func (i *Issue) State() (state string) {
	i.do(func(_ *Sim, x *issue) { state = x.state })
	return state
}

// Labels are the names of its labels.
func (i *Issue) Labels() (names []string) {
	i.do(func(*Sim, *issue) { names = i.thread().labelNames() })
	return names
}

// Assignees are the logins of its assignees.
func (i *Issue) Assignees() (logins []string) {
	i.do(func(*Sim, *issue) { logins = i.thread().assigned() })
	return logins
}

// Comments lists its comments, oldest first.
func (i *Issue) Comments() []*Comment { return i.s.commentsOf(i.thread()) }

// Comment comments on the issue.
func (i *Issue) Comment(by Actor, body string) *Comment { return i.s.comment(i.thread(), by, body) }

// CommentThrough comments in somebody's name through an App that they let act for them.
func (i *Issue) CommentThrough(a *App, by Actor, body string) {
	i.do(func(s *Sim, _ *issue) { s.addComment(i.thread(), by.actsAs(), body).via = a.a })
}

// Edit changes title and body; anybody with write access may.
func (i *Issue) Edit(by Actor, title, body string) {
	i.do(func(s *Sim, x *issue) { s.editIssue(i.r, x, by.actsAs(), title, body) })
}

// Assign assigns somebody, which is how an agent is often asked to start.
func (i *Issue) Assign(by, who Actor) {
	i.do(func(s *Sim, _ *issue) { s.setAssignee(i.thread(), by.actsAs(), who.actsAs(), true) })
}

// Label adds a label, Unlabel takes it off.
func (i *Issue) Label(by Actor, name string) {
	i.do(func(s *Sim, _ *issue) { s.setLabel(i.thread(), by.actsAs(), name, true) })
}

// Unlabel takes a label off.
func (i *Issue) Unlabel(by Actor, name string) {
	i.do(func(s *Sim, _ *issue) { s.setLabel(i.thread(), by.actsAs(), name, false) })
}

// Close closes the issue as completed.
func (i *Issue) Close(by Actor) { i.CloseAs(by, "completed") }

// CloseAs closes the issue for a reason: "completed", "not_planned" or "duplicate".
func (i *Issue) CloseAs(by Actor, reason string) {
	i.do(func(s *Sim, x *issue) { s.closeIssue(i.r, x, by.actsAs(), reason, nil) })
}

// Reopen opens a closed one again.
func (i *Issue) Reopen(by Actor) {
	i.do(func(s *Sim, x *issue) { s.reopenIssue(i.r, x, by.actsAs()) })
}

// Lock lets only those with write access comment, and no App.
func (i *Issue) Lock(by Actor) {
	i.do(func(s *Sim, x *issue) {
		x.locked = true
		s.emitIssue(i.r, x, "locked", by.actsAs(), nil)
	})
}

// Delete deletes the issue.
func (i *Issue) Delete(by Actor) {
	i.do(func(s *Sim, x *issue) {
		x.deleted = true
		s.emitIssue(i.r, x, "deleted", by.actsAs(), nil)
	})
}
