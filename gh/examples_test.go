package gh_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim/published"
)

// ignoredEvents are the event names of GitHub's examples that we do not handle, each
// with the reason. An App is sent only what its manifest lists, so these do not arrive
// unless somebody changes the App's settings.
var ignoredEvents = map[string]string{
	"code_scanning_alert":            "alerts are not facts about a change; the scanner's check run is",
	"commit_comment":                 "no rule looks at comments on commits",
	"dependabot_alert":               "alerts are not facts about a change",
	"deploy_key":                     "bypass by deploy keys is read with the ruleset",
	"deployment":                     "only the outcome of a deployment matters, which is deployment_status",
	"deployment_review":              "environments have gates of their own",
	"discussion":                     "no rule looks at discussions",
	"discussion_comment":             "no rule looks at discussions",
	"fork":                           "a fork says nothing about a change until there is a pull request",
	"gollum":                         "wikis are not under change management here",
	"label":                          "renaming a label does not change what a pull request was given",
	"marketplace_purchase":           "not sold there",
	"meta":                           "about a webhook of a repository, not of an App",
	"milestone":                      "no rule looks at milestones",
	"org_block":                      "access is read when it matters",
	"package":                        "no rule looks at packages",
	"page_build":                     "no rule looks at pages",
	"project":                        "no rule looks at projects",
	"project_card":                   "no rule looks at projects",
	"project_column":                 "no rule looks at projects",
	"projects_v2_item":               "no rule looks at projects",
	"public":                         "the repository event says the same (publicized)",
	"pull_request_review_comment":    "a comment is not a review; the review has its own event",
	"release":                        "no rule looks at releases",
	"repository_dispatch":            "starts workflows; their runs have events of their own",
	"repository_import":              "the pushes of an import are seen as pushes",
	"repository_vulnerability_alert": "alerts are not facts about a change",
	"security_advisory":              "alerts are not facts about a change",
	"sponsorship":                    "not about code",
	"star":                           "not about code",
	"watch":                          "not about code",
	"workflow_dispatch":              "starts workflows; their runs have events of their own",
	"workflow_job":                   "jobs are read with their run, steps included",
}

// withoutExample are the events that we handle and GitHub publishes no example of.
var withoutExample = []string{
	"branch_protection_configuration", "custom_property_values", "installation_target", "repository_ruleset",
}

// TestPublishedExamples puts every example payload that GitHub publishes through our
// decoder: each is decoded or deliberately ignored, none fails.
func TestPublishedExamples(t *testing.T) {
	dir, err := published.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	src, err := published.Load(t.Context(), dir, published.WebhookExamples)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []struct {
		Name     string
		Examples []json.RawMessage
	}
	if err := json.Unmarshal(src, &kinds); err != nil {
		t.Fatal(err)
	}
	examples, decoded := 0, 0
	seen := map[string]bool{}
	ignored := map[string]bool{}
	for _, kind := range kinds {
		seen[kind.Name] = true
		for i, payload := range kind.Examples {
			examples++
			event, err := gh.Decode(kind.Name, payload)
			switch {
			case errors.Is(err, gh.ErrUnknownEvent):
				ignored[kind.Name] = true
			case err != nil:
				t.Errorf("%s, example %d: %v", kind.Name, i, err)
			default:
				decoded++
				checkExample(t, kind.Name, payload, event)
			}
		}
	}
	if examples != 329 {
		t.Errorf("got %d examples, want 329", examples)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(ignoredEvents)), slices.Sorted(maps.Keys(ignored))); diff != "" {
		t.Errorf("events that are ignored (-table +got):\n%s", diff)
	}
	var unexampled []string
	for _, name := range gh.HandledEvents() {
		if !seen[name] {
			unexampled = append(unexampled, name)
		}
	}
	if diff := cmp.Diff(withoutExample, unexampled); diff != "" {
		t.Errorf("handled events without an example (-want +got):\n%s", diff)
	}
	t.Logf("%d examples: %d decoded, %d ignored", examples, decoded, examples-decoded)
}

// checkExample compares what was decoded with the payload, read the simplest way: what
// says which change an event is about must not be lost.
func checkExample(t *testing.T, name string, payload []byte, got gh.Event) {
	t.Helper()
	var want struct {
		Action       string
		Sender       struct{ ID int64 }
		Installation struct{ ID int64 }
		Repository   struct {
			ID       int64
			FullName string `json:"full_name"`
		}
		PullRequest struct {
			Number int
			Head   struct{ SHA string }
		} `json:"pull_request"`
		CheckRun struct {
			ID      int64
			HeadSHA string `json:"head_sha"`
			App     struct{ ID int64 }
		} `json:"check_run"`
	}
	if err := json.Unmarshal(payload, &want); err != nil {
		t.Fatal(err)
	}
	same := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %s %v, want %v", name, what, got, want)
		}
	}
	same("name", got.Name, name)
	same("action", got.Action, want.Action)
	same("sender", got.Sender.ID, want.Sender.ID)
	same("installation", got.InstallationID, want.Installation.ID)
	if got.Repository != nil {
		same("repository", got.Repository.ID, want.Repository.ID)
		same("full name", got.Repository.FullName, want.Repository.FullName)
	} else {
		same("repository", int64(0), want.Repository.ID)
	}
	same("whether there is a pull request", got.PullRequest != nil, want.PullRequest.Number != 0)
	if name == "check_run" { // deployment_status has one too, which we do not use
		same("whether there is a check run", got.CheckRun != nil, true)
	}
	if got.PullRequest != nil {
		same("number", got.PullRequest.Number, want.PullRequest.Number)
		same("head", got.PullRequest.HeadSHA, want.PullRequest.Head.SHA)
	}
	if got.CheckRun != nil {
		same("check run", got.CheckRun.ID, want.CheckRun.ID)
		same("check run's head", got.CheckRun.HeadSHA, want.CheckRun.HeadSHA)
		same("check run's App", got.CheckRun.App.ID, want.CheckRun.App.ID)
	}
}
