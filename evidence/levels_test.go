package evidence

import (
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

func user(id int64) policy.Actor { return policy.Actor{ID: id, Type: policy.TypeUser} }

// approvedBy is a decision of this class with the approvals of these accounts; every rule holds.
func approvedBy(class policy.Class, reviewers ...policy.Actor) judged {
	j := judged{facts: &policy.Facts{Change: policy.Change{Author: user(1)}}}
	j.decision.Authorship.Class = class
	for _, rule := range []string{policy.RuleHumanReview, policy.RuleFreshReview, policy.RuleBranchProtection, policy.RuleValidated} {
		j.decision.Rules = append(j.decision.Rules, policy.RuleResult{Rule: rule, Outcome: policy.OutcomePass})
	}
	for _, r := range reviewers {
		j.decision.Reviews = append(j.decision.Reviews, policy.ReviewResult{Actor: r, State: "approved", Counted: true})
	}
	return j
}

func TestTwoParties(t *testing.T) {
	bot := policy.Actor{ID: 9, Type: policy.TypeBot}
	notCounted := approvedBy(policy.ClassAgent, user(2), user(3))
	notCounted.decision.Reviews[1].Counted = false
	emergency := approvedBy(policy.ClassUndetected, user(2))
	emergency.decision.Rules[0].Outcome = policy.OutcomeExempt
	byBot := approvedBy(policy.ClassUndetected, user(2))
	byBot.facts.Change.Author = bot
	for _, x := range []struct {
		name string
		j    judged
		want bool
	}{
		{"no agent indicator, one reviewer", approvedBy(policy.ClassUndetected, user(2)), true},
		{"no agent indicator, no reviewer", approvedBy(policy.ClassUndetected), false},
		{"a bot's pull request, one reviewer", byBot, false},
		{"agent, one reviewer", approvedBy(policy.ClassAgent, user(2)), false},
		{"agent, two reviewers", approvedBy(policy.ClassAgent, user(2), user(3)), true},
		{"agent, one reviewer twice", approvedBy(policy.ClassAgent, user(2), user(2)), false},
		{"agent, a reviewer and a bot", approvedBy(policy.ClassAgent, user(2), bot), false},
		{"agent, the second not counted", notCounted, false},
		{"traces of an agent, one reviewer", approvedBy(policy.ClassAssisted, user(2)), false},
		{"automation, one reviewer", approvedBy(policy.ClassAutomation, user(2)), false},
		{"in an emergency", emergency, false},
	} {
		if got := twoParty(x.j); got != x.want {
			t.Errorf("%s: got %t, want %t", x.name, got, x.want)
		}
	}
}

func TestLevelOfTheTrack(t *testing.T) {
	f := protectedLog(t)
	at := func(repo int64, from, to time.Duration) change {
		return change{leaf: 1, number: 4, verdict: policy.VerdictPass, decision: 1, decidedAt: noon.Add(from), update: update{repositoryID: repo, ref: "main", mode: policy.ModeEnforce, kind: policy.UpdateMerge, at: noon.Add(to), group: -1}}
	}
	j := approvedBy(policy.ClassAgent, user(2))
	bypassed := approvedBy(policy.ClassAgent, user(2))
	bypassed.facts.Protection.Bypass = []policy.Bypass{{State: policy.BypassThese}}
	unreadable := approvedBy(policy.ClassAgent, user(2))
	unreadable.facts.Protection.Bypass = []policy.Bypass{{State: policy.BypassUnreadable}}
	attested := approvedBy(policy.ClassAgent, user(2))
	attested.facts.Protection.Bypass = []policy.Bypass{{State: policy.BypassUnreadable, Attested: &policy.AttestedBypass{}}}
	audit := at(7, time.Minute, 2*time.Minute)
	audit.update.mode = policy.ModeAudit
	for _, x := range []struct {
		name string
		c    change
		j    judged
		want string
	}{
		{"protected throughout", at(7, time.Minute, 2*time.Minute), j, levelControls},
		{"somebody may bypass", at(7, time.Minute, 2*time.Minute), bypassed, levelHistory},
		{"who may bypass is not known", at(7, time.Minute, 2*time.Minute), unreadable, levelHistory},
		{"an owner showed that nobody may", at(7, time.Minute, 2*time.Minute), attested, levelControls},
		{"not protected in between", at(7, time.Minute, 121*time.Minute), j, levelVersioned},
		{"decided before it was known", at(7, -time.Minute, time.Minute), j, levelVersioned},
		{"not known", at(8, time.Minute, 2*time.Minute), j, levelVersioned},
		{"audit", audit, j, levelVersioned},
	} {
		if got := f.levels(x.c, x.j); len(got) == 0 || got[0] != x.want {
			t.Errorf("%s: got %v, want %s", x.name, got, x.want)
		}
	}
	f.rewritten = map[string]bool{"7/main": true}
	if got := f.levels(at(7, time.Minute, 2*time.Minute), j); got[0] != levelVersioned {
		t.Errorf("a branch that was rewritten: got %v", got)
	}
	f.rewritten = nil
	f.completeness.Branches = []branchLine{{RepositoryID: 7, Branch: "main", Gaps: []gap{{}}}}
	if got := f.levels(at(7, time.Minute, 2*time.Minute), j); got[0] != levelVersioned {
		t.Errorf("a branch with a gap: got %v", got)
	}
}

func TestNothingIsClaimed(t *testing.T) {
	f := &findings{together: map[int64]int{1: 1, 2: 2}}
	merge := func(leaf, decision, group int64, v policy.Verdict) change {
		return change{leaf: leaf, number: 4, decision: decision, verdict: v, update: update{kind: policy.UpdateMerge, mode: policy.ModeEnforce, group: group}}
	}
	found := merge(1, 0, -1, policy.VerdictPass)
	found.kinds = []string{policy.FindingContentDiffers}
	for _, x := range []struct {
		name       string
		c          change
		verifiable bool
		levels     bool
	}{
		{"let in", merge(1, 0, -1, policy.VerdictPass), true, true},
		{"let in by the queue", merge(1, 0, 3, policy.VerdictPass), true, true},
		{"its group was decided on alone", merge(1, -1, 3, ""), false, false},
		{"waited when its group was let in", merge(1, 0, 3, policy.VerdictWaiting), false, false},
		{"came with another", merge(2, 0, 3, policy.VerdictPass), false, true},
		{"failed in audit", merge(1, 0, -1, policy.VerdictFail), true, false},
		{"something else was merged", found, true, false},
		{"the branch was made", change{decision: -1, update: update{kind: policy.UpdateCreation, group: -1}}, false, false},
	} {
		if got := f.verifiable(x.c); got != x.verifiable {
			t.Errorf("%s: verifiable %t, want %t", x.name, got, x.verifiable)
		}
		levels := f.levels(x.c, approvedBy(policy.ClassAgent, user(2)))
		if len(levels) > 0 != x.levels || slices.Contains(levels, levelTwoParty) {
			t.Errorf("%s: levels %v", x.name, levels)
		}
	}
}
