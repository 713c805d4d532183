package evidence

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A workbook is written here and not by a library: whoever verifies a bundle makes it again, byte
// for byte, with another version of everything, and without network code. It is Office Open XML,
// https://ecma-international.org/publications-and-standards/standards/ecma-376/

// What a sheet can hold. https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
const (
	maxSheetRows = 1_048_576 // with the header
	maxCell      = 32_767    // UTF-16 units
)

// sheet is one sheet of a workbook: a table, of which rows beyond the limit are left out.
type sheet struct {
	table
	limit int // rows with the header
}

// shown is how many rows the sheet has room for.
func (s sheet) shown() int { return min(s.count(), s.limit-1) }

const (
	xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainNS  = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	officeR = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	sheetCT = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// writeWorkbook writes sheets as a workbook. The same sheets give the same bytes.
func writeWorkbook(w io.Writer, title string, sheets []sheet) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return &stored{w: w}, nil })
	part := func(name string, fill func(*bufio.Writer)) error {
		entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		b := bufio.NewWriter(entry)
		b.WriteString(xmlHead)
		fill(b)
		return b.Flush()
	}
	parts := []struct {
		name string
		fill func(*bufio.Writer)
	}{
		{"[Content_Types].xml", func(b *bufio.Writer) { contentTypes(b, len(sheets)) }},
		{"_rels/.rels", func(b *bufio.Writer) {
			fmt.Fprintf(b, `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="%s/officeDocument" Target="xl/workbook.xml"/>`+
				`<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>`, officeR)
		}},
		{"docProps/core.xml", func(b *bufio.Writer) {
			fmt.Fprintf(b, `<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>%s</dc:title><dc:creator>Countersign</dc:creator></cp:coreProperties>`, cellText(title))
		}},
		{"xl/workbook.xml", func(b *bufio.Writer) { workbookPart(b, sheets) }},
		{"xl/_rels/workbook.xml.rels", func(b *bufio.Writer) { workbookRelations(b, len(sheets)) }},
		{"xl/styles.xml", func(b *bufio.Writer) { b.WriteString(styles) }},
	}
	for _, p := range parts {
		if err := part(p.name, p.fill); err != nil {
			return err
		}
	}
	for i, s := range sheets {
		if err := part(fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1), func(b *bufio.Writer) { s.write(b, i == 0) }); err != nil {
			return err
		}
	}
	return z.Close()
}

