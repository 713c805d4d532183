package policy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// VerdictUnenrolled is the verdict of a trial on a change whose branch the tried policy does not enrol.
const VerdictUnenrolled = Verdict("not enrolled")

// Trial is a policy file that is tried on decisions that were made.
type Trial struct {
	Source       string // the file; Parse must take it
	Organisation bool   // it takes the place of the organisation's policy, else of the repository's
}

// Tried is what one decision would have been.
type Tried struct {
	Was     Verdict     `json:"was"`
	WouldBe Verdict     `json:"would_be"`
	Rules   []TriedRule `json:"rules"` // those that would have said something else
}

// TriedRule is a rule that would have said something else.
type TriedRule struct {
	Rule    string `json:"rule"`
	Was     string `json:"was"`
	WouldBe string `json:"would_be"`
	Reason  string `json:"reason,omitempty"`
}

// Same says whether nothing would have been different.
func (t Tried) Same() bool { return t.Was == t.WouldBe && len(t.Rules) == 0 }

// TrialCounts are how many decisions would have been what.
type TrialCounts struct {
	Looked     int `json:"looked_at"`
	Alike      int `json:"same"`
	Looser     int `json:"would_pass"`
	Stricter   int `json:"would_not_pass"`
	Unknown    int `json:"not_known"`
	Unenrolled int `json:"not_enrolled"`
	Other      int `json:"other"`
	Unreadable int `json:"unreadable"`
}

// Count adds a decision that was tried, or could not be, and says whether there is something to show
// of it.
func (c *TrialCounts) Count(t Tried, err error) bool {
	c.Looked++
	switch {
	case err != nil:
		c.Unreadable++
	case t.Same():
		c.Alike++
		return false
	case t.WouldBe == VerdictUnenrolled:
		c.Unenrolled++
	case t.WouldBe == VerdictUndecided && t.Was != VerdictUndecided:
		c.Unknown++
	case t.Was == VerdictPass && t.WouldBe != VerdictPass:
		c.Stricter++
	case t.Was != VerdictPass && t.WouldBe == VerdictPass:
		c.Looser++
	default:
		c.Other++
	}
	return true
}

// Judge makes a decision twice from its facts, by the policy that was kept with it and by the tried
// one, both times by this program, so that only the policy is different. repository is owner/name of
// whose change it was.
//
// What the tried policy asks for and nobody read then is not known, and never counts as held.
func (t Trial) Judge(facts, kept []byte, repository string) (Tried, error) {
	var f Facts
	if err := json.Unmarshal(facts, &f); err != nil {
		return Tried{}, fmt.Errorf("decode facts: %w", err)
	}
	layers, err := DecodeLayers(kept, repository)
	if err != nil {
		return Tried{}, err
	}
	before, _, err := ParseLayers(layers, repository)
	if err != nil {
		return Tried{}, err
	}
	after, _, err := ParseLayers(t.replace(layers, repository), repository)
	if err != nil {
		return Tried{}, err
	}
	was := Evaluate(before, Builtin().With(before.Agents), &f)
	if _, enrolled := after.Lane(f.Change.GoverningRef); !enrolled {
		return Tried{was.Verdict, VerdictUnenrolled, []TriedRule{}}, nil
	}
	// The file that is tried is whole, whatever was broken then.
	f.Broken = nil
	repatterned := after.Authorisation != nil && (before.Authorisation == nil || before.Authorisation.Pattern != after.Authorisation.Pattern)
	if repatterned {
		// Those of then are of another shape; what the body said was not kept.
		f.Change.Tickets = after.TicketsIn(f.Change.Title, f.Change.HeadRef)
	}
	next := Evaluate(after, Builtin().With(after.Agents), &f)
	if repatterned {
		ticketsUnknown(&next)
	}
	return Tried{was.Verdict, next.Verdict, differentRules(was, next)}, nil
}

// ticketsUnknown: tickets were looked for by the pattern of then, so that there are none by
// another one says nothing.
func ticketsUnknown(d *Decision) {
	for i, r := range d.Rules {
		if r.Rule == RuleAuthorised && r.Outcome == OutcomeFail && !r.Unknown {
			d.Rules[i].Unknown, d.Rules[i].Reason = true, "Tickets were not looked for by this pattern."
			d.Verdict = VerdictUndecided
		}
	}
}

// replace puts the tried file in the place of the layer that it is for.
func (t Trial) replace(layers []LayerSource, repository string) []LayerSource {
	tried := LayerSource{Layer: LayerRepository, Repository: repository, Source: t.Source}
	if t.Organisation {
		owner, _, _ := strings.Cut(repository, "/")
		tried.Layer, tried.Repository = LayerOrganisation, owner+"/"+OrganisationRepository
	}
	var out []LayerSource
	for _, l := range layers {
		if l.Layer != tried.Layer {
			out = append(out, l)
		}
	}
	if t.Organisation {
		return append([]LayerSource{tried}, out...)
	}
	return append(out, tried)
}

func differentRules(was, next Decision) []TriedRule {
	said := func(r RuleResult) string {
		if r.Unknown {
			return "not known"
		}
		return string(r.Outcome)
	}
	find := func(d Decision, rule string) (string, string) {
		for _, r := range d.Rules {
			if r.Rule == rule {
				return said(r), r.Reason
			}
		}
		return "not asked", ""
	}
	out := []TriedRule{}
	seen := map[string]bool{}
	for _, d := range []Decision{was, next} {
		for _, r := range d.Rules {
			if seen[r.Rule] {
				continue
			}
			seen[r.Rule] = true
			a, _ := find(was, r.Rule)
			b, reason := find(next, r.Rule)
			if a != b {
				out = append(out, TriedRule{Rule: r.Rule, Was: a, WouldBe: b, Reason: reason})
			}
		}
	}
	return out
}
