package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// maxRulesets is how many rulesets of one level are read at most.
const maxRulesets = 1000

// RulesetLevel is what owns a ruleset: a repository, or the whole organisation.
type RulesetLevel struct {
	Organisation string // empty: the repository's
	Repo         Repo
}

// String is owner/name, or the organisation's login.
func (l RulesetLevel) String() string {
	if l.Organisation != "" {
		return l.Organisation
	}
	return l.Repo.String()
}

// RulesetBody is a ruleset whole, as those who may edit it read and write it. What we do not know
// of its conditions and rules is kept as it is.
type RulesetBody struct {
	ID           int64                      `json:"-"` // 0: there is none yet
	Name         string                     `json:"name"`
	Target       string                     `json:"target"`      // "branch", "tag", "push"
	Enforcement  string                     `json:"enforcement"` // "active", "evaluate", "disabled"
	BypassActors []WrittenBypass            `json:"bypass_actors"`
	Conditions   map[string]json.RawMessage `json:"conditions"`
	Rules        []WrittenRule              `json:"rules"`
}

// WrittenBypass is an entry of a bypass list.
type WrittenBypass struct {
	ID   *int64 `json:"actor_id"` // nil for those that have none
	Type string `json:"actor_type"`
	Mode string `json:"bypass_mode"`
}

// WrittenRule is a rule of a ruleset.
type WrittenRule struct {
	Type       string          `json:"type"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
}

// route is the one of the two that is for the level, with the values of its parameters.
func (l RulesetLevel) route(ofRepo, ofOrganisation string, more ...string) (string, []string) {
	if l.Organisation != "" {
		return ofOrganisation, append([]string{l.Organisation}, more...)
	}
	return ofRepo, append([]string{l.Repo.Owner, l.Repo.Name}, more...)
}

// RulesetNamed returns the ruleset of a level by its name, which GitHub has once there, and
// ErrNotFound if there is none. ErrForbidden: its bypass list is not shown, so the token may not
// edit it either.
//
// Sources: GET /repos/{owner}/{repo}/rulesets, GET /repos/{owner}/{repo}/rulesets/{ruleset_id}, and
// the same of an organisation.
func (c *Client) RulesetNamed(ctx context.Context, l RulesetLevel, name string) (RulesetBody, error) {
	body, err := c.rulesetNamed(ctx, l, name)
	if err != nil {
		return RulesetBody{}, fmt.Errorf("read the ruleset %q of %s: %w", name, l, err)
	}
	return body, nil
}

func (c *Client) rulesetNamed(ctx context.Context, l RulesetLevel, name string) (RulesetBody, error) {
	route, args := l.route("GET /repos/{owner}/{repo}/rulesets", "GET /orgs/{org}/rulesets")
	all, err := list(ctx, c, listing[Ruleset]{
		route: route, args: args, query: url.Values{"includes_parents": {"false"}}, limit: maxRulesets,
		decode: array(func(w wireRuleset) (Ruleset, error) { return w.ruleset(w.ID) }),
		id:     func(r Ruleset) int64 { return r.ID },
	})
	if err != nil {
		return RulesetBody{}, notShown(err)
	}
	for _, r := range all {
		if r.Name == name {
			body, err := c.rulesetBody(ctx, l, r.ID)
			return body, notShown(err)
		}
	}
	return RulesetBody{}, ErrNotFound
}

// notShown keeps what GitHub does not show from being taken for what is not there.
func notShown(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("GitHub does not show its rulesets (%v): %w", err, ErrForbidden)
	}
	return err
}

func (c *Client) rulesetBody(ctx context.Context, l RulesetLevel, id int64) (RulesetBody, error) {
	route, args := l.route("GET /repos/{owner}/{repo}/rulesets/{ruleset_id}", "GET /orgs/{org}/rulesets/{ruleset_id}", strconv.FormatInt(id, 10))
	a, err := c.get(ctx, route, args, nil)
	if err != nil {
		return RulesetBody{}, err
	}
	return decodeRulesetBody(a, id)
}

// decodeRulesetBody reads a ruleset; id 0: whatever GitHub gave it.
func decodeRulesetBody(a answer, id int64) (RulesetBody, error) {
	var w struct {
		RulesetBody
		ID     int64            `json:"id"`
		Bypass *[]WrittenBypass `json:"bypass_actors"`
	}
	if err := a.decode(&w); err != nil {
		return RulesetBody{}, err
	}
	if w.ID <= 0 || id != 0 && w.ID != id || w.Name == "" || w.Target == "" || w.Enforcement == "" {
		return RulesetBody{}, unavailable("an answer about ruleset %d without a name, a target or its enforcement", w.ID)
	}
	if w.Bypass == nil {
		return RulesetBody{}, fmt.Errorf("GitHub does not show who may bypass it: %w", ErrForbidden)
	}
	body := w.RulesetBody
	body.ID, body.BypassActors = w.ID, *w.Bypass
	return body, nil
}

// WriteRuleset makes a ruleset, or replaces the one of its id, and returns it as GitHub has it then.
// It is not repeated: after ErrUnavailable it may have been done.
//
// Sources: POST /repos/{owner}/{repo}/rulesets, PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}, and
// the same of an organisation.
func (c *Client) WriteRuleset(ctx context.Context, l RulesetLevel, body RulesetBody) (RulesetBody, error) {
	written, err := c.writeRuleset(ctx, l, body)
	if err != nil {
		return RulesetBody{}, fmt.Errorf("write the ruleset %q of %s: %w", body.Name, l, err)
	}
	return written, nil
}

func (c *Client) writeRuleset(ctx context.Context, l RulesetLevel, body RulesetBody) (RulesetBody, error) {
	if body.BypassActors == nil || len(body.Rules) == 0 {
		return RulesetBody{}, errors.Join(errors.New("a ruleset without a bypass list, or without rules"), ErrInvalid)
	}
	route, args := l.route("POST /repos/{owner}/{repo}/rulesets", "POST /orgs/{org}/rulesets")
	want := http.StatusCreated
	if body.ID != 0 {
		route, args = l.route("PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}", "PUT /orgs/{org}/rulesets/{ruleset_id}", strconv.FormatInt(body.ID, 10))
		want = http.StatusOK
	}
	a, err := c.call(ctx, route, args, nil, body)
	if err != nil {
		return RulesetBody{}, err
	}
	if a.status != want {
		return RulesetBody{}, unavailable("status %d instead of %d", a.status, want)
	}
	return decodeRulesetBody(a, body.ID)
}
