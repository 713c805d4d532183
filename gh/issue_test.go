package gh_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

const (
	jOpenIssue = `{"number":4,"state":"open","state_reason":null,"title":"An exception","body":null,"user":{"id":9,"login":"countersign[bot]","type":"Bot"},
		"labels":[{"name":"exception"},{"name":"high"}],"performed_via_github_app":{"id":42,"slug":"countersign"},"assignees":[],
		"created_at":"2026-11-25T10:00:00Z","closed_at":null,"closed_by":null}`
	jClosedIssue = `{"number":4,"state":"closed","state_reason":"not_planned","title":"An exception","body":"Who?","user":null,
		"labels":[],"performed_via_github_app":null,"pull_request":{"url":"x"},
		"created_at":"2026-11-25T11:00:00+01:00","closed_at":"2026-11-25T12:00:00Z","closed_by":{"id":1,"login":"ann","type":"User"}}`
)

var (
	openedAt  = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	openIssue = gh.Issue{Number: 4, State: "open", Author: gh.Account{ID: 9, Login: "countersign", Type: "Bot"}, AppID: 42, Title: "An exception",
		Labels: []string{"exception", "high"}, CreatedAt: openedAt}
	lockedIssue = gh.Issue{Number: 4, State: "open", Author: openIssue.Author, AppID: 42, Title: openIssue.Title, Labels: openIssue.Labels,
		CreatedAt: openedAt, Locked: true}
	closedIssue = gh.Issue{Number: 4, State: "closed", StateReason: "not_planned", ClosedBy: gh.Account{ID: 1, Login: "ann", Type: "User"}, Title: "An exception",
		Body: "Who?", CreatedAt: openedAt, ClosedAt: openedAt.Add(2 * time.Hour), IsPullRequest: true}
)

