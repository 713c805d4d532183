package facts

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/policy"
)

// declarations are the emergency commands. Of those that are looked at for the first time,
// whether their author is in the emergency team is told by the team as it is now.
func (k Known) declarations(pol *policy.Policy, second *secondReading) []policy.Declaration {
	out := slices.Clone(k.Declarations)
	for i := range out {
		if d := &out[i]; d.Member == "" && pol.Emergency != nil {
			d.Member = memberOf(second.teams, pol.Emergency.Team, d.By)
		}
	}
	return out
}

// memberOf is "yes", "no", or empty when the team could not be read whole.
func memberOf(teams []policy.Team, name string, who policy.Actor) string {
	for _, team := range teams {
		if !strings.EqualFold(team.Name, name) || who.ID == 0 {
			continue
		}
		if slices.ContainsFunc(team.Members.Items, func(m policy.Actor) bool { return m.ID == who.ID }) {
			return "yes"
		}
		if team.Members.Complete {
			return "no"
		}
	}
	return ""
}

// firstMembers are the answers that were not recorded before, by the key of the declaration.
func (k Known) firstMembers(now []policy.Declaration) map[int64]string {
	out := map[int64]string{}
	for i, d := range now {
		if k.Declarations[i].Member == "" && d.Member != "" {
			out[d.Key()] = d.Member
		}
	}
	return out
}
