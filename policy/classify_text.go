package policy

import "strings"

// Limits of what is kept of a body.
const (
	MaxMarkers     = 50
	MaxMarkerBytes = 300
	// maxLineBytes is how much of one line is looked at.
	maxLineBytes = 64 << 10
	maxLinks     = 200 // slashes looked at per line, in maxLineBytes
)

// Markers returns the lines of a pull request's body in which something was found: a link
// to a session, an agent's marker, or a claim of who asked for the change. At most
// MaxMarkers lines of at most MaxMarkerBytes, in their order; of a longer line the part in
// which it was found. The rest of the body need not be stored.
//
// What a body quotes is not looked at: code blocks, block quotes, and folded parts
// (<details>), in which dependency bots repeat other projects' release notes.
func Markers(c *Catalogue, body string) []string {
	var kept []string
	seen := map[string]bool{}
	keep := func(line string) {
		if line = cut(line, MaxMarkerBytes); len(kept) < MaxMarkers && !seen[line] {
			seen[line] = true
			kept = append(kept, line)
		}
	}
	eachLine(body, func(line string, folded bool) {
		found := lineTraces(c, line, folded)
		switch {
		case found.empty():
		case len(line) <= MaxMarkerBytes:
			keep(line)
		default:
			if found.marker != nil {
				keep(line)
			}
			for _, s := range found.sessions {
				keep(line[s.at:])
			}
			if len(found.requesters) > 0 {
				keep(line[found.requestAt:])
			}
		}
	})
	return kept
}

// bodyTraces is everything that was found in a body.
type bodyTraces struct {
	markers    []foundText
	sessions   []foundText
	requesters []string // logins
}

// foundText is a piece of text that is an agent's trace.
type foundText struct {
	agent *Agent
	text  string
	at    int // where in the line it begins
}

// tracesOfBody looks at a whole body, or at the lines that Markers kept of one.
func tracesOfBody(c *Catalogue, body string) (all bodyTraces) {
	eachLine(body, func(line string, folded bool) { all.add(lineTraces(c, line, folded)) })
	return all
}

func tracesOfMarkers(c *Catalogue, lines []string) (all bodyTraces) {
	for _, line := range lines {
		// What was kept was neither quoted nor folded, but for the title of a fold.
		all.add(lineTraces(c, line, false))
	}
	return all
}

func (b *bodyTraces) add(l lineFound) {
	if l.marker != nil {
		b.markers = append(b.markers, foundText{agent: l.marker, text: l.markerText})
	}
	b.sessions = append(b.sessions, l.sessions...)
	b.requesters = append(b.requesters, l.requesters...)
}

// eachLine calls see for every line of a body that is no quotation. folded is true inside
// <details> and <blockquote>.
func eachLine(body string, see func(line string, folded bool)) {
	fence, folds := "", 0
	for body != "" {
		var line string
		line, body, _ = strings.Cut(body, "\n")
		line = strings.TrimSpace(line)
		if fence != "" {
			if strings.HasPrefix(line, fence) {
				fence = ""
			}
			continue
		}
		if strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~") {
			fence = line[:3]
			continue
		}
		if line == "" || line[0] == '>' {
			continue
		}
		if line[0] == '<' {
			if hasPrefixFold(line, "<details") || hasPrefixFold(line, "<blockquote") {
				folds++
			}
		}
		see(line, folds > 0)
		if folds > 0 && strings.IndexByte(line, '<') >= 0 {
			lower := strings.ToLower(line)
			folds = max(0, folds-strings.Count(lower, "</details>")-strings.Count(lower, "</blockquote>"))
		}
	}
}

// lineFound is what one line shows.
type lineFound struct {
	marker     *Agent
	markerText string
	sessions   []foundText
	requesters []string
	requestAt  int
}

func (l *lineFound) empty() bool {
	return l.marker == nil && len(l.sessions) == 0 && len(l.requesters) == 0
}

// lineTraces looks at one line. Of a folded part only the title is looked at.
func lineTraces(c *Catalogue, line string, folded bool) (found lineFound) {
	if len(line) > maxLineBytes {
		line = line[:maxLineBytes]
	}
	text := line
	if folded {
		// "<details><summary>…" on one line, or the summary on its own.
		at := strings.Index(line, "<summary>")
		if at < 0 {
			return found
		}
		text = line[at:]
	}
	found.marker = c.bodyMarker(text)
	if found.marker != nil {
		found.markerText = text
	}
	if folded {
		return found
	}
	found.sessions = c.sessionLinks(line)
	found.requesters, found.requestAt = requesters(line)
	return found
}

// bodyMarker returns the agent whose marker the line begins with.
func (c *Catalogue) bodyMarker(line string) *Agent {
	line = undecorated(line)
	for _, rule := range c.body {
		if strings.HasPrefix(line, rule.prefix) {
			return rule.agent
		}
	}
	return nil
}

