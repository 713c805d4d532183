package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/policy"
)

// classify runs the command.
func classify(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = runClassify(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), err
}

// results decodes lines of output, strictly.
func results(t *testing.T, stdout string) []resultLine {
	t.Helper()
	var list []resultLine
	for line := range strings.Lines(stdout) {
		var r resultLine
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			t.Fatalf("output %q: %v", line, err)
		}
		list = append(list, r)
	}
	return list
}

// The cases that policy is tested with come out the same through the command.
func TestClassifyCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/classify/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no case files: %v", err)
	}
	type expected struct {
		Case   string          `json:"case"`
		Class  policy.Class    `json:"class"`
		Agents []string        `json:"agents"`
		Change json.RawMessage `json:"change"`
	}
	var cases []expected
	var input strings.Builder
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			if strings.HasPrefix(scanner.Text(), "#") {
				continue
			}
			var c expected
			if err := json.Unmarshal(scanner.Bytes(), &c); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			cases = append(cases, c)
			fmt.Fprintf(&input, "%s\n", c.Change)
		}
	}
	stdout, stderr, err := classify(t, input.String())
	if err != nil || stderr != "" {
		t.Fatalf("error %v, stderr %q", err, stderr)
	}
	got := results(t, stdout)
	if len(got) != len(cases) {
		t.Fatalf("got %d lines for %d", len(got), len(cases))
	}
	for i, c := range cases {
		if got[i].Class != c.Class || !slices.Equal(got[i].Agents, c.Agents) {
			t.Errorf("%s: got %s %v, want %s %v", c.Case, got[i].Class, got[i].Agents, c.Class, c.Agents)
		}
	}
}

func TestClassifyLine(t *testing.T) {
	t.Parallel()
	stdout, _, err := classify(t, `{"id":"pr-7","author":{"login":"devin-ai-integration[bot]","id":158243242,"type":"Bot"},"extra":[1]}`)
	want := `{"id":"pr-7","class":"agent","agents":["devin"],"signals":[{"kind":"author","strength":"asserted","agent":"devin","where":"pull request","value":"devin-ai-integration[bot] (158243242)"}]}` + "\n"
	if err != nil || stdout != want {
		t.Errorf("got %s (%v), want %s", stdout, err, want)
	}
	stdout, _, err = classify(t, `{}`)
	want = `{"id":null,"class":"undetected","agents":[],"signals":[]}` + "\n"
	if err != nil || stdout != want {
		t.Errorf("got %s (%v), want %s", stdout, err, want)
	}
	stdout, _, err = classify(t, `{"id":3,"author":null,"title":null,"commits":[{"sha":null,"author":{"login":"x","id":null}}]}`)
	if got := results(t, stdout); err != nil || string(got[0].ID) != "3" || got[0].Class != policy.ClassUndetected {
		t.Errorf("nulls: got %s (%v)", stdout, err)
	}
}

// A bad line is named by its number, and the lines after it are still classified.
func TestClassifyGoesOnAfterBadLines(t *testing.T) {
	t.Parallel()
	long := `{"id":4,"body":"` + strings.Repeat("x", MaxClassifyLine) + `"}`
	input := "{\"id\":1}\n{bad\n\n" + long + "\n[]\n{\"id\":6,\"commits\":[{\"sha\":5}]}\n{\"id\":7} {\"id\":8}\n{\"id\":9}"
	stdout, stderr, err := classify(t, input)
	var ids []string
	for _, r := range results(t, stdout) {
		ids = append(ids, string(r.ID))
	}
	if !slices.Equal(ids, []string{"1", "9"}) {
		t.Errorf("got results for %q, want 1 and 9", ids)
	}
	for _, want := range []string{"line 2: no JSON", "line 4: longer than 4194304 bytes", "line 5: must be a JSON object, not array", "line 6: field commits.sha: must be a string, not number", "line 7: "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr has no %q:\n%s", want, stderr)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "5 of 7 lines could not be read") {
		t.Errorf("got error %v, want the number of bad lines", err)
	}
}

func TestClassifyLineLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		extra int
		ok    bool
	}{{0, true}, {1, false}} {
		line := `{"id":1,"body":"` + strings.Repeat("x", MaxClassifyLine-len(`{"id":1,"body":""}`)-1+test.extra) + `"}` + "\n"
		if _, _, err := classify(t, line); (err == nil) != test.ok {
			t.Errorf("line of %d bytes: error %v", len(line), err)
		}
	}
}

func TestClassifyUsage(t *testing.T) {
	t.Parallel()
	if _, stderr, err := classify(t, "", "-h"); err == nil || !strings.Contains(stderr, "countersign classify --git .") {
		t.Errorf("help shows no example: %v\n%s", err, stderr)
	}
	if _, _, err := classify(t, "", "--range", "a..b"); !errors.Is(err, errUsage) {
		t.Errorf("--range without --git: got %v", err)
	}
}

func TestClassifyStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runClassify(ctx, nil, strings.NewReader("{}\n"), &bytes.Buffer{}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// repo is a clone that a test makes.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T) *repo {
	r := &repo{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	// Settings of the clone that change what git log prints, if one lets them.
	for _, setting := range [][2]string{{"log.showSignature", "true"}, {"log.mailmap", "true"}, {"color.ui", "always"}, {"diff.renames", "false"}, {"format.pretty", "oneline"}} {
		r.git("config", setting[0], setting[1])
	}
	return r
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.as("Mira Lund", "mira@example.com", "2026-02-03T10:00:00Z", args...)
}

func (r *repo) as(name, email, date string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+email, "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=Mira Lund", "GIT_COMMITTER_EMAIL=mira@example.com", "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) write(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "-A")
}

// history makes a small history and returns the SHAs, oldest first.
func (r *repo) history() []string {
	r.write(".mailmap", "Someone Else <else@example.com> Claude <noreply@anthropic.com>\n")
	r.write("a.txt", "one\ntwo\nthree\n")
	r.git("commit", "-qm", "Begin")
	r.write("a.txt", "one\n2\nthree\n")
	r.as("Claude", "noreply@anthropic.com", "2026-02-28T23:30:00-02:00", "commit", "-qm", "Improve") // March in UTC
	r.git("mv", "a.txt", "with\ttab\nand line.txt")
	r.write("logo.png", "\x89PNG\x00\x01\x02")
	r.git("commit", "-qm", "Rename\n\nA body with odd bytes: \x01 \x02 é\n\nMade-with: Cursor")
	r.git("checkout", "-q", "-b", "side", "HEAD~1")
	r.write("side.txt", "x\n")
	r.as("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", "2026-03-05T00:00:00Z", "commit", "-qm", "Bump x")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-m", "Merge side", "side")
	return strings.Fields(r.git("rev-list", "--reverse", "--topo-order", "HEAD"))
}

func TestClassifyClone(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	shas := r.history()
	stdout, stderr, err := classify(t, "", "--git", r.dir)
	if err != nil || stderr != "" {
		t.Fatalf("error %v, stderr %q", err, stderr)
	}
	lines, table, found := strings.Cut(stdout, "\n\n")
	if !found {
		t.Fatalf("no table:\n%s", stdout)
	}
	classes := map[policy.Class]int{}
	seen := map[string]bool{}
	for _, result := range results(t, lines+"\n") {
		classes[result.Class]++
		seen[strings.Trim(string(result.ID), `"`)] = true
	}
	for _, sha := range shas {
		if !seen[sha] {
			t.Errorf("commit %s is not classified", sha)
		}
	}
	if len(seen) != 5 || classes[policy.ClassAgent] != 1 || classes[policy.ClassAssisted] != 1 || classes[policy.ClassUndetected] != 2 {
		t.Errorf("got %d commits: %v", len(seen), classes)
	}
	for _, want := range [][]string{
		{"agent", "claude-code", "1", "20.0", "2"},
		{"assisted", "cursor-editor", "1", "20.0", "0"},
		{"automation", "dependabot", "1", "20.0", "1"},
		{"no agent indicator found", "-", "2", "40.0", "4"},
		{"total", "5", "100.0", "7", "100.0"},
		{"2026-02", "-", "1/0", "-", "-", "-", "2/4"},
		{"2026-03", "1/2", "-", "-", "1/1", "-", "-"},
	} {
		if !tableHas(table, want) {
			t.Errorf("the table has no row %q:\n%s", want, table)
		}
	}
	if strings.Contains(strings.ToLower(stdout), "human-written") {
		t.Error("the output claims that people wrote something")
	}
}

// tableHas reports whether a row begins with these cells.
func tableHas(table string, cells []string) bool {
	want := strings.Fields(strings.Join(cells, " "))
	for line := range strings.Lines(table) {
		if got := strings.Fields(line); len(got) >= len(want) && slices.Equal(got[:len(want)], want) {
			return true
		}
	}
	return false
}

func TestClassifyCloneRangeAndSummary(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.history()
	stdout, _, err := classify(t, "", "--git", r.dir, "--range", "HEAD~2..HEAD~1", "--summary")
	if err != nil || !strings.HasPrefix(stdout, "class ") || !tableHas(stdout, []string{"total", "1"}) {
		t.Errorf("got error %v and\n%s", err, stdout)
	}
	stdout, _, err = classify(t, "", "--git", r.dir, "--range", "HEAD..HEAD")
	if err != nil || stdout != "no commits\n" {
		t.Errorf("an empty range: got error %v and %q", err, stdout)
	}
}

func TestClassifyCloneErrors(t *testing.T) {
	r := newRepo(t)
	file := filepath.Join(r.dir, "file")
	if _, _, err := classify(t, "", "--git", r.dir); err == nil || !strings.Contains(err.Error(), "has no commits yet") {
		t.Errorf("empty clone: got %v", err)
	}
	r.write("file", "x")
	r.git("commit", "-qm", "Begin")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--git", filepath.Join(r.dir, "missing")}, "no such file"},
		{[]string{"--git", file}, "is no folder"},
		{[]string{"--git", t.TempDir()}, "not a git repository"},
		{[]string{"--git", r.dir, "--range", "nowhere..HEAD"}, "no such commits"},
		{[]string{"--git", r.dir, "--range", "--output=" + file}, "is no range"},
	} {
		_, _, err := classify(t, "", test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%q: got %v, want %q and a hint", test.args, err, test.want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := classify(t, "", "--git", r.dir); err == nil || !strings.Contains(err.Error(), "git is not installed") {
		t.Errorf("without git: got %v", err)
	}
}

// A clone that breaks in the middle gives an error, never a shorter history.
func TestClassifyBrokenClone(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.history()
	first := r.git("rev-list", "--max-parents=0", "HEAD")
	if err := os.Remove(filepath.Join(r.dir, ".git", "objects", first[:2], first[2:])); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := classify(t, "", "--git", r.dir); err == nil || strings.Contains(stdout, "total") {
		t.Errorf("got %v and\n%s", err, stdout)
	}
}

func TestClassifyShallowClone(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.history()
	shallow := &repo{t, filepath.Join(t.TempDir(), "shallow")}
	r.git("clone", "-q", "--depth=1", "file://"+r.dir, shallow.dir)
	_, stderr, err := classify(t, "", "--git", shallow.dir, "--summary")
	if err != nil || !strings.Contains(stderr, "shallow") {
		t.Errorf("got error %v, stderr %q", err, stderr)
	}
}

func FuzzGitLog(f *testing.F) {
	sha := strings.Repeat("a", 40)
	f.Add("\x00" + sha + "\x00\x00A\x00a@b\x00A\x00a@b\x001\x00m\x00\x00\n1\t2\tf\x001\t0\t\x00old\x00new\x00\x00" + sha + "\x00p\x00A\x00a@b\x00A\x00a@b\x001\x00m\x00\x00")
	f.Fuzz(func(t *testing.T, output string) {
		commits := 0
		err := (&logReader{in: bufio.NewReader(strings.NewReader(output))}).each(func(m *commitStat) error {
			commits++
			return nil
		})
		if err == nil && commits == 0 && len(output) > 1 && strings.Count(output, "\x00") > 9 {
			t.Fatalf("%q: neither commits nor an error", output)
		}
	})
}
