package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// GroupFacts is everything that a rule may look at about one merge group: the commit that a
// merge queue made to test what it is about to merge, and the pull requests that it is made of.
//
// Field names and order are part of the evidence format; add, never change.
type GroupFacts struct {
	// V is FactsVersion at the time of collection.
	V int `json:"v"`
	// Group is always true: it tells these facts from those of a pull request.
	Group       bool       `json:"group"`
	CollectedAt time.Time  `json:"collected_at"`
	EvaluatedAt time.Time  `json:"evaluated_at"`
	App         App        `json:"app"`
	Repository  Repository `json:"repository"`
	// HeadSHA is the group's commit; BaseRef the branch that it is to become the tip of.
	HeadSHA string `json:"head_sha"`
	BaseRef string `json:"base_ref"`
	// RequestedAt is when the group was first heard of; Deadline when the queue gives up
	// waiting for checks. Zero when not known.
	RequestedAt time.Time `json:"requested_at,omitzero"`
	Deadline    time.Time `json:"deadline,omitzero"`
	// Members are the pull requests that would be merged, in the order of the queue.
	Members List[GroupMember] `json:"members"`
	// Validations are those on the group's commit.
	Validations List[Validation] `json:"validations"`
	Sources     []Source         `json:"sources"`
}

// GroupMember is one pull request of a merge group.
type GroupMember struct {
	Number int `json:"number"`
	// HeadSHA is the head that was queued; empty where it is not known, and Why says why.
	HeadSHA string `json:"head_sha"`
	// Facts are those of the pull request as it is now. Nil: they could not be read, and Why
	// says why.
	Facts *Facts `json:"facts"`
	Why   string `json:"why,omitempty"`
}

// MemberResult says of one member of a merge group what was decided about it.
type MemberResult struct {
	Number  int     `json:"number"`
	HeadSHA string  `json:"head_sha"`
	Verdict Verdict `json:"verdict"`
	Title   string  `json:"title"`
}

const (
	// GroupMargin is how long before the queue gives up the decision must be told: a queue
	// that gives up says nothing about why.
	GroupMargin = 2 * time.Minute
	// ShortestQueueTimeout is what a queue waits at least, where its own setting is not known.
	// https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
	ShortestQueueTimeout = 5 * time.Minute
)

// EvaluateGroup decides on one merge group. Every member is judged by all rules at the head
// that was queued, with one difference: what validates it are the validations on the group's
// commit, which is what becomes the tip of the branch. The decision is the worst of the
// members'; a group whose members are not all known is undecided.
//
// A decision that would still wait shortly before the queue gives up is a failure.
func EvaluateGroup(p *Policy, cat *Catalogue, g *GroupFacts) Decision {
	if p == nil || cat == nil || g == nil {
		return unusable(Subject{}, "the policy, the agent catalogue or the facts are missing")
	}
	subject := Subject{
		RepositoryID: g.Repository.ID, Repository: g.Repository.Name, HeadSHA: g.HeadSHA, BaseRef: g.BaseRef, GoverningRef: g.BaseRef,
	}
	e, enrolled := p.Lane(g.BaseRef)
	if enrolled {
		subject.Mode, subject.Lane, subject.CheckName = e.Mode, e.Lane, e.CheckName
	}
	switch {
	case g.V != FactsVersion || !g.Group:
		return unusable(subject, fmt.Sprintf("the facts are of version %d, and this program reads version %d", g.V, FactsVersion))
	case g.Repository.ID == 0 || g.HeadSHA == "" || g.BaseRef == "" || g.EvaluatedAt.IsZero():
		return unusable(subject, "the facts do not say which merge group they are about, or when it is judged")
	case !enrolled:
		return unusable(subject, fmt.Sprintf("the policy does not enrol the branch %s", g.BaseRef))
	case !g.Members.Complete || len(g.Members.Items) == 0:
		return unusable(subject, "which pull requests the merge group is made of is not known"+orBecause(g.Members.Why))
	}
	d := subject.decision()
	d.Visibility = g.Repository.Visibility
	members := slices.Clone(g.Members.Items)
	slices.SortFunc(members, func(a, b GroupMember) int { return a.Number - b.Number })
	for i := range members {
		d.join(g.member(p, cat, e, &members[i]), &members[i])
	}
	g.meetDeadline(&d)
	return d
}

