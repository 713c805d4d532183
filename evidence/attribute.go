package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/policy"
)

// result is what one attribute of one change was found to be.
type result string

const (
	resultPass          result = "pass"
	resultDeviation     result = "deviation"
	resultNotApplicable result = "not applicable"
	// resultUnknown is shown apart from a deviation, and counts as one.
	resultUnknown result = "unknown"
	// resultNotRecorded is said of what no record of this log can show.
	resultNotRecorded result = "not recorded"
	// resultNotTestable is said of what came before there was a control that could be tested.
	resultNotTestable result = "not testable: " + beforeInstallation
)

// deviates says whether a result counts as a deviation.
func (r result) deviates() bool { return r == resultDeviation || r == resultUnknown }

// finding is what came of testing one attribute of one change.
type finding struct {
	result result
	reason string
	// restsOn names the rule, the finding or the fact, and the leaf that holds it.
	restsOn string
}

// attribute is one thing that is tested of each change.
type attribute struct {
	letter, test string
	judge        func(onRecord, *findings) finding
}

// attributes are what is tested, in the order of the test matrix.
func attributes() []attribute {
	return []attribute{
		{"A", "The change was asked for before it was begun", requested},
		{"B", "It was approved before it was merged", approved},
		{"C", "Who approved is a person", approvedByPeople},
		{"D", "Who approved is independent of the change", approvedIndependently},
		{"E", "The approval covers what was merged", approvedAsMerged},
		{"F", "The validations ran and succeeded on what was merged", validatedAsMerged},
		{"G", "The author did not weaken what validates it", notWeakened},
		{"H", "Who merged it was entitled to", mergedByRight},
		{"I", "No bypass: nothing reached the branch that no decision let in", notBypassed},
		{"J", "An emergency was reviewed afterwards, in time", emergencyReviewed},
		{"K", "What was deployed is what was merged", deployed},
		{"L", "The part that AI agents had is on record", disclosed},
	}
}

const nothingPreceded = "No decision preceded the merge, so the records hold nothing about this from before it."

// withoutPull is the result where no pull request brought the change; false: one did.
func (r onRecord) withoutPull() (finding, bool) {
	switch {
	case r.number != 0:
		return finding{}, false
	case len(r.found) > 0:
		return finding{resultDeviation, "It reached the branch without a pull request. " + reasonsOf(r.found), r.findingsLeaf(r.found)}, true
	case r.update.moves():
		return finding{resultDeviation, "It reached the branch without a pull request.", r.updateLeaf()}, true
	}
	return finding{resultNotApplicable, "The branch was made or deleted; no change was brought to it.", r.updateLeaf()}, true
}

// byRule is the result that a rule of the decision gives.
func (r onRecord) byRule(name string) finding {
	if x, ok := r.withoutPull(); ok {
		return x
	}
	if r.basis == nil {
		return finding{resultUnknown, nothingPreceded, r.updateLeaf()}
	}
	x, ok := r.rule(name)
	if !ok {
		d := r.basis.decision
		return finding{resultUnknown, strings.TrimSpace("The decision does not say. " + d.Title + ". " + d.Cause), fmt.Sprintf("decision of leaf %d", r.basis.leaf)}
	}
	return finding{resultOf(x), x.Reason, r.basis.ruleLeaf(x)}
}

// resultOf is what the outcome of a rule means for an attribute. What waited when it was merged
// did not hold; what an emergency exempted is tested by attribute J.
func resultOf(x policy.RuleResult) result {
	switch {
	case x.Outcome == policy.OutcomePass:
		return resultPass
	case x.Outcome == policy.OutcomeNotApplicable, x.Outcome == policy.OutcomeExempt:
		return resultNotApplicable
	case x.Unknown:
		return resultUnknown
	}
	return resultDeviation
}

func requested(r onRecord, _ *findings) finding {
	_, asked := r.rule(policy.RuleAuthorised)
	if r.number != 0 && r.basis != nil && len(r.basis.decision.Rules) > 0 && !asked {
		return finding{resultNotApplicable, "The policy asks for no issue or ticket (authorisation).", fmt.Sprintf("decision of leaf %d", r.basis.leaf)}
	}
	return r.byRule(policy.RuleAuthorised)
}

