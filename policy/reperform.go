package policy

import (
	"encoding/json"
	"fmt"
)

// Reperform does the control again: it decides anew from the exact bytes that were recorded
// with a decision, of a pull request or of a merge group. An error is one of reading them.
func Reperform(kept, catalogue, facts []byte) (Decision, error) {
	var of struct {
		Repository Repository `json:"repository"`
	}
	if err := json.Unmarshal(facts, &of); err != nil {
		return Decision{}, fmt.Errorf("recorded facts: %w", err)
	}
	p, _, err := ParseKept(kept, of.Repository.Name)
	if err != nil {
		return Decision{}, fmt.Errorf("recorded policy: %w", err)
	}
	c, err := ParseCatalogue(catalogue)
	if err != nil {
		return Decision{}, fmt.Errorf("recorded catalogue: %w", err)
	}
	return EvaluateRecorded(p, c, facts)
}

// EvaluateRecorded decides from recorded facts, of a pull request or of a merge group, by any
// policy and catalogue.
func EvaluateRecorded(p *Policy, c *Catalogue, facts []byte) (Decision, error) {
	var of struct {
		Group bool `json:"group"`
	}
	if err := json.Unmarshal(facts, &of); err != nil {
		return Decision{}, fmt.Errorf("recorded facts: %w", err)
	}
	if of.Group {
		var g GroupFacts
		if err := json.Unmarshal(facts, &g); err != nil {
			return Decision{}, fmt.Errorf("recorded facts: %w", err)
		}
		return EvaluateGroup(p, c, &g), nil
	}
	var f Facts
	if err := json.Unmarshal(facts, &f); err != nil {
		return Decision{}, fmt.Errorf("recorded facts: %w", err)
	}
	return Evaluate(p, c, &f), nil
}
