package evidence

import (
	"bytes"
	"encoding/csv"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// rowsOf are the rows of a table of a bundle, by column.
func (p *period) rowsOf(f *findings, name string) (out []map[string]string) {
	p.t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(p.document(f, name))).ReadAll()
	p.must(err)
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, column := range lines[0] {
			row[column] = line[i]
		}
		out = append(out, row)
	}
	return out
}

func TestEmergencyTable(t *testing.T) {
	p := month(t, nil)
	f := p.findings()
	golden(t, "emergency.csv", p.document(f, "emergency.csv"))
	got := map[string]string{}
	for _, row := range p.rowsOf(f, "emergency.csv") {
		got[row["way"]+" "+row["pull_request"]] = row["in_time"]
	}
	for what, want := range map[string]string{
		"bypass 8": "no", "bypass 9": "no", "bypass 11": "no", "bypass 12": "no", "direct push ": "no", "emergency 13": "yes", "emergency 14": "no", "emergency 15": "no",
	} {
		if got[what] != want {
			t.Errorf("%s: in time %q, want %q", what, got[what], want)
		}
	}
	if len(got) != 8 {
		t.Errorf("got %v", got)
	}
}

// An emergency whose change did not reach a branch is listed all the same, and one that is not due
// is not late.
func TestEmergencyThatWasNotMerged(t *testing.T) {
	p := newPeriod(t, nil)
	p.exception(exception{ID: "alone", Kind: kindEmergency, Number: 21, SHA: "a2", Owner: "erin", OpenedAt: p.now, DueAt: p.now.Add(24 * time.Hour), Reason: "erin declared an emergency."})
	p.update(policy.UpdatePush, nil, nil)
	p.exception(exception{ID: "push", Kind: policy.FindingDirectPush, SHA: p.tip, OpenedAt: p.now, DueAt: p.now.Add(24 * time.Hour)})
	p.exception(exception{ID: "push", Kind: policy.FindingDirectPush, SHA: p.tip, OpenedAt: p.now, DueAt: p.now.Add(24 * time.Hour), State: exceptionClosed, Step: "closed", By: "carol", ClosedAt: p.now.Add(time.Hour), Remediation: "Reverted."})
	rows := p.rowsOf(p.findings(), "emergency.csv")
	if len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	if r := rows[0]; r["way"] != byDirectPush || r["in_time"] != "yes" || r["settled_by"] != "carol" || r["exception"] != "push" {
		t.Errorf("got %v", r)
	}
	if r := rows[1]; r["way"] != byEmergency || r["id"] != "" || r["declared_by"] != "erin" || r["in_time"] != "not due yet" || r["declarations_by_same"] != "1" {
		t.Errorf("got %v", r)
	}
}

// Who may bypass is said to be observable only where GitHub showed every list, and each was empty.
func TestBypassLists(t *testing.T) {
	for _, test := range []struct {
		name   string
		facts  func(*policy.Facts)
		nobody bool
	}{
		{"nobody may", nil, true},
		{"a list could not be read", func(f *policy.Facts) { f.Protection.Bypass[0].State = policy.BypassUnreadable }, false},
		{"somebody may", func(f *policy.Facts) { f.Protection.Bypass[0].State = policy.BypassThese }, false},
		{"the protection could not be read", func(f *policy.Facts) { f.Protection.Readable = false }, false},
		{"no list", func(f *policy.Facts) { f.Protection.Bypass = nil }, false},
	} {
		f := newPeriod(t, nil).facts(7, test.facts)
		if got := (onRecord{facts: f}).bypassLists() == "By what GitHub showed then, nobody may bypass the rules of the branch."; got != test.nobody {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
}