func approved(r onRecord, _ *findings) finding { return r.byRule(policy.RuleHumanReview) }

// approvedByPeople looks at the account of each approval that counted. Where none did, it is what
// the approval as a whole is.
func approvedByPeople(r onRecord, f *findings) finding {
	counted := r.counted()
	if len(counted) == 0 {
		return approved(r, f)
	}
	var names []string
	for _, review := range counted {
		if review.Actor.Type != policy.TypeUser || review.Actor.ID == 0 {
			return finding{resultDeviation, fmt.Sprintf("%s approved it, and GitHub calls the account %q.", review.Actor.Login, review.Actor.Type), r.reviewLeaf(review)}
		}
		names = append(names, fmt.Sprintf("%s (account %d)", review.Actor.Login, review.Actor.ID))
	}
	return finding{resultPass, "GitHub calls each account a user's, and the agent catalogue lists none of them: " + strings.Join(names, ", ") + ".", r.reviewLeaf(counted...)}
}

func (r onRecord) reviewLeaf(reviews ...policy.ReviewResult) string {
	var ids []string
	for _, review := range reviews {
		ids = append(ids, number64(review.ID))
	}
	return fmt.Sprintf("review %s in the decision of leaf %d", strings.Join(ids, ", "), r.own.leaf)
}

// approvedIndependently compares who approved with everybody who is behind the change. A policy may
// let co-authors approve: that is a control of its own, and no independence.
func approvedIndependently(r onRecord, f *findings) finding {
	counted := r.counted()
	if len(counted) == 0 {
		return approved(r, f)
	}
	who := r.own.decision.Authorship
	var independent, took []string
	for _, review := range counted {
		if part := partOf(review.Actor, who); part != "" {
			took = append(took, review.Actor.Login+" ("+part+")")
			continue
		}
		independent = append(independent, review.Actor.Login)
	}
	reason := ""
	if len(independent) > 0 {
		reason = strings.Join(independent, ", ") + " wrote, pushed and requested nothing of it, as far as GitHub asserts or anybody claims."
	}
	if len(took) > 0 {
		reason = strings.TrimSpace(reason + " The policy lets who took part approve as well (review.coauthors): " + strings.Join(took, ", ") + ".")
	}
	if !who.InitiatorKnown {
		reason += " Who asked for the change is not known; the policy says how many more approvals that needs."
	}
	if len(independent) == 0 {
		return finding{resultDeviation, reason, r.reviewLeaf(counted...)}
	}
	return finding{resultPass, reason, r.reviewLeaf(counted...)}
}

// partOf is the part that an account had in a change; empty: none.
func partOf(a policy.Actor, who policy.Authorship) string {
	for _, m := range slices.Concat(who.Authors, who.Initiators) {
		if m.Is(a) {
			return strings.Join(m.Roles, ", ")
		}
	}
	return ""
}

// approvedAsMerged joins whether the approval was for the head with whether what was merged is
// what was decided on.
func approvedAsMerged(r onRecord, _ *findings) finding {
	if found := r.of(policy.FindingContentDiffers); r.number != 0 && len(found) > 0 {
		return finding{resultDeviation, reasonsOf(found), r.findingsLeaf(found)}
	}
	return r.byRule(policy.RuleFreshReview)
}

func validatedAsMerged(r onRecord, _ *findings) finding { return r.byRule(policy.RuleValidated) }

// notWeakened is the worse of two rules: who changes what validates, and who controls it.
func notWeakened(r onRecord, _ *findings) finding {
	files, validators := r.byRule(policy.RulePolicyIntegrity), r.byRule(policy.RuleIndependentValidation)
	if validators.result == resultDeviation || validators.result == resultUnknown && files.result != resultDeviation {
		return validators
	}
	return files
}

