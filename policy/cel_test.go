package policy

import (
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
		{`authorship.agent`, nothingKnown, unknown},
		{`reviews.approvals == 0`, nothingKnown, unknown},
		{`validations.all(v, validations[v] == "success")`, nothingKnown, unknown},
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
		{`[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a + b + c + d + e + f > 0))))))`, nil, unknown},
	} {
		if got := asked(t, c.src, c.alter); got != c.want {
			t.Errorf("%s: got %d, want %d", c.src, got, c.want)
		}
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for src, says := range map[string]string{
		`file.size() > 0`:                         "undeclared reference to 'file'",
		`change.basref == "main"`:                 "undefined field 'basref'",
		`change.base == 7`:                        "no matching overload",
		`change.base`:                             "must yield true or false",
		`known(size.lines)`:                       "known() takes one of",
		`known(everything)`:                       "known() takes one of",
		`@known_files`:                            "cannot be used",
		`true &&`:                                 "Syntax error",
		`"` + strings.Repeat("x", 2000) + `"`:     "more than 2000 bytes",
		`now > timestamp("2026-01-01T00:00:00Z")`: "undeclared reference to 'now'",
	} {
		if e, problems := compileExpression(src); e != nil || !strings.Contains(strings.Join(problems, "\n"), says) {
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
