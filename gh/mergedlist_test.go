package gh_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

// listsMerged answers with pages of merged pull requests.
func listsMerged(s *server, page func(after string) string) {
	s.mux.HandleFunc("POST /api/graphql", func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Variables struct {
				After string `json:"after"`
			} `json:"variables"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"data":{"repository":{"databaseId":7,"pullRequests":%s}}}`, page(q.Variables.After))
	})
}

func mergedNode(number int, merged, updated string) string {
	return fmt.Sprintf(`{"number":%d,"title":"t","headRefOid":"%040d","baseRefName":"main","mergedAt":%q,"updatedAt":%q}`, number, number, merged, updated)
}

// What was merged since is on the pages of what changed since: they are followed to where that ends,
// and what is on two pages counts once.
func TestMergedPullsAreFollowed(t *testing.T) {
	s := newServer(t)
	since := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	const in, out = "2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z"
	listsMerged(s, func(after string) string {
		if after == "" {
			return `{"pageInfo":{"hasNextPage":true,"endCursor":"2"},"nodes":[` + mergedNode(1, in, in) + "," + mergedNode(2, out, in) + `]}`
		}
		return `{"pageInfo":{"hasNextPage":true,"endCursor":"3"},"nodes":[` + mergedNode(1, in, in) + "," + mergedNode(3, in, in) + "," + mergedNode(4, out, out) + `]}`
	})
	list, err := s.client(t).MergedPulls(t.Context(), repo, 7, since)
	if err != nil || len(list) != 2 || list[0].Number != 1 || list[1].Number != 3 || !list[0].MergedAt.Equal(since.AddDate(0, 1, 0)) {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := s.client(t).MergedPulls(t.Context(), repo, 8, since); !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("another repository has the name: %v", err)
	}
}

// A list that has no end, or that cannot be, is an error, and never shorter.
func TestMergedPullsThatAreNotAll(t *testing.T) {
	const at = "2026-03-01T00:00:00Z"
	for name, tt := range map[string]struct {
		page string
		want error
	}{
		"no end":            {`{"pageInfo":{"hasNextPage":true,"endCursor":"x"},"nodes":[` + mergedNode(1, at, at) + `]}`, gh.ErrTruncated},
		"no way on":         {`{"pageInfo":{"hasNextPage":true,"endCursor":""},"nodes":[` + mergedNode(1, at, at) + `]}`, gh.ErrUnavailable},
		"an empty page":     {`{"pageInfo":{"hasNextPage":true,"endCursor":"x"},"nodes":[]}`, gh.ErrUnavailable},
		"merged at no time": {`{"pageInfo":{},"nodes":[` + mergedNode(1, "0001-01-01T00:00:00Z", at) + `]}`, gh.ErrUnavailable},
	} {
		s := newServer(t)
		listsMerged(s, func(string) string { return tt.page })
		if _, err := s.client(t).MergedPulls(t.Context(), repo, 7, time.Time{}); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	s := newServer(t)
	s.mux.HandleFunc("POST /api/graphql", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"data":{"repository":null},"errors":[{"type":"NOT_FOUND","message":"no"}]}`)
	})
	if _, err := s.client(t).MergedPulls(t.Context(), repo, 7, time.Time{}); !errors.Is(err, gh.ErrNotFound) || !strings.Contains(err.Error(), "merged pull requests of") {
		t.Errorf("not there: %v", err)
	}
}
