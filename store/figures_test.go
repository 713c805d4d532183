package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// brought is the record of an update that brought pull requests, one for each of the given texts:
// the prior decision of each, as JSON.
func brought(kind string, changes ...string) string {
	var items []string
	for i, c := range changes {
		if c != "" {
			c = `,"before":` + c
		}
		items = append(items, fmt.Sprintf(`{"number":%d,"head_sha":"h%d"%s}`, i+1, i+1, c))
	}
	return fmt.Sprintf(`{"update":{"repository":"acme/app","type":%q,"changes":{"items":[%s],"complete":true}},"findings":[]}`, kind, strings.Join(items, ","))
}

// reached records an update of a branch.
func reached(t testing.TB, s *Store, repoID, id int64, at time.Time, body string) {
	t.Helper()
	a := arrival(fmt.Sprintf("%d/%d", repoID, id), acme, 1, "x")
	a.Changes, a.Observation, a.RepoID = nil, nil, repoID
	a.Marks = []Mark{{Kind: KindBranch, OrgID: acme, InstallationID: 5, RepoID: repoID, Repository: "acme/app", Ref: "main"}}
	receive(t, s, a)
	job := claim(t, s, acme, KindBranch, fmt.Sprintf("%d/main", repoID))
	ok(t, s.Tenant(acme).RecordUpdate(t.Context(), job, Branch{RepoID: repoID, Ref: "main", Repository: "acme/app", Mode: "enforce", ActivityID: id, Since: at},
		Update{ActivityID: id, At: at, Type: "pr_merge", After: "after", Body: []byte(body)}, nil))
	ok(t, s.Postpone(t.Context(), job, s.now(), ""))
}

// threeDays are updates on three days in two repositories.
func threeDays(t testing.TB, s *Store, first time.Time) {
	t.Helper()
	const reviewed = `{"class":"agent","agents":["copilot","claude"],"measures":{"ready_at":"2026-11-20T08:00:00Z","first_review_at":"2026-11-20T08:04:30Z","review_due_at":"2026-11-20T12:00:00Z","approvals":1,"validation_attempts":3,"validation_attempts_failed":1}}`
	const alone = `{"class":"undetected","measures":{"ready_at":"2026-11-20T08:00:00Z","approvals":0,"validation_attempts":0,"validation_attempts_failed":0}}`
	decide(t, s, acme, 1, "h1", "pass", 0, told("agent", "validated", "copilot"))
	reached(t, s, repo, 1, first, brought("pr_merge", reviewed))
	reached(t, s, repo, 2, first.Add(time.Minute), brought("push", reviewed)) // leads to no pull request
	reached(t, s, repo, 3, first.AddDate(0, 0, 1), brought("pr_merge", reviewed, alone))
	reached(t, s, repo+1, 4, first.AddDate(0, 0, 2), brought("pr_merge", ""))
	reached(t, s, repo, 5, first.AddDate(0, 0, 2), brought("branch_deletion"))
}

