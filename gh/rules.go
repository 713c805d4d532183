package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const maxRules = 2000

// BranchRules returns the active rules that apply to a branch, of the repository, its
// organisation and its enterprise. Types that we do not know are kept by name. At most
// 2,000, else ErrTruncated.
//
// The decoder is our own: go-github v62 fails the whole list on an unknown type, panics
// on missing parameters, reads one page and does not escape the branch.
//
// Source: GET /repos/{owner}/{repo}/rules/branches/{branch}.
func (c *Client) BranchRules(ctx context.Context, r Repo, branch string) ([]Rule, error) {
	rules, err := list(ctx, c, listing[Rule]{
		route:  "GET /repos/{owner}/{repo}/rules/branches/{branch}",
		args:   []string{r.Owner, r.Name, branch},
		limit:  maxRules,
		decode: array(wireRule.rule),
	})
	if err != nil {
		return nil, fmt.Errorf("list rules of branch %s of %s: %w", branch, r, err)
	}
	return rules, nil
}

type wireRule struct {
	Type       string          `json:"type"`
	RulesetID  int64           `json:"ruleset_id"`
	SourceType string          `json:"ruleset_source_type"`
	Source     string          `json:"ruleset_source"`
	Parameters json.RawMessage `json:"parameters"`
}

func (w wireRule) rule() (Rule, error) {
	if w.Type == "" {
		return Rule{}, errors.New("a rule without a type")
	}
	rule := Rule{Type: w.Type, RulesetID: w.RulesetID, SourceType: w.SourceType, Source: w.Source}
	switch w.Type {
	case "pull_request":
		return rule, w.pullRequest(&rule)
	case "required_status_checks":
		return rule, w.requiredChecks(&rule)
	}
	return rule, nil
}

func (w wireRule) pullRequest(rule *Rule) error {
	var p struct {
		Reviews      int      `json:"required_approving_review_count"`
		MergeMethods []string `json:"allowed_merge_methods"`
	}
	if err := json.Unmarshal(orNull(w.Parameters), &p); err != nil {
		return fmt.Errorf("parameters of %s: %w", w.Type, err)
	}
	rule.RequiredReviews, rule.MergeMethods = p.Reviews, p.MergeMethods
	return nil
}

func (w wireRule) requiredChecks(rule *Rule) error {
	var p struct {
		Strict bool `json:"strict_required_status_checks_policy"`
		Checks []struct {
			Name  string `json:"context"`
			AppID int64  `json:"integration_id"`
		} `json:"required_status_checks"`
	}
	if err := json.Unmarshal(orNull(w.Parameters), &p); err != nil {
		return fmt.Errorf("parameters of %s: %w", w.Type, err)
	}
	rule.RequiresUpToDate = p.Strict
	for _, check := range p.Checks {
		if check.Name == "" {
			return errors.New("a required check without a name")
		}
		rule.RequiredChecks = append(rule.RequiredChecks, RequiredCheck{Name: check.Name, AppID: check.AppID})
	}
	return nil
}

// Ruleset returns a ruleset that applies to the repository, of whatever level. Without
// write access to what owns it, GitHub leaves out who may bypass it: see BypassReadable.
//
// Source: GET /repos/{owner}/{repo}/rulesets/{ruleset_id}?includes_parents=true.
func (c *Client) Ruleset(ctx context.Context, r Repo, id int64) (Ruleset, error) {
	var w wireRuleset
	a, err := c.get(ctx, "GET /repos/{owner}/{repo}/rulesets/{ruleset_id}",
		[]string{r.Owner, r.Name, strconv.FormatInt(id, 10)}, url.Values{"includes_parents": {"true"}})
	if err == nil {
		err = a.decode(&w)
	}
	var ruleset Ruleset
	if err == nil {
		ruleset, err = w.ruleset(id)
	}
	if err != nil {
		return Ruleset{}, fmt.Errorf("read ruleset %d of %s: %w", id, r, err)
	}
	if at, err := http.ParseTime(a.header.Get("Date")); err == nil {
		ruleset.ReadAt = at.UTC()
	}
	return ruleset, nil
}

type wireRuleset struct {
	ID          int64      `json:"id"`
	Name        string     `json:"name"`
	Enforcement string     `json:"enforcement"`
	SourceType  string     `json:"source_type"`
	Source      string     `json:"source"`
	UpdatedAt   *time.Time `json:"updated_at"`
	// Absent and null leave the pointer nil; an empty list does not.
	BypassActors *[]struct {
		ID   int64  `json:"actor_id"`
		Type string `json:"actor_type"`
		Mode string `json:"bypass_mode"`
	} `json:"bypass_actors"`
}

func (w wireRuleset) ruleset(asked int64) (Ruleset, error) {
	if w.ID != asked || w.Enforcement == "" {
		return Ruleset{}, unavailable("an answer about ruleset %d with enforcement %q", w.ID, w.Enforcement)
	}
	ruleset := Ruleset{
		ID: w.ID, Name: w.Name, Enforcement: w.Enforcement, SourceType: w.SourceType, Source: w.Source,
		BypassReadable: w.BypassActors != nil, UpdatedAt: utc(w.UpdatedAt),
	}
	if w.BypassActors == nil {
		return ruleset, nil
	}
	for _, a := range *w.BypassActors {
		if a.Type == "" || a.Mode == "" {
			return Ruleset{}, unavailable("a bypass actor without a type or mode")
		}
		ruleset.BypassActors = append(ruleset.BypassActors, BypassActor{ID: a.ID, Type: a.Type, Mode: a.Mode})
	}
	return ruleset, nil
}
