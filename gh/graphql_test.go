package gh_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

func TestGraphQL(t *testing.T) {
	s := newServer(t)
	s.graphql(200, `{"data":{"repository":{"databaseId":12345678901}}}`)
	var data struct {
		Repository struct{ DatabaseID int64 }
	}
	err := s.client(t).GraphQL(t.Context(), "query($n:Int!){x}", map[string]any{"n": 1}, &data)
	if err != nil || data.Repository.DatabaseID != 12345678901 {
		t.Errorf("got %+v, %v", data, err)
	}
	var sent struct {
		Query     string
		Variables map[string]int
	}
	if err := json.Unmarshal([]byte(s.body("POST")), &sent); err != nil {
		t.Fatal(err)
	}
	if sent.Query != "query($n:Int!){x}" || sent.Variables["n"] != 1 {
		t.Errorf("sent %+v", sent)
	}
	if want := []string{"POST /api/graphql"}; !slices.Equal(s.requests(), want) {
		t.Errorf("got requests %q, want %q", s.requests(), want)
	}
}

func TestGraphQLErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		header []string
		body   string
		want   error
		types  []string
	}{
		{"an error beside data", 200, nil, `{"data":{"x":1},"errors":[{"type":"FORBIDDEN","path":["x"],"message":"Resource not accessible by integration"},{"message":"?"}]}`, gh.ErrGraphQL, []string{"FORBIDDEN", ""}},
		{"an error of another shape", 200, nil, `{"data":{"x":1},"errors":["oh"]}`, gh.ErrGraphQL, []string{""}},
		{"errors of another shape", 200, nil, `{"data":{"x":1},"errors":{"a":1}}`, gh.ErrUnavailable, nil},
		{"no errors in the list", 200, nil, `{"data":{"x":1},"errors":[]}`, nil, nil},
		{"no data", 200, nil, `{}`, gh.ErrUnavailable, nil},
		{"null data", 200, nil, `{"data":null}`, gh.ErrUnavailable, nil},
		{"data of another shape", 200, nil, `{"data":{"x":"one"}}`, gh.ErrUnavailable, nil},
		{"something behind it", 200, nil, `{"data":{"x":1}} {}`, gh.ErrUnavailable, nil},
		{"no JSON", 200, nil, `<html>`, gh.ErrUnavailable, nil},
		{"time-out at GitHub", 502, nil, `{"data":null,"errors":[{"message":"Something went wrong"}]}`, gh.ErrUnavailable, nil},
		{"not our token", 401, nil, `{"message":"Bad credentials"}`, gh.ErrUnauthorized, nil},
		{"no points left", 200, nil, `{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}`, gh.ErrRateLimited, nil},
		{"no points left, by its new name", 200, nil, `{"errors":[{"type":"RATE_LIMIT","message":"API rate limit already exceeded"}]}`, gh.ErrRateLimited, nil},
		{"secondary limit with status 200", 200, nil, `{"message":"You have exceeded a secondary rate limit","documentation_url":"https://docs.github.com/x"}`, gh.ErrRateLimited, nil},
		{"secondary limit as an error", 200, nil, `{"errors":[{"message":"You have exceeded a secondary rate limit."}]}`, gh.ErrRateLimited, nil},
		{"secondary limit with status 403", 403, []string{"Retry-After", "5"}, `{}`, gh.ErrRateLimited, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.graphql(tt.status, tt.body, tt.header...)
			var data struct{ X int }
			err := s.client(t).GraphQL(t.Context(), "{x}", nil, &data)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil && data.X != 0 {
				t.Errorf("data of a failed answer were used: %+v", data)
			}
			var failure *gh.GraphQLError
			if errors.As(err, &failure) && !slices.Equal(failure.Types, tt.types) {
				t.Errorf("got types %q, want %q", failure.Types, tt.types)
			}
			var limit *gh.RateLimitError
			if errors.As(err, &limit) && !limit.Until.After(s.now) {
				t.Errorf("until %v, which is not after %v", limit.Until, s.now)
			}
		})
	}
}

func TestGraphQLRateLimitSaysWhen(t *testing.T) {
	s := newServer(t)
	s.now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	reset := s.now.Add(17 * time.Minute)
	s.graphql(200, `{"data":null,"errors":[{"message":"?"},{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}`,
		"Date", s.now.Format(http.TimeFormat), "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	c := s.client(t)
	for range 2 {
		var limit *gh.RateLimitError
		if err := c.GraphQL(t.Context(), "{x}", nil, &struct{}{}); !errors.As(err, &limit) {
			t.Fatalf("got %v, want a rate limit", err)
		}
		if !limit.Until.Equal(reset) || limit.Secondary {
			t.Errorf("got %+v, want until %v", limit, reset)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("got %d requests, want 1: nobody asks while the limit holds", n)
	}
}

func TestGraphQLErrorIsBounded(t *testing.T) {
	s := newServer(t)
	one := `{"message":"` + strings.Repeat("é", 1000) + `"}`
	s.graphql(200, `{"errors":[`+strings.Repeat(one+",", 99)+one+`]}`)
	var failure *gh.GraphQLError
	if err := s.client(t).GraphQL(t.Context(), "{x}", nil, &struct{}{}); !errors.As(err, &failure) {
		t.Fatalf("got %v, want a *GraphQLError", err)
	}
	if len(failure.Messages) != 10 || len(failure.Types) != 10 || len(failure.Messages[0]) > 300 {
		t.Errorf("got %d messages of %d bytes", len(failure.Messages), len(failure.Messages[0]))
	}
}
