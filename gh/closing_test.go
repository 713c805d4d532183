package gh_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

func TestClosing(t *testing.T) {
	closed := func(closer, reopened string) string {
		return `{"data":{"repository":{"issue":{"closed":{"nodes":[{"createdAt":"2026-11-25T12:00:00Z","closer":` + closer + `}]},"reopened":{"nodes":[` + reopened + `]}}}}}`
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, body string
		want       gh.IssueClosing
		err        error
	}{
		{"by hand", closed(`null`, ``), gh.IssueClosing{At: at}, nil},
		{"by a pull request", closed(`{"__typename":"PullRequest","number":7}`, ``), gh.IssueClosing{At: at, Through: "pull request 7"}, nil},
		{"by a commit", closed(`{"__typename":"Commit","oid":"c0ffee"}`, ``), gh.IssueClosing{At: at, Through: "commit c0ffee"}, nil},
		{"by a project", closed(`{"__typename":"ProjectV2"}`, ``), gh.IssueClosing{At: at, Through: "a project"}, nil},
		{"by what is not known here", closed(`{"__typename":"Oracle"}`, ``), gh.IssueClosing{At: at, Through: "something that is not a person"}, nil},
		{"opened again before", closed(`null`, `{"createdAt":"2026-11-25T11:00:00Z"}`), gh.IssueClosing{At: at, ReopenedAt: at.Add(-time.Hour)}, nil},
		{"never closed", `{"data":{"repository":{"issue":{"closed":{"nodes":[]},"reopened":{"nodes":[]}}}}}`, gh.IssueClosing{}, gh.ErrUnavailable},
		{"no issue", `{"data":{"repository":{"issue":null}}}`, gh.IssueClosing{}, gh.ErrUnavailable},
		{"in part", `{"data":{"repository":{"issue":null}},"errors":[{"type":"FORBIDDEN","path":["repository","issue"],"message":"no"}]}`, gh.IssueClosing{}, gh.ErrGraphQL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.graphql(200, tt.body)
			got, err := s.client(t).Closing(t.Context(), repo, 4)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}