// mergedByRight tests that a person merged it. Which people may, the policy does not say, so an
// author who merges what others approved is neither a pass nor a deviation.
func mergedByRight(r onRecord, _ *findings) finding {
	u := r.update
	found := r.of(policy.FindingByAgent)
	switch {
	case r.number == 0:
		return finding{resultNotApplicable, "Nothing was merged.", r.updateLeaf()}
	case len(found) > 0:
		return finding{resultDeviation, reasonsOf(found), r.findingsLeaf(found)}
	case u.kind == policy.UpdateQueueMerge:
		return finding{resultPass, "The merge queue merged it.", r.updateLeaf()}
	case u.actorID == 0:
		return finding{resultUnknown, "GitHub does not say who merged it.", r.updateLeaf()}
	case u.actorType != policy.TypeUser:
		return finding{resultUnknown, fmt.Sprintf("%s merged it, and GitHub calls the account %q.", u.actor, u.actorType), r.updateLeaf()}
	case r.facts == nil:
		return finding{resultUnknown, fmt.Sprintf("%s merged it, and whether that is its author is not on record.", u.actor), r.updateLeaf()}
	case r.facts.Change.Author.ID == u.actorID:
		return finding{resultNotApplicable, fmt.Sprintf("Its author %s merged it. The policy has no rule about who merges.", u.actor), r.updateLeaf()}
	}
	return finding{resultPass, fmt.Sprintf("%s merged it, a person who did not open it; GitHub's own permissions let them.", u.actor), r.updateLeaf()}
}

// bypassKinds are the findings that say that something reached the branch past the control.
func bypassKinds() []string {
	return []string{policy.FindingDirectPush, policy.FindingForcePush, policy.FindingRewritten, policy.FindingWithoutDecision, policy.FindingBeforeDecision, policy.FindingWhileFailing}
}

func notBypassed(r onRecord, _ *findings) finding {
	if found := r.of(bypassKinds()...); len(found) > 0 {
		return finding{resultDeviation, reasonsOf(found), r.findingsLeaf(found)}
	}
	if x, ok := r.withoutPull(); ok {
		return x
	}
	if r.basis == nil {
		return finding{resultDeviation, nothingPreceded, r.updateLeaf()}
	}
	d, at := r.basis.decision, fmt.Sprintf("decision of leaf %d", r.basis.leaf)
	if d.Verdict != policy.VerdictPass {
		return finding{resultNotApplicable, fmt.Sprintf("The branch is only reported on (audit), so the verdict %q held nothing back.", d.Verdict), at}
	}
	return finding{resultPass, "A decision that passed preceded it. " + r.bypassLists(), at + ": protection"}
}

// bypassLists says what the decision knew of who may bypass the rules of the branch.
func (r onRecord) bypassLists() string {
	const unseen = "Whether somebody used a right to bypass the rules of the branch is not observable."
	if r.facts == nil || !r.facts.Protection.Readable || len(r.facts.Protection.Bypass) == 0 {
		return unseen
	}
	for _, b := range r.facts.Protection.Bypass {
		if b.State != policy.BypassNone {
			return unseen
		}
	}
	return "By what GitHub showed then, nobody may bypass the rules of the branch."
}

func deployed(onRecord, *findings) finding {
	return finding{resultNotRecorded, "Deployments are not in the records: test this with the records of the deployment.", ""}
}

func disclosed(r onRecord, _ *findings) finding {
	if r.number == 0 {
		return finding{resultNotApplicable, "There is no pull request whose traces could be looked at.", r.updateLeaf()}
	}
	if r.basis == nil || r.basis.decision.Authorship.Class == "" {
		return finding{resultUnknown, "No decision says of which class the change is.", r.updateLeaf()}
	}
	who := r.basis.decision.Authorship
	at := fmt.Sprintf("authorship in the decision of leaf %d", r.basis.leaf)
	if who.Class == policy.ClassUndetected {
		return finding{resultPass, "No agent indicator was found. That is no claim that a person wrote it.", at}
	}
	reason := fmt.Sprintf("Class %s", who.Class)
	if len(who.Agents) > 0 {
		reason += ": " + strings.Join(who.Agents, ", ")
	}
	if len(who.Signals) > 0 {
		s := who.Signals[0]
		reason += fmt.Sprintf(". Strongest of %d traces: %s, %s, in %s", len(who.Signals), s.Kind, s.Strength, s.Where)
	}
	return finding{resultPass, reason + ".", at}
}
