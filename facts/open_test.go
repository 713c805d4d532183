package facts_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
)

// What is open is read to its end, a page costs one point, and each pull request has what is to be
// compared with the store.
func TestWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	for i := range 27 {
		w.repo.OpenPullRequest(ghsim.PullSpec{Title: "Work", Head: fmt.Sprint("work/", i), Author: w.bob, Commits: []ghsim.Commit{{Message: "m", Files: map[string]string{fmt.Sprint("f", i): "x\n"}}}})
	}
	for i := range 80 {
		w.repo.Push(fmt.Sprint("release/", i), w.alice)
	}
	closed := w.open()
	closed.Close(w.alice)
	pr := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "Last", Base: "release/1", Head: "last", Author: w.bob, Commits: []ghsim.Commit{{Message: "m", Files: map[string]string{"last": "x\n"}}}})
	w.repo.PostCheckRun(w.app, pr.HeadSHA(), "countersign", "failure")
	newest := w.repo.PostCheckRun(w.app, pr.HeadSHA(), "countersign", "success").State()
	w.repo.PostCheckRun(w.app, pr.HeadSHA(), "countersign (audit)", "")
	w.repo.PostStatus(w.bob, pr.HeadSHA(), "ci", "success")
	w.sim.ResetRequests()
	o, err := facts.ReadOpen(t.Context(), w.connect(t, gh.ToCompare()), shop, w.app.ID())
	if err != nil {
		t.Fatal(err)
	}
	if o.ID != w.repo.ID() || o.FullName != "acme/shop" || o.DefaultBranch != "main" || !o.HasPolicy || !o.Complete || o.Archived {
		t.Errorf("got %+v", o)
	}
	if len(o.Pulls) != 28 || len(o.Branches) != 1+27+80+2 || !slices.Contains(o.Branches, "release/79") {
		t.Errorf("%d pull requests and %d branches, want 28 and 110", len(o.Pulls), len(o.Branches))
	}
	if _, ok := o.ClosedAt[closed.Number()]; !ok || len(o.ClosedAt) != 1 {
		t.Errorf("closed lately: %v, want #%d", o.ClosedAt, closed.Number())
	}
	last := o.Pulls[27]
	if last.Number != pr.Number() || last.HeadSHA != pr.HeadSHA() || last.BaseRef != "release/1" || last.Queued || !last.RunsKnown || time.Since(last.ChangedAt) > time.Minute {
		t.Errorf("got %+v", last)
	}
	at := slices.IndexFunc(last.Runs, func(r facts.OurRun) bool { return r.Name == "countersign" })
	if len(last.Runs) != 2 || at < 0 || last.Runs[at].Status != "COMPLETED" || last.Runs[at].Conclusion != "SUCCESS" || !last.Runs[at].StartedAt.Equal(newest.StartedAt.Truncate(time.Second)) {
		t.Errorf("our check runs: %+v", last.Runs)
	}
	if n := w.sim.RequestCounts()["POST /graphql"]; n.Requests != 2 || n.Billable != 2 {
		t.Errorf("%d queries that cost %d points, want 2 of one point", n.Requests, n.Billable)
	}
	if _, err := facts.ReadOpen(t.Context(), w.connect(t, gh.ToCompare()), gh.Repo{Owner: "acme", Name: "gone"}, w.app.ID()); !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("a repository that is not there: %v", err)
	}
}

// Our own check runs change nothing, and those of others do.
func TestWhenAPullRequestChanged(t *testing.T) {
	clock := time.Now().Truncate(time.Second)
	w := newWorldAt(t, func() time.Time { return clock })
	pr := w.open()
	changed := func() time.Time {
		o, err := facts.ReadOpen(t.Context(), w.connect(t, gh.ToCompare()), shop, w.app.ID())
		if err != nil || len(o.Pulls) != 1 {
			t.Fatalf("got %+v, %v", o, err)
		}
		return o.Pulls[0].ChangedAt
	}
	opened := clock
	for _, c := range []struct {
		what string
		do   func()
		ours bool
	}{
		{"our check run", func() { w.repo.PostCheckRun(w.app, pr.HeadSHA(), "countersign", "success") }, true},
		{"a check run", func() {
			w.repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", "pull_request", ghsim.Job{Name: "test", Conclusion: "failure"})
		}, false},
		{"a status", func() { w.repo.PostStatus(w.bob, pr.HeadSHA(), "ci", "success") }, false},
		{"a review", func() { pr.Approve(w.bob) }, false},
	} {
		before := changed()
		clock = clock.Add(time.Minute)
		c.do()
		want := clock
		if c.ours {
			want = opened
		}
		if got := changed(); !got.Equal(want) || c.ours && !got.Equal(before) {
			t.Errorf("%s: changed at %s, want %s", c.what, got, want)
		}
	}
}

// Pages that do not fit together are not what is open.
func TestPagesOfWhatIsOpen(t *testing.T) {
	page := func(id int, more bool, nodes string) string {
		return fmt.Sprintf(`{"data":{"repository":{"databaseId":%d,"nameWithOwner":"acme/shop","refs":{"pageInfo":{}},"pullRequests":{"pageInfo":{"hasNextPage":%t,"endCursor":"c"},"nodes":[%s]}}}}`, id, more, nodes)
	}
	pull := `{"number":1,"headRefOid":"a","baseRefName":"main","updatedAt":"2026-11-25T12:00:00Z","commits":{"nodes":[{"commit":{"oid":"b"}}]}}`
	for name, c := range map[string]struct {
		second   string
		complete bool
		err      error
	}{
		"the last page":      {page(1, false, pull), true, nil},
		"another repository": {page(2, false, pull), false, nil},
		"an empty page":      {page(1, true, ""), false, facts.ErrBehind},
		"no end":             {page(1, true, pull), false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{page(1, true, pull), c.second}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, answers[0])
				answers = answers[min(1, len(answers)-1):]
			}))
			defer s.Close()
			client, err := gh.PersonAt(gh.Settings{V3URL: s.URL + "/api/v3/", V4URL: s.URL + "/api/graphql"}, "token")
			if err != nil {
				t.Fatal(err)
			}
			o, err := facts.ReadOpen(t.Context(), client, shop, 7)
			wrong := name == "another repository"
			if o.Complete != c.complete || c.err != nil && !errors.Is(err, c.err) || (err != nil) != (wrong || c.err != nil) {
				t.Errorf("got %+v, %v", o, err)
			}
			if err == nil && (len(o.Pulls) < 2 || o.Pulls[0].RunsKnown || !strings.EqualFold(o.Pulls[0].HeadSHA, "a")) {
				t.Errorf("got %+v, want no check runs to be known of another head", o.Pulls)
			}
		})
	}
}
