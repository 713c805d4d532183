package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
)

// bundle is what is in a bundle, by name.
type bundle map[string][]byte

// storyBundle plays the demo's story and exports its evidence, every change in the sample.
func storyBundle(t *testing.T) bundle {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "story.zip")
	ran(t, "demo", "--once", "--data", dir)
	now := time.Now().UTC()
	ran(t, "export", "--org", "acme", "--from", now.AddDate(0, 0, -1).Format(time.DateOnly), "--to", now.AddDate(0, 0, 1).Format(time.DateOnly),
		"--sample", "100", "--seed", strings.Repeat("5e", 16), "--database", "sqlite:"+filepath.Join(dir, "countersign.db"), "--key", filepath.Join(dir, "countersign.key"), "-o", file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := evidence.Verify(bytes.NewReader(raw), int64(len(raw)), evidence.Trust{}); err != nil || !r.DocumentsCompared {
		t.Fatalf("verify: %v, documents compared: %t", err, r.DocumentsCompared)
	}
	in, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := bundle{}
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// ran runs the program, which must not fail.
func ran(t *testing.T, args ...string) {
	t.Helper()
	var stderr bytes.Buffer
	if err := run(t.Context(), args, os.Getenv, strings.NewReader(""), io.Discard, &stderr); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, &stderr)
	}
}

// table reads a CSV file of the bundle, each row by the names of its columns.
func (b bundle) table(t *testing.T, name string) (rows []map[string]string) {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(b[name])).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %v, %d rows", name, err, len(all))
	}
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, column := range all[0] {
			row[column] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// named are the names that match a pattern of path.Match, sorted.
func (b bundle) named(t *testing.T, pattern string) (out []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if ok, err := path.Match(pattern, name); err != nil {
			t.Fatal(err)
		} else if ok {
			out = append(out, name)
		}
	}
	return out
}

// What is in the bundle of the demo's story, beside what verify checks.
func TestStoryBundle(t *testing.T) {
	t.Parallel()
	b := storyBundle(t)
	t.Run("change pages", b.testChangePages)
	t.Run("proof on a page", b.testProof)
	t.Run("first page", b.testIndex)
	t.Run("stack and protection", b.testStackAndProtection)
	t.Run("statements", b.testStatements)
	t.Run("controls", b.testControls)
	t.Run("OSCAL", b.testOSCAL)
	t.Run("pages stand alone", b.testPagesStandAlone)
}

var (
	tags  = regexp.MustCompile(`<[^>]*>`)
	space = regexp.MustCompile(`\s+`)
	hrefs = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
)

// text is what a page says.
func (b bundle) text(t *testing.T, name string) string {
	t.Helper()
	if b[name] == nil {
		t.Fatalf("there is no %s", name)
	}
	_, body, _ := strings.Cut(string(b[name]), "<body>")
	return space.ReplaceAllString(tags.ReplaceAllString(body, " "), " ")
}

// pageOf is the name of the page of a change.
func (b bundle) pageOf(t *testing.T, begin string) string {
	t.Helper()
	names := b.named(t, "changes/"+begin+"-*.html")
	if len(names) != 1 {
		t.Fatalf("pages %s: got %v, want one", begin, names)
	}
	return names[0]
}

// Pages load nothing, run nothing, and lead nowhere but into the bundle.
func (b bundle) testPagesStandAlone(t *testing.T) {
	links := 0
	for name, content := range b {
		if path.Ext(name) != ".html" {
			continue
		}
		if s := string(content); strings.Contains(s, "<script") || strings.Contains(s, "@import") || strings.Contains(s, "url(") {
			t.Errorf("%s runs or loads something", name)
		}
		for _, m := range hrefs.FindAllStringSubmatch(string(content), -1) {
			links++
			if target := path.Join(path.Dir(name), m[1]); b[target] == nil && !strings.HasPrefix(m[1], "#") {
				t.Errorf("%s leads to %s, which is not in the bundle", name, m[1])
			}
		}
	}
	if links == 0 {
		t.Error("no page has a link")
	}
}
