package evidence

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

func TestMetricsGolden(t *testing.T) {
	p := month(t, nil)
	f := p.findings()
	golden(t, "metrics.json", p.document(f, "metrics.json"))
	for _, fig := range f.figures() {
		golden(t, fig.File, p.document(f, fig.File))
	}
}

func (p *period) metricsOf(f *findings) (m metrics) {
	p.t.Helper()
	p.must(json.Unmarshal(p.document(f, "metrics.json"), &m))
	return m
}

// Every row of a figure is a row of the table that it names, and no pull request is lost.
func TestMetricsNameTheirRows(t *testing.T) {
	p := month(t, nil)
	f := p.findings()
	known := map[string]map[string]bool{rowsPopulation: {}, rowsExceptions: {}}
	pulls := 0
	for name := range known {
		for _, row := range p.rowsOf(f, name) {
			known[name][row["id"]] = true
			if row["pull_request"] != "" && name == rowsPopulation {
				pulls++
			}
		}
	}
	m := p.metricsOf(f)
	if m.Bypasses != "not observable" || len(m.Figures) != 6 {
		t.Fatalf("bypasses %q, %d figures", m.Bypasses, len(m.Figures))
	}
	for _, fig := range m.Figures {
		rows := slices.Clone(fig.Missing.Rows)
		for _, s := range fig.Series {
			for _, x := range s.Points {
				rows = append(rows, x.Rows...)
				if !slices.Contains(fig.Columns, x.Column) || len(x.Rows) == 0 {
					t.Errorf("%s: a point of no column, or of nothing: %+v", fig.ID, x)
				}
			}
		}
		for _, id := range rows {
			if !known[fig.Of][id] {
				t.Errorf("%s: %s has no row %q", fig.ID, fig.Of, id)
			}
		}
		if of := []string{"agent-share", "validation-failures", "review-latency"}; slices.Contains(of, fig.ID) && len(rows) != pulls {
			t.Errorf("%s: %d rows for %d pull requests", fig.ID, len(rows), pulls)
		}
	}
}

func TestReviewLatency(t *testing.T) {
	at := day(2)
	for _, test := range []struct {
		review, due time.Duration // after it was ready; 0: none
		merged      time.Duration
		want        string
	}{
		{time.Hour, 0, 5 * time.Hour, "no time set up to 1 h"},
		{time.Hour + time.Second, 24 * time.Hour, 5 * time.Hour, "in time up to 4 h"},
		{24 * time.Hour, 24 * time.Hour, 30 * time.Hour, "late up to 1 day"},
		{200 * time.Hour, 24 * time.Hour, 300 * time.Hour, "late longer"},
		{0, 24 * time.Hour, 5 * time.Hour, "merged before it was due not before merge"},
		{0, 24 * time.Hour, 25 * time.Hour, "late not before merge"},
		{0, 0, time.Hour, "no time set not before merge"},
	} {
		m := &policy.Measures{ReadyAt: at}
		if test.review > 0 {
			m.FirstReviewAt = at.Add(test.review)
		}
		if test.due > 0 {
			m.ReviewDueAt = at.Add(test.due)
		}
		if got := kept(m, at.Add(test.merged)) + " " + latencyOf(m); got != test.want {
			t.Errorf("%+v: got %q, want %q", test, got, test.want)
		}
	}
}

func TestMonths(t *testing.T) {
	q := Query{From: time.Date(2025, 11, 15, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}
	if got := q.months(); !slices.Equal(got, []string{"2025-11", "2025-12", "2026-01"}) {
		t.Errorf("got %v", got)
	}
}

// What is rarest is counted together, so that there are colours for all, and nothing is lost.
func TestFigureOfMany(t *testing.T) {
	tally := newTally()
	for n := range 12 {
		for range n + 1 {
			tally.add(fmt.Sprintf("agent %02d", n), "2026-11", "row", 1, 1)
		}
	}
	f := newFigure("x", "X", rowsPopulation, "Says.", []string{"2026-10", "2026-11"})
	f.Shares = true
	f = tally.into(f)
	last := f.Series[len(f.Series)-1]
	if len(f.Series) != maxSeries || f.Series[0].Name != "agent 11" || last.Name != otherSeries || last.Points[0].Value != 1+2+3+4+5 || last.Points[0].Of != 78 {
		t.Errorf("got %+v", f.Series)
	}
	svg := string(f.svg())
	for class := range maxSeries {
		if !strings.Contains(svg, fmt.Sprintf(`<rect class="s%d"`, class)) || !strings.Contains(svg, fmt.Sprintf(".s%d{", class)) {
			t.Errorf("no colour %d", class)
		}
	}
	if !strings.Contains(svg, "2026-10: nothing.") {
		t.Errorf("an empty month is not told: %s", svg)
	}
}

// A chart is well-formed, says in words what it shows, and holds nothing that runs or is fetched,
// whatever an organisation calls its agents.
func TestChartIsText(t *testing.T) {
	const hostile = "</title><script>alert(1)</script>\x00&\"' and a name that is longer than any legend has room for"
	tally := newTally()
	tally.add(hostile, "2026-11", "1/2/3", 2, 4)
	f := newFigure("x", "Title", rowsPopulation, "Says.", []string{"2026-11"})
	for name, svg := range map[string][]byte{"hostile": tally.into(f).svg(), "empty": newTally().into(f).svg()} {
		elements := map[string]int{}
		in := xml.NewDecoder(bytes.NewReader(svg))
		for {
			token, err := in.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, svg)
			}
			if start, ok := token.(xml.StartElement); ok {
				elements[start.Name.Local]++
				for _, a := range start.Attr {
					if strings.HasPrefix(a.Name.Local, "on") || strings.HasSuffix(a.Name.Local, "href") || a.Name.Local == "src" {
						t.Errorf("%s: %s has %s", name, start.Name.Local, a.Name.Local)
					}
				}
			}
		}
		if elements["script"] > 0 || elements["svg"] != 1 || elements["desc"] != 1 || elements["title"] == 0 {
			t.Errorf("%s: got %v", name, elements)
		}
	}
}
