package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh/ghsim"
)

// auditorsSeed is what an auditor's seed looks like.
const auditorsSeed = "8f1c0b7a5d2e49638f1c0b7a5d2e4963"

// exported runs countersign export over the days around the world's own, and returns the bundle.
func (w *acme) exported(t *testing.T, more ...string) (file, said string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "acme.zip")
	said, err := w.export(file, more...)
	if err != nil {
		t.Fatalf("export: %v\n%s", err, said)
	}
	return file, said
}

func (w *acme) export(file string, more ...string) (string, error) {
	args := append([]string{"export", "--org", "acme", "--from", day(-1), "--to", day(1),
		"--database", w.database(), "--key", filepath.Join(w.folder, "countersign.key"), "-o", file}, more...)
	var out bytes.Buffer
	err := run(context.Background(), args, func(string) string { return "" }, nil, &out, &out)
	return out.String(), err
}

func day(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }

// verified runs countersign verify with the log's public key.
func (w *acme) verified(t *testing.T, file string, more ...string) (result struct {
	OK     bool            `json:"ok"`
	Report evidence.Report `json:"report"`
}) {
	t.Helper()
	key, err := signingKeyOf(w)
	if err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(t.TempDir(), "log.pub")
	if err := os.WriteFile(public, []byte(key.Public()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := append([]string{"verify", "--json", "--key", public}, append(more, file)...)
	if err := run(context.Background(), args, func(string) string { return "" }, nil, &out, &errs); err != nil {
		t.Fatalf("verify: %v\n%s%s", err, out.String(), errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// rows reads a table of a bundle by the names of its columns.
func rows(t *testing.T, bundle, name string) (out []map[string]string) {
	t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(inBundle(t, bundle, name))).ReadAll()
	if err != nil || len(lines) == 0 {
		t.Fatalf("%s: %d lines, %v", name, len(lines), err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, column := range lines[0] {
			row[column] = line[i]
		}
		out = append(out, row)
	}
	return out
}

func inBundle(t *testing.T, bundle, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// someChanges are pull requests that were merged in each way, one that was merged while it failed, and
// a push that none led to.
func (w *acme) someChanges(t *testing.T) {
	t.Helper()
	for _, method := range []string{"squash", "merge", "rebase"} {
		mustDo(t, w.greenPull(t, "merged by "+method).Merge(w.bob, method))
		w.mustSettle(t)
	}
	pr := w.copilotPullIn(w.sandbox, "held")
	w.mustSettle(t)
	mustDo(t, pr.Merge(w.dave, "squash"))
	w.mustSettle(t)
	w.sandbox.Push("main", w.dave, ghsim.Commit{Message: "quick fix", Files: map[string]string{"fix.go": "package fix\n"}})
	w.mustSettle(t)
}

// From the pull requests to a file that is verified with the public key alone.
func TestExportAndVerify(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	file, said := w.exported(t)
	if !strings.Contains(said, "5 changes reached enrolled branches of acme; 2 with deviations, 2 exceptions.") {
		t.Errorf("export says:\n%s", said)
	}
	got := w.verified(t, file)
	if c := got.Report.Manifest.Counts; !got.OK || got.Report.SelfAsserted || got.Report.Reperformed != 4 || got.Report.Updates != 5 || c.Population != 5 || c.Gaps != 0 || c.Undecided != 0 {
		t.Errorf("verified: %+v", got)
	}
	// Of the three changes without a page, facts and decision are in a pack; of the one with a page, in files.
	if packed := bytes.Count(inBundle(t, file, "packs/00001.txt"), []byte("\n")); packed != 6 {
		t.Errorf("%d lines are packed", packed)
	}
	population := map[string]map[string]string{}
	for _, row := range rows(t, file, "population.csv") {
		population[row["repository"]+" "+row["type"]+" "+row["pull_request"]] = row
	}
	for what, want := range map[string]string{
		"acme/shop pr_merge 1": "agent pass  no", "acme/shop pr_merge 2": "agent pass  no", "acme/shop pr_merge 3": "agent pass  no",
		"acme/sandbox pr_merge 1": "agent fail merged-while-failing yes", "acme/sandbox push ": "no pull request  direct-push yes",
	} {
		row := population[what]
		if got := strings.Join([]string{row["class"], row["verdict"], row["findings"], row["deviation"]}, " "); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
}

// The same query over the same log gives the same bytes, also when the log has gone on.
func TestExportAgain(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	mustDo(t, w.greenPull(t, "once").Merge(w.bob, "squash"))
	w.mustSettle(t)
	first, _ := w.exported(t, "--sample", "1", "--seed", auditorsSeed)
	size := w.verified(t, first).Report.Manifest.LogSize
	second, _ := w.exported(t, "--sample", "1", "--seed", auditorsSeed, "--log-size", number(size))
	w.greenPull(t, "later")
	third, _ := w.exported(t, "--sample", "1", "--seed", auditorsSeed, "--log-size", number(size))
	for _, again := range []string{second, third} {
		if !bytes.Equal(mustRead(t, first), mustRead(t, again)) {
			t.Errorf("%s is another bundle than %s", again, first)
		}
	}
	if _, err := w.export(filepath.Join(t.TempDir(), "x.zip"), "--sample", "1", "--seed", auditorsSeed, "--log-size", number(size-2)); err == nil {
		t.Error("a bundle is made of a log size of which there is no checkpoint, or no draw")
	}
	w.verified(t, third, "--checkpoint", first)
}

// Whoever draws until a sample pleases is found out: every draw is on record, and in the bundle.
func TestEveryDrawIsOnRecord(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	w.exported(t, "--sample", "2", "--seed", strings.Repeat("ab", 16))
	w.exported(t, "--sample", "2", "--seed", strings.Repeat("cd", 16))
	file, said := w.exported(t, "--confidence", "80%", "--tolerable", "50", "--by-class", "--seed", auditorsSeed)
	if !strings.Contains(said, "The sample has 2 of them") {
		t.Errorf("export says:\n%s", said)
	}
	draws := rows(t, file, "draws.csv")
	if len(draws) != 3 || draws[0]["seed"] != strings.Repeat("ab", 16) || draws[2]["seed"] != auditorsSeed || draws[2]["sizes"] != "agent: 1, no pull request: 1" {
		t.Errorf("the draws are %+v", draws)
	}
	sample := rows(t, file, "sample.csv")
	if len(sample) != 2 || sample[0]["stratum"] != "agent" || sample[1]["stratum"] != "no pull request" {
		t.Errorf("the sample is %+v", sample)
	}
	w.verified(t, file)
}

// Without an auditor's seed the sample waits until the log goes on after the period.
func TestSeedOfTheLog(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	mustDo(t, w.greenPull(t, "in the period").Merge(w.bob, "squash"))
	w.mustSettle(t)
	if said, err := w.export(filepath.Join(t.TempDir(), "x.zip"), "--sample", "1"); err == nil || !strings.Contains(err.Error(), "nothing was recorded after the period yet") {
		t.Errorf("a sample is drawn by a seed that can be foreseen: %v\n%s", err, said)
	}
	w.later(48 * time.Hour)
	w.greenPull(t, "after the period")
	file, _ := w.exported(t, "--sample", "1")
	if draws := rows(t, file, "draws.csv"); len(draws) != 1 || draws[0]["seed_by"] != "log" || len(draws[0]["seed"]) != 64 {
		t.Errorf("the draws are %+v", draws)
	}
	w.verified(t, file)
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "some")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--sample", "3", "--confidence", "95"}, "not both"},
		{[]string{"--seed", auditorsSeed}, "go with --sample"},
		{[]string{"--org", "nobody"}, `no organisation "nobody"`},
		{[]string{"--from", day(3)}, "the period ends before it begins"},
		{[]string{"--from", "yesterday"}, "write it as"},
		{[]string{"--key", "missing"}, "signing key"},
		{[]string{"--confidence", "95", "--tolerable", "5", "--seed", auditorsSeed}, "nothing reached an enrolled branch"},
	} {
		file := filepath.Join(t.TempDir(), "x.zip")
		said, err := w.export(file, tt.args...)
		if err == nil || !strings.Contains(said+err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q\n%s", tt.args, err, tt.want, said)
		}
		if left, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(left) > 0 {
			t.Errorf("%v: %v is left behind", tt.args, left)
		}
	}
}

// A period in which nothing happened is a bundle too.
func TestExportOfNothing(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "not merged")
	file, said := w.exported(t)
	if got := w.verified(t, file); got.Report.Manifest.Counts != (evidence.Counts{}) || !strings.Contains(said, "0 changes") {
		t.Errorf("verified: %+v\n%s", got.Report.Manifest.Counts, said)
	}
}

// The bundle that other packages' tests take apart.
func TestBundleOfTestdata(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "testdata", "bundle")
	if !*update {
		if _, err := os.Stat(filepath.Join(folder, "acme.zip")); err != nil {
			t.Fatalf("%v: make it with -update", err)
		}
		return
	}
	w := startAcme(t, fast)
	witness := startWitness(t, "one.example/w")
	w.witnessed(t, witness)
	mustDo(t, w.greenPull(t, "merged first").Merge(w.bob, "squash"))
	mustDo(t, w.greenPull(t, "merged second").Merge(w.bob, "merge"))
	w.mustSettle(t)
	early, _, err := w.server.store.Tenant(w.org.ID()).Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pr := w.copilotPullIn(w.sandbox, "held")
	w.mustSettle(t)
	mustDo(t, pr.Merge(w.dave, "squash"))
	w.mustSettle(t)
	w.sandbox.Push("main", w.dave, ghsim.Commit{Message: "quick fix", Files: map[string]string{"fix.go": "package fix\n"}})
	w.mustSettle(t)
	file, _ := w.exported(t, "--sample", "3", "--seed", auditorsSeed)
	w.server.worker.AskWitnesses(t.Context())
	file, _ = w.exported(t, "--sample", "3", "--seed", auditorsSeed, "--log-size", number(w.verified(t, file).Report.Manifest.LogSize))
	whole, _ := w.exported(t)
	for name, content := range map[string][]byte{
		"acme.zip": mustRead(t, file), "whole.zip": mustRead(t, whole), "log.key": mustRead(t, filepath.Join(w.folder, "countersign.key")), "early.checkpoint": early,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