func TestIssue(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		want       gh.Issue
		err        error
	}{
		{"open", jOpenIssue, 200, openIssue, nil},
		{"closed", jClosedIssue, 200, closedIssue, nil},
		{"locked", strings.Replace(jOpenIssue, `"number":4`, `"number":4,"locked":true`, 1), 200, lockedIssue, nil},
		{"moved to another repository", strings.Replace(jOpenIssue, `"number":4`, `"number":5`, 1), 200, gh.Issue{}, gh.ErrNotFound},
		{"deleted", `{"message":"This issue was deleted"}`, 410, gh.Issue{}, gh.ErrGone},
		{"no number", strings.Replace(jOpenIssue, `"number":4,`, ``, 1), 200, gh.Issue{}, gh.ErrUnavailable},
		{"another state", strings.Replace(jOpenIssue, `"open"`, `"pinned"`, 1), 200, gh.Issue{}, gh.ErrUnavailable},
		{"no labels", strings.Replace(jOpenIssue, `"labels"`, `"marks"`, 1), 200, gh.Issue{}, gh.ErrUnavailable},
		{"no time", strings.Replace(jOpenIssue, `"created_at"`, `"made_at"`, 1), 200, gh.Issue{}, gh.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.rest("GET /repos/acme/shop/issues/4", tt.status, tt.body)
			got, err := s.client(t).Issue(t.Context(), repo, 4)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}

func TestIssuesLabelled(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/issues", 200, `[`+jOpenIssue+`]`)
	c := s.client(t)
	reads := &gh.Reads{}
	for _, since := range []time.Time{{}, time.Date(2026, 11, 25, 11, 0, 0, 900, time.FixedZone("", 3600))} {
		got, err := c.IssuesLabelled(gh.WithReads(t.Context(), reads), repo, "exception", since)
		if diff := cmp.Diff([]gh.Issue{openIssue}, got); diff != "" || err != nil {
			t.Errorf("got %v (-want +got):\n%s", err, diff)
		}
	}
	want := []string{
		"GET /repos/acme/shop/issues?direction=asc&labels=exception&per_page=100&sort=created&state=all",
		"GET /repos/acme/shop/issues?direction=asc&labels=exception&per_page=100&since=2026-11-25T10%3A00%3A00Z&sort=created&state=all",
	}
	if diff := cmp.Diff(want, s.requests()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if list := reads.List(); len(list) != 2 || list[0].Route != "GET /repos/{owner}/{repo}/issues" {
		t.Errorf("reads: got %+v", list)
	}
	// An empty label would list every issue, one with a comma asks for two labels.
	for _, label := range []string{"", " ", "a,b", strings.Repeat("é", 51), "\xff"} {
		if _, err := c.IssuesLabelled(t.Context(), repo, label, time.Time{}); !errors.Is(err, gh.ErrInvalid) {
			t.Errorf("label %q: got %v, want ErrInvalid", label, err)
		}
	}
	if len(s.requests()) != len(want) {
		t.Errorf("was asked for labels that are none: %v", s.requests())
	}
}

// pages answers a list that has no count with as many items as there are.
func pages(total int, item func(i int) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number := 1
		fmt.Sscan(r.URL.Query().Get("page"), &number)
		var items []string
		for i := (number - 1) * 100; i < min(total, number*100); i++ {
			items = append(items, item(i+1))
		}
		if number*100 < total {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%d>; rel="next"`, r.Host, r.URL.Path, number+1))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(items, ","))
	}
}

func TestListsOfIssuesAreWholeOrAnError(t *testing.T) {
	issue := func(i int) string {
		return strings.Replace(jOpenIssue, `"number":4`, fmt.Sprintf(`"number":%d`, i), 1)
	}
	comment := func(i int) string {
		return fmt.Sprintf(`{"id":%d,"body":"x","created_at":"2026-11-25T10:00:00Z","updated_at":"2026-11-25T10:00:00Z"}`, i)
	}
	for _, tt := range []struct {
		issues, comments int
		err              error
	}{{0, 0, nil}, {2000, 2500, nil}, {2001, 2501, gh.ErrTruncated}} {
		s := newServer(t)
		s.mux.HandleFunc("GET /api/v3/repos/acme/shop/issues", pages(tt.issues, issue))
		s.mux.HandleFunc("GET /api/v3/repos/acme/shop/issues/4/comments", pages(tt.comments, comment))
		c := s.client(t)
		issues, err := c.IssuesLabelled(t.Context(), repo, "exception", time.Time{})
		if !errors.Is(err, tt.err) || err == nil && len(issues) != tt.issues {
			t.Errorf("%d issues: got %d, %v, want %v", tt.issues, len(issues), err, tt.err)
		}
		comments, err := c.IssueComments(t.Context(), repo, 4, time.Time{})
		if !errors.Is(err, tt.err) || err == nil && len(comments) != tt.comments {
			t.Errorf("%d comments: got %d, %v, want %v", tt.comments, len(comments), err, tt.err)
		}
	}
}

func TestIssueComments(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/issues/4/comments", 200, `[
		{"id":31,"user":{"id":9,"login":"countersign[bot]","type":"Bot"},"body":"Who?","performed_via_github_app":{"id":42},"created_at":"2026-11-25T10:00:00Z","updated_at":"2026-11-25T10:00:00Z"},
		{"id":32,"user":null,"body":"I","performed_via_github_app":null,"created_at":"2026-11-25T10:00:00Z","updated_at":"2026-11-25T12:00:00Z"}]`)
	got, err := s.client(t).IssueComments(t.Context(), repo, 4, openedAt)
	want := []gh.IssueComment{
		{ID: 31, Author: gh.Account{ID: 9, Login: "countersign", Type: "Bot"}, AppID: 42, Body: "Who?", CreatedAt: openedAt, UpdatedAt: openedAt},
		{ID: 32, Body: "I", CreatedAt: openedAt, UpdatedAt: openedAt.Add(2 * time.Hour)},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
	if asked := s.requests(); !slices.Equal(asked, []string{"GET /repos/acme/shop/issues/4/comments?per_page=100&since=2026-11-25T10%3A00%3A00Z"}) {
		t.Errorf("asked %v", asked)
	}
	for _, body := range []string{`[{"id":31}]`, `[{"created_at":"2026-11-25T10:00:00Z","updated_at":"2026-11-25T10:00:00Z"}]`, `null`} {
		s := newServer(t)
		s.rest("GET /repos/acme/shop/issues/4/comments", 200, body)
		if _, err := s.client(t).IssueComments(t.Context(), repo, 4, time.Time{}); !errors.Is(err, gh.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", body, err)
		}
	}
}
