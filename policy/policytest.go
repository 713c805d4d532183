package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// TestsPath is where a repository keeps the tests of its policy.
const TestsPath = ".github/countersign/tests.yml"

// maxTestCases bounds one file of tests.
const maxTestCases = 500

// TestCase is one test of a policy: a change in a few words, and what is to be decided. What it
// leaves out is as it should be.
type TestCase struct {
	Name string
	Line int // in the file
	// Author is a person's name, or the name of an agent or automation in the catalogue.
	Author string
	// AskedBy is who assigned the agent; empty: nobody knows.
	AskedBy string
	Title   string
	Base    string // empty: the first enrolled branch
	Files   []string
	Lines   int
	Labels  []string
	Draft   bool
	Reviews []TestReview
	// Validations are states by id: "success", "failure", "skipped", …, "missing", "running".
	Validations map[string]string
	// Unprotected takes the protection of the branch away; FilesUnknown makes the list of
	// files one that could not be read whole.
	Unprotected, FilesUnknown bool

	Verdict Verdict            // expected; empty: any
	Says    string             // expected in the title; empty: anything
	Rules   map[string]Outcome // expected, by rule
}

// TestReview is a review in a test.
type TestReview struct {
	By    string
	Says  string // "approves", "requests changes", "comments"
	Role  string // empty: write
	Teams []string
	// Stale is true for a review of an older commit, Unconfirmed for an approval that nobody
	// confirmed in a session.
	Stale, Unconfirmed bool
}

// What a review in a test can say.
const (
	saysApproves = "approves"
	saysRequests = "requests changes"
	saysComments = "comments"
)

// TestFailure is what is not as a test expects it.
type TestFailure struct {
	What, Got, Want string
}

// String is "title: got …, want …".
func (f TestFailure) String() string {
	return fmt.Sprintf("%s: got %s, want %s", f.What, f.Got, f.Want)
}

// Run decides on the test's change by a policy and compares. The decision is the real one.
func (c *TestCase) Run(p *Policy) (Decision, []TestFailure) {
	cat := Builtin().With(p.Agents)
	d := Evaluate(p, cat, c.facts(p, cat))
	failures := c.misread(p, cat)
	if c.Verdict != "" && d.Verdict != c.Verdict {
		failures = append(failures, TestFailure{"verdict", string(d.Verdict) + " (" + d.Title + ")", string(c.Verdict)})
	}
	if c.Says != "" && !strings.Contains(strings.ToLower(d.Title), strings.ToLower(c.Says)) {
		failures = append(failures, TestFailure{"title", fmt.Sprintf("%q", d.Title), fmt.Sprintf("something with %q", c.Says)})
	}
	for _, rule := range slices.Sorted(maps.Keys(c.Rules)) {
		i := slices.IndexFunc(d.Rules, func(r RuleResult) bool { return r.Rule == rule })
		if i < 0 {
			failures = append(failures, TestFailure{rule, "no such rule", string(c.Rules[rule])})
		} else if d.Rules[i].Outcome != c.Rules[rule] {
			failures = append(failures, TestFailure{rule, string(d.Rules[i].Outcome) + " (" + d.Rules[i].Reason + ")", string(c.Rules[rule])})
		}
	}
	return d, failures
}

// ParseTests reads a file of tests. The error is a *ParseError that holds every problem found.
func ParseTests(src []byte) ([]TestCase, error) {
	r := &policyReader{places: map[string]Place{}}
	var cases []TestCase
	if root := r.document(src); root != nil && len(r.problems) == 0 {
		m := r.mapping(root, "", "tests")
		items := r.sequence(m["tests"], "tests")
		if len(items) == 0 && len(r.problems) == 0 {
			r.say(root, "tests", "is missing or empty", "list at least one test")
		}
		if len(items) > maxTestCases {
			r.say(root, "tests", fmt.Sprintf("has %d tests, at most %d are allowed", len(items), maxTestCases), "use several files")
			items = nil
		}
		for i, item := range items {
			cases = append(cases, r.testCase(item, fmt.Sprintf("tests[%d]", i)))
		}
	}
	if len(r.problems) > 0 {
		return nil, &ParseError{Problems: r.problems}
	}
	return cases, nil
}

