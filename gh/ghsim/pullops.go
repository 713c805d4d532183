package ghsim

import (
	"fmt"
	"slices"
)

// openPull opens a pull request. The caller has checked that head and base exist.
func (s *Sim) openPull(r *repo, p *pull) *pull {
	r.nextNumber++
	p.id, p.number, p.repo = s.nextID(), r.nextNumber, r
	p.state = "open"
	if p.headRepo == nil {
		p.headRepo = r
	}
	p.headSHA = p.headRepo.branch(p.headRef)
	p.heads = []string{p.headSHA}
	p.baseSHA = r.branch(p.baseRef)
	p.createdAt = s.now()
	p.updatedAt = p.createdAt
	r.pulls = append(r.pulls, p)
	s.emitPull(p, "opened", p.author, nil)
	return p
}

// pull returns the pull request with the number, nil when there is none.
func (r *repo) pull(number int) *pull {
	for _, p := range r.pulls {
		if p.number == number {
			return p
		}
	}
	return nil
}

func (s *Sim) closePull(p *pull, by *account) {
	if p.state == "closed" {
		return
	}
	s.dequeue(p, "closed", by)
	p.state, p.closedAt = "closed", s.now()
	p.updatedAt = p.closedAt
	s.note(p, timelineEvent{kind: "ClosedEvent", actor: by})
	s.emitPull(p, "closed", by, nil)
}

func (s *Sim) reopenPull(p *pull, by *account) {
	if p.state == "open" || p.merged {
		return
	}
	p.state, p.closedAt = "open", zeroTime
	p.updatedAt = s.now()
	s.note(p, timelineEvent{kind: "ReopenedEvent", actor: by})
	s.emitPull(p, "reopened", by, nil)
}

// editPull changes title and body.
func (s *Sim) editPull(p *pull, by *account, title, body string) {
	changes := obj{}
	if title != p.title {
		changes["title"] = obj{"from": p.title}
	}
	if body != p.body {
		changes["body"] = obj{"from": p.body}
	}
	p.title, p.body, p.editor, p.editedAt = title, body, by, s.now()
	p.updatedAt = p.editedAt
	s.emitPull(p, "edited", by, obj{"changes": changes})
}

// retarget changes the base branch of an open pull request.
func (s *Sim) retarget(p *pull, by *account, base string) {
	from, fromSHA := p.baseRef, p.baseSHA
	p.baseRef = base
	p.baseSHA = s.baseTip(p)
	p.updatedAt = s.now()
	s.note(p, timelineEvent{kind: "BaseRefChangedEvent", actor: by, before: from, after: base})
	s.emitPull(p, "edited", by, obj{"changes": obj{"base": obj{"ref": obj{"from": from}, "sha": obj{"from": fromSHA}}}})
}

func (s *Sim) setDraft(p *pull, by *account, draft bool) {
	if p.draft == draft {
		return
	}
	p.draft, p.updatedAt = draft, s.now()
	kind, action := "ReadyForReviewEvent", "ready_for_review"
	if draft {
		kind, action = "ConvertToDraftEvent", "converted_to_draft"
	}
	s.note(p, timelineEvent{kind: kind, actor: by})
	s.emitPull(p, action, by, nil)
}

func (s *Sim) requestReview(p *pull, by, who *account, t *team) {
	extra := obj{}
	if who != nil {
		p.requested = append(p.requested, who)
		extra["requested_reviewer"] = s.renderUser(who)
	} else {
		p.requestedTeams = append(p.requestedTeams, t)
		extra["requested_team"] = s.renderTeam(t)
	}
	p.updatedAt = s.now()
	s.note(p, timelineEvent{kind: "ReviewRequestedEvent", actor: by, subject: who, team: t})
	s.emitPull(p, "review_requested", by, extra)
}

// addReview submits a review on the head of the pull request.
func (s *Sim) addReview(p *pull, v *review) error {
	if v.author == p.author && (v.state == "APPROVED" || v.state == "CHANGES_REQUESTED") {
		return fmt.Errorf("%s can not review their own pull request", v.author.login)
	}
	if v.submittedOn == "" {
		v.submittedOn = p.headSHA
	}
	v.id, v.createdAt = s.nextID(), s.now()
	v.submittedAt, v.commitSHA = v.createdAt, v.submittedOn
	p.reviews = append(p.reviews, v)
	p.requested = slices.DeleteFunc(p.requested, func(a *account) bool { return a == v.author })
	p.updatedAt = v.createdAt
	s.emitReview(p, v, "submitted", v.author)
	s.settle(p.repo)
	return nil
}

// dismissReview dismisses a review; pushed is the commit whose push did it, "" for a person.
func (s *Sim) dismissReview(p *pull, v *review, by *account, message, pushed string) {
	previous := v.state
	v.state, v.dismissedBy, v.dismissal = "DISMISSED", by, message
	p.updatedAt = s.now()
	s.note(p, timelineEvent{kind: "ReviewDismissedEvent", actor: by, review: v, previous: previous, message: message, commit: pushed})
	s.emitReview(p, v, "dismissed", by)
}

func (s *Sim) editReview(p *pull, v *review, by *account, body string) {
	from := v.body
	v.body, v.editedAt = body, s.now()
	p.updatedAt = v.editedAt
	s.emit(event{name: "pull_request_review", action: "edited", repo: p.repo, sender: by, body: func() obj {
		return obj{"review": s.renderHookReview(p, v), "pull_request": s.renderSimplePull(nil, p), "changes": obj{"body": obj{"from": from}}}
	}})
}
