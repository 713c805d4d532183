package gh_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh"
)

// activity serves n updates of main, newest first, the oldest with the id 1. As on GitHub only
// the Link header names the next page; lost says which links are missing.
func (s *server) activity(n int, lost func(after, size int) bool) {
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/activity", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		size, begin := atoi(q.Get("per_page")), atoi(q.Get("after"))
		var items []string
		for i := begin; i < min(n, begin+size); i++ {
			items = append(items, fmt.Sprintf(`{"id":%d,"before":%q,"after":%q,"ref":"refs/heads/main","timestamp":"2026-11-25T12:00:00Z","activity_type":"push","actor":{"id":1,"login":"ann","type":"User"}}`, n-i, head, other))
		}
		if begin+size < n && (lost == nil || !lost(begin, size)) {
			q.Set("after", strconv.Itoa(begin+size))
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, s.URL, r.URL.Path, q.Encode()))
		}
		io.WriteString(w, "["+strings.Join(items, ",")+"]")
	})
}

func TestRefActivity(t *testing.T) {
	always := func(int, int) bool { return true }
	once := func() func(int, int) bool {
		lost := false
		return func(int, int) bool { was := lost; lost = true; return !was }
	}
	for _, tt := range []struct {
		name     string
		n        int
		lost     func(after, size int) bool
		until    int64
		want     int
		found    bool
		requests int
		err      error
	}{
		{"none", 0, nil, 0, 0, false, 1, nil},
		{"until one on the second page", 250, nil, 100, 150, true, 2, nil},
		{"until one that is gone", 250, nil, 9999, 250, false, 3, nil},
		{"a last page that is full", 100, nil, 0, 100, false, 3, nil},
		{"a link that got lost", 250, once(), 0, 250, false, 4, nil},
		{"links that are lost for good", 250, always, 0, 0, false, 2, gh.ErrUnavailable},
		{"the newest of many", 2500, nil, 0, 2000, false, 21, nil},
		{"too many since the last look", 2500, nil, 9999, 0, false, 21, gh.ErrTruncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.activity(tt.n, tt.lost)
			got, found, err := s.client(t).RefActivity(t.Context(), repo, "main", tt.until)
			if len(got) != tt.want || found != tt.found || !errors.Is(err, tt.err) {
				t.Errorf("got %d updates, found %v, %v, want %d, %v, %v", len(got), found, err, tt.want, tt.found, tt.err)
			}
			if n := len(s.requests()); n != tt.requests {
				t.Errorf("got %d requests, want %d", n, tt.requests)
			}
		})
	}
}
