package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/defenseunicorns/go-oscal/src/pkg/validation"
)

// Both documents are what NIST's published schema asks for, and agree with the matrix.
func (b bundle) testOSCAL(t *testing.T) {
	for _, name := range []string{"oscal-assessment-plan.json", "oscal-assessment-results.json"} {
		v, err := validation.NewValidator(b[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := v.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := v.GetSchemaVersion(); got != "1.1.2" {
			t.Errorf("%s was held to version %s", name, got)
		}
		bad, err := validation.NewValidator([]byte(strings.Replace(string(b[name]), `"last-modified"`, `"last-changed"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if bad.Validate() == nil {
			t.Errorf("%s is valid without a time, so the schema is not looked at", name)
		}
	}
	var results struct {
		Results struct {
			ImportAP struct{ Href string } `json:"import-ap"`
			Results  []struct {
				Observations []struct{ UUID string }
				Findings     []struct {
					UUID   string
					Target struct {
						ID     string `json:"target-id"`
						Status struct{ State string }
					}
					Related []struct {
						Observation string `json:"observation-uuid"`
					} `json:"related-observations"`
				}
			}
		} `json:"assessment-results"`
	}
	if err := json.Unmarshal(b["oscal-assessment-results.json"], &results); err != nil {
		t.Fatal(err)
	}
	if b[results.Results.ImportAP.Href] == nil || len(results.Results.Results) != 1 {
		t.Fatalf("the plan is said to be in %q, %d results", results.Results.ImportAP.Href, len(results.Results.Results))
	}
	r, known, states := results.Results.Results[0], map[string]bool{}, map[string]string{}
	for _, o := range r.Observations {
		known[o.UUID] = true
	}
	for _, f := range r.Findings {
		if states[f.Target.ID] = f.Target.Status.State; known[f.UUID] || len(f.Related) != 1 || !known[f.Related[0].Observation] {
			t.Errorf("the finding about %s rests on no observation", f.Target.ID)
		}
	}
	if states["human-review"] != "satisfied" || states["no-direct-push"] != "not-satisfied" || states["authorised"] != "" {
		t.Errorf("states: got %v", states)
	}
	if len(known) != len(r.Observations) || len(r.Findings) >= len(r.Observations) {
		t.Errorf("%d observations with %d ids, %d findings", len(r.Observations), len(known), len(r.Findings))
	}
}
