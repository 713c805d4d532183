package web

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// Tickets are found where they stand for themselves, in capital letters, each once, and lead to their tracker.
func TestTicketsOfAChange(t *testing.T) {
	trackers := []Tracker{
		{"Jira", []string{"SHOP", "E2E"}, "https://jira.example/browse/"},
		{"Linear", []string{"ENG"}, "https://linear.app/acme/issue/"},
	}
	jira := func(key, where string) string { return key + " https://jira.example/browse/" + key + " Jira, " + where }
	linear := func(key, where string) string {
		return key + " https://linear.app/acme/issue/" + key + " Linear, " + where
	}
	const title, branch, byPattern, emergency = "in the title", "in the name of its branch", "by the policy's pattern", "in the declaration of the emergency"
	for name, c := range map[string]struct {
		facts     policy.Facts
		emergency string
		want      []string
	}{
		"nothing":               {facts: policy.Facts{Change: policy.Change{Title: "Use UTF-8 and SHA-256, #12"}}},
		"title":                 {facts: policy.Facts{Change: policy.Change{Title: "SHOP-12, (ENG-3): x"}}, want: []string{jira("SHOP-12", title), linear("ENG-3", title)}},
		"side by side":          {facts: policy.Facts{Change: policy.Change{Title: "SHOP-1 SHOP-2/SHOP-1"}}, want: []string{jira("SHOP-1", title), jira("SHOP-2", title)}},
		"part of a word":        {facts: policy.Facts{Change: policy.Change{Title: "WORKSHOP-12 SHOP-12b SHOP-012 SHOP-12345678901 SHOP-"}}},
		"small, in a branch":    {facts: policy.Facts{Change: policy.Change{HeadRef: "dave/eng-7_fix"}}, want: []string{linear("ENG-7", branch)}},
		"digits in the key":     {facts: policy.Facts{Change: policy.Change{Title: "e2e-4"}}, want: []string{jira("E2E-4", title)}},
		"once":                  {facts: policy.Facts{Change: policy.Change{Title: "SHOP-1", HeadRef: "shop-1", Tickets: []string{"SHOP-1"}}}, want: []string{jira("SHOP-1", title)}},
		"by the policy":         {facts: policy.Facts{Change: policy.Change{Tickets: []string{"CHG0042", "SHOP-9"}}}, want: []string{"CHG0042  " + byPattern, jira("SHOP-9", byPattern)}},
		"more than a ticket":    {facts: policy.Facts{Change: policy.Change{Tickets: []string{"for SHOP-9"}}}, want: []string{"for SHOP-9  " + byPattern}},
		"emergency":             {emergency: "SHOP-5", want: []string{jira("SHOP-5", emergency)}},
		"emergency in no place": {emergency: `"><script>`, want: []string{`"><script>  ` + emergency}},
		"closes": {facts: policy.Facts{Issues: &policy.List[policy.Issue]{Items: []policy.Issue{{Repository: "acme/shop", Number: 3}}}},
			want: []string{"acme/shop #3 https://github.example/acme/shop/issues/3 an issue that it closes"}},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(c.facts)
			if err != nil {
				t.Fatal(err)
			}
			var d policy.Decision
			if c.emergency != "" {
				d.Emergency = &policy.EmergencyResult{Ticket: c.emergency}
			}
			lines, err := ticketsOf(store.Decided{Facts: raw}, d, trackers, "https://github.example")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range lines {
				got = append(got, fmt.Sprintf("%s %s %s", l.Name, l.Link, l.Where))
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