func testFigures(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	first := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
	threeDays(t, s, first)
	end := first.AddDate(0, 0, 5)
	all := must(s.View(t.Context(), signedIn(t, s, "all", Sight{OrgID: acme, Login: "acme", Role: RoleCompliance}), acme))
	some := must(s.View(t.Context(), signedIn(t, s, "some", Sight{OrgID: acme, Login: "acme", Role: RoleViewer, Repositories: []int64{repo + 1}}), acme))
	sums := func(v View, from, before time.Time) map[string]int64 {
		out := map[string]int64{}
		for _, d := range must(v.MergedDays(t.Context(), from, before)) {
			for name, n := range d.Counts {
				out[name] += n
			}
		}
		return out
	}
	got := sums(all, first.AddDate(0, 0, -5), end)
	want := map[string]int64{"any": 6, "pull": 4, "direct": 1, "branch": 1, "agent": 2, "by:copilot": 2, "with:copilot": 2, "with:claude": 2, "class:undetected": 1, "class:": 1,
		"reviewed:yes": 2, "reviewed:no": 1, "reviewed:unknown": 1, "agent-reviewed:yes": 2, "tests:failed": 2, "tests:none": 1, "tests:unknown": 1, "attempts": 6, "failed": 2,
		"latency:300": 2, "latency:none": 1, "latency:unknown": 1, "kept:in-time": 2, "kept:no-time": 1, "kept:unknown": 1}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	// Each sum is how many its list has, of everything and of what a viewer sees.
	for who, v := range map[string]View{"all": all, "some": some} {
		for mark, n := range sums(v, first.AddDate(0, 0, -5), end) {
			if mark == CountAttempts || mark == CountFailed || dayMark(mark) {
				continue
			}
			list := must(v.Merged(t.Context(), MergedFilter{Mark: mark, From: first.AddDate(0, 0, -5), Before: end, Limit: 100}))
			if int64(len(list)) != n {
				t.Errorf("%s: %s is %d, and the list has %d", who, mark, n, len(list))
			}
		}
	}
	if got := sums(some, first.AddDate(0, 0, -5), end); got["any"] != 1 || got["reviewed:unknown"] != 1 || got["direct"] != 0 {
		t.Errorf("a viewer sees %v, want what is in their repository", got)
	}
	if got := sums(all, first, first.AddDate(0, 0, 1)); got["any"] != 2 {
		t.Errorf("one day: got %v, want 2", got)
	}
	// Pages of a list, one row at a time.
	var walked []string
	f := MergedFilter{Mark: "any", From: first.AddDate(0, 0, -5), Before: end, Limit: 1}
	for {
		page := must(all.Merged(t.Context(), f))
		if len(page) == 0 {
			break
		}
		walked = append(walked, fmt.Sprintf("%d@%s", page[0].Number, page[0].At.Format("02")))
		f.After = page[0].Place()
	}
	if want := []string{"0@22", "1@22", "2@21", "1@21", "0@20", "1@20"}; !slices.Equal(walked, want) {
		t.Errorf("got %v, want %v", walked, want)
	}
	row := must(all.Merged(t.Context(), MergedFilter{Mark: "tests:failed", From: first, Before: first.AddDate(0, 0, 1), Limit: 5}))
	if len(row) != 1 || row[0].Title != "Speed up h1" || row[0].Latency != 270*time.Second || row[0].Kept != string(policy.KeptInTime) || row[0].Attempts != 3 || row[0].SHA != "after" {
		t.Errorf("got %+v", row)
	}
	if got := must(s.Tenant(acme).AgentsSeen(t.Context())); len(got) != 1 || got[0].Name != "copilot" || !got[0].First.Equal(c.Now()) {
		t.Errorf("agents: got %+v", got)
	}
	testFiguresOfAnAuditor(t, s, first)
	// Records go, and the rows with them. The sums stay: they name nobody.
	c.advance(400 * 24 * time.Hour)
	_, err := s.Tenant(acme).Purge(t.Context(), retention(s, 30*24*time.Hour, 0, 0))
	ok(t, err)
	fresh := must(s.View(t.Context(), signedIn(t, s, "fresh", Sight{OrgID: acme, Login: "acme", Role: RoleAdmin}), acme))
	f.After = MergedPlace{}
	if list := must(fresh.Merged(t.Context(), f)); len(list) != 0 {
		t.Errorf("after the purge the list has %+v", list)
	}
	if after := sums(fresh, first.AddDate(0, 0, -5), end); !maps.Equal(after, want) {
		t.Errorf("after the purge: got %v", after)
	}
	verifyLog(t, s)
}

// An auditor's figures are of the whole days of their time.
func testFiguresOfAnAuditor(t *testing.T, s *Store, first time.Time) {
	t.Helper()
	g, err := s.Tenant(acme).GrantAudit(t.Context(), Grant{Name: "Wirt", From: first, Before: first.AddDate(0, 0, 2), ExpiresAt: s.now().Add(time.Hour), GrantedBy: Who{AccountID: 9, Login: "ann"}}, digest("link"))
	ok(t, err)
	ok(t, s.BeginSession(t.Context(), Session{ID: digest("wirt"), Login: g.Name, GrantOrg: acme, GrantID: g.ID, ExpiresAt: s.now().Add(time.Hour)}))
	v := must(s.View(t.Context(), must(s.Session(t.Context(), digest("wirt"))), acme))
	days := must(v.MergedDays(t.Context(), first.AddDate(-1, 0, 0), first.AddDate(1, 0, 0)))
	list := must(v.Merged(t.Context(), MergedFilter{Mark: "any", From: first.AddDate(-1, 0, 0), Before: first.AddDate(1, 0, 0), Limit: 9}))
	if len(days) != 1 || days[0].Day.Day() != 21 || len(list) != 2 {
		t.Errorf("an auditor sees %+v and %+v, want the one whole day", days, list)
	}
}

