package gh_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

// counting answers pull requests with what is left of an hour's budget.
type counting struct {
	*server
	limit, remaining int
	reset            time.Time
}

func newCounting(t *testing.T) *counting {
	s := &counting{server: newServer(t), limit: 5000, remaining: 5000}
	s.now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s.reset = s.now.Add(20 * time.Minute)
	answer := func(resource, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range map[string]string{
				"Date": s.now.Format(http.TimeFormat), "X-RateLimit-Resource": resource, "X-RateLimit-Limit": strconv.Itoa(s.limit),
				"X-RateLimit-Remaining": strconv.Itoa(s.remaining), "X-RateLimit-Reset": strconv.FormatInt(s.reset.Unix(), 10),
			} {
				w.Header().Set(name, value)
			}
			io.WriteString(w, body)
		}
	}
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1", answer("core", `{"number":1}`))
	s.mux.HandleFunc("POST /api/graphql", answer("graphql", `{"data":{}}`))
	return s
}

func ask(t *testing.T, c *gh.Client) error {
	_, err := c.PullRequestStack(t.Context(), repo, 1)
	return err
}

// What can wait leaves the last fifth of an hour to decisions, and goes on in the next one.
func TestAReserveIsKeptForDecisions(t *testing.T) {
	s := newCounting(t)
	connection := s.connect(t)
	decides := installation(t, connection, 7)
	waits := decides.Background()
	s.remaining = 1000
	if err := errors.Join(ask(t, waits), ask(t, waits)); err != nil {
		t.Errorf("with a fifth left: %v", err)
	}
	s.remaining = 999
	if err := ask(t, decides); err != nil {
		t.Fatal(err)
	}
	before := len(s.requests())
	err := ask(t, waits)
	var limit *gh.RateLimitError
	if !errors.As(err, &limit) || !limit.Reserved || limit.Secondary || !limit.Until.Equal(s.reset) || !strings.Contains(err.Error(), "kept for decisions") {
		t.Errorf("got %v, want what is reserved until %s", err, s.reset)
	}
	if len(s.requests()) != before {
		t.Error("GitHub was asked")
	}
	if err := ask(t, decides); err != nil {
		t.Errorf("a decision: %v", err)
	}
	if err := waits.GraphQL(t.Context(), "{viewer}", nil, &struct{}{}); err != nil {
		t.Errorf("the other budget: %v", err)
	}
	if err := ask(t, installation(t, connection, 8).Background()); err != nil {
		t.Errorf("another installation: %v", err)
	}
	s.now = s.reset
	s.remaining, s.reset = 4999, s.reset.Add(time.Hour)
	if err := ask(t, waits); err != nil {
		t.Errorf("in the next hour: %v", err)
	}
}

// Half of what GitHub allows in a minute is left to decisions.
func TestAMinuteIsSharedWithDecisions(t *testing.T) {
	s := newCounting(t)
	decides := s.client(t)
	waits := decides.Background()
	for range 450 {
		if err := ask(t, decides); err != nil {
			t.Fatal(err)
		}
	}
	s.now = s.now.Add(10 * time.Second)
	err := ask(t, waits)
	var limit *gh.RateLimitError
	if !errors.As(err, &limit) || !limit.Reserved || !limit.Secondary || limit.Until.Sub(s.now) != 50*time.Second {
		t.Errorf("got %v, want what is reserved for 50 seconds", err)
	}
	if err := ask(t, decides); err != nil {
		t.Errorf("a decision: %v", err)
	}
	s.now = limit.Until
	if err := ask(t, waits); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// A budget is what GitHub said last, and a new hour's is whole.
func TestBudgets(t *testing.T) {
	s := newCounting(t)
	c := s.connect(t)
	client := installation(t, c, 7)
	if got := c.Budgets(); len(got) != 0 {
		t.Errorf("before anything was asked: %+v", got)
	}
	want := func(when string, remaining int, reset time.Time) {
		t.Helper()
		got := c.Budgets()
		if len(got) != 1 || got[0] != (gh.Budget{Installation: 7, Resource: "core", Limit: 5000, Remaining: remaining, Reset: reset}) {
			t.Errorf("%s: got %+v, want %d until %s", when, got, remaining, reset)
		}
	}
	say := func(remaining int, reset time.Time) {
		t.Helper()
		s.remaining, s.reset = remaining, reset
		if err := ask(t, client); err != nil {
			t.Fatal(err)
		}
	}
	hour := s.reset
	say(400, hour)
	want("an answer", 400, hour)
	say(403, hour)
	want("an answer that was overtaken", 400, hour)
	s.now = hour
	want("the hour is over", 5000, time.Time{})
	say(4990, hour.Add(time.Hour))
	want("the next hour", 4990, hour.Add(time.Hour))
	say(300, hour)
	want("an answer of the hour before", 4990, hour.Add(time.Hour))
}

// GitHub takes a hundred requests at a time of one installation.
func TestRequestsAtATimeAreBounded(t *testing.T) {
	s := newServer(t)
	var mu sync.Mutex
	under, most := 0, 0
	go90, arrived := make(chan struct{}), make(chan struct{}, 200)
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		under++
		most = max(most, under)
		mu.Unlock()
		arrived <- struct{}{}
		<-go90
		mu.Lock()
		under--
		mu.Unlock()
		io.WriteString(w, `{"number":1}`)
	})
	c := s.client(t)
	errs := make(chan error, 120)
	for range 120 {
		go func() { errs <- ask(t, c) }()
	}
	for range 90 {
		<-arrived
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.PullRequestStack(ctx, repo, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the caller's patience", err)
	}
	close(go90)
	for range 120 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if most != 90 {
		t.Errorf("%d requests at a time, want 90", most)
	}
}
