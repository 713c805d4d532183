package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// firstDay runs countersign firstday with the settings of the server.
func (w *acme) firstDay(t *testing.T, more ...string) (said string, code int) {
	t.Helper()
	settings, err := w.settings()
	mustDo(t, err)
	var out, errs bytes.Buffer
	err = run(t.Context(), append([]string{"firstday", "--org", "acme"}, more...), func(name string) string { return settings[name] }, nil, &out, &errs)
	code = exitCode(err, &errs)
	return out.String() + errs.String(), code
}

// firstDayReport is the report as JSON.
func (w *acme) firstDayReport(t *testing.T, more ...string) (r policy.FirstDay) {
	t.Helper()
	said, code := w.firstDay(t, append(more, "--json")...)
	dec := json.NewDecoder(strings.NewReader(said))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil || code != 0 {
		t.Fatalf("exit code %d: %v\n%s", code, err, said)
	}
	return r
}

// merged merges a pull request of which nobody was told.
func (w *lookedBack) merged(t *testing.T, repo *ghsim.Repo, title string, before func(pr pull)) pull {
	t.Helper()
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: title, Head: slug(title), Author: w.dave, Commits: []ghsim.Commit{file(slug(title))}})
	before(pr)
	mustDo(t, pr.Merge(w.carol, "squash"))
	return pr
}

// old100 is a repository with a past of a hundred days, of which no delivery tells.
func (w *lookedBack) old100(t *testing.T) *ghsim.Repo {
	t.Helper()
	w.on(100)
	repo := w.old("old", "main")
	w.merged(t, repo, "too long ago", func(pull) {})
	w.on(50)
	tested := func(pr pull) { w.test(pr, "success") }
	approved := func(pr pull) { tested(pr); pr.Approve(w.bob) }
	w.merged(t, repo, "approved", approved)
	w.merged(t, repo, "nobody approved", tested)
	w.merged(t, repo, "not tested", func(pr pull) { pr.Approve(w.bob) })
	w.merged(t, repo, "approved, then pushed", func(pr pull) {
		pr.Approve(w.bob)
		pr.Push(w.dave, file("more"))
		tested(pr)
	})
	pr := w.copilotPullIn(repo, "by an agent")
	mustDo(t, pr.Merge(w.carol, "squash"))
	late := w.merged(t, repo, "approved afterwards", tested)
	w.on(40)
	late.Approve(w.bob)
	repo.Push("elsewhere", w.carol)
	other := repo.OpenPullRequest(ghsim.PullSpec{Title: "elsewhere", Head: "to-elsewhere", Base: "elsewhere", Author: w.dave, Commits: []ghsim.Commit{file("x")}})
	mustDo(t, other.Merge(w.carol, "squash"))
	return repo
}

// answers are what is said of each change, by its title.
func answers(r policy.FirstDay) map[string]string {
	out := map[string]string{}
	for answer, list := range map[string][]policy.FirstDayChange{"held": r.Held, "not known": r.NotKnown} {
		for _, c := range list {
			var rules []string
			for _, rule := range c.Rules {
				rules = append(rules, rule.Rule)
			}
			slices.Sort(rules)
			out[c.Title] = strings.TrimSpace(answer + " " + strings.Join(rules, " "))
		}
	}
	return out
}