// What was recorded before there were figures is counted by the migration, which must give what is
// counted now. What was disposed of before is not known.
func testCountedAfterwards(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	threeDays(t, s, time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC))
	before := figureRows(t, s)
	undo := func(more ...string) {
		ok(t, s.write(t.Context(), "as it was before", func(t *txn) error {
			for _, statement := range append(more, `DELETE FROM merged_changes`, `DELETE FROM merged_days`, `DELETE FROM agents_seen`) {
				if _, err := t.exec(statement); err != nil {
					return err
				}
			}
			return nil
		}))
		migrateAgain(t, s, countAll)
	}
	undo()
	if after := figureRows(t, s); !slices.Equal(after, before) || len(after) < 20 {
		t.Errorf("got %v\nwant %v", after, before)
	}
	undo(`UPDATE log_leaves SET salt = NULL, body = NULL WHERE kind = 'merge'`)
	after := figureRows(t, s)
	if len(after) != 8 || !slices.ContainsFunc(after, func(row string) bool { return strings.HasSuffix(row, `0/20777 {"gone":2}`) }) {
		t.Errorf("without records: got %v", after)
	}
}

func figureRows(t testing.TB, s *Store) (out []string) {
	t.Helper()
	for _, query := range []string{
		`SELECT leaf_index || '/' || number || ' ' || at || ' ' || repo_id || ' ' || repository || ' ' || class || ' ' || agent || ' ' || reviews || ' ' || failed || ' ' || latency || ' ' || kept FROM merged_changes ORDER BY 1`,
		`SELECT mark || ' ' || at || ' ' || leaf_index || '/' || number FROM merged_marks ORDER BY 1`,
		`SELECT agent || ' ' || first_at || ' ' || last_at FROM agents_seen ORDER BY 1`} {
		ok(t, s.query(t.Context(), query, nil, func(scan func(...any) error) error {
			var row string
			err := scan(&row)
			out = append(out, row)
			return err
		}))
	}
	ok(t, s.query(t.Context(), `SELECT repo_id, day, counts FROM merged_days ORDER BY repo_id, day`, nil, func(scan func(...any) error) error {
		var of, day int64
		var counts []byte
		err := scan(&of, &day, &counts)
		out = append(out, fmt.Sprintf("%d/%d %s", of, day, counts))
		return err
	}))
	return out
}

func testCoverage(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	threeDays(t, s, c.Now())
	n := s.Tenant(acme)
	all := must(s.View(t.Context(), signedIn(t, s, "all", Sight{OrgID: acme, Login: "acme", Role: RoleAdmin}), acme))
	some := must(s.View(t.Context(), signedIn(t, s, "some", Sight{OrgID: acme, Login: "acme", Role: RoleViewer, Repositories: []int64{repo}}), acme))
	if got, want := must(all.Coverage(t.Context())), (Coverage{Unknown: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	job := claim(t, s, acme, KindBranch, fmt.Sprintf("%d/main", repo))
	ok(t, n.RecordProtection(t.Context(), job, "acme/app", ProtectionSeen{Ref: "main", Settings: []byte(`{}`), Holds: "yes", At: c.Now(), Enforced: true}))
	other := claim(t, s, acme, KindBranch, fmt.Sprintf("%d/main", repo+1))
	ok(t, n.SettleBranch(t.Context(), other, Branch{RepoID: repo + 1, Ref: "main", Repository: "acme/b", Mode: "enforce", ActivityID: 4, Since: c.Now(), BlindSince: c.Now()}, nil, c.Now().Add(time.Hour)))
	if got, want := must(all.Coverage(t.Context())), (Coverage{Protected: 1, Blind: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := must(some.Coverage(t.Context())), (Coverage{Protected: 1}); got != want {
		t.Errorf("a viewer: got %+v, want %+v", got, want)
	}
	for i, e := range []Exception{{RepoID: repo, DueAt: c.Now().Add(-time.Hour)}, {RepoID: repo + 1, DueAt: c.Now().Add(time.Hour)}, {RepoID: repo}} {
		e.Kind, e.Subject, e.Severity, e.Reason = "direct-push", fmt.Sprint(i), "high", "Pushed."
		opened, _, err := n.OpenException(t.Context(), e, 5)
		ok(t, err)
		if i == 2 {
			ok(t, n.StepException(t.Context(), opened.ID, func(e *Exception) bool { e.State, e.Step, e.By = ExceptionRemediated, "remediated", "x"; return true }))
		}
	}
	if got, want := must(all.Unsettled(t.Context())), (Unsettled{Open: 2, Remediated: 1, Overdue: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := must(some.Unsettled(t.Context())), (Unsettled{Open: 1, Remediated: 1, Overdue: 1}); got != want {
		t.Errorf("a viewer: got %+v, want %+v", got, want)
	}
	if _, err := all.Merged(t.Context(), MergedFilter{Limit: 1}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a list by no mark: got %v", err)
	}
}
