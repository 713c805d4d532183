package ghsim

import (
	"fmt"
	"slices"
)

// This file is GitHub's own gate: whether a pull request can be merged. It knows check
// runs, statuses and reviews, and treats our check run like anybody's.

// passes lists the conclusions that satisfy a required check.
var passes = []string{"success", "neutral", "skipped"}

// latestRun is the newest check run with the name on the SHA; appID 0: of any App.
func (r *repo) latestRun(sha, name string, appID int64) *checkRun {
	var newest *checkRun
	for _, c := range r.runsAt[sha] {
		if c.name == name && (appID == 0 || c.app().id == appID) && (newest == nil || c.id > newest.id) {
			newest = c
		}
	}
	return newest
}

// latestStatus is the newest commit status of the context on the SHA; appID 0: by anybody.
func (r *repo) latestStatus(sha, context string, appID int64) *commitStatus {
	list := r.statuses[sha]
	for i := len(list) - 1; i >= 0; i-- {
		c := list[i]
		if c.context == context && (appID == 0 || (c.creator.app != nil && c.creator.app.id == appID)) {
			return c
		}
	}
	return nil
}

// checkState is what a required check is worth on the SHA: "success", "failure",
// "pending" or "expected" (nothing was reported). When a check run and a commit status
// share the name, both must pass.
func (r *repo) checkState(sha string, want requiredCheck) string {
	run, status := r.latestRun(sha, want.context, want.appID), r.latestStatus(sha, want.context, want.appID)
	state := "expected"
	if run != nil {
		state = run.worth()
	}
	if status != nil && (run == nil || state == "success") {
		state = status.state
		if state == "error" {
			state = "failure"
		}
	}
	return state
}

// worth is a check run as a required check: "success", "failure" or "pending".
func (c *checkRun) worth() string {
	switch {
	case c.status != "completed":
		return "pending"
	case slices.Contains(passes, c.conclusion):
		return "success"
	}
	return "failure"
}

// requiredOn says whether a check of the name from the App is required for merging into
// the branch: GraphQL's isRequired.
func (s *Sim) requiredOn(r *repo, branch, name string, appID int64) bool {
	return slices.ContainsFunc(s.requirementsFor(r, branch, nil, true).checks, func(c requiredCheck) bool {
		return c.context == name && (c.appID == 0 || c.appID == appID)
	})
}

// opinions returns each reviewer's newest opinionated review, dismissed ones left out.
func (p *pull) opinions() map[*account]*review {
	latest := map[*account]*review{}
	for _, v := range p.reviews {
		switch v.state {
		case "APPROVED", "CHANGES_REQUESTED":
			latest[v.author] = v
		case "DISMISSED":
			if was := latest[v.author]; was == nil || was.id <= v.id {
				delete(latest, v.author)
			}
		}
	}
	return latest
}

// countsAsReviewer says whether GitHub counts the account's reviews: write permission,
// or an App that may write pull requests (bots' approvals count since September 2026).
func (s *Sim) countsAsReviewer(r *repo, a *account) bool {
	if rank[s.role(r, a)] >= rank["write"] {
		return true
	}
	for _, i := range s.installs {
		if a.app != nil && i.app == a.app && i.covers(r) && i.permissions["pull_requests"] == "write" {
			return true
		}
	}
	return false
}

// reviewDecision is GraphQL's: "" when the branch does not require reviews.
func (s *Sim) reviewDecision(p *pull) string {
	q := s.requirementsFor(p.repo, p.governingBase(), nil, true)
	if !q.reviews {
		return ""
	}
	return s.reviewState(p, q)
}

func (s *Sim) reviewState(p *pull, q requirements) string {
	approvals, fresh := 0, false
	lastPusher := p.author
	if u := p.headRepoOrBase().pushes[p.headSHA]; u != nil {
		lastPusher = u.actor
	}
	for who, v := range p.opinions() {
		if !s.countsAsReviewer(p.repo, who) {
			continue
		}
		if v.state == "CHANGES_REQUESTED" {
			return "CHANGES_REQUESTED"
		}
		approvals++
		fresh = fresh || (who != lastPusher && v.commitSHA == p.headSHA)
	}
	if approvals < q.approvals || (q.lastPushApproval && !fresh) {
		return "REVIEW_REQUIRED"
	}
	return "APPROVED"
}

