package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// asks asks for a bundle on the page, and waits until it was looked at. It returns where its page is.
func (b *browser) asks(w *acme, form url.Values) string {
	b.t.Helper()
	at := b.sends("/orgs/acme/evidence/bundles", form)
	if !strings.Contains(at, "/bundles/") {
		b.t.Fatalf("asking for a bundle leads to %q", at)
	}
	b.done(w, at)
	return at
}

// sends posts a form and returns where it leads, without going there: what a page shows by then, and so
// whether the log says that it was read, would be a matter of time.
func (b *browser) sends(path string, form url.Values) (to string) {
	b.t.Helper()
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		to = r.URL.Path
		return http.ErrUseLastResponse
	}
	defer func() { b.client.CheckRedirect = nil }()
	if status, page := b.post(path, form); status != http.StatusSeeOther {
		b.t.Fatalf("%s gave %d: %s", path, status, page)
	}
	return to
}

// done waits until nobody is at a bundle.
func (b *browser) done(w *acme, at string) {
	b.t.Helper()
	n, id := w.server.store.Tenant(w.org.ID()), filepath.Base(at)
	w.waitUntil(b.t, func() bool {
		got, err := n.Bundle(b.t.Context(), id)
		return err == nil && !got.Busy(w.now())
	})
}

// made has a bundle made that was looked at.
func (b *browser) made(w *acme, at string) {
	b.t.Helper()
	b.sends(at, nil)
	b.done(w, at)
}

var grantLink = regexp.MustCompile(`value="` + publicURL + `(/audit/[A-Za-z0-9_-]{43})"`)

