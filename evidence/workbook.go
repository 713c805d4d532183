package evidence

import (
	"fmt"
	"io"
	"strconv"
)

// sheets are the tables of the workbook, of so many rows with the header, after one that says what it is.
func (f *findings) sheets(limit int) ([]sheet, error) {
	attributes, err := f.attributesTable()
	if err != nil {
		return nil, err
	}
	results, err := f.resultsTable()
	if err != nil {
		return nil, err
	}
	tables := []table{
		populationTable(f.changes), f.sampleTable(), f.drawsTable(), results, attributes, exceptionsTable("exceptions", "Exceptions", f.exceptions, f.query), f.emergencyTable(),
		f.agentsTable(), f.subprocessorsTable(), registerTable(f.register, f.query), disposalsTable(f.disposals, f.query), f.metricsTable(),
	}
	sheets := []sheet{{}}
	for _, t := range tables {
		sheets = append(sheets, sheet{t, limit})
	}
	sheets[0] = sheet{f.aboutTable(sheets[1:]), maxSheetRows}
	return sheets, nil
}

func (f *findings) drawsTable() table { return drawsTable(f.draws, f.query) }

// aboutTable is the first sheet: what the workbook is of, and what each sheet holds.
func (f *findings) aboutTable(sheets []sheet) table {
	t := table{name: "about", title: "About", columns: []string{"what", "value", "rows"}, rows: [][]string{
		{"Organisation", f.organisation, ""},
		{"From", moment(f.query.From), ""},
		{"Before", moment(f.query.To), ""},
		{"Newest record", moment(f.asOf), ""},
		{"Population", strconv.Itoa(len(f.changes)), ""},
		{"Times", "UTC, as text", ""},
		{"What this is", "The tables of the bundle once more. The signed ones are the files of the bundle; what it does not show is in manifest.json.", ""},
	}}
	for _, s := range sheets {
		source := s.name + ".csv"
		if s.name == "results" || s.name == "metrics" {
			source = s.name + ".json"
		}
		t.rows = append(t.rows, []string{"Sheet " + s.title, "as in " + source, s.rowsText()})
	}
	return t
}

// resultsTable is results.json as a table.
func (f *findings) resultsTable() (table, error) {
	t := table{name: "results", title: "Results", columns: []string{"of", "stratum", "population", "tested", "deviations", "deviation_rate", "upper_deviation_rate", "confidence", "not_testable"}}
	r, err := f.results()
	if err != nil {
		return t, err
	}
	if s := r.Sample; s != nil {
		for _, l := range append(s.Strata, s.All) {
			t.rows = append(t.rows, []string{"sample", l.Stratum, strconv.Itoa(l.Population), strconv.Itoa(l.Tested), strconv.Itoa(l.Deviations), "", rateText(l.UpperRate), s.Confidence.String(), orNone(int64(l.NotTestable))})
		}
	}
	for _, l := range append(r.Population.Strata, r.Population.All) {
		n := strconv.Itoa(l.Tested)
		t.rows = append(t.rows, []string{"whole population", l.Stratum, n, n, strconv.Itoa(l.Deviations), rateText(l.Rate), "", "", orNone(int64(l.NotTestable))})
	}
	return t, nil
}

func rateText(r *Rate) string {
	if r == nil {
		return ""
	}
	return r.String()
}

// metricsTable is metrics.json as a table, without the rows of each point.
func (f *findings) metricsTable() table {
	t := table{name: "metrics", title: "Metrics", columns: []string{"figure", "title", "column", "series", "value", "of", "rows"}}
	for _, fig := range f.figures() {
		for _, s := range fig.Series {
			for _, p := range s.Points {
				t.rows = append(t.rows, []string{fig.ID, fig.Title, p.Column, s.Name, strconv.Itoa(p.Value), orNone(int64(p.Of)), strconv.Itoa(len(p.Rows))})
			}
		}
		if n := len(fig.Missing.Rows); n > 0 {
			t.rows = append(t.rows, []string{fig.ID, fig.Title, "left out", fig.Missing.Why, strconv.Itoa(n), "", strconv.Itoa(n)})
		}
	}
	return t
}

// workbook writes the document.
func (f *findings) workbook(w io.Writer) error { return f.workbookOf(maxSheetRows, w) }

func (f *findings) workbookOf(limit int, w io.Writer) error {
	sheets, err := f.sheets(limit)
	if err != nil {
		return err
	}
	return writeWorkbook(w, fmt.Sprintf("Evidence of %s, from %s to before %s", f.organisation, moment(f.query.From), moment(f.query.To)), sheets)
}
