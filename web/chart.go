package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The measures of a chart, in its own units.
const (
	chartLeft   = 48 // to the axis
	chartTop    = 12
	chartWidth  = 900
	chartHeight = 200
	legendLine  = 20
	maxSeries   = 8 // colours: what is rarest is counted together
	maxBar      = 48
	othersName  = "others"
)

// chart is stacked bars of shares, with the table that says the same. Templates draw it: its texts
// may be anybody's.
type chart struct {
	ID, Title, Says string
	Columns         []chartColumn
	Series          []chartSeries
	Width, Height   int
	Base            int // where the bars stand
	Line            int // length of the axis
}

// chartColumn is one bar.
type chartColumn struct {
	Name  string
	Of    int64 // the whole
	X     int   // of its middle
	Label bool  // its name is written under it: there is not room for all
	Bars  []chartBar
}

// chartBar is one series in one column.
type chartBar struct {
	Series, X, Y, Width, Height int
	Text                        string
}

// chartSeries is what has one colour.
type chartSeries struct {
	Name   string
	Total  int64
	Values []int64 // by column
	Y      int     // in the legend
	Link   string  // to the rows; empty: there is none
}

// newChart draws values by series name and column, each a part of its column's whole.
func newChart(id, title, says string, columns []string, wholes []int64, values map[string][]int64) *chart {
	c := &chart{ID: id, Title: title, Says: says, Width: chartLeft + chartWidth, Base: chartTop + chartHeight, Line: chartLeft + chartWidth}
	c.series(values)
	step := chartWidth / max(1, len(columns))
	width := min(maxBar, max(1, step*2/3))
	every := max(1, (len(columns)*72+chartWidth-1)/chartWidth)
	for i, name := range columns {
		column := chartColumn{Name: name, Of: wholes[i], X: chartLeft + i*step + step/2, Label: i%every == 0}
		var sum int64
		for s, series := range c.Series {
			n := series.Values[i]
			if n == 0 || wholes[i] == 0 {
				continue
			}
			from := c.Base - int(sum*chartHeight/wholes[i])
			sum += n
			to := c.Base - int(sum*chartHeight/wholes[i])
			column.Bars = append(column.Bars, chartBar{s, column.X - width/2, to, width, max(1, from-to), fmt.Sprintf("%s, %s: %d of %d", name, series.Name, n, wholes[i])})
		}
		c.Columns = append(c.Columns, column)
	}
	for i := range c.Series {
		c.Series[i].Y = c.Base + 36 + i*legendLine
	}
	c.Height = c.Base + 40 + legendLine*len(c.Series)
	return c
}

// series are those of the values that are most, and the rest together.
func (c *chart) series(values map[string][]int64) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s := chartSeries{Name: name, Values: values[name]}
		for _, n := range s.Values {
			s.Total += n
		}
		c.Series = append(c.Series, s)
	}
	slices.SortStableFunc(c.Series, func(a, b chartSeries) int { return cmp.Compare(b.Total, a.Total) })
	if len(c.Series) <= maxSeries {
		return
	}
	others := chartSeries{Name: othersName, Values: make([]int64, len(c.Series[0].Values))}
	for _, s := range c.Series[maxSeries-1:] {
		others.Total += s.Total
		for i, n := range s.Values {
			others.Values[i] += n
		}
	}
	c.Series = append(c.Series[:maxSeries-1], others)
}

// Text is the chart in words, for who cannot see it.
func (c *chart) Text() string {
	var lines []string
	for i, column := range c.Columns {
		var parts []string
		for _, s := range c.Series {
			if n := s.Values[i]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d of %d", s.Name, n, column.Of))
			}
		}
		if len(parts) == 0 {
			parts = []string{"nothing"}
		}
		lines = append(lines, column.Name+": "+strings.Join(parts, ", ")+".")
	}
	return c.Says + " " + strings.Join(lines, " ")
}