// An admin lets an auditor in, who sees their time and nothing else, exports and verifies it; and the
// log says so.
func TestAuditorsPath(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	mustDo(t, w.greenPull(t, "<b>in time</b>").Merge(w.bob, "squash"))
	w.mustSettle(t)
	w.sandbox.Push("main", w.dave, ghsim.Commit{Message: "quick fix", Files: map[string]string{"fix.go": "package fix\n"}})
	w.mustSettle(t)
	admin, _ := w.signIn(t, w.carol)
	if status, page := admin.post("/orgs/acme/evidence/grants", url.Values{"name": {"Jo"}, "from": {day(-1)}, "to": {day(0)}, "until": {day(-1)}}); status != http.StatusBadRequest {
		t.Errorf("a grant that is over: got %d: %s", status, page)
	}
	status, page := admin.post("/orgs/acme/evidence/grants", url.Values{"name": {"Jo <Doe>"}, "from": {day(-1)}, "to": {day(0)}, "until": {day(9)}})
	link := grantLink.FindStringSubmatch(page)
	if status != http.StatusOK || link == nil || !strings.Contains(page, "Jo &lt;Doe&gt;") {
		t.Fatalf("a grant gave %d: %s", status, page)
	}
	admin.wantPage("/orgs/acme/evidence/grants", http.StatusOK, []string{"Jo &lt;Doe&gt;", "is open", "Revoke"}, link[1])
	// What comes after the auditor's time is not theirs.
	w.later(72 * time.Hour)
	later := w.wantCheck(t, w.copilotPull("after their time"), "in_progress")

	auditor := w.newBrowser(t)
	auditor.wantPage(link[1], http.StatusOK, []string{"Evidence for Jo &lt;Doe&gt;", "You can change nothing"})
	if status, page := auditor.post(link[1], nil); status != http.StatusOK || !strings.Contains(page, "Changes") {
		t.Fatalf("the link gave %d: %s", status, page)
	}
	auditor.wantPage("/orgs/acme/changes", http.StatusOK, []string{"in time"}, "after their time")
	auditor.wantPage(strings.TrimPrefix(later.DetailsURL, publicURL), http.StatusNotFound, nil, "after their time")
	auditor.wantPage("/orgs/acme/evidence", http.StatusOK, []string{`min="` + day(-1) + `"`}, "Let an auditor in")
	auditor.wantPage("/orgs/acme/evidence/grants", http.StatusNotFound, nil)
	auditor.wantPage("/orgs/acme/ledger", http.StatusOK, []string{"countersign.demo/", "let an auditor in"})
	for _, form := range []url.Values{
		{"from": {day(-1)}, "to": {day(1)}},
		{"from": {day(-2)}, "to": {day(0)}},
		{"from": {day(0)}, "to": {day(-1)}},
		{"from": {day(-1)}, "to": {day(0)}, "sample": {"plan"}, "confidence": {"95"}, "tolerable": {"5"}, "expected": {"6"}},
		{"from": {day(-1)}, "to": {day(0)}, "sample": {"size"}, "size": {"2"}, "seed": {"5e"}},
	} {
		if status, page := auditor.post("/orgs/acme/evidence/bundles", form); status != http.StatusBadRequest {
			t.Errorf("%v: got %d: %s", form, status, page)
		}
	}
	at := auditor.asks(w, url.Values{"from": {day(-1)}, "to": {day(0)}, "sample": {"plan"}, "confidence": {"80"}, "tolerable": {"50"}, "seed": {auditorsSeed}})
	auditor.wantPage(at, http.StatusOK, []string{"Yes, as far as the records tell", "a checkpoint of all of them is signed", "2 of 2 changes will be drawn", "Control matrix", "acme/sandbox: direct push to main",
		"nothing is tested for it here", "Make the bundle"}, "after their time", "Download (")
	auditor.made(w, at)
	auditor.wantPage(at, http.StatusOK, []string{"It is made", "Download ("})
	status, file := auditor.get(at + "/file")
	report, err := evidence.Verify(strings.NewReader(file), int64(len(file)), evidence.Trust{})
	if status != http.StatusOK || err != nil || report.Manifest.Counts.Sample != 2 || report.Manifest.Counts.Population != 2 || !report.DocumentsCompared {
		t.Fatalf("the file: %d, %v, %+v", status, err, report.Manifest.Counts)
	}
	admin, _ = w.signIn(t, w.carol)
	admin.wantPage("/orgs/acme/evidence", http.StatusOK, []string{"seed of the auditor", "Jo &lt;Doe&gt; on grant"})
	// All that they read is in the log.
	accesses, _, err := w.server.store.Tenant(w.org.ID()).Accesses(t.Context())
	orFatal(t, err)
	var did []string
	for _, a := range accesses {
		var q struct{ Page string }
		orFatal(t, json.Unmarshal(a.Query, &q))
		if a.By.User == "Jo <Doe>" {
			did = append(did, strings.TrimSpace(a.What+" "+strings.Replace(q.Page, at, "BUNDLE", 1)))
		}
	}
	if got, want := strings.Join(did, "\n"), strings.Join([]string{"read /orgs/acme/overview", "read /orgs/acme/changes", "read /orgs/acme/evidence", "read /orgs/acme/ledger", "read BUNDLE", "export", "read BUNDLE", "read BUNDLE/file"}, "\n"); got != want {
		t.Errorf("the log has\n%s\nwant\n%s", got, want)
	}
	// Once it is revoked, nothing is theirs.
	status, page = admin.post("/orgs/acme/evidence/grants/"+accesses[len(accesses)-1].By.Host[len("grant "):]+"/revoke", nil)
	if status != http.StatusOK || !strings.Contains(page, "was revoked") {
		t.Errorf("revoking gave %d: %s", status, page)
	}
	auditor.wantPage(at+"/file", http.StatusUnauthorized, nil)
}

