package gh_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

func TestWritesOnIssues(t *testing.T) {
	for _, tt := range []struct {
		name, route string
		status      int
		answer      string
		write       func(context.Context, *gh.Client) error
		sent        map[string]any
	}{
		{"comment", "POST /repos/acme/shop/issues/4/comments", 201, `{"id":31}`,
			func(ctx context.Context, c *gh.Client) error { return c.Comment(ctx, repo, 4, "Who?\xff\xff") }, map[string]any{"body": "Who?\uFFFD"}},
		{"label", "POST /repos/acme/shop/issues/4/labels", 200, `[{"name":"Exception"},{"name":"late"}]`,
			func(ctx context.Context, c *gh.Client) error { return c.AddLabel(ctx, repo, 4, "exception") }, map[string]any{"labels": []any{"exception"}}},
		{"assignee", "POST /repos/acme/shop/issues/4/assignees", 201, `{"number":4,"assignees":[{"id":2,"login":"Bob"}]}`,
			func(ctx context.Context, c *gh.Client) error { return c.Assign(ctx, repo, 4, "bob") }, map[string]any{"assignees": []any{"bob"}}},
		{"close", "PATCH /repos/acme/shop/issues/4", 200, jClosedIssue,
			func(ctx context.Context, c *gh.Client) error { return c.CloseIssue(ctx, repo, 4) }, map[string]any{"state": "closed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.rest(tt.route, tt.status, tt.answer)
			if err := tt.write(t.Context(), s.client(t)); err != nil {
				t.Fatal(err)
			}
			method, _, _ := strings.Cut(tt.route, " ")
			if diff := cmp.Diff(tt.sent, sent(t, s.body(method))); diff != "" || len(s.requests()) != 1 {
				t.Errorf("sent %v (-want +got):\n%s", s.requests(), diff)
			}
		})
	}
}

// What GitHub refuses has a sentinel, and nothing is tried twice.
func TestRefusedWritesOnIssues(t *testing.T) {
	writes := map[string]func(context.Context, *gh.Client) error{
		"POST /repos/acme/shop/issues": func(ctx context.Context, c *gh.Client) error {
			_, err := c.CreateIssue(ctx, repo, "An exception", "Who?", []string{"exception"})
			return err
		},
		"POST /repos/acme/shop/issues/4/comments":  func(ctx context.Context, c *gh.Client) error { return c.Comment(ctx, repo, 4, "Who?") },
		"POST /repos/acme/shop/issues/4/labels":    func(ctx context.Context, c *gh.Client) error { return c.AddLabel(ctx, repo, 4, "late") },
		"POST /repos/acme/shop/issues/4/assignees": func(ctx context.Context, c *gh.Client) error { return c.Assign(ctx, repo, 4, "bob") },
		"PATCH /repos/acme/shop/issues/4":          func(ctx context.Context, c *gh.Client) error { return c.CloseIssue(ctx, repo, 4) },
	}
	for _, tt := range []struct {
		status int
		body   string
		want   error
	}{
		{403, `{"message":"Resource not accessible by integration"}`, gh.ErrForbidden},
		{403, `{"message":"Unable to create comment because issue is locked."}`, gh.ErrForbidden},
		{404, `{"message":"Not Found"}`, gh.ErrNotFound},
		{410, `{"message":"Issues has been disabled in this repository."}`, gh.ErrGone},
		{422, `{"message":"Validation Failed"}`, gh.ErrInvalid},
		{502, `<html>`, gh.ErrUnavailable},
		{201, `<html>`, gh.ErrUnavailable},
		// What a redirect makes of a write.
		{200, `{"number":4,"state":"open","labels":[],"created_at":"2026-11-25T10:00:00Z"}`, gh.ErrUnavailable},
		{200, `[]`, gh.ErrUnavailable},
	} {
		for route, write := range writes {
			if tt.status == 201 && strings.HasSuffix(route, "/comments") {
				continue // of a comment only the status is looked at
			}
			s := newServer(t)
			s.rest(route, tt.status, tt.body)
			if err := write(t.Context(), s.client(t)); !errors.Is(err, tt.want) {
				t.Errorf("%s: %d %s: got %v, want %v", route, tt.status, tt.body, err, tt.want)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%s: %d: %d requests", route, tt.status, n)
			}
		}
	}
}

