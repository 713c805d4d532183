package evidence

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// table is a list of a bundle, as CSV and as a sheet of the workbook.
type table struct {
	// name is its file's, without the ending; title is what people call it.
	name, title string
	columns     []string
	rows        [][]string
	// made makes the i-th row of a table that is too long to be in memory, with so many rows; nil:
	// they are in rows.
	made func(i int) []string
	many int
}

// count is how many rows there are.
func (t table) count() int {
	if t.made != nil {
		return t.many
	}
	return len(t.rows)
}

// row is the i-th row.
func (t table) row(i int) []string {
	if t.made != nil {
		return t.made(i)
	}
	return t.rows[i]
}

// tableDocument is a document that holds a table as CSV.
func tableDocument(make func() (table, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		t, err := make()
		if err != nil {
			return nil, err
		}
		return t.csv()
	}
}

func (t table) csv() ([]byte, error) {
	var b bytes.Buffer
	err := t.write(&b)
	return b.Bytes(), err
}

// write writes the table so that no spreadsheet takes what is in it for formulas.
func (t table) write(out io.Writer) error {
	w := csv.NewWriter(out)
	row := t.columns
	for i := 0; ; i++ {
		safe := make([]string, len(row))
		for k := range row {
			safe[k] = inert(row[k])
		}
		if err := w.Write(safe); err != nil {
			return fmt.Errorf("write %s: %w", t.name, err)
		}
		if i == t.count() {
			break
		}
		row = t.row(i)
	}
	w.Flush()
	return w.Error()
}

// inert is text that no spreadsheet takes for a formula: what could begin one gets an apostrophe
// before it, and there are no lines in it. https://owasp.org/www-community/attacks/CSV_Injection
func inert(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " "))
	if first != utf8.RuneError && strings.ContainsRune("=+-@＝＋－＠", first) && !isNumber(s) {
		return "'" + s
	}
	return s
}

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

func number64(n int64) string { return strconv.FormatInt(n, 10) }

// orNone is a number that is not shown when it is 0.
func orNone(n int64) string {
	if n == 0 {
		return ""
	}
	return number64(n)
}

// moment is a time in UTC, to the second; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
