package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// A shape describes a text without a regular expression, so that an auditor can read it
// and matching stays linear: literal text, "*" for any run of characters (also none), and
// classes in braces:
//
//	{hex} {digits} {id} {token}   one or more characters of the class
//	{digits:10}                   exactly ten
//	{digits:18-20}                eighteen to twenty
//	{uuid}                        8-4-4-4-12 hexadecimal digits
//
// {id} is letters, digits, "_" and "-". {token} is letters and digits, among them a digit
// or a capital: the suffix that a program makes up, unlike a short English word.
//
// A class takes as many characters as it may and gives none back.
type shape struct {
	parts []shapePart
	// fold compares letters without case.
	fold bool
}

// shapePart is literal text, or a run of characters.
type shapePart struct {
	lit  string
	any  bool // "*"
	uuid bool
	// class is the name of a class of characters, empty for literal text.
	class    string
	min, max int
}

// has reports whether a character is of a class.
func (p *shapePart) has(c byte) bool {
	switch p.class {
	case classHex:
		return isHex(c)
	case classDigits:
		return isDigit(c)
	case classID:
		return isIDByte(c)
	default:
		return isAlnum(c)
	}
}

// The classes of characters.
const (
	classHex    = "hex"
	classDigits = "digits"
	classID     = "id"
	classToken  = "token"
)

// Limits of shapes; more is refused, so that a policy cannot slow the evaluation down.
const (
	maxShapeBytes = 200
	maxShapeStars = 3
	// minShapeFixed is how many characters a shape must at least pin down.
	minShapeFixed = 3
	maxClassRun   = 255
)

// parseShape compiles a shape. fixed is the number of characters that it pins down.
func parseShape(src string, fold bool) (s shape, fixed int, err error) {
	if len(src) > maxShapeBytes {
		return shape{}, 0, fmt.Errorf("longer than %d bytes", maxShapeBytes)
	}
	stars := 0
	for rest := src; rest != ""; {
		switch rest[0] {
		case '*':
			rest = rest[1:]
			if n := len(s.parts); n > 0 && s.parts[n-1].any {
				return shape{}, 0, fmt.Errorf("two * in a row")
			}
			if stars++; stars > maxShapeStars {
				return shape{}, 0, fmt.Errorf("more than %d *", maxShapeStars)
			}
			s.parts = append(s.parts, shapePart{any: true})
		case '{':
			class, after, ok := strings.Cut(rest[1:], "}")
			if !ok {
				return shape{}, 0, fmt.Errorf("{ without }")
			}
			part, err := parseClass(class)
			if err != nil {
				return shape{}, 0, err
			}
			fixed += part.min
			s.parts = append(s.parts, part)
			rest = after
		default:
			end := strings.IndexAny(rest, "*{")
			if end < 0 {
				end = len(rest)
			}
			lit := rest[:end]
			if fold {
				lit = strings.ToLower(lit)
			}
			fixed += len(lit)
			s.parts = append(s.parts, shapePart{lit: lit})
			rest = rest[end:]
		}
	}
	s.fold = fold
	return s, fixed, nil
}

// parseClass reads the inside of a pair of braces.
func parseClass(src string) (shapePart, error) {
	name, length, sized := strings.Cut(src, ":")
	part := shapePart{min: 1, max: maxClassRun}
	switch name {
	case classHex, classDigits, classID, classToken:
		part.class = name
	case "uuid":
		if sized {
			return shapePart{}, fmt.Errorf("{uuid} has a fixed length")
		}
		return shapePart{uuid: true, min: 36, max: 36}, nil
	default:
		return shapePart{}, fmt.Errorf("unknown class {%s}: use hex, digits, id, token or uuid", src)
	}
	if !sized {
		return part, nil
	}
	low, high, ranged := strings.Cut(length, "-")
	if !ranged {
		high = low
	}
	min, err1 := strconv.Atoi(low)
	max, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || min < 1 || max < min || max > maxClassRun {
		return shapePart{}, fmt.Errorf("length of {%s} must be a number from 1 to %d, or two with - between", src, maxClassRun)
	}
	part.min, part.max = min, max
	return part, nil
}

// matches reports whether the shape describes the whole of text.
func (s *shape) matches(text string) bool {
	_, ok := s.match(text, true)
	return ok
}

// prefix returns the length of the beginning of text that the shape describes.
func (s *shape) prefix(text string) (int, bool) { return s.match(text, false) }

// match goes through the parts once. When one does not fit, only the last "*" takes one
// character more: earlier ones need not, since all other parts take what they can.
func (s *shape) match(text string, whole bool) (int, bool) {
	part, at := 0, 0
	star, starAt := -1, 0
	for {
		if part == len(s.parts) {
			if !whole || at == len(text) {
				return at, true
			}
		} else if p := &s.parts[part]; p.any {
			if part == len(s.parts)-1 {
				return len(text), true
			}
			star, starAt = part, at
			part++
			continue
		} else if n, ok := p.take(text[at:], s.fold); ok {
			at += n
			part++
			continue
		}
		if star < 0 || starAt >= len(text) {
			return 0, false
		}
		starAt++
		part, at = star+1, starAt
	}
}

// take returns how many bytes of text the part uses up.
func (p *shapePart) take(text string, fold bool) (int, bool) {
	switch {
	case p.uuid:
		return 36, len(text) >= 36 && isUUID(text[:36])
	case p.class == "":
		if fold {
			return len(p.lit), hasPrefixFold(text, p.lit)
		}
		return len(p.lit), strings.HasPrefix(text, p.lit)
	}
	n, mixed := 0, false // mixed: a digit or a capital is among them
	for n < len(text) && n < p.max && p.has(text[n]) {
		mixed = mixed || text[n] <= 'Z'
		n++
	}
	return n, n >= p.min && (mixed || p.class != classToken)
}

// hasPrefixFold is strings.HasPrefix for a prefix in lower case, ASCII letters without case.
func hasPrefixFold(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		if lowerByte(s[i]) != lower[i] {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// appendLower appends s with its ASCII letters in lower case: addresses, logins and keys
// are looked up so, in a buffer on the stack.
func appendLower(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, lowerByte(s[i]))
	}
	return b
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= lowerByte(c) && lowerByte(c) <= 'f' }

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= lowerByte(c) && lowerByte(c) <= 'z' }

func isIDByte(c byte) bool { return isAlnum(c) || c == '_' || c == '-' }

func isUUID(s string) bool {
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}
