package policy

import "unicode"

// unprintable reports whether a character cannot be seen, or changes how others are
// seen: control and format characters (among them the bidirectional overrides of
// "Trojan Source", https://trojansource.codes), line and paragraph separators, private
// use, surrogates, and the fillers that show as nothing.
func unprintable(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f', '\u17b4', '\u17b5':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector)
}
