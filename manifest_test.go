package countersign_test

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim/published"
	"github.com/countersign/countersign/handlers"
)

// needs says which permission a route or an event needs, as GitHub documents it:
// https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps and
// https://docs.github.com/en/webhooks/webhook-events-and-payloads. A name alone is read.
// "optional write" is granted only by organisations that want what it is for: app.yml asks to read.
var needs = map[string]string{
	"GET /app":              "",
	"GET /orgs/{org}":       "organization_administration", // for how many private repositories it has; the rest needs none
	"GET /orgs/{org}/repos": "metadata",
	"GET /orgs/{org}/teams/{team_slug}/members":                     "members",
	"GET /repos/{owner}/{repo}/actions/runs":                        "actions",
	"GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs":          "actions",
	"GET /repos/{owner}/{repo}/collaborators/{username}/permission": "metadata",
	"GET /repos/{owner}/{repo}/branches":                            "contents",
	"GET /repos/{owner}/{repo}/activity":                            "contents",
	"GET /repos/{owner}/{repo}/commits/{sha}/check-runs":            "checks",
	"GET /repos/{owner}/{repo}/commits/{sha}/pulls":                 "pull_requests",
	"GET /repos/{owner}/{repo}/compare/{basehead}":                  "contents",
	"GET /repos/{owner}/{repo}/commits/{sha}/statuses":              "statuses",
	"GET /repos/{owner}/{repo}/contents/{path}":                     "contents",
	"GET /repos/{owner}/{repo}/pulls/{number}":                      "pull_requests",
	"GET /repos/{owner}/{repo}/pulls/{number}/commits":              "pull_requests",
	"GET /repos/{owner}/{repo}/pulls/{number}/files":                "pull_requests",
	"GET /repos/{owner}/{repo}/rules/branches/{branch}":             "metadata",
	"GET /repos/{owner}/{repo}/rulesets/{ruleset_id}":               "metadata",
	"POST /repos/{owner}/{repo}/check-runs":                         "checks: write",
	"PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}":         "checks: write",
	"POST /graphql": "administration", // classic protection

	"GET /repos/{owner}/{repo}": "metadata",

	"GET /repos/{owner}/{repo}/issues":                           "issues",
	"GET /repos/{owner}/{repo}/issues/{number}":                  "issues",
	"GET /repos/{owner}/{repo}/issues/{number}/comments":         "issues",
	"POST /repos/{owner}/{repo}/issues":                          "issues: optional write",
	"PATCH /repos/{owner}/{repo}/issues/{number}":                "issues: optional write",
	"POST /repos/{owner}/{repo}/issues/{number}/comments":        "issues: optional write",
	"POST /repos/{owner}/{repo}/issues/{number}/labels":          "issues: optional write",
	"DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}": "issues: optional write",
	"POST /repos/{owner}/{repo}/issues/{number}/assignees":       "issues: optional write",

	// As the App itself.
	"POST /app/installations/{installation_id}/access_tokens": "",
	"GET /app/hook/deliveries":                                "", "POST /app/hook/deliveries/{delivery_id}/attempts": "",
	"GET /app/installations": "", "GET /app/hook/config": "",
	"POST /app-manifests/{code}/conversions": "",

	// With a person's token.
	"GET /user": "", "GET /user/memberships/orgs/{org}": "members",
	"GET /user/installations": "", "GET /user/installations/{installation_id}/repositories": "metadata",

	// With the client id and secret.
	"DELETE /applications/{client_id}/token": "",

	// With an administrator's own token, not as the App.
	"GET /orgs/{org}/rulesets": "", "GET /repos/{owner}/{repo}/rulesets": "", "GET /orgs/{org}/rulesets/{ruleset_id}": "",
	"POST /orgs/{org}/rulesets": "", "PUT /orgs/{org}/rulesets/{ruleset_id}": "",
	"POST /repos/{owner}/{repo}/rulesets": "", "PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}": "",

	"pull_request": "pull_requests", "pull_request_review": "pull_requests", "pull_request_review_thread": "pull_requests",
	"issue_comment": "issues", "issues": "issues", "merge_group": "merge_queues",
	"check_run": "checks", "check_suite": "checks", "status": "statuses", "workflow_run": "actions", "deployment_status": "deployments",
	"push": "contents", "create": "contents", "delete": "contents",
	"branch_protection_rule": "administration", "branch_protection_configuration": "administration", "repository_ruleset": "administration",
	"repository": "metadata", "custom_property_values": "organization_custom_properties",
	"member": "members", "membership": "members", "team": "members", "team_add": "members", "organization": "members",
}

// unlisted are events that every App gets without asking.
var unlisted = []string{"github_app_authorization", "installation", "installation_repositories", "installation_target", "ping"}

