package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/policy"
)

// onRecord is a change with what the records hold of it.
type onRecord struct {
	change
	// basis is the decision that let it in: of its merge group if that passed with it in it, else
	// of the pull request. Nil: there was none.
	basis *judged
	// own is the decision about the pull request by itself; nil: there was none. It says of each
	// review whether it counted, which that of a group does not.
	own *judged
	// facts are those of the pull request that the basis was made from; nil: there were none.
	facts *policy.Facts
}

// onRecord reads the decisions that a change rests on.
func (f *findings) onRecord(c change) (r onRecord, err error) {
	r.change = c
	if c.decision >= 0 {
		own, err := f.judged(c.decision)
		if err != nil {
			return r, err
		}
		r.own, r.basis, r.facts = &own, &own, own.facts
	}
	if c.update.group >= 0 {
		group, err := f.judged(c.update.group)
		if err != nil {
			return r, err
		}
		if r.basis == nil || group.letIn(c) {
			r.basis, r.facts = &group, group.memberFacts(c)
		}
	}
	return r, nil
}

// letIn says whether a decision about a merge group passed with the change in it.
func (j judged) letIn(c change) bool {
	d := j.decision
	return c.update.kind == policy.UpdateQueueMerge && d.Verdict == policy.VerdictPass && d.GoverningRef == c.update.ref &&
		slices.ContainsFunc(d.Members, func(m policy.MemberResult) bool { return m.Number == c.number && m.HeadSHA == c.head })
}

// memberFacts are the facts about one member of a merge group; nil: there are none.
func (j judged) memberFacts(c change) *policy.Facts {
	if j.group == nil {
		return nil
	}
	for _, m := range j.group.Members.Items {
		if m.Number == c.number && m.HeadSHA == c.head {
			return m.Facts
		}
	}
	return nil
}

// emergency is the declaration that the change was released by; nil: none.
func (r onRecord) emergency() *policy.EmergencyResult {
	for _, j := range []*judged{r.basis, r.own} {
		if j != nil && j.decision.Emergency != nil {
			return j.decision.Emergency
		}
	}
	return nil
}

// rule is what a rule of the basis yielded; false: the basis has no such rule.
func (r onRecord) rule(name string) (policy.RuleResult, bool) {
	if r.basis == nil {
		return policy.RuleResult{}, false
	}
	i := slices.IndexFunc(r.basis.decision.Rules, func(x policy.RuleResult) bool { return x.Rule == name })
	if i < 0 {
		return policy.RuleResult{}, false
	}
	return r.basis.decision.Rules[i], true
}

// counted are the reviews that counted, and the decision that says so.
func (r onRecord) counted() (out []policy.ReviewResult) {
	if r.own == nil {
		return nil
	}
	for _, review := range r.own.decision.Reviews {
		if review.Counted {
			out = append(out, review)
		}
	}
	return out
}

// of is what was found of these kinds.
func (r onRecord) of(kinds ...string) (out []policy.Finding) {
	for _, f := range r.found {
		if slices.Contains(kinds, f.Kind) {
			out = append(out, f)
		}
	}
	return out
}

func reasonsOf(findings []policy.Finding) string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Reason)
	}
	return strings.Join(out, " ")
}

// The places in the records that something rests on.

func (r onRecord) updateLeaf() string { return fmt.Sprintf("update of leaf %d", r.leaf) }

func (r onRecord) findingsLeaf(findings []policy.Finding) string {
	return fmt.Sprintf("finding %s of leaf %d", strings.Join(kindsOf(findings), ", "), r.leaf)
}

func (j judged) ruleLeaf(x policy.RuleResult) string {
	return fmt.Sprintf("rule %s/%d of the decision of leaf %d: %s", x.Rule, x.Revision, j.leaf, strings.Join(x.Facts, ", "))
}
