package gh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

func TestEveryReadIsRevalidated(t *testing.T) {
	s := newServer(t)
	role := "read"
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/collaborators/ann/permission",
		cached(func() string { return `{"permission":"` + role + `"}` }))
	c := s.client(t)
	ask := func(want string, revalidated bool) {
		t.Helper()
		var reads gh.Reads
		p, err := c.Permission(gh.WithReads(t.Context(), &reads), repo, "ann")
		if err != nil {
			t.Fatal(err)
		}
		if p.Role != want {
			t.Errorf("got role %q, want %q", p.Role, want)
		}
		got := reads.List()
		wantReads := []gh.Read{{
			Route: "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
			At:    s.now.UTC(), Revalidated: revalidated,
		}}
		if !slices.Equal(got, wantReads) {
			t.Errorf("got reads %+v, want %+v", got, wantReads)
		}
	}
	ask("read", false)
	ask("read", true)
	ask("read", true)
	// The answer may be kept for 60 seconds, and it is still not believed.
	role = "none"
	ask("none", false)
	ask("none", true)
	if n := len(s.requests()); n != 5 {
		t.Errorf("got %d requests, want 5", n)
	}
}

func TestOldFactsAreNotServedWhileDown(t *testing.T) {
	s := newServer(t)
	down := false
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/collaborators/ann/permission", func(w http.ResponseWriter, r *http.Request) {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "private, max-age=60, stale-if-error=600")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, `{"permission":"write"}`)
	})
	c := s.client(t)
	if _, err := c.Permission(t.Context(), repo, "ann"); err != nil {
		t.Fatal(err)
	}
	down = true
	if p, err := c.Permission(t.Context(), repo, "ann"); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("got %+v, %v, want ErrUnavailable", p, err)
	}
}

// TestExpiresIsNotBelieved: the header makes an answer young when Cache-Control says
// nothing of its age.
func TestExpiresIsNotBelieved(t *testing.T) {
	wantAskedTwice(t, "Cache-Control", "private", "Expires", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "ETag", `"1"`)
}

// wantAskedTwice asks for the same twice, and is answered with some headers.
func wantAskedTwice(t *testing.T, header ...string) {
	t.Helper()
	s := newServer(t)
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/collaborators/ann/permission", reply(200, `{"permission":"write"}`, header...))
	c := s.client(t)
	for range 2 {
		if _, err := c.Permission(t.Context(), repo, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.requests()); n != 2 {
		t.Errorf("got %d requests, want 2", n)
	}
}

// The cache takes how old an answer is from GitHub's clock and ours: where ours is slow, an answer is
// from the future, and younger than any age.
func TestSlowClockMakesNothingFresh(t *testing.T) {
	wantAskedTwice(t, "Cache-Control", "private, max-age=60, s-maxage=60", "Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "ETag", `"1"`)
}

// Where something on the way takes the ETag out, a time to the second would vouch for the answer.
func TestNoTimeVouchesForAnAnswer(t *testing.T) {
	s := newServer(t)
	role := "write"
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/collaborators/ann/permission", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		if r.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, `{"permission":"`+role+`"}`)
	})
	c := s.client(t)
	for _, role = range []string{"write", "read"} {
		if p, err := c.Permission(t.Context(), repo, "ann"); err != nil || p.Base != role {
			t.Errorf("got %+v, %v, want %s", p, err, role)
		}
	}
}

func TestReadsOfManyAtOnce(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/collaborators/ann/permission", 200, `{"permission":"read"}`)
	s.rest("GET /repos/acme/shop/collaborators/gone/permission", 404, `{}`)
	s.rest("GET /repos/acme/shop/collaborators/secret/permission", 403, `{}`)
	s.graphql(200, `{"data":{}}`)
	c := s.client(t)
	var reads gh.Reads
	ctx := gh.WithReads(t.Context(), &reads)
	var wg sync.WaitGroup
	for range 5 {
		for _, login := range []string{"ann", "gone", "secret"} {
			wg.Go(func() { c.Permission(ctx, repo, login) })
		}
		wg.Go(func() { c.GraphQL(ctx, "{viewer}", nil, &struct{}{}) })
	}
	wg.Wait()
	// Absence is an answer, a refusal is none.
	count := map[string]int{}
	for _, r := range reads.List() {
		count[r.Route]++
	}
	if count["GET /repos/{owner}/{repo}/collaborators/{username}/permission"] != 10 || count["POST /graphql"] != 5 {
		t.Errorf("got %v, want 10 and 5", count)
	}
}