// What was merged before the installation is judged as of today, by a draft before there is a policy
// and by the policy when there is one, and nothing is written or recorded.
func TestTheFirstDay(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	repo := w.old100(t)
	w.installed()
	repo.Push("main", w.carol, file("told")) // so that the App is heard of
	w.mustSettle(t)
	draft := filepath.Join(t.TempDir(), "draft.yml")
	mustDo(t, os.WriteFile(draft, []byte(shopPolicy), 0o600))
	before := w.decisions(t)
	w.sim.ResetRequests()

	r := w.firstDayReport(t, "--policy", draft)
	want := map[string]string{
		"nobody approved":       "held fresh-review human-review",
		"not tested":            "held validated",
		"approved afterwards":   "held fresh-review human-review",
		"Copilot: by an agent":  "held fresh-review human-review",
		"approved, then pushed": "not known fresh-review",
	}
	if got := answers(r); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("by a draft:\n got %v\nwant %v", got, want)
	}
	if r.All != (policy.FirstDayCounts{Looked: 6, Held: 4, Unknown: 1, Nothing: 1}) || r.NotEnrolled != 1 || r.Left != 0 || len(r.Unread) != 0 || r.PolicySHA256 == "" {
		t.Errorf("by a draft: %+v", r)
	}
	if r.Held[0].Title != "Copilot: by an agent" || r.Held[0].Class != policy.ClassAgent || r.Rules[0].Held != 3 || len(r.Branches) != 1 || r.Branches[0].Protected != policy.No {
		t.Errorf("by a draft: %+v", r)
	}
	for _, q := range w.sim.Requests() {
		if read := requestName(q.Route, q.Query, q.Body); read == "" && !strings.HasSuffix(q.Route, "/access_tokens") {
			t.Errorf("it writes: %s", q.Route)
		}
	}
	if after := w.decisions(t); after != before {
		t.Errorf("%d decisions are on record, want %d", after, before)
	}

	// Without one it is judged by the one to begin with, which does not know the tests.
	toBegin := maps.Clone(want)
	delete(toBegin, "not tested")
	r = w.firstDayReport(t)
	if got := answers(r); fmt.Sprint(got) != fmt.Sprint(toBegin) || r.All.Looked != 6 || r.NotEnrolled != 1 || r.PolicySHA256 != "" {
		t.Errorf("without a policy: %+v\n got %v\nwant %v", r, got, toBegin)
	}
	if len(r.Branches) != 1 || !r.Branches[0].Beginning || !r.Branches[0].Untested || r.Beginning != "version: 1\nmode: audit\nbranches: [main]\n" {
		t.Errorf("without a policy: %+v", r)
	}
	if said, code := w.firstDay(t); code != 0 || !strings.Contains(said, "by the policy to begin with: the repository has none") || !strings.Contains(said, "no test is required") {
		t.Errorf("without a policy: exit code %d\n%s", code, said)
	}
	w.enrol(repo, "main")
	w.mustSettle(t)
	if r := w.firstDayReport(t, "--days", "60"); fmt.Sprint(answers(r)) != fmt.Sprint(want) || r.PolicySHA256 != "" || r.Branches[0].Beginning || r.Branches[0].Untested {
		t.Errorf("by the policy: %+v", r)
	}
	said, code := w.firstDay(t)
	for _, want := range []string{"as of today", "     4 would have been held", "     1 not known", "nothing found that would have held them", "no agent indicator found", w.sim.URL() + "/acme/old/pull/", "human-review: 1 approval needed"} {
		if !strings.Contains(said, want) || code != 0 {
			t.Errorf("exit code %d, and it does not say %q:\n%s", code, want, said)
		}
	}
}

// What cannot be read is not known, and never what nothing was found of.
func TestTheFirstDayWithoutAnswers(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	repo := w.old100(t)
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	whole := w.firstDayReport(t)
	for name, fault := range map[string]ghsim.Fault{
		"the changes":             {Route: "POST /graphql", Status: 500, Only: queries("Change")},
		"the changes, refused":    {Route: "POST /graphql", Status: 403, Only: queries("Change")},
		"the last commits":        {Route: "GET /repos/{owner}/{repo}/commits/{sha}/check-runs", Status: 404},
		"the roles":               {Route: "GET /repos/{owner}/{repo}/collaborators/{username}/permission", Status: 500},
		"the policy":              {Route: "GET /repos/{owner}/{repo}/contents/{path...}", Status: 500},
		"what was merged":         {Route: "POST /graphql", Status: 500, Only: queries("MergedPulls")},
		"what was merged, not so": {Route: "POST /graphql", Malformed: true, Only: queries("MergedPulls")},
	} {
		repair := w.sim.Faults.Add(fault)
		r := w.firstDayReport(t)
		repair()
		unread := len(r.Unread) > 0 && r.All.Looked == 0
		if !unread && (r.All.Unknown == 0 || r.All.Unknown < whole.All.Unknown) || r.All.Nothing > 0 {
			t.Errorf("%s: %+v, unread %v", name, r.All, r.Unread)
		}
		for _, c := range r.NotKnown {
			if c.Why == "" && len(c.Rules) == 0 {
				t.Errorf("%s: #%d does not say why", name, c.Number)
			}
		}
	}
	w.sim.Faults.Add(ghsim.Fault{Route: "POST /graphql", Only: queries("Change"), Secondary: true, RetryAfter: time.Second, Times: 1})
	if said, code := w.firstDay(t); code != 0 || strings.Count(said, "The report goes on at") != 1 || !strings.Contains(said, fmt.Sprintf("%6d would have been held", whole.All.Held)) {
		t.Errorf("GitHub asks to wait: exit code %d\n%s", code, said)
	}
	w.sim.Faults.Add(ghsim.Fault{Route: "GET /installation/repositories", Status: 500})
	if said, code := w.firstDay(t); code != 1 {
		t.Errorf("no repository is listed: exit code %d\n%s", code, said)
	}
	for _, args := range [][]string{{"--days", "0"}, {"--days", "400"}, {"more"}} {
		if said, code := w.firstDay(t, args...); code != 2 {
			t.Errorf("%v: exit code %d\n%s", args, code, said)
		}
	}
}

