package ghsim

import (
	"fmt"
	"slices"
)

// PullRequest is a pull request.
type PullRequest struct {
	s *Sim
	p *pull
}

// PullSpec describes a pull request.
type PullSpec struct {
	Title, Body string
	Head        string // branch
	Base        string // "" is the default branch
	Author      Actor
	Via         *App  // the App through whose user token the author acted
	HeadRepo    *Repo // a fork; nil: the same repository
	Draft       bool
	// Commits are pushed to the head branch first, by Pusher (nil: the author).
	Commits []Commit
	Pusher  Actor
}

// OpenPullRequest opens a pull request, after pushing its commits.
func (r *Repo) OpenPullRequest(spec PullSpec) *PullRequest {
	from := spec.HeadRepo
	if from == nil {
		from = r
	}
	if spec.Pusher == nil {
		spec.Pusher = spec.Author
	}
	if len(spec.Commits) > 0 {
		from.Push(spec.Head, spec.Pusher, spec.Commits...)
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if spec.Base == "" {
		spec.Base = r.r.defaultBranch
	}
	if from.r.branch(spec.Head) == "" || r.r.branch(spec.Base) == "" {
		panic(fmt.Sprintf("ghsim: pull request from %s to %s: no such branch", spec.Head, spec.Base))
	}
	p := &pull{author: spec.Author.actsAs(), title: spec.Title, body: spec.Body, headRef: spec.Head, baseRef: spec.Base, headRepo: from.r, draft: spec.Draft}
	if spec.Via != nil {
		p.via = spec.Via.a
	}
	return &PullRequest{r.s, r.s.openPull(r.r, p)}
}

// PullRequest returns the pull request with the number; nil when there is none.
func (r *Repo) PullRequest(number int) *PullRequest {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if p := r.r.pull(number); p != nil {
		return &PullRequest{r.s, p}
	}
	return nil
}

// Stack puts pull requests into a stack, bottom first. Each should target the head of the
// one before; GitHub judges all of them against the base of the first.
func (r *Repo) Stack(pulls ...*PullRequest) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	st := &stack{id: r.s.nextID(), number: len(r.r.stacks) + 1, base: pulls[0].p.baseRef}
	for _, p := range pulls {
		st.pulls = append(st.pulls, p.p)
		p.p.stack = st
	}
	r.r.stacks = append(r.r.stacks, st)
	for _, p := range pulls {
		r.s.emitPull(p.p, "stacked", p.p.author, nil)
	}
}

// Unstack takes a pull request out of its stack. GitHub has no event for that, nor for putting it
// back with Restack.
func (p *PullRequest) Unstack() {
	p.do(func(_ *Sim, x *pull) { x.unstacked, x.stack = x.stack, nil })
}

// Restack undoes Unstack.
func (p *PullRequest) Restack() {
	p.do(func(_ *Sim, x *pull) { x.stack = x.unstacked })
}

// do runs f with the world's lock held.
func (p *PullRequest) do(f func(s *Sim, p *pull)) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	f(p.s, p.p)
}

// Number is the pull request's number.
func (p *PullRequest) Number() int { return p.p.number }

// Repo is the repository of the base.
func (p *PullRequest) Repo() *Repo { return &Repo{p.s, p.p.repo} }

// HeadSHA is the head now.
func (p *PullRequest) HeadSHA() (sha string) {
	p.do(func(_ *Sim, x *pull) { sha = x.headSHA })
	return sha
}

// Merged says whether the pull request was merged, and as which commit.
func (p *PullRequest) Merged() (sha string, merged bool) {
	p.do(func(_ *Sim, x *pull) { sha, merged = x.mergeSHA, x.merged })
	return sha, merged
}

// Push commits on the head branch and pushes; it returns the new head.
func (p *PullRequest) Push(by Actor, commits ...Commit) string {
	var sha string
	var err error
	p.do(func(s *Sim, x *pull) {
		sha, err = s.push(x.headRepoOrBase(), x.headRef, x.headSHA, by.actsAs(), commits)
	})
	return must(sha, err)
}

// ForcePush replaces everything on the head branch by the commits, on the tip of the base.
func (p *PullRequest) ForcePush(by Actor, commits ...Commit) string {
	var sha string
	var err error
	p.do(func(s *Sim, x *pull) {
		sha, err = s.push(x.headRepoOrBase(), x.headRef, s.baseTip(x), by.actsAs(), commits)
	})
	return must(sha, err)
}

