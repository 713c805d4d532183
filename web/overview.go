package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// overviewPage is an organisation and a period in figures.
type overviewPage struct {
	Base      string
	Period    period
	Merged    []figure // of what reached branches in the period
	Now       []figure // of exceptions and branches, as they are
	Agents    *chart   // nil: no pull request was merged
	Gone      int64    // updates whose records were disposed of before they were counted
	Limited   bool     // the visitor sees some repositories
	Nothing   bool     // nothing reached a branch in the period
	ByMonth   bool
	Following bool      // a branch is followed
	FirstDay  *firstDay // nil: the visitor does not see it
}

// figure is one number with what it counts and its rows.
type figure struct {
	Name, Value, Says string
	Tone              string // "good", "bad", "open" or none
	Rows              []figureRows
}

// Words says whether the value is no number.
func (f figure) Words() bool { return f.Value[0] < '0' || f.Value[0] > '9' }

// figureRows is a part of a figure, with the list of it.
type figureRows struct {
	Text, Link string // Link: empty, there is no list
}

// overview shows the figures.
func (s *Site) overview(v *visit) (shown, error) {
	p := overviewPage{Base: v.base(), Limited: v.view.Role == store.RoleViewer}
	var err error
	if p.Period, err = s.period(v); err != nil {
		return shown{}, err
	}
	days, err := v.view.MergedDays(v.Context(), p.Period.From, p.Period.Before)
	if err != nil {
		return shown{}, err
	}
	sums := store.MergedDay{Counts: map[string]int64{}}
	for _, d := range days {
		for mark, n := range d.Counts {
			sums.Counts[mark] += n
		}
	}
	p.Gone, p.Nothing = sums.Counts[store.CountGone], sums.Counts[policy.MergedAny] == 0
	p.merged(sums.Counts)
	if sums.Counts[policy.MergedPull] > 0 {
		p.agents(days)
	}
	unsettled, err := v.view.Unsettled(v.Context())
	if err != nil {
		return shown{}, err
	}
	coverage, err := v.view.Coverage(v.Context())
	if err != nil {
		return shown{}, err
	}
	p.Following = coverage != (store.Coverage{})
	p.now(unsettled, coverage)
	if p.FirstDay, err = s.firstDay(v); err != nil {
		return shown{}, err
	}
	return shown{"Overview", p}, nil
}

// rows links to the changes of the period that have a mark.
func (p *overviewPage) rows(n int64, text, mark string) figureRows {
	r := figureRows{Text: fmt.Sprintf("%d %s", n, text)}
	if n > 0 {
		r.Link = p.Base + "/merged?" + p.Period.query("what", mark)
	}
	return r
}

