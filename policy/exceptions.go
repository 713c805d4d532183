package policy

import (
	"regexp"
	"time"

	"go.yaml.in/yaml/v4"
)

// ExceptionRules say how what did not hold is followed up.
type ExceptionRules struct {
	// Owner is the login of who settles what has no owner of its own; empty: nobody.
	Owner string `json:"owner,omitempty" jsonschema_description:"Login of the person who settles what has no owner of its own. Left out: nobody."`
	// Issues keeps each exception as an issue of its repository.
	Issues bool `json:"issues,omitempty" jsonschema_description:"true: each exception is an issue of its repository, and closing that with a comment on what was done closes it. The App needs the permission to write issues."`
	// Escalate tells of what is overdue on GitHub.
	Escalate bool `json:"escalate,omitempty" jsonschema_description:"true: what is overdue gets a comment, the label countersign-overdue and its owner assigned, on its pull request or issue. The App needs the permission to write issues."`
	// Due is how soon exceptions are to be settled.
	Due DueRules `json:"due,omitzero" jsonschema_description:"How soon what reached a branch undecided is to be settled."`
}

// DueRules are how soon exceptions about what reached a branch are to be settled, by severity.
type DueRules struct {
	High   Span `json:"high,omitempty" jsonschema:"type=string" jsonschema_description:"Left out: 1d."`
	Medium Span `json:"medium,omitempty" jsonschema:"type=string" jsonschema_description:"Left out: 7d."`
}

const (
	defaultDueHigh   = Span(24 * time.Hour)
	defaultDueMedium = Span(7 * 24 * time.Hour)
)

// Followed are the rules by which exceptions are followed up, with their defaults.
func (p *Policy) Followed() ExceptionRules {
	if p == nil || p.Exceptions == nil {
		return ExceptionRules{Due: DueRules{High: defaultDueHigh, Medium: defaultDueMedium}}
	}
	return *p.Exceptions
}

// loginPattern is the shape of a person's login on GitHub.
var loginPattern = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})$`)

func (r *policyReader) exceptions(n *yaml.Node) *ExceptionRules {
	if n == nil {
		return nil
	}
	m := r.mapping(n, "exceptions", "owner", "issues", "escalate", "due")
	if m == nil {
		return nil
	}
	e := &ExceptionRules{
		Owner:  r.text(m["owner"], "exceptions.owner"),
		Issues: r.flag(m["issues"], "exceptions.issues"), Escalate: r.flag(m["escalate"], "exceptions.escalate"),
	}
	if e.Owner != "" && !loginPattern.MatchString(e.Owner) {
		r.say(m["owner"], "exceptions.owner", "is not a login", "write the login of a person, without @")
	}
	due := map[string]*yaml.Node{}
	if m["due"] != nil {
		due = r.mapping(m["due"], "exceptions.due", "high", "medium")
	}
	e.Due.High = r.span(due["high"], "exceptions.due.high", defaultDueHigh, maxSpan)
	e.Due.Medium = r.span(due["medium"], "exceptions.due.medium", defaultDueMedium, maxSpan)
	return e
}

// exceptions: the organisation's owner, what either asks for, the shorter spans.
func (m *merge) exceptions(out *Policy) {
	up, low := m.up.Exceptions, m.low.Exceptions
	switch {
	case low == nil:
		return
	case up == nil:
		out.Exceptions = low
		return
	}
	both := *up
	if both.Owner == "" {
		both.Owner = low.Owner
	} else if low.Owner != "" && low.Owner != up.Owner {
		m.note("exceptions.owner", "is ignored: the organisation names %s", up.Owner)
	}
	both.Issues, both.Escalate = up.Issues || low.Issues, up.Escalate || low.Escalate
	both.Due.High = m.shorter("exceptions.due.high", up.Due.High, low.Due.High)
	both.Due.Medium = m.shorter("exceptions.due.medium", up.Due.Medium, low.Due.Medium)
	out.Exceptions = &both
}

// shorter is the shorter of two spans, of those that are given.
func (m *merge) shorter(path string, up, low Span) Span {
	switch {
	case !m.low.set(path):
		return up
	case !m.up.set(path):
		return low
	case low > up:
		m.note(path, "%s is ignored: the organisation asks for %s", low, up)
	}
	return min(up, low)
}
