package ghsim

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// GitHub's limits: characters of a title, a body and a label, comments on one thread, and
// assignees.
const (
	maxTitle    = 256
	maxText     = 65_536
	maxLabel    = 50
	maxComments = 2500
	maxAssigned = 10
)

// errGone is GitHub's answer for an issue that was deleted, errNoIssues where there are none.
var (
	errGone     = &apiError{status: 410, message: "This issue was deleted"}
	errNoIssues = &apiError{status: 410, message: "Issues has been disabled in this repository."}
)

// threadOf is the issue or pull request of the path. Pull requests are there also where
// issues are disabled.
func (c *call) threadOf() (thread, error) {
	t, ok := c.repo.thread(int(c.number("number")))
	switch {
	case ok && t.pull != nil:
		return t, nil
	case c.repo.noIssues:
		return t, errNoIssues
	case !ok:
		return t, errNotFound
	case t.issue.deleted:
		return t, errGone
	}
	return t, nil
}

// listIssues filters by state (open), labels (all of them) and since; sorted by creation or
// update, newest first.
func listIssues(c *call) (*answer, error) {
	if c.repo.noIssues {
		return nil, errNoIssues
	}
	since, err := c.since()
	if err != nil {
		return nil, err
	}
	state := c.query.Get("state")
	if state == "" {
		state = "open"
	}
	var list []thread
	for number := c.repo.nextNumber; number > 0; number-- {
		t, ok := c.repo.thread(number)
		if !ok || t.issue != nil && t.issue.deleted || state != "all" && t.state() != state || t.touched().Before(since) || !t.carries(c.query.Get("labels")) {
			continue
		}
		list = append(list, t)
	}
	if c.query.Get("sort") == "updated" {
		slices.SortStableFunc(list, func(a, b thread) int { return b.touched().Compare(*a.touched()) })
	}
	if c.query.Get("direction") == "asc" {
		slices.Reverse(list)
	}
	return &answer{body: render(page(c, list), c.s.renderThread)}, nil
}

// carries says whether it has every label of a list with commas.
func (t thread) carries(labels string) bool {
	if labels == "" {
		return true
	}
	for name := range strings.SplitSeq(labels, ",") {
		if !slices.ContainsFunc(t.labelNames(), func(has string) bool { return strings.EqualFold(has, strings.TrimSpace(name)) }) {
			return false
		}
	}
	return true
}

// since is the filter of that name; the zero time when it is not given. GitHub keeps times to
// the second.
func (c *call) since() (time.Time, error) {
	text := c.query.Get("since")
	if text == "" {
		return zeroTime, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return zeroTime, invalid("Validation Failed")
	}
	return at.Truncate(time.Second), nil
}

func createIssue(c *call) (*answer, error) {
	if c.repo.noIssues {
		return nil, errNoIssues
	}
	var in struct {
		Title, Body string
		Labels      []string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := fits("title", in.Title, maxTitle); err != nil || in.Title == "" {
		return nil, invalid("Validation Failed: title is missing or too long")
	}
	if err := fits("body", in.Body, maxText); err != nil {
		return nil, err
	}
	if err := areLabels(in.Labels); err != nil {
		return nil, err
	}
	i := c.s.openIssue(c.repo, c.viewer.user, in.Title, in.Body, in.Labels...)
	return &answer{status: http.StatusCreated, body: c.s.renderOneThread(onIssue(c.repo, i))}, nil
}

func fits(what, text string, most int) error {
	if utf8.RuneCountInString(text) > most {
		return invalid("Validation Failed: %s is too long (maximum is %d characters)", what, most)
	}
	return nil
}

func areLabels(names []string) error {
	for _, name := range names {
		if err := fits("label", name, maxLabel); err != nil || strings.TrimSpace(name) == "" {
			return invalid("Validation Failed: a label is missing or too long")
		}
	}
	return nil
}

func getIssue(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	return &answer{body: c.s.renderOneThread(t)}, nil
}

// updateIssue closes and reopens.
func updateIssue(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	in := struct {
		State       string
		StateReason string `json:"state_reason"`
	}{StateReason: "completed"}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	by := c.viewer.user
	switch {
	case in.State == "closed" && t.pull != nil:
		c.s.closePull(t.pull, by)
	case in.State == "closed":
		c.s.closeIssue(t.repo, t.issue, by, in.StateReason, nil)
	case in.State == "open" && t.pull != nil:
		c.s.reopenPull(t.pull, by)
	case in.State == "open":
		c.s.reopenIssue(t.repo, t.issue, by)
	}
	return &answer{body: c.s.renderOneThread(t)}, nil
}

func listComments(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	since, err := c.since()
	if err != nil {
		return nil, err
	}
	list := slices.Clone(*t.comments())
	list = slices.DeleteFunc(list, func(x *comment) bool { return x.updatedAt.Before(since) })
	return &answer{body: render(page(c, list), func(x *comment) obj { return c.s.renderComment(t, x) })}, nil
}

func createComment(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	var in struct{ Body string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case t.locked() && (c.viewer.installation != nil || rank[c.s.role(c.repo, c.viewer.user)] < rank["write"]):
		return nil, &apiError{status: 403, message: "Unable to create comment because issue is locked."}
	case len(*t.comments()) >= maxComments:
		return nil, &apiError{status: 403, message: "Commenting is disabled on issues with more than 2500 comments"}
	case strings.TrimSpace(in.Body) == "":
		return nil, invalid("Validation Failed: body cannot be blank")
	}
	if err := fits("body", in.Body, maxText); err != nil {
		return nil, err
	}
	x := c.s.addComment(t, c.viewer.user, in.Body)
	return &answer{status: http.StatusCreated, body: c.s.renderComment(t, x)}, nil
}

func addLabels(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	var in struct{ Labels []string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := areLabels(in.Labels); err != nil {
		return nil, err
	}
	for _, name := range in.Labels {
		c.s.setLabel(t, c.viewer.user, name, true)
	}
	return &answer{body: render(*t.labels(), func(l *label) obj { return c.s.renderLabel(t.repo, l) })}, nil
}

func removeLabel(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	has := slices.ContainsFunc(*t.labels(), func(l *label) bool { return strings.EqualFold(l.name, c.params["name"]) })
	if !has {
		return nil, &apiError{status: 404, message: "Label does not exist"}
	}
	c.s.setLabel(t, c.viewer.user, c.params["name"], false)
	return &answer{body: render(*t.labels(), func(l *label) obj { return c.s.renderLabel(t.repo, l) })}, nil
}

// addAssignees leaves out, without a word, who cannot be assigned.
func addAssignees(c *call) (*answer, error) {
	t, err := c.threadOf()
	if err != nil {
		return nil, err
	}
	var in struct{ Assignees []string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for _, login := range in.Assignees {
		if who := c.s.account(login); c.s.assignable(t, who) && len(*t.assignees()) < maxAssigned {
			c.s.setAssignee(t, c.viewer.user, who, true)
		}
	}
	return &answer{status: http.StatusCreated, body: c.s.renderOneThread(t)}, nil
}
