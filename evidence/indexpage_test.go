package evidence

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

// brokenLog is a log of a period in which a push is missing between two others, the branch could
// not be seen for a while, and one record was disposed of. A reason has text that would like to be
// more than text.
func brokenLog(t *testing.T) *findings {
	t.Helper()
	push := func(id int, before, after string) string {
		return fmt.Sprintf(`{"v":1,"update":{"v":1,"repository_id":7,"repository":"acme/shop","ref":"main","mode":"enforce","id":%d,"type":"push","before":%q,"after":%q,"at":"2026-03-02T12:40:00Z","changes":{"complete":true}},"findings":[{"kind":"direct-push","severity":"high","reason":"<script>alert(1)</script> pushed \u202egnp.exe"}]}`, id, before, after)
	}
	c := contents{origin: "log.example/7", query: Query{From: noon, To: noon.AddDate(0, 0, 1)}}
	for i, r := range []struct{ kind, body string }{
		{leafMerge, push(1, "aaaaaaaaaa", "bbbbbbbbbb")},
		{leafMerge, push(2, "cccccccccc", "dddddddddd")},
		{leafException, `{"id":"e1","kind":"blind-interval","state":"open","repository_id":7,"repository":"acme/shop","ref":"main","reason":"Nothing could be read for <b>an hour</b>.","opened_at":"2026-03-02T12:50:00Z","step":"opened","by":"countersign"}`},
		{leafMerge, ""},
		{leafDisposal, `{"v":1,"reason":"retention","records":1,"leaves":[[3,3]]}`},
	} {
		l := ledger.Leaf{V: ledger.LeafVersion, Kind: r.kind, Seq: int64(i), RecordedAt: noon, BodySHA256: strings.Repeat("0", 64)}
		raw, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.leaf(l, raw); err != nil {
			t.Fatal(err)
		}
		body := []byte(r.body)
		if r.body == "" {
			body = nil
		}
		if err := c.record(l, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.disposals.settle(c.query); err != nil {
		t.Fatal(err)
	}
	f, err := c.derive("acme", "https://github.example", recordedDecisions{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func made(t *testing.T, f *findings, name string) string {
	t.Helper()
	for _, d := range f.documents() {
		if d.name == name {
			b, err := d.make()
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

// What is missing is said, and never that nothing is.
func TestFirstPageSaysWhatIsMissing(t *testing.T) {
	page := made(t, brokenLog(t), "index.html")
	for _, want := range []string{
		"The evidence is not complete.", "1 (times at which a branch could not be seen", "Nothing could be read for &lt;b&gt;an hour&lt;/b&gt;.", "1 (places at which", "<code>bbbbbbbbbb</code></td><td><code>cccccccccc</code>",
		"1 (records of the period whose content was disposed of",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "Nothing that is known of.") {
		t.Error("the page says that nothing is missing")
	}
}

func TestPagesShowTextAsText(t *testing.T) {
	page := made(t, brokenLog(t), "changes/acme-shop-update-1.html")
	if !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt; pushed �gnp.exe") || strings.Contains(page, "<script") || strings.Contains(page, "\u202e") {
		t.Errorf("the reason is not shown as it is:\n%s", page)
	}
}

// Names of files are names of documents, whatever a repository is called, and told apart.
func TestNamesOfPages(t *testing.T) {
	for _, x := range []struct {
		repository string
		number     int
		want       string
	}{
		{"acme/shop", 10, "changes/acme-shop-10-3.html"},
		{"acme/shop", 0, "changes/acme-shop-update-3.html"},
		{"../../etc", 1, "changes/etc-1-3.html"},
		{"", 1, "changes/repository-1-3.html"},
		{"acme/ü\n<x>", 1, "changes/acme----x--1-3.html"},
	} {
		got := change{number: x.number, update: update{repository: x.repository, id: 3}}.pageName()
		if got != x.want || !isDocument(got) {
			t.Errorf("%q: got %s, want %s", x.repository, got, x.want)
		}
	}
}

// What is shown as good was let in by a decision that could have held it.
func TestOutcomeOfAChange(t *testing.T) {
	in := change{number: 1, decision: 0, verdict: policy.VerdictPass, update: update{kind: policy.UpdateMerge, mode: policy.ModeEnforce, group: -1}}
	audit, undecided, found, push, queue := in, in, in, in, in
	audit.update.mode, audit.verdict = policy.ModeAudit, policy.VerdictFail
	undecided.decision = -1
	found.kinds = []string{policy.FindingWhileFailing}
	push.number, push.update.kind = 0, policy.UpdatePush
	queue.decision, queue.update.group = -1, 4
	for _, x := range []struct {
		name       string
		c          change
		tone, says string
	}{
		{"let in", in, "good", "A decision let the change in"},
		{"let in by the queue", queue, "good", "A decision let the change in"},
		{"audit", audit, "open", "nothing is held"},
		{"undecided", undecided, "bad", "no decision about it had been recorded"},
		{"with a finding", found, "bad", "see what was found"},
		{"a push", push, "bad", "without a pull request"},
	} {
		if x.c.tone() != x.tone || !strings.Contains(x.c.outcome(), x.says) {
			t.Errorf("%s: got %s, %q; want %s, %q", x.name, x.c.tone(), x.c.outcome(), x.tone, x.says)
		}
	}
}

func TestHeldBy(t *testing.T) {
	audited := []enrolled{{Mode: "audit"}, {Mode: "enforce"}, {Mode: "audit"}}
	for want, l := range map[string]branchLine{"": {}, "audit, enforce": {Enrolled: audited}, "enforce": {Modes: []string{"enforce"}, Enrolled: audited}} {
		if got := strings.Join(l.HeldBy(), ", "); got != want {
			t.Errorf("held by %q, want %q", got, want)
		}
	}
}
