package web

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// agentsPage is the inventory of the agents that decisions named.
type agentsPage struct {
	Base     string
	Login    string
	From     time.Time // what an auditor may read begins here; zero: all
	Rows     []agentRow
	Parties  []partyRow
	Revision string // of the built-in catalogue
}

// agentRow is one agent or automation.
type agentRow struct {
	store.AgentSeen
	policy.MeasuredAgent       // what the catalogue says
	Merged               int64 // pull requests that reached branches
	Link, MergedLink     string
	WritesByModel        bool
}

// partyRow is whom agents come from, or who runs their models.
type partyRow struct {
	Name, Role, Agents string
	First, Last        time.Time
}

// agents lists what was seen, for those who see all of the organisation.
func (s *Site) agents(v *visit) (shown, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return shown{}, err
	}
	p := agentsPage{Base: v.base(), Login: v.view.Login, From: v.view.From, Revision: policy.Builtin().Revision()}
	until := s.Now().UTC().AddDate(0, 0, 1)
	days, err := v.view.MergedDays(v.Context(), until.AddDate(0, 0, -mostDays), until)
	if err != nil {
		return shown{}, err
	}
	seen, err := tenant.AgentsSeen(v.Context())
	if err != nil {
		return shown{}, err
	}
	if !v.view.From.IsZero() || !v.view.Before.IsZero() {
		seen = seenOn(days)
	}
	merged := map[string]int64{}
	for _, d := range days {
		for mark, n := range d.Counts {
			if name, is := strings.CutPrefix(mark, policy.MergedWith); is {
				merged[name] += n
			}
		}
	}
	for _, a := range seen {
		row := agentRow{AgentSeen: a, Merged: merged[a.Name], Link: p.Base + "/changes?" + url.Values{"agent": {a.Name}}.Encode()}
		if row.MeasuredAgent, err = catalogued(v, tenant, a.Name); err != nil {
			return shown{}, err
		}
		row.WritesByModel = row.Kind != policy.KindAutomation && row.Kind != policy.KindPlatform
		p.Rows = append(p.Rows, row)
	}
	p.parties()
	return shown{"Agents", p}, nil
}

// seenOn are the agents of what was merged on some days: what an auditor may know of.
func seenOn(days []store.MergedDay) (out []store.AgentSeen) {
	byName := map[string]*store.AgentSeen{}
	for _, d := range days {
		for mark := range d.Counts {
			name, is := strings.CutPrefix(mark, policy.MergedWith)
			if !is {
				continue
			}
			if byName[name] == nil {
				byName[name] = &store.AgentSeen{Name: name, First: d.Day}
			}
			byName[name].Last = d.Day
		}
	}
	for _, a := range byName {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b store.AgentSeen) int { return strings.Compare(a.Name, b.Name) })
	return out
}

const notRecorded = "not recorded"

// catalogued is what the catalogue says of an agent: the built-in one, or that of the newest
// decision that named it, to which the organisation may have added.
func catalogued(v *visit, tenant store.Tenant, name string) (policy.MeasuredAgent, error) {
	out := policy.MeasuredAgent{Name: name, Kind: notRecorded, Vendor: notRecorded, Provider: notRecorded}
	agent := policy.Builtin().Named(name)
	if agent == nil {
		list, err := v.view.Changes(v.Context(), store.ChangeFilter{Marks: []string{store.MarkAgent + name}, Limit: 1})
		if err != nil || len(list) == 0 {
			return out, err
		}
		d, err := tenant.Decision(v.Context(), list[0].RecordID)
		if errors.Is(err, store.ErrNotFound) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		catalogue, err := policy.ParseCatalogue(d.Catalogue)
		if err != nil {
			return out, nil // one that this version does not read: it is said that nothing is recorded
		}
		agent = catalogue.Named(name)
	}
	if agent != nil {
		out.Kind, out.Vendor, out.Provider = agent.Kind, cmp.Or(agent.Vendor, "not known"), cmp.Or(agent.Provider, "not known")
	}
	return out, nil
}

// parties are the vendors of the agents that write by a model, and who runs the models. What is not
// known is a row as well.
func (p *agentsPage) parties() {
	type key struct{ name, role string }
	agents := map[key][]string{}
	times := map[key][2]time.Time{}
	for _, a := range p.Rows {
		if !a.WritesByModel {
			continue
		}
		for role, name := range map[string]string{"vendor": a.Vendor, "LLM provider": a.Provider} {
			k := key{name, role}
			t, known := times[k]
			if !known || a.First.Before(t[0]) {
				t[0] = a.First
			}
			if a.Last.After(t[1]) {
				t[1] = a.Last
			}
			agents[k], times[k] = append(agents[k], a.AgentSeen.Name), t
		}
	}
	for k, names := range agents {
		p.Parties = append(p.Parties, partyRow{k.name, k.role, strings.Join(names, ", "), times[k][0], times[k][1]})
	}
	slices.SortFunc(p.Parties, func(a, b partyRow) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Role, b.Role))
	})
}
