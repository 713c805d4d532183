package main

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// The first page says what is missing before anything else, and leads to every file.
func (b bundle) testIndex(t *testing.T) {
	says, at := b.text(t, "index.html"), 0
	for _, want := range []string{
		"What this is about", "acme", "6 changes in 6 updates; 4 branches were enrolled", "6 of 6 changes (all: 6)", "given by the auditor",
		"What is missing", "Nothing that is known of.", "0 (times at which a branch could not be seen", "What this does not prove", "is not observable without the permission",
		"Population", "Changes: 6. Of pull requests: 5; updates without one: 1", "With deviations: 2", "no agent indicator found 1 0",
		"Sample", "1. ", "Exceptions", "merged-while-failing high", "remediated", "Files", "population.csv",
	} {
		i := strings.Index(says[at:], want)
		if i < 0 {
			t.Fatalf("%q does not follow in:\n%s", want, says)
		}
		at += i
	}
	page := string(b["index.html"])
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if path.Dir(name) != "blobs" && name != "index.html" && !strings.Contains(page, `href="`+name+`"`) {
			t.Errorf("the first page does not lead to %s", name)
		}
	}
}
