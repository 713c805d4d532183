package ghsim

import (
	"fmt"
	"strings"
)

// pushRefused says why the account may not move the branch from before to after with a
// plain push; "" when it may.
func (s *Sim) pushRefused(r *repo, branch, before, after string, by *account) string {
	if by.app == nil && rank[s.role(r, by)] < rank["write"] {
		return by.login + " has no write access"
	}
	q := s.requirementsFor(r, branch, by, false)
	forced := before != "" && after != "" && !r.git.reaches(after, before)
	switch {
	case before == "":
		return "" // rules on creation are not simulated
	case after == "" && q.noDeletion:
		return "deletions are not allowed"
	case forced && q.noForcePush:
		return "force pushes are not allowed"
	case q.locked:
		return "the branch is locked"
	case q.pushRefused:
		return "pushes are restricted"
	case q.pullRequest || q.queue:
		return "changes must be made through a pull request"
	}
	for _, c := range q.checks {
		if after != "" && r.checkState(after, c) != "success" {
			return fmt.Sprintf("required status check %q is expected", c.context)
		}
	}
	return ""
}

// moveRef sets a ref ("" deletes it) and does what GitHub does then: activity, events,
// pull requests that get a new head, pull requests that turn out to be merged. kind ""
// is worked out from the commits.
func (s *Sim) moveRef(r *repo, ref, after string, by *account, kind string) {
	before := r.refs[ref]
	if before == after {
		return
	}
	forced := before != "" && after != "" && !r.git.reaches(after, before)
	u := &refUpdate{id: s.nextID(), ref: ref, before: orZero(before), after: orZero(after), actor: by, at: s.now(), kind: kind}
	if kind == "" {
		u.kind = updateKind(before, after, forced)
	}
	r.activity = append(r.activity, u)
	r.pushedAt, r.updatedAt = u.at, u.at
	if after == "" {
		delete(r.refs, ref)
	} else {
		r.refs[ref] = after
		r.pushes[after] = u
	}
	s.emitPush(r, u, forced)
	s.requestSuites(r, u)
	s.headsMoved(r, u, forced)
	if forced {
		s.baseForced(r, u)
	}
	s.closeReached(r, u)
}

func orZero(sha string) string {
	if sha == "" {
		return zeroSHA
	}
	return sha
}

func updateKind(before, after string, forced bool) string {
	switch {
	case before == "":
		return "branch_creation"
	case after == "":
		return "branch_deletion"
	case forced:
		return "force_push"
	}
	return "push"
}

// headsMoved gives every open pull request with this head branch its new head. A deleted
// head branch closes the pull request.
func (s *Sim) headsMoved(r *repo, u *refUpdate, forced bool) {
	branch, ok := strings.CutPrefix(u.ref, "refs/heads/")
	if !ok {
		return
	}
	for _, p := range s.pullsWithHead(r, branch) {
		if u.after == zeroSHA {
			s.closePull(p, u.actor)
			continue
		}
		s.synchronize(p, u, forced)
	}
}

// pullsWithHead lists the open pull requests, of any repository, with this head branch.
func (s *Sim) pullsWithHead(r *repo, branch string) []*pull {
	var list []*pull
	for _, other := range s.repos {
		if other.git != r.git {
			continue // not the same network of forks
		}
		for _, p := range other.pulls {
			if p.state == "open" && p.headRepo == r && p.headRef == branch {
				list = append(list, p)
			}
		}
	}
	return list
}

// synchronize moves a pull request to the head that was pushed. Reviews are re-pointed
// when the net diff is the same as before, and dismissed when the branch says so.
func (s *Sim) synchronize(p *pull, u *refUpdate, forced bool) {
	before := p.headSHA
	oldID := patchID(s.netDiff(p, before))
	p.headSHA = u.after
	p.heads = append(p.heads, u.after)
	p.baseSHA = s.baseTip(p)
	p.updatedAt = u.at
	if forced {
		s.note(p, timelineEvent{kind: "HeadRefForcePushedEvent", actor: u.actor, before: before, after: u.after})
	}
	if q := p.repo.queues[p.baseRef]; q == nil || !q.slow {
		s.dequeue(p, "pushed", u.actor)
	}
	s.emitPull(p, "synchronize", u.actor, obj{"before": before, "after": u.after})
	if patchID(s.netDiff(p, p.headSHA)) == oldID {
		p.repoint(before, u.after)
		return
	}
	if s.requirementsFor(p.repo, p.governingBase(), nil, true).dismissStale {
		s.dismissStale(p, u)
	}
}

// repoint moves the reviews of one head to the next, as GitHub does after base merges and
// rebases that leave the patch alone. Nobody is told.
func (p *pull) repoint(before, after string) {
	for _, v := range p.reviews {
		if v.commitSHA == before && v.state != "PENDING" {
			v.commitSHA = after
		}
	}
}

func (s *Sim) dismissStale(p *pull, u *refUpdate) {
	for _, v := range p.reviews {
		if v.state == "APPROVED" {
			s.dismissReview(p, v, u.actor, "", u.after)
		}
	}
}

// baseForced notes a rewritten base on the pull requests that target it.
func (s *Sim) baseForced(r *repo, u *refUpdate) {
	for _, p := range r.pulls {
		if p.state == "open" && "refs/heads/"+p.baseRef == u.ref {
			s.note(p, timelineEvent{kind: "BaseRefForcePushedEvent", actor: u.actor, before: u.before, after: u.after})
		}
	}
}

// closeReached marks open pull requests as merged whose head became reachable from their
// base, however that came about: GitHub does so for a direct push too.
func (s *Sim) closeReached(r *repo, u *refUpdate) {
	if u.after == zeroSHA || u.before == zeroSHA {
		return
	}
	var reachable map[string]bool
	for _, p := range r.pulls {
		if p.state != "open" || "refs/heads/"+p.baseRef != u.ref {
			continue
		}
		if reachable == nil {
			reachable = r.git.ancestors(u.after)
		}
		if reachable[p.headSHA] && !r.git.reaches(u.before, p.headSHA) {
			p.baseSHA = u.before
			s.markMerged(p, u.actor, u.after)
		}
	}
}

// note adds an entry to the timeline of a pull request.
func (s *Sim) note(p *pull, e timelineEvent) *timelineEvent {
	noted := s.entry(e)
	p.timeline = append(p.timeline, noted)
	return noted
}

// entry is an entry of a timeline, of now.
func (s *Sim) entry(e timelineEvent) *timelineEvent {
	e.id, e.at = s.nextID(), s.now()
	return &e
}
