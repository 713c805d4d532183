package policy

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

const (
	// maxPathRules is how many entries paths may have.
	maxPathRules = 50
	// maxPathGlobs is how many globs all of them may have together: every changed file is
	// held against each.
	maxPathGlobs = 200
	// maxLines is the largest number of lines that larger_than takes.
	maxLines = 1_000_000
)

// paths reads the list of path rules.
func (r *policyReader) paths(n *yaml.Node) []PathRule {
	var out []PathRule
	globs := 0
	for i, item := range r.sequence(n, "paths") {
		rule, ok := r.pathRule(item, fmt.Sprintf("paths[%d]", i))
		if !ok {
			continue
		}
		globs += len(rule.Match) + len(rule.Branches)
		out = append(out, rule)
	}
	if len(out) > maxPathRules {
		r.say(n, "paths", fmt.Sprintf("has %d entries, at most %d are allowed", len(out), maxPathRules), "put globs that ask for the same into one entry")
	}
	if globs > maxPathGlobs {
		r.say(n, "paths", fmt.Sprintf("has %d globs together, at most %d are allowed", globs, maxPathGlobs), "use wildcards")
	}
	return out
}

func (r *policyReader) pathRule(n *yaml.Node, path string) (PathRule, bool) {
	m := r.mapping(n, path, "match", "larger_than", "labels", "branches", "approvals", "teams", "from_teams")
	if m == nil {
		return PathRule{}, false
	}
	rule := PathRule{
		Match:      r.globs(m["match"], path+".match", true),
		LargerThan: r.number(m["larger_than"], path+".larger_than", 0, maxLines),
		Labels:     r.texts(m["labels"], path+".labels"),
		Branches:   r.globs(m["branches"], path+".branches", true),
		Approvals:  r.number(m["approvals"], path+".approvals", 1, maxApprovals),
		Teams:      r.teams(m["teams"], path+".teams"),
		FromTeams:  r.number(m["from_teams"], path+".from_teams", 1, maxApprovals),
	}
	for _, key := range []string{"labels", "teams"} {
		if list := m[key]; list != nil && list.Kind == yaml.SequenceNode && len(list.Content) == 0 {
			r.say(list, path+"."+key, "is empty", "name at least one, or leave the key out")
		}
	}
	if m["match"] == nil && m["larger_than"] == nil && m["labels"] == nil && m["branches"] == nil {
		r.say(n, path, "does not say which changes it is about", "give match, larger_than, labels or branches; for all changes use review")
	}
	if m["approvals"] == nil && m["teams"] == nil {
		r.say(n, path, "asks for nothing", "give approvals, teams or both")
	}
	if m["from_teams"] != nil && m["teams"] == nil {
		r.say(m["from_teams"], path+".from_teams", "needs teams", "name the teams whose members must approve")
	}
	return rule, true
}
