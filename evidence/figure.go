package evidence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// figure is one chart of the bundle with the rows that it came from.
//
// Field names and order are part of the evidence format; add, never change.
type figure struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Says is how it was counted, and what it does not show.
	Says string `json:"says"`
	File string `json:"file"`
	// Shares is true where values are parts of a whole, and are drawn as such.
	Shares bool `json:"shares"`
	// Of names what a row is: ids of population.csv, or of exceptions.csv.
	Of      string   `json:"rows_of"`
	Columns []string `json:"columns"` // months, or classes of time, in order
	Series  []series `json:"series"`
	// Missing are the rows of which the records do not say; they are in no point.
	Missing missing `json:"missing"`
}

// series is what has one colour.
type series struct {
	Name   string  `json:"name"`
	Points []point `json:"points"` // one for each column in which there is something
}

// point is one value with the rows that it came from.
type point struct {
	Column string   `json:"column"`
	Value  int      `json:"value"`
	Of     int      `json:"of,omitempty"` // the whole, where values are shares
	Rows   []string `json:"rows"`
}

type missing struct {
	Why  string   `json:"why"`
	Rows []string `json:"rows"`
}

// maxSeries is how many colours a chart has; what is rarest is counted together.
const maxSeries = 8

const otherSeries = "others"

// tally counts rows by series and column.
type tally struct {
	points map[string]map[string]*point
	totals map[string]int // by series
	wholes map[string]int // by column
	gone   []string
}

func newTally() *tally {
	return &tally{points: map[string]map[string]*point{}, totals: map[string]int{}, wholes: map[string]int{}}
}

// add counts n of a whole for a row.
func (t *tally) add(name, column, row string, n, of int) {
	if t.points[name] == nil {
		t.points[name] = map[string]*point{}
	}
	p := t.points[name][column]
	if p == nil {
		p = &point{Column: column}
		t.points[name][column] = p
	}
	p.Value += n
	p.Rows = append(p.Rows, row)
	t.totals[name] += n
	t.wholes[column] += of
}

// into fills a figure: the series that are counted most first, then by name.
func (t *tally) into(f figure) figure {
	names := slices.SortedFunc(maps.Keys(t.points), func(a, b string) int { return cmp.Or(t.totals[b]-t.totals[a], strings.Compare(a, b)) })
	f.Series = []series{}
	for i, name := range names {
		if i >= maxSeries-1 && len(names) > maxSeries {
			f.Series = append(f.Series, t.together(otherSeries, names[i:], f))
			break
		}
		f.Series = append(f.Series, t.together(name, []string{name}, f))
	}
	if f.Missing.Rows = t.gone; t.gone == nil {
		f.Missing.Rows = []string{}
	}
	return f
}

// together is what several names are as one series.
func (t *tally) together(name string, names []string, f figure) series {
	out := series{Name: name}
	for _, column := range f.Columns {
		p := point{Column: column}
		for _, n := range names {
			if one := t.points[n][column]; one != nil {
				p.Value += one.Value
				p.Rows = append(p.Rows, one.Rows...)
			}
		}
		if f.Shares {
			p.Of = t.wholes[column]
		}
		if p.Rows != nil {
			out.Points = append(out.Points, p)
		}
	}
	return out
}

// at is the point of a series in a column.
func (s series) at(column string) point {
	i := slices.IndexFunc(s.Points, func(p point) bool { return p.Column == column })
	if i < 0 {
		return point{Column: column}
	}
	return s.Points[i]
}

func monthOf(t time.Time) string { return t.UTC().Format("2006-01") }

// months are those that the period touches.
func (q Query) months() (out []string) {
	last := q.To.Add(-time.Nanosecond).UTC()
	for at := time.Date(q.From.UTC().Year(), q.From.UTC().Month(), 1, 0, 0, 0, 0, time.UTC); !at.After(last); at = at.AddDate(0, 1, 0) {
		out = append(out, monthOf(at))
	}
	return out
}

// text is the figure in words: what who cannot see it is told.
func (f figure) text() string {
	var lines []string
	for _, column := range f.Columns {
		var parts []string
		for _, s := range f.Series {
			p := s.at(column)
			switch {
			case p.Rows == nil:
			case f.Shares:
				parts = append(parts, fmt.Sprintf("%s %d of %d", s.Name, p.Value, p.Of))
			default:
				parts = append(parts, fmt.Sprintf("%s %d", s.Name, p.Value))
			}
		}
		if len(parts) == 0 {
			parts = []string{"nothing"}
		}
		lines = append(lines, column+": "+strings.Join(parts, ", ")+".")
	}
	if n := len(f.Missing.Rows); n > 0 {
		lines = append(lines, fmt.Sprintf("Left out: %d. %s", n, f.Missing.Why))
	}
	return f.Says + " " + strings.Join(lines, " ")
}
