package evidence

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/countersign/countersign/policy"
)

// docs/control-matrix.md is the matrix of the code: which test is for which criterion, what it is
// made of, and to which controls of frameworks it is mapped.
func TestControlMatrixDocument(t *testing.T) {
	const document, begin, end = "../docs/control-matrix.md", "<!-- matrix: written by the test -->\n", "<!-- end of matrix -->"
	src, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(src), begin)
	got, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no tables", document)
	}
	want := matrixInWords(t)
	if *rewrite {
		if err := os.WriteFile(document, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s differs from the matrix; write it with: go test ./evidence -run TestControlMatrixDocument -update\n%s\nwant\n%s", document, got, want)
	}
}

func matrixInWords(t *testing.T) string {
	t.Helper()
	var tested, frameworks, none strings.Builder
	for _, c := range matrix {
		if len(c.tests) == 0 {
			fmt.Fprintf(&none, "| %s | %s |\n", c.ID, c.Title)
		}
		for i, x := range c.tests {
			r, err := x.run(&findings{tallies: map[string]*ruleTally{}})
			if err != nil {
				t.Fatal(err)
			}
			criterion := ""
			if i == 0 {
				criterion = c.ID + ": " + c.Title
			}
			fmt.Fprintf(&tested, "| %s | `%s` | %s | %s | `%s` |\n", criterion, x.id, cmp.Or(x.asks, policy.RuleInWords(x.id)), r.Of, strings.Join(r.Evidence, "`, `"))
			fmt.Fprintf(&frameworks, "| `%s` |", x.id)
			for _, f := range x.mapping.Frameworks() {
				fmt.Fprintf(&frameworks, " %s |", strings.Join(f.IDs, ", "))
			}
			frameworks.WriteString("\n")
		}
	}
	var heads []string
	for _, f := range (mapping{}).Frameworks() {
		heads = append(heads, f.Name)
	}
	return "| criterion of SOC 2 | test | holds if | of | evidence |\n|---|---|---|---|---|\n" + tested.String() +
		"\n| test | " + strings.Join(heads, " | ") + " |\n|---|" + strings.Repeat("---|", len(heads)) + "\n" + frameworks.String() +
		"\nNot tested by any program here:\n\n| criterion | about |\n|---|---|\n" + none.String()
}
