package policy

import (
	"fmt"
	"strconv"
	"time"
)

// Span is a length of time as a policy writes it: whole minutes, hours or days, "90m", "4h", "2d".
type Span time.Duration

// maxSpan is the longest that a policy can ask for.
const maxSpan = Span(90 * 24 * time.Hour)

// MarshalText writes the span with its largest whole unit.
func (s Span) MarshalText() ([]byte, error) {
	d := time.Duration(s)
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Appendf(nil, "%dd", d/(24*time.Hour)), nil
	case d%time.Hour == 0:
		return fmt.Appendf(nil, "%dh", d/time.Hour), nil
	}
	return fmt.Appendf(nil, "%dm", d/time.Minute), nil
}

// UnmarshalText reads a number and one of the units m, h and d.
func (s *Span) UnmarshalText(text []byte) error {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if len(text) < 2 || len(text) > 6 || units[text[len(text)-1]] == 0 {
		return fmt.Errorf("%q is not a span of time", text)
	}
	n, err := strconv.ParseUint(string(text[:len(text)-1]), 10, 32)
	if err != nil || n == 0 || text[0] == '+' {
		return fmt.Errorf("%q is not a span of time", text)
	}
	if *s = Span(time.Duration(n) * units[text[len(text)-1]]); *s > maxSpan {
		return fmt.Errorf("%q is longer than 90 days", text)
	}
	return nil
}

// String is what MarshalText writes.
func (s Span) String() string {
	text, err := s.MarshalText()
	if err != nil {
		return time.Duration(s).String()
	}
	return string(text)
}