// merged are the figures of what reached branches, from their sums.
func (p *overviewPage) merged(n map[string]int64) {
	any, pulls := n[policy.MergedAny], n[policy.MergedPull]
	yes, no, unknown := string(policy.Yes), string(policy.No), string(policy.Unknown)
	const latency, kept = policy.MergedLatency, policy.MergedKept
	p.Merged = []figure{
		{Name: "Changes that reached enrolled branches", Value: strconv.FormatInt(any, 10),
			Says: "Every pull request that was merged, and every update of a branch that brought none, since the branch was enrolled.",
			Rows: []figureRows{p.rows(any, "in all", policy.MergedAny), p.rows(n[policy.MergedDirect], "without a pull request", policy.MergedDirect)}},
		{Name: "Written by agents, or with one", Value: shareOf(n[policy.MergedByAgent], pulls),
			Says: "Pull requests of which traces of an agent were found, of all that were merged. Of the others no agent indicator was found, or they are by automation or by GitHub.",
			Rows: []figureRows{p.rows(n[policy.MergedByAgent], "by or with agents", policy.MergedByAgent), p.rows(n[policy.MergedClass], "of which it is not known", policy.MergedClass)}},
		{Name: "With an independent review", Value: shareOf(n[policy.MergedReviewed+yes], pulls), Tone: fullTone(n[policy.MergedReviewed+yes], pulls),
			Says: "Pull requests with an approval that counted before the merge, of all that were merged: by a person who is not behind the change. What is not known is not taken for reviewed.",
			Rows: []figureRows{p.rows(n[policy.MergedReviewed+no], "without", policy.MergedReviewed+no), p.rows(n[policy.MergedReviewed+unknown], "of which it is not known", policy.MergedReviewed+unknown)}},
		{Name: "Of agents' changes, with an independent review", Value: shareOf(n[policy.MergedAgentReviewed+yes], n[policy.MergedByAgent]), Tone: fullTone(n[policy.MergedAgentReviewed+yes], n[policy.MergedByAgent]),
			Says: "The same, of those that were written by an agent or with one.",
			Rows: []figureRows{p.rows(n[policy.MergedAgentReviewed+no], "without", policy.MergedAgentReviewed+no), p.rows(n[policy.MergedAgentReviewed+unknown], "of which it is not known", policy.MergedAgentReviewed+unknown)}},
		{Name: "Validations that failed", Value: shareOf(n[store.CountFailed], n[store.CountAttempts]),
			Says: "Attempts of the validations that were asked for which ended with anything but success, of all attempts, on the commit that was merged or its merge group. Attempts on earlier commits are not counted.",
			Rows: []figureRows{{Text: fmt.Sprintf("%d of %d attempts", n[store.CountFailed], n[store.CountAttempts])}, p.rows(n[policy.MergedTests+"failed"], "changes with one that failed", policy.MergedTests+"failed"),
				p.rows(n[policy.MergedTests+policy.MergedUnknown], "of which it is not known", policy.MergedTests+policy.MergedUnknown)}},
		{Name: "Time to the first independent review", Value: quantiles(n),
			Says: "From ready for review to the first review by a person who is not behind the change. What was merged without one counts as longer than everything.",
			Rows: []figureRows{p.rows(n[latency+policy.LatencyNone], "not reviewed before the merge", latency+policy.LatencyNone), p.rows(n[latency+policy.MergedUnknown], "of which it is not known", latency+policy.MergedUnknown)}},
		{Name: "Reviewed in the time that the policy sets", Value: shareOf(n[kept+string(policy.KeptInTime)], inTimeOf(n)), Tone: fullTone(n[kept+string(policy.KeptInTime)], inTimeOf(n)),
			Says: "Pull requests whose first independent review was in time, of those that had a time to keep.",
			Rows: []figureRows{p.rows(n[kept+string(policy.KeptLate)], "late", kept+string(policy.KeptLate)), p.rows(n[kept+string(policy.KeptEarly)], "merged before it was due, and not reviewed", kept+string(policy.KeptEarly)),
				p.rows(n[kept+string(policy.KeptNoTime)], "without a time to keep", kept+string(policy.KeptNoTime)), p.rows(n[kept+policy.MergedUnknown], "of which it is not known", kept+policy.MergedUnknown)}},
	}
}

// inTimeOf is how many had a time to keep.
func inTimeOf(n map[string]int64) (of int64) {
	for _, kept := range []policy.ReviewKept{policy.KeptInTime, policy.KeptLate, policy.KeptEarly} {
		of += n[policy.MergedKept+string(kept)]
	}
	return of
}

const notObservable = "not observable"

// shareOf is a part in percent; of nothing it cannot be known. All is only said of all, and nothing
// only of nothing.
func shareOf(n, of int64) string {
	if of == 0 {
		return notObservable
	}
	const tenth = 100 // of a percent
	r := evidence.Rate(n * 100_000 / of)
	if n > 0 && r < tenth {
		return "under 0.1%"
	}
	return (r / tenth * tenth).String()
}

func fullTone(n, of int64) string {
	switch {
	case of == 0:
		return ""
	case n == of:
		return "good"
	}
	return "open"
}

// quantiles are the median and the ninth tenth of the times to the first review, by their classes.
func quantiles(n map[string]int64) string {
	type class struct {
		name string
		n    int64
	}
	var classes []class
	var all int64
	add := func(name, value string) {
		classes = append(classes, class{name, n[policy.MergedLatency+value]})
		all += n[policy.MergedLatency+value]
	}
	longest := ""
	for _, most := range policy.LatencyClasses() {
		longest = timeInWords(most)
		add("at most "+longest, strconv.FormatInt(int64(most/time.Second), 10))
	}
	add("more than "+longest, policy.LatencyLonger)
	add("no review before the merge", policy.LatencyNone)
	if all == 0 {
		return notObservable
	}
	at := func(tenths int64) string {
		var sum int64
		for _, c := range classes {
			if sum += c.n; sum*10 >= all*tenths {
				return c.name
			}
		}
		return notObservable
	}
	return "median " + at(5) + ", p90 " + at(9)
}

// timeInWords writes a time like "4 h" or "1 d 12 h".
func timeInWords(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if n := d / u.of; n > 0 {
			parts, d = append(parts, fmt.Sprintf("%d %s", n, u.name)), d%u.of
		}
	}
	if len(parts) == 0 {
		return "under 1 min"
	}
	return strings.Join(parts[:min(2, len(parts))], " ")
}

