package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// told makes a record say what lists show.
func told(class, rule string, agents ...string) func(*Record) {
	return func(r *Record) {
		r.Facts = []byte(`{"change":{"title":"Speed up ` + r.HeadSHA + `","author":{"login":"Copilot"}},"lease":"` + r.Job.Lease + `"}`)
		r.Decision = fmt.Appendf(nil, `{"verdict":%q,"mode":"enforce","title":"Needs 1 approval","authorship":{"class":%q,"agents":["%s"]},
"rules":[{"rule":%q,"outcome":"fail"},{"rule":"holds","outcome":"pass"}],
"reviews":[{"counted":true,"actor":{"login":"Bob"}},{"counted":false,"actor":{"login":"eve"}}]}`, r.Verdict, class, strings.Join(agents, `","`), rule)
	}
}

// digest is a secret's, as sessions and grants are known by.
func digest(secret string) string { return hexSHA256([]byte(secret)) }

// signedIn begins a session that sees the given.
func signedIn(t testing.TB, s *Store, secret string, sights ...Sight) Session {
	t.Helper()
	ok(t, s.BeginSession(t.Context(), Session{ID: digest(secret), PersonID: 9, Login: "ann", ExpiresAt: s.now().Add(time.Hour)}))
	ok(t, s.Saw(t.Context(), digest(secret), sights))
	ok(t, s.Renewed(t.Context(), digest(secret), []byte("sealed")))
	return must(s.Session(t.Context(), digest(secret)))
}

func numbers(t testing.TB, v View, f ChangeFilter) (out []int) {
	t.Helper()
	f.Limit = 10
	for _, c := range must(v.Changes(t.Context(), f)) {
		out = append(out, c.Number)
	}
	return out
}

