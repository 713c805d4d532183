package countersign_test

import (
	"archive/zip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/policy"
)

// Every block of YAML that a document shows is taken by what reads it: a policy or a part of one, a
// register, tests of a policy, or settings of the server.
func TestYAMLInDocuments(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^( *)```ya?ml\n(.*?)^ *```")
	found := 0
	for _, doc := range documents(t) {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(src), -1) {
			text := strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")
			found++
			if err := takes(text); err != nil {
				t.Errorf("%s: %v\n%s", doc, err, text)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d blocks of YAML, want more", found)
	}
}

// takes has a block read by what it is for, which its keys tell.
func takes(text string) (err error) {
	has := func(key string) bool { return strings.Contains(text, "\n"+key+":") }
	switch {
	case has("documents"):
		_, err = policy.ParseRegister([]byte(text))
	case has("version"):
		_, err = policy.Parse([]byte(text))
	case has("tests"):
		_, err = policy.ParseTests([]byte(text))
	case has("emergency"), has("repositories"):
		_, err = policy.Parse([]byte("version: 1\nmode: enforce\nbranches: [main]" + text))
	default:
		err = settings(text)
	}
	return err
}

// settings loads a part of the settings' file, with an environment that has all that must be there.
func settings(text string) error {
	// Who reads the document puts a real key in place of this one.
	const name = "witness.example.com/w1"
	public := append([]byte{4}, make([]byte, 32)...)
	hash := sha256.Sum256(append([]byte(name+"\n"), public...))
	key := fmt.Sprintf("%s+%x+%s", name, hash[:4], base64.StdEncoding.EncodeToString(public))
	text = regexp.MustCompile(regexp.QuoteMeta(name)+`\+\S+`).ReplaceAllLiteralString(text, key)
	env := map[string]string{
		"COUNTERSIGN_PUBLIC_URL": "https://countersign.example.com", "GITHUB_APP_INTEGRATION_ID": "1",
		"GITHUB_APP_WEBHOOK_SECRET": "of-the-webhook", "GITHUB_APP_PRIVATE_KEY": "pem",
	}
	_, err := config.Load("settings.yml", func(name string) string { return env[name] }, func(name string) ([]byte, error) {
		switch name {
		case "settings.yml":
			return []byte(text), nil
		case "/run/secrets/hook-key":
			return []byte("a secret of sixteen bytes or more"), nil
		}
		return []byte("https://example.com/hook"), nil
	})
	return err
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

// What the documents begin with is what the first day's report judges by, with tests.
func TestThePolicyToBeginWithInDocuments(t *testing.T) {
	for _, doc := range []string{"README.md", "docs/getting-started.md", "docs/first-day.md"} {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile(`(?m)\s+#.*$`).ReplaceAllString(string(src), "")
		shown = regexp.MustCompile("(?m)^ {3}").ReplaceAllString(shown, "") // in a list
		if want := "```yaml\n" + string(policy.Beginning("main")); !strings.Contains(shown, want) {
			t.Errorf("%s does not show %s", doc, want)
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

// Every file that a document links to is there, with the heading that the link names.
func TestLinksInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#\s]*)(?:#([^)\s]+))?\)`)
	anchors := map[string][]string{}
	for _, doc := range documents(t) {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(src), -1) {
			to := doc
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(doc), m[1])
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
				continue
			}
			if m[2] == "" {
				continue
			}
			if anchors[to] == nil {
				anchors[to] = headings(t, to)
			}
			if !slices.Contains(anchors[to], m[2]) {
				t.Errorf("%s links to %s, which has no heading #%s", doc, to, m[2])
			}
		}
	}
}

// headings are the anchors that GitHub gives the headings of a document.
func headings(t *testing.T, doc string) (out []string) {
	t.Helper()
	src, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^#+ (.+)$").FindAllStringSubmatch(string(src), -1) {
		words := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(words, " ", "-"))
	}
	return out
}

// Every picture is in a guide, with words for who does not see it, and small enough to be fetched
// with the source.
func TestPicturesInDocuments(t *testing.T) {
	shown := map[string]bool{}
	for _, doc := range documents(t) {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`!\[([^\]]*)\]\(([^)]+)\)`).FindAllStringSubmatch(string(src), -1) {
			shown[filepath.Join(filepath.Dir(doc), m[2])] = true
			if len(m[1]) < 40 {
				t.Errorf("%s: what is to be seen in %s is not said: %q", doc, m[2], m[1])
			}
		}
	}
	pictures, err := filepath.Glob("docs/images/*")
	if err != nil || len(pictures) == 0 {
		t.Fatalf("there are no pictures: %v", err)
	}
	var all int64
	for _, name := range pictures {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		all += info.Size()
		if !shown[name] || info.Size() > 150_000 {
			t.Errorf("%s has %d bytes, and is shown: %t", name, info.Size(), shown[name])
		}
	}
	if all > 900_000 {
		t.Errorf("all pictures have %d bytes, at most 900000 are wanted", all)
	}
}

// The README leads to every document, once.
func TestReadmeLeadsToEveryDocument(t *testing.T) {
	src, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(src), "\n## Where to read on\n")
	if !ok {
		t.Fatal("the README does not say where to read on")
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions") {
		if n := strings.Count(list, "]("+doc+")"); n != 1 {
			t.Errorf("the README leads to %s %d times", doc, n)
		}
	}
}

