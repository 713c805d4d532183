package evidence

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// The measures of a chart, in its own units.
const (
	chartLeft   = 56 // to the axis
	chartTop    = 40
	chartHeight = 200
	columnWidth = 64
	barWidth    = 40
	legendLine  = 20
	leastWidth  = 480
	maxLabel    = 44 // runes of a name
)

// chartStyle has colours that people who see few colours tell apart, on a light and a dark ground.
// https://jfly.uni-koeln.de/color/
const chartStyle = `.chart text{font:12px system-ui,sans-serif;fill:#1f2328}.chart .h{font-size:15px;font-weight:600}.chart .l{stroke:#8c959f}.chart rect{stroke:#fff}` +
	`.chart .s0{fill:#0072b2}.chart .s1{fill:#e69f00}.chart .s2{fill:#009e73}.chart .s3{fill:#cc79a7}.chart .s4{fill:#56b4e9}.chart .s5{fill:#d55e00}.chart .s6{fill:#f0e442}.chart .s7{fill:#8c959f}` +
	`@media(prefers-color-scheme:dark){.chart text{fill:#e6edf3}.chart rect{stroke:#0d1117}}`

// svg draws the figure as stacked bars: no scripts, no fonts of its own, nothing that is fetched.
// All numbers are whole, so that the bytes are the same on every machine.
func (f figure) svg() []byte {
	var b bytes.Buffer
	width := max(leastWidth, chartLeft+columnWidth*len(f.Columns)+20)
	base := chartTop + chartHeight
	height := base + 40 + legendLine*max(1, len(f.Series))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" class="chart" role="img" aria-labelledby="%s-t %s-d">`+"\n", width, height, width, height, f.ID, f.ID)
	fmt.Fprintf(&b, "<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n<style>%s</style>\n", f.ID, escaped(f.Title), f.ID, escaped(f.text()), chartStyle)
	fmt.Fprintf(&b, `<text class="h" x="8" y="20">%s</text>`+"\n", escaped(f.Title))
	top := f.highest()
	f.axis(&b, width, top)
	for i, column := range f.Columns {
		f.column(&b, column, chartLeft+i*columnWidth, top)
	}
	f.legend(&b, base+44)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// highest is the value at the top of the axis: 100 percent, or the highest column.
func (f figure) highest() int {
	if f.Shares {
		return 100
	}
	top := 1
	for _, column := range f.Columns {
		sum := 0
		for _, s := range f.Series {
			sum += s.at(column).Value
		}
		top = max(top, sum)
	}
	return top
}

func (f figure) axis(b *bytes.Buffer, width, top int) {
	unit := ""
	if f.Shares {
		unit = "%"
	}
	for _, value := range []int{0, top} {
		y := chartTop + chartHeight - value*chartHeight/top
		fmt.Fprintf(b, `<line class="l" x1="%d" y1="%d" x2="%d" y2="%d"/><text x="%d" y="%d" text-anchor="end">%d%s</text>`+"\n", chartLeft, y, width-8, y, chartLeft-6, y+4, value, unit)
	}
}

// column draws one bar, from the bottom up.
func (f figure) column(b *bytes.Buffer, column string, x, top int) {
	base, sum := chartTop+chartHeight, 0
	for i, s := range f.Series {
		p := s.at(column)
		whole := top
		if f.Shares {
			whole = p.Of
		}
		if p.Value == 0 || whole == 0 {
			continue
		}
		from := base - sum*chartHeight/whole
		sum += p.Value
		to := base - sum*chartHeight/whole
		fmt.Fprintf(b, `<rect class="s%d" x="%d" y="%d" width="%d" height="%d"><title>%s</title></rect>`+"\n", i, x+(columnWidth-barWidth)/2, to, barWidth, max(1, from-to), escaped(f.label(column, s.Name, p)))
	}
	for i, line := range labelLines(column) {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x+columnWidth/2, base+16+13*i, escaped(line))
	}
}

// labelLines breaks a label that is wider than its column.
func labelLines(label string) []string {
	if i := strings.LastIndexByte(label, ' '); len(label) > 10 && i > 0 {
		return []string{label[:i], label[i+1:]}
	}
	return []string{label}
}

func (f figure) label(column, name string, p point) string {
	if f.Shares {
		return fmt.Sprintf("%s, %s: %d of %d", column, name, p.Value, p.Of)
	}
	return fmt.Sprintf("%s, %s: %d", column, name, p.Value)
}

func (f figure) legend(b *bytes.Buffer, y int) {
	if len(f.Series) == 0 {
		fmt.Fprintf(b, `<text x="%d" y="%d">Nothing in the period.</text>`+"\n", chartLeft, y+10)
	}
	for i, s := range f.Series {
		total := 0
		for _, p := range s.Points {
			total += p.Value
		}
		fmt.Fprintf(b, `<rect class="s%d" x="%d" y="%d" width="12" height="12"/><text x="%d" y="%d">%s (%d)</text>`+"\n", i, chartLeft, y+i*legendLine, chartLeft+18, y+i*legendLine+10, escaped(shortened(s.Name)), total)
	}
}

// escaped is text as XML holds it, without what it cannot hold.
func escaped(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}

// shortened cuts a name to what a legend has room for.
func shortened(s string) string {
	if r := []rune(s); len(r) > maxLabel {
		return string(r[:maxLabel-1]) + "…"
	}
	return s
}