// agents is the share of each agent over time. A change counts for the one of which there is the
// strongest evidence.
func (p *overviewPage) agents(days []store.MergedDay) {
	first, byMonth := p.Period.columns()
	p.ByMonth = byMonth
	names, wholes := make([]string, len(first)), make([]int64, len(first))
	values := map[string][]int64{}
	for i, at := range first {
		names[i] = at.Format("2 Jan")
		if byMonth {
			names[i] = at.Format("Jan 2006")
		}
	}
	at := 0
	for _, d := range days {
		for at+1 < len(first) && !d.Day.Before(first[at+1]) {
			at++
		}
		wholes[at] += d.Counts[policy.MergedPull]
		for mark, n := range d.Counts {
			if name, is := writerOf(mark); is {
				if values[name] == nil {
					values[name] = make([]int64, len(first))
				}
				values[name][at] += n
			}
		}
	}
	by := "week"
	if byMonth {
		by = "month"
	}
	p.Agents = newChart("agents", "Who wrote what was merged", "Share of the pull requests that were merged, by "+by+". A change counts for the agent of which there is the strongest evidence; one without is counted by its class.", names, wholes, values)
	for i := range p.Agents.Series {
		s := &p.Agents.Series[i]
		if mark := markOfWriter(s.Name); mark != "" {
			s.Link = p.Base + "/merged?" + p.Period.query("what", mark)
		}
	}
}

// writerOf is whom a mark counts a change for.
func writerOf(mark string) (name string, is bool) {
	if name, is = strings.CutPrefix(mark, policy.MergedBy); is {
		return name, true
	}
	class, is := strings.CutPrefix(mark, policy.MergedClass)
	if is {
		return classOfWriter(class), true
	}
	return "", false
}

// classOfWriter is how what counts for no agent is called.
func classOfWriter(class string) string {
	switch policy.Class(class) {
	case "":
		return "class not known"
	case policy.ClassAgent, policy.ClassAssisted, policy.ClassSuggestion:
		return "agents without a name"
	}
	return classInWords(class)
}

// markOfWriter is the mark that a name of the chart counts; empty: more than one.
func markOfWriter(name string) string {
	for _, class := range []policy.Class{"", policy.ClassAutomation, policy.ClassPlatform, policy.ClassUndetected} {
		if classOfWriter(string(class)) == name {
			return policy.MergedClass + string(class)
		}
	}
	if name == othersName || name == classOfWriter(string(policy.ClassAgent)) {
		return ""
	}
	return policy.MergedBy + name
}

// now are the figures of how things are, whatever the period.
func (p *overviewPage) now(u store.Unsettled, c store.Coverage) {
	list := func(n int, text, path string) figureRows {
		r := figureRows{Text: fmt.Sprintf("%d %s", n, text)}
		if n > 0 && path != "" {
			r.Link = p.Base + path
		}
		return r
	}
	branches := func(n int, text, state string) figureRows {
		path := "/protection?state=" + state
		if p.Limited {
			path = "" // the page is of all repositories
		}
		return list(n, text, path)
	}
	all := c.Protected + c.Lacking + c.Unknown + c.Audit + c.Blind
	p.Now = []figure{
		{Name: "Exceptions that are not closed", Value: strconv.Itoa(u.Open + u.Remediated), Tone: noneTone(u.Open + u.Remediated),
			Says: "What did not hold and nobody has settled, now.",
			Rows: []figureRows{list(u.Open+u.Remediated, "not closed", "/exceptions?state=unsettled"), list(u.Remediated, "of these remediated: the cause is gone", "/exceptions?state=remediated")}},
		{Name: "Exceptions that are overdue", Value: strconv.Itoa(u.Overdue), Tone: noneTone(u.Overdue),
			Says: "Not closed, and due before now.", Rows: []figureRows{list(u.Overdue, "overdue", "/exceptions?state=overdue")}},
		{Name: "Enrolled branches that nothing reaches in another way", Value: shareOf(int64(c.Protected), int64(all)), Tone: fullTone(int64(c.Protected), int64(all)),
			Says: "Branches that are enforced and protected as their policy asks, of all that are enrolled, now. A branch is blind while GitHub does not show what reaches it.",
			Rows: []figureRows{branches(c.Protected, "protected", "protected"), branches(c.Lacking, "enforced, and the rules lack something", "lacking"), branches(c.Unknown, "enforced, and it is not known", "unknown"),
				branches(c.Audit, "in audit: nothing is held", "audit"), branches(c.Blind, "blind", "blind")}},
	}
	if all == 0 {
		p.Now[2].Says = "No branch is enrolled yet."
	}
}

func noneTone(n int) string {
	if n == 0 {
		return ""
	}
	return "open"
}
