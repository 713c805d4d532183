package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh/ghsim"
)

// unpacked is the bundle that the command writes of the world, after it was verified.
func (w *acme) unpacked(t *testing.T, flags ...string) map[string][]byte {
	t.Helper()
	file, _ := w.exported(t, flags...)
	if got := w.verified(t, file); !got.Report.DocumentsCompared {
		t.Fatal("the documents were not compared")
	}
	z, err := zip.OpenReader(file)
	mustDo(t, err)
	defer z.Close()
	files := map[string][]byte{}
	for _, f := range z.File {
		files[f.Name] = inBundle(t, file, f.Name)
	}
	return files
}

// column are the values of one column of a table, by another.
func column(t *testing.T, table []byte, by, of string) map[string]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]int{}
	for i, name := range rows[0] {
		place[name] = i
	}
	out := map[string]string{}
	for _, row := range rows[1:] {
		out[row[place[by]]] = row[place[of]]
	}
	return out
}

// What really happened in a repository comes out in the tables of the bundle, and again when it is
// verified.
func TestTablesOfABundle(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	erin := w.onCall(t)
	repo := w.guardedRepo("tables", shopPolicy+"emergency: {team: acme/oncall, via: [comment]}\n")
	merge := func(pr pull) {
		t.Helper()
		w.wantCheck(t, pr, released)
		mustDo(t, pr.Merge(w.carol, "merge"))
		w.mustSettle(t)
	}
	byAgent := w.copilotPullIn(repo, "cache prices")
	byAgent.Approve(w.bob)
	merge(byAgent)
	urgent := w.davesPull(repo, code)
	w.test(urgent, "failure")
	w.test(urgent, "success")
	declare(urgent, erin, urgent.HeadSHA())
	w.wantCheck(t, urgent, released)
	repo.Unprotect("main", w.carol)
	mustDo(t, urgent.Merge(w.carol, "merge"))
	w.mustSettle(t)
	urgent.Approve(w.bob)
	w.mustSettle(t)
	repo.Push("main", w.dave, ghsim.Commit{Message: "straight", Files: map[string]string{"straight.go": "package shop\n"}})
	w.mustSettle(t)

	files := w.unpacked(t, "--sample", "3", "--seed", "8f1c0b7a5d2e49638f1c0b7a5d2e4963")
	if got := column(t, files["agents.csv"], "agent", "vendor"); len(got) != 1 || got["copilot-cloud-agent"] != "GitHub" {
		t.Errorf("agents: %v", got)
	}
	if got := column(t, files["emergency.csv"], "way", "in_time"); len(got) != 2 || got["emergency"] != "yes" || got["direct push"] != "not due yet" {
		t.Errorf("emergencies: %v\n%s", got, files["emergency.csv"])
	}
	if got := column(t, files["emergency.csv"], "way", "ticket"); got["emergency"] != "INC-7" {
		t.Errorf("tickets: %v", got)
	}
	if got := attributesOf(t, files["attributes.csv"], byAgent); got != "A not applicable, B pass, C pass, D pass, E pass, F pass, G pass, H pass, I pass, J not applicable, K not recorded, L pass" {
		t.Errorf("the agent's: %s", got)
	}
	if got := attributesOf(t, files["attributes.csv"], urgent); !strings.Contains(got, "B not applicable, ") || !strings.Contains(got, "J pass, ") {
		t.Errorf("the urgent one: %s", got)
	}
	var metrics struct {
		Figures []struct {
			ID     string
			Series []struct{ Points []struct{ Value, Of int } }
		}
	}
	if err := json.Unmarshal(files["metrics.json"], &metrics); err != nil {
		t.Fatal(err)
	}
	for _, f := range metrics.Figures {
		if f.ID == "validation-failures" && fmt.Sprint(f.Series) != "[{[{1 3}]}]" {
			t.Errorf("failed of all attempts: got %v", f.Series)
		}
	}
}

// attributesOf are the results of a pull request's change, by letter.
func attributesOf(t *testing.T, table []byte, pr pull) string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, row := range rows[1:] {
		if row[3] == strconv.Itoa(pr.Number()) {
			out = append(out, row[9]+" "+row[11])
		}
	}
	return strings.Join(out, ", ")
}

func TestReplaceFlag(t *testing.T) {
	t.Parallel()
	env := environment{getenv: func(string) string { return "" }, stderr: io.Discard}
	args := []string{"--org", "acme", "--from", "2026-01-01", "--to", "2026-06-30", "-o", "x.zip", "--replace", "1/2/3=an import = no change", "--replace", "1/2/4="}
	if _, err := parseExport(args, env); !errors.Is(err, errUsage) {
		t.Errorf("without a sample: got %v", err)
	}
	o, err := parseExport(append(args, "--sample", "2"), env)
	if err != nil {
		t.Fatal(err)
	}
	want := []evidence.Replace{{ID: "1/2/3", Reason: "an import = no change"}, {ID: "1/2/4"}}
	if got := o.query.Sample.Replace; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
