package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Value is one value of a policy in plain words, defaults included.
type Value struct {
	// Path is where it stands, e.g. "review.agent.approvals"; an item of a list is named by
	// its name or id, e.g. "validation.required[tests]".
	Path string
	Text string
}

// Values lists what a policy says, sorted by path, so that two policies with equal lists ask
// for the same.
func (p *Policy) Values() []Value {
	shown := *p
	shown.Branches, shown.Lanes, shown.Mode = nil, nil, ""
	src, err := json.Marshal(shown)
	if err != nil {
		return []Value{{Path: "", Text: "cannot be shown: " + err.Error()}}
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return []Value{{Path: "", Text: "cannot be shown: " + err.Error()}}
	}
	delete(tree, "version")
	delete(tree, "mode")
	delete(tree, "branches")
	var out []Value
	flatten(&out, "", tree)
	if len(p.Validation.Required) == 0 {
		out = append(out, Value{"validation.required", branchRequires})
	} else if p.Validation.andBranch {
		out = append(out, Value{"validation.required", "also " + branchRequires})
	}
	out = append(out, p.enrolments()...)
	slices.SortStableFunc(out, func(a, b Value) int { return strings.Compare(a.Path, b.Path) })
	return out
}

const branchRequires = "what the branch requires"

// enrolments are the branches that are enrolled and how, as Lane judges them.
func (p *Policy) enrolments() []Value {
	type entry struct {
		pattern string
		e       Enrolment
	}
	var list []entry
	for _, lane := range p.lanes() {
		for _, pattern := range lane.Branches {
			i := slices.IndexFunc(list, func(have entry) bool { return have.pattern == pattern })
			switch e := enrolment(lane); {
			case i < 0:
				list = append(list, entry{pattern, e})
			case list[i].e.Mode == ModeAudit && e.Mode != ModeAudit:
				list[i].e = e
			}
		}
	}
	var out []Value
	for _, l := range list {
		out = append(out, Value{"branches[" + l.pattern + "]", string(l.e.Mode) + " as " + l.e.CheckName})
	}
	return out
}

// flatten lists the leaves of a JSON tree.
func flatten(out *[]Value, path string, node any) {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			flatten(out, join(path, key), value)
		}
	case []any:
		var plain []string
		for _, item := range node {
			object, ok := item.(map[string]any)
			if !ok {
				plain = append(plain, fmt.Sprint(item))
				continue
			}
			name, text := itemText(object)
			*out = append(*out, Value{path + "[" + name + "]", text})
		}
		if len(plain) > 0 {
			slices.Sort(plain)
			*out = append(*out, Value{path, strings.Join(plain, ", ")})
		}
	default:
		*out = append(*out, Value{path, fmt.Sprint(node)})
	}
}

// itemText names an item of a list of mappings, and writes the rest of it on one line.
func itemText(item map[string]any) (name, text string) {
	for _, key := range []string{"id", "name", "type"} {
		if s, ok := item[key].(string); ok {
			name = s
			delete(item, key)
			break
		}
	}
	if n, ok := item["id"].(json.Number); ok {
		name = strings.TrimSpace(name + " " + n.String())
		delete(item, "id")
	}
	var rest []Value
	flatten(&rest, "", item)
	slices.SortFunc(rest, func(a, b Value) int { return strings.Compare(a.Path, b.Path) })
	var parts []string
	for _, v := range rest {
		parts = append(parts, v.Path+": "+v.Text)
	}
	if name == "" {
		return strings.Join(parts, ", "), "yes"
	}
	if len(parts) == 0 {
		return name, "yes"
	}
	return name, strings.Join(parts, ", ")
}

// Origin says where a value of a policy comes from.
type Origin struct {
	// Layer is empty for a default.
	Layer string
	// Line is the line in the layer's file; 0 when it is not one line.
	Line int
}

// String is "organisation, line 4", or "default".
func (o Origin) String() string {
	switch {
	case o.Layer == "":
		return "default"
	case o.Line == 0:
		return o.Layer
	}
	return fmt.Sprintf("%s, line %d", o.Layer, o.Line)
}

// bothLayers is the origin of what neither layer says by itself.
const bothLayers = LayerOrganisation + " and " + LayerRepository

