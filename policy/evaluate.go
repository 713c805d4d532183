package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Engine names the revision of the evaluation as a whole. It changes with every change
// that can change a decision about facts that were recorded before.
const Engine = "countersign/1"

// Evaluate decides on one change, from its policy, the agent catalogue and the facts,
// and from nothing else: the same arguments always give the same decision.
//
// Each rule yields an outcome; the verdict is the worst of them:
//
//   - a policy of which a layer cannot be used: repair,
//   - a rule that failed because a fact is missing or truncated: undecided,
//   - any other rule that failed: fail,
//   - a rule that waits for a person or for a validation: waiting,
//   - else pass.
//
// A draft waits, whatever the rules say, because it cannot be merged. What is not known
// never passes: a nil argument, facts of a newer format, a base branch that is in no
// lane, and a list that is not whole all end in something else than pass.
func Evaluate(p *Policy, cat *Catalogue, f *Facts) Decision {
	if p == nil || cat == nil || f == nil {
		return unusable(Subject{}, "the policy, the agent catalogue or the facts are missing")
	}
	subject := Subject{
		RepositoryID: f.Repository.ID, Repository: f.Repository.Name, Number: f.Change.Number,
		HeadSHA: f.Change.HeadSHA, BaseRef: f.Change.BaseRef, GoverningRef: f.Change.GoverningRef,
	}
	e, enrolled := p.Lane(f.Change.GoverningRef)
	if enrolled {
		subject.Mode, subject.Lane, subject.CheckName = e.Mode, e.Lane, e.CheckName
	}
	switch {
	case f.V != FactsVersion:
		return unusable(subject, fmt.Sprintf("the facts are of version %d, and this program reads version %d", f.V, FactsVersion))
	case f.Repository.ID == 0 || f.Repository.Name == "" || f.Change.Number == 0:
		return unusable(subject, "the facts do not say which pull request they are about")
	case f.Change.HeadSHA == "" || f.Change.BaseRef == "" || f.Change.GoverningRef == "":
		return unusable(subject, "the facts do not say which commit is judged, or by the rules of which branch")
	case f.EvaluatedAt.IsZero():
		return unusable(subject, "the facts do not say when they are judged")
	case !enrolled:
		return unusable(subject, fmt.Sprintf("the policy does not enrol the branch %s", f.Change.GoverningRef))
	}
	j := newJudgement(p, cat, f, e)
	return j.decide(subject.decision())
}

// unusable is the decision about facts that no rule can be applied to.
func unusable(s Subject, cause string) Decision {
	d := Undecided(s, cause, true)
	d.Title = "Could not decide: " + cause
	return d
}

// judgement is what several rules need, worked out once.
type judgement struct {
	p    *Policy
	cat  *Catalogue
	f    *Facts
	lane Enrolment
	who  Authorship
	last *Push // see lastPush

	tested tested
	// attested says whose word the protection of the branch rests on; recheckAt is when the
	// first of them lapses.
	attested []string
	// emergency is the declaration that stands, refused are those that do not; released is
	// true when something rests on it.
	emergency *EmergencyResult
	refused   []string
	released  bool
	recheckAt time.Time
	clock     *ReviewClock // see timely; nil: none runs
	confirm   string       // see confirmAsked
	reviews   []judgedReview
	checks    []judgedCheck
	ruleVars  *ruleFacts // see ruleFacts; nil: not worked out yet
	needs     []pathNeed // see pathNeeds; nil: not worked out yet
	// proposed is the policy that the change brings, or unusable what is wrong with it: see read.
	proposed *Policy
	unusable []Annotation
}

// tested is the commit whose validations count, with those: the head, or the commit of the
// merge group that it is in.
type tested struct {
	sha  string
	runs List[Validation]
	// since is when the commit was first heard of; zero: not known.
	since time.Time
	// group is true for the commit of a merge group, whose workflows are those of the base
	// with the changes of its members, each of which is judged.
	group bool
}

func newJudgement(p *Policy, cat *Catalogue, f *Facts, lane Enrolment) *judgement {
	return newJudgementOf(p, cat, f, lane, tested{sha: f.Change.HeadSHA, runs: f.Validations, since: f.whenHeadSeen()})
}

func newJudgementOf(p *Policy, cat *Catalogue, f *Facts, lane Enrolment, at tested) *judgement {
	j := &judgement{p: p, cat: cat, f: f, lane: lane, who: AuthorshipOf(cat, f), tested: at}
	j.proposed, j.unusable = f.Proposed.read()
	j.confirm = j.confirmAsked()
	j.reviews = j.judgeReviews()
	j.judgeEmergency()
	for _, s := range j.soughtValidations() {
		j.checks = append(j.checks, j.judgeCheck(s))
	}
	return j
}

// ruling is a rule's result with what a title would say of it.
type ruling struct {
	RuleResult
	title string
	// owner is true when it waits for the approval of an owner.
	owner bool
	// unread is true when it fails only because something could not be read.
	unread bool
	// causes are why nothing could be decided.
	causes []string
}