// docs/auditors.md says what every file of a bundle is for, and neither it nor docs/questions.md names
// one that is not there.
func TestFilesOfABundleInDocuments(t *testing.T) {
	there := map[string]bool{"packs/": true} // the bundle of testdata has none: it has a sample
	for name := range bundled(t) {
		folder, _, in := strings.Cut(name, "/")
		if in {
			folder += "/"
		}
		there[folder] = true
	}
	for _, doc := range []string{"docs/auditors.md", "docs/questions.md"} {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, name := range matches(regexp.MustCompile("`([a-z-]+(?:\\.(?:csv|json|html|md|xlsx|sig)|/))`"), string(src)) {
			if named[name] = true; !there[name] {
				t.Errorf("%s names %s, which no bundle has", doc, name)
			}
		}
		for name := range there {
			if doc == "docs/auditors.md" && !named[name] {
				t.Errorf("%s does not say what %s is for", doc, name)
			}
		}
	}
}

// The sample of a bundle is the one that the recipe in docs/auditors.md draws, which shares no code
// with ours.
func TestSampleByTheDocument(t *testing.T) {
	files := bundled(t)
	seed, err := hex.DecodeString(column(t, files["draws.csv"], "seed")[0])
	if err != nil {
		t.Fatal(err)
	}
	ids, sample := column(t, files["population.csv"], "id"), column(t, files["sample.csv"], "id")
	digest := func(id string) string {
		mac := hmac.New(sha256.New, seed)
		mac.Write([]byte(id))
		return string(mac.Sum(nil))
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(digest(a), digest(b)) })
	if len(sample) == 0 || !slices.Equal(ids[:len(sample)], sample) {
		t.Errorf("the recipe draws %v, the sample is %v", ids, sample)
	}
}

// bundled are the files of the bundle in testdata.
func bundled(t *testing.T) map[string]string {
	t.Helper()
	z, err := zip.OpenReader("testdata/bundle/acme.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

// column are the cells of a column of a table.
func column(t *testing.T, table, name string) (out []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("a table of %d rows: %v", len(rows), err)
	}
	i := slices.Index(rows[0], name)
	if i < 0 {
		t.Fatalf("there is no column %s in %v", name, rows[0])
	}
	for _, row := range rows[1:] {
		out = append(out, row[i])
	}
	return out
}

// docs/pages.md says what every section of the pages is for.
func TestSectionsInDocuments(t *testing.T) {
	layout, err := os.ReadFile("web/layout.html")
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("docs/pages.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := matches(regexp.MustCompile(`\(section \. "[a-z]+" "([^"]+)"\)`), string(layout))
	if len(sections) < 5 {
		t.Fatalf("the layout has the sections %v", sections)
	}
	for _, name := range sections {
		if !strings.Contains(string(src), "\n**"+name+"**") {
			t.Errorf("docs/pages.md does not say what %s is for", name)
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

// Every settings file that a document shows is one that the server takes.
func TestSettingsFilesInDocuments(t *testing.T) {
	environment := map[string]string{
		"COUNTERSIGN_PUBLIC_URL": "https://countersign.example.com", "GITHUB_APP_INTEGRATION_ID": "1", "GITHUB_APP_WEBHOOK_SECRET": "x", "GITHUB_APP_PRIVATE_KEY": "x",
	}
	start := regexp.MustCompile(`^(notifications|access|retention|trackers):\n`)
	found := 0
	for _, doc := range documents(t) {
		src, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllSubmatch(src, -1) {
			if !start.Match(m[1]) {
				continue
			}
			found++
			_, err := config.Load("settings.yml", func(name string) string { return environment[name] }, func(name string) ([]byte, error) {
				if name == "settings.yml" {
					return m[1], nil
				}
				return []byte("https://receiver.example.com/long-enough-for-a-secret"), nil
			})
			if err != nil {
				t.Errorf("%s: %v\n%s", doc, err, m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("found %d settings files, want those of the README, notifications.md, access.md, retention.md and pages.md", found)
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

// textOf is what stands in all files of some patterns.
func textOf(t *testing.T, patterns ...string) string {
	t.Helper()
	var text []byte
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, content...)
		}
	}
	return string(text)
}

// The titles that docs/developers.md explains are titles that decisions have: of the corpus, or of
// what was tried (docs/security.md). "…" stands for what differs.
func TestTitlesInDocuments(t *testing.T) {
	src, err := os.ReadFile("docs/developers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(src), "\n## Common titles, and what to do\n")
	table, _, _ = strings.Cut(table, "\n## ")
	known, found := textOf(t, "docs/security.md", "testdata/policy/*.txtar"), 0
	for _, row := range matches(regexp.MustCompile(`(?m)^\| (\*.*?) \|`), table) {
		for _, title := range matches(regexp.MustCompile(`\*([^*]+)\*`), row) {
			for part := range strings.SplitSeq(title, "…") {
				if found++; !strings.Contains(known, strings.TrimSpace(part)) {
					t.Errorf("no decision has a title with %q", part)
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d titles are explained", found)
	}
}

// Every budget is one of a benchmark that there is.
func TestBudgetsAreOfBenchmarks(t *testing.T) {
	src := textOf(t, "bench/budgets.txt")
	tests := textOf(t, "policy/*_test.go", "store/*_test.go", "ledger/*_test.go", "cmd/countersign/*_test.go")
	budgets := matches(regexp.MustCompile(`(?m)^(Benchmark\w+)(?:/\S+)? +\S+ +at-(?:most|least) +\d+$`), src)
	if lines := regexp.MustCompile(`(?m)^[^#\n]`).FindAllString(src, -1); len(budgets) == 0 || len(budgets) != len(lines) {
		t.Errorf("of %d lines %d are budgets", len(lines), len(budgets))
	}
	for _, name := range budgets {
		if !strings.Contains(tests, "func "+name+"(") {
			t.Errorf("there is no %s", name)
		}
	}
}
