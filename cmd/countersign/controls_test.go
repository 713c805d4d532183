package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

var opinion = regexp.MustCompile(`(?i)\b(non-?)?complian(t|ce)\b|human-written`)

// The matrix gives figures and where the evidence is, and no opinion.
func (b bundle) testControls(t *testing.T) {
	var got struct {
		Criteria []struct {
			ID, Note string
			Tests    []struct {
				ID, Asks           string
				Tested, Deviations int
				Items              []struct{ Title, Evidence string }
				Evidence           []string
				Mapping            map[string][]string
			}
		}
	}
	if err := json.Unmarshal(b["controls.json"], &got); err != nil {
		t.Fatal(err)
	}
	results := map[string][2]int{}
	for _, c := range got.Criteria {
		if c.ID == "PI1.1" && !strings.Contains(c.Note, "our interpretation") {
			t.Errorf("PI1.1 does not say that the mapping is ours: %q", c.Note)
		}
		for _, x := range c.Tests {
			results[x.ID] = [2]int{x.Tested, x.Deviations}
			if len(x.Items) != x.Deviations || len(x.Mapping) != 6 || x.Asks == "" {
				t.Errorf("%s: %d deviations and %d items, %d frameworks", x.ID, x.Deviations, len(x.Items), len(x.Mapping))
			}
			for _, item := range x.Items {
				if b[item.Evidence] == nil {
					t.Errorf("%s: the evidence of %s is said to be in %s, which is not there", x.ID, item.Title, item.Evidence)
				}
			}
			for _, file := range x.Evidence {
				if b[file] == nil {
					t.Errorf("%s: %s is not in the bundle", x.ID, file)
				}
			}
		}
	}
	for id, want := range map[string][2]int{
		"decided-before": {5, 1}, "no-direct-push": {6, 1}, "merged-as-decided": {5, 0}, "human-review": {5, 0}, "branch-protection": {5, 1}, "validated": {5, 0}, "agent-identity": {2, 0},
		"protected": {4, 2}, "complete": {4, 0}, "settled-in-time": {2, 0},
	} {
		if results[id] != want {
			t.Errorf("%s: got %v tested and deviating, want %v", id, results[id], want)
		}
	}
	for name, content := range b {
		if word := opinion.Find(content); word != nil && !strings.HasPrefix(name, "blobs/") {
			t.Errorf("%s says %q", name, word)
		}
	}
}
