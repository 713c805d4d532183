package gh_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

func TestPullRequestStack(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
		err              error
	}{
		{"not stacked", `{"number":1}`, "", nil},
		{"null", `{"number":1,"stack":null}`, "", nil},
		{"base is an object", `{"number":1,"stack":{"base":{"ref":"main","sha":"x"},"position":2,"size":3}}`, "main", nil},
		{"base is a name", `{"number":1,"stack":{"base":"release/1"}}`, "release/1", nil},
		{"no base", `{"number":1,"stack":{"position":2}}`, "", gh.ErrUnavailable},
		{"empty base", `{"number":1,"stack":{"base":{"ref":""}}}`, "", gh.ErrUnavailable},
		{"base of another shape", `{"number":1,"stack":{"base":[1]}}`, "", gh.ErrUnavailable},
		{"stack of another shape", `{"number":1,"stack":"yes"}`, "", gh.ErrUnavailable},
		{"another pull request", `{"number":2}`, "", gh.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.rest("GET /repos/acme/shop/pulls/1", 200, tt.body)
			got, err := s.client(t).PullRequestStack(t.Context(), repo, 1)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestPullRequestFilesAndCommits(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[
		{"sha":"b1","filename":"new.go","status":"renamed","previous_filename":"old.go","additions":1,"deletions":2,"patch":"@@ -1 +1 @@"},
		{"sha":"b2","filename":"logo.png","status":"added","additions":0,"deletions":0},
		{"sha":"b3","filename":"empty","status":"added","patch":""}]`)
	s.rest("GET /repos/acme/shop/pulls/1/commits", 200, `[
		{"sha":"`+head+`","author":{"id":9,"login":"fixer[bot]","type":"Bot"},"committer":{"id":1,"login":"ann","type":"User"}},
		{"sha":"`+other+`","author":null,"committer":{}}]`)
	c := s.client(t)
	gotFiles, err := c.PullRequestFiles(t.Context(), repo, 1)
	if err != nil {
		t.Fatal(err)
	}
	wantFiles := []gh.File{
		{Path: "new.go", Previous: "old.go", Status: "renamed", BlobSHA: "b1", Patch: "@@ -1 +1 @@", HasPatch: true, Additions: 1, Deletions: 2},
		{Path: "logo.png", Status: "added", BlobSHA: "b2"},
		{Path: "empty", Status: "added", BlobSHA: "b3", HasPatch: true},
	}
	if diff := cmp.Diff(wantFiles, gotFiles); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	gotCommits, err := c.PullRequestCommits(t.Context(), repo, 1)
	if err != nil {
		t.Fatal(err)
	}
	wantCommits := []gh.PullCommit{
		{SHA: head, Author: gh.Account{ID: 9, Login: "fixer", Type: "Bot"}, Committer: gh.Account{ID: 1, Login: "ann", Type: "User"}},
		{SHA: other},
	}
	if diff := cmp.Diff(wantCommits, gotCommits); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

func TestRenameWithoutPreviousName(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1/files", 200, `[{"sha":"b1","filename":"new.go","status":"renamed"}]`)
	if _, err := s.client(t).PullRequestFiles(t.Context(), repo, 1); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestChecksOnACommit(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/commits/"+head+"/check-runs", 200, `{"total_count":2,"check_runs":[
		{"id":5,"name":"ci","head_sha":"`+head+`","status":"completed","conclusion":"success","external_id":"e","details_url":"https://ci/5",
		 "started_at":"2026-01-02T03:04:05Z","completed_at":"2026-01-02T05:04:06+01:00","output":{"title":"fine","summary":null},
		 "app":{"id":15368,"slug":"github-actions","owner":{},"created_at":"2018-04-25 20:42:10"},"check_suite":{"id":77}},
		{"id":6,"name":"lint","head_sha":"`+head+`","status":"in_progress","conclusion":null,"external_id":null,"details_url":null,
		 "started_at":null,"completed_at":null,"output":{"title":null},"app":null,"check_suite":null}]}`)
	s.rest("GET /repos/acme/shop/commits/"+head+"/statuses", 200, `[
		{"id":3,"context":"ci/old","state":"failure","creator":{"id":2,"login":"bob","type":"User"},"created_at":"2026-01-02T03:04:05Z"},
		{"id":2,"context":"default","state":"pending","creator":null,"created_at":"2026-01-02T03:04:00Z"}]`)
	c := s.client(t)
	runs, err := c.CheckRunsNamed(t.Context(), repo, head, "countersign (sandbox)", 42)
	if err != nil {
		t.Fatal(err)
	}
	wantRuns := []gh.CheckRun{
		{
			ID: 5, Name: "ci", HeadSHA: head, Status: "completed", Conclusion: "success", ExternalID: "e", DetailsURL: "https://ci/5", Title: "fine",
			StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), CompletedAt: time.Date(2026, 1, 2, 4, 4, 6, 0, time.UTC),
			App: gh.App{ID: 15368, Slug: "github-actions"}, SuiteID: 77,
		},
		{ID: 6, Name: "lint", HeadSHA: head, Status: "in_progress"},
	}
	if diff := cmp.Diff(wantRuns, runs); diff != "" {
		t.Errorf("check runs (-want +got):\n%s", diff)
	}
	statuses, err := c.Statuses(t.Context(), repo, head)
	if err != nil {
		t.Fatal(err)
	}
	wantStatuses := []gh.CommitStatus{
		{ID: 3, Context: "ci/old", State: "failure", Creator: gh.Account{ID: 2, Login: "bob", Type: "User"}, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{ID: 2, Context: "default", State: "pending", CreatedAt: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)},
	}
	if diff := cmp.Diff(wantStatuses, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	want := "GET /repos/acme/shop/commits/" + head + "/check-runs?app_id=42&check_name=countersign+%28sandbox%29&filter=all&per_page=100"
	if got := s.requests()[0]; got != want {
		t.Errorf("got request %q, want %q", got, want)
	}
}

func TestActions(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/actions/runs", 200, `{"total_count":1,"workflow_runs":[
		{"id":8,"name":"CI","path":".github/workflows/ci.yml@refs/heads/a@b","event":"pull_request","head_sha":"`+head+`","run_attempt":2,
		 "check_suite_id":77,"status":"completed","conclusion":"success","repository":{"full_name":"acme/shop"},
		 "actor":{"id":1,"login":"ann","type":"User"},"triggering_actor":{"id":9,"login":"fixer[bot]","type":"Bot"}}]}`)
	s.rest("GET /repos/acme/shop/actions/runs/8/jobs", 200, `{"total_count":2,"jobs":[
		{"id":5,"run_id":8,"run_attempt":1,"name":"test","head_sha":"`+head+`","status":"completed","conclusion":"success","steps":[{"name":"a"},{"name":"b"}],
		 "runner_id":3,"started_at":"2026-01-02T03:04:05Z","completed_at":null},
		{"id":6,"run_id":8,"run_attempt":2,"name":"test","head_sha":"`+head+`","status":"queued","conclusion":null,"steps":[],"runner_id":null,"started_at":null,"completed_at":null}]}`)
	c := s.client(t)
	runs, err := c.WorkflowRuns(t.Context(), repo, head)
	if err != nil {
		t.Fatal(err)
	}
	wantRuns := []gh.WorkflowRun{{
		ID: 8, Name: "CI", Path: ".github/workflows/ci.yml", Event: "pull_request", HeadSHA: head, Attempt: 2, SuiteID: 77,
		Status: "completed", Conclusion: "success", Repository: "acme/shop",
		Actor: gh.Account{ID: 1, Login: "ann", Type: "User"}, TriggeringActor: gh.Account{ID: 9, Login: "fixer", Type: "Bot"},
	}}
	if diff := cmp.Diff(wantRuns, runs); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	jobs, err := c.Jobs(t.Context(), repo, 8)
	if err != nil {
		t.Fatal(err)
	}
	wantJobs := []gh.Job{
		{ID: 5, RunID: 8, Attempt: 1, Name: "test", HeadSHA: head, Status: "completed", Conclusion: "success", Steps: 2, RunnerID: 3, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{ID: 6, RunID: 8, Attempt: 2, Name: "test", HeadSHA: head, Status: "queued"},
	}
	if diff := cmp.Diff(wantJobs, jobs); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	want := []string{
		"GET /repos/acme/shop/actions/runs?head_sha=" + head + "&per_page=100",
		"GET /repos/acme/shop/actions/runs/8/jobs?filter=all&per_page=100",
	}
	if !slices.Equal(s.requests(), want) {
		t.Errorf("got requests %q, want %q", s.requests(), want)
	}
}

func TestContent(t *testing.T) {
	text := "version: 1\nmode: enforce\n"
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	encoded = encoded[:10] + `\n` + encoded[10:] + `\n` // GitHub breaks lines
	file := func(size int, encoding, content string) string {
		return fmt.Sprintf(`{"type":"file","path":".github/countersign.yml","sha":"b1","size":%d,"encoding":%q,"content":"%s"}`, size, encoding, content)
	}
	for _, tt := range []struct {
		name string
		body string
		err  error
	}{
		{"file", file(len(text), "base64", encoded), nil},
		{"directory", `[{"type":"file","path":"a"}]`, gh.ErrInvalid},
		{"empty directory", `[]`, gh.ErrInvalid},
		{"symbolic link", `{"type":"symlink","target":"../x","sha":"b","size":4}`, gh.ErrInvalid},
		{"submodule", `{"type":"submodule","submodule_git_url":"git://x","sha":"b","size":0}`, gh.ErrInvalid},
		{"submodule that calls itself a file", `{"type":"file","submodule_git_url":"git://x","sha":"b","size":0}`, gh.ErrInvalid},
		{"above 1 MiB", file(1<<20+1, "none", ""), gh.ErrTruncated},
		{"without content", file(len(text), "none", ""), gh.ErrUnavailable},
		{"fewer bytes than counted", file(len(text)+1, "base64", encoded), gh.ErrUnavailable},
		{"not base64", file(3, "base64", "%%%"), gh.ErrUnavailable},
		{"nothing", `{}`, gh.ErrUnavailable},
		{"null", `null`, gh.ErrUnavailable},
		{"no blob", `{"type":"file","size":0,"encoding":"base64","content":""}`, gh.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.rest("GET /repos/acme/shop/contents/.github/countersign.yml", 200, tt.body)
			got, err := s.client(t).Content(t.Context(), repo, ".github/countersign.yml", "release/1")
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			want := gh.Content{}
			if tt.err == nil {
				want = gh.Content{Path: ".github/countersign.yml", BlobSHA: "b1", Bytes: []byte(text)}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestContentAddress(t *testing.T) {
	s := newServer(t)
	_, err := s.client(t).Content(t.Context(), repo, "dir with space/a?b#c%2F.yml", "a&b=c")
	if !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	want := []string{"GET /repos/acme/shop/contents/dir%20with%20space/a%3Fb%23c%252F.yml?ref=a%26b%3Dc"}
	if !slices.Equal(s.requests(), want) {
		t.Errorf("got %q, want %q", s.requests(), want)
	}
}

func TestBranchRules(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/rules/branches/release%2F1.x", 200, `[
		{"type":"pull_request"},
		{"type":"pull_request","ruleset_id":1,"ruleset_source_type":"Organization","ruleset_source":"acme",
		 "parameters":{"required_approving_review_count":2,"allowed_merge_methods":["squash"],"required_reviewers":[{"odd":true}]}},
		{"type":"required_status_checks","ruleset_id":2,"ruleset_source_type":"Repository","ruleset_source":"acme/shop",
		 "parameters":{"strict_required_status_checks_policy":true,"required_status_checks":[{"context":"ci","integration_id":15368},{"context":"any"},{"context":"null","integration_id":null}]}},
		{"type":"required_status_checks","parameters":null},
		{"type":"invented_tomorrow","ruleset_id":3,"parameters":[1,2]},
		{"type":"non_fast_forward","ruleset_id":1,"ruleset_source_type":"Enterprise","ruleset_source":"big"}]`)
	got, err := s.client(t).BranchRules(t.Context(), repo, "release/1.x")
	if err != nil {
		t.Fatal(err)
	}
	want := []gh.Rule{
		{Type: "pull_request"},
		{Type: "pull_request", RulesetID: 1, SourceType: "Organization", Source: "acme", RequiredReviews: 2, MergeMethods: []string{"squash"}},
		{
			Type: "required_status_checks", RulesetID: 2, SourceType: "Repository", Source: "acme/shop", RequiresUpToDate: true,
			RequiredChecks: []gh.RequiredCheck{{Name: "ci", AppID: 15368}, {Name: "any"}, {Name: "null"}},
		},
		{Type: "required_status_checks"},
		{Type: "invented_tomorrow", RulesetID: 3},
		{Type: "non_fast_forward", RulesetID: 1, SourceType: "Enterprise", Source: "big"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBranchRulesInAShapeThatWeDoNotKnow(t *testing.T) {
	for _, body := range []string{
		`[{"ruleset_id":1}]`,
		`[{"type":"pull_request","parameters":{"required_approving_review_count":"two"}}]`,
		`[{"type":"required_status_checks","parameters":{"required_status_checks":{"ci":1}}}]`,
		`[{"type":"required_status_checks","parameters":{"required_status_checks":[{}]}}]`,
	} {
		s := newServer(t)
		s.rest("GET /repos/acme/shop/rules/branches/main", 200, body)
		if got, err := s.client(t).BranchRules(t.Context(), repo, "main"); !errors.Is(err, gh.ErrUnavailable) {
			t.Errorf("%s: got %+v, %v, want ErrUnavailable", body, got, err)
		}
	}
}

func TestRulesetBypass(t *testing.T) {
	const start = `{"id":3,"name":"main","enforcement":"active","source_type":"Organization","source":"acme","updated_at":"2026-01-02T03:04:05Z"`
	base := gh.Ruleset{
		ID: 3, Name: "main", Enforcement: "active", SourceType: "Organization", Source: "acme",
		UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for _, tt := range []struct {
		name     string
		body     string
		readable bool
		actors   []gh.BypassActor
		err      error
	}{
		{"absent", start + `}`, false, nil, nil},
		{"null", start + `,"bypass_actors":null}`, false, nil, nil},
		{"nobody", start + `,"bypass_actors":[]}`, true, nil, nil},
		{"some", start + `,"bypass_actors":[{"actor_id":5,"actor_type":"RepositoryRole","bypass_mode":"always"},
			{"actor_id":null,"actor_type":"DeployKey","bypass_mode":"exempt"}]}`, true,
			[]gh.BypassActor{{ID: 5, Type: "RepositoryRole", Mode: "always"}, {Type: "DeployKey", Mode: "exempt"}}, nil},
		{"an actor without a mode", start + `,"bypass_actors":[{"actor_id":5,"actor_type":"Team"}]}`, false, nil, gh.ErrUnavailable},
		{"another shape", start + `,"bypass_actors":{}}`, false, nil, gh.ErrUnavailable},
		{"another ruleset", `{"id":4,"enforcement":"active"}`, false, nil, gh.ErrUnavailable},
		{"no enforcement", `{"id":3}`, false, nil, gh.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.rest("GET /repos/acme/shop/rulesets/3", 200, tt.body)
			got, err := s.client(t).Ruleset(t.Context(), repo, 3)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			want := gh.Ruleset{}
			if tt.err == nil {
				want = base
				want.BypassReadable, want.BypassActors, want.ReadAt = tt.readable, tt.actors, got.ReadAt
			}
			if since := time.Since(got.ReadAt); tt.err == nil && (since < 0 || since > time.Minute) { // the server's Date is of now
				t.Errorf("read at %s", got.ReadAt)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.HasSuffix(s.requests()[0], "?includes_parents=true") {
				t.Errorf("asked %q", s.requests()[0])
			}
		})
	}
}

func TestPermission(t *testing.T) {
	for _, tt := range []struct {
		body string
		want gh.Permission
		err  error
	}{
		{`{"permission":"write","role_name":"maintain","user":{"id":1,"login":"ann","type":"User"}}`,
			gh.Permission{Role: "maintain", Base: "write", User: gh.Account{ID: 1, Login: "ann", Type: "User"}}, nil},
		{`{"permission":"read","role_name":"reviewer-of-docs","user":null}`, gh.Permission{Role: "reviewer-of-docs", Base: "read"}, nil},
		{`{"permission":"admin"}`, gh.Permission{Role: "admin", Base: "admin"}, nil},
		{`{"role_name":"admin"}`, gh.Permission{}, gh.ErrUnavailable},
	} {
		s := newServer(t)
		s.rest("GET /repos/acme/shop/collaborators/ann/permission", 200, tt.body)
		got, err := s.client(t).Permission(t.Context(), repo, "ann")
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %+v, %v, want %+v, %v", tt.body, got, err, tt.want, tt.err)
		}
	}
}
