package ghsim

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

func getRepo(c *call) (*answer, error) {
	return &answer{body: c.s.renderFullRepo(c.viewer, c.repo)}, nil
}

// pullOf is the pull request of the path.
func (c *call) pullOf() (*pull, error) {
	p := c.repo.pull(int(c.number("number")))
	if p == nil {
		return nil, errNotFound
	}
	return p, nil
}

// listPulls filters by state (open), head ("owner:branch") and base; newest first.
func listPulls(c *call) (*answer, error) {
	state := c.query.Get("state")
	if state == "" {
		state = "open"
	}
	var list []*pull
	for _, p := range slices.Backward(c.repo.pulls) {
		head := p.headRepoOrBase().owner.login + ":" + p.headRef
		if (state != "all" && p.state != state) || !wants(c, "base", p.baseRef) || !wants(c, "head", head) {
			continue
		}
		list = append(list, p)
	}
	if c.query.Get("direction") == "asc" {
		slices.Reverse(list)
	}
	return &answer{body: render(page(c, list), func(p *pull) obj { return c.s.renderSimplePull(c.viewer, p) })}, nil
}

// wants says whether a filter of the query is not given or equal to the value.
func wants(c *call, filter, value string) bool {
	want := c.query.Get(filter)
	return want == "" || want == value
}

func createPull(c *call) (*answer, error) {
	var in struct {
		Title, Body, Head, Base string
		Draft                   bool
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	p := &pull{author: c.viewer.user, title: in.Title, body: in.Body, draft: in.Draft, baseRef: in.Base, headRef: in.Head, headRepo: c.repo}
	if owner, branch, ok := strings.Cut(in.Head, ":"); ok {
		p.headRepo, p.headRef = c.s.repository(owner, c.repo.name), branch
	}
	if in.Title == "" || p.headRepo == nil || p.headRepo.branch(p.headRef) == "" || c.repo.branch(p.baseRef) == "" {
		return nil, invalid("Validation Failed")
	}
	return &answer{status: http.StatusCreated, body: c.s.renderPull(c.viewer, c.s.openPull(c.repo, p))}, nil
}

func getPull(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	return &answer{body: c.s.renderPull(c.viewer, p)}, nil
}

func updatePull(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	var in struct{ Title, Body, Base, State *string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	by := c.viewer.user
	if in.Title != nil || in.Body != nil {
		c.s.editPull(p, by, orElse(in.Title, p.title), orElse(in.Body, p.body))
	}
	if in.Base != nil && *in.Base != p.baseRef {
		if c.repo.branch(*in.Base) == "" {
			return nil, invalid("Proposed base branch '%s' was not found", *in.Base)
		}
		c.s.retarget(p, by, *in.Base)
	}
	switch orElse(in.State, p.state) {
	case "closed":
		c.s.closePull(p, by)
	case "open":
		c.s.reopenPull(p, by)
	}
	return &answer{body: c.s.renderPull(c.viewer, p)}, nil
}

func orElse(p *string, otherwise string) string {
	if p == nil {
		return otherwise
	}
	return *p
}

// maxFiles and maxCommits are where GitHub stops listing.
const (
	maxFiles   = 3000
	maxCommits = 250
)

func listFiles(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	head := c.s.headOf(c.viewer, p)
	files := c.s.netDiff(p, head)
	files = files[:min(len(files), maxFiles)]
	return &answer{body: render(page(c, files), func(f fileChange) obj { return c.s.renderFile(p.repo, head, f) })}, nil
}

func listCommits(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	commits := c.s.commitsOf(p, c.s.headOf(c.viewer, p))
	commits = commits[:min(len(commits), maxCommits)]
	return &answer{body: render(page(c, commits), func(x *commit) obj { return c.s.renderCommit(p.repo, x).(obj) })}, nil
}

func listReviews(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	var seen []*review
	for _, v := range p.reviews {
		if v.state != "PENDING" || v.author == c.viewer.user {
			seen = append(seen, v)
		}
	}
	return &answer{body: render(page(c, seen), func(v *review) obj { return c.s.renderReview(p, v) })}, nil
}

// reviewStates are what the events of a review make of it.
var reviewStates = map[string]string{"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED", "": "PENDING"}

func createReview(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	var in struct {
		Body, Event string
		CommitID    string `json:"commit_id"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	state, ok := reviewStates[in.Event]
	if !ok || (in.CommitID != "" && c.repo.git.commits[in.CommitID] == nil) {
		return nil, invalid("Unprocessable Entity")
	}
	v := &review{author: c.viewer.user, state: state, body: in.Body, submittedOn: in.CommitID}
	if err := c.s.addReview(p, v); err != nil {
		return nil, invalid("Unprocessable Entity: %s", err)
	}
	return &answer{body: c.s.renderReview(p, v)}, nil
}

func mergePull(c *call) (*answer, error) {
	p, err := c.pullOf()
	if err != nil {
		return nil, err
	}
	in := struct {
		SHA         string `json:"sha"`
		MergeMethod string `json:"merge_method"`
	}{MergeMethod: "merge"}
	if len(c.body) > 0 {
		if err := c.decode(&in); err != nil {
			return nil, err
		}
	}
	if in.SHA != "" && in.SHA != p.headSHA {
		return nil, &apiError{status: 409, message: "Head branch was modified. Review and try the merge again."}
	}
	if err := c.s.mergePull(p, c.viewer.user, in.MergeMethod); err != nil {
		if errors.Is(err, errBlocked) {
			return nil, &apiError{status: 405, message: "Pull Request is " + err.Error()}
		}
		return nil, err
	}
	return &answer{body: obj{"sha": p.mergeSHA, "merged": true, "message": "Pull Request successfully merged"}}, nil
}