// undecorated strips what tools put in front of their mark: emoji, emphasis, small print.
func undecorated(line string) string {
	for {
		i := 0
		for i < len(line) && !isAlnum(line[i]) && line[i] != '<' && line[i] != '[' {
			i++
		}
		line = line[i:]
		stripped := false
		for _, tag := range [...]string{"<sub>", "<sup>", "<em>", "<i>", "<b>", "<p>", "<small>"} {
			if hasPrefixFold(line, tag) {
				line, stripped = line[len(tag):], true
				break
			}
		}
		if !stripped {
			return line
		}
	}
}

// sessionLinks returns the links to agents' sessions in a line. A link is found by the host
// before a slash, so it costs one look-up per slash. One in backticks is an example.
func (c *Catalogue) sessionLinks(line string) (found []foundText) {
	slashes := 0
	for at := 0; at < len(line); {
		slash := strings.IndexByte(line[at:], '/')
		if slash < 0 {
			return found
		}
		slash += at
		at = slash + 1
		if slashes++; slashes > maxLinks {
			return found
		}
		start := slash
		for start > 0 && isHostByte(line[start-1]) {
			start--
		}
		if start == slash || !linkMayBegin(line, start) {
			continue
		}
		rules := c.hostRules(line[start:slash])
		if rules == nil {
			continue
		}
		path := line[slash:]
		if end := strings.IndexAny(path, " \t\"'`<>()[]{}|\\"); end >= 0 {
			path = path[:end]
		}
		for i := range rules {
			if n, ok := rules[i].shape.prefix(path); ok {
				found = append(found, foundText{agent: rules[i].agent, text: line[start : slash+n], at: start})
				break
			}
		}
	}
	return found
}

func isHostByte(c byte) bool { return isAlnum(c) || c == '.' || c == '-' }

// linkMayBegin reports whether a host at start begins a link, and is not a part of a path
// or an example in backticks.
func linkMayBegin(line string, start int) bool {
	if start == 0 {
		return true
	}
	switch line[start-1] {
	case '`', '@', '_', '\\', '~', '%':
		return false
	case '/':
		before, ok := strings.CutSuffix(line[:start], "://")
		if !ok {
			return false
		}
		before = strings.TrimRight(before, "htpsHTPS")
		return before == "" || before[len(before)-1] != '`' && before[len(before)-1] != '/'
	}
	return true
}

func (c *Catalogue) hostRules(host string) []textRule {
	if len(host) > maxLookupBytes {
		return nil
	}
	var buf [maxLookupBytes]byte
	lower := appendLower(buf[:0], host)
	if rules := c.hosts[string(lower)]; rules != nil {
		return rules
	}
	if len(lower) > 4 && string(lower[:4]) == "www." {
		return c.hosts[string(lower[4:])]
	}
	return nil
}

// requestPhrases come before the login of who asked.
var requestPhrases = [...]string{"requested by", "started by", "triggered by", "initiated by", "on behalf of"}

// Limits of a claim of who asked.
const (
	maxRequesters     = 5
	maxLoginBytes     = 39 // GitHub's own
	maxRequestGap     = 80 // between the phrase and the login: a name, emphasis
	maxRequestListGap = 12 // between two logins
)

// requesters returns the logins that a line names as who asked for the change, and where
// the phrase begins. It is a claim: it only ever adds people who may not approve.
func requesters(line string) (logins []string, at int) {
	if strings.IndexByte(line, '@') < 0 {
		return nil, 0
	}
	for i := range len(line) {
		c := lowerByte(line[i])
		if c != 'r' && c != 's' && c != 't' && c != 'i' && c != 'o' || i > 0 && isAlnum(line[i-1]) {
			continue
		}
		for _, phrase := range requestPhrases {
			if hasPrefixFold(line[i:], phrase) {
				if logins = mentions(line[i+len(phrase):]); logins != nil {
					return logins, i
				}
			}
		}
	}
	return nil, 0
}

// mentions returns the @logins at the beginning of text. Bots are left out.
func mentions(text string) (logins []string) {
	gap := maxRequestGap
	for len(logins) < maxRequesters {
		sign := strings.IndexByte(text, '@')
		if sign < 0 || sign > gap || sign > 0 && isAlnum(text[sign-1]) {
			return logins
		}
		text = text[sign+1:]
		n := 0
		for n < len(text) && n <= maxLoginBytes && (isAlnum(text[n]) || text[n] == '-' || text[n] == '_') {
			n++
		}
		if n == 0 || n > maxLoginBytes {
			return logins
		}
		if !strings.HasPrefix(text[n:], "[bot]") {
			logins = append(logins, text[:n])
		}
		text, gap = text[n:], maxRequestListGap
	}
	return logins
}
