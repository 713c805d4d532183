package policy

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseTrailers(t *testing.T) {
	for _, test := range []struct {
		what, message string
		want          []Trailer
	}{
		{"no message", "", nil},
		{"only a subject", "Made-with: Cursor", nil},
		{"last paragraph", "Fix\n\nWhy: because\n\nSigned-off-by: A <a@b.c>\nMade-with: Cursor\n", []Trailer{{"Why", "because"}, {"Signed-off-by", "A <a@b.c>"}, {"Made-with", "Cursor"}}},
		{"prose in between", "Fix\n\nMade-with: Cursor\n\nThat was it.\n", nil},
		{"trailers in two paragraphs", "Fix\n\nText.\n\nMade-with: Cursor\n\nSigned-off-by: A <a@b.c>", []Trailer{{"Made-with", "Cursor"}, {"Signed-off-by", "A <a@b.c>"}}},
		{"directly below the subject", "Fix\nMade-with: Cursor", []Trailer{{"Made-with", "Cursor"}}},
		{"a line of prose among them", "Fix\n\nThanks to all.\nMade-with: Cursor", []Trailer{{"Made-with", "Cursor"}}},
		{"a continued value", "Fix\n\nNote: one\n  two\n\tthree", []Trailer{{"Note", "one two three"}}},
		{"not at the beginning of the line", "Fix\n\nsee Made-with: Cursor", nil},
		{"a link is no trailer", "Fix\n\nhttps://example.com/a", []Trailer{{"", "https://example.com/a"}}},
		{"a bare link in the middle", "Fix\n\nhttps://claude.ai/code/session_1\n\nText.", []Trailer{{"", "https://claude.ai/code/session_1"}}},
		{"a tool's line in the middle", "Fix\n\n🤖 Generated with [Claude Code](https://claude.ai/code)\n\nText.", []Trailer{{"", "🤖 Generated with [Claude Code](https://claude.ai/code)"}}},
		{"a squash of two commits", "Two (#1)\n\n* one\n\nMade-with: Cursor\n\n* two\n\nText.\n\nNote: x\n\n---------\n\nCo-authored-by: A <a@b.c>", []Trailer{{"Made-with", "Cursor"}, {"Note", "x"}, {"Co-authored-by", "A <a@b.c>"}}},
		{"Windows line ends", "Fix\r\n\r\nMade-with: Cursor\r\n", []Trailer{{"Made-with", "Cursor"}}},
		{"an empty value", "Fix\n\nMade-with:", nil},
		{"a space before the colon", "Fix\n\nMade-with : Cursor", []Trailer{{"Made-with", "Cursor"}}},
		{"no key", "Fix\n\nIt is so: yes", nil},
	} {
		if got := ParseTrailers(test.message); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.what, got, test.want)
		}
	}
}

func TestParseTrailersIsBounded(t *testing.T) {
	message := "Fix\n\n"
	for i := range 500 {
		message += fmt.Sprintf("Key-%d: %s\nhttps://example.com/%d\n", i, strings.Repeat("é", 1000), i)
	}
	got := ParseTrailers(message)
	links := 0
	for _, trailer := range got {
		if len(trailer.Value) > maxTrailerBytes || !utf8.ValidString(trailer.Value) {
			t.Fatalf("value of %d bytes", len(trailer.Value))
		}
		if trailer.Key == "" {
			links++
		}
	}
	if len(got) > MaxTrailers || links > maxBareLines {
		t.Errorf("got %d trailers with %d links, want at most %d and %d", len(got), links, MaxTrailers, maxBareLines)
	}
}

func FuzzParseTrailers(f *testing.F) {
	f.Add("Fix\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n https://x\n")
	f.Add("a\n\nK: " + strings.Repeat("0\xd1", 300)) // the replacement of a bad byte is longer
	f.Add("a\n\n* b\n\nK: v\n---\n\n \t\n\x00: x")
	f.Fuzz(func(t *testing.T, message string) {
		trailers := ParseTrailers(message)
		if len(trailers) > MaxTrailers {
			t.Fatalf("%d trailers", len(trailers))
		}
		for _, trailer := range trailers {
			if len(trailer.Key) > maxTrailerKey || len(trailer.Value) > maxTrailerBytes || strings.Contains(trailer.Value, "\n") {
				t.Fatalf("trailer %q", trailer)
			}
		}
	})
}

func FuzzMarkers(f *testing.F) {
	f.Add("> https://app.devin.ai/sessions/00\n<details>\nRequested by: @mira, @oskar and @lea")
	f.Fuzz(func(t *testing.T, body string) {
		lines := Markers(Builtin(), body)
		if len(lines) > MaxMarkers {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines {
			if len(line) > MaxMarkerBytes || strings.Contains(line, "\n") {
				t.Fatalf("line %q", line)
			}
		}
	})
}
