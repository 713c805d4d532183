package evidence

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

const notRecorded = "not recorded"

// seenAgent is an agent or automation that the class of changes of the period rests on.
type seenAgent struct {
	name string
	// kinds, vendors and providers are what the catalogues of the decisions say of it: one each, if
	// none was changed in the period.
	kinds, vendors, providers map[string]bool
	first, last               time.Time // GitHub's, of the updates that brought the changes
	changes, deviations       int
	classes                   map[policy.Class]int
	verdicts                  map[policy.Verdict]int
	repositories              map[string]bool
}

// agentsSeen are those of the changes that reached a branch in the period, by name.
func (f *findings) agentsSeen() []*seenAgent {
	byName := map[string]*seenAgent{}
	for i := range f.changes {
		c := &f.changes[i]
		for _, name := range c.agents {
			if byName[name] == nil {
				byName[name] = &seenAgent{name: name, kinds: map[string]bool{}, vendors: map[string]bool{}, providers: map[string]bool{},
					classes: map[policy.Class]int{}, verdicts: map[policy.Verdict]int{}, repositories: map[string]bool{}}
			}
			byName[name].add(c)
		}
	}
	var out []*seenAgent
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out
}

func (a *seenAgent) add(c *change) {
	details := c.detailsOf(a.name)
	a.kinds[details.Kind], a.vendors[details.Vendor], a.providers[details.Provider] = true, true, true
	if a.first.IsZero() || c.update.at.Before(a.first) {
		a.first = c.update.at
	}
	if c.update.at.After(a.last) {
		a.last = c.update.at
	}
	a.changes++
	if c.deviates() {
		a.deviations++
	}
	a.classes[c.class]++
	a.verdicts[c.verdict]++
	a.repositories[c.update.repository] = true
}

// detailsOf is what the catalogue of the change's decision says of an agent.
func (c *change) detailsOf(name string) policy.MeasuredAgent {
	if c.measures != nil {
		for _, a := range c.measures.Agents {
			if a.Name == name {
				return policy.MeasuredAgent{Name: name, Kind: cmp.Or(a.Kind, notRecorded), Vendor: cmp.Or(a.Vendor, "not known"), Provider: cmp.Or(a.Provider, "not known")}
			}
		}
	}
	return policy.MeasuredAgent{Name: name, Kind: notRecorded, Vendor: notRecorded, Provider: notRecorded}
}

// writes says whether it may be an agent that writes by a model: everything that no catalogue
// calls an automation or GitHub itself.
func (a *seenAgent) writes() bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(a.kinds)), func(kind string) bool { return kind != policy.KindAutomation && kind != policy.KindPlatform })
}

func either(texts map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(texts)), " / ")
}

// agentsTable lists the agents and automations that were seen.
func (f *findings) agentsTable() table {
	t := table{name: "agents", title: "Agents", columns: []string{"agent", "kind", "vendor", "provider", "first_seen", "last_seen", "changes", "as_agent", "as_assisted", "as_suggestion", "as_automation",
		"verdict_pass", "verdict_other", "deviations", "repositories"}}
	for _, a := range f.agentsSeen() {
		pass := a.verdicts[policy.VerdictPass]
		t.rows = append(t.rows, []string{a.name, either(a.kinds), either(a.vendors), either(a.providers), moment(a.first), moment(a.last), strconv.Itoa(a.changes),
			strconv.Itoa(a.classes[policy.ClassAgent]), strconv.Itoa(a.classes[policy.ClassAssisted]), strconv.Itoa(a.classes[policy.ClassSuggestion]), strconv.Itoa(a.classes[policy.ClassAutomation]),
			strconv.Itoa(pass), strconv.Itoa(a.changes - pass), strconv.Itoa(a.deviations), either(a.repositories)})
	}
	return t
}

// party is somebody whom agents of the period come from.
type party struct {
	name, role string
	agents     map[string]bool
	first      time.Time
	last       time.Time
}

// subprocessorsTable lists the vendors of the AI agents that were seen, and who runs their models,
// as far as the catalogue says. What is not known is a row as well.
func (f *findings) subprocessorsTable() table {
	t := table{name: "subprocessors", title: "Subprocessors", columns: []string{"name", "role", "agents", "first_seen", "last_seen"}}
	parties := map[[2]string]*party{}
	for _, a := range f.agentsSeen() {
		if !a.writes() {
			continue
		}
		for role, names := range map[string]map[string]bool{"vendor": a.vendors, "LLM provider": a.providers} {
			for name := range names {
				key := [2]string{name, role}
				if parties[key] == nil {
					parties[key] = &party{name: name, role: role, agents: map[string]bool{}, first: a.first}
				}
				parties[key].add(a)
			}
		}
	}
	list := slices.SortedFunc(maps.Values(parties), func(a, b *party) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.role, b.role))
	})
	for _, p := range list {
		t.rows = append(t.rows, []string{p.name, p.role, either(p.agents), moment(p.first), moment(p.last)})
	}
	return t
}

func (p *party) add(a *seenAgent) {
	p.agents[a.name] = true
	if a.first.Before(p.first) {
		p.first = a.first
	}
	if a.last.After(p.last) {
		p.last = a.last
	}
}
