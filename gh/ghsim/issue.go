package ghsim

import (
	"slices"
	"time"
)

// issue is an issue that is not a pull request.
type issue struct {
	id          int64
	number      int
	title       string
	body        string
	state       string // "open" or "closed"
	stateReason string // "" is null: it was never closed
	author      *account
	via         *app // the App through which it was opened, nil otherwise
	closedBy    *account
	createdAt   time.Time
	updatedAt   time.Time
	closedAt    time.Time
	locked      bool
	deleted     bool
	labels      []*label
	assignees   []*account
	comments    []*comment
	timeline    []*timelineEvent // ClosedEvent and ReopenedEvent alone
}

// comment is a comment on an issue or on the conversation of a pull request.
type comment struct {
	id        int64
	author    *account
	via       *app // the App through which it was written, nil otherwise
	body      string
	createdAt time.Time
	updatedAt time.Time
	editor    *account
}

// thread is what people talk on: an issue, or a pull request, which GitHub shows among the
// issues. One of the two is nil.
type thread struct {
	repo  *repo
	issue *issue
	pull  *pull
}

func onIssue(r *repo, i *issue) thread { return thread{repo: r, issue: i} }

func onPull(p *pull) thread { return thread{repo: p.repo, pull: p} }

// thread returns the issue or pull request with the number, a deleted issue too; ok is false
// when there is none.
func (r *repo) thread(number int) (t thread, ok bool) {
	if p := r.pull(number); p != nil {
		return onPull(p), true
	}
	if at := slices.IndexFunc(r.issues, func(i *issue) bool { return i.number == number }); at >= 0 {
		return onIssue(r, r.issues[at]), true
	}
	return thread{}, false
}

func (t thread) number() int {
	if t.pull != nil {
		return t.pull.number
	}
	return t.issue.number
}

func (t thread) state() string {
	if t.pull != nil {
		return t.pull.state
	}
	return t.issue.state
}

func (t thread) locked() bool {
	if t.pull != nil {
		return t.pull.locked
	}
	return t.issue.locked
}

// touched is when anything of it last changed.
func (t thread) touched() *time.Time {
	if t.pull != nil {
		return &t.pull.updatedAt
	}
	return &t.issue.updatedAt
}

func (t thread) labels() *[]*label {
	if t.pull != nil {
		return &t.pull.labels
	}
	return &t.issue.labels
}

func (t thread) assignees() *[]*account {
	if t.pull != nil {
		return &t.pull.assignees
	}
	return &t.issue.assignees
}

func (t thread) comments() *[]*comment {
	if t.pull != nil {
		return &t.pull.comments
	}
	return &t.issue.comments
}

// labelNames are the names of its labels, in the order in which they were put on.
func (t thread) labelNames() (names []string) {
	for _, l := range *t.labels() {
		names = append(names, l.name)
	}
	return names
}

// assigned are the logins of its assignees.
func (t thread) assigned() (logins []string) {
	for _, a := range *t.assignees() {
		logins = append(logins, a.login)
	}
	return logins
}
