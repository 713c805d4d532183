package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// asked evaluates an expression over the facts of base/base.txtar, altered.
func asked(t testing.TB, src string, alter func(*Facts)) answer {
	t.Helper()
	e, problems := compileExpression(src)
	if len(problems) > 0 {
		t.Fatalf("%s: %v", src, problems)
	}
	policySource, tree := base(t)
	p, err := Parse(policySource)
	if err != nil {
		t.Fatal(err)
	}
	f := factsOf(t, tree)
	if alter != nil {
		alter(f)
	}
	lane, _ := p.Lane(f.Change.GoverningRef)
	is, _ := newJudgement(p, Builtin(), f, lane).ask(e)
	return is
}

func TestExpressions(t *testing.T) {
	filesUnknown := func(f *Facts) { f.Files.Complete = false }
	nothingKnown := func(f *Facts) {
		f.Files.Complete, f.Commits.Complete, f.Reviews.Complete, f.Validations.Complete = false, false, false, false
	}
	byPerson := func(f *Facts) {
		dan := Actor{ID: 104, Login: "dan", Type: TypeUser}
		f.Change.Author, f.Pushes[0].Pusher, f.Change.HeadRef = dan, dan, "round-prices"
		id := Identity{Name: "dan", Email: "104+dan@users.noreply.github.com", Account: dan}
		m := &f.Commits.Items[0]
		m.Author, m.Committer, m.Trailers, m.CoAuthors = id, id, nil, nil
		f.Assignments.Items = nil
	}
	for _, c := range []struct {
		src   string
		alter func(*Facts)
		want  answer
	}{
		{`true`, nil, yes},
		{`authorship.agent && "GitHub" in authorship.vendors`, nil, yes},
		{`change.author.id == 198982749 && change.base == "main"`, nil, yes},
		{`files.exists(f, f.path.startsWith("prices/"))`, nil, yes},
		{`files.exists(f, f.path.startsWith("crypto/"))`, nil, no},
		{`size.lines == 4 && size.files == 1`, nil, yes},
		{`reviews.approvals >= 1 && reviews.approvers.all(a, a.type == "User")`, nil, yes},
		{`validations["tests"] == "success"`, nil, yes},
		{`commits.signed == commits.count`, nil, yes},
		// Not known is neither true nor false, whatever is made of it.
		{`files.exists(f, f.path.startsWith("crypto/"))`, filesUnknown, unknown},
		{`!files.exists(f, f.path.startsWith("crypto/"))`, filesUnknown, unknown},
		{`files.exists(f, f.path.startsWith("prices/"))`, filesUnknown, unknown},
		{`size.lines < 100000`, filesUnknown, unknown},
		{`size.lines < 100 ? true : false`, filesUnknown, unknown},
		{`files.size() == 0 || files.size() != 0`, filesUnknown, unknown},
		{`[files.size()].all(n, n < 5)`, filesUnknown, unknown},
		{`reviews.approvals == 0`, nothingKnown, unknown},
		{`validations.all(v, validations[v] == "success")`, nothingKnown, unknown},
		{`(files.size() > 0 ? "a" : "b") in ["a", "b"]`, filesUnknown, unknown},
		{`["x"].exists(x, files.exists(f, f.path == x)) == false`, filesUnknown, unknown},
		{`!(files.size() > 0 && change.draft) ? true : true`, filesUnknown, yes},
		{`files.map(f, f.path).size() >= 0`, filesUnknown, unknown},
		{`files.exists(f, f.path == "x") || true`, func(f *Facts) { f.Files.Items[0].Path = "" }, yes},
		{`!files.exists(f, f.path == "x")`, func(f *Facts) { f.Files.Items[0].Path = "" }, unknown},
		{`change.author.type == "User"`, func(f *Facts) { f.Change.Author = Actor{} }, unknown},
		{`change.base == "main"`, func(f *Facts) { f.Change.Author = Actor{} }, yes},
		// That an agent took part is known from its first trace. That none did is known only
		// when every commit, co-author and push is.
		{`authorship.agent`, nothingKnown, yes},
		{`authorship.agents.size() == 1`, nothingKnown, unknown},
		{`authorship.agents.size() == 1`, func(f *Facts) { f.Reviews.Complete = false }, yes},
		{`!authorship.agent`, byPerson, yes},
		{`!authorship.agent`, func(f *Facts) { byPerson(f); f.Pushes = nil }, unknown},
		{`!authorship.agent`, func(f *Facts) { byPerson(f); f.Commits.Items[0].CoAuthorsComplete = false }, unknown},
		{`!authorship.agent`, func(f *Facts) { byPerson(f); f.Commits.Items = nil }, unknown},
		{`known(authorship) || reviews.approvals > 0`, func(f *Facts) { byPerson(f); f.Pushes = nil }, yes},
		// What does not depend on it is known all the same.
		{`true || files.size() > 0`, filesUnknown, yes},
		{`false && files.size() > 0`, filesUnknown, no},
		{`authorship.agent`, filesUnknown, yes},
		// Unless it is asked for.
		{`known(files)`, nil, yes},
		{`known(files)`, filesUnknown, no},
		{`known(files) && files.size() > 0`, filesUnknown, no},
		{`!known(files) || files.size() > 0`, filesUnknown, yes},
		{`known(files) ? files.size() > 5 : true`, filesUnknown, yes},
		// What fails, or costs too much, is not known.
		{`validations["nothing"] == "success"`, nil, unknown},
		{`1 / (size.files - 1) > 0`, nil, unknown},
		{`files.exists(f, f.path == "x")`, func(f *Facts) {
			f.Files.Items = slices.Repeat([]File{{Path: strings.Repeat("y", 300)}}, 300_000)
		}, unknown},
	} {
		if got := asked(t, c.src, c.alter); got != c.want {
			t.Errorf("%s: got %d, want %d", c.src, got, c.want)
		}
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for src, says := range map[string]string{
		`file.size() > 0`:         "undeclared reference to 'file'",
		`change.basref == "main"`: "undefined field 'basref'",
		`change.base == 7`:        "no matching overload",
		`change.base`:             "must yield true or false",
		`files.exists(f, files.exists(g, g.path == f.previous))`:          "steps on a large change",
		`[1].all(a, [1].all(b, [1].all(c, true)))`:                        "nesting",
		`{"b": 1, "a": 2}.exists(k, k == "a")`:                            "maps and objects cannot be written",
		`policy.RuleFile{path: "x"}.path == "x"`:                          "maps and objects cannot be written",
		`change.title.matches(change.head)`:                               "regular expression that is written out",
		`matches(change.title, "(")`:                                      "not a regular expression",
		`change.title.matches("(a{100}){10}b{100}")`:                      "repeats too much",
		`change.title.matches("` + strings.Repeat("a", 201) + `")`:        "too long",
		`known(size.lines)`:                                               "known() takes one of",
		`known(everything)`:                                               "known() takes one of",
		`@known_files`:                                                    "cannot be used",
		`true &&`:                                                         "Syntax error",
		`"` + strings.Repeat("x", 2000) + `"`:                             "more than 2000 bytes",
		`now > 5`:                                                         "undeclared reference to 'now'",
		`timestamp("2026-01-01T00:00:00Z").getHours("Europe/Berlin") > 0`: "undeclared reference",
	} {
		if e, problems := compileExpression(src); e != nil || !strings.Contains(fmt.Sprint(problems), says) {
			t.Errorf("%.60s: got %v, want it refused saying %q", src, problems, says)
		}
	}
}

// The order in which GitHub lists files and labels changes nothing.
func TestExpressionsDoNotSeeTheOrder(t *testing.T) {
	files := func(paths ...string) func(*Facts) {
		return func(f *Facts) {
			f.Files.Items = nil
			for _, p := range paths {
				f.Files.Items = append(f.Files.Items, File{Path: p, Status: "modified"})
			}
			f.Change.Labels = paths
		}
	}
	for _, src := range []string{`files[0].path == "a"`, `change.labels[0] == "a"`} {
		if asked(t, src, files("a", "b")) != yes || asked(t, src, files("b", "a")) != yes {
			t.Errorf("%s depends on the order", src)
		}
	}
}

// Nor does the order of a map, which is another one every time.
func TestExpressionsSeeMapsInOneOrder(t *testing.T) {
	several := func(f *Facts) {
		f.Protection.Rules.Items[1].RequiredChecks = nil
		for _, name := range []string{"d", "b", "a", "c"} {
			f.Protection.Rules.Items[1].RequiredChecks = append(f.Protection.Rules.Items[1].RequiredChecks, RequiredCheck{Name: name, AppID: 7})
		}
	}
	e, problems := compileExpression(`validations.map(v, v) == ["a", "b", "c", "d"]`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	_, tree := base(t)
	p, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f := factsOf(t, tree)
		several(f)
		lane, _ := p.Lane("main")
		if is, why := newJudgement(p, Builtin(), f, lane).ask(e); is != yes {
			t.Fatalf("got %d: %s", is, why)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, src := range []string{`files.exists(f, f.path.startsWith("x"))`, `known(files) || true`, `{"a": [1]}["a"][0] == 1`, `b'\xff' == b''`, `change.title.matches("(a+)+$")`} {
		f.Add(src)
	}
	policySource, tree := base(f)
	p, err := Parse(policySource)
	if err != nil {
		f.Fatal(err)
	}
	facts := factsOf(f, tree)
	facts.Files.Complete = false
	lane, _ := p.Lane(facts.Change.GoverningRef)
	f.Fuzz(func(t *testing.T, src string) {
		e, problems := compileExpression(src)
		if (e == nil) == (len(problems) == 0) {
			t.Fatalf("%q: compiled %v, problems %v", src, e != nil, problems)
		}
		if e == nil {
			return
		}
		j := newJudgement(p, Builtin(), facts, lane)
		one, _ := j.ask(e)
		if two, _ := j.ask(e); one != two {
			t.Fatalf("%q: %d and then %d", src, one, two)
		}
	})
}

// Rules that are each affordable may together not be: that is said when they are read.
func TestRulesTogetherAreBounded(t *testing.T) {
	one := `files.all(f, ` + strings.Repeat(`!f.path.matches("x.*y.*z") || `, 3) + `true)`
	e, problems := compileExpression(one)
	if e == nil {
		t.Fatalf("one alone: %v", problems)
	}
	fits := int(rulesCost / e.cost)
	if fits < 2 || fits >= maxCustomRules {
		t.Fatalf("%d of %d steps fit: take another expression", fits, e.cost)
	}
	policyOf := func(n int) string {
		src := "version: 1\nmode: enforce\nbranches: [main]\nrules:\n"
		for i := range n {
			src += fmt.Sprintf("  - {id: r%d, require: '%s', message: \"no\"}\n", i, one)
		}
		return src
	}
	if _, err := Parse([]byte(policyOf(fits))); err != nil {
		t.Errorf("%d rules: %v", fits, err)
	}
	if _, err := Parse([]byte(policyOf(fits + 1))); err == nil || !strings.Contains(err.Error(), "could together take") {
		t.Errorf("%d rules: got %v, want them refused", fits+1, err)
	}
}
