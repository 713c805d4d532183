package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"
)

// The files in testdata/policy/parse hold a policy and the problems that Parse finds.
func TestParse(t *testing.T) {
	paths, err := filepath.Glob("../testdata/policy/parse/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i+1 < len(archive.Files); i += 2 {
				src, want := archive.Files[i], &archive.Files[i+1]
				got := problems(src.Data)
				if *update {
					want.Data = []byte(got)
					continue
				}
				if diff := cmp.Diff(string(want.Data), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", src.Name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// problems are what is wrong with a policy, one a line, or "fine".
func problems(src []byte) string {
	_, err := Parse(src)
	if err == nil {
		return "fine\n"
	}
	return err.Error() + "\n"
}

func TestParseFillsInTheDefaults(t *testing.T) {
	p, err := Parse([]byte("version: 1\nmode: audit\nbranches: [main]\n"))
	if err != nil {
		t.Fatal(err)
	}
	one := 1
	want := &Policy{
		Version: 1, Mode: ModeAudit, Branches: []string{"main"},
		Review: ReviewPolicy{
			Agent: Approvals{&one}, Assisted: &Approvals{&one}, Automation: Approvals{&one}, Human: Approvals{&one},
			From: Reviewers{Permission: "write"}, UnknownInitiator: &one, CoAuthors: "exclude", DecidedBy: "github",
		},
		Validation: ValidationRules{Protect: []string{".github/workflows/**", ".github/actions/**"}},
		Protection: ProtectionRules{UnreadableBypass: "attested"},
	}
	if diff := cmp.Diff(want, p, cmpopts.IgnoreUnexported(Policy{}, ValidationRules{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	p, err = Parse([]byte("version: 1\nmode: audit\nbranches: [main]\nreview: {human: {approvals: 2}, automation: {approvals: 3}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := *p.Review.Agent.Approvals, *p.Review.Assisted.Approvals; a != 3 || b != 3 {
		t.Errorf("agent %d, assisted %d: an agent's traces lower the number", a, b)
	}
}

func TestParseRefusesBinaryAndLargeFiles(t *testing.T) {
	for name, src := range map[string]string{
		"large":   "# " + strings.Repeat("x", MaxPolicyBytes),
		"utf-8":   "version: 1\nmode: \xff\n",
		"control": "version: 1\nmode: \x01\n",
		"utf-16":  "\xff\xfev\x00e\x00",
		"flow":    strings.Repeat("[", 60_000),
		"nested":  strings.Repeat("a: {", 10_000),
	} {
		var broken *ParseError
		if _, err := Parse([]byte(src)); !errors.As(err, &broken) || len(broken.Problems) == 0 {
			t.Errorf("%s: got %v, want a ParseError", name, err)
		}
	}
	_, err := Parse([]byte("version: 1\nmode: \xff\n"))
	if p := err.(*ParseError).Problems[0]; p.Line != 2 || p.Column != 7 {
		t.Errorf("invalid UTF-8 is reported at %d:%d, want 2:7", p.Line, p.Column)
	}
	_, err = Parse([]byte("version: 1\nmode: audit\nbranches: [main]\n" + manyKeys(200)))
	if n := len(err.(*ParseError).Problems); n != maxProblems+1 {
		t.Errorf("%d problems are reported, want %d and a last line", n, maxProblems)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	return b.String()
}

// Whatever Parse accepts is a policy that Evaluate can rely on.
func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("../testdata/policy/parse/*.txtar")
	for _, path := range paths {
		if a, err := txtar.ParseFile(path); err == nil {
			for i := 0; i < len(a.Files); i += 2 {
				f.Add(a.Files[i].Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Parse(src)
		if err != nil {
			var broken *ParseError
			if !errors.As(err, &broken) || len(broken.Problems) == 0 || p != nil {
				t.Fatalf("policy %v with error %T", p, err)
			}
			for _, problem := range broken.Problems {
				if problem.Message == "" || problem.Line < 0 || problem.Column < 0 {
					t.Errorf("problem without message or place: %+v", problem)
				}
			}
			return
		}
		r := p.Review
		agent, assisted, human, automation := *r.Agent.Approvals, *r.Assisted.Approvals, *r.Human.Approvals, *r.Automation.Approvals
		if agent < 1 || assisted < 1 || agent > maxApprovals || agent < assisted || assisted < human || agent < automation || human < 0 || automation < 0 {
			t.Errorf("approvals agent %d, assisted %d, human %d, automation %d", agent, assisted, human, automation)
		}
		if p.Version != 1 || p.Mode != ModeAudit && p.Mode != ModeEnforce || len(p.Branches) == 0 || len(p.Validation.Protect) == 0 {
			t.Errorf("incomplete policy %+v", p)
		}
		if again, err := Parse(src); err != nil || !slices.Equal(p.Values(), again.Values()) {
			t.Error("a second reading differs")
		}
	})
}

func FuzzParseTests(f *testing.F) {
	f.Add([]byte("tests:\n  - {name: x, change: {author: devin, files: [\"a -> b\"], files_known: false}, reviews: [{by: bob, teams: [a/b]}], validations: {tests: skipped}, expect: {verdict: pass}}\n"))
	f.Add([]byte("tests: [{name: x, expect: {rules: {human-review: pass}}}]\n"))
	f.Add([]byte("tests: {}\n"))
	p, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main]\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		cases, err := ParseTests(src)
		if err == nil && len(cases) == 0 {
			t.Fatal("no tests and no problem")
		}
		for i := range cases {
			if d, _ := cases[i].Run(p); d.Title == "" {
				t.Errorf("a decision without a title: %+v", d)
			}
		}
	})
}