func (r *policyReader) testCase(n *yaml.Node, path string) TestCase {
	c := TestCase{Line: n.Line}
	m := r.mapping(n, path, "name", "change", "reviews", "validations", "protection", "expect")
	if m == nil {
		return c
	}
	r.required(n, m, path, "name", "expect")
	c.Name = r.text(m["name"], path+".name")
	r.testChange(&c, m["change"], path+".change")
	for i, item := range r.sequence(m["reviews"], path+".reviews") {
		c.Reviews = append(c.Reviews, r.testReview(item, fmt.Sprintf("%s.reviews[%d]", path, i)))
	}
	c.Validations = r.words(m["validations"], path+".validations")
	c.Unprotected = r.oneOf(m["protection"], path+".protection", "fine", "missing") == "missing"
	expect := r.mapping(m["expect"], path+".expect", "verdict", "title", "rules")
	c.Verdict = Verdict(r.oneOf(expect["verdict"], path+".expect.verdict", string(VerdictPass), string(VerdictWaiting), string(VerdictFail), string(VerdictUndecided), string(VerdictRepair)))
	c.Says = r.text(expect["title"], path+".expect.title")
	c.Rules = map[string]Outcome{}
	outcomes := []string{string(OutcomePass), string(OutcomeFail), string(OutcomePending), string(OutcomeExempt), string(OutcomeNotApplicable)}
	for rule, outcome := range r.words(expect["rules"], path+".expect.rules") {
		if !slices.Contains(outcomes, outcome) {
			r.say(expect["rules"], path+".expect.rules", fmt.Sprintf("knows no outcome %q", shorten(outcome, 40)), "use one of "+strings.Join(outcomes, ", "))
		}
		c.Rules[rule] = Outcome(outcome)
	}
	if m["expect"] != nil && c.Verdict == "" && c.Says == "" && len(c.Rules) == 0 {
		r.say(m["expect"], path+".expect", "expects nothing", "give verdict, title or rules: a test that cannot fail shows nothing")
	}
	return c
}

func (r *policyReader) testChange(c *TestCase, n *yaml.Node, path string) {
	m := r.mapping(n, path, "author", "asked_by", "title", "base", "files", "lines", "labels", "draft", "files_known")
	c.Author, c.AskedBy = r.text(m["author"], path+".author"), r.text(m["asked_by"], path+".asked_by")
	c.Title, c.Base = r.text(m["title"], path+".title"), r.text(m["base"], path+".base")
	c.Files, c.Labels = r.texts(m["files"], path+".files"), r.texts(m["labels"], path+".labels")
	if lines := r.number(m["lines"], path+".lines", 0, 1_000_000); lines != nil {
		c.Lines = *lines
	}
	c.Draft = r.flag(m["draft"], path+".draft")
	c.FilesUnknown = m["files_known"] != nil && !r.flag(m["files_known"], path+".files_known")
}

func (r *policyReader) testReview(n *yaml.Node, path string) TestReview {
	m := r.mapping(n, path, "by", "says", "role", "teams", "stale", "confirmed")
	if m == nil {
		return TestReview{}
	}
	r.required(n, m, path, "by")
	v := TestReview{
		By: r.text(m["by"], path+".by"), Says: r.oneOf(m["says"], path+".says", saysApproves, saysRequests, saysComments),
		Role:  r.oneOf(m["role"], path+".role", "none", "read", "triage", "write", "maintain", "admin"),
		Teams: r.teams(m["teams"], path+".teams"), Stale: r.flag(m["stale"], path+".stale"),
		Unconfirmed: m["confirmed"] != nil && !r.flag(m["confirmed"], path+".confirmed"),
	}
	if v.Says == "" {
		v.Says = saysApproves
	}
	if v.Role == "" {
		v.Role = "write"
	}
	return v
}

// words reads a mapping of names to words.
func (r *policyReader) words(n *yaml.Node, path string) map[string]string {
	if n == nil {
		return nil
	}
	var keys []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
	}
	m := r.mapping(n, path, keys...)
	out := map[string]string{}
	for key, value := range m {
		out[key] = r.text(value, path+"."+key)
	}
	return out
}
