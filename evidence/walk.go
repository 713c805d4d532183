package evidence

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/countersign/countersign/policy"
)

// walked is what was counted over all decisions that are in the bundle.
type walked struct {
	stack    map[string]*stackEntry // by repository and policy
	outcomes map[int64][]ruleOutcome
}

// ruleOutcome is how a decision came out by one rule.
type ruleOutcome struct {
	rule, control string
	outcome       policy.Outcome
}

// walk counts all decisions that are in the bundle.
func (f *findings) walk() (*walked, error) {
	if f.walked != nil {
		return f.walked, nil
	}
	w := &walked{map[string]*stackEntry{}, map[int64][]ruleOutcome{}}
	for _, leaf := range f.decisions {
		c, err := f.recorded.counted(leaf)
		if err != nil {
			return nil, err
		}
		if err := f.stackOf(w.stack, c, leaf); err != nil {
			return nil, err
		}
		w.outcomes[leaf] = c.outcomes
	}
	f.walked = w
	return w, nil
}

// counted is what a decision says that is counted over all of them.
type counted struct {
	repositoryID    int64
	repository, ref string
	policy          string // digest of the policy that it was made by
	validations     []validationState
	outcomes        []ruleOutcome
}

// validationState is what was found of a validation that a decision looked for.
type validationState struct{ id, state string }

// counting keeps what is counted of decisions, once for all that are alike. Decisions are many and
// large, and most say the same of what is counted.
type counting map[string]*counted

// of is what is counted of a decision.
func (c counting) of(policyDigest string, d *policy.Decision) *counted {
	key := binary.AppendVarint(make([]byte, 0, 1<<10), d.RepositoryID)
	add := func(texts ...string) {
		for _, s := range texts {
			key = append(binary.AppendUvarint(key, uint64(len(s))), s...)
		}
	}
	add(d.Repository, d.GoverningRef, policyDigest)
	for _, v := range d.Validations {
		add("validation", v.ID, v.State)
	}
	for _, r := range d.Rules {
		add("rule", r.Rule, r.Control, string(r.Outcome))
	}
	if known := c[string(key)]; known != nil {
		return known
	}
	out := &counted{repositoryID: d.RepositoryID, repository: strings.Clone(d.Repository), ref: strings.Clone(d.GoverningRef), policy: strings.Clone(policyDigest)}
	for _, v := range d.Validations {
		out.validations = append(out.validations, validationState{strings.Clone(v.ID), strings.Clone(v.State)})
	}
	for _, r := range d.Rules {
		out.outcomes = append(out.outcomes, ruleOutcome{strings.Clone(r.Rule), strings.Clone(r.Control), policy.Outcome(strings.Clone(string(r.Outcome)))})
	}
	c[string(key)] = out
	return out
}

// read is of for decisions that are read as they were recorded.
func (c counting) read(alone func(leaf int64) (RecordedDecision, error)) func(leaf int64) (*counted, error) {
	readBody, readDecision := quickly[decisionBody](), quickly[policy.Decision]()
	return func(leaf int64) (*counted, error) {
		r, err := alone(leaf)
		if err != nil {
			return nil, fmt.Errorf("decision of leaf %d: %w", leaf, err)
		}
		body, err := readBody(r.Body)
		if err != nil {
			return nil, fmt.Errorf("record of leaf %d: %w", leaf, err)
		}
		d, err := readDecision(r.Decision)
		if err != nil {
			return nil, fmt.Errorf("decision of leaf %d: %w", leaf, err)
		}
		return c.of(body.PolicySHA256, d), nil
	}
}
