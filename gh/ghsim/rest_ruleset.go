package ghsim

import (
	"net/http"
	"slices"
)

// writtenRuleset is a ruleset as it is sent. What is left out of an update stays as it was.
type writtenRuleset struct {
	Name         *string `json:"name"`
	Target       *string `json:"target"`
	Enforcement  *string `json:"enforcement"`
	BypassActors *[]struct {
		ID   *int64 `json:"actor_id"`
		Type string `json:"actor_type"`
		Mode string `json:"bypass_mode"`
	} `json:"bypass_actors"`
	Conditions *struct {
		RefName        *writtenNames `json:"ref_name"`
		RepositoryName *writtenNames `json:"repository_name"`
	} `json:"conditions"`
	Rules *[]struct {
		Type       string         `json:"type"`
		Parameters map[string]any `json:"parameters"`
	} `json:"rules"`
}

type writtenNames struct {
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
}

// place is where the rulesets of the path are.
func (c *call) place() *[]*ruleset {
	if c.org != nil {
		return &c.org.rulesets
	}
	return &c.repo.rulesets
}

func createRuleset(c *call) (*answer, error) {
	rs := &ruleset{id: c.s.nextID(), target: "branch", repo: c.repo, org: c.org, createdAt: c.s.now()}
	if err := c.fill(rs); err != nil {
		return nil, err
	}
	*c.place() = append(*c.place(), rs)
	return c.saved(rs, "created", http.StatusCreated), nil
}

func updateRuleset(c *call) (*answer, error) {
	at := slices.IndexFunc(*c.place(), func(rs *ruleset) bool { return rs.id == c.number("ruleset_id") })
	if at < 0 {
		return nil, errNotFound
	}
	changed := *(*c.place())[at] // whole or not at all
	if err := c.fill(&changed); err != nil {
		return nil, err
	}
	*(*c.place())[at] = changed
	return c.saved((*c.place())[at], "edited", http.StatusOK), nil
}

func getOrgRuleset(c *call) (*answer, error) {
	for _, rs := range c.org.rulesets {
		if rs.id == c.number("ruleset_id") {
			return &answer{body: c.s.renderRuleset(c.viewer, rs)}, nil
		}
	}
	return nil, errNotFound
}

func (c *call) saved(rs *ruleset, action string, status int) *answer {
	rs.updatedAt = c.s.now()
	c.s.emitRuleset(rs, action, c.viewer.user)
	if c.repo != nil {
		c.s.settle(c.repo)
	}
	return &answer{status: status, body: c.s.renderRuleset(c.viewer, rs)}
}

// fill sets what was sent.
func (c *call) fill(rs *ruleset) error {
	var w writtenRuleset
	if err := c.decode(&w); err != nil {
		return err
	}
	for from, to := range map[*string]*string{w.Name: &rs.name, w.Target: &rs.target, w.Enforcement: &rs.enforcement} {
		if from != nil {
			*to = *from
		}
	}
	if rs.name == "" || rs.enforcement == "" {
		return invalid("Invalid request.\n\nMissing name or enforcement.")
	}
	if slices.ContainsFunc(*c.place(), func(x *ruleset) bool { return x.name == rs.name && x.id != rs.id }) {
		return invalid("Validation Failed: Name must be unique")
	}
	if w.BypassActors != nil {
		rs.bypass = nil
		for _, b := range *w.BypassActors {
			entry := bypassActor{kind: b.Type, mode: b.Mode}
			if b.ID != nil {
				entry.id = *b.ID
			}
			rs.bypass = append(rs.bypass, entry)
		}
	}
	if w.Conditions != nil {
		if n := w.Conditions.RefName; n != nil {
			rs.include, rs.exclude = n.Include, n.Exclude
		}
		if n := w.Conditions.RepositoryName; n != nil {
			rs.repoInclude, rs.repoExclude = n.Include, n.Exclude
		}
	}
	if w.Rules != nil {
		rs.rules = nil
		for _, r := range *w.Rules {
			rs.rules = append(rs.rules, rule{r.Type, r.Parameters})
		}
	}
	return nil
}