// headRepoOrBase is the repository of the head, or of the base when the fork is gone.
func (p *pull) headRepoOrBase() *repo {
	if p.headRepo != nil {
		return p.headRepo
	}
	return p.repo
}

// conflicts lists the paths on which base and head disagree.
func (s *Sim) conflicts(p *pull) []string {
	g, base := p.repo.git, s.baseTip(p)
	_, list := g.mergeTrees(g.files(g.mergeBase(base, p.headSHA)), g.files(base), g.files(p.headSHA))
	return list
}

// blockers says, one sentence each, why the account may not merge the pull request now.
// by nil: somebody without any privilege. fromQueue: the merge queue merges, so the
// queue's own rule does not block and checks are those of the group's commit.
func (s *Sim) blockers(p *pull, by *account, method string) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if p.state != "open" {
		add("the pull request is closed")
		return list
	}
	if p.draft {
		add("the pull request is a draft")
	}
	if paths := s.conflicts(p); len(paths) > 0 {
		add("merge conflicts in %v", paths)
	}
	q := s.requirementsFor(p.repo, p.governingBase(), by, true)
	if q.queue {
		add("changes must be made through the merge queue")
	}
	if q.locked {
		add("the branch is locked")
	}
	if q.pushRefused {
		add("you are not allowed to push to this branch")
	}
	if method != "" && q.methods != nil && !slices.Contains(q.methods, method) {
		add("merge method %q is not allowed on this branch", method)
	}
	if method == "merge" && q.linear {
		add("the branch requires a linear history")
	}
	return append(list, s.gateBlockers(p, q, p.headSHA)...)
}

// gateBlockers are the reviews and checks that are missing; checks are looked for on sha.
func (s *Sim) gateBlockers(p *pull, q requirements, sha string) []string {
	var list []string
	if q.reviews {
		switch s.reviewState(p, q) {
		case "CHANGES_REQUESTED":
			list = append(list, "a reviewer requested changes")
		case "REVIEW_REQUIRED":
			list = append(list, fmt.Sprintf("at least %d approving review is required by reviewers with write access", max(1, q.approvals)))
		}
	}
	for _, c := range q.checks {
		if state := p.repo.checkState(sha, c); state != "success" {
			list = append(list, fmt.Sprintf("required status check %q is %s", c.context, state))
		}
	}
	if q.strict && sha == p.headSHA && !p.repo.git.reaches(p.headSHA, p.repo.branch(p.governingBase())) {
		list = append(list, "the head branch is not up to date with the base branch")
	}
	return list
}

// mergeable is GraphQL's MergeableState for the pull request.
func (s *Sim) mergeable(p *pull) string {
	if p.state != "open" {
		return "UNKNOWN"
	}
	if len(s.conflicts(p)) > 0 {
		return "CONFLICTING"
	}
	return "MERGEABLE"
}

// mergeState is GraphQL's MergeStateStatus: "DRAFT", "DIRTY", "BEHIND", "BLOCKED",
// "UNSTABLE", "CLEAN", or "UNKNOWN" for a closed pull request.
func (s *Sim) mergeState(p *pull) string {
	q := s.requirementsFor(p.repo, p.governingBase(), nil, true)
	switch {
	case p.state != "open":
		return "UNKNOWN"
	case len(s.conflicts(p)) > 0:
		return "DIRTY"
	case p.draft:
		return "DRAFT"
	case q.locked || q.pushRefused || len(s.gateBlockers(p, requirements{reviews: q.reviews, approvals: q.approvals, lastPushApproval: q.lastPushApproval, checks: q.checks}, p.headSHA)) > 0:
		return "BLOCKED"
	case q.strict && !p.repo.git.reaches(p.headSHA, p.repo.branch(p.governingBase())):
		return "BEHIND"
	case p.repo.anyRed(p.headSHA):
		return "UNSTABLE"
	}
	return "CLEAN"
}

// anyRed says whether some check on the SHA has not passed.
func (r *repo) anyRed(sha string) bool {
	for _, c := range r.runsAt[sha] {
		if r.latestRun(sha, c.name, c.app().id) == c && c.worth() != "success" {
			return true
		}
	}
	for _, c := range r.statuses[sha] {
		if r.latestStatus(sha, c.context, 0) == c && c.state != "success" {
			return true
		}
	}
	return false
}
