package gh_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// deliveries serves n attempts, newest first, one each minute until noon; the newest has the id n.
// As on GitHub only the Link header names the next page; lost says which links are missing.
func (s *server) deliveries(n int, lost bool) {
	s.mux.HandleFunc("GET /api/v3/app/hook/deliveries", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		size, begin := atoi(q.Get("per_page")), 0
		if q.Has("cursor") {
			begin = atoi(q.Get("cursor"))
		}
		var items []string
		for i := begin; i < min(n, begin+size); i++ {
			items = append(items, fmt.Sprintf(`{"id":%d,"guid":"g-%d","delivered_at":%q,"redelivery":false,"duration":0.1,"status":"OK","status_code":202,"event":"push","action":null,"installation_id":9,"repository_id":null}`,
				n-i, n-i, noon.Add(-time.Duration(i)*time.Minute).Format(time.RFC3339)))
		}
		if begin+size < n && !lost {
			q.Set("cursor", strconv.Itoa(begin+size))
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, s.URL, r.URL.Path, q.Encode()))
		}
		io.WriteString(w, "["+strings.Join(items, ",")+"]")
	})
}

func TestDeliveries(t *testing.T) {
	stop := errors.New("stop")
	for _, tt := range []struct {
		name     string
		n        int
		lost     bool
		since    time.Duration // before noon
		fail     error
		want     int
		requests int
		err      error
	}{
		{"none", 0, false, time.Hour, nil, 0, 1, nil},
		{"all", 250, false, 100 * time.Hour, nil, 250, 3, nil},
		{"since a time on the second page", 250, false, 149 * time.Minute, nil, 150, 2, nil},
		{"a last page that is full", 100, false, 100 * time.Hour, nil, 100, 3, nil},
		{"links that are lost for good", 250, true, 100 * time.Hour, nil, 0, 2, gh.ErrUnavailable},
		{"somebody who has enough", 250, false, 100 * time.Hour, stop, 100, 1, stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.deliveries(tt.n, tt.lost)
			var got []gh.DeliveryAttempt
			err := s.connect(t).Deliveries(t.Context(), noon.Add(-tt.since), func(p []gh.DeliveryAttempt) error {
				got = append(got, p...)
				return tt.fail
			})
			if len(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %d attempts, %v, want %d, %v", len(got), err, tt.want, tt.err)
			}
			if n := len(s.requests()); n != tt.requests {
				t.Errorf("got %d requests, want %d", n, tt.requests)
			}
			want := gh.DeliveryAttempt{ID: int64(tt.n), GUID: fmt.Sprintf("g-%d", tt.n), At: noon, Event: "push", InstallationID: 9, StatusCode: 202, Status: "OK"}
			if len(got) > 0 && got[0] != want {
				t.Errorf("got %+v, want %+v", got[0], want)
			}
		})
	}
}

// What could be taken for a delivery that is not lost is an error.
func TestDeliveriesThatAreNone(t *testing.T) {
	for _, body := range []string{
		`{}`, `null`, `[{"id":1,"guid":"g","status_code":202}]`,
		`[{"id":1,"delivered_at":"2026-11-25T12:00:00Z","status_code":202}]`, `[{"guid":"g","delivered_at":"2026-11-25T12:00:00Z","status_code":202}]`,
	} {
		s := newServer(t)
		s.rest("GET /app/hook/deliveries", 200, body)
		err := s.connect(t).Deliveries(t.Context(), noon, func([]gh.DeliveryAttempt) error { return nil })
		if !errors.Is(err, gh.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", body, err)
		}
	}
}

func TestRedeliver(t *testing.T) {
	s := newServer(t)
	s.rest("POST /app/hook/deliveries/7/attempts", 202, `{}`)
	s.rest("POST /app/hook/deliveries/8/attempts", 404, `{"message":"Not Found"}`)
	if err := s.connect(t).Redeliver(t.Context(), 7); err != nil {
		t.Error(err)
	}
	if err := s.connect(t).Redeliver(t.Context(), 8); !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
