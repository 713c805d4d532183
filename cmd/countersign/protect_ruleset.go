package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// wantedRuleset is what a lane needs of GitHub.
type wantedRuleset struct {
	name, check string
	appID       int64
	approvals   int
	refs        refs
	// repositories are patterns of names, of the organisation's ruleset; nil: it is a repository's.
	repositories []string
}

// refs are GitHub's patterns.
type refs struct {
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
}

// wantedRulesets are the rulesets that a policy needs, one for each check name that it enforces. A
// check that is only reported is never required: it is posted under another name, and nothing could
// be merged any more. waits are the lanes of which that is so.
func wantedRulesets(p *policy.Policy, appID int64, repositories []string) (wanted []wantedRuleset, waits []string, err error) {
	approvals := 1
	if p.ReviewByUs() {
		approvals = 0
	}
	var before []string // of lanes that are looked at first, and win
	for _, lane := range p.AllLanes() {
		check := policy.EnforceName(lane.Name)
		if lane.Mode == policy.ModeAudit {
			waits = append(waits, fmt.Sprintf("%s, of %s", check, strings.Join(lane.Branches, ", ")))
			continue
		}
		w := wantedRuleset{name: check, check: check, appID: appID, approvals: approvals, refs: refs{[]string{}, slices.Clone(before)}, repositories: repositories}
		for _, glob := range lane.Branches {
			patterns, err := githubPatterns(glob, "refs/heads/")
			if err != nil {
				return nil, nil, err
			}
			w.refs.Include = append(w.refs.Include, patterns...)
		}
		before = append(before, w.refs.Include...)
		same := slices.IndexFunc(wanted, func(x wantedRuleset) bool { return x.name == w.name })
		if same < 0 {
			wanted = append(wanted, w)
		} else { // the organisation and the repository both have the lane
			wanted[same].refs.Include = union(wanted[same].refs.Include, w.refs.Include)
		}
	}
	for i := range wanted {
		if wanted[i].refs.Exclude == nil {
			wanted[i].refs.Exclude = []string{}
		}
	}
	return wanted, waits, nil
}

// githubPatterns are GitHub's patterns for one of a policy's globs: there ** stands for whole
// segments, and only with a slash behind it.
func githubPatterns(glob, prefix string) ([]string, error) {
	head, isDeep := strings.CutSuffix(glob, "**")
	switch {
	case glob == "**":
		return []string{"~ALL"}, nil
	case isDeep && strings.HasSuffix(head, "/"):
		glob = head + "**/*"
	case isDeep:
		return []string{prefix + head + "*", prefix + head + "*/**/*"}, nil
	}
	if strings.Contains(strings.ReplaceAll("/"+glob, "/**/", "//"), "**") {
		return nil, fmt.Errorf("the glob %q of the policy has no like in GitHub's rulesets\nhint: use ** only as a whole segment, or at the end", glob)
	}
	return []string{prefix + glob}, nil
}

// fresh is the ruleset that is made where there is none. Nobody may bypass it.
func (w wantedRuleset) fresh() (gh.RulesetBody, error) {
	conditions := map[string]any{"ref_name": w.refs}
	if w.repositories != nil {
		conditions["repository_name"] = refs{w.repositories, []string{}}
	}
	return w.tightened(gh.RulesetBody{
		Name: w.name, Target: "branch", Enforcement: "active", BypassActors: []gh.WrittenBypass{}, Conditions: encodeAll(conditions),
	})
}

// encodeAll encodes values that cannot fail to be encoded.
func encodeAll(values map[string]any) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for key, value := range values {
		raw, err := json.Marshal(value)
		if err != nil {
			panic(err) // a bug: they are texts and numbers
		}
		out[key] = raw
	}
	return out
}

// errNotOurs is a ruleset of our name that is of something else.
var errNotOurs = errors.New("is no ruleset for branches")

// tightened adds to a ruleset what it lacks. Nothing is taken out of it or made laxer: rules,
// branches, and who may bypass it stay.
func (w wantedRuleset) tightened(b gh.RulesetBody) (gh.RulesetBody, error) {
	if b.Target != "branch" {
		return b, fmt.Errorf("the ruleset %q %w\nhint: give it another name", b.Name, errNotOurs)
	}
	b.Enforcement = "active"
	conditions, err := w.widened(b.Conditions)
	if err != nil {
		return b, err
	}
	b.Conditions, b.Rules = conditions, slices.Clone(b.Rules)
	for _, rule := range []struct {
		kind    string
		tighten func(parameters map[string]json.RawMessage) error
	}{{"deletion", nil}, {"non_fast_forward", nil}, {"pull_request", w.reviewed}, {"required_status_checks", w.checked}} {
		at := slices.IndexFunc(b.Rules, func(r gh.WrittenRule) bool { return r.Type == rule.kind })
		if at < 0 {
			at = len(b.Rules)
			b.Rules = append(b.Rules, gh.WrittenRule{Type: rule.kind})
		}
		if rule.tighten == nil {
			continue
		}
		if b.Rules[at].Parameters, err = changed(b.Rules[at].Parameters, rule.tighten); err != nil {
			return b, fmt.Errorf("the rule %s of the ruleset %q: %w", rule.kind, b.Name, err)
		}
	}
	return b, nil
}

