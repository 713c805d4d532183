package policy

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// RuleTimely says, where the policy asks for it: what an agent wrote got a first review by an
// independent human in time.
//
// The clock starts when a delivery shows the pull request ready for review, and again when it
// is made a draft or closed in between. What stops it is a review of any state: somebody
// looked. Its time is that of our receipt, by the same clock as the beginning; only where no
// delivery reached us it is GitHub's own.
//
// The rule never holds what is approved: an approval stops the clock as well. Being late is
// not made good by holding the change for ever; it is an exception that stays on record.
const (
	RuleTimely     = "timely"
	revisionTimely = 1
)

// SLARules say how soon people do their part.
type SLARules struct {
	// AgentReview is how soon after it is ready a change with the traces of an agent gets its
	// first review by an independent human.
	AgentReview Span `json:"agent_review" jsonschema:"required,type=string" jsonschema_description:"How soon a change with the traces of an AI agent gets its first review by an independent human, for example 24h."`
}

// ReviewClock is the time within which a change is to get its first human review.
//
// Field names and order are part of the evidence format; add, never change.
type ReviewClock struct {
	ReadyAt time.Time `json:"ready_at"`
	DueAt   time.Time `json:"due_at"`
	// By and At are the first review by an independent human; zero: none yet.
	By Actor     `json:"by,omitzero"`
	At time.Time `json:"at,omitzero"`
	// Late is true when there was none before DueAt.
	Late bool `json:"late,omitempty"`
}

func (j *judgement) timely() (ruling, bool) {
	if j.p.SLA == nil {
		return ruling{}, false
	}
	r := RuleResult{
		Rule: RuleTimely, Revision: revisionTimely, Control: "PI1.2", Outcome: OutcomeNotApplicable,
		Facts: []string{"change.ready_at", "change.draft", "reviews", "evaluated_at"},
	}
	within, clock := j.p.SLA.AgentReview, &ReviewClock{ReadyAt: j.f.Change.ReadyAt}
	switch {
	case j.who.Class != ClassAgent && j.who.Class != ClassAssisted:
		r.Reason = "It is asked of changes with the traces of an AI agent."
	case j.f.Change.Draft:
		r.Reason = "The clock does not run while the pull request is a draft."
	case clock.ReadyAt.IsZero():
		r.Reason = "No delivery said since when the pull request is ready for review, so there is no clock to hold it to."
	default:
		clock.DueAt = clock.ReadyAt.Add(time.Duration(within))
		j.readClock(&r, clock, within)
	}
	title := ""
	if r.Outcome == OutcomePending {
		title = "Needs a first review by somebody who did not write or request it, by " + WhenUTC(clock.DueAt)
	}
	return ruling{RuleResult: r, title: title}, true
}

// readClock fills in what a running clock shows.
func (j *judgement) readClock(r *RuleResult, clock *ReviewClock, within Span) {
	clock.By, clock.At = j.firstReview()
	reviewed, now := !clock.At.IsZero(), j.f.EvaluatedAt
	due := WhenUTC(clock.DueAt)
	switch {
	case reviewed && clock.At.Before(clock.DueAt):
		r.Outcome = OutcomePass
		r.Reason = fmt.Sprintf("%s gave the first review at %s, within %s.", orSomebody(clock.By.Login), WhenUTC(clock.At), within)
	case !reviewed && !j.f.Reviews.Complete:
		r.Reason = "Whether somebody reviewed it in time is not known. " + incomplete(j.f.Reviews, "reviews")
		return
	case reviewed:
		clock.Late, r.Outcome = true, OutcomeExempt
		r.Reason = fmt.Sprintf("Late: %s gave the first review at %s, and it was due by %s. That stays on record; it does not hold the change.", orSomebody(clock.By.Login), WhenUTC(clock.At), due)
	case now.Before(clock.DueAt):
		j.lookAgain(clock.DueAt)
		r.Outcome = OutcomePending
		r.Reason = "It needs a first review by " + due + "."
		r.Remedy = "Somebody who did not write or request it reviews it; a comment in a review is enough for this rule."
	case j.emergency != nil:
		r.Outcome = OutcomePending // which the emergency exempts while it stands
		r.Reason = "It needed a first review by " + due + "."
	default:
		clock.Late, r.Outcome = true, OutcomeExempt
		r.Reason = "Late: nobody reviewed it by " + due + ". " + j.lateOnRecord() + " It does not hold the change by itself."
		r.Remedy = "Somebody who did not write or request it reviews it."
	}
	j.clock = clock
}

// lateOnRecord says what becomes of a change that nobody reviewed in time: an exception, and
// only on an enforced branch.
func (j *judgement) lateOnRecord() string {
	if j.lane.Mode == ModeEnforce {
		return "That is on record as an exception."
	}
	return "It is no exception, because this branch is only reported on."
}

// firstReview is the first review by an independent human, and when it was given.
func (j *judgement) firstReview() (by Actor, at time.Time) {
	for i := range j.f.Reviews.Items {
		review := &j.f.Reviews.Items[i]
		if is, _ := j.independent(review.Actor); is != yes || review.State == reviewPending {
			continue
		}
		given := review.SubmittedAt
		if got := review.Received; got != nil {
			given = got.ReceivedAt
		}
		if given.IsZero() || given.After(j.f.EvaluatedAt) {
			continue
		}
		if at.IsZero() || given.Before(at) || given.Equal(at) && review.Actor.ID < by.ID {
			by, at = review.Actor, given
		}
	}
	return by, at
}

// lookAgain asks for another evaluation at a time, unless one is asked for earlier.
func (j *judgement) lookAgain(at time.Time) {
	if j.recheckAt.IsZero() || at.Before(j.recheckAt) {
		j.recheckAt = at
	}
}

// WhenUTC is a time for people, to the minute.
func WhenUTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (r *policyReader) sla(n *yaml.Node) *SLARules {
	if n == nil {
		return nil
	}
	m := r.mapping(n, "sla", "agent_review")
	if m == nil {
		return nil
	}
	r.required(n, m, "sla", "agent_review")
	return &SLARules{AgentReview: r.span(m["agent_review"], "sla.agent_review", maxSpan, maxSpan)}
}
