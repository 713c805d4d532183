package gh_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

const answered = `{"id":99,"name":"countersign","head_sha":"` + head + `","status":"completed","conclusion":"success","app":{"id":42,"slug":"countersign"},"check_suite":{"id":7}}`

// completed is a check run with everything that can be said.
func completed() gh.CheckRunWrite {
	return gh.CheckRunWrite{
		Name: "countersign", HeadSHA: head, ExternalID: "record-1", DetailsURL: "https://countersign.example.com/c/1",
		Status: "completed", Conclusion: "success", Title: "All rules hold", Summary: "| rule | |", Text: "<facts>",
		CompletedAt: time.Date(2026, 1, 2, 4, 4, 5, 600, time.FixedZone("", 3600)),
		Actions:     []gh.CheckRunAction{{Label: "Re-evaluate", Description: "Look again", Identifier: "re-evaluate"}},
	}
}

func sent(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCreateCheckRun(t *testing.T) {
	s := newServer(t)
	s.rest("POST /repos/acme/shop/check-runs", 201, answered)
	c := s.client(t)
	run, err := c.CreateCheckRun(t.Context(), repo, completed())
	if err != nil {
		t.Fatal(err)
	}
	if want := (gh.CheckRun{ID: 99, Name: "countersign", HeadSHA: head, Status: "completed", Conclusion: "success", App: gh.App{ID: 42, Slug: "countersign"}, SuiteID: 7}); run != want {
		t.Errorf("got %+v, want %+v", run, want)
	}
	want := map[string]any{
		"name": "countersign", "head_sha": head, "external_id": "record-1", "details_url": "https://countersign.example.com/c/1",
		"status": "completed", "conclusion": "success", "completed_at": "2026-01-02T03:04:05Z",
		"output":  map[string]any{"title": "All rules hold", "summary": "| rule | |", "text": "<facts>"},
		"actions": []any{map[string]any{"label": "Re-evaluate", "description": "Look again", "identifier": "re-evaluate"}},
	}
	if diff := cmp.Diff(want, sent(t, s.body("POST"))); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}

	w := completed()
	w.Status, w.Conclusion, w.DetailsURL, w.Text, w.Actions = "in_progress", "", "", "", nil
	if _, err := c.CreateCheckRun(t.Context(), repo, w); err != nil {
		t.Fatal(err)
	}
	want = map[string]any{
		"name": "countersign", "head_sha": head, "external_id": "record-1", "status": "in_progress",
		"output": map[string]any{"title": "All rules hold", "summary": "| rule | |"},
	}
	if diff := cmp.Diff(want, sent(t, s.body("POST"))); diff != "" {
		t.Errorf("sent while in progress (-want +got):\n%s", diff)
	}
}

func TestUpdateCheckRun(t *testing.T) {
	s := newServer(t)
	s.rest("PATCH /repos/acme/shop/check-runs/99", 200, answered)
	if _, err := s.client(t).UpdateCheckRun(t.Context(), repo, 99, completed()); err != nil {
		t.Fatal(err)
	}
	if _, there := sent(t, s.body("PATCH"))["head_sha"]; there {
		t.Error("head_sha was sent, which GitHub does not take here")
	}
	s.rest("PATCH /repos/acme/shop/check-runs/98", 200, answered)
	if _, err := s.client(t).UpdateCheckRun(t.Context(), repo, 98, completed()); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("an answer about another check run: got %v, want ErrUnavailable", err)
	}
}

func TestCheckRunsThatGitHubWouldRefuseOrCut(t *testing.T) {
	button := completed().Actions[0]
	for name, change := range map[string]func(*gh.CheckRunWrite){
		"no name":                       func(w *gh.CheckRunWrite) { w.Name = "" },
		"no title":                      func(w *gh.CheckRunWrite) { w.Title = "" },
		"no summary":                    func(w *gh.CheckRunWrite) { w.Summary = "" },
		"head is a branch":              func(w *gh.CheckRunWrite) { w.HeadSHA = "main" },
		"unknown status":                func(w *gh.CheckRunWrite) { w.Status = "done" },
		"completed without conclusion":  func(w *gh.CheckRunWrite) { w.Conclusion = "" },
		"unknown conclusion":            func(w *gh.CheckRunWrite) { w.Conclusion = "pass" },
		"conclusion while in progress":  func(w *gh.CheckRunWrite) { w.Status = "in_progress" },
		"summary one byte too long":     func(w *gh.CheckRunWrite) { w.Summary = strings.Repeat("x", 65_536) },
		"text too long in bytes only":   func(w *gh.CheckRunWrite) { w.Text = strings.Repeat("é", 32_768) },
		"text too long once it is UTF8": func(w *gh.CheckRunWrite) { w.Text = strings.Repeat("\xffa", 30_000) },
		"four actions":                  func(w *gh.CheckRunWrite) { w.Actions = []gh.CheckRunAction{button, button, button, button} },
		"label of 21":                   func(w *gh.CheckRunWrite) { w.Actions[0].Label = strings.Repeat("é", 21) },
		"description of 41":             func(w *gh.CheckRunWrite) { w.Actions[0].Description = strings.Repeat("x", 41) },
		"identifier of 21":              func(w *gh.CheckRunWrite) { w.Actions[0].Identifier = strings.Repeat("x", 21) },
		"empty identifier":              func(w *gh.CheckRunWrite) { w.Actions[0].Identifier = "" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.rest("POST /repos/acme/shop/check-runs", 201, answered)
			w := completed()
			change(&w)
			if _, err := s.client(t).CreateCheckRun(t.Context(), repo, w); !errors.Is(err, gh.ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
			if len(s.requests()) > 0 {
				t.Error("it was sent")
			}
		})
	}
}

func TestLargestCheckRun(t *testing.T) {
	s := newServer(t)
	s.rest("POST /repos/acme/shop/check-runs", 201, answered)
	w := completed()
	w.Summary, w.Text = strings.Repeat("<", gh.MaxOutputBytes), strings.Repeat("&", gh.MaxOutputBytes)
	w.Actions[0] = gh.CheckRunAction{Label: strings.Repeat("é", 20), Description: strings.Repeat("é", 40), Identifier: strings.Repeat("é", 20)}
	if _, err := s.client(t).CreateCheckRun(t.Context(), repo, w); err != nil {
		t.Fatal(err)
	}
	if n := len(s.body("POST")); n > 2*gh.MaxOutputBytes+2000 {
		t.Errorf("sent %d bytes: the text was escaped", n)
	}
}

func TestWritesAreSentOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   error
	}{
		{"bad gateway", 502, ``, gh.ErrUnavailable},
		{"refused", 422, `{"message":"Validation Failed"}`, gh.ErrInvalid},
		{"no permission", 403, `{"message":"Resource not accessible by integration"}`, gh.ErrForbidden},
		{"limited", 403, `{"message":"You have exceeded a secondary rate limit"}`, gh.ErrRateLimited},
		{"a list in place of the check run", 200, `{"total_count":0,"check_runs":[]}`, gh.ErrUnavailable},
		{"no id", 201, `{}`, gh.ErrUnavailable},
		{"another head", 201, strings.ReplaceAll(answered, head, other), gh.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.rest("POST /repos/acme/shop/check-runs", tt.status, tt.body)
			if _, err := s.client(t).CreateCheckRun(t.Context(), repo, completed()); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestLostAnswerToAWrite(t *testing.T) {
	s := newServer(t)
	s.mux.HandleFunc("POST /api/v3/repos/acme/shop/check-runs", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := s.client(t).CreateCheckRun(t.Context(), repo, completed()); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}
