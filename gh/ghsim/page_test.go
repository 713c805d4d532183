package ghsim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (w *world) page(path string) string {
	w.t.Helper()
	r := w.do("GET", w.URL()+path, "", nil)
	if r.status != 200 {
		w.t.Fatalf("%s: %d %s", path, r.status, r.body)
	}
	return string(r.body)
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{Approvals: 1, Checks: []Required{{"test", nil}}})
	pr := w.change("feature")
	pr.Edit(w.devin, "<script>alert(1)</script>", "hello <img src=x onerror=alert(1)>")
	w.do("POST", "/repos/acme/shop/check-runs", w.token, map[string]any{"name": "gate", "head_sha": pr.HeadSHA(), "conclusion": "failure",
		"output": map[string]string{"title": "Needs 1 approval", "summary": "| rule | result |\n|---|---|\n| `human-review` | **fail** |", "text": "## Seen\n- one\n- two"}})
	if got := w.page("/"); !strings.Contains(got, "/acme/shop") {
		t.Errorf("home: %s", got)
	}
	if got := w.page("/acme/shop"); !strings.Contains(got, "Needs 1 approval") {
		t.Errorf("repository: %s", got)
	}
	got := w.page("/acme/shop/pull/1")
	for _, want := range []string{"<td><code>human-review</code></td><td><b>fail</b></td>", "<li>one</li>", "Needs 1 approval", "at least 1 approving review", "alice"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(got, "<script>") || strings.Contains(got, "<img") {
		t.Error("the page repeats HTML of strangers")
	}
}

func TestPageButtons(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{Approvals: 1, DismissStale: true, Checks: []Required{{"test", nil}}})
	pr := w.change("feature")
	press := func(as, do string) string {
		form := url.Values{"as": {as}, "do": {do}, "message": {"by hand"}, "workflow": {".github/workflows/ci.yml"}, "job": {"test"}}
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.URL()+"/acme/shop/pull/1", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := press("devin-ai-integration[bot]", "approve"); !strings.Contains(got, "can not review their own") {
		t.Error("an author could approve")
	}
	if got := press("alice", "merge"); !strings.Contains(got, "GitHub refuses") {
		t.Error("merged past the gate")
	}
	before := pr.HeadSHA()
	press("alice", "push")
	if pr.HeadSHA() == before {
		t.Error("the push did nothing")
	}
	press("bob", "approve")
	press("bob", "fail")
	if len(pr.Blockers()) == 0 {
		t.Error("a failed validation does not block")
	}
	press("bob", "pass")
	press("alice", "merge")
	if _, merged := pr.Merged(); !merged {
		t.Errorf("not merged: %v", pr.Blockers())
	}
	if got := w.page("/acme/shop/pull/1"); !strings.Contains(got, "It was merged as") {
		t.Error("the page does not say that it was merged")
	}
}

func TestMarkdownLetsNothingThrough(t *testing.T) {
	for source, want := range map[string]string{
		"<script>x</script>":          "<p>&lt;script&gt;x&lt;/script&gt;</p>",
		"[a](javascript:alert(1))":    "<p>[a](javascript:alert(1))</p>",
		"&lt;b&gt; \\*not bold\\*":    "<p>&lt;b&gt; *not bold*</p>",
		"`<i>`":                       "<p><code>&lt;i&gt;</code></p>",
		"<details onclick=x>":         "<p>&lt;details onclick=x&gt;</p>",
		"<details>":                   "<details>",
		"[x](https://example.org/?a)": `<p><a href="https://example.org/?a">x</a></p>`,
		"| a |\n|---|\n| b \\| c |":   "<table><tr><th>a</th></tr><tr><td>b | c</td></tr></table>",
	} {
		if got := string(markdown(source)); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", source, got, want)
		}
	}
}
