package policy

import (
	"encoding/json"
	"time"
)

// Measures are figures about one decision that preceded a merge, for reports over many of them.
// They are kept with the update that brought the change, so that a report needs no facts.
//
// Field names and order are part of the evidence format; add, never change.
type Measures struct {
	// ReadyAt is when the pull request was ready for review, and FirstReviewAt when the first
	// review by a person who is not behind the change was received; zero: not known, or none.
	ReadyAt       time.Time `json:"ready_at,omitzero"`
	FirstReviewAt time.Time `json:"first_review_at,omitzero"`
	// ReviewDueAt is when the first review was due by the policy; zero: it sets no time.
	ReviewDueAt time.Time `json:"review_due_at,omitzero"`
	// Approvals are those that counted.
	Approvals int `json:"approvals"`
	// Attempts are those of the validations that were asked for, on what was merged; Failed are
	// those that ended with anything but success.
	Attempts int `json:"validation_attempts"`
	Failed   int `json:"validation_attempts_failed"`
	// Emergency is the declaration that released the change; nil: none.
	Emergency *EmergencyResult `json:"emergency,omitempty"`
	// Agents are those that the class rests on, as the catalogue of the decision names them.
	Agents []MeasuredAgent `json:"agents,omitempty"`
}

// MeasuredAgent is an agent as a catalogue names it. Texts are empty where it does not say.
type MeasuredAgent struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Vendor   string `json:"vendor"`
	Provider string `json:"provider"`
}

// MeasuresOf takes the measures of a decision with the facts and the catalogue that it was made
// from, as they were recorded. It is nil where there were none, and where they cannot be read: a
// report then says that they are missing, and what was merged is on record all the same.
func MeasuresOf(d Decision, facts, catalogue []byte) *Measures {
	cat, err := ParseCatalogue(catalogue)
	if err != nil {
		return nil
	}
	if d.Members != nil {
		var g GroupFacts
		if json.Unmarshal(facts, &g) != nil {
			return nil
		}
		var m Measures
		m.attempts(d, g.Validations.Items)
		return &m
	}
	var f Facts
	if json.Unmarshal(facts, &f) != nil {
		return nil
	}
	return measures(d, &f, cat)
}

func measures(d Decision, f *Facts, cat *Catalogue) *Measures {
	m := &Measures{ReadyAt: f.Change.ReadyAt, Emergency: d.Emergency}
	j := judgement{p: &Policy{}, cat: cat, f: f, who: d.Authorship}
	_, m.FirstReviewAt = j.firstReview()
	if c := d.ReviewClock; c != nil {
		m.ReviewDueAt, m.FirstReviewAt = c.DueAt, c.At
	}
	for _, r := range d.Reviews {
		if r.Counted {
			m.Approvals++
		}
	}
	m.attempts(d, f.Validations.Items)
	for _, name := range d.Authorship.Agents {
		agent := MeasuredAgent{Name: name}
		if a := cat.Named(name); a != nil {
			agent.Kind, agent.Vendor, agent.Provider = a.Kind, a.Vendor, a.Provider
		}
		m.Agents = append(m.Agents, agent)
	}
	return m
}

// attempts counts the attempts that a decision looked at, each once.
func (m *Measures) attempts(d Decision, seen []Validation) {
	looked := map[int64]bool{}
	for _, v := range d.Validations {
		for _, id := range v.Attempts {
			looked[id] = true
		}
	}
	for i := range seen {
		v := &seen[i]
		if !looked[v.ID] {
			continue
		}
		looked[v.ID] = false
		m.Attempts++
		if v.Status == statusCompleted && v.Conclusion != stateSuccess {
			m.Failed++
		}
	}
}
