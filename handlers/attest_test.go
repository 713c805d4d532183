package handlers

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

// What GitHub does not show is named and not recorded; it is never an empty list.
func TestWhatIsNotShownIsNotAttested(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	shown := gh.Ruleset{ID: 1, Name: "ours", SourceType: "Repository", Source: "acme/shop", BypassReadable: true, UpdatedAt: now.Add(-time.Hour), ReadAt: now}
	hidden, undated, fresh, timeless := shown, shown, shown, shown
	timeless.ID, timeless.Name, timeless.ReadAt = 5, "timeless", time.Time{}
	hidden.ID, hidden.Name, hidden.BypassReadable = 2, "the enterprise's", false
	undated.ID, undated.Name, undated.UpdatedAt = 3, "undated", time.Time{}
	fresh.ID, fresh.Name, fresh.UpdatedAt = 4, "fresh", now.Add(-time.Second)
	for name, c := range map[string]struct {
		rulesets []gh.Ruleset
		recorded int
		notShown string
		problem  string
	}{
		"all are shown":            {[]gh.Ruleset{shown}, 1, "", ""},
		"one is not":               {[]gh.Ruleset{hidden, shown, undated}, 1, "the enterprise's, undated", ""},
		"none is":                  {[]gh.Ruleset{hidden}, 0, "", "does not show who may bypass the ruleset the enterprise's"},
		"there is none":            {nil, 0, "", "no ruleset applies"},
		"one without the time":     {[]gh.Ruleset{shown, timeless}, 0, "", "timeless does not tell the time"},
		"one was changed just now": {[]gh.Ruleset{shown, fresh}, 0, "", "fresh was changed a moment ago"},
	} {
		t.Run(name, func(t *testing.T) {
			list, notShown, problem := attestations(gh.OwnerView{Rulesets: c.rulesets})
			if len(list) != c.recorded || strings.Join(notShown, ", ") != c.notShown || !strings.Contains(problem, c.problem) || (problem == "") != (c.problem == "") {
				t.Errorf("got %d recorded, not shown %q, problem %q", len(list), notShown, problem)
			}
		})
	}
}

func TestAttemptsInAMinute(t *testing.T) {
	var a attempts
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range asksInAMinute {
		if a.tooMany(now) {
			t.Fatalf("attempt %d is one too many", i+1)
		}
	}
	if !a.tooMany(now.Add(time.Minute - time.Microsecond)) {
		t.Error("one more within the minute is let through")
	}
	if a.tooMany(now.Add(time.Minute)) {
		t.Error("the next minute is not let through")
	}
}
