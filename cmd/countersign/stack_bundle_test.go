package main

import (
	"strings"
	"testing"
)

// What the policies asked for, and how the branches were protected.
func (b bundle) testStackAndProtection(t *testing.T) {
	stack := string(b["validation-stack.md"])
	for _, want := range []string{
		"## acme/shop\n", `| tests | test | github-actions: job "test" of .github/workflows/ci.yml in the repository itself |`, "were made by it: 4,", "| tests | success: 4 |", "## acme/sandbox\n",
	} {
		if !strings.Contains(stack, want) {
			t.Errorf("the validation stack does not say %q:\n%s", want, stack)
		}
	}
	holds := map[string]string{}
	for _, row := range b.table(t, "protection.csv") {
		holds[row["repository"]] = row["holds"]
	}
	if holds["acme/shop"] != "yes" || holds["acme/sandbox"] != "no" {
		t.Errorf("protection: got %v, want shop protected and sandbox not", holds)
	}
	if got := b.text(t, b.pageOf(t, "acme-sandbox-1")); !strings.Contains(got, "How it was protected not as the policy asks (since ") {
		t.Errorf("the page does not say that the branch was not protected:\n%s", got)
	}
}
