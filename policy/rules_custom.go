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
		return undecidable(r, []string{fmt.Sprintf("Whether the rule %s holds is not known. %s", c.ID, why)}, "the rule "+c.ID+" could not be decided")
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
			ID: r.text(m["id"], path+".id"), Control: r.text(m["control"], path+".control"),
			Message: r.text(m["message"], path+".message"),
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
		c.When, c.when = r.expression(m["when"], path+".when")
		c.Require, c.require = r.expression(m["require"], path+".require")
		out = append(out, c)
	}
	r.affordable(n, out)
	return out
}

// affordable says when the rules could together take longer than a decision may. What is too
// expensive is refused when it is read, so that no decision depends on how far one got.
func (r *policyReader) affordable(n *yaml.Node, rules []CustomRule) {
	var cost uint64
	for _, c := range rules {
		for _, e := range []*expression{c.when, c.require} {
			if e != nil {
				cost += e.cost
			}
		}
	}
	if cost > rulesCost {
		r.say(n, "rules", fmt.Sprintf("could together take %d steps on a large change, and %d are allowed", cost, rulesCost), "put what looks at the same files into one rule")
	}
}

// expression compiles an expression, and says with its place what is wrong with it.
func (r *policyReader) expression(n *yaml.Node, path string) (src string, e *expression) {
	if src = r.lines(n, path); src == "" {
		return "", nil
	}
	e, problems := compileExpression(src)
	for _, p := range problems {
		problem := Problem{Line: n.Line, Column: n.Column, Path: path, Message: p.Message, Hint: "docs/policy.md lists what rules may use"}
		if p.Line > 0 {
			if line, column, ok := r.within(n, p.Line, p.Column); ok {
				problem.Line, problem.Column = line, column
			} else {
				problem.Message += fmt.Sprintf(" (line %d, column %d of the expression)", p.Line, p.Column)
			}
		}
		r.problems = append(r.problems, problem)
	}
	return src, e
}

// lines returns a text that may have several lines, as an expression may.
func (r *policyReader) lines(n *yaml.Node, path string) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag != "!!str" || strings.TrimSpace(n.Value) == "" {
		return r.text(n, path) // which says what is wrong
	}
	if strings.ContainsFunc(strings.ReplaceAll(n.Value, "\n", " "), unprintable) {
		r.say(n, path, "has a character that cannot be seen", "write spaces, not tabs")
		return ""
	}
	return n.Value
}

// within is the place in the file of a line and column (in characters) of a scalar's text. It
// is not ok where YAML folded or unescaped the text, so that it stands nowhere as it is.
func (r *policyReader) within(n *yaml.Node, line, column int) (fileLine, fileColumn int, ok bool) {
	file, text := strings.Split(string(r.src), "\n"), strings.Split(n.Value, "\n")
	at, indent := n.Line+line-1, n.Column-1
	switch n.Style &^ yaml.FlowStyle {
	case yaml.LiteralStyle:
		at++ // it begins on the line below its mark
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		indent++
	}
	if at > len(file) || line > len(text) || line > 1 && n.Style&yaml.LiteralStyle == 0 {
		return 0, 0, false
	}
	source := strings.TrimSuffix(file[at-1], "\r")
	if n.Style&yaml.LiteralStyle != 0 {
		indent = len(source) - len(text[line-1])
	}
	if indent < 0 || indent > len(source) || !strings.HasPrefix(source[indent:], text[line-1]) {
		return 0, 0, false
	}
	runes := []rune(text[line-1])
	return at, indent + len(string(runes[:min(column-1, len(runes))])) + 1, true
}
