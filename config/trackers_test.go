package config

import (
	"strings"
	"testing"
)

func TestTrackers(t *testing.T) {
	jira, linear := "https://acme.atlassian.net", "acme"
	shop := []string{"SHOP"}
	for name, c := range map[string]struct {
		list []Tracker
		says string // empty: fine
	}{
		"none":             {nil, ""},
		"both":             {[]Tracker{{"acme", jira, "", shop}, {"acme", "", linear, []string{"ENG", "E2E"}}, {"globex", jira, "", shop}}, ""},
		"nobody":           {[]Tracker{{"", jira, "", shop}}, "trackers[0].organisation: is missing"},
		"two in one":       {[]Tracker{{"acme", jira, linear, shop}}, "names both"},
		"no tracker":       {[]Tracker{{"acme", "", "", shop}}, "or neither"},
		"no projects":      {[]Tracker{{"acme", jira, "", nil}}, "projects: is missing"},
		"no key":           {[]Tracker{{"acme", jira, "", []string{"SHOP", "shop-1"}}}, `has "shop-1", must be keys`},
		"twice":            {[]Tracker{{"acme", jira, "", shop}, {"Acme", "", linear, shop}}, "stands twice"},
		"no address":       {[]Tracker{{"acme", "acme.atlassian.net", "", shop}}, "must be the address of a Jira"},
		"a script":         {[]Tracker{{"acme", "javascript:alert(1)", "", shop}}, "must be the address of a Jira"},
		"with a query":     {[]Tracker{{"acme", jira + "?a=b", "", shop}}, "must be the address of a Jira"},
		"no workspace":     {[]Tracker{{"acme", "", "https://linear.app/acme", shop}}, "as in the address of its pages"},
		"everything wrong": {[]Tracker{{"", "x", "", nil}}, "projects: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&Config{Trackers: c.list}).checkTrackers()
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestTrackersOfAnOrganisation(t *testing.T) {
	src := "trackers:\n- {organisation: Acme, jira_url: https://jira.example.com/, projects: [SHOP]}\n- {organisation: acme, linear_workspace: acme, projects: [ENG]}\n- {organisation: globex, linear_workspace: globex, projects: [ENG]}\n"
	c, err := Load("settings.yml", env(good...), func(string) ([]byte, error) { return []byte(src), nil })
	if err != nil {
		t.Fatal(err)
	}
	got := c.TrackersOf("acme")
	if len(got) != 2 || got[0].Name() != "Jira" || got[0].TicketsURL() != "https://jira.example.com/browse/" || got[1].Name() != "Linear" || got[1].TicketsURL() != "https://linear.app/acme/issue/" {
		t.Errorf("got %+v", got)
	}
}
