package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what is kept of one commit message.
const (
	MaxTrailers       = 64
	maxTrailerBytes   = 500
	maxTrailerKey     = 64
	maxMessageBytes   = 64 << 10 // of the end of the message
	maxBareLines      = 10
	maxMessageLines   = 4000
	squashSeparator   = "---"
	squashBulletStart = "* "
)

// ParseTrailers returns the trailers of a commit message, in the order of the message, at
// most MaxTrailers.
//
// A trailer is a "Key: value" line of the last paragraph, or of a paragraph directly
// before it that has nothing but trailers. GitHub's squash merges put several messages
// into one ("* subject" paragraphs, then a line of dashes): each of them has a last
// paragraph. The subject line is never a trailer.
//
// Two kinds of bare lines are kept with an empty key, wherever they are in the message:
// a line that is nothing but a link (some agents leave their session so), and a
// "Generated with [tool](…)" line. A link of these is no trace until a catalogue says so.
func ParseTrailers(message string) []Trailer {
	_, body, _ := strings.Cut(message, "\n")
	if len(body) > maxMessageBytes {
		body = body[len(body)-maxMessageBytes:]
	}
	if strings.IndexByte(body, ':') < 0 {
		return nil
	}
	lines := strings.Split(body, "\n")
	if len(lines) > maxMessageLines {
		lines = lines[len(lines)-maxMessageLines:]
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	final := trailerLines(lines)
	var trailers []Trailer
	bare := 0
	for i, line := range lines {
		if len(trailers) == MaxTrailers {
			break
		}
		if isBareTrace(line) {
			if bare++; bare <= maxBareLines {
				trailers = append(trailers, Trailer{Value: cut(strings.TrimSpace(line), maxTrailerBytes)})
			}
			continue
		}
		if !final[i] {
			continue
		}
		if key, value, ok := cutTrailer(line); ok {
			trailers = append(trailers, Trailer{Key: key, Value: cut(value, maxTrailerBytes)})
		} else if n := len(trailers); n > 0 && i > 0 && final[i-1] && isContinuation(line) && trailers[n-1].Key != "" {
			trailers[n-1].Value = cut(trailers[n-1].Value+" "+strings.TrimSpace(line), maxTrailerBytes)
		}
	}
	return trailers
}

// MessageTrailers returns the trailers of a message, and with empty keys those of its lines
// that Markers would keep of a body: a squash merge carries the body of its pull request.
func MessageTrailers(c *Catalogue, message string) []Trailer {
	trailers := ParseTrailers(message)
	_, body, _ := strings.Cut(message, "\n")
	for _, line := range Markers(c, body) {
		bare := Trailer{Value: line}
		if !slices.Contains(trailers, bare) {
			trailers = append(trailers, bare)
		}
	}
	return trailers
}

// trailerLines says of every line whether it is in a paragraph that may hold trailers.
func trailerLines(lines []string) []bool {
	final := make([]bool, len(lines))
	// wanted: a paragraph that ends here may hold trailers; pure: only if it has no other text.
	wanted, pure := true, false
	for end := len(lines); end > 0; {
		if lines[end-1] == "" {
			end--
			continue
		}
		start := end
		for start > 0 && lines[start-1] != "" {
			start--
		}
		paragraph := lines[start:end]
		if wanted && (!pure || onlyTrailers(paragraph)) {
			for i := start; i < end; i++ {
				final[i] = true
			}
			wanted, pure = onlyTrailers(paragraph), true
		} else {
			wanted = false
		}
		if strings.HasPrefix(paragraph[0], squashBulletStart) || strings.HasPrefix(paragraph[0], squashSeparator) {
			// What stands before is the end of another message. One that has only
			// trailers is surely its last paragraph; prose is not looked at.
			wanted, pure = true, true
		}
		end = start
	}
	return final
}

// onlyTrailers reports whether a paragraph has nothing but trailers and bare traces.
func onlyTrailers(lines []string) bool {
	for i, line := range lines {
		if _, _, ok := cutTrailer(line); ok || isBareTrace(line) || i > 0 && isContinuation(line) {
			continue
		}
		return false
	}
	return true
}

// cutTrailer splits a "Key: value" line.
func cutTrailer(line string) (key, value string, ok bool) {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 || colon > maxTrailerKey || strings.HasPrefix(line[colon:], "://") {
		return "", "", false
	}
	key = strings.TrimRight(line[:colon], " ")
	value = strings.TrimSpace(line[colon+1:])
	return key, value, value != "" && isTrailerKey(key)
}

func isTrailerKey(key string) bool {
	if key == "" || key[0] == '-' {
		return false
	}
	for i := range len(key) {
		if !isAlnum(key[i]) && key[i] != '-' {
			return false
		}
	}
	return true
}

func isContinuation(line string) bool {
	return line != "" && (line[0] == ' ' || line[0] == '\t')
}

// isBareTrace reports whether a line is nothing but a link, or a tool's "generated with".
func isBareTrace(line string) bool {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "https://") {
		return strings.IndexByte(line, ' ') < 0
	}
	if len(line) < len("Made with [x]") || strings.IndexByte(line, '[') < 0 {
		return false
	}
	line = undecorated(line)
	return strings.HasPrefix(line, "Generated with [") || strings.HasPrefix(line, "Made with [") || strings.HasPrefix(line, "Generated by [")
}

// cut shortens text to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = cutRune(s, n)
	if !utf8.ValidString(s) {
		s = cutRune(strings.ToValidUTF8(s, "\uFFFD"), n) // the replacement is longer
	}
	return s
}

// cutRune shortens text to at most n bytes, not inside a character.
func cutRune(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
