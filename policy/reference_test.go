package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// referenceDocument is every key of the policy file, and every rule with an example, written by the
// test below with -update.
const referenceDocument = "../docs/policy-reference.md"

const referenceBegins = `# Reference of the policy file

Every key of ` + "`.github/countersign.yml`" + `, and every rule with a change that it holds. What they are for, and how they work together: [policy.md](policy.md).
A test writes this page from the schema (` + "`countersign policy schema`" + `) and from cases of [testdata/policy](../testdata/policy/README.md).

## Keys

*Required* keys must be there; what the others mean when they are left out is said with them. A list of keys is below the key that holds it.

`

// schemaNode is what the reference needs of a schema.
type schemaNode struct {
	Ref         string                 `json:"$ref"`
	Type        string                 `json:"type"`
	Description string                 `json:"description"`
	Enum        []any                  `json:"enum"`
	Minimum     *int64                 `json:"minimum"`
	Maximum     *int64                 `json:"maximum"`
	Properties  map[string]*schemaNode `json:"properties"`
	Items       *schemaNode            `json:"items"`
	Required    []string               `json:"required"`
	Defs        map[string]*schemaNode `json:"$defs"`
}

// examples name the case of each rule that shows it holding a change.
var examples = []struct{ rule, scenario string }{
	{RuleHumanReview, "agent-approved-by-requester"},
	{RuleHumanReview, "path-two-needed-one-given"},
	{RuleFreshReview, "agent-approved-then-pushed"},
	{RuleFreshReview, "confirmed-not"},
	{RuleBranchProtection, "check-not-required"},
	{RulePolicyIntegrity, "codeowners-changed"},
	{RuleValidated, "validation-skipped"},
	{RuleIndependentValidation, "validation-by-the-agent-itself"},
	{RuleAgentIdentity, "agent-under-a-persons-account"},
	{RuleAuthorised, "not-authorised-no-issue"},
	{RuleTimely, "timely-over"},
	{customPrefix, "rule-does-not-hold"},
}

func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceBegins)
	writeKeys(t, &b)
	b.WriteString("\n## Rules\n\nEach with a change that it holds: what the change is, the policy, and what is said of it. Everything else about these changes is as it should be.\n")
	writeExamples(t, &b)
	golden(t, referenceDocument, []byte(b.String()))
}

func writeKeys(t *testing.T, b *strings.Builder) {
	t.Helper()
	var root schemaNode
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	b.WriteString("| key | is | what it says |\n|---|---|---|\n")
	var walk func(path string, n *schemaNode)
	walk = func(path string, n *schemaNode) {
		for _, key := range slices.Sorted(maps.Keys(n.Properties)) {
			stands, at := n.Properties[key], strings.TrimPrefix(path+"."+key, ".")
			of, list := stands, stands.Items != nil
			if list {
				of = stands.Items
			}
			if name, is := strings.CutPrefix(of.Ref, "#/$defs/"); is {
				of = root.Defs[name]
			}
			what, required := cmp.Or(stands.Description, of.Description), ""
			if what == "" && of.Properties == nil {
				t.Errorf("%s has no description in the schema", at)
			}
			if slices.Contains(n.Required, key) {
				required = "*Required.* "
			}
			fmt.Fprintf(b, "| `%s` | %s | %s%s |\n", at, takes(of, list), required, strings.NewReplacer("|", `\|`, "**", `\*\*`, " * ", ` \* `).Replace(what))
			if list {
				at += "[]"
			}
			walk(at, of)
		}
	}
	walk("", &root)
}

// takes is what a key takes, in words.
func takes(n *schemaNode, list bool) string {
	what := map[string]string{"string": "text", "integer": "a number", "boolean": "`true` or `false`", "object": "keys"}[n.Type]
	switch {
	case len(n.Enum) > 0:
		var words []string
		for _, word := range n.Enum {
			words = append(words, fmt.Sprintf("`%v`", word))
		}
		what = strings.Join(words, ", ")
	case n.Minimum != nil && n.Maximum != nil:
		what = fmt.Sprintf("%d to %d", *n.Minimum, *n.Maximum)
	case n.Minimum != nil:
		what = fmt.Sprintf("a number from %d", *n.Minimum)
	}
	if list {
		return "a list of " + strings.Replace(what, "a number", "numbers", 1)
	}
	return what
}

func writeExamples(t *testing.T, b *strings.Builder) {
	t.Helper()
	byName := map[string]scenario{}
	for _, s := range scenarios(t) {
		byName[s.name] = s
	}
	shown := ""
	seen := map[string]bool{}
	for _, e := range examples {
		s, ok := byName[e.scenario]
		if !ok {
			t.Fatalf("there is no case %s", e.scenario)
		}
		d := s.evaluate()
		i := slices.IndexFunc(d.Rules, func(r RuleResult) bool { return strings.HasPrefix(r.Rule, e.rule) })
		if i < 0 || d.Rules[i].Outcome == OutcomePass || d.Rules[i].Outcome == OutcomeNotApplicable {
			t.Fatalf("%s does not show %s holding a change: %+v", e.scenario, e.rule, d.Rules)
		}
		r := d.Rules[i]
		if seen[e.rule] = true; shown != e.rule {
			shown = e.rule
			heading := fmt.Sprintf("`%s` (%s): %s", e.rule, r.Control, RuleInWords(r.Rule))
			if e.rule == customPrefix {
				heading = "`custom/ID`: a rule of your own"
			}
			fmt.Fprintf(b, "\n### %s\n", heading)
		}
		source, own := file(s.archive, "policy.yml")
		if !own {
			source, _ = base(t)
		}
		about := strings.Join(strings.Fields(string(s.archive.Comment)), " ")
		fmt.Fprintf(b, "\n%s\n\n```yaml\n%s```\n\n> **%s**\n>\n> %s\n>\n> To do: %s\n", about, source, d.Title, r.Reason, r.Remedy)
	}
	for _, s := range byName {
		for _, r := range s.evaluate().Rules {
			if !seen[r.Rule] && !strings.HasPrefix(r.Rule, customPrefix) {
				t.Errorf("%s has no example", r.Rule)
			}
		}
	}
}
