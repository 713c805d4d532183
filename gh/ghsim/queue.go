package ghsim

import (
	"fmt"
	"slices"
	"strings"
)

// enqueue adds a pull request to the merge queue of its base and builds its merge group.
// What the branch requires of the pull request itself must hold already.
func (s *Sim) enqueue(p *pull, by *account) error {
	q := s.requirementsFor(p.repo, p.governingBase(), by, true)
	if !q.queue {
		return fmt.Errorf("%w: the branch %s has no merge queue", errBlocked, p.baseRef)
	}
	if list := s.gateBlockers(p, q, p.headSHA); len(list) > 0 {
		return fmt.Errorf("%w: %s", errBlocked, strings.Join(list, "; "))
	}
	if p.queued != nil {
		return fmt.Errorf("%w: already in the queue", errBlocked)
	}
	queue := p.repo.queues[p.baseRef]
	if queue == nil {
		queue = &mergeQueue{branch: p.baseRef, method: q.queueMethod, headGreen: q.headGreen}
		p.repo.queues[p.baseRef] = queue
	}
	e := &queueEntry{id: s.nextID(), pull: p, enqueuer: by, enqueuedAt: s.now(), state: "AWAITING_CHECKS"}
	queue.entries = append(queue.entries, e)
	p.queued = e
	s.note(p, timelineEvent{kind: "AddedToMergeQueueEvent", actor: by})
	s.emitPull(p, "enqueued", by, nil)
	return s.buildGroup(p.repo, queue, e)
}

// buildGroup makes the commit that tests the entry on top of the entries before it.
func (s *Sim) buildGroup(r *repo, q *mergeQueue, e *queueEntry) error {
	e.baseSHA = r.branch(q.branch)
	for _, before := range q.entries {
		if before == e {
			break
		}
		e.baseSHA = before.headSHA
	}
	sha, err := s.makeMerge(e.pull, e.baseSHA, e.enqueuer, strings.ToLower(q.method))
	if err != nil {
		s.dequeue(e.pull, "merge_conflict", s.account("github-merge-queue[bot]"))
		return err
	}
	e.headSHA, e.state = sha, "AWAITING_CHECKS"
	e.headRef = fmt.Sprintf("refs/heads/gh-readonly-queue/%s/pr-%d-%s", q.branch, e.pull.number, e.baseSHA)
	s.moveRef(r, e.headRef, sha, s.account("github-merge-queue[bot]"), "")
	s.emitGroup(r, q, e, "checks_requested", "")
	return nil
}

// dequeue takes the pull request out of its queue, if it is in one, and rebuilds the
// groups behind it.
func (s *Sim) dequeue(p *pull, reason string, by *account) {
	e := p.queued
	if e == nil {
		return
	}
	q := p.repo.queues[p.baseRef]
	p.queued = nil
	at := slices.Index(q.entries, e)
	q.entries = slices.Delete(q.entries, at, at+1)
	s.note(p, timelineEvent{kind: "RemovedFromMergeQueueEvent", actor: by, message: reason, commit: e.headSHA})
	s.emitPull(p, "dequeued", by, obj{"reason": strings.ToUpper(reason)})
	s.dropGroup(p.repo, q, e, "dequeued")
	for _, behind := range slices.Clone(q.entries[at:]) {
		s.dropGroup(p.repo, q, behind, "invalidated")
		_ = s.buildGroup(p.repo, q, behind) // a conflict has taken the entry out of the queue already
	}
}

func (s *Sim) dropGroup(r *repo, q *mergeQueue, e *queueEntry, reason string) {
	if e.headRef == "" {
		return
	}
	s.emitGroup(r, q, e, "destroyed", reason)
	s.moveRef(r, e.headRef, "", s.account("github-merge-queue[bot]"), "")
	e.headRef = ""
}

// advance merges the groups at the front of the queue whose checks have passed, and takes
// out an entry whose required check failed.
func (s *Sim) advance(r *repo, q *mergeQueue) {
	if q.headGreen {
		s.advanceHeads(r, q)
		return
	}
	for len(q.entries) > 0 {
		e := q.entries[0]
		switch s.groupState(r, q, e) {
		case "failure":
			e.state = "UNMERGEABLE"
			s.dequeue(e.pull, "ci_failure", s.account("github-merge-queue[bot]"))
		case "success":
			s.mergeGroups(r, q, 1)
		default:
			return
		}
	}
}

// advanceHeads merges everything up to the last group whose checks have passed, whatever those
// before it say, and takes out the entries at the front that failed and that none speaks for.
func (s *Sim) advanceHeads(r *repo, q *mergeQueue) {
	for i := len(q.entries) - 1; i >= 0; i-- {
		if s.groupState(r, q, q.entries[i]) == "success" {
			s.mergeGroups(r, q, i+1)
			break
		}
	}
	if n := len(q.entries); n > 0 && s.groupState(r, q, q.entries[n-1]) == "failure" {
		e := q.entries[n-1]
		e.state = "UNMERGEABLE"
		s.dequeue(e.pull, "ci_failure", s.account("github-merge-queue[bot]"))
	}
}

// groupState is the worst state of the required checks on the group's commit. A branch
// that requires no check merges at once.
func (s *Sim) groupState(r *repo, q *mergeQueue, e *queueEntry) string {
	if e.headSHA == "" {
		return "pending"
	}
	worst := "success"
	for _, c := range s.requirementsFor(r, q.branch, e.enqueuer, true).checks {
		switch r.checkState(e.headSHA, c) {
		case "failure":
			return "failure"
		case "pending", "expected":
			worst = "pending"
		}
	}
	return worst
}

// mergeGroups merges the first n groups of the queue, and moves the branch once.
func (s *Sim) mergeGroups(r *repo, q *mergeQueue, n int) {
	merged := slices.Clone(q.entries[:n])
	q.entries = q.entries[n:]
	for _, e := range merged {
		p := e.pull
		p.queued = nil
		p.baseSHA = e.baseSHA
		s.dropGroup(r, q, e, "merged")
		s.markMerged(p, e.enqueuer, e.headSHA)
	}
	s.moveRef(r, "refs/heads/"+q.branch, merged[n-1].headSHA, s.account("github-merge-queue[bot]"), "merge_queue_merge")
}