// A bundle is made on the page as the command makes it, also after whoever made it was killed.
func TestBundleOfAPage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	mustDo(t, w.greenPull(t, "a change").Merge(w.bob, "squash"))
	w.mustSettle(t)
	admin, _ := w.signIn(t, w.carol)
	viewer, _ := w.signIn(t, w.alice)
	viewer.wantPage("/orgs/acme/evidence", http.StatusNotFound, nil)
	viewer.wantPage("/orgs/acme/ledger", http.StatusNotFound, nil)
	viewer.wantPage("/orgs/acme/changes", http.StatusOK, nil, "/orgs/acme/evidence", "/orgs/acme/ledger")
	at := admin.asks(w, url.Values{"from": {day(-1)}, "to": {day(0)}})
	viewer.wantPage(at, http.StatusNotFound, nil)
	admin.wantPage(at, http.StatusOK, []string{"The period is not over in the log", "So far, as far as the records tell", "decisions: 1)"})
	nothing := admin.asks(w, url.Values{"from": {"2020-01-01"}, "to": {"2020-12-31"}, "sample": {"plan"}, "confidence": {"95"}, "tolerable": {"5"}})
	admin.wantPage(nothing, http.StatusOK, []string{"Not everything.", "What reached it before it was enrolled is not known", "Nothing can be drawn:", "so there is nothing to draw from"}, "Yes, as far as")
	admin.made(w, nothing)
	admin.wantPage(nothing, http.StatusOK, []string{"It failed.", "Nothing reached an enrolled branch", "Try again"}, "Download (")
	// Whoever made it is killed after the size of the log was fixed.
	n, id := w.server.store.Tenant(w.org.ID()), filepath.Base(at)
	killed, err := n.TakeBundle(t.Context(), id, "dead/1")
	orFatal(t, err)
	_, killed.LogSize, err = n.NewestCheckpoint(t.Context())
	orFatal(t, err)
	orFatal(t, n.KeepBundle(t.Context(), killed))
	admin.wantPage(at, http.StatusOK, []string{"waits for its turn", `hx-trigger="every 1s"`}, "Try again")
	if status, _ := admin.post(at, nil); status != http.StatusBadRequest {
		t.Errorf("somebody is at it: got %d", status)
	}
	w.later(time.Minute)
	w.greenPull(t, "meanwhile")
	admin.wantPage(at, http.StatusOK, []string{"It was interrupted", "dead/1", "Try again"}, "every 1s")
	admin.made(w, at)
	_, file := admin.get(at + "/file")
	command := filepath.Join(t.TempDir(), "same.zip")
	var said bytes.Buffer
	env := func(name string) string { return map[string]string{"GITHUB_WEB_URL": w.sim.URL()}[name] }
	if err := run(t.Context(), []string{"export", "--org", "acme", "--from", day(-1), "--to", day(0), "--log-size", number(killed.LogSize), "--database", w.database(),
		"--key", filepath.Join(w.folder, "countersign.key"), "-o", command}, env, nil, &said, &said); err != nil {
		t.Fatalf("export: %v\n%s", err, &said)
	}
	if want := string(mustRead(t, command)); file != want {
		t.Errorf("the page's bundle has %d bytes, and is not the command's of %d", len(file), len(want))
	}
	// The file goes, and the page says so.
	mustDo(t, os.Remove(filepath.Join(w.folder, "bundles", id+".zip")))
	admin.wantPage(at, http.StatusOK, []string{"Its file is not at this server", "Make it again"})
	admin.wantPage(at+"/file", http.StatusBadRequest, []string{"was deleted"})
	w.later(25 * time.Hour)
	orFatal(t, w.server.bundles.sweep(t.Context()))
	admin, _ = w.signIn(t, w.carol)
	admin.wantPage(at, http.StatusOK, []string{"not known any more"})
	admin.wantPage("/orgs/acme/ledger", http.StatusOK, []string{"took a bundle", "made a bundle", "carol", "Nobody is asked to cosign"})
	report, err := n.CheckLedger(t.Context(), func(int64, int64) {})
	if err != nil || report.FirstBad != nil || report.Kinds[store.LeafAccess] != 3 {
		t.Errorf("the log: %+v, %v", report, err)
	}
}
