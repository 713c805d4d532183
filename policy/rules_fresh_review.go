package policy

import "fmt"

// RuleFreshReview says: as many of the approvals that human-review accepts as are
// needed were given for the newest commit.
//
// What counts is the review's delivery when it came in: it names the commit that was
// reviewed and the newest commit at that moment, and both must be the head. It names the
// branch that the pull request targeted, too, which must be the same: against another one
// the same commit changes something else. GitHub changes the commit of a review
// afterwards, and dates in git are written by whoever makes the commit, so neither is
// looked at. A review whose delivery never reached us is for a commit that is not known.
//
// Where review.confirm asks for it, whoever approved has also confirmed the commit, signed in, on
// the page of the change: an approval can be given with a token that somebody else holds.
const (
	RuleFreshReview     = "fresh-review"
	revisionFreshReview = 1
)

func (j *judgement) freshReview() ruling {
	r := RuleResult{
		Rule: RuleFreshReview, Revision: revisionFreshReview, Control: "CC8.1",
		Facts: []string{"reviews", "change.head_sha"},
	}
	if len(j.p.Paths) > 0 {
		r.Facts = append(r.Facts, "files", "change.labels")
	}
	if len(j.p.Review.Confirm) > 0 {
		r.Facts = append(r.Facts, "confirmations")
	}
	if why := j.peopleUnknown(); len(why) > 0 {
		return undecidable(r, why, "who wrote or reviewed this could not all be read")
	}
	if why := j.pathsUnknown(); len(why) > 0 {
		return undecidable(r, why, "which approvals this change needs is not known")
	}
	required, _ := j.requiredApprovals()
	if required == 0 {
		r.Outcome, r.Reason = OutcomeNotApplicable, "The policy asks for no approval of a change like this."
		return ruling{RuleResult: r}
	}
	have := j.counted()
	if have >= required {
		if missing, ok := j.teamsRuling(r, true); ok {
			return missing
		}
		r.Outcome = OutcomePass
		r.Reason = fmt.Sprintf("%s of the newest commit, %s.", count(have, "counted approval"), shortSHA(j.f.Change.HeadSHA))
		if j.confirm != "" {
			r.Reason += " Those who gave them confirmed it in a session, which is asked because " + j.confirm + "."
		}
		return ruling{RuleResult: r}
	}
	var stale []string
	for _, review := range j.reviews {
		if review.approves() && !review.fresh {
			stale = append(stale, fmt.Sprintf("%s (%s)", orSomebody(review.review.Actor.Login), review.why))
		}
	}
	r.Outcome = OutcomePending
	r.Reason = fmt.Sprintf("%d of %s for the newest commit, %s.", have, count(required, "needed approval"), shortSHA(j.f.Change.HeadSHA))
	r.Remedy = "An approval of the newest commit is needed."
	title := j.approvalTitle(required)
	names := j.unconfirmed()
	if len(names) > 0 {
		r.Reason += fmt.Sprintf(" Approved and not confirmed: %s. Approvals of this change are confirmed in a session, because %s.", listed(names, 5), j.confirm)
	}
	switch {
	case len(names) > 0 && have+len(names) >= required:
		r.Remedy = "Those who approved open the page of this change (Details), sign in with GitHub, and confirm the commit."
		title = confirmTitle(names)
	case len(stale) > 0:
		r.Reason += " Not for it: " + listed(stale, 5) + "."
		r.Remedy = "Those who approved look at what is new and approve again."
		title = fmt.Sprintf("Needs %s of the newest commit: earlier ones do not cover it", count(max(1, required-have), "approval"))
	}
	return ruling{RuleResult: r, title: title}
}
