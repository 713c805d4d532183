package ghsim

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// markdown renders the part of GitHub's Markdown that check runs use: headings, tables,
// lists, quotes, code, bold, links and <details>. Everything else is text: no HTML of
// the source gets through.
func markdown(source string) template.HTML {
	m := &mdWriter{lines: strings.Split(strings.ReplaceAll(source, "\r\n", "\n"), "\n")}
	for m.at < len(m.lines) {
		m.block()
	}
	return template.HTML(m.out.String()) // made of escaped text and our own tags only
}

type mdWriter struct {
	lines []string
	at    int
	out   strings.Builder
}

var (
	mdHeading = regexp.MustCompile(`^(#{1,6}) +(.*)$`)
	mdItem    = regexp.MustCompile(`^ *(?:[-*]|\d+\.) +(.*)$`)
	mdRule    = regexp.MustCompile(`^\|?[ :|-]+\|[ :|-]*$`)
	mdTag     = regexp.MustCompile(`^</?(?:details|summary)>|^<br/?>`)
	mdInline  = regexp.MustCompile("`([^`]+)`" + `|\*\*([^*]+)\*\*|\[([^\]]*)\]\((https?://[^)\s]+)\)|\\([[:punct:]])|(&#?[a-zA-Z0-9]+;)|(</?(?:details|summary|b|strong|code)>|<br ?/?>)`)
)

// block writes the next block and moves on, by at least a line.
func (m *mdWriter) block() {
	line := m.lines[m.at]
	switch {
	case strings.TrimSpace(line) == "":
		m.at++
	case strings.HasPrefix(line, "```"):
		m.fence()
	case mdHeading.MatchString(line):
		m.out.WriteString("<p><b>" + inline(mdHeading.FindStringSubmatch(line)[2]) + "</b></p>")
		m.at++
	case strings.Contains(line, "|") && m.at+1 < len(m.lines) && mdRule.MatchString(m.lines[m.at+1]):
		m.table()
	case mdItem.MatchString(line):
		m.wrap("ul", mdItem, "<li>", "</li>")
	case mdTag.MatchString(strings.TrimSpace(line)):
		m.out.WriteString(inline(strings.TrimSpace(line)))
		m.at++
	default:
		m.paragraph()
	}
}

func (m *mdWriter) fence() {
	m.out.WriteString("<pre>")
	for m.at++; m.at < len(m.lines) && !strings.HasPrefix(m.lines[m.at], "```"); m.at++ {
		m.out.WriteString(html.EscapeString(m.lines[m.at]) + "\n")
	}
	m.out.WriteString("</pre>")
	m.at++
}

// wrap writes the following lines that match as items of one element.
func (m *mdWriter) wrap(element string, match *regexp.Regexp, open, closing string) {
	m.out.WriteString("<" + element + ">")
	for ; m.at < len(m.lines) && match.MatchString(m.lines[m.at]); m.at++ {
		m.out.WriteString(open + inline(match.FindStringSubmatch(m.lines[m.at])[1]) + closing)
	}
	m.out.WriteString("</" + element + ">")
}

func (m *mdWriter) table() {
	m.out.WriteString("<table>")
	m.row("th")
	m.at++ // the line of dashes
	for m.at < len(m.lines) && strings.Contains(m.lines[m.at], "|") {
		m.row("td")
	}
	m.out.WriteString("</table>")
}

func (m *mdWriter) row(cell string) {
	m.out.WriteString("<tr>")
	line := strings.Trim(strings.TrimSpace(m.lines[m.at]), "|")
	for text := range strings.SplitSeq(strings.ReplaceAll(line, `\|`, "\x00"), "|") {
		text = strings.ReplaceAll(strings.TrimSpace(text), "\x00", "|")
		m.out.WriteString("<" + cell + ">" + inline(text) + "</" + cell + ">")
	}
	m.out.WriteString("</tr>")
	m.at++
}

func (m *mdWriter) paragraph() {
	var text []string
	for ; m.at < len(m.lines) && strings.TrimSpace(m.lines[m.at]) != "" && !strings.HasPrefix(m.lines[m.at], "```"); m.at++ {
		text = append(text, inline(strings.TrimPrefix(m.lines[m.at], "> ")))
		if m.at+1 < len(m.lines) && (mdItem.MatchString(m.lines[m.at+1]) || mdHeading.MatchString(m.lines[m.at+1])) {
			m.at++
			break
		}
	}
	m.out.WriteString("<p>" + strings.Join(text, "<br>") + "</p>")
}

// inline writes the text of one line.
func inline(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range mdInline.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(html.EscapeString(text[last:at[0]]))
		last = at[1]
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return text[at[2*n]:at[2*n+1]]
		}
		switch {
		case group(1) != "":
			b.WriteString("<code>" + html.EscapeString(html.UnescapeString(group(1))) + "</code>")
		case group(2) != "":
			b.WriteString("<b>" + inline(group(2)) + "</b>")
		case group(4) != "":
			b.WriteString(`<a href="` + html.EscapeString(group(4)) + `">` + html.EscapeString(group(3)) + "</a>")
		case group(5) != "":
			b.WriteString(html.EscapeString(group(5)))
		case group(6) != "":
			b.WriteString(html.EscapeString(html.UnescapeString(group(6))))
		default:
			b.WriteString(group(7)) // one of our few tags
		}
	}
	b.WriteString(html.EscapeString(text[last:]))
	return b.String()
}