// pages serves n items of a list, 100 to a page, with GitHub's Link header.
func (s *server) pages(path string, n int, item func(i int) string, wrap func(items string) string) {
	s.mux.HandleFunc("GET /api/v3"+path, func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.URL.Query().Get("per_page"))
		if err != nil {
			size = 30
		}
		number := max(1, atoi(r.URL.Query().Get("page")))
		var items []string
		for i := (number - 1) * size; i < min(n, number*size); i++ {
			items = append(items, item(i))
		}
		if number*size < n {
			q := r.URL.Query()
			q.Set("page", strconv.Itoa(number+1))
			next := s.URL + r.URL.Path + "?" + q.Encode()
			w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s&x=1>; rel="last"`, next, next))
		}
		io.WriteString(w, wrap(strings.Join(items, ",")))
	})
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func bare(items string) string { return "[" + items + "]" }

func TestListsAreWholeOrAnError(t *testing.T) {
	member := func(i int) string { return fmt.Sprintf(`{"id":%d,"login":"m%d","type":"User"}`, i+1, i) }
	file := func(i int) string { return fmt.Sprintf(`{"filename":"f%d","status":"added","sha":"x"}`, i) }
	commit := func(i int) string { return fmt.Sprintf(`{"sha":"%040x"}`, i) }
	run := func(i int) string {
		return fmt.Sprintf(`{"id":%d,"name":"ci","status":"completed","conclusion":"success","head_sha":%q}`, i+1, head)
	}
	for _, tt := range []struct {
		name     string
		serve    func(*server)
		read     func(context.Context, *gh.Client) (int, error)
		want     int
		requests int
		err      error
	}{
		{
			name:  "members of 3 pages",
			serve: func(s *server) { s.pages("/orgs/acme/teams/core/members", 250, member, bare) },
			read:  members, want: 250, requests: 3,
		}, {
			name:  "an empty team",
			serve: func(s *server) { s.pages("/orgs/acme/teams/core/members", 0, member, bare) },
			read:  members, want: 0, requests: 1,
		}, {
			name:  "2,999 files",
			serve: func(s *server) { s.pages("/repos/acme/shop/pulls/1/files", 2999, file, bare) },
			read:  files, want: 2999, requests: 30,
		}, {
			name:  "3,000 files, GitHub's limit",
			serve: func(s *server) { s.pages("/repos/acme/shop/pulls/1/files", 3000, file, bare) },
			read:  files, requests: 30, err: gh.ErrTruncated,
		}, {
			name:  "249 commits",
			serve: func(s *server) { s.pages("/repos/acme/shop/pulls/1/commits", 249, commit, bare) },
			read:  commits, want: 249, requests: 3,
		}, {
			name:  "250 commits, GitHub's limit",
			serve: func(s *server) { s.pages("/repos/acme/shop/pulls/1/commits", 250, commit, bare) },
			read:  commits, requests: 3, err: gh.ErrTruncated,
		}, {
			name:  "1,000 check runs",
			serve: func(s *server) { s.pages("/repos/acme/shop/commits/"+head+"/check-runs", 1000, run, countedAs(1000)) },
			read:  checkRuns, want: 1000, requests: 10,
		}, {
			name:  "1,001 check runs, known from the first page",
			serve: func(s *server) { s.pages("/repos/acme/shop/commits/"+head+"/check-runs", 1001, run, countedAs(1001)) },
			read:  checkRuns, requests: 1, err: gh.ErrTruncated,
		}, {
			name:  "fewer than GitHub counts",
			serve: func(s *server) { s.pages("/repos/acme/shop/commits/"+head+"/check-runs", 5, run, countedAs(6)) },
			read:  checkRuns, requests: 1, err: gh.ErrUnavailable,
		}, {
			name: "one comes twice, another not at all",
			serve: func(s *server) {
				shifted := func(i int) string { return run(min(i, 103)) }
				s.pages("/repos/acme/shop/commits/"+head+"/check-runs", 105, shifted, countedAs(105))
			},
			read: checkRuns, requests: 2, err: gh.ErrUnavailable,
		}, {
			name: "no count",
			serve: func(s *server) {
				s.rest("GET /repos/acme/shop/commits/"+head+"/check-runs", 200, `{"check_runs":[]}`)
			},
			read: checkRuns, requests: 1, err: gh.ErrUnavailable,
		}, {
			name: "no list",
			serve: func(s *server) {
				s.rest("GET /repos/acme/shop/commits/"+head+"/check-runs", 200, `{"total_count":0}`)
			},
			read: checkRuns, requests: 1, err: gh.ErrUnavailable,
		}, {
			name:  "null for a list",
			serve: func(s *server) { s.rest("GET /repos/acme/shop/pulls/1/files", 200, `null`) },
			read:  files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name:  "an object for a list",
			serve: func(s *server) { s.rest("GET /repos/acme/shop/pulls/1/files", 200, `{"message":"?"}`) },
			read:  files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name:  "null for an item",
			serve: func(s *server) { s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[null]`) },
			read:  files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name: "half a list",
			serve: func(s *server) {
				s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[{"filename":"a","status":"added"}`)
			},
			read: files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name:  "an empty body",
			serve: func(s *server) { s.rest("GET /repos/acme/shop/pulls/1/files", 200, ``) },
			read:  files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name:  "no content",
			serve: func(s *server) { s.rest("GET /repos/acme/shop/pulls/1/files", 204, ``) },
			read:  files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name:  "accepted, come back later",
			serve: func(s *server) { s.rest("GET /repos/acme/shop/pulls/1/files", 202, `[]`) },
			read:  files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name: "a full page whose link got lost",
			serve: func(s *server) {
				s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1/files", func(w http.ResponseWriter, r *http.Request) {
					var items []string
					for i := max(1, atoi(r.URL.Query().Get("page")))*100 - 100; i < 150 && len(items) < 100; i++ {
						items = append(items, file(i))
					}
					io.WriteString(w, bare(strings.Join(items, ",")))
				})
			},
			read: files, want: 150, requests: 2,
		}, {
			name: "a next page without a number",
			serve: func(s *server) {
				s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[`+file(0)+`]`, "Link", `<http://x/?after=abc>; rel="next"`)
			},
			read: files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name: "a next page that is this page",
			serve: func(s *server) {
				s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[`+file(0)+`]`, "Link", `<http://x/?page=1>; rel="next"`)
			},
			read: files, requests: 1, err: gh.ErrUnavailable,
		}, {
			name: "endless empty pages",
			serve: func(s *server) {
				s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[]`, "Link", `<http://x/?page=2>; rel="next"`)
			},
			read: files, requests: 1, err: gh.ErrUnavailable,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			tt.serve(s)
			got, err := tt.read(t.Context(), s.client(t))
			if !errors.Is(err, tt.err) || got != tt.want {
				t.Errorf("got %d, %v, want %d, %v", got, err, tt.want, tt.err)
			}
			if n := len(s.requests()); n != tt.requests {
				t.Errorf("got %d requests, want %d", n, tt.requests)
			}
		})
	}
}

