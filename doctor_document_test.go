package countersign_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/doctor.md has a row for everything that doctor looks at, and for nothing else.
func TestDoctorDocument(t *testing.T) {
	doc, err := os.ReadFile("docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## What it looks at")
	table, _, _ = strings.Cut(table, "\n## ")
	told := matches(regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|"), table)
	src, err := os.ReadFile("doctor/doctor.go")
	if err != nil {
		t.Fatal(err)
	}
	named := matches(regexp.MustCompile(`(?m)^\tcheck[A-Z]\w* += "([a-z-]+)"`), string(src))
	if !slices.Equal(told, named) || len(named) < 20 {
		t.Errorf("docs/doctor.md has\n%v\ndoctor looks at\n%v", told, named)
	}
	files, err := filepath.Glob("doctor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := matches(regexp.MustCompile(`Check: +("[^"]*")`), string(src)); len(found) > 0 {
			t.Errorf("%s: %v has no name in doctor.go", file, found)
		}
	}
}

// matches are the first groups of all matches.
func matches(re *regexp.Regexp, text string) (out []string) {
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}
