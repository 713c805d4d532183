package evidence

import (
	"maps"
	"slices"
)

// defaultConfidence is that of the upper rates where no plan gave one.
const defaultConfidence Rate = 95_000

// results says what the sample and the whole population showed, in figures. It draws no conclusion.
//
// Field names and order are part of the evidence format; add, never change.
type results struct {
	V int `json:"v"`
	// Sample is what testing all attributes of the sample's items showed; nil: there is no sample.
	Sample *sampleResults `json:"sample,omitempty"`
	// Population is what comparing every change with the decisions showed: all of it was looked
	// at, so there is no risk of sampling.
	Population populationResults `json:"population"`
}

type sampleResults struct {
	Says string `json:"says"`
	// Confidence is that of the upper rates; ConfidenceBy is "plan" or "default".
	Confidence   Rate   `json:"confidence"`
	ConfidenceBy string `json:"confidence_by"`
	// Plan is what the sample was to show; nil: its size was asked for.
	Plan *Plan `json:"plan,omitempty"`
	// Allowed is how many deviations the plan allows.
	Allowed    int                `json:"allowed_deviations,omitempty"`
	Strata     []sampleLine       `json:"strata"`
	All        sampleLine         `json:"all"`
	Replaced   []Replaced         `json:"replaced"`
	Attributes []attributeResults `json:"attributes"`
}

// sampleLine is one stratum of a sample, or all of it.
type sampleLine struct {
	Stratum    string `json:"stratum"`
	Population int    `json:"population"`
	Tested     int    `json:"tested"`
	Deviations int    `json:"deviations"`
	// UpperRate is the rate of deviations in the population that is not exceeded with the
	// confidence; absent where nothing was tested.
	UpperRate *Rate    `json:"upper_deviation_rate,omitempty"`
	Deviating []string `json:"deviating"` // ids
	// NotTestable are the items that were drawn and came before their branch was enrolled. They are
	// counted neither as tested nor in the population that the rate is about.
	NotTestable int `json:"not_testable,omitempty"`
}

// attributeResults counts the items of the sample by what one attribute of them was.
type attributeResults struct {
	Attribute     string `json:"attribute"`
	Test          string `json:"test"`
	Pass          int    `json:"pass"`
	Deviation     int    `json:"deviation"`
	Unknown       int    `json:"unknown"`
	NotApplicable int    `json:"not_applicable"`
	NotRecorded   int    `json:"not_recorded"`
	NotTestable   int    `json:"not_testable,omitempty"`
}

type populationResults struct {
	Says   string           `json:"says"`
	Strata []populationLine `json:"strata"`
	All    populationLine   `json:"all"`
	// Emergencies are those of the period, and Late those whose review was due and did not come in
	// time. They are tested apart: they are no deviations of the population.
	Emergencies int `json:"emergencies"`
	Late        int `json:"emergencies_not_reviewed_in_time"`
}

// populationLine is one stratum of the population, or all of it. Every item that can be was tested.
type populationLine struct {
	Stratum    string `json:"stratum"`
	Tested     int    `json:"tested"`
	Deviations int    `json:"deviations"`
	// Rate is exact, and rounded up to a thousandth of a percent; absent where there is no item.
	Rate *Rate `json:"deviation_rate,omitempty"`
	// NotTestable are the items from before their branch was enrolled. They are in no rate.
	NotTestable int `json:"not_testable,omitempty"`
}

const (
	allStrata = "all"

	saysSample = "Every item of the sample was tested for the attributes of attributes.csv; what is unknown counts as a deviation, and an item deviates if one of its attributes does, or something was found about it. " +
		"The upper rate is one-sided, without replacement. That of all strata together takes the items for one sample, which is exact only if the strata were drawn in proportion."
	saysPopulation = "Every change of the population was compared with the decisions about it, and deviates if something was found, or nothing was decided. All of it was looked at, so this has no sampling risk. " +
		"It tests that nothing reached a branch that no decision let in. On a branch in audit mode a decision that did not pass is no deviation here. What came before its branch was enrolled is not tested, and is in no rate."
)

func (f *findings) results() (r results, err error) {
	r = results{V: 1, Population: f.populationResults()}
	if f.draw != nil {
		r.Sample, err = f.sampleResults()
	}
	return r, err
}