// widened adds our branches, and repositories, to those of a ruleset.
func (w wantedRuleset) widened(conditions map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	for key, raw := range conditions {
		out[key] = raw
	}
	want := map[string][]string{"ref_name": w.refs.Include}
	if w.repositories != nil {
		want["repository_name"] = w.repositories
	}
	for key, include := range want {
		if out[key] == nil && len(conditions) > 0 && key == "repository_name" {
			continue // it names its repositories in another way, which is somebody's choice
		}
		var err error
		if out[key], err = changed(out[key], func(p map[string]json.RawMessage) error {
			return addPatterns(p, "include", include)
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// changed decodes an object, has it changed and encodes it again, if anything changed.
func changed(raw json.RawMessage, change func(map[string]json.RawMessage) error) (json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
	}
	if err := change(object); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

func addPatterns(object map[string]json.RawMessage, key string, add []string) error {
	var have []string
	if object[key] != nil {
		if err := json.Unmarshal(object[key], &have); err != nil {
			return err
		}
	}
	if slices.Contains(have, "~ALL") {
		return nil
	}
	raw, err := json.Marshal(union(have, add))
	object[key] = raw
	return err
}

func union(have, add []string) []string {
	out := slices.Clone(have)
	for _, one := range add {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// setMissing sets what is not there.
func setMissing(object map[string]json.RawMessage, values map[string]any) {
	for key, raw := range encodeAll(values) {
		if object[key] == nil {
			object[key] = raw
		}
	}
}

// reviewed asks for approvals, at least as many as there are asked for.
func (w wantedRuleset) reviewed(p map[string]json.RawMessage) error {
	setMissing(p, map[string]any{"required_approving_review_count": 0, "dismiss_stale_reviews_on_push": false, "require_code_owner_review": false,
		"require_last_push_approval": false, "required_review_thread_resolution": false})
	var have int
	if err := json.Unmarshal(p["required_approving_review_count"], &have); err != nil {
		return err
	}
	p["required_approving_review_count"] = encodeAll(map[string]any{"n": max(have, w.approvals)})["n"]
	return nil
}

// checked requires our check, from our App. Another source of that name is replaced: it is our name.
func (w wantedRuleset) checked(p map[string]json.RawMessage) error {
	setMissing(p, map[string]any{"strict_required_status_checks_policy": false, "required_status_checks": []string{}})
	var have []map[string]json.RawMessage
	if err := json.Unmarshal(p["required_status_checks"], &have); err != nil {
		return err
	}
	ours := encodeAll(map[string]any{"context": w.check, "integration_id": w.appID})
	found := false
	for i := range have {
		if string(have[i]["context"]) == string(ours["context"]) {
			have[i], found = ours, true
		}
	}
	if !found {
		have = append(have, ours)
	}
	p["required_status_checks"] = encodeAll(map[string]any{"n": have})["n"]
	return nil
}

// difference are the lines that say in what a ruleset differs from what it was; none: it does not.
// was is nil where there is none yet.
func difference(was *gh.RulesetBody, is gh.RulesetBody) ([]string, error) {
	before := map[string]string{}
	if was != nil {
		var err error
		if before, err = said(*was); err != nil {
			return nil, err
		}
	}
	after, err := said(is)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for _, of := range []map[string]string{before, after} {
		for key := range of {
			keys[key] = true
		}
	}
	var out []string
	for key := range keys {
		old, had := before[key]
		text, has := after[key]
		switch {
		case !had:
			out = append(out, fmt.Sprintf("+ %s %s", key, text))
		case !has:
			out = append(out, fmt.Sprintf("- %s %s", key, old))
		case old != text:
			out = append(out, fmt.Sprintf("~ %s %s, was %s", key, text, old))
		}
	}
	slices.Sort(out)
	return out, nil
}

// said is a ruleset as one text for each of its values, whatever the order in which GitHub lists them.
func said(b gh.RulesetBody) (map[string]string, error) {
	out := map[string]string{"enforcement": b.Enforcement}
	put := func(name string, raw json.RawMessage) error {
		var value any
		if len(raw) == 0 {
			out[name] = ""
			return nil
		}
		in := json.NewDecoder(bytes.NewReader(raw))
		in.UseNumber() // ids are whole numbers
		if err := in.Decode(&value); err != nil {
			return err
		}
		flatten(out, name, value)
		return nil
	}
	for key, raw := range b.Conditions {
		if err := put(key, raw); err != nil {
			return nil, err
		}
	}
	for _, r := range b.Rules {
		out["rule "+r.Type] = ""
		if err := put("rule "+r.Type, r.Parameters); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// flatten puts every value of a JSON value under a name of its own. An entry of a list is its own name.
func flatten(out map[string]string, name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if context, ok := v["context"]; ok { // a required check
			out[fmt.Sprintf("%s %v", name, context)] = fmt.Sprintf("from App %v", v["integration_id"])
			return
		}
		for key, inner := range v {
			flatten(out, name+" "+key, inner)
		}
	case []any:
		for _, inner := range v {
			if _, is := inner.(map[string]any); is {
				flatten(out, name, inner)
			} else {
				out[fmt.Sprintf("%s %v", name, inner)] = ""
			}
		}
	default:
		out[name] = fmt.Sprint(v)
	}
}