// madeFirstDay is the report that is kept.
func (w *acme) madeFirstDay(t *testing.T) *policy.FirstDay {
	t.Helper()
	r, err := w.server.store.Tenant(w.org.ID()).FirstDay(t.Context())
	mustDo(t, err)
	return r
}

// The server makes the report when the App is installed, and once more when it sees more in which
// something was merged, but never unasked where the installation is from before. Those who manage the
// organisation see it, and administrators have it made anew.
func TestTheFirstDayOnTheOverview(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	repo := w.old100(t)
	w.installed()
	w.app.Hooks().Drop(func(event, _ string) bool { return event == "installation" })
	elsewhere := w.sim.Org("elsewhere").Owner(w.carol)
	w.app.Install(elsewhere)
	elsewhere.Repo("theirs", ghsim.RepoSpec{By: w.carol}).Push("main", w.carol, file("told"))
	w.mustSettle(t)
	w.app.Hooks().Drop(nil)
	const overview, ask = "/orgs/acme/overview", "/orgs/acme/first-day"
	b, _ := w.signIn(t, w.carol)
	b.wantPage("/orgs/elsewhere/overview", http.StatusOK, []string{"No report was made", "countersign firstday --org elsewhere", "Make the report"})

	w.app.Install(w.org).Remove()
	installed := w.app.Install(w.org, w.shop)
	w.mustSettle(t)
	b.wantPage(overview, http.StatusOK, []string{"Repositories that were looked through: 1. Nothing was merged there"}, "No report was made", "being made", "were added")
	first := w.madeFirstDay(t)
	installed.AddRepositories(w.robots)
	installed.AddRepositories(repo)
	w.mustSettle(t)
	b.wantPage(overview, http.StatusOK, []string{"Repositories were added. The report is made anew"})
	w.later(25 * time.Hour)
	w.mustSettle(t)
	b, _ = w.signIn(t, w.carol)
	r := w.madeFirstDay(t)
	if r.All != (policy.FirstDayCounts{Looked: 6, Held: 3, Unknown: 1, Nothing: 2}) || r.Repositories != 3 || !r.At.After(first.At) {
		t.Errorf("after repositories were added: %+v", r)
	}
	b.wantPage(overview, http.StatusOK, []string{"As of " + r.At.Format("2006-01-02 15:04:05 UTC") + ", and no evidence", "on the default branches of repositories that have none,", "branches: [main]", "of 6 merged pull requests",
		"no test is required, which is held against no change", "Would have been held: 3 of 3", fmt.Sprintf("%s/acme/old/pull/%d", w.sim.URL(), r.Held[0].Number), "written by an agent", "Make it again"}, "by an agent</a>", "were added", "being made")
	installed.AddRepositories(w.sandbox) // in which nothing was merged
	w.later(25 * time.Hour)
	w.mustSettle(t)
	if again := w.madeFirstDay(t); !again.At.Equal(r.At) {
		t.Errorf("for a repository without anything that was merged it was made again: %+v", again)
	}

	w.enrol(repo, "main")
	w.mustSettle(t)
	b, _ = w.signIn(t, w.carol)
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "POST /graphql", Status: 502, Only: queries("MergedPulls")})
	if status, page := b.post(ask, nil); status != http.StatusOK || !strings.Contains(page, "A report of the last 90 days is being made") {
		t.Errorf("asking for it: %d %s", status, page)
	}
	w.waitUntil(t, func() bool { return w.atRest(t) })
	b.wantPage(overview, http.StatusOK, []string{"0 of 4 repositories were looked through", "It did not go on: GitHub could not be read.", "Below is the one before"}, "Make it again")
	w.waitUntil(t, func() bool {
		_, page := b.get(overview)
		return strings.Contains(page, "It goes on at")
	})
	repair()
	w.mustSettle(t)
	b.wantPage(overview, http.StatusOK, []string{"the policies in force that day, with", "Would have been held: 4 of 4"}, "to begin with", "being made")

	erin := w.sim.User("erin")
	repo.Collaborator(erin, "read")
	viewer, page := w.signIn(t, erin)
	if status, _ := viewer.post(ask, nil); status != http.StatusNotFound || strings.Contains(page, "first-day") {
		t.Errorf("a viewer sees %s, and asking gives %d", page, status)
	}
	if file, _ := w.exported(t); !w.verified(t, file).OK || bytes.Contains(inBundle(t, file, "index.html"), []byte("would have been held")) {
		t.Error("the bundle is not as it was")
	}
	// One that is made by hand takes the place of one that is being made.
	mustDo(t, w.server.store.Tenant(w.org.ID()).AskFirstDay(t.Context()))
	byHand := w.firstDayReport(t, "--days", "60")
	w.mustSettle(t)
	if r := w.madeFirstDay(t); !r.Since.Equal(byHand.Since) {
		t.Errorf("after one by hand: %+v", r)
	}
}