func contentTypes(b *bufio.Writer, sheets int) {
	b.WriteString(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>`)
	fmt.Fprintf(b, `<Override PartName="/xl/workbook.xml" ContentType="%ssheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="%sstyles+xml"/>`, sheetCT, sheetCT)
	b.WriteString(`<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>`)
	for i := range sheets {
		fmt.Fprintf(b, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="%sworksheet+xml"/>`, i+1, sheetCT)
	}
	b.WriteString(`</Types>`)
}

// workbookPart lists the sheets, and the ranges of their filters, without which some programs
// lose them.
func workbookPart(b *bufio.Writer, sheets []sheet) {
	fmt.Fprintf(b, `<workbook %s xmlns:r="%s"><sheets>`, mainNS, officeR)
	for i, s := range sheets {
		fmt.Fprintf(b, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, cellText(s.title), i+1, i+1)
	}
	b.WriteString(`</sheets><definedNames>`)
	for i, s := range sheets {
		fmt.Fprintf(b, `<definedName name="_xlnm._FilterDatabase" localSheetId="%d" hidden="1">'%s'!$A$1:$%s$%d</definedName>`, i, cellText(s.title), columnName(len(s.columns)), s.shown()+1)
	}
	b.WriteString(`</definedNames></workbook>`)
}

func workbookRelations(b *bufio.Writer, sheets int) {
	b.WriteString(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i := range sheets {
		fmt.Fprintf(b, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, i+1, officeR, i+1)
	}
	fmt.Fprintf(b, `<Relationship Id="rId%d" Type="%s/styles" Target="styles.xml"/></Relationships>`, sheets+1, officeR)
}

// styles are two: 0 for what is in the table, 1 for its header.
const styles = `<styleSheet ` + mainNS + `><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>` +
	`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>` +
	`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
	`<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs></styleSheet>`

// write writes the sheet: a header that stays in sight, a filter on each column, and the rows.
func (s sheet) write(b *bufio.Writer, first bool) {
	selected := ""
	if first {
		selected = ` tabSelected="1"`
	}
	fmt.Fprintf(b, `<worksheet %s><sheetViews><sheetView%s workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>`, mainNS, selected)
	for i, width := range s.widths() {
		fmt.Fprintf(b, `<col min="%d" max="%d" width="%d" customWidth="1"/>`, i+1, i+1, width)
	}
	b.WriteString(`</cols><sheetData>`)
	writeRow(b, 1, s.columns, ` s="1"`)
	for i := range s.shown() {
		writeRow(b, i+2, s.row(i), "")
	}
	fmt.Fprintf(b, `</sheetData><autoFilter ref="A1:%s%d"/></worksheet>`, columnName(len(s.columns)), s.shown()+1)
}

// writeRow writes the n-th row. Times stay text, in UTC: a program would show them in the zone of
// whoever looks. Formulas are never written.
func writeRow(b *bufio.Writer, n int, row []string, style string) {
	at := strconv.Itoa(n)
	write := func(parts ...string) { // there are many cells: no text is made of the parts
		for _, part := range parts {
			b.WriteString(part)
		}
	}
	write(`<row r="`, at, `">`)
	for i, text := range row {
		switch {
		case text == "":
		case style == "" && isCount(text):
			write(`<c r="`, columnName(i+1), at, `"><v>`, text, "</v></c>")
		default:
			write(`<c r="`, columnName(i+1), at, `" t="inlineStr"`, style, `><is><t xml:space="preserve">`, cellText(text), "</t></is></c>")
		}
	}
	write("</row>")
}

// isCount says whether a text is a number that every program holds exactly and writes again as it is.
func isCount(s string) bool {
	return len(s) <= 15 && (s == "0" || s[0] != '0') && strings.Trim(s, "0123456789") == ""
}

// escapes are what programs read as a character in a cell: _x0041_ is an A.
var escapes = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// cellText is text as a cell holds it: without what XML cannot hold, and cut where it is too long.
func cellText(s string) string {
	if isPlain(s) {
		return s
	}
	const more = " … (the table has all of it)"
	if len(s) > maxCell/2 { // in UTF-16, no text is longer than in bytes
		r := []rune(s)
		if len(r) > maxCell/2 {
			s = string(r[:maxCell/2-len(more)]) + more
		}
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if strings.Contains(s, "_x") {
		s = escapes.ReplaceAllString(s, "_x005F$0")
	}
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}

// isPlain says whether a text is in a cell as it is. Almost all are.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' || c == '_' {
			return false
		}
	}
	return len(s) <= maxCell/2
}

// The bounds of a column's width, in digits.
const (
	leastColumn = 8
	mostColumn  = 60
	widthRows   = 1000 // that are looked at
)

func (s sheet) widths() []int {
	out := make([]int, len(s.columns))
	widen := func(row []string) {
		for i, text := range row {
			out[i] = max(out[i], min(mostColumn, max(leastColumn, len(text)+3)))
		}
	}
	widen(s.columns)
	for i := range min(s.count(), widthRows) {
		widen(s.row(i))
	}
	return out
}

// columnName is the name of the n-th column, from 1: A, …, Z, AA, …
func columnName(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if n <= len(letters) {
		return letters[n-1 : n]
	}
	return columnName((n-1)/26) + columnName((n-1)%26+1)
}

// stored is a DEFLATE stream of blocks that are not compressed (RFC 1951, 3.2.4). What a compressor
// makes of the same bytes differs between its versions. The bundle compresses all of it once more.
type stored struct {
	w     io.Writer
	block []byte // what is not written yet
}

const maxStored = 65_535

func (s *stored) Write(b []byte) (n int, err error) {
	for n < len(b) {
		if len(s.block) == maxStored {
			if err := s.flush(0); err != nil {
				return n, err
			}
		}
		room := min(maxStored-len(s.block), len(b)-n)
		s.block = append(s.block, b[n:n+room]...)
		n += room
	}
	return n, nil
}

// flush writes a block; last is 1 for the last one.
func (s *stored) flush(last byte) error {
	head := binary.LittleEndian.AppendUint16([]byte{last}, uint16(len(s.block)))
	head = binary.LittleEndian.AppendUint16(head, ^uint16(len(s.block)))
	if _, err := s.w.Write(head); err != nil {
		return err
	}
	_, err := s.w.Write(s.block)
	s.block = s.block[:0]
	return err
}

func (s *stored) Close() error { return s.flush(1) }

// rowsText says how many rows a sheet holds of how many.
func (s sheet) rowsText() string {
	if n := s.shown(); n < s.count() {
		return strconv.Itoa(n) + " of " + strconv.Itoa(s.count()) + ": a sheet has no room for more, the table has all"
	}
	return strconv.Itoa(s.count())
}