func (f *findings) sampleResults() (*sampleResults, error) {
	s := &sampleResults{Says: saysSample, Confidence: defaultConfidence, ConfidenceBy: "default", Plan: f.draw.Plan, Allowed: f.draw.Allowed, Strata: []sampleLine{}, Replaced: f.draw.Replaced,
		All: sampleLine{Stratum: allStrata, Deviating: []string{}}}
	if s.Replaced == nil {
		s.Replaced = []Replaced{}
	}
	if s.Plan != nil {
		s.Confidence, s.ConfidenceBy = s.Plan.Confidence, "plan"
	}
	for _, a := range attributes() {
		s.Attributes = append(s.Attributes, attributeResults{Attribute: a.letter, Test: a.test})
	}
	lines := map[string]*sampleLine{}
	for _, item := range items(f.changes, f.query.Sample.ByClass) {
		if lines[item.Stratum] == nil {
			lines[item.Stratum] = &sampleLine{Stratum: item.Stratum, Deviating: []string{}}
		}
		if f.byID[item.ID].update.earlier {
			continue
		}
		lines[item.Stratum].Population++
		s.All.Population++
	}
	for _, d := range f.drawn {
		if _, replaced := f.replaced(d.ID); replaced {
			continue
		}
		deviates, err := f.count(s.Attributes, *f.byID[d.ID])
		if err != nil {
			return nil, err
		}
		for _, line := range []*sampleLine{lines[d.Stratum], &s.All} {
			if f.byID[d.ID].update.earlier {
				line.NotTestable++
			} else {
				line.add(d.ID, deviates)
			}
		}
	}
	if f.query.Sample.ByClass {
		for _, name := range slices.Sorted(maps.Keys(lines)) {
			s.Strata = append(s.Strata, *lines[name])
		}
	}
	for _, line := range append(pointers(s.Strata), &s.All) {
		if err := line.estimate(s.Confidence); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func pointers(lines []sampleLine) (out []*sampleLine) {
	for i := range lines {
		out = append(out, &lines[i])
	}
	return out
}

// count tests one item of the sample, and says whether it deviates.
func (f *findings) count(into []attributeResults, c change) (deviates bool, err error) {
	r, err := f.onRecord(c)
	if err != nil {
		return false, err
	}
	deviates = c.deviates()
	for i, x := range f.attributesOf(r) {
		into[i].add(x.result)
		deviates = deviates || x.result.deviates()
	}
	return deviates, nil
}

func (a *attributeResults) add(r result) {
	switch r {
	case resultPass:
		a.Pass++
	case resultDeviation:
		a.Deviation++
	case resultNotApplicable:
		a.NotApplicable++
	case resultNotRecorded:
		a.NotRecorded++
	case resultNotTestable:
		a.NotTestable++
	default:
		a.Unknown++
	}
}

func (l *sampleLine) add(id string, deviates bool) {
	l.Tested++
	if deviates {
		l.Deviations++
		l.Deviating = append(l.Deviating, id)
	}
}

// estimate fills in the upper rate.
func (l *sampleLine) estimate(confidence Rate) error {
	if l.Tested == 0 {
		return nil
	}
	rate, err := UpperRate(l.Population, l.Tested, l.Deviations, confidence)
	l.UpperRate = &rate
	return err
}

func (f *findings) populationResults() populationResults {
	p := populationResults{Says: saysPopulation, Strata: []populationLine{}, All: populationLine{Stratum: allStrata}}
	lines := map[string]*populationLine{}
	for _, c := range f.changes {
		if lines[c.stratum()] == nil {
			lines[c.stratum()] = &populationLine{Stratum: c.stratum()}
		}
		lines[c.stratum()].add(c)
		p.All.add(c)
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		p.Strata = append(p.Strata, lines[name].rated())
	}
	p.All = p.All.rated()
	for _, x := range f.exceptions {
		if x.newest().Kind == kindEmergency {
			p.Emergencies++
			if x.inTime(f) == "no" {
				p.Late++
			}
		}
	}
	return p
}

func (l *populationLine) add(c change) {
	if c.update.earlier {
		l.NotTestable++
		return
	}
	if l.Tested++; c.deviates() {
		l.Deviations++
	}
}

func (l populationLine) rated() populationLine {
	if l.Tested > 0 {
		rate := shareOf(l.Deviations, l.Tested)
		l.Rate = &rate
	}
	return l
}

// shareOf is a part of a whole, rounded up to a thousandth of a percent.
func shareOf(part, of int) Rate {
	return Rate((int64(part)*int64(whole) + int64(of) - 1) / int64(of))
}

func (f *findings) resultsJSON() ([]byte, error) {
	r, err := f.results()
	if err != nil {
		return nil, err
	}
	return indented(r)
}