// Origins says of every value of a merged policy, by its path, which layer it comes from: the
// outermost that says the same, or both where they say it together. Name is owner/name of the repository that it is for; either
// layer may be nil.
func (p *Policy) Origins(organisation, repository *Policy, name string) map[string]Origin {
	out := map[string]Origin{}
	for _, v := range p.Values() {
		list, _, isItem := strings.Cut(v.Path, "[")
		above, own := 0, 0
		if organisation != nil && (list != "branches" || organisation.enrols(name)) {
			above = organisation.lineOf(v.Path)
		}
		if repository != nil {
			own = repository.lineOf(v.Path)
		}
		switch {
		case above > 0 && slices.Contains(organisation.Values(), v):
			out[v.Path] = Origin{LayerOrganisation, above}
		case own > 0 && (isItem || slices.Contains(repository.Values(), v)): // an item may have been narrowed
			out[v.Path] = Origin{LayerRepository, own}
		case above > 0 && own > 0:
			out[v.Path] = Origin{Layer: bothLayers}
		case above > 0: // what the repository says of other changes raised it
			out[v.Path] = Origin{Layer: LayerRepository}
		case own > 0: // and the organisation here
			out[v.Path] = Origin{Layer: LayerOrganisation}
		}
	}
	return out
}

// lineOf is the line on which a policy's file gives a value, 0 when it does not. An item of a
// list is looked up by what it holds.
func (p *Policy) lineOf(path string) int {
	if at, ok := p.places[path]; ok {
		return at.Line
	}
	list, name, isItem := strings.Cut(strings.TrimSuffix(path, "]"), "[")
	if !isItem {
		return 0
	}
	line := func(i int) int { return p.places[fmt.Sprintf("%s[%d]", list, i)].Line }
	switch list {
	case "branches":
		if i := slices.Index(p.Branches, name); i >= 0 {
			return line(i)
		}
		for i, lane := range p.Lanes {
			if slices.Contains(lane.Branches, name) {
				return p.places[fmt.Sprintf("lanes[%d]", i)].Line
			}
		}
	case "agents":
		if i := slices.IndexFunc(p.Agents, func(a Agent) bool { return a.Name == name }); i >= 0 {
			return line(i)
		}
	case "validation.required":
		if i := slices.IndexFunc(p.Validation.Required, func(v RequiredValidation) bool { return v.ID == name }); i >= 0 {
			return line(i)
		}
	case "protection.allow_bypass":
		for i, a := range p.Protection.AllowBypass {
			if strings.TrimSuffix(fmt.Sprintf("%s %d", a.Type, a.ID), " 0") == name {
				return line(i)
			}
		}
	}
	return p.places[list].Line
}

// Difference is one value that another policy has otherwise. Of what only one of them says,
// the other text is empty.
//
// Field names and order are part of the evidence format; add, never change.
type Difference struct {
	Path string `json:"path"`
	Was  string `json:"was,omitempty"`
	Is   string `json:"is,omitempty"`
	// Effect is "loosens" or "tightens"; empty where neither can be said.
	Effect string `json:"effect,omitempty"`
}

// The effects of a difference.
const (
	effectLoosens  = "loosens"
	effectTightens = "tightens"
)

// String is "review.agent.approvals: 2 → 1 (loosens)".
func (d Difference) String() string {
	s := fmt.Sprintf("%s: %s → %s", d.Path, orNothing(d.Was), orNothing(d.Is))
	if d.Effect != "" {
		s += " (" + d.Effect + ")"
	}
	return s
}

// Differences lists what another policy says otherwise, sorted by path.
//
// What loosens and what tightens is told by Merge: a value that would not hold under the
// policy as it was asks for less.
func (p *Policy) Differences(next *Policy) []Difference {
	was, is := valueMap(p), valueMap(next)
	floor := *p
	floor.places, floor.Repositories = nil, []string{"**"}
	low := *next
	low.places = nil
	merged, _ := Merge(&floor, &low, "a/b")
	held := valueMap(merged)
	var out []Difference
	for path := range was {
		if was[path] != is[path] {
			out = append(out, Difference{Path: path, Was: was[path], Is: is[path]})
		}
	}
	for path := range is {
		if _, ok := was[path]; !ok {
			out = append(out, Difference{Path: path, Is: is[path]})
		}
	}
	for i := range out {
		d := &out[i]
		switch list, _, _ := strings.Cut(d.Path, "["); {
		case list == "agents", d.Path == "validation.required", d.Path == "authorisation.pattern":
		case held[d.Path] == d.Is:
			d.Effect = effectTightens
		case held[d.Path] == d.Was:
			d.Effect = effectLoosens
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func valueMap(p *Policy) map[string]string {
	out := map[string]string{}
	for _, v := range p.Values() {
		out[v.Path] = v.Text
	}
	return out
}
