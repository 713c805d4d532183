package contract

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

const sha = "0123456789012345678901234567890123456789"

// exchange builds one from a request line, a body, and an answer.
func exchange(line, body string, status int, answer string) ghsim.Exchange {
	method, path, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, restPrefix+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return ghsim.Exchange{
		Request: r, RequestBody: []byte(body), Status: status,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: []byte(answer),
	}
}

func mustLoad(t *testing.T) *Description {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestExchange: a check that cannot fail is worth nothing, so most of these are wrong.
func TestExchange(t *testing.T) {
	d := mustLoad(t)
	const runs = "/repos/acme/shop/check-runs"
	const none = `{"total_count":0,"check_runs":[]}`
	for name, c := range map[string]struct {
		exchange ghsim.Exchange
		want     []string // beginnings of the violations; none: all is well
	}{
		"good read":                {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs?per_page=100&filter=all", "", 200, none), nil},
		"unknown path":             {exchange("GET /repos/acme/shop/checks", "", 404, `{"message":"Not Found"}`), []string{"GET /api/v3/repos/acme/shop/checks: GitHub has no such operation"}},
		"unknown method":           {exchange("PUT "+runs, "{}", 404, `{}`), []string{"PUT /api/v3/repos/acme/shop/check-runs: GitHub has no such operation"}},
		"number that is none":      {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs?per_page=abc", "", 200, none), []string{`GET /repos/{owner}/{repo}/commits/{ref}/check-runs: request: parameter "per_page"`}},
		"word that is none":        {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs?filter=newest", "", 200, none), []string{"GET /repos/{owner}/{repo}/commits/{ref}/check-runs: request: /: value is not one of"}},
		"write without head":       {exchange("POST "+runs, `{"name":"x"}`, 422, `{}`), []string{"POST /repos/{owner}/{repo}/check-runs: request: "}},
		"label too long":           {exchange("POST "+runs, `{"name":"x","head_sha":"`+sha+`","actions":[{"label":"123456789012345678901","description":"d","identifier":"i"}]}`, 422, `{}`), []string{"POST /repos/{owner}/{repo}/check-runs: request: /actions/0/label"}},
		"missing in the answer":    {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 200, `{"check_runs":[]}`), []string{`GET /repos/{owner}/{repo}/commits/{ref}/check-runs: answer 200: /total_count: property "total_count" is missing`}},
		"wrong type in the answer": {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 200, `{"total_count":"0","check_runs":[]}`), []string{"GET /repos/{owner}/{repo}/commits/{ref}/check-runs: answer 200: /total_count: value must be an integer"}},
		"two things wrong":         {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 200, `{"total_count":"0"}`), []string{"GET /repos/{owner}/{repo}/commits/{ref}/check-runs: answer 200: ", "GET /repos/{owner}/{repo}/commits/{ref}/check-runs: answer 200: "}},
		"success that is not one":  {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 202, none), []string{"GET /repos/{owner}/{repo}/commits/{ref}/check-runs: answer 202: status is not supported"}},
		"undescribed refusal":      {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 401, `{"message":"Bad credentials"}`), nil},
		"not modified":             {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 304, ""), nil},
		"branch with a slash":      {exchange("GET /repos/acme/shop/rules/branches/release%2F1.0?per_page=100", "", 200, `[]`), nil},
		"file in a folder":         {exchange("GET /repos/acme/shop/contents/.github/countersign.yml?ref=main", "", 404, `{"message":"Not Found"}`), nil},
		"answer that is not JSON":  {exchange("GET /repos/acme/shop/commits/"+sha+"/check-runs", "", 200, `<html>`), []string{"GET /repos/{owner}/{repo}/commits/{ref}/check-runs: answer 200: "}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, d.Exchange(c.exchange), c.want) })
	}
}

func TestHook(t *testing.T) {
	d := mustLoad(t)
	for name, c := range map[string]struct {
		event, payload string
		want           []string
	}{
		"unknown event":  {"pull_requests", `{"action":"opened"}`, []string{"webhook pull_requests.opened: GitHub has no such event"}},
		"unknown action": {"pull_request", `{"action":"ajar"}`, []string{"webhook pull_request.ajar: GitHub has no such event"}},
		"not JSON":       {"push", `{`, []string{"webhook push: unexpected end"}},
		"empty":          {"merge_group", `{"action":"destroyed"}`, []string{`webhook merge_group.destroyed: /merge_group: property "merge_group" is missing`}},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, d.Hook(ghsim.Sent{Event: c.event, Payload: []byte(c.payload)}), c.want)
		})
	}
}

// TestEveryWebhookHasASchema: names that join event and action are taken apart rightly.
func TestEveryWebhookHasASchema(t *testing.T) {
	d := mustLoad(t)
	if len(d.hooks) != 270 {
		t.Errorf("got %d webhooks, want 270", len(d.hooks))
	}
	for _, name := range []string{
		"push", "status", "create", "delete", "pull_request.opened", "pull_request.review_requested", "pull_request.ready_for_review",
		"pull_request_review.submitted", "check_run.requested_action", "merge_group.checks_requested", "workflow_run.in_progress",
		"installation.new_permissions_accepted", "repository_ruleset.edited", "branch_protection_configuration.enabled",
	} {
		if d.hooks[name] == nil {
			t.Errorf("no schema for %s", name)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, src := range map[string]string{
		"not JSON":       `{`,
		"no webhooks":    `{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{}}`,
		"without schema": `{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{},"x-webhooks":{"push":{"post":{"x-github":{"subcategory":"push"}}}}}`,
	} {
		if _, err := read(json.RawMessage(src)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func compare(t *testing.T, got []Violation, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d violations, want %d", len(got), len(want))
	}
	for i, v := range got {
		if i >= len(want) || !strings.HasPrefix(v.String(), want[i]) {
			t.Errorf("got %s", v)
		}
	}
}
