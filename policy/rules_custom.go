package policy

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// CustomRule is a rule of the organisation's own, in CEL: https://cel.dev.
//
// It holds, fails, or does not apply. A part of the facts that is not known makes it undecided
// unless the expression asks for it with known().
type CustomRule struct {
	// ID is short and plain; the rule is custom/ID in decisions.
	ID string `json:"id" jsonschema:"required,pattern=^[a-z0-9-]{1\\,40}$" jsonschema_description:"1 to 40 of a-z, 0-9 and -; unique."`
	// Control is the control that it is evidence for.
	Control string `json:"control,omitempty" jsonschema_description:"The control that it belongs to, for example CC9.1. Left out: CC8.1."`
	// When says whether the rule applies; empty: always.
	When string `json:"when,omitempty" jsonschema_description:"CEL: whether the rule applies to a change. Left out: to every change."`
	// Require is what must hold.
	Require string `json:"require" jsonschema:"required" jsonschema_description:"CEL: what must hold."`
	// Message says what does not hold, and what to do, to the developer.
	Message string `json:"message" jsonschema:"required" jsonschema_description:"What a developer reads when it does not hold: what is wrong and what to do."`

	when, require *expression
}

const (
	customPrefix       = "custom/"
	revisionCustomRule = 1

	maxCustomRules = 50
	maxMessage     = 500 // bytes
	maxControl     = 30  // bytes
)

// customRules judges the organisation's own rules, in the order of the policy.
func (j *judgement) customRules() []ruling {
	var out []ruling
	for i := range j.p.Rules {
		out = append(out, j.customRule(&j.p.Rules[i]))
	}
	return out
}

func (j *judgement) customRule(c *CustomRule) ruling {
	r := RuleResult{Rule: customPrefix + c.ID, Revision: revisionCustomRule, Control: c.Control, Facts: c.facts()}
	applies := yes
	var why string
	if c.When != "" {
		applies, why = j.ask(c.when)
	}
	holds := unknown
	if applies == yes {
		holds, why = j.ask(c.require)
	}
	switch {
	case applies == no:
		r.Outcome, r.Reason = OutcomeNotApplicable, "The rule does not apply to this change."
	case applies == unknown || holds == unknown:
		return undecidable(r, []string{fmt.Sprintf("Whether the rule %s holds is not known: %s.", c.ID, why)}, "the rule "+c.ID+" could not be decided")
	case holds == yes:
		r.Outcome, r.Reason = OutcomePass, "The organisation's own rule holds."
	default:
		r.Outcome, r.Reason = OutcomeFail, c.Message
		r.Remedy = "The rule is " + c.ID + " of the policy: whoever maintains the policy can say more."
		return ruling{RuleResult: r, title: shorten(c.Message, 120)}
	}
	return ruling{RuleResult: r}
}

// facts are the parts of the facts that the rule's expressions name.
func (c *CustomRule) facts() []string {
	var out []string
	for _, e := range []*expression{c.when, c.require} {
		if e != nil {
			out = append(out, e.parts...)
		}
	}
	if out = unique(out); len(out) == 0 {
		return []string{"policy"}
	}
	return out
}

// rules reads the custom rules.
func (r *policyReader) rules(n *yaml.Node) []CustomRule {
	items := r.sequence(n, "rules")
	if len(items) > maxCustomRules {
		r.say(n, "rules", fmt.Sprintf("has %d rules, at most %d are allowed", len(items), maxCustomRules), "put several conditions into one")
		return nil
	}
	var out []CustomRule
	ids := map[string]bool{}
	for i, item := range items {
		path := fmt.Sprintf("rules[%d]", i)
		m := r.mapping(item, path, "id", "control", "when", "require", "message")
		if m == nil {
			continue
		}
		r.required(item, m, path, "id", "require", "message")
		c := CustomRule{
			ID: r.text(m["id"], path+".id"), Control: r.text(m["control"], path+".control"), When: r.text(m["when"], path+".when"),
			Require: r.text(m["require"], path+".require"), Message: r.text(m["message"], path+".message"),
		}
		switch {
		case c.ID == "":
		case len(c.ID) > 40 || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
			r.say(m["id"], path+".id", "is not an id", `use 1 to 40 of a-z, 0-9 and "-"`)
		case ids[c.ID]:
			r.say(m["id"], path+".id", fmt.Sprintf("%q is the id of another rule too", c.ID), "ids are unique")
		}
		ids[c.ID] = true
		if len(c.Message) > maxMessage || len(c.Control) > maxControl {
			r.say(item, path, fmt.Sprintf("has a message of more than %d bytes or a control of more than %d", maxMessage, maxControl), "write shorter ones")
		}
		if c.Control == "" {
			c.Control = "CC8.1"
		}
		c.when = r.expression(m["when"], path+".when", c.When)
		c.require = r.expression(m["require"], path+".require", c.Require)
		out = append(out, c)
	}
	return out
}

// expression compiles an expression, and says with its place what is wrong with it.
func (r *policyReader) expression(n *yaml.Node, path, src string) *expression {
	if n == nil || src == "" {
		return nil
	}
	e, problems := compileExpression(src)
	for _, p := range problems {
		r.say(n, path, p, "the facts that rules may use are listed in docs/policy.md")
	}
	return e
}
