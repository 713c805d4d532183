package evidence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/policy"
)

// criterion is one criterion with what was tested for it.
type criterion struct {
	ID    string `json:"id"`
	Title string `json:"title"` // in our words
	Note  string `json:"note,omitempty"`
	// Tests is empty for what this bundle does not test.
	Tests []testResult `json:"tests"`
	// Documents are those that the organisation registers for it.
	Documents []controlDocument `json:"documents,omitempty"`
	tests     []controlTest
}

// controlTest is a test of a control. Without words it is that of a rule.
type controlTest struct {
	id, asks string
	mapping  mapping
	run      func(*findings) (tested, error)
}

// testResult is what a test gave. It says what was tested and what deviated, and no more.
//
// Field names and order are part of the evidence format; add, never change.
type testResult struct {
	ID   string `json:"id"`
	Asks string `json:"asks"`
	tested
	Mapping mapping `json:"mapping"`
}

// tested are the figures of a test.
type tested struct {
	// Of says what the items are.
	Of         string `json:"of"`
	Tested     int    `json:"tested"`
	Deviations int    `json:"deviations"`
	// Exempt are items that did not have to pass, because an emergency had been declared.
	Exempt int `json:"exempt,omitempty"`
	// Items are the deviations, each with where its evidence is.
	Items    []deviatingItem `json:"items"`
	Evidence []string        `json:"evidence"` // files
	// NotTestable are items from before their branch was enrolled.
	NotTestable int `json:"not_testable,omitempty"`
}

type deviatingItem struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Evidence string `json:"evidence"` // file
}

// controls is the matrix with its results.
type controls struct {
	V            int         `json:"v"`
	Organisation string      `json:"organisation"`
	From         time.Time   `json:"from"`
	To           time.Time   `json:"to"`
	Notes        []string    `json:"notes"`
	Criteria     []criterion `json:"criteria"`
}

// controlNotes are what must be known to read the results.
func controlNotes() []string {
	return []string{
		"These are results of tests, not an opinion. Whether a control is effective is for the auditor to conclude.",
		"A fact that could not be read counts as a deviation. A review that came after the merge does not undo one.",
		"Ids of frameworks say where a test may be of use. The mapping is ours; the frameworks' texts are not repeated.",
		"What reached a branch before it was enrolled is not tested: no decision could let it in.",
		"Results about decisions are of the sample, or of all changes where no sample was drawn; deviations that were found outside of a sample are not extrapolated.",
	}
}

// controls tests for all criteria, once: four documents say what came of it. None of them changes it.
func (f *findings) controls() (*controls, error) {
	if f.matrix != nil {
		return f.matrix, nil
	}
	c := &controls{V: 1, Organisation: f.organisation, From: f.query.From, To: f.query.To, Notes: append(controlNotes(), registerNote(f.register))}
	criteria, err := f.criteria()
	if err != nil {
		return nil, err
	}
	for _, m := range criteria {
		m.Tests, m.Documents = []testResult{}, documentsFor(f.register, m.ID, f.query)
		for _, t := range m.tests {
			r := testResult{ID: t.id, Asks: t.asks, Mapping: t.mapping}
			if r.Asks == "" {
				r.Asks = policy.RuleInWords(t.id)
			}
			if r.tested, err = t.run(f); err != nil {
				return nil, err
			}
			if r.Items == nil {
				r.Items = []deviatingItem{}
			}
			m.Tests = append(m.Tests, r)
		}
		c.Criteria = append(c.Criteria, m)
	}
	f.matrix = c
	return c, nil
}

