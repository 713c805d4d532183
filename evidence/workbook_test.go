package evidence

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/thedatashed/xlsxreader"
)

// read reads a sheet with a reader that is not ours.
func read(t *testing.T, book []byte, title string) (rows [][]string) {
	t.Helper()
	x, err := xlsxreader.NewReader(book)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(x.Sheets, title) {
		t.Fatalf("no sheet %q among %q", title, x.Sheets)
	}
	for row := range x.ReadRows(title) {
		if row.Error != nil {
			t.Fatal(row.Error)
		}
		var cells []string
		for _, c := range row.Cells {
			for len(cells) < c.ColumnIndex() {
				cells = append(cells, "")
			}
			cells = append(cells, c.Value)
		}
		rows = append(rows, cells)
	}
	return rows
}

// Every table of the bundle is a sheet, cell by cell.
func TestWorkbookHoldsTheTables(t *testing.T) {
	p := month(t, &SampleQuery{Size: 4, Seed: seed(t, testSeed)})
	f := p.findings()
	book := p.document(f, "workbook.xlsx")
	sheets, err := f.sheets(maxSheetRows)
	p.must(err)
	var titles []string
	for _, s := range sheets {
		titles = append(titles, s.title)
		got := read(t, book, s.title)
		wanted := [][]string{s.columns}
		for i := range s.count() {
			wanted = append(wanted, s.row(i))
		}
		for i, want := range wanted {
			for len(want) > 0 && want[len(want)-1] == "" {
				want = want[:len(want)-1]
			}
			if i >= len(got) || !slices.Equal(got[i], want) {
				t.Errorf("%s, row %d: got %q, want %q", s.title, i+1, got[min(i, len(got)-1)], want)
			}
		}
		if len(got) != len(wanted) {
			t.Errorf("%s: %d rows, want %d", s.title, len(got), len(wanted))
		}
	}
	if want := []string{"About", "Population", "Sample", "Draws", "Results", "Attributes", "Exceptions", "Emergencies and bypasses", "Agents", "Subprocessors", "Register", "Disposals", "Metrics"}; !slices.Equal(titles, want) {
		t.Errorf("sheets %q, want %q", titles, want)
	}
	if again := p.document(p.findings(), "workbook.xlsx"); !bytes.Equal(again, book) {
		t.Error("made again, the workbook has other bytes")
	}
}

// part is one part of a workbook.
func part(t *testing.T, book []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	in, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWorkbookSheets(t *testing.T) {
	p := month(t, nil)
	var written bytes.Buffer
	p.must(p.findings().workbookOf(4, &written))
	book := written.Bytes()
	if rows := read(t, book, "Population"); len(rows) != 4 {
		t.Errorf("%d rows, want 4", len(rows))
	}
	var about []string
	for _, row := range read(t, book, "About") {
		about = append(about, strings.Join(row, " | "))
	}
	if want := "Sheet Population | as in population.csv | 3 of 12: a sheet has no room for more, the table has all"; !slices.Contains(about, want) {
		t.Errorf("the first sheet does not say what is left out: %q", about)
	}
	sheet := part(t, book, "xl/worksheets/sheet2.xml")
	for _, want := range []string{`state="frozen"`, `<autoFilter ref="A1:Z4"/>`, `customWidth="1"`} {
		if !strings.Contains(sheet, want) {
			t.Errorf("no %s in %s", want, sheet[:500])
		}
	}
	z, err := zip.NewReader(bytes.NewReader(book), int64(len(book)))
	p.must(err)
	for _, f := range z.File {
		if f.ModifiedDate != 0 || f.ModifiedTime != 0 || len(f.Extra) != 0 {
			t.Errorf("%s has a time", f.Name)
		}
	}
}

func TestWorkbookSaysWhatItLeavesOut(t *testing.T) {
	s := sheet{table{name: "x", title: "X", columns: []string{"a"}, rows: [][]string{{"1"}, {"2"}, {"3"}}}, 3}
	if got := s.rowsText(); got != "2 of 3: a sheet has no room for more, the table has all" {
		t.Errorf("got %q", got)
	}
	if got := (sheet{s.table, 4}).rowsText(); got != "3" {
		t.Errorf("got %q", got)
	}
}

// What is in a cell is what was written, whatever it looks like; and it is no formula.
func TestWorkbookCells(t *testing.T) {
	long := strings.Repeat("é", 40_000)
	texts := []string{"=1+1", "@SUM(A1)", "  spaces  ", "<b>&\"", "007", "1234567890123456", "42", "0", "2026-11-25T12:00:00Z", "日本 🎉", "_x0041_"}
	var book bytes.Buffer
	s := sheet{table{title: "X", columns: []string{"text"}, rows: nil}, maxSheetRows}
	for _, text := range append(texts, "a\x00b\nc", long, strings.Repeat("x", 40_000)) {
		s.rows = append(s.rows, []string{text})
	}
	if err := writeWorkbook(&book, "title", []sheet{s}); err != nil {
		t.Fatal(err)
	}
	rows := read(t, book.Bytes(), "X")
	for i, want := range texts {
		if want == "_x0041_" {
			want = "_x005F_x0041_" // which programs show as _x0041_, and this reader as it is
		}
		if got := rows[i+1][0]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := rows[len(texts)+1][0]; got != "a b c" {
		t.Errorf("got %q", got)
	}
	for _, row := range rows[len(texts)+2:] {
		if got := row[0]; len([]rune(got)) > maxCell || !strings.HasSuffix(got, "(the table has all of it)") {
			t.Errorf("got %d characters", len([]rune(got)))
		}
	}
	xml := part(t, book.Bytes(), "xl/worksheets/sheet1.xml")
	if strings.Contains(xml, "<f>") || strings.Count(xml, "<v>") != 2 {
		t.Errorf("formulas, or other numbers than 42 and 0: %s", xml[:1500])
	}
}

func TestColumnName(t *testing.T) {
	for n, want := range map[int]string{1: "A", 26: "Z", 27: "AA", 52: "AZ", 53: "BA", 702: "ZZ", 703: "AAA"} {
		if got := columnName(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestStored(t *testing.T) {
	for _, size := range []int{0, 1, maxStored, maxStored + 1, 3 * maxStored, 200_000} {
		content := bytes.Repeat([]byte("x"), size)
		var b bytes.Buffer
		s := &stored{w: &b}
		for i := 0; i < size; i += 1000 {
			if n, err := s.Write(content[i:min(size, i+1000)]); err != nil || n != min(1000, size-i) {
				t.Fatal(n, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(flate.NewReader(&b))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	failed := fmt.Errorf("full")
	if _, err := (&stored{w: failing{failed}}).Write(make([]byte, 2*maxStored)); err == nil {
		t.Error("an error of the writer is lost")
	}
}

// failing is a writer that takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