// Rebase puts the commits of the head branch on the tip of the base and force-pushes.
func (p *PullRequest) Rebase(by Actor) (sha string, err error) {
	p.do(func(s *Sim, x *pull) {
		if sha, err = s.rebase(x, s.baseTip(x), by.actsAs()); err == nil {
			s.moveRef(x.headRepoOrBase(), "refs/heads/"+x.headRef, sha, by.actsAs(), "")
		}
	})
	return sha, err
}

// UpdateBranch merges the base into the head branch: GitHub's button.
func (p *PullRequest) UpdateBranch(by Actor) (err error) {
	p.do(func(s *Sim, x *pull) { err = s.updateBranch(x, by.actsAs()) })
	return err
}

// Review is a review.
type Review struct {
	s *Sim
	p *pull
	v *review
}

// ReviewSpec describes a review.
type ReviewSpec struct {
	By         Actor
	State      string // "APPROVED", "CHANGES_REQUESTED" or "COMMENTED"
	Body       string
	CommitID   string // the commit that the reviewer looked at; "" is the head
	OnBehalfOf []*Team
}

// Review submits a review. It panics for what GitHub refuses: approving one's own.
func (p *PullRequest) Review(spec ReviewSpec) *Review {
	v, err := p.TryReview(spec)
	if err != nil {
		panic(err)
	}
	return v
}

// TryReview is Review that returns what GitHub refuses.
func (p *PullRequest) TryReview(spec ReviewSpec) (*Review, error) {
	v := &review{author: spec.By.actsAs(), state: spec.State, body: spec.Body, submittedOn: spec.CommitID}
	for _, t := range spec.OnBehalfOf {
		v.teams = append(v.teams, t.t)
	}
	var err error
	p.do(func(s *Sim, x *pull) { err = s.addReview(x, v) })
	return &Review{p.s, p.p, v}, err
}

// Approve approves the head.
func (p *PullRequest) Approve(by Actor) *Review {
	return p.Review(ReviewSpec{By: by, State: "APPROVED"})
}

// RequestChanges asks for changes.
func (p *PullRequest) RequestChanges(by Actor, body string) *Review {
	return p.Review(ReviewSpec{By: by, State: "CHANGES_REQUESTED", Body: body})
}

// ID is the review's id.
func (v *Review) ID() int64 { return v.v.id }

// State is the review's state now, CommitID the commit that the API says it is on now.
func (v *Review) State() string {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return v.v.state
}

// CommitID is the commit that the API says the review is on now.
func (v *Review) CommitID() string {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return v.v.commitSHA
}

// Dismiss dismisses the review.
func (v *Review) Dismiss(by Actor, message string) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.s.dismissReview(v.p, v.v, by.actsAs(), message, "")
	v.s.settle(v.p.repo)
}

// Edit changes the review's text.
func (v *Review) Edit(by Actor, body string) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.s.editReview(v.p, v.v, by.actsAs(), body)
}

// Edit changes title and body.
func (p *PullRequest) Edit(by Actor, title, body string) {
	p.do(func(s *Sim, x *pull) { s.editPull(x, by.actsAs(), title, body) })
}

// Retarget changes the base branch.
func (p *PullRequest) Retarget(by Actor, base string) {
	p.do(func(s *Sim, x *pull) { s.retarget(x, by.actsAs(), base) })
}

// Draft makes it a draft, Ready ends that.
func (p *PullRequest) Draft(by Actor) {
	p.do(func(s *Sim, x *pull) { s.setDraft(x, by.actsAs(), true) })
}

// Ready marks a draft as ready for review.
func (p *PullRequest) Ready(by Actor) {
	p.do(func(s *Sim, x *pull) { s.setDraft(x, by.actsAs(), false) })
}

// Close closes without merging.
func (p *PullRequest) Close(by Actor) { p.do(func(s *Sim, x *pull) { s.closePull(x, by.actsAs()) }) }

// Reopen opens a closed one again.
func (p *PullRequest) Reopen(by Actor) {
	p.do(func(s *Sim, x *pull) { s.reopenPull(x, by.actsAs()) })
}

// Label adds a label, Unlabel takes it off.
func (p *PullRequest) Label(by Actor, name string) {
	p.do(func(s *Sim, x *pull) { s.setLabel(onPull(x), by.actsAs(), name, true) })
}

// Unlabel takes a label off.
func (p *PullRequest) Unlabel(by Actor, name string) {
	p.do(func(s *Sim, x *pull) { s.setLabel(onPull(x), by.actsAs(), name, false) })
}

// Assign assigns somebody, Unassign ends that.
func (p *PullRequest) Assign(by, who Actor) {
	p.do(func(s *Sim, x *pull) { s.setAssignee(onPull(x), by.actsAs(), who.actsAs(), true) })
}

