package evidence

import (
	"slices"

	"github.com/countersign/countersign/policy"
)

// The levels and properties that a summary may claim. Those of the organisation's own begin with
// ORG_SOURCE_. https://slsa.dev/spec/v1.2/source-requirements
const (
	levelVersioned    = "SLSA_SOURCE_LEVEL_1"
	levelHistory      = "SLSA_SOURCE_LEVEL_2"
	levelControls     = "SLSA_SOURCE_LEVEL_3"
	levelTwoParty     = "SLSA_SOURCE_TWO_PARTY_REVIEWED"
	ownHumanApproval  = "ORG_SOURCE_HUMAN_INDEPENDENT_APPROVAL"
	ownValidated      = "ORG_SOURCE_VALIDATED"
	ownIndependently  = "ORG_SOURCE_INDEPENDENTLY_VALIDATED"
	ownNoAgentFound   = "ORG_SOURCE_NO_AGENT_INDICATOR_FOUND"
	ownByAgent        = "ORG_SOURCE_AGENT_AUTHORED"
	ownAgentTraces    = "ORG_SOURCE_AGENT_ASSISTED"
	ownByAutomation   = "ORG_SOURCE_AUTOMATION_AUTHORED"
	reviewersOfAgents = 2
)

// verifiable says whether a summary can be given of the change's commit: it failed, or a decision
// about it alone says what it is. What holds for one of several pull requests that came with one
// commit says nothing of the others, and what was made before anything was decided is not judged.
func (f *findings) verifiable(c change) bool {
	switch {
	case c.deviates():
		return true
	case c.decision < 0 || f.together[c.leaf] > 1:
		return false
	}
	return c.update.group < 0 || c.verdict == policy.VerdictPass
}

// levels are what holds for the commit that the change became; none when the control did not
// operate as it should have.
func (f *findings) levels(c change, j judged) []string {
	if c.deviates() || c.verdict != policy.VerdictPass || j.facts == nil {
		return nil
	}
	out := []string{f.track(c, j)}
	if twoParty(j) {
		out = append(out, levelTwoParty)
	}
	if len(humanApprovals(j)) > 0 && j.held(policy.RuleHumanReview) && j.held(policy.RuleFreshReview) {
		out = append(out, ownHumanApproval)
	}
	if j.held(policy.RuleValidated) {
		out = append(out, ownValidated)
	}
	if j.held(policy.RuleValidated) && j.held(policy.RuleIndependentValidation) {
		out = append(out, ownIndependently)
	}
	if own := ownClass(j.decision.Authorship.Class); own != "" {
		out = append(out, own)
	}
	return out
}

// track is the level of the track: how the branch was held from the decision until the change
// reached it. Nothing is claimed of a branch whose protection was not known to hold throughout.
func (f *findings) track(c change, j judged) string {
	if c.update.mode != policy.ModeEnforce || !f.unbroken(c) || !j.held(policy.RuleBranchProtection) || !f.protectedThroughout(c) {
		return levelVersioned
	}
	if mayBypass(j.facts.Protection) {
		return levelHistory
	}
	return levelControls
}

// unbroken says whether the branch's history has no gap in the period, was never rewritten, and
// could be seen all the time.
func (f *findings) unbroken(c change) bool {
	for _, b := range f.completeness.Branches {
		if b.RepositoryID == c.update.repositoryID && b.Branch == c.update.ref && len(b.Gaps)+len(b.Blind) > 0 {
			return false
		}
	}
	return !f.rewritten[c.update.branch()]
}

// relate notes which branches were rewritten in the period, and how many changes each update
// brought.
func (f *findings) relate() {
	f.rewritten, f.together = map[string]bool{}, map[int64]int{}
	for _, c := range f.changes {
		f.together[c.leaf]++
		if c.update.kind == policy.UpdateForcePush || slices.Contains(c.kinds, policy.FindingRewritten) {
			f.rewritten[c.update.branch()] = true
		}
	}
}

// protectedThroughout says whether the branch was known to be protected as the policy asks from
// the decision until the change reached the branch.
func (f *findings) protectedThroughout(c change) bool {
	from := c.decidedAt
	if c.update.at.Before(from) { // the clocks are two
		from = c.update.at
	}
	states, known := f.protectedFrom(c, from)
	return known && !slices.ContainsFunc(states, func(p protectionState) bool { return p.Holds != "yes" })
}

// mayBypass says whether somebody may bypass the branch's rules, or whether that is not known.
func mayBypass(p policy.Protection) bool {
	return slices.ContainsFunc(p.Bypass, func(b policy.Bypass) bool {
		attestedNobody := b.State == policy.BypassUnreadable && b.Attested != nil && len(b.Attested.Actors) == 0
		return b.State != policy.BypassNone && !attestedNobody
	})
}

// held says whether a rule held by itself: an exemption is none.
func (j judged) held(rule string) bool {
	return slices.ContainsFunc(j.decision.Rules, func(r policy.RuleResult) bool { return r.Rule == rule && r.Outcome == policy.OutcomePass })
}

// humanApprovals are the people whose approval counted, each once.
func humanApprovals(j judged) (ids []int64) {
	for _, r := range j.decision.Reviews {
		if r.Counted && r.State == "approved" && r.Actor.Type == policy.TypeUser && r.Actor.ID != 0 {
			ids = append(ids, r.Actor.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// twoParty says whether two trusted persons agreed on the change. An agent is no person: what it
// wrote, or may have written, needs two who review it. Where no agent indicator was found, the
// author's account is the one party, if it is a person's, and a reviewer the other.
func twoParty(j judged) bool {
	if !j.held(policy.RuleHumanReview) || !j.held(policy.RuleFreshReview) {
		return false
	}
	need := reviewersOfAgents
	if j.decision.Authorship.Class == policy.ClassUndetected && j.facts.Change.Author.Type == policy.TypeUser {
		need = 1
	}
	return len(humanApprovals(j)) >= need
}

// ownClass is the organisation's own property for a class of authorship.
func ownClass(c policy.Class) string {
	switch c {
	case policy.ClassAgent:
		return ownByAgent
	case policy.ClassAssisted, policy.ClassSuggestion:
		return ownAgentTraces
	case policy.ClassAutomation:
		return ownByAutomation
	case policy.ClassUndetected:
		return ownNoAgentFound
	}
	return ""
}
