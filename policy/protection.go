package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Settings are the bytes that say how a branch is protected, the same for the same settings
// whatever order GitHub lists them in. What owners attested of it, and why something could not
// be read, is left out: it changes without the settings.
func (p Protection) Settings() ([]byte, error) {
	p.Why = ""
	if p.Classic != nil {
		classic := *p.Classic
		classic.RequiredChecks = sortedChecks(classic.RequiredChecks)
		p.Classic = &classic
	}
	p.Rules.Items = slices.Clone(p.Rules.Items)
	for i := range p.Rules.Items {
		r := &p.Rules.Items[i]
		r.RequiredChecks, r.MergeMethods = sortedChecks(r.RequiredChecks), slices.Sorted(slices.Values(r.MergeMethods))
	}
	slices.SortFunc(p.Rules.Items, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.RulesetID, b.RulesetID), strings.Compare(a.Type, b.Type), strings.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	p.Bypass = slices.Clone(p.Bypass)
	for i := range p.Bypass {
		b := &p.Bypass[i]
		b.Why, b.Attested, b.Actors = "", nil, slices.Clone(b.Actors)
		slices.SortFunc(b.Actors, func(a, c BypassActor) int {
			return cmp.Or(strings.Compare(a.Type, c.Type), cmp.Compare(a.ID, c.ID), strings.Compare(a.Mode, c.Mode))
		})
	}
	slices.SortFunc(p.Bypass, func(a, b Bypass) int { return cmp.Compare(a.RulesetID, b.RulesetID) })
	return json.Marshal(p)
}

func sortedChecks(list []RequiredCheck) []RequiredCheck {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b RequiredCheck) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.AppID, b.AppID))
	})
	return out
}