// criteria are those of the matrix, and the organisation's own rules and documents under the criteria
// that these name.
func (f *findings) criteria() ([]criterion, error) {
	out := slices.Clone(matrix)
	known := map[string]bool{}
	for _, m := range out {
		for _, t := range m.tests {
			known[t.id] = true
		}
	}
	tallies, err := f.ruleTallies()
	if err != nil {
		return nil, err
	}
	for _, rule := range slices.Sorted(maps.Keys(tallies)) {
		if known[rule] {
			continue
		}
		control := tallies[rule].control
		i := slices.IndexFunc(out, func(m criterion) bool { return m.ID == control })
		if i < 0 {
			i = len(out)
			out = append(out, criterion{ID: control, Title: "What the organisation's own rules name it for"})
		}
		none := []string{}
		test := controlTest{rule, "The organisation's own rule " + rule + " held", mapping{none, none, none, none, none, none}, ofRule(rule)}
		out[i].tests = append(slices.Clone(out[i].tests), test)
	}
	return withRegistered(out, f.register), nil
}

// deciding is the leaf of the decision that let the change in: that of its merge group, if it came
// with one; -1: there is none.
func (c change) deciding() int64 {
	if c.update.group >= 0 {
		return c.update.group
	}
	return c.decision
}

// ruledHere says whether rules are tested by the change: it has a decision and is in the sample,
// if there is one.
func (f *findings) ruledHere(c change) bool {
	return c.deciding() >= 0 && (f.draw == nil || f.picked[c.id()])
}

func (f *findings) controlsJSON() ([]byte, error) {
	c, err := f.controls()
	if err != nil {
		return nil, err
	}
	return indented(c)
}

func (f *findings) controlsPage() ([]byte, error) {
	c, err := f.controls()
	if err != nil {
		return nil, err
	}
	return page("controls.html", struct {
		*controls
		Log signedLog
	}{c, f.log})
}

// Frameworks are the ids of a mapping with the frameworks' names.
func (m mapping) Frameworks() []struct {
	Name string
	IDs  []string
} {
	return []struct {
		Name string
		IDs  []string
	}{{"SOC 2", m.SOC2}, {"ISO/IEC 27001:2022", m.ISO}, {"PCI DSS 4.0.1", m.PCI}, {"NIST SP 800-53r5", m.NIST}, {"NIST SSDF 1.1", m.SSDF}, {"DORA", m.DORA}}
}

// deviation notes a change that deviated.
func (t *tested) deviation(f *findings, c change) {
	t.Deviations++
	where := "population.csv"
	if f.shown(c) {
		where = c.pageName()
	}
	t.Items = append(t.Items, deviatingItem{c.id(), c.title(), where})
}

func isPull(c change) bool { return c.number != 0 }

func moves(c change) bool { return c.update.moves() }

// foundAny says whether something of these kinds was found about a change.
func foundAny(kinds ...string) func(change) bool {
	return func(c change) bool {
		return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(c.kinds, k) }) ||
			slices.Contains(kinds, policy.FindingWithoutDecision) && c.undecided() || slices.Contains(kinds, policy.FindingDirectPush) && c.number == 0 && moves(c)
	}
}

// ofPopulation tests every change of the population to which the test applies.
func ofPopulation(applies, deviates func(change) bool) func(*findings) (tested, error) {
	return func(f *findings) (tested, error) {
		t := tested{Of: "changes of the population", Evidence: []string{"population.csv"}}
		for _, c := range f.changes {
			if !applies(c) {
				continue
			}
			if c.update.earlier {
				t.NotTestable++
				continue
			}
			if t.Tested++; deviates(c) {
				t.deviation(f, c)
			}
		}
		return t, nil
	}
}

// ruleTally is how a rule was held to, in the decisions that the changes rest on.
type ruleTally struct {
	control string // that the rule names
	tested
}

// ofRule tests how a rule was held to.
func ofRule(rule string) func(*findings) (tested, error) {
	return func(f *findings) (tested, error) {
		tallies, err := f.ruleTallies()
		if err != nil {
			return tested{}, err
		}
		t := tallies[rule]
		if t == nil {
			t = &ruleTally{}
		}
		return t.of(f), nil
	}
}

// of are the figures of a tally, with what they are of.
func (t *ruleTally) of(f *findings) tested {
	out := t.tested
	out.Of, out.Evidence = "changes with a decision", []string{fileDecisions}
	if f.draw != nil {
		out.Of = "changes of the sample with a decision"
	}
	return out
}

