package evidence

import (
	"time"

	"github.com/countersign/countersign/policy"
)

// metrics are the figures of the period, each with the rows that it came from.
//
// Field names and order are part of the evidence format; add, never change.
type metrics struct {
	V    int       `json:"v"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Bypasses is always "not observable": whether somebody used a right to bypass the rules of a
	// branch, the log cannot show.
	Bypasses string   `json:"bypasses"`
	Figures  []figure `json:"figures"`
}

const notObservable = "not observable"

const (
	noIndicator    = "no agent indicator found"
	rowsPopulation = "population.csv"
	rowsExceptions = "exceptions.csv"

	noMeasures = "The record of the update is from before this was kept, or no decision with facts preceded the merge."
)

// charted is a figure that can be made, by the name of its chart.
type charted struct {
	id   string
	make func(id string) figure
}

// charted are all figures, in order.
func (f *findings) charted() []charted {
	return []charted{
		{"agent-share", f.agentShare},
		{"validation-failures", f.validationFailures},
		{"review-latency", f.reviewLatency},
		{"deviations", f.deviationsByMonth},
		{"exceptions", f.exceptionsByMonth},
		{"bypasses", f.pastControl},
	}
}

func (f *findings) figures() (out []figure) {
	for _, c := range f.charted() {
		out = append(out, c.make(c.id))
	}
	return out
}

func newFigure(id, title, of, says string, columns []string) figure {
	return figure{ID: id, Title: title, Says: says, File: chartFile(id), Of: of, Columns: columns}
}

// agentShare is which part of the pull requests each agent had, by the one with the strongest
// evidence of each.
func (f *findings) agentShare(id string) figure {
	fig := newFigure(id, "Pull requests by agent", rowsPopulation,
		"Share of the pull requests that reached enrolled branches, by month of the merge. A change counts for the agent of which there is the strongest evidence; one without is counted by its class.", f.query.months())
	fig.Shares = true
	t := newTally()
	for i := range f.changes {
		if c := &f.changes[i]; c.number != 0 {
			t.add(c.mainAgent(), monthOf(c.update.at), c.id(), 1, 1)
		}
	}
	return t.into(fig)
}

// mainAgent is the agent with the strongest evidence, or what the change is without one.
func (c *change) mainAgent() string {
	if name := policy.MainAgent(c.class, c.agents); name != "" {
		return name
	}
	if c.class == policy.ClassUndetected {
		return noIndicator
	}
	return c.stratum()
}

// validationFailures is which part of the attempts of validations failed.
func (f *findings) validationFailures(id string) figure {
	fig := newFigure(id, "Failed attempts of validations", rowsPopulation,
		"Share of the attempts of the validations that were asked for which ended with anything but success, on the commit that was merged or its merge group, by month of the merge. Attempts on earlier commits are not counted.", f.query.months())
	fig.Shares, fig.Missing.Why = true, noMeasures
	t := newTally()
	for i := range f.changes {
		c := &f.changes[i]
		m := c.measures
		if c.update.tests != nil && c.update.kind == policy.UpdateQueueMerge {
			m = c.update.tests
		}
		switch {
		case c.number == 0:
		case m == nil:
			t.gone = append(t.gone, c.id())
		default:
			t.add("failed", monthOf(c.update.at), c.id(), m.Failed, m.Attempts)
		}
	}
	return t.into(fig)
}

// latencies are the classes of time to the first review, in order.
func latencies() []struct {
	name string
	most time.Duration
} {
	return []struct {
		name string
		most time.Duration
	}{{"up to 1 h", time.Hour}, {"up to 4 h", 4 * time.Hour}, {"up to 1 day", 24 * time.Hour}, {"up to 3 days", 72 * time.Hour}, {"up to 7 days", 168 * time.Hour}}
}

const (
	latencyMore = "longer"
	latencyNone = "not before merge"
)

// reviewLatency is how long the first independent review took, and whether it was due earlier.
func (f *findings) reviewLatency(id string) figure {
	var columns []string
	for _, l := range latencies() {
		columns = append(columns, l.name)
	}
	fig := newFigure(id, "Time to the first independent review", rowsPopulation,
		"Pull requests by the time from ready for review to the first review by a person who is not behind the change, and whether that kept to the time that the policy sets (sla). Without such a time there is none to keep.", append(columns, latencyMore, latencyNone))
	fig.Missing.Why = noMeasures + " Or no delivery said since when it was ready for review."
	t := newTally()
	for i := range f.changes {
		c := &f.changes[i]
		switch m := c.measures; {
		case c.number == 0:
		case m == nil || m.ReadyAt.IsZero():
			t.gone = append(t.gone, c.id())
		default:
			t.add(kept(m, c.update.at), latencyOf(m), c.id(), 1, 1)
		}
	}
	return t.into(fig)
}

func latencyOf(m *policy.Measures) string {
	if m.FirstReviewAt.IsZero() {
		return latencyNone
	}
	for _, l := range latencies() {
		if m.FirstReviewAt.Sub(m.ReadyAt) <= l.most {
			return l.name
		}
	}
	return latencyMore
}

// kept says whether the first review kept to the time that the policy set.
func kept(m *policy.Measures, merged time.Time) string {
	switch m.ReviewKept(merged) {
	case policy.KeptNoTime:
		return "no time set"
	case policy.KeptEarly:
		return "merged before it was due"
	case policy.KeptInTime:
		return "in time"
	}
	return "late"
}

// deviationsByMonth are the findings about changes. A change may have several.
func (f *findings) deviationsByMonth(id string) figure {
	fig := newFigure(id, "Deviations by kind", rowsPopulation, "What was found about what reached enrolled branches, by month. A change can have several kinds.", f.query.months())
	t := newTally()
	for i := range f.changes {
		c := &f.changes[i]
		for _, kind := range c.kinds {
			t.add(kind, monthOf(c.update.at), c.id(), 1, 1)
		}
		if len(c.kinds) == 0 && c.deviates() {
			t.add("nothing decided", monthOf(c.update.at), c.id(), 1, 1)
		}
	}
	return t.into(fig)
}

func (f *findings) exceptionsByMonth(id string) figure {
	fig := newFigure(id, "Exceptions opened, by kind", rowsExceptions, "Exceptions by the month in which they were opened. Those that were opened before the period and were still open in it are left out.", f.query.months())
	fig.Missing.Why = "They were opened before the period."
	t := newTally()
	for _, x := range f.exceptions {
		e := x.newest()
		if e.OpenedAt.Before(f.query.From) {
			t.gone = append(t.gone, e.ID)
			continue
		}
		t.add(e.Kind, monthOf(e.OpenedAt), e.ID, 1, 1)
	}
	return t.into(fig)
}

// pastControl is what got past the control. Whether a right to bypass was used for it nobody sees.
func (f *findings) pastControl(id string) figure {
	fig := newFigure(id, "Bypasses: not observable", rowsPopulation,
		"Whether somebody used a right to bypass the rules of a branch is not observable. Shown is what reached an enrolled branch without a decision that let it in, in whatever way, by month.", f.query.months())
	t := newTally()
	for i := range f.changes {
		c := &f.changes[i]
		switch c.past() {
		case byDirectPush:
			t.add("without a pull request", monthOf(c.update.at), c.id(), 1, 1)
		case byBypass:
			t.add("merged without a decision that let it in", monthOf(c.update.at), c.id(), 1, 1)
		}
	}
	return t.into(fig)
}

func (f *findings) metricsJSON() ([]byte, error) {
	return indented(metrics{V: 1, From: f.query.From, To: f.query.To, Bypasses: notObservable, Figures: f.figures()})
}

// charts are the documents of the figures.
func (f *findings) charts() (out []document) {
	for _, c := range f.charted() {
		out = append(out, document{chartFile(c.id), func() ([]byte, error) { return c.make(c.id).svg(), nil }})
	}
	return out
}

func chartFile(id string) string { return "charts/" + id + ".svg" }
