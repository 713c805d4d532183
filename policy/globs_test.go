package policy

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob    string
		yes, no []string
	}{
		{"main", []string{"main"}, []string{"", "mai", "main2", "Main", "x/main"}},
		{"*", []string{"main", ""}, []string{"a/b"}},
		{"**", []string{"main", "a/b", "a/b/c", ""}, nil},
		{"release/*", []string{"release/1", "release/"}, []string{"release", "release/1/2", "arelease/1"}},
		{"release/**", []string{"release/1", "release/1/2"}, []string{"release", "released/1"}},
		{"**/ci.yml", []string{"ci.yml", "a/ci.yml", "a/b/ci.yml"}, []string{"aci.yml", "a/bci.yml"}},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b"}, []string{"ab", "a/xb", "a/bx", "a//b"}},
		{"a**b", []string{"ab", "axb", "ax/yb"}, []string{"a", "abx"}},
		{"v?.x", []string{"v1.x", "vä.x"}, []string{"v.x", "v12.x", "v/.x"}},
		{"*-*-*", []string{"a-b-c", "--", "a-b-c-d"}, []string{"a-b", "a-b/c-d"}},
		{"**/*.go", []string{"a.go", "a/b.go"}, []string{"a.gox", "a.go/b"}},
		{".github/workflows/**", []string{".github/workflows/ci.yml", ".github/workflows/a/b"}, []string{".github/workflows", "x/.github/workflows/ci.yml", ".github/workflow/ci.yml"}},
		{"ünï*", []string{"ünïcode"}, []string{"unicode"}},
	} {
		g, err := compileGlob(c.glob)
		if err != nil {
			t.Errorf("compileGlob(%q): %v", c.glob, err)
			continue
		}
		for _, name := range c.yes {
			if !g.match(name) {
				t.Errorf("%q does not match %q", c.glob, name)
			}
		}
		for _, name := range c.no {
			if g.match(name) {
				t.Errorf("%q matches %q", c.glob, name)
			}
		}
	}
}

// A backtracking matcher would take longer than the age of the universe.
func TestGlobIsLinear(t *testing.T) {
	g, err := compileGlob(strings.Repeat("*a", 99))
	if err != nil {
		t.Fatal(err)
	}
	if g.match(strings.Repeat("a", 20_000) + "b") {
		t.Error("matches")
	}
}

// slow translates a glob to a regular expression: another way to the same answer.
func slow(t testing.TB, glob string) *regexp.Regexp {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(glob); {
		rest := glob[i:]
		switch {
		case strings.HasPrefix(rest, "**/") && (i == 0 || glob[i-1] == '/'):
			b.WriteString(`(?:[^/]+/)*`)
			i += 3
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`(?s:.*)`)
			i += 2
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			i++
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			i++
		default:
			n := strings.IndexAny(rest, "*?")
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:n]))
			i += n
		}
	}
	re, err := regexp.Compile(`\A(?:` + b.String() + `)\z`)
	if err != nil {
		t.Skip(err)
	}
	return re
}

func FuzzGlob(f *testing.F) {
	f.Add("**/a/*", "b/a/c", "b/**")
	f.Add("a**?", "a/b", "*")
	f.Add(".github/**/x", ".github/x", "**/x")
	f.Fuzz(func(t *testing.T, pattern, name, other string) {
		g, err := compileGlob(pattern)
		if err != nil {
			return
		}
		got := g.match(name)
		if want := slow(t, pattern).MatchString(name); got != want {
			t.Errorf("%q on %q: %v, the regular expression says %v", pattern, name, got, want)
		}
		h, err := compileGlob(other)
		if err != nil {
			return
		}
		if both, ok := compileGlobs([]string{pattern, other}); !ok || both.match(name) != (got || h.match(name)) {
			t.Errorf("%q: one of %q and %q matches it, and not both together, or the other way round", name, pattern, other)
		}
		if got && h.match(name) && !g.overlaps(h) {
			t.Errorf("%q and %q both match %q and do not overlap", pattern, other, name)
		}
		if g.overlaps(h) != h.overlaps(g) {
			t.Errorf("overlap of %q and %q depends on the order", pattern, other)
		}
	})
}

func TestLanes(t *testing.T) {
	p, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main, 'release/*']\nlanes:\n  - {name: sandbox, branches: [dev], mode: audit}\n  - {name: tools, branches: ['tools/**'], mode: enforce}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		branch string
		want   Enrolment
		ok     bool
	}{
		{"main", Enrolment{"", ModeEnforce, "countersign"}, true},
		{"release/1", Enrolment{"", ModeEnforce, "countersign"}, true},
		{"dev", Enrolment{"sandbox", ModeAudit, "countersign (sandbox audit)"}, true},
		{"tools/a/b", Enrolment{"tools", ModeEnforce, "countersign (tools)"}, true},
		{"release/1/2", Enrolment{}, false},
		{"", Enrolment{}, false},
	} {
		got, ok := p.Lane(c.branch)
		if got != c.want || ok != c.ok {
			t.Errorf("Lane(%q) = %+v, %v, want %+v, %v", c.branch, got, ok, c.want, c.ok)
		}
		if ok && !IsOwnCheck(got.CheckName) {
			t.Errorf("%q is not known as our own check", got.CheckName)
		}
	}
	p.Mode = ModeAudit
	if got, _ := p.Lane("main"); got.CheckName != "countersign (audit)" {
		t.Errorf("audit check name %q", got.CheckName)
	}
	// A policy that no parser made: enforcing wins, whatever the order.
	p.Branches, p.Lanes[1].Branches = []string{"**"}, []string{"**"}
	if got, ok := p.Lane("dev"); !ok || got.Mode != ModeEnforce {
		t.Errorf("an audit lane hides an enforcing one: %+v", got)
	}
	for name, ours := range map[string]bool{
		"Countersign": true, " countersign  (Audit)": true, "COUNTERSIGN\u00a0(x)": true,
		"countersigned": false, "test": false, "counter sign": false, "countersign(x)": false, "": false,
	} {
		if IsOwnCheck(name) != ours {
			t.Errorf("%q is ours: %t, want %t", name, !ours, ours)
		}
	}
}