// Unassign takes somebody off the assignees.
func (p *PullRequest) Unassign(by, who Actor) {
	p.do(func(s *Sim, x *pull) { s.setAssignee(onPull(x), by.actsAs(), who.actsAs(), false) })
}

// RequestReview asks somebody for a review.
func (p *PullRequest) RequestReview(by, who Actor) {
	p.do(func(s *Sim, x *pull) { s.requestReview(x, by.actsAs(), who.actsAs(), nil) })
}

// RequestTeamReview asks a team for a review.
func (p *PullRequest) RequestTeamReview(by Actor, t *Team) {
	p.do(func(s *Sim, x *pull) { s.requestReview(x, by.actsAs(), nil, t.t) })
}

// Comment comments on the conversation.
func (p *PullRequest) Comment(by Actor, body string) *Comment {
	return p.s.comment(onPull(p.p), by, body)
}

// Comments lists the comments on the conversation, oldest first.
func (p *PullRequest) Comments() []*Comment { return p.s.commentsOf(onPull(p.p)) }

// Labels are the names of its labels.
func (p *PullRequest) Labels() (names []string) {
	p.do(func(_ *Sim, x *pull) { names = onPull(x).labelNames() })
	return names
}

// Assignees are the logins of its assignees.
func (p *PullRequest) Assignees() (logins []string) {
	p.do(func(_ *Sim, x *pull) { logins = onPull(x).assigned() })
	return logins
}

// Lock lets only those with write access comment, and no App.
func (p *PullRequest) Lock(by Actor) {
	p.do(func(s *Sim, x *pull) {
		x.locked = true
		s.emitPull(x, "locked", by.actsAs(), nil)
	})
}

// Closes links issues that merging closes.
func (p *PullRequest) Closes(issues ...*Issue) {
	p.do(func(_ *Sim, x *pull) {
		for _, i := range issues {
			x.closes = append(x.closes, i.i)
		}
	})
}

// Blockers says, one sentence each, what keeps somebody without privileges from merging:
// GitHub's own gate.
func (p *PullRequest) Blockers() (list []string) {
	p.do(func(s *Sim, x *pull) { list = s.blockers(x, nil, "") })
	return list
}

// MergeState is GraphQL's mergeStateStatus: "CLEAN", "BLOCKED", "BEHIND", ….
func (p *PullRequest) MergeState() (state string) {
	p.do(func(s *Sim, x *pull) { state = s.mergeState(x) })
	return state
}

// Merge merges by "merge", "squash" or "rebase". The error names everything that blocks.
func (p *PullRequest) Merge(by Actor, method string) (err error) {
	p.do(func(s *Sim, x *pull) { err = s.mergePull(x, by.actsAs(), method) })
	return err
}

// EnableAutoMerge merges as soon as GitHub's gate opens.
func (p *PullRequest) EnableAutoMerge(by Actor, method string) {
	p.do(func(s *Sim, x *pull) { s.enableAutoMerge(x, by.actsAs(), method) })
}

// DisableAutoMerge takes that back.
func (p *PullRequest) DisableAutoMerge(by Actor) {
	p.do(func(s *Sim, x *pull) { s.disableAutoMerge(x, by.actsAs(), "user_disabled") })
}

// Enqueue adds the pull request to the merge queue of its base.
func (p *PullRequest) Enqueue(by Actor) (err error) {
	p.do(func(s *Sim, x *pull) {
		if err = s.enqueue(x, by.actsAs()); err == nil {
			s.advance(x.repo, x.repo.queues[x.baseRef])
		}
	})
	return err
}

// Dequeue takes it out of the merge queue.
func (p *PullRequest) Dequeue(by Actor) {
	p.do(func(s *Sim, x *pull) { s.dequeue(x, "manual", by.actsAs()) })
}

// SlowQueue has the merge queue that the pull request is in not notice pushes to it.
func (p *PullRequest) SlowQueue() {
	p.do(func(s *Sim, x *pull) { x.repo.queues[x.baseRef].slow = true })
}

// GroupSHA is the commit of the pull request's merge group, "" when it is not queued.
func (p *PullRequest) GroupSHA() (sha string) {
	p.do(func(_ *Sim, x *pull) {
		if x.queued != nil {
			sha = x.queued.headSHA
		}
	})
	return sha
}

// Heads lists every head that the pull request had, oldest first.
func (p *PullRequest) Heads() (list []string) {
	p.do(func(_ *Sim, x *pull) { list = slices.Clone(x.heads) })
	return list
}
