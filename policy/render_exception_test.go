package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func anException() ExceptionText {
	return ExceptionText{
		ID: "00000000-0000-4000-8000-000000000000", Kind: "direct-push", Severity: SeverityHigh, Owner: "alice", Ref: "main", SHA: strings.Repeat("a", 40),
		Reason: "carol pushed to main directly, from 1111111 to aaaaaaa, without a pull request being merged.", DueAt: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
	}
}

// What people read of an exception on GitHub is as it was when they read it first.
func TestExceptionTextsGolden(t *testing.T) {
	x, late := anException(), anException()
	late.Kind, late.ByReview, late.Number, late.Owner = "sla-breach", true, 12, ""
	late.Reason = "A change with the traces of an AI agent was ready for review at 2026-11-25 08:00 UTC, and no independent person had reviewed it by 2026-11-25 12:00 UTC."
	var b strings.Builder
	show := func(what, text string) { b.WriteString("-- " + what + " --\n" + text) }
	for _, x := range []ExceptionText{x, late} {
		title, body := x.Issue()
		show(x.Kind+": issue", title+"\n\n"+body)
		show(x.Kind+": overdue", x.Overdue())
	}
	show("remediated", x.Settled(MarkRemediated, "The branch is protected again."))
	show("closed", x.Settled(MarkClosed, "Reverted in #42."))
	show("not closed", x.NotClosed("it is about what carol did, so somebody else closes it.", x.DueAt))
	path := filepath.Join("..", "testdata", "policy", "exceptions.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Names of branches and logins are written by whoever makes them.
func TestExceptionTextsAreEscaped(t *testing.T) {
	x := anException()
	x.Ref = "x`-->@everyone<img src=x>|\n# hi"
	x.Reason, x.Owner, x.Kind = x.Ref, x.Ref, x.Ref
	_, body := x.Issue()
	for what, text := range map[string]string{"issue": body, "overdue": x.Overdue(), "settled": x.Settled(MarkClosed, x.Ref), "not closed": x.NotClosed(x.Ref, x.DueAt)} {
		text = strings.ReplaceAll(text, "<!-- countersign exception ", "")
		for _, bad := range []string{"<img", "@everyone", "\n# hi"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %q:\n%s", what, bad, text)
			}
		}
		if strings.Count(text, "-->") != 1 {
			t.Errorf("%s ends a comment more than once:\n%s", what, text)
		}
	}
}