func testLists(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	decide(t, s, acme, 1, "h1", "fail", 2, told("agent", "validated", "copilot", "claude"))
	c.advance(time.Hour)
	decide(t, s, acme, 2, "h2", "pass", 0, told("undetected", "human-review"))
	last := decide(t, s, acme, 3, "h3", "fail", 2, told("agent", "human-review", "copilot"))
	decide(t, s, other, 1, "h1", "fail", 2, told("agent", "validated", "copilot"))
	all := must(s.View(t.Context(), signedIn(t, s, "admin", Sight{OrgID: acme, Login: "acme", Role: RoleCompliance}), acme))
	for _, tt := range []struct {
		name string
		f    ChangeFilter
		want []int
	}{
		{"all", ChangeFilter{}, []int{3, 2, 1}},
		{"the next page", ChangeFilter{After: last.LeafIndex}, []int{2, 1}},
		{"an agent", ChangeFilter{Marks: []string{MarkAgent + "copilot"}}, []int{3, 1}},
		{"an agent and a rule", ChangeFilter{Marks: []string{MarkAgent + "copilot", MarkRule + "validated"}}, []int{1}},
		{"four marks", ChangeFilter{Marks: []string{MarkClass + "agent", MarkVerdict + "fail", MarkApprover + "bob", MarkAuthor + "copilot"}}, []int{3, 1}},
		{"a rule that held", ChangeFilter{Marks: []string{MarkRule + "holds"}}, nil},
		{"a review that did not count", ChangeFilter{Marks: []string{MarkApprover + "eve"}}, nil},
		{"a repository", ChangeFilter{RepoID: repo}, []int{3, 2, 1}},
		{"another repository", ChangeFilter{RepoID: repo + 1}, nil},
		{"a repository and a mark", ChangeFilter{RepoID: repo, Marks: []string{MarkVerdict + "pass"}}, []int{2}},
		{"a number", ChangeFilter{Number: 2}, []int{2}},
		{"from a time on", ChangeFilter{From: c.Now()}, []int{3, 2}},
		{"before a time", ChangeFilter{Before: c.Now()}, []int{1}},
	} {
		if got := numbers(t, all, tt.f); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	got := must(all.Change(t.Context(), repo, 1))
	want := ListedChange{RepoID: repo, Number: 1, RecordID: got.RecordID, DecidedAt: c.Now().Add(-time.Hour), Repository: "acme/app",
		Title: "Speed up h1", Author: "Copilot", Class: "agent", Mode: "enforce", Verdict: "fail", Said: "Needs 1 approval"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// The newest decision is what is listed, and what it was found by before is forgotten.
	decide(t, s, acme, 1, "h1", "pass", 0, told("agent", "fresh-review", "copilot"))
	if got := numbers(t, all, ChangeFilter{Marks: []string{MarkVerdict + "fail"}}); !slices.Equal(got, []int{3}) {
		t.Errorf("after another decision: got %v, want 3", got)
	}
	if got := must(s.Tenant(acme).DecisionsAbout(t.Context(), repo, 1, 10)); len(got) != 2 || got[0].Verdict != "pass" || got[1].Verdict != "fail" {
		t.Errorf("decisions about 1: got %+v", got)
	}
	// Exceptions before and after a decision.
	e := Exception{Kind: "sla-breach", Subject: "1", Severity: "low", Reason: "Late.", RepoID: repo, Repository: "acme/app", Number: 1}
	_, _, err := s.Tenant(acme).OpenException(t.Context(), e, 5)
	ok(t, err)
	for _, mark := range []string{"any", "sla-breach"} {
		if got := numbers(t, all, ChangeFilter{Marks: []string{MarkException + mark}}); !slices.Equal(got, []int{1}) {
			t.Errorf("exceptions: got %v, want 1", got)
		}
		decide(t, s, acme, 1, "h1", "pass", 0, told("agent", "fresh-review", "copilot"))
	}
	verifyLog(t, s)
}

// What was decided before there were lists is listed by the migration, which must give what is listed now.
func testListedAfterwards(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	decide(t, s, acme, 1, "h1", "fail", 2, told("agent", "validated", "copilot"))
	decide(t, s, acme, 2, "h2", "pass", 0, told("undetected", "human-review"))
	decide(t, s, other, 1, "h1", "fail", 2, func(r *Record) { r.Facts = nil })
	_, _, err := s.Tenant(acme).OpenException(t.Context(), Exception{Kind: "sla-breach", Subject: "1", Severity: "low", Reason: "Late.", RepoID: repo, Number: 1}, 5)
	ok(t, err)
	before := listedRows(t, s)
	ok(t, s.write(t.Context(), "as it was before", func(t *txn) error {
		_, err := t.exec(`DELETE FROM listed_changes`)
		return err
	}))
	if rows := listedRows(t, s); len(rows) != 0 {
		t.Fatalf("got %v, want nothing", rows)
	}
	migrateAgain(t, s, listAll)
	if after := listedRows(t, s); !slices.Equal(after, before) || len(after) < 10 {
		t.Errorf("got %v\nwant %v", after, before)
	}
}

// migrateAgain runs a migration on the store's database.
func migrateAgain(t testing.TB, s *Store, migration func(context.Context, *sql.Tx) error) {
	t.Helper()
	u := urlOf(t, s)
	db, err := sql.Open("sqlite", dsn(strings.TrimPrefix(u, "sqlite:"), writeParams))
	if isPostgres(u) {
		db, err = connectPostgres(u, migrateSession)
	}
	ok(t, err)
	tx, err := db.BeginTx(t.Context(), nil)
	ok(t, err)
	ok(t, migration(t.Context(), tx))
	ok(t, tx.Commit())
	ok(t, db.Close())
}

func listedRows(t testing.TB, s *Store) (out []string) {
	t.Helper()
	for _, query := range []string{
		`SELECT org_id || '/' || repo_id || '/' || number || ' ' || record_id || ' ' || leaf_index || ' ' || decided_at || ' ' || title || ' ' || class || ' ' || said FROM listed_changes ORDER BY 1`,
		`SELECT org_id || ' ' || mark || ' ' || leaf_index || ' ' || number FROM listed_marks ORDER BY 1`} {
		ok(t, s.query(t.Context(), query, nil, func(scan func(...any) error) error {
			var row string
			err := scan(&row)
			out = append(out, row)
			return err
		}))
	}
	return out
}

func testViews(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	decide(t, s, acme, 1, "h1", "fail", 2)
	decide(t, s, other, 1, "h1", "fail", 2)
	// Of another organisation there is nothing, and of one whose pages are for readers the repositories that they read.
	viewer := signedIn(t, s, "viewer", Sight{OrgID: acme, Login: "acme", Role: RoleViewer, Repositories: []int64{repo}})
	if _, err := s.View(t.Context(), viewer, other); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation: got %v", err)
	}
	v := must(s.View(t.Context(), viewer, acme))
	if got := numbers(t, v, ChangeFilter{}); !slices.Equal(got, []int{1}) {
		t.Errorf("a viewer's list: got %v", got)
	}
	if _, err := v.Whole(); !errors.Is(err, ErrNotFound) {
		t.Errorf("a viewer sees the whole: %v", err)
	}
	if _, err := v.Of(t.Context(), repo); err != nil {
		t.Error(err)
	}
	if _, err := v.Of(t.Context(), repo+1); !errors.Is(err, ErrNotFound) {
		t.Errorf("a repository that is not shown: got %v", err)
	}
	// What GitHub shows no more is gone with the next look.
	ok(t, s.Saw(t.Context(), viewer.ID, []Sight{{OrgID: acme, Login: "acme", Role: RoleViewer, Repositories: []int64{repo + 1}}}))
	if got := numbers(t, must(s.View(t.Context(), viewer, acme)), ChangeFilter{}); got != nil {
		t.Errorf("after the look: got %v, want nothing", got)
	}
	if _, err := must(s.View(t.Context(), viewer, acme)).Change(t.Context(), repo, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("its change: got %v", err)
	}
	// An organisation that has not the App is not shown.
	ok(t, s.Saw(t.Context(), viewer.ID, []Sight{{OrgID: 4711, Login: "elsewhere", Role: RoleAdmin}}))
	if got := must(s.Seen(t.Context(), viewer)); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	// Sessions end: by signing out, everywhere, and with time.
	second := signedIn(t, s, "second", Sight{OrgID: acme, Login: "acme", Role: RoleAdmin})
	ok(t, s.EndSession(t.Context(), viewer.ID))
	ok(t, s.EndSessionsOf(t.Context(), 9))
	third := signedIn(t, s, "third", Sight{OrgID: acme, Login: "acme", Role: RoleAdmin})
	c.advance(time.Hour)
	for _, ended := range []Session{viewer, second, third} {
		if _, err := s.Session(t.Context(), ended.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("an ended session: got %v", err)
		}
	}
	if err := s.Saw(t.Context(), viewer.ID, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("what an ended session sees: got %v", err)
	}
}

// opened opens an exception about a change.
func opened(t testing.TB, n Tenant, subject string) Exception {
	t.Helper()
	e, _, err := n.OpenException(t.Context(), Exception{Kind: ExceptionBlind, Subject: subject, Severity: "low", Reason: "It was not seen.", RepoID: repo, Number: 1}, 5)
	ok(t, err)
	return e
}

func testGrants(t *testing.T, open opener) {
	c := newClock()
	s := open(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	decide(t, s, acme, 1, "h1", "fail", 2)
	before := opened(t, n, "before")
	c.advance(time.Hour)
	decide(t, s, acme, 2, "h2", "fail", 2)
	then := opened(t, n, "then")
	ann := Who{AccountID: 9, Login: "ann"}
	asked := Grant{Name: "Wirt & Co", From: c.Now(), Before: c.Now().Add(time.Hour), ExpiresAt: c.Now().Add(24 * time.Hour), GrantedBy: ann}
	g, err := n.GrantAudit(t.Context(), asked, digest("link"))
	ok(t, err)
	found, org, err := s.GrantOf(t.Context(), digest("link"))
	if err != nil || found != g || org != acme {
		t.Errorf("got %+v of %d, %v, want %+v", found, org, err, g)
	}
	begin := Session{ID: digest("auditor"), Login: g.Name, GrantOrg: acme, GrantID: g.ID, ExpiresAt: c.Now().Add(time.Hour)}
	ok(t, s.BeginSession(t.Context(), begin))
	session := must(s.Session(t.Context(), begin.ID))
	v := must(s.View(t.Context(), session, acme))
	if got := numbers(t, v, ChangeFilter{}); v.Role != RoleAuditor || !slices.Equal(got, []int{2}) {
		t.Errorf("%s sees %v, want what is in their time", v.Role, got)
	}
	if _, err := v.Managed(); !errors.Is(err, ErrNotFound) {
		t.Errorf("an auditor manages: %v", err)
	}
	// Of exceptions they see those that were opened in their time, whatever became of them since.
	c.advance(2 * time.Hour)
	after := opened(t, n, "after")
	for _, id := range []string{before.ID, then.ID} {
		ok(t, n.StepException(t.Context(), id, func(e *Exception) bool {
			e.State, e.Step, e.By = ExceptionRemediated, "remediated", "countersign"
			return true
		}))
	}
	list := must(v.Exceptions(t.Context(), ExceptionList{Limit: 10}))
	if len(list) != 1 || list[0].ID != then.ID || list[0].State != ExceptionRemediated {
		t.Errorf("an auditor's exceptions: got %+v, want %s", list, then.ID)
	}
	if u := must(v.Unsettled(t.Context())); u != (Unsettled{Remediated: 1}) {
		t.Errorf("an auditor's figures: got %+v", u)
	}
	for id, want := range map[string]error{before.ID: ErrNotFound, then.ID: nil, after.ID: ErrNotFound} {
		if _, _, err := v.Exception(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("an auditor's exception %s: got %v, want %v", id, err, want)
		}
	}
	admin := must(s.View(t.Context(), signedIn(t, s, "admin", Sight{OrgID: acme, Login: "acme", Role: RoleAdmin}), acme))
	if list := must(admin.Exceptions(t.Context(), ExceptionList{Limit: 10})); len(list) != 3 {
		t.Errorf("an admin's exceptions: got %d, want all 3", len(list))
	}
	if _, err := s.View(t.Context(), session, other); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation: got %v", err)
	}
	// Once it is revoked, the session is worth nothing.
	ok(t, n.RevokeGrant(t.Context(), g.ID, ann))
	if err := n.RevokeGrant(t.Context(), g.ID, ann); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoked twice: got %v", err)
	}
	if _, err := s.View(t.Context(), session, acme); !errors.Is(err, ErrNotFound) {
		t.Errorf("after it was revoked: got %v", err)
	}
	if _, _, err := s.GrantOf(t.Context(), digest("link")); !errors.Is(err, ErrNotFound) {
		t.Errorf("the link: got %v", err)
	}
	if err := s.Tenant(other).RevokeGrant(t.Context(), g.ID, ann); !errors.Is(err, ErrNotFound) {
		t.Errorf("another organisation revokes it: got %v", err)
	}
	if list := must(n.Grants(t.Context())); len(list) != 1 || list[0].RevokedAt.IsZero() || list[0].Name != "Wirt & Co" {
		t.Errorf("got %+v", list)
	}
	var what []string
	accesses, _, err := n.Accesses(t.Context())
	ok(t, err)
	for _, a := range accesses {
		what = append(what, a.What)
	}
	if !slices.Equal(what, []string{AccessGrant, AccessRevoke}) {
		t.Errorf("the log has %v", what)
	}
	asked.Name = ""
	if _, err := n.GrantAudit(t.Context(), asked, digest("again")); !errors.Is(err, ErrInvalid) {
		t.Errorf("for nobody: got %v", err)
	}
	verifyLog(t, s)
}
