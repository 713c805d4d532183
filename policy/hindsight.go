package policy

import (
	"slices"
	"strings"
	"time"
)

// HindsightAnswer says what would have become of a pull request that nobody decided on.
type HindsightAnswer string

// The answers. None of them says that it would have passed: what only deliveries tell, nobody heard.
const (
	// HindsightHeld: a rule would have held it, also when all that is not known was in its favour.
	HindsightHeld HindsightAnswer = "held"
	// HindsightUnknown: whether a rule would have held it turns on what is not known.
	HindsightUnknown HindsightAnswer = "not-known"
	// HindsightNothing: in what GitHub still shows there is nothing that would have held it.
	HindsightNothing HindsightAnswer = "nothing-found"
)

// Hindsight is what can be said of a pull request that was merged without a decision.
type Hindsight struct {
	Answer HindsightAnswer
	Class  Class // empty: not known
	// Rules are those that would have held it, or of which that is not known.
	Rules []RuleResult
	// Cause is why nothing can be said, where no rule says it.
	Cause string
	// Untested: neither the policy nor the branch names a validation, and that was left aside.
	Untested bool
}

// InHindsight judges a pull request as it was when it was merged, from facts that were collected
// later and without deliveries.
//
// Only deliveries say for which commit a review was given, who pushed and who called an agent. So it
// judges twice: with a review taken for the commit that GitHub names today, and with everything that
// is not known in favour of the change. What does not hold even so is held. Branch protection is left
// aside: it is the branch's of today, and no change is to blame for it.
func InHindsight(p *Policy, cat *Catalogue, f *Facts, merged time.Time) Hindsight {
	return inHindsight(p, cat, f, merged, Decision.against)
}

// InHindsightByBeginning is InHindsight by Beginning, which names no validations and leaves them to the
// branch. Where that requires none either, nothing can be said of tests, and no change is to blame for it.
func InHindsightByBeginning(p *Policy, cat *Catalogue, f *Facts, merged time.Time) Hindsight {
	untested := false
	h := inHindsight(p, cat, f, merged, func(d Decision) (held, open []RuleResult) {
		held, open = d.against()
		if untested = d.untested(); untested {
			held = slices.DeleteFunc(held, func(r RuleResult) bool { return r.Rule == RuleValidated })
		}
		return held, open
	})
	h.Untested = untested
	return h
}

// untested says whether it is known that no validation was to be looked for.
func (d Decision) untested() bool {
	return len(d.Validations) == 0 && slices.ContainsFunc(d.Rules, func(r RuleResult) bool { return r.Rule == RuleValidated && r.Outcome == OutcomeFail && !r.Unknown })
}

// inHindsight judges by the rules that are against a change.
func inHindsight(p *Policy, cat *Catalogue, f *Facts, merged time.Time, against func(Decision) (held, open []RuleResult)) Hindsight {
	if p == nil || cat == nil || f == nil || merged.IsZero() {
		return Hindsight{Answer: HindsightUnknown, Cause: "When it was merged is not known."}
	}
	who := AuthorshipOf(cat, f)
	out := Hindsight{Answer: HindsightUnknown, Class: who.Class}
	if who.Class == ClassUndetected && !f.Commits.Complete {
		out.Class = "" // what was not read may have indicators
	}
	if f.Change.State != "merged" {
		out.Cause = "GitHub does not show it as merged any more."
		return out
	}
	// Comments that call an agent are deliveries too, so that nobody knows who asked says nothing.
	none, lenient := 0, *p
	lenient.Review.UnknownInitiator = &none
	shown := f.asMerged(merged)
	shown.hear()
	likely := Evaluate(&lenient, cat, &shown)
	shown.favour()
	best := Evaluate(&lenient, cat, &shown)
	if held, _ := against(best); len(held) > 0 {
		out.Answer, out.Rules = HindsightHeld, held
		return out
	}
	held, open := against(likely)
	if out.Rules = append(held, open...); len(out.Rules) > 0 {
		return out
	}
	if _, open = against(best); len(open) > 0 {
		out.Rules = open
		return out
	}
	if out.Cause = likely.Cause; len(likely.Rules) == 0 || f.Broken != nil {
		return out
	}
	out.Answer, out.Cause = HindsightNothing, ""
	return out
}

