package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/security.md")

// securityDocument holds the tables of what was tried. They are written from what happened
// when it was, so that the document and the suite say the same.
const securityDocument = "../../docs/security.md"

// attackRow is a line of the table of attacks.
type attackRow struct {
	attempt
	unmet []string // the rules that did not hold
	title string   // of the check run
}

func tableOfAttacks(rows []attackRow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d attacks.\n\n| name | what is tried | what answers it | what the check run says |\n|---|---|---|---|\n", len(rows))
	for _, r := range rows {
		answer := strings.Join(r.unmet, ", ")
		if answer == "" {
			answer = "no rule: nothing was decided"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.name, cell(r.how), answer, cell(r.title))
	}
	return b.String()
}

func tableOfArrivals(list []arrival) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d arrivals.\n\n| name | what is done | what is opened |\n|---|---|---|\n", len(list))
	for _, a := range list {
		opened := strings.Join(a.opens, ", ")
		if opened == "" {
			opened = "nothing: the branch did not move"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.name, cell(a.how), opened)
	}
	return b.String()
}

func tableOfLegitimate(list []attempt) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d changes in order.\n\n| name | what is done |\n|---|---|\n", len(list))
	for _, a := range list {
		fmt.Fprintf(&b, "| `%s` | %s |\n", a.name, cell(a.how))
	}
	return b.String()
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`).Replace(s)
}

// compareSection compares what stands in the document between the marks of a section, or
// writes it with -update.
func compareSection(t *testing.T, name, want string) {
	t.Helper()
	src, err := os.ReadFile(securityDocument)
	mustDo(t, err)
	begin, end := "<!-- "+name+": written by the test -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(string(src), begin)
	got, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no section %s", securityDocument, name)
	}
	if *update {
		mustDo(t, os.WriteFile(securityDocument, []byte(before+begin+want+end+after), 0o644))
		return
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%s differs from what the suite did; look at it, and write it with: go test ./cmd/countersign -run 'TestAttacks|TestLegitimate' -update\n%s", securityDocument, diff)
	}
}