// A server that is killed while it reads goes on from where it was, and there is one report.
func TestKilledWhileTheFirstDayIsRead(t *testing.T) {
	t.Parallel()
	const merges = 9
	p := startProcess(t)
	repo := p.old("old", "main")
	for i := range merges {
		p.mergedBefore(t, repo, fmt.Sprint("m", i), "squash")
	}
	p.app.Install(p.org).Remove()
	orFatal(t, p.sim.Drain(t.Context()))
	p.watch(t)
	p.waitUntil(t, func() bool { return p.atRest(t) })
	orFatal(t, p.server.store.Close())
	reached := p.killAt(t, "GET /repos/{owner}/{repo}/pulls/{number}/commits", 6)
	p.app.Install(p.org)
	reached()
	p.kill(t)
	p.sim.ResetRequests()
	p.later(time.Minute) // the leases of the dead have run out
	p.startAgain(t)
	p.mustSettle(t)
	if r := p.madeFirstDay(t); r.All.Looked != merges || r.Left != 0 || len(r.Unread) != 0 {
		t.Errorf("got %+v", r)
	}
	if n := p.asked("GET /repos/{owner}/{repo}/pulls/{number}/commits", ""); n == 0 || n >= merges {
		for _, q := range p.sim.Requests() {
			t.Log(q.Route, q.Path)
		}
		t.Errorf("%d of %d pull requests were read after the kill", n, merges)
	}
	at := p.madeFirstDay(t).At
	p.sim.ResetRequests()
	p.later(48 * time.Hour)
	p.mustSettle(t)
	if n := p.asked("GET /repos/{owner}/{repo}/pulls/{number}/commits", ""); n != 0 || !p.madeFirstDay(t).At.Equal(at) {
		t.Errorf("it was made again, by %d reads", n)
	}
}

// queries are the requests for a query of this name.
func queries(name string) func(*http.Request) bool {
	return func(q *http.Request) bool {
		body := readBody(q)
		return requestName("POST /graphql", "", body) == "POST /graphql of "+name
	}
}

// readBody is the body of a request, which stays there.
func readBody(q *http.Request) []byte {
	body, err := io.ReadAll(q.Body)
	q.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	return body
}