func countedAs(n int) func(string) string {
	return func(items string) string { return fmt.Sprintf(`{"total_count":%d,"check_runs":[%s]}`, n, items) }
}

func members(ctx context.Context, c *gh.Client) (int, error) {
	l, err := c.TeamMembers(ctx, "acme", "core")
	return len(l), err
}

func files(ctx context.Context, c *gh.Client) (int, error) {
	l, err := c.PullRequestFiles(ctx, repo, 1)
	return len(l), err
}

func commits(ctx context.Context, c *gh.Client) (int, error) {
	l, err := c.PullRequestCommits(ctx, repo, 1)
	return len(l), err
}

func checkRuns(ctx context.Context, c *gh.Client) (int, error) {
	l, err := c.CheckRuns(ctx, repo, head)
	return len(l), err
}

func TestErrorsAreSentinels(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   error
	}{
		{400, `{"message":"Problems parsing JSON"}`, gh.ErrInvalid},
		{401, `{"message":"Bad credentials"}`, gh.ErrUnauthorized},
		{403, `{"message":"Resource not accessible by integration"}`, gh.ErrForbidden},
		{403, `not JSON`, gh.ErrForbidden},
		{404, `{"message":"Not Found"}`, gh.ErrNotFound},
		{409, `{"message":"Git Repository is empty."}`, gh.ErrUnavailable},
		{410, `{"message":"Issues has been disabled in this repository."}`, gh.ErrGone},
		{422, `{"message":"Validation Failed","errors":[{"field":"sha"}]}`, gh.ErrInvalid},
		{429, `{}`, gh.ErrRateLimited},
		{500, ``, gh.ErrUnavailable},
		{502, `<html>Unicorn!</html>`, gh.ErrUnavailable},
		{504, strings.Repeat("é", 5000), gh.ErrUnavailable},
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			s := newServer(t)
			s.rest("GET /repos/acme/shop/pulls/1", tt.status, tt.body)
			_, err := s.client(t).PullRequestStack(t.Context(), repo, 1)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if !strings.HasPrefix(err.Error(), "read pull request acme/shop#1: ") || len(err.Error()) > 1000 {
				t.Errorf("got %d bytes of text: %.1000s", len(err.Error()), err)
			}
		})
	}
}