func TestManifestAsksForWhatTheCodeUses(t *testing.T) {
	m, err := countersign.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"metadata": true}
	// GitHub offers only who may write statuses as the source of a required check: see app.yml.
	written := map[string]bool{"statuses": true}
	for _, subject := range slices.Concat(routesOf(t), m.Events) {
		need, known := needs[subject]
		if !known {
			t.Errorf("%s: say in this test which permission it needs", subject)
			continue
		}
		permission, level, _ := strings.Cut(need, ": ")
		used[permission] = true
		written[permission] = written[permission] || level == "write"
		if got := m.Permissions[permission]; need != "" && (got == "" || level == "write" && got != "write") {
			t.Errorf("%s needs %s, app.yml asks for %q", subject, need, got)
		}
		if got := m.Permissions[permission]; level == "optional write" && got != "read" {
			t.Errorf("%s needs a permission that is optional, app.yml asks everybody for %q", subject, got)
		}
	}
	for permission, level := range m.Permissions {
		if !used[permission] {
			t.Errorf("app.yml asks for %s, which nothing uses", permission)
		}
		if level == "write" && !written[permission] {
			t.Errorf("app.yml asks to write %s, which nothing does", permission)
		}
	}
}

// The addresses in app.yml are those that the server answers at.
func TestManifestAddresses(t *testing.T) {
	m, err := countersign.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{PublicURL: "https://countersign.example.com"}
	if !slices.Equal(m.CallbackURLs, []string{c.CallbackURL()}) || m.Hook.URL != c.PublicURL+handlers.HookPath {
		t.Errorf("callbacks %q, webhook %q", m.CallbackURLs, m.Hook.URL)
	}
}

func TestManifestListsEveryHandledEvent(t *testing.T) {
	m, err := countersign.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	listed := slices.Sorted(slices.Values(slices.Concat(m.Events, unlisted)))
	if handled := gh.HandledEvents(); !slices.Equal(listed, handled) {
		t.Errorf("app.yml and what every App gets:\n%v\nhandled:\n%v", listed, handled)
	}
}

// Each permission in app.yml is followed by its reason.
func TestManifestGivesReasons(t *testing.T) {
	src, err := os.ReadFile("app.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(src), "default_permissions:")
	section, _, _ = strings.Cut(section, "default_events:")
	for line := range strings.Lines(section) {
		permission, reason, _ := strings.Cut(strings.TrimSpace(line), "#")
		if permission != "" && len(strings.TrimSpace(reason)) < 20 {
			t.Errorf("%q has no reason", strings.TrimSpace(line))
		}
	}
}

// GitHub takes the manifest only if it knows each permission and event, and if the App may have the
// events by its permissions.
func TestManifestIsOneThatGitHubTakes(t *testing.T) {
	m, err := countersign.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	github := readDescription(t)
	for permission, level := range m.Permissions {
		if !slices.Contains(github.Components.Schemas.App.Properties[permission].Enum, level) {
			t.Errorf("GitHub has no permission %s with the level %s", permission, level)
		}
	}
	events := github.events()
	for _, event := range m.Events {
		e, known := events[event]
		if !known || !slices.Contains(e.apps, "app") {
			t.Errorf("GitHub has no event %s for Apps", event)
		}
		if e.permission != "" && (m.Permissions[e.permission] == "" || needs[event] != e.permission) {
			t.Errorf("for %s GitHub wants %s; app.yml asks for %q, and this test says %s", event, e.permission, m.Permissions[e.permission], needs[event])
		}
	}
}

// description is what this test reads of GitHub's OpenAPI description.
type description struct {
	Webhooks map[string]struct {
		Post struct {
			Summary    string
			Parameters []struct{ Name, Example any }
			GitHub     struct {
				Types []string `json:"supported-webhook-types"`
			} `json:"x-github"`
		}
	} `json:"x-webhooks"`
	Components struct {
		Schemas struct {
			App struct {
				Properties map[string]struct{ Enum []string }
			} `json:"app-permissions"`
		}
	}
}

func readDescription(t *testing.T) (d description) {
	t.Helper()
	cache, err := published.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	src, err := published.Load(t.Context(), cache, published.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(src, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// described is an event as GitHub describes it.
type described struct {
	apps       []string // who may have it
	permission string   // that it needs; empty: GitHub does not say
}

var neededPermission = regexp.MustCompile(`at least read-level access for the "([^"]+)" (repository|organization) permission`)

func (d description) events() map[string]described {
	events := map[string]described{}
	for _, hook := range d.Webhooks {
		e := described{apps: hook.Post.GitHub.Types}
		if m := neededPermission.FindStringSubmatch(hook.Post.Summary); m != nil {
			e.permission = strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(m[1]), " ", "_"), "commit_")
			if _, has := d.Components.Schemas.App.Properties[m[2]+"_"+e.permission]; has {
				e.permission = m[2] + "_" + e.permission
			}
		}
		for _, p := range hook.Post.Parameters {
			name, _ := p.Example.(string)
			if p.Name == "X-Github-Event" {
				events[name] = described{e.apps, cmp.Or(e.permission, events[name].permission)}
			}
		}
	}
	return events
}

// routesOf finds the routes in the source of package gh.
func routesOf(t *testing.T) []string {
	t.Helper()
	route := regexp.MustCompile(`"((?:GET|POST|PATCH|PUT|DELETE) /(?:app|graphql|repos|orgs|user)[^"]*)"`)
	files, err := filepath.Glob("gh/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range route.FindAllStringSubmatch(string(src), -1) {
			routes = append(routes, m[1])
		}
	}
	if len(routes) < 15 {
		t.Fatalf("found only %d routes", len(routes))
	}
	return routes
}
