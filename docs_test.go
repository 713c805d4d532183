package countersign_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/policy"
)

// Every policy and register that a document shows is one that the parser takes.
func TestPoliciesInDocuments(t *testing.T) {
	block := regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```")
	found := 0
	for _, doc := range documents(t) {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(src), -1) {
			text := strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")
			if !strings.Contains(text, "version: 1") {
				continue
			}
			found++
			_, err := policy.Parse([]byte(text))
			if strings.Contains(text, "\ndocuments:") {
				_, err = policy.ParseRegister([]byte(text))
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", doc, err, text)
			}
		}
	}
	if found < 2 {
		t.Errorf("found %d policies, want those of README and docs/policy.md", found)
	}
}

// The tests that docs/policy.md shows pass by the policy that it shows first.
func TestPolicyTestsInDocuments(t *testing.T) {
	src, err := os.ReadFile("docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(block(t, src, "version: 1"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := policy.ParseTests(block(t, src, "tests:\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if _, failures := c.Run(p); len(failures) > 0 {
			t.Errorf("%s: %v", c.Name, failures)
		}
	}
}

// block is the first block of YAML that holds a text.
func block(t *testing.T, src []byte, holds string) []byte {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllSubmatch(src, -1) {
		if strings.Contains(string(m[1]), holds) {
			return m[1]
		}
	}
	t.Fatalf("no block of YAML holds %q", holds)
	return nil
}

// Every file that a document links to is there.
func TestLinksInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, doc := range documents(t) {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(src), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
			}
		}
	}
}

// The README lists every setting that the environment has, and no other.
func TestSettingsInReadme(t *testing.T) {
	src, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(src), "\n### Settings\n")
	table, _, _ = strings.Cut(table, "\n## ")
	listed := map[string]bool{}
	for _, name := range regexp.MustCompile("`([A-Z][A-Z0-9_]+)`").FindAllStringSubmatch(table, -1) {
		listed[name[1]] = true
	}
	known := map[string]bool{}
	_, err = config.Load("", func(name string) string { known[name] = true; return "" }, os.ReadFile)
	if err == nil {
		t.Fatal("nothing at all is enough to run the server")
	}
	for name := range known {
		if !listed[name] {
			t.Errorf("the README does not have %s", name)
		}
	}
	for name := range listed {
		if !known[name] {
			t.Errorf("the README has %s, which is no setting", name)
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	docs := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md", "testdata/*/README.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, more...)
	}
	return docs
}