func TestRateLimits(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	for _, tt := range []struct {
		name      string
		status    int
		header    []string
		body      string
		wait      time.Duration
		secondary bool
	}{
		{"hourly", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(now.Add(20 * time.Minute))}, `{}`, 20 * time.Minute, false},
		{"hourly, as 429", 429, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(now.Add(20 * time.Minute))}, `{}`, 20 * time.Minute, false},
		{"hourly, GitHub's clock ahead of ours", 403, []string{"Date", now.Add(time.Hour).Format(http.TimeFormat),
			"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(now.Add(time.Hour + 5*time.Minute))}, `{}`, 5 * time.Minute, false},
		{"hourly, reset in the past", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "5"}, `{}`, time.Second, false},
		{"hourly, no reset", 403, []string{"X-RateLimit-Remaining", "0"}, `{}`, time.Minute, false},
		{"hourly, reset in a year", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(now.AddDate(1, 0, 0))}, `{}`, time.Hour, false},
		{"secondary, seconds", 403, []string{"Retry-After", "90"}, `{}`, 90 * time.Second, true},
		{"secondary, date", 429, []string{"Retry-After", now.Add(30 * time.Second).Format(http.TimeFormat)}, `{}`, 30 * time.Second, true},
		{"secondary, nonsense", 403, []string{"Retry-After", "soon"}, `{}`, time.Minute, true},
		{"secondary, negative", 403, []string{"Retry-After", "-5"}, `{}`, time.Second, true},
		{"secondary, huge", 403, []string{"Retry-After", "999999999999"}, `{}`, time.Hour, true},
		{"secondary, by its text", 403, []string{"X-RateLimit-Remaining", "4000", "X-RateLimit-Reset", unix(now.Add(50 * time.Minute))},
			`{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}`, time.Minute, true},
		{"secondary, by its link", 403, nil, `{"message":"?","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, time.Minute, true},
		{"too many requests, unexplained", 429, nil, ``, time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.now = now
			header := tt.header
			if !slices.Contains(header, "Date") {
				header = append([]string{"Date", now.Format(http.TimeFormat)}, header...)
			}
			s.rest("GET /repos/acme/shop/pulls/1", tt.status, tt.body, header...)
			_, err := s.client(t).PullRequestStack(t.Context(), repo, 1)
			var limit *gh.RateLimitError
			if !errors.As(err, &limit) || !errors.Is(err, gh.ErrRateLimited) {
				t.Fatalf("got %v, want a rate limit", err)
			}
			if errors.Is(err, gh.ErrForbidden) {
				t.Errorf("%v also reads as a missing permission", err)
			}
			if got := limit.Until.Sub(now); got != tt.wait || limit.Secondary != tt.secondary {
				t.Errorf("got %v, secondary %v, want %v, %v", got, limit.Secondary, tt.wait, tt.secondary)
			}
		})
	}
}

func TestNobodyIsAskedWhileALimitHolds(t *testing.T) {
	s := newServer(t)
	limited := true
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1", func(w http.ResponseWriter, r *http.Request) {
		if limited {
			reply(403, `{}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(10*time.Minute).Unix(), 10))(w, r)
			return
		}
		io.WriteString(w, `{"number":1}`)
	})
	s.graphql(200, `{"data":{}}`)
	connection := s.connect(t)
	c := installation(t, connection, 7)
	ask := func(c *gh.Client) error {
		_, err := c.PullRequestStack(t.Context(), repo, 1)
		return err
	}
	first := ask(c)
	limited = false
	second := ask(c)
	if !errors.Is(first, gh.ErrRateLimited) || !errors.Is(second, gh.ErrRateLimited) {
		t.Errorf("got %v and %v, want two rate limits", first, second)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
	if err := c.GraphQL(t.Context(), "{viewer}", nil, &struct{}{}); err != nil {
		t.Errorf("the other budget: %v", err)
	}
	if err := ask(installation(t, connection, 8)); err != nil {
		t.Errorf("another installation: %v", err)
	}
	s.now = s.now.Add(11 * time.Minute)
	if err := ask(c); err != nil {
		t.Errorf("after the limit: %v", err)
	}
}

