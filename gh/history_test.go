package gh_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

// deletions serves one deletion an hour, newest first, on pages of 100, n of them.
func (s *server) deletions(n int, newest time.Time) {
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/activity", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		begin := atoi(q.Get("after"))
		if q.Get("activity_type") != "branch_deletion" || q.Get("actor") != "ann" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		items := ""
		for i := begin; i < min(n, begin+100); i++ {
			items += fmt.Sprintf(`,{"id":%d,"before":%q,"after":%q,"ref":"refs/heads/b%d","timestamp":%q,"activity_type":"branch_deletion","actor":{"id":1,"login":"ann","type":"User"}}`,
				n-i, head, "0000000000000000000000000000000000000000", i, newest.Add(-time.Duration(i)*time.Hour).Format(time.RFC3339))
		}
		if begin+100 < n {
			q.Set("after", fmt.Sprint(begin+100))
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, s.URL, r.URL.Path, q.Encode()))
		}
		if items != "" {
			items = items[1:]
		}
		io.WriteString(w, "["+items+"]")
	})
}

func TestDeletedBranches(t *testing.T) {
	newest := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name           string
		n              int
		since          time.Time
		want, requests int
		err            error
	}{
		{"all there are", 150, newest.AddDate(-1, 0, 0), 150, 2, nil},
		{"back to a time", 1000, newest.Add(-120 * time.Hour), 121, 2, nil},
		{"more than are read", 3000, newest.AddDate(-1, 0, 0), 0, 20, gh.ErrTruncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.deletions(tt.n, newest)
			got, err := s.client(t).DeletedBranches(t.Context(), repo, "ann", tt.since)
			if len(got) != tt.want || !errors.Is(err, tt.err) || len(s.requests()) != tt.requests {
				t.Errorf("got %d with %d requests, %v; want %d with %d, %v", len(got), len(s.requests()), err, tt.want, tt.requests, tt.err)
			}
		})
	}
}