// ruleTallies are the tallies of all rules.
func (f *findings) ruleTallies() (map[string]*ruleTally, error) {
	if f.tallies != nil {
		return f.tallies, nil
	}
	w, err := f.walk()
	if err != nil {
		return nil, err
	}
	out := map[string]*ruleTally{}
	for _, c := range f.changes {
		if !f.ruledHere(c) {
			continue
		}
		for _, r := range w.outcomes[c.deciding()] {
			if out[r.rule] == nil {
				out[r.rule] = &ruleTally{control: r.control}
			}
			out[r.rule].add(f, c, r.outcome)
		}
	}
	f.tallies = out
	return out, nil
}

func (t *ruleTally) add(f *findings, c change, outcome policy.Outcome) {
	if outcome == policy.OutcomeNotApplicable {
		return
	}
	switch t.Tested++; outcome {
	case policy.OutcomePass:
	case policy.OutcomeExempt:
		t.Exempt++
	default:
		t.deviation(f, c)
	}
}

// ofProtection tests how the branches of the population were protected at any time of the period.
// A branch that was updated before anything was known of it has a state that is not known.
func ofProtection(f *findings) (tested, error) {
	t := tested{Of: "states of protection in the period", Evidence: []string{"protection.csv", "bypass-attestations.csv"}}
	deviates := func(id, title string) {
		t.Deviations++
		t.Items = append(t.Items, deviatingItem{id, title, "protection.csv"})
	}
	for _, b := range f.completeness.Branches {
		if !b.enrolledThen() {
			continue
		}
		known := false
		for i, p := range f.protections {
			if p.RepositoryID != b.RepositoryID || p.Ref != b.Branch {
				continue
			}
			known = known || b.Updates == 0 || !p.Since.After(b.FirstUpdateAt)
			if !inPeriod(f.protections, i, f.query) {
				continue
			}
			if t.Tested++; p.Holds != "yes" {
				deviates(fmt.Sprintf("leaf %d", p.leaf), fmt.Sprintf("%s: branch %s since %s", p.Repository, p.Ref, moment(p.Since)))
			}
		}
		if !known {
			t.Tested++
			deviates(fmt.Sprintf("%d/%s", b.RepositoryID, b.Branch), fmt.Sprintf("%s: branch %s, not known when it was updated first (%s)", b.Repository, b.Branch, cmp.Or(moment(b.FirstUpdateAt), "it was not")))
		}
	}
	return t, nil
}

// ofExceptions tests whether exceptions were settled in time; an empty kind is every kind.
func ofExceptions(kind string) func(*findings) (tested, error) {
	return func(f *findings) (tested, error) {
		t := tested{Of: "exceptions that were open in the period", Evidence: []string{"exceptions.csv"}}
		for _, e := range f.exceptions {
			x := e.newest()
			if kind != "" && x.Kind != kind {
				continue
			}
			if t.Tested++; !x.OverdueAt.IsZero() {
				t.Deviations++
				t.Items = append(t.Items, deviatingItem{x.ID, fmt.Sprintf("%s: %s", x.Repository, x.Kind), "exceptions.csv"})
			}
		}
		return t, nil
	}
}

// ofCompleteness tests whether the updates of each branch follow each other, and could be seen,
// also those from before it was enrolled.
func ofCompleteness(f *findings) (tested, error) {
	t := tested{Of: "branches of the population", Evidence: []string{"completeness.json"}}
	for _, b := range f.completeness.Branches {
		if t.Tested++; len(b.Gaps)+len(b.Blind) > 0 || b.unread() {
			t.Deviations++
			t.Items = append(t.Items, deviatingItem{fmt.Sprintf("%d/%s", b.RepositoryID, b.Branch), b.Repository + ": branch " + b.Branch, "completeness.json"})
		}
	}
	return t, nil
}