func TestCreateIssue(t *testing.T) {
	s := newServer(t)
	s.rest("POST /repos/acme/shop/issues", 201, jOpenIssue)
	c := s.client(t)
	number, err := c.CreateIssue(t.Context(), repo, "An exception", "Who?", []string{"Exception", "high"})
	if number != 4 || err != nil {
		t.Errorf("got %d, %v", number, err)
	}
	want := map[string]any{"title": "An exception", "body": "Who?", "labels": []any{"Exception", "high"}}
	if diff := cmp.Diff(want, sent(t, s.body("POST"))); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	// Without its number the caller would look for it by its label, and open another.
	number, err = c.CreateIssue(t.Context(), repo, "An exception", "Who?", []string{"late"})
	if number != 4 || !errors.Is(err, gh.ErrForbidden) {
		t.Errorf("a label was left out: got %d, %v, want 4 and ErrForbidden", number, err)
	}
}

func TestTextsThatGitHubWouldRefuse(t *testing.T) {
	s := newServer(t)
	s.rest("POST /repos/acme/shop/issues", 201, jOpenIssue)
	s.rest("POST /repos/acme/shop/issues/4/comments", 201, `{}`)
	c := s.client(t)
	open := func(title, body string, labels ...string) error {
		_, err := c.CreateIssue(t.Context(), repo, title, body, labels)
		return err
	}
	longest := strings.Repeat("é", gh.MaxIssueBody)
	if err := errors.Join(open(strings.Repeat("é", gh.MaxIssueTitle), longest), c.Comment(t.Context(), repo, 4, longest)); err != nil {
		t.Error(err)
	}
	before := len(s.requests())
	for name, err := range map[string]error{
		"no title":      open("", "x"),
		"long title":    open(strings.Repeat("t", gh.MaxIssueTitle+1), "x"),
		"no body":       open("x", "\n"),
		"long body":     open("x", longest+"x"),
		"label":         open("x", "x", "high", "a,b"),
		"no comment":    c.Comment(t.Context(), repo, 4, " "),
		"long comment":  c.Comment(t.Context(), repo, 4, longest+"x"),
		"no label":      c.AddLabel(t.Context(), repo, 4, ""),
		"long label":    c.AddLabel(t.Context(), repo, 4, strings.Repeat("é", 51)),
		"no assignee":   c.Assign(t.Context(), repo, 4, ""),
		"another owner": c.CloseIssue(t.Context(), gh.Repo{Owner: "..", Name: "shop"}, 4),
	} {
		if !errors.Is(err, gh.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if after := len(s.requests()); after != before {
		t.Errorf("GitHub was asked %d times", after-before)
	}
	if err := open("", "", ""); strings.Count(err.Error(), "want 1 to") != 3 {
		t.Errorf("not every problem is said: %v", err)
	}
}

func TestAssignSaysWhoIsNotTaken(t *testing.T) {
	for _, tt := range []struct {
		status int
		answer string
		want   error
	}{
		{201, `{"assignees":[{"login":"ann"}]}`, gh.ErrNotAssignable},
		{201, `{"assignees":[]}`, gh.ErrNotAssignable},
		{201, `{"assignees":null}`, gh.ErrUnavailable},
		{201, `{}`, gh.ErrUnavailable},
		{200, `{"assignees":[{"login":"bob"}]}`, gh.ErrUnavailable},
	} {
		s := newServer(t)
		s.rest("POST /repos/acme/shop/issues/4/assignees", tt.status, tt.answer)
		if err := s.client(t).Assign(t.Context(), repo, 4, "bob"); !errors.Is(err, tt.want) {
			t.Errorf("%d %s: got %v, want %v", tt.status, tt.answer, err, tt.want)
		}
	}
}

// An issue that was moved to another repository is no longer ours to close.
func TestMovedIssueIsNotClosed(t *testing.T) {
	s := newServer(t)
	s.rest("PATCH /repos/acme/shop/issues/4", 301, "", "Location", "/api/v3/repositories/5/issues/9")
	s.rest("GET /repositories/5/issues/9", 200, strings.Replace(jClosedIssue, `"number":4`, `"number":9`, 1))
	if err := s.client(t).CloseIssue(t.Context(), repo, 4); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
