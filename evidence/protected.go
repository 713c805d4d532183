package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
)

// protectionState is how a branch was protected from one time on, as far as it is read here.
type protectionState struct {
	RepositoryID int64           `json:"repository_id"`
	Repository   string          `json:"repository"`
	Ref          string          `json:"ref"`
	Holds        string          `json:"holds"` // "yes", "no" or "unknown": whether it is what the policy asks for
	Why          string          `json:"why"`
	Since        time.Time       `json:"since"`
	Settings     json.RawMessage `json:"settings"`
	leaf         int64
	recordedAt   time.Time
}

func protectionOf(l ledger.Leaf, body []byte) (protectionState, error) {
	p := protectionState{leaf: l.Seq, recordedAt: l.RecordedAt}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("leaf %d is no protection of a branch: %w", l.Seq, err)
	}
	return p, nil
}

// attestedBypass is what an owner showed of who may bypass a ruleset, as far as it is read here.
type attestedBypass struct {
	RulesetID int64     `json:"ruleset_id"`
	Ruleset   string    `json:"ruleset"`
	Source    string    `json:"source"`
	UpdatedAt time.Time `json:"updated_at"`
	Actors    []struct {
		Type string `json:"type"`
		ID   int64  `json:"id"`
		Mode string `json:"mode"`
	} `json:"actors"`
	ByID         int64     `json:"by_id"`
	ByLogin      string    `json:"by_login"`
	At           time.Time `json:"at"`
	Repository   string    `json:"repository"`
	RepositoryID int64     `json:"repository_id"`
	leaf         int64
}

func attestedOf(l ledger.Leaf, body []byte) (attestedBypass, error) {
	a := attestedBypass{leaf: l.Seq}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("leaf %d is no attestation: %w", l.Seq, err)
	}
	return a, nil
}

// until is when the state of a place in the list ended; zero: it has not.
func until(list []protectionState, i int) time.Time {
	for _, p := range list[i+1:] {
		if p.RepositoryID == list[i].RepositoryID && p.Ref == list[i].Ref {
			return p.Since
		}
	}
	return time.Time{}
}

// inPeriod says whether the state of a place in the list held at any time of the period.
func inPeriod(list []protectionState, i int, q Query) bool {
	end := until(list, i)
	return list[i].Since.Before(q.To) && (end.IsZero() || end.After(q.From))
}

// protectionTable lists how branches were protected at any time of the period.
func protectionTable(list []protectionState, q Query) table {
	t := table{name: "protection", title: "Protection", columns: []string{"leaf", "recorded_at", "repository_id", "repository", "branch", "since", "until", "holds", "why", "settings_sha256", "settings"}}
	for i, p := range list {
		if !inPeriod(list, i, q) {
			continue
		}
		end := until(list, i)
		t.rows = append(t.rows, []string{number64(p.leaf), moment(p.recordedAt), number64(p.RepositoryID), p.Repository, p.Ref, moment(p.Since), moment(end), p.Holds, p.Why, digestOf(p.Settings), string(p.Settings)})
	}
	return t
}

// attestedTable lists what owners showed before the period's end.
func attestedTable(list []attestedBypass, q Query) table {
	t := table{name: "bypass-attestations", title: "Bypass attestations", columns: []string{"leaf", "at", "ruleset_id", "ruleset", "source", "ruleset_updated_at", "may_bypass", "by_id", "by", "repository_id", "repository"}}
	for _, a := range list {
		if !a.At.Before(q.To) {
			continue
		}
		var actors []string
		for _, x := range a.Actors {
			actors = append(actors, fmt.Sprintf("%s %d (%s)", x.Type, x.ID, x.Mode))
		}
		t.rows = append(t.rows, []string{number64(a.leaf), moment(a.At), number64(a.RulesetID), a.Ruleset, a.Source, moment(a.UpdatedAt), cmp.Or(strings.Join(actors, ", "), "nobody"), number64(a.ByID), a.ByLogin, number64(a.RepositoryID), a.Repository})
	}
	return t
}

// protectedFrom lists the states of the change's branch from a time until the change reached it,
// in order; false: how it was protected at the beginning is not known.
func (f *findings) protectedFrom(c change, from time.Time) (states []protectionState, known bool) {
	for _, p := range f.protections {
		if p.RepositoryID != c.update.repositoryID || p.Ref != c.update.ref || p.Since.After(c.update.at) {
			continue
		}
		if !p.Since.After(from) {
			states, known = states[:0], true
		}
		states = append(states, p)
	}
	return states, known
}

// protectionInWords says how the change's branch was protected when the change reached it.
func (f *findings) protectionInWords(c change) string {
	states, known := f.protectedFrom(c, c.update.at)
	if !known {
		return "not known: nothing was recorded before"
	}
	p := states[len(states)-1]
	since := fmt.Sprintf(" (since %s, leaf %d)", moment(p.Since), p.leaf)
	switch p.Holds {
	case "yes":
		return "as the policy asks" + since
	case "no":
		return "not as the policy asks" + since + ". " + p.Why
	}
	return "not known whether as the policy asks" + since + ". " + p.Why
}
