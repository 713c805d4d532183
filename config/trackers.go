package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Tracker is where tickets of one organisation are that its changes name: a page of the change links
// to them. It decides nothing. An organisation may have several.
type Tracker struct {
	// Organisation is its login.
	Organisation string `yaml:"organisation"`
	// JiraURL is the address of a Jira, for example "https://acme.atlassian.net". LinearWorkspace is a
	// workspace of Linear, as it stands in the address of its pages. One of them is set.
	JiraURL         string `yaml:"jira_url"`
	LinearWorkspace string `yaml:"linear_workspace"`
	// Projects are the keys of its projects or teams: with SHOP, SHOP-12 is a ticket. Without them
	// UTF-8 would be one.
	Projects []string `yaml:"projects"`
}

var (
	projectKey = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,19}$`)
	workspace  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
)

// Name is what the tracker is called.
func (t Tracker) Name() string {
	if t.JiraURL != "" {
		return "Jira"
	}
	return "Linear"
}

// TicketsURL is the address behind which the key of a ticket is put.
func (t Tracker) TicketsURL() string {
	if t.JiraURL != "" {
		return strings.TrimSuffix(t.JiraURL, "/") + "/browse/"
	}
	return "https://linear.app/" + t.LinearWorkspace + "/issue/"
}

// TrackersOf are the trackers of an organisation.
func (c *Config) TrackersOf(login string) (out []Tracker) {
	for _, t := range c.Trackers {
		if strings.EqualFold(t.Organisation, login) {
			out = append(out, t)
		}
	}
	return out
}

// checkTrackers says what is wrong with the trackers.
func (c *Config) checkTrackers() error {
	var problems []error
	seen := map[string]bool{}
	for i, t := range c.Trackers {
		at := fmt.Sprintf("config: trackers[%d]", i)
		problems = append(problems, t.check(at))
		for _, key := range t.Projects {
			of := strings.ToLower(t.Organisation) + " " + key
			if seen[of] {
				problems = append(problems, fmt.Errorf("%s.projects: %q stands twice in the organisation: which tracker its tickets are in is not known", at, key))
			}
			seen[of] = true
		}
	}
	return errors.Join(problems...)
}

func (t Tracker) check(at string) error {
	var problems []error
	if t.Organisation == "" {
		problems = append(problems, errors.New(at+".organisation: is missing"))
	}
	switch {
	case (t.JiraURL == "") == (t.LinearWorkspace == ""):
		problems = append(problems, errors.New(at+": names both of jira_url and linear_workspace, or neither\n  hint: write an entry for each tracker"))
	case t.JiraURL != "" && !isPage(t.JiraURL):
		problems = append(problems, fmt.Errorf("%s.jira_url: is %q, must be the address of a Jira\n  hint: for example https://acme.atlassian.net", at, t.JiraURL))
	case t.LinearWorkspace != "" && !workspace.MatchString(t.LinearWorkspace):
		problems = append(problems, fmt.Errorf("%s.linear_workspace: is %q, must be as in the address of its pages\n  hint: acme, of https://linear.app/acme/…", at, t.LinearWorkspace))
	}
	if len(t.Projects) == 0 {
		problems = append(problems, errors.New(at+".projects: is missing\n  hint: the keys of its projects or teams, for example [SHOP], with which SHOP-12 is a ticket"))
	}
	if bad := slices.IndexFunc(t.Projects, func(key string) bool { return !projectKey.MatchString(key) }); bad >= 0 {
		problems = append(problems, fmt.Errorf("%s.projects: has %.40q, must be keys of capital letters and digits\n  hint: SHOP, of the ticket SHOP-12", at, t.Projects[bad]))
	}
	return errors.Join(problems...)
}

// isPage says whether a text is the address of a page that others can be put behind.
func isPage(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}
