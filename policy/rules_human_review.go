package policy

import (
	"fmt"
	"slices"
	"strings"
)

// RuleHumanReview says: as many independent people as the policy asks for approved the
// change, and none of them has asked for changes that still stand.
//
// Independent is an account of type User that is no agent or automation, is not among
// the people behind the change (author, commit authors, co-authors, committers,
// pushers), has not asked for it, did not push the newest commit, and has and had the
// role that the policy asks for, in the teams that it names. Only a person's latest
// approval, request for changes or dismissal counts; comments do not replace it.
//
// Nobody has approved yet is pending, also when there are approvals that do not count:
// they are listed with the reason. A request for changes fails the rule until its
// author approves or takes it back; dismissed by somebody behind the change it stands.
//
// The paths of the policy ask for more: for a number of approvals, and for members of teams
// among those who approve. They only add to the number for the class of authorship.
//
// Whether an approval was for the newest commit is the business of fresh-review.
const (
	RuleHumanReview     = "human-review"
	revisionHumanReview = 1
)

func (j *judgement) humanReview() ruling {
	r := RuleResult{
		Rule: RuleHumanReview, Revision: revisionHumanReview, Control: "CC8.1",
		Facts: []string{"reviews", "change.author", "commits", "pushes", "assignments", "teams"},
	}
	if len(j.p.Paths) > 0 {
		r.Facts = append(r.Facts, "files", "change.labels")
	}
	if why := j.peopleUnknown(); len(why) > 0 {
		return undecidable(r, why, "who wrote or reviewed this could not all be read")
	}
	if why := j.pathsUnknown(); len(why) > 0 {
		return undecidable(r, why, "which approvals this change needs is not known")
	}
	if blocked, ok := j.blocked(r); ok {
		return blocked
	}
	required, why := j.requiredApprovals()
	if required == 0 {
		r.Outcome, r.Reason = OutcomeNotApplicable, "The policy asks for no approval of a change like this."
		return ruling{RuleResult: r}
	}
	var names []string
	for _, review := range j.reviews {
		if review.approves() {
			names = append(names, orSomebody(review.review.Actor.Login))
		}
	}
	if len(names) >= required {
		if missing, ok := j.teamsRuling(r, false); ok {
			return missing
		}
		r.Outcome = OutcomePass
		r.Reason = strings.TrimSpace(fmt.Sprintf("%s by people who did not write or request this: %s. %s", count(len(names), "approval"), listed(names, 5), why))
		return ruling{RuleResult: r}
	}
	r.Outcome = OutcomePending
	r.Reason = strings.TrimSpace(fmt.Sprintf("%s needed, %d given by people who did not write or request this. %s%s", count(required, "approval"), len(names), why, j.seenAndNotCounted()))
	r.Remedy = "Ask somebody who did not write, push or request this change for a review."
	if missing, ok := j.teamsRuling(r, false); ok {
		r.Reason, r.Remedy = r.Reason+" "+missing.Reason, missing.Remedy
	}
	return ruling{RuleResult: r, title: j.approvalTitle(required)}
}

// peopleUnknown says which list is not whole that tells who is behind the change, or
// who reviewed it; none when all are.
func (j *judgement) peopleUnknown() (why []string) {
	for _, s := range []string{
		incomplete(j.f.Commits, "commits"), incomplete(j.f.Reviews, "reviews"), incomplete(j.f.Assignments, "assignments"),
	} {
		if s != "" {
			why = append(why, s)
		}
	}
	for i := range j.f.Commits.Items {
		if c := &j.f.Commits.Items[i]; !c.CoAuthorsComplete {
			why = append(why, fmt.Sprintf("The co-authors of commit %s could not all be read.", shortSHA(c.SHA)))
			break
		}
	}
	if len(j.f.Commits.Items) == 0 && j.f.Commits.Complete {
		why = append(why, "The pull request has no commits.")
	}
	if !j.authorKnown() {
		why = append(why, "GitHub did not say who opened the pull request.")
	}
	for _, name := range j.p.Review.From.Teams {
		if team := j.team(name); team == nil || !team.Members.Complete {
			why = append(why, fmt.Sprintf("The members of the team %s could not all be read.", name))
		}
	}
	return why
}

// blocked is the ruling when changes are requested.
func (j *judgement) blocked(r RuleResult) (ruling, bool) {
	var sure, maybe []string
	for _, review := range j.reviews {
		switch {
		case review.blockUnknown:
			maybe = append(maybe, orSomebody(review.review.Actor.Login)+": "+review.why)
		case review.blocks:
			sure = append(sure, orSomebody(review.review.Actor.Login)+": "+review.why)
		}
	}
	switch {
	case len(sure) > 0:
		r.Outcome = OutcomeFail
		r.Reason = "Changes were requested and that still stands. " + listed(sure, 5) + "."
		r.Remedy = "Settle it with the reviewer, who then approves or takes the review back."
		who, _, _ := strings.Cut(sure[0], ":")
		return ruling{RuleResult: r, title: fmt.Sprintf("Settle the changes that %s requested", who)}, true
	case len(maybe) > 0:
		r.Remedy = "The reviewer reviews again, so that their opinion is known."
		return undecidable(r, []string{"A review may ask for changes. " + listed(maybe, 5) + "."}, "whether changes were requested is not known"), true
	}
	return ruling{}, false
}