// decide applies the rules to an empty decision.
func (j *judgement) decide(d Decision) Decision {
	rulings := []ruling{
		j.exempt(j.humanReview()), j.exempt(j.freshReview()), j.branchProtection(), j.policyIntegrity(),
		j.validated(), j.independentValidation(), j.agentIdentity(),
	}
	if asked, ok := j.authorised(); ok {
		rulings = append(rulings, asked)
	}
	rulings = append(rulings, j.customRules()...)
	if clocked, ok := j.timely(); ok {
		rulings = append(rulings, j.exempt(clocked))
	}
	d.ReviewClock = j.clock
	for _, r := range rulings {
		d.Rules = append(d.Rules, r.RuleResult)
	}
	d.Authorship = j.who
	d.Visibility = j.f.Repository.Visibility
	d.Approvers = j.approvers(rulings)
	d.Confirm = j.confirm
	d.Reviews = slices.Grow(d.Reviews, len(j.reviews))
	for _, r := range j.reviews {
		d.Reviews = append(d.Reviews, ReviewResult{
			ID: r.review.ID, Actor: r.review.Actor, State: r.review.State, Counted: r.counts(), Blocks: r.blocks, Why: r.why, Confirmed: r.confirmedAt,
		})
	}
	for _, c := range j.checks {
		d.Validations = append(d.Validations, c.ValidationResult)
		if at := c.recheckAt; !at.IsZero() && (d.RecheckAt.IsZero() || at.Before(d.RecheckAt)) {
			d.RecheckAt = at
		}
	}
	if at := j.recheckAt; !at.IsZero() && (d.RecheckAt.IsZero() || at.Before(d.RecheckAt)) {
		d.RecheckAt = at
	}
	d.Verdict, d.Title, d.Cause = verdict(rulings)
	d.EmergencyNotes, d.Impostors = j.refused, j.impostors()
	if j.released {
		d.Emergency = j.emergency
		if d.Title == titlePass {
			d.Title = j.emergency.title()
		}
	}
	if j.f.Change.Draft {
		d.Verdict, d.Cause = VerdictWaiting, ""
		if d.Title == titlePass {
			d.Title = "Mark it as ready for review: everything else holds"
		}
		d.Title = "Draft: " + d.Title
	}
	j.judgeProposal(&d)
	if j.f.Broken != nil {
		// The rules were those of the last policy that could be used: they tell what else is
		// missing, and never that nothing is.
		d.repair(*j.f.Broken)
	}
	return d
}

const titlePass = "Everything holds"

// verdict is the worst of the rules, with the one thing to do next. Titles prefer what
// the author or a reviewer can do to what only an administrator can.
func verdict(rulings []ruling) (v Verdict, title, cause string) {
	var unknown, failed, pending []ruling
	for _, r := range rulings {
		switch r.Outcome {
		case OutcomePass, OutcomeExempt, OutcomeNotApplicable:
		case OutcomePending:
			pending = append(pending, r)
		case OutcomeFail:
			if r.Unknown {
				unknown = append(unknown, r)
				continue
			}
			failed = append(failed, r)
		default:
			unknown = append(unknown, r)
		}
	}
	switch {
	case len(unknown) > 0:
		var causes []string
		for _, r := range unknown {
			causes = append(causes, r.causes...)
		}
		return VerdictUndecided, "Could not decide: " + first(unknown).title, strings.Join(unique(causes), " ")
	case len(failed) > 0:
		return VerdictFail, more(first(failed).title, len(failed)-1), ""
	case len(pending) > 0:
		return VerdictWaiting, first(pending).title, ""
	}
	return VerdictPass, titlePass, ""
}

// first is the ruling that the title tells.
func first(rulings []ruling) ruling {
	for _, rule := range []string{RuleHumanReview, RuleFreshReview, RulePolicyIntegrity, RuleValidated, RuleIndependentValidation, RuleAgentIdentity, RuleAuthorised, RuleTimely} {
		for _, r := range rulings {
			if r.Rule == rule {
				return r
			}
		}
	}
	return rulings[0]
}

// more adds to a title how much else does not hold.
func more(title string, n int) string {
	if n == 0 {
		return title
	}
	return fmt.Sprintf("%s (and %s)", title, count(n, "other problem"))
}

// incomplete says why a list is not whole, "" when it is. What names it, in the plural.
func incomplete[T any](l List[T], what string) string {
	switch {
	case l.Complete:
		return ""
	case l.Why != "":
		return fmt.Sprintf("The list of %s is not whole: %s.", what, strings.TrimSuffix(l.Why, "."))
	case len(l.Items) > 0:
		return fmt.Sprintf("GitHub holds more than %d %s.", len(l.Items), what)
	}
	return fmt.Sprintf("The %s could not be read.", what)
}

// undecidable is the result of a rule whose facts are missing.
func undecidable(r RuleResult, causes []string, title string) ruling {
	r.Outcome, r.Unknown, r.Reason = OutcomeFail, true, strings.Join(causes, " ")
	if r.Remedy == "" {
		r.Remedy = "It is tried again with the next event. A change that is too large for GitHub to tell of whole must be split; anything else is for an administrator."
	}
	return ruling{RuleResult: r, title: title, causes: causes}
}
