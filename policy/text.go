package policy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unprintable reports whether a character cannot be seen, or changes how others are
// seen: control and format characters (among them the bidirectional overrides of
// "Trojan Source", https://trojansource.codes), line and paragraph separators, private
// use, surrogates, and the fillers that show as nothing.
func unprintable(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f', '\u17b4', '\u17b5':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector)
}

// plain is one line of text without anything that cannot be seen: white space becomes
// a space, other unprintable characters go. At most n runes, with an ellipsis when
// something was cut.
func plain(s string, n int) string {
	var b strings.Builder
	runes := 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			r = ' '
		case unprintable(r):
			continue
		}
		if runes == n {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
		runes++
	}
	return b.String()
}

// maxWord is how many runes an argument of a command has at most; GitHub takes fewer in a name.
const maxWord = 300

// breaker is an invisible character that is put into text where GitHub would make a
// link, a mention or an image of it. Escaping does not help there: GitHub looks for
// them after it has turned Markdown into HTML.
const breaker = "\u200b"

// escape makes text from anywhere safe to show in GitHub's Markdown, inside a table or
// outside, and as HTML: it can open no tag, entity, link, image, mention, reference,
// emphasis, code, formula or cell. At most maxCell runes. (A commit's SHA may still
// become a link to that commit of the same repository, which helps.)
//
// Special characters become numeric character references. GitHub's Markdown never
// takes one for structure (https://github.github.com/gfm/#entity-and-numeric-character-references).
func escape(s string) string {
	s = plain(s, maxCell)
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for i, r := range s {
		switch r {
		case '&', '<', '>', '"', '\'', '`', '*', '_', '[', ']', '!', '|', '~', '\\', '$', '^':
			fmt.Fprintf(&b, "&#%d;", r)
		case '@', '#':
			fmt.Fprintf(&b, "&#%d;%s", r, breaker)
		case ':':
			// A scheme, or a picture by its name. A colon before a space is our own.
			if i+1 == len(s) || s[i+1] == ' ' {
				b.WriteRune(r)
				break
			}
			b.WriteString("&#58;" + breaker)
		case '.':
			b.WriteRune(r)
			// A host, for GitHub links www.example.org without a scheme.
			if strings.HasSuffix(strings.ToLower(s[:i]), "www") {
				b.WriteString(breaker)
			}
		case '-':
			b.WriteRune(r)
			// GH-12 is a reference to an issue, and so may be ABC-12.
			if next, _ := utf8.DecodeRuneInString(s[i+1:]); unicode.IsDigit(next) {
				b.WriteString(breaker)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shellWord is a text as one argument of a command that people paste into a shell. A branch
// may be called release/$(id), and anybody with write access names branches. What a code span
// cannot show as it is, the placeholder stands for.
func shellWord(s, placeholder string) string {
	if s == "" || literal(plain(s, maxWord)) != s {
		return placeholder
	}
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// code shows a short text in a code span, where GitHub makes no links and mentions.
// What could end the span or a table cell is left out.
func code(s string) string { return codeUpTo(s, 200) }

// codeUpTo shows at most n runes of a text in a code span.
func codeUpTo(s string, n int) string {
	if s = literal(plain(s, n)); strings.TrimSpace(s) == "" {
		return "(none)"
	}
	return "`" + s + "`"
}

// literal is text for a code span or block: what could end one, or a table cell, is
// replaced, because Markdown takes no references there.
func literal(s string) string {
	return strings.NewReplacer("`", "·", "|", "·", "<", "·", ">", "·", "&", "·", "@", "@"+breaker).Replace(s)
}