// requiredApprovals is how many approvals the change needs, and why more than usual.
func (j *judgement) requiredApprovals() (n int, why string) {
	review := j.p.Review
	n = 1
	switch j.who.Class {
	case ClassAgent:
		n = max(1, numberOr(review.Agent.Approvals, 1))
	case ClassAssisted:
		n = max(1, numberOr(review.Agent.Approvals, 1))
		if review.Assisted != nil {
			n = max(1, numberOr(review.Assisted.Approvals, n))
		}
	case ClassAutomation:
		n = numberOr(review.Automation.Approvals, 1)
	case ClassSuggestion, ClassPlatform, ClassUndetected:
		n = numberOr(review.Human.Approvals, 1)
		if j.machine(j.f.Change.Author) {
			// That a person is claimed to have taken part asks for no less.
			n = max(n, numberOr(review.Automation.Approvals, 1))
		}
	}
	var reasons []string
	if more, why := j.pathApprovals(); more > n {
		reasons = append(reasons, fmt.Sprintf("%d because %s", more-n, why))
		n = more
	}
	if !j.who.InitiatorKnown {
		extra, who := max(numberOr(review.UnknownInitiator, 1), 1-n), "wrote the workflow that made it"
		if j.who.Class == ClassAgent || j.who.Class == ClassAssisted {
			who = "asked the agent"
		}
		if extra > 0 {
			n += extra
			reasons = append(reasons, fmt.Sprintf("%d because nobody knows who %s", extra, who))
		}
	}
	if !j.pushersKnown() {
		n++
		reasons = append(reasons, "1 because not every push to this pull request was seen, so a reviewer may be its author")
	}
	if len(reasons) == 0 {
		return n, ""
	}
	return n, "That includes " + strings.Join(reasons, ", and ") + ". "
}

// numberOr is the number, or otherwise when it is missing or negative.
func numberOr(n *int, otherwise int) int {
	if n == nil || *n < 0 {
		return otherwise
	}
	return *n
}

// counted are the approvals that count in full: by eligible people, for this head.
func (j *judgement) counted() int {
	n := 0
	for _, r := range j.reviews {
		if r.counts() {
			n++
		}
	}
	return n
}

// approvalTitle says how many approvals are missing.
func (j *judgement) approvalTitle(required int) string {
	have := j.counted() + len(j.unconfirmed())
	missing, again := max(1, required-have), ""
	if have > 0 {
		again = "more "
	}
	if missing == 1 {
		return fmt.Sprintf("Needs 1 %sapproval from someone who did not write or request this", again)
	}
	return fmt.Sprintf("Needs %d %sapprovals from people who did not write or request this", missing, again)
}

// seenAndNotCounted says that there are approvals that do not count, and whose.
func (j *judgement) seenAndNotCounted() string {
	var names []string
	for _, r := range j.reviews {
		if r.stands && r.review.State == reviewApproved && r.eligible != yes {
			names = append(names, fmt.Sprintf("%s (%s)", orSomebody(r.review.Actor.Login), r.why))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("Seen and not counted: %s.", listed(names, 5))
}

// approvers says who could approve, in plain words.
func (j *judgement) approvers(rulings []ruling) string {
	who := "Anybody with the role " + j.leastRole() + " or higher"
	if teams := j.p.Review.From.Teams; len(teams) > 0 {
		who = "A member of " + listed(teams, 10) + " with the role " + j.leastRole() + " or higher"
	}
	who += " who did not write, push or request this change"
	var not []string
	for _, list := range [][]Member{j.who.Authors, j.who.Initiators} {
		for _, m := range list {
			if login := m.Actor.Login; login != "" && m.Actor.Type != TypeBot && !slices.Contains(not, login) {
				not = append(not, login)
			}
		}
	}
	if len(not) > 0 {
		who += " (so not " + listed(not, 10) + ")"
	}
	if j.confirm != "" {
		who += ", and then signs in and confirms it on the page of this change"
	}
	for _, r := range rulings {
		if r.owner {
			return who + ". One of them must be an owner: " + j.owners() + "." + j.pathOwners()
		}
	}
	return who + "." + j.pathOwners()
}

// listed joins at most n things.
func listed(things []string, n int) string {
	if len(things) <= n {
		return strings.Join(things, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(things[:n], ", "), len(things)-n)
}
