package evidence

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign/countersign/policy"
)

// walked is what was counted over all decisions that are in the bundle. They are many and large, so
// they are read once for it.
type walked struct {
	stack    map[string]*stackEntry // by repository and policy
	outcomes map[int64][]ruleOutcome
}

// ruleOutcome is how a decision came out by one rule.
type ruleOutcome struct {
	rule, control string
	outcome       policy.Outcome
}

// walk reads all decisions that are in the bundle.
func (f *findings) walk() (*walked, error) {
	if f.walked != nil {
		return f.walked, nil
	}
	w := &walked{map[string]*stackEntry{}, map[int64][]ruleOutcome{}}
	same := map[string][]ruleOutcome{} // most decisions come out alike
	for _, leaf := range f.decisions {
		r, err := f.recorded.alone(leaf)
		if err != nil {
			return nil, fmt.Errorf("decision of leaf %d: %w", leaf, err)
		}
		var body decisionBody
		var d policy.Decision
		if err := json.Unmarshal(r.Body, &body); err != nil {
			return nil, fmt.Errorf("record of leaf %d: %w", leaf, err)
		}
		if err := json.Unmarshal(r.Decision, &d); err != nil {
			return nil, fmt.Errorf("decision of leaf %d: %w", leaf, err)
		}
		if err := f.stackOf(w.stack, d, body.PolicySHA256, leaf); err != nil {
			return nil, err
		}
		key := outcomesKey(d.Rules)
		if same[key] == nil {
			same[key] = outcomesOf(d.Rules)
		}
		w.outcomes[leaf] = same[key]
	}
	f.walked = w
	return w, nil
}

func outcomesOf(rules []policy.RuleResult) []ruleOutcome {
	out := []ruleOutcome{}
	for _, r := range rules {
		out = append(out, ruleOutcome{strings.Clone(r.Rule), strings.Clone(r.Control), r.Outcome})
	}
	return out
}

// outcomesKey tells lists of outcomes apart.
func outcomesKey(rules []policy.RuleResult) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%q %q %q\n", r.Rule, r.Control, r.Outcome)
	}
	return b.String()
}