func orBecause(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// member decides on one member.
func (g *GroupFacts) member(p *Policy, cat *Catalogue, e Enrolment, m *GroupMember) Decision {
	subject := Subject{
		RepositoryID: g.Repository.ID, Repository: g.Repository.Name, Number: m.Number, HeadSHA: m.HeadSHA, BaseRef: g.BaseRef,
		GoverningRef: g.BaseRef, Mode: e.Mode, Lane: e.Lane, CheckName: e.CheckName,
	}
	f := m.Facts
	switch {
	case f == nil:
		return unusable(subject, "it could not be read"+orBecause(m.Why))
	case f.V != FactsVersion || f.Repository.ID != g.Repository.ID || f.Change.Number != m.Number:
		return unusable(subject, "the facts about it are of something else")
	case m.HeadSHA == "":
		return unusable(subject, "with which head it was queued is not known"+orBecause(m.Why))
	case f.Change.HeadSHA != m.HeadSHA:
		return unusable(subject, "it was pushed to since it was queued")
	case f.Change.State != "open":
		return unusable(subject, "it is not open any more")
	case f.Change.GoverningRef != g.BaseRef:
		return unusable(subject, "it does not go to "+g.BaseRef+" any more")
	}
	at := *f
	at.EvaluatedAt = g.EvaluatedAt
	j := newJudgementOf(p, cat, &at, e, tested{sha: g.HeadSHA, runs: g.Validations, since: g.RequestedAt, group: true})
	return j.decide(subject.decision())
}

// join makes the decision about a member part of the decision about its group. Rules that hold
// for all members are said once.
func (d *Decision) join(one Decision, m *GroupMember) {
	first := len(d.Members) == 0
	d.Members = append(d.Members, MemberResult{Number: m.Number, HeadSHA: m.HeadSHA, Verdict: one.Verdict, Title: one.Title})
	name := fmt.Sprintf("#%d", m.Number)
	if first || one.Rank() > d.Rank() {
		d.Verdict, d.Final, d.Cause, d.Authorship = one.Verdict, one.Final, one.Cause, one.Authorship
		if d.Title = one.Title; one.Verdict != VerdictPass {
			d.Title = name + ": " + one.Title
		}
		if one.Cause != "" {
			d.Cause = name + ": " + one.Cause
		}
	}
	for _, r := range one.Rules {
		i := slices.IndexFunc(d.Rules, func(have RuleResult) bool { return have.Rule == r.Rule })
		if i < 0 {
			if r.Outcome == OutcomeFail || r.Outcome == OutcomePending {
				r.Reason = name + ": " + r.Reason
			}
			d.Rules = append(d.Rules, r)
			continue
		}
		d.Rules[i] = worseOf(d.Rules[i], r, name)
	}
	for _, v := range one.Validations {
		if !slices.ContainsFunc(d.Validations, func(have ValidationResult) bool { return have.ID == v.ID }) {
			d.Validations = append(d.Validations, v)
		}
	}
	if at := one.RecheckAt; !at.IsZero() && (d.RecheckAt.IsZero() || at.Before(d.RecheckAt)) {
		d.RecheckAt = at
	}
}

// outcomeRank orders outcomes, the worst highest.
func outcomeRank(o Outcome, unknown bool) int {
	switch o {
	case OutcomeNotApplicable:
		return 0
	case OutcomePass:
		return 1
	case OutcomeExempt:
		return 2
	case OutcomePending:
		return 3
	}
	if unknown {
		return 5
	}
	return 4
}

// worseOf joins what one rule says of two members.
func worseOf(have, r RuleResult, name string) RuleResult {
	a, b := outcomeRank(have.Outcome, have.Unknown), outcomeRank(r.Outcome, r.Unknown)
	open := r.Outcome == OutcomeFail || r.Outcome == OutcomePending
	switch {
	case b > a:
		if open {
			r.Reason = name + ": " + r.Reason
		}
		return r
	case b == a && open && !strings.HasSuffix(have.Reason, r.Reason):
		have.Reason = shorten(have.Reason+" "+name+": "+r.Reason, 4*maxCell)
	}
	return have
}

// queueAgain says of what still waits that it comes too late for this group.
func (d *Decision) queueAgain() {
	for i := range d.Rules {
		switch r := &d.Rules[i]; {
		case r.Outcome != OutcomePending:
		case r.Rule == RuleValidated:
			r.Remedy = "It took longer than the queue waits: put the pull request into the merge queue again. Where that happens often, an administrator raises the queue's status check timeout."
		default:
			r.Remedy += " Then put the pull request into the merge queue again."
		}
	}
}

// meetDeadline turns what still waits into a failure when the queue is about to give up.
func (g *GroupFacts) meetDeadline(d *Decision) {
	if g.Deadline.IsZero() {
		return
	}
	last := g.Deadline.Add(-GroupMargin)
	switch {
	case d.Verdict != VerdictWaiting:
	case !g.EvaluatedAt.Before(last):
		d.Verdict, d.Final = VerdictFail, true
		d.Title = "The merge queue gives up waiting. " + d.Title
		d.RecheckAt = time.Time{}
		d.queueAgain()
	case d.RecheckAt.IsZero() || last.Before(d.RecheckAt):
		d.RecheckAt = last
	}
}