func TestSecondaryLimitHoldsForEverything(t *testing.T) {
	s := newServer(t)
	s.rest("POST /repos/acme/shop/check-runs", 403, `{"message":"You have exceeded a secondary rate limit"}`)
	c := s.client(t)
	_, first := c.CreateCheckRun(t.Context(), repo, completed())
	_, second := c.PullRequestStack(t.Context(), repo, 1)
	third := c.GraphQL(t.Context(), "{viewer}", nil, &struct{}{})
	for _, err := range []error{first, second, third} {
		var limit *gh.RateLimitError
		if !errors.As(err, &limit) || !limit.Secondary || limit.Until.Sub(s.now) != time.Minute {
			t.Errorf("got %v, want the secondary limit for a minute", err)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}

func TestAnswerTooLarge(t *testing.T) {
	s := newServer(t)
	const limit = 32 << 20
	size := limit + 1
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1", func(w http.ResponseWriter, r *http.Request) {
		text := `{"number":1,"stack":null}`
		io.WriteString(w, text)
		w.Write(bytes.Repeat([]byte(" "), size-len(text)))
	})
	c := s.client(t)
	if _, err := c.PullRequestStack(t.Context(), repo, 1); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("one byte more than allowed: got %v, want ErrUnavailable", err)
	}
	size = limit
	if _, err := c.PullRequestStack(t.Context(), repo, 1); err != nil {
		t.Errorf("as much as allowed: %v", err)
	}
}

func TestBrokenConnections(t *testing.T) {
	s := newServer(t)
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"number":1}`)
		panic(http.ErrAbortHandler)
	})
	c := s.client(t)
	if _, err := c.PullRequestStack(t.Context(), repo, 1); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("half an answer: got %v, want ErrUnavailable", err)
	}
	s.Close()
	if _, err := c.PullRequestStack(t.Context(), repo, 1); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("nobody there: got %v, want ErrUnavailable", err)
	}
}

func TestWhoseTimeOut(t *testing.T) {
	s := newServer(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	asked := make(chan struct{}, 1)
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/pulls/1", func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	settings := s.settings()
	settings.Timeout = 300 * time.Millisecond
	connection, err := gh.Connect(settings)
	if err != nil {
		t.Fatal(err)
	}
	c := installation(t, connection, 7)

	_, err = c.PullRequestStack(t.Context(), repo, 1)
	if !errors.Is(err, gh.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("our time-out: got %v, want ErrUnavailable alone", err)
	}
	<-asked

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err = c.PullRequestStack(ctx, repo, 1)
	if !errors.Is(err, context.Canceled) || errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("the caller's cancellation: got %v, want context.Canceled alone", err)
	}
}

func TestPathsCannotLeaveTheirPlace(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	for _, path := range []string{"../../../app", "a/../b", "./a", "", "/a", "a//b", "a/"} {
		if _, err := c.Content(t.Context(), repo, path, "main"); !errors.Is(err, gh.ErrInvalid) {
			t.Errorf("path %q: got %v, want ErrInvalid", path, err)
		}
	}
	if _, err := c.Permission(t.Context(), gh.Repo{Owner: "..", Name: ".."}, "ann"); !errors.Is(err, gh.ErrInvalid) {
		t.Errorf("owner ..: got %v, want ErrInvalid", err)
	}
	for _, sha := range []string{"main", "", head[:39], strings.ToUpper(other[:39]) + "A"} {
		if _, err := c.CheckRuns(t.Context(), repo, sha); !errors.Is(err, gh.ErrInvalid) {
			t.Errorf("sha %q: got %v, want ErrInvalid", sha, err)
		}
	}
	if got := s.requests(); len(got) > 0 {
		t.Errorf("GitHub was asked %q", got)
	}
}