// against are the rules that do not hold: those that hold the change, and those of which that is not
// known.
func (d Decision) against() (held, open []RuleResult) {
	for _, r := range d.Rules {
		switch {
		case r.Rule == RuleBranchProtection:
		case r.Outcome == OutcomeFail && r.Unknown:
			open = append(open, r)
		case r.Outcome == OutcomeFail, r.Outcome == OutcomePending:
			held = append(held, r)
		}
	}
	return held, open
}

// asMerged are the facts without what came after the merge. The lists that are changed are its own.
func (f *Facts) asMerged(merged time.Time) Facts {
	out := *f
	out.EvaluatedAt, out.Change.Draft = merged, false
	out.Reviews.Items = slices.DeleteFunc(slices.Clone(f.Reviews.Items), func(r Review) bool { return r.SubmittedAt.After(merged) })
	out.Validations.Items = slices.DeleteFunc(slices.Clone(f.Validations.Items), func(v Validation) bool { return v.StartedAt.After(merged) })
	for i := range out.Validations.Items {
		if v := &out.Validations.Items[i]; v.CompletedAt.After(merged) {
			v.Status, v.Conclusion, v.CompletedAt = "in_progress", "", time.Time{}
		}
	}
	return out
}

// hear takes for received what GitHub shows today: reviews for the commit that they have now, and one
// push, by whoever opened the pull request. That one is behind it anyway.
func (f *Facts) hear() {
	for i := range f.Reviews.Items {
		if r := &f.Reviews.Items[i]; r.CommitSHA == f.Change.HeadSHA {
			r.receive(f.Change.HeadSHA)
		}
	}
	by := f.Change.Author
	if by.ID == 0 {
		by.ID = nobody
	}
	f.Pushes = []Push{{ReceivedAt: f.Change.CreatedAt, Before: strings.Repeat("0", 40), After: f.Change.HeadSHA, Pusher: by}}
}

// nobody is an id that no account has.
const nobody = -1

func (r *Review) receive(head string) {
	state := r.State
	if state == reviewDismissed {
		state = r.DismissedState
	}
	r.Received = &ReviewReceipt{ReceivedAt: r.SubmittedAt, State: state, CommitSHA: head, HeadSHA: head}
}

// favour takes for good what is not known: that a review of an earlier commit covers the head, that
// an approval was dismissed after the merge, that whoever has no access today had it, that a
// workflow which the change leaves alone was that of the branch, and that reviewers would have
// confirmed what they approved.
func (f *Facts) favour() {
	f.Teams = slices.Clone(f.Teams)
	for i := range f.Reviews.Items {
		r := &f.Reviews.Items[i]
		if r.State == reviewDismissed && r.DismissedState == reviewApproved {
			r.State = reviewApproved
		}
		if r.State != reviewApproved {
			continue
		}
		r.receive(f.Change.HeadSHA)
		if r.gone() {
			f.bringBack(r)
		}
		f.Confirmations = append(slices.Clip(f.Confirmations), Confirmation{By: r.Actor, CommitSHA: f.Change.HeadSHA, BaseRef: f.Change.BaseRef, HeadSHA: f.Change.HeadSHA, ReceivedAt: f.EvaluatedAt})
	}
	f.Workflows = slices.Clone(f.Workflows)
	for i := range f.Workflows {
		if w := &f.Workflows[i]; f.Files.Complete && !f.touches(w.Path) {
			w.BaseBlob = w.HeadBlob
		}
	}
}

// gone says whether the reviewer has no access today: what access they had is not known.
func (r *Review) gone() bool {
	return r.Actor.Type == TypeGhost || r.Actor.Type == TypeUser && (r.Permission == "" || r.Permission == "none")
}

// bringBack gives a reviewer every role, in every team.
func (f *Facts) bringBack(r *Review) {
	if r.Actor.ID == 0 {
		r.Actor.ID = -r.ID // an account of its own
	}
	r.Actor.Type, r.Permission, r.PermissionThen = TypeUser, "admin", "admin"
	for i := range f.Teams {
		f.Teams[i].Members.Items = append(slices.Clone(f.Teams[i].Members.Items), r.Actor)
	}
}

func (f *Facts) touches(path string) bool {
	return slices.ContainsFunc(f.Files.Items, func(c File) bool { return c.Path == path || c.Previous == path })
}
