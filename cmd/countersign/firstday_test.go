package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

	if r := w.firstDayReport(t); r.All.Looked != 0 || r.NotEnrolled == 0 {
		t.Errorf("without a policy: %+v", r)
	}
	w.enrol(repo, "main")
	w.mustSettle(t)
	if r := w.firstDayReport(t, "--days", "60"); fmt.Sprint(answers(r)) != fmt.Sprint(want) || r.PolicySHA256 != "" {
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

// The overview shows the newest report to those who manage the organisation, and how to make one.
func TestTheFirstDayOnTheOverview(t *testing.T) {
	t.Parallel()
	w := startLookedBack(t)
	repo := w.old100(t)
	w.installed()
	w.enrol(repo, "main")
	w.mustSettle(t)
	b, page := w.signIn(t, w.carol)
	if !strings.Contains(page, "countersign firstday --org acme") || !strings.Contains(page, "No report was made") {
		t.Errorf("before there is one: %s", page)
	}
	r := w.firstDayReport(t)
	b.wantPage("/orgs/acme/overview", http.StatusOK, []string{"As of " + r.At.Format("2006-01-02 15:04:05 UTC") + ", and no evidence", "the policies in force", "of 6 merged pull requests",
		"Would have been held: 4 of 4", fmt.Sprintf("%s/acme/old/pull/%d", w.sim.URL(), r.Held[0].Number), "no agent indicator found", "written by an agent"}, "by an agent</a>", "No report was made")
	erin := w.sim.User("erin")
	repo.Collaborator(erin, "read")
	if _, page := w.signIn(t, erin); strings.Contains(page, "firstday") || strings.Contains(page, "first-day") {
		t.Errorf("a viewer sees %s", page)
	}
	if file, _ := w.exported(t); !w.verified(t, file).OK || bytes.Contains(inBundle(t, file, "index.html"), []byte("would have been held")) {
		t.Error("the bundle is not as it was")
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
