package gh_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

// Parts that payloads have in common.
const (
	jAnn   = `{"id":1,"login":"ann","type":"User","site_admin":"odd","created_at":"yesterday"}`
	jFixer = `{"id":9,"login":"fixer[bot]","type":"Bot"}`
	jRepo  = `{"id":5,"full_name":"acme/shop","private":true,"default_branch":"main","created_at":1430869212,"owner":{"id":100,"login":"acme","type":"Organization"}}`
	jOrg   = `{"id":100,"login":"acme"}`
	jFrame = `"installation":{"id":7,"node_id":"x"},"sender":` + jAnn + `,"organization":` + jOrg + `,"repository":` + jRepo
	jPull  = `{"id":11,"number":3,"state":"open","draft":true,"merged":false,"user":` + jFixer + `,"updated_at":"2026-01-02T03:04:05Z",
		"head":{"ref":"fix","sha":"` + head + `","repo":null},"base":{"ref":"main","sha":"` + other + `"},"merged_by":null,"merge_commit_sha":"` + zeros + `","auto_merge":17}`
	zeros = "0000000000000000000000000000000000000000"
)

var (
	ann   = gh.Account{ID: 1, Login: "ann", Type: "User"}
	fixer = gh.Account{ID: 9, Login: "fixer", Type: "Bot"}
	acme  = gh.Account{ID: 100, Login: "acme", Type: "Organization"}
)

// frame is what jFrame decodes to.
func frame(name, action string) gh.Event {
	return gh.Event{
		Name: name, Action: action, InstallationID: 7, Sender: ann, Organization: acme,
		Repository: &gh.EventRepository{ID: 5, FullName: "acme/shop", Private: true, DefaultBranch: "main"},
	}
}

func pull() *gh.EventPullRequest {
	return &gh.EventPullRequest{
		ID: 11, Number: 3, State: "open", Draft: true, HeadSHA: head, HeadRef: "fix", BaseRef: "main", BaseSHA: other,
		User: fixer, UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// decodeTests are also the seeds of the fuzz test.
var decodeTests = []struct {
	name, event, payload string
	want                 func() gh.Event
}{
	{"new commits", "pull_request", `{"action":"synchronize","number":3,"before":"` + other + `","after":"` + head + `","pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request", "synchronize")
		e.PullRequest = pull()
		e.PullRequest.Before, e.PullRequest.After = other, head
		return e
	}},
	{"retargeted", "pull_request", `{"action":"edited","changes":{"base":{"ref":{"from":"dev"},"sha":{"from":"x"}},"title":3},"pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request", "edited")
		e.PullRequest = pull()
		e.PullRequest.BaseFrom = "dev"
		return e
	}},
	{"labelled", "pull_request", `{"action":"labeled","label":{"name":"emergency"},"pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request", "labeled")
		e.PullRequest, e.Label = pull(), "emergency"
		return e
	}},
	{"assigned", "pull_request", `{"action":"assigned","assignee":` + jFixer + `,"requested_reviewer":` + jAnn + `,"pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request", "assigned")
		e.PullRequest, e.Assignee, e.RequestedReviewer = pull(), &fixer, &ann
		return e
	}},
	{"merged", "pull_request", `{"action":"closed","pull_request":` + strings.NewReplacer(
		`"merged":false`, `"merged":true`, `"merged_by":null`, `"merged_by":`+jAnn, `"open"`, `"closed"`, zeros, other).Replace(jPull) + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request", "closed")
		e.PullRequest = pull()
		e.PullRequest.State, e.PullRequest.Merged, e.PullRequest.MergedBy, e.PullRequest.MergeSHA = "closed", true, ann, other
		return e
	}},
	{"author is gone", "pull_request", `{"action":"opened","pull_request":` + strings.Replace(jPull, jFixer, "null", 1) + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request", "opened")
		e.PullRequest = pull()
		e.PullRequest.User = gh.Account{}
		return e
	}},
	{"approved", "pull_request_review", `{"action":"submitted","review":{"id":21,"state":"APPROVED","commit_id":"` + head + `","user":` + jAnn + `,"submitted_at":"2026-01-02T04:04:05+01:00"},"pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request_review", "submitted")
		e.PullRequest = pull()
		e.Review = &gh.EventReview{ID: 21, State: "approved", CommitSHA: head, User: ann, SubmittedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		return e
	}},
	{"pending review without commit and time", "pull_request_review", `{"action":"submitted","review":{"id":21,"state":"pending","commit_id":null,"user":null,"submitted_at":null},"pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request_review", "submitted")
		e.PullRequest, e.Review = pull(), &gh.EventReview{ID: 21, State: "pending"}
		return e
	}},
	{"thread resolved", "pull_request_review_thread", `{"action":"resolved","thread":[],"pull_request":` + jPull + `,` + jFrame + `}`, func() gh.Event {
		e := frame("pull_request_review_thread", "resolved")
		e.PullRequest = pull()
		return e
	}},
	{"comment on a pull request", "issue_comment", `{"action":"created","issue":{"number":3,"pull_request":{"url":"x"}},"comment":{"id":31,"user":` + jFixer + `,"body":"/countersign","performed_via_github_app":{"id":55,"slug":"fixer","created_at":false}},` + jFrame + `}`, func() gh.Event {
		e := frame("issue_comment", "created")
		e.Comment = &gh.EventComment{ID: 31, Number: 3, OnPR: true, User: fixer, AppID: 55, Text: "/countersign"}
		return e
	}},
	{"comment on an issue", "issue_comment", `{"action":"created","issue":{"number":4},"comment":{"id":31,"user":` + jAnn + `,"performed_via_github_app":null},` + jFrame + `}`, func() gh.Event {
		e := frame("issue_comment", "created")
		e.Comment = &gh.EventComment{ID: 31, Number: 4, User: ann}
		return e
	}},
	{"long comment", "issue_comment", `{"action":"created","issue":{"number":4},"comment":{"id":31,"user":` + jAnn + `,"body":"` + strings.Repeat("é", 2000) + `"},` + jFrame + `}`, func() gh.Event {
		e := frame("issue_comment", "created")
		e.Comment = &gh.EventComment{ID: 31, Number: 4, User: ann, Text: strings.Repeat("é", 1024)}
		return e
	}},
	{"issue assigned", "issues", `{"action":"assigned","issue":{"id":12,"number":4,"state":"open","user":` + jAnn + `,"created_at":"odd"},"assignee":` + jFixer + `,` + jFrame + `}`, func() gh.Event {
		e := frame("issues", "assigned")
		e.Issue = &gh.EventIssue{ID: 12, Number: 4, State: "open", User: ann}
		e.Assignee = &fixer
		return e
	}},
	{"our button", "check_run", `{"action":"requested_action","requested_action":{"identifier":"re-evaluate"},"check_run":{"id":41,"name":"countersign","head_sha":"` + head + `","status":"completed","conclusion":"failure","external_id":"record-1",
		"started_at":17,"app":{"id":42,"slug":"countersign","created_at":"2018-04-25 20:42:10"},"check_suite":{"id":61,"head_branch":null},"pull_requests":[{"number":3,"id":"odd"}]},` + jFrame + `}`, func() gh.Event {
		e := frame("check_run", "requested_action")
		e.CheckRun = &gh.EventCheckRun{
			ID: 41, Name: "countersign", HeadSHA: head, Status: "completed", Conclusion: "failure", ExternalID: "record-1",
			App: gh.App{ID: 42, Slug: "countersign"}, SuiteID: 61, PullRequests: []int{3}, RequestedAction: "re-evaluate",
		}
		return e
	}},
	{"check run of a fork", "check_run", `{"action":"created","check_run":{"id":41,"name":"ci","head_sha":"` + head + `","status":"queued","conclusion":null,"external_id":null,"app":null,"check_suite":{"id":null},"pull_requests":[]},` + jFrame + `}`, func() gh.Event {
		e := frame("check_run", "created")
		e.CheckRun = &gh.EventCheckRun{ID: 41, Name: "ci", HeadSHA: head, Status: "queued"}
		return e
	}},
	{"suite", "check_suite", `{"action":"completed","check_suite":{"id":61,"head_sha":"` + head + `","status":"completed","conclusion":"success","app":{"id":15368,"slug":"github-actions"},"pull_requests":[{"number":3},{"number":4}],"before":null},` + jFrame + `}`, func() gh.Event {
		e := frame("check_suite", "completed")
		e.CheckSuite = &gh.EventCheckSuite{ID: 61, HeadSHA: head, Status: "completed", Conclusion: "success", App: gh.App{ID: 15368, Slug: "github-actions"}, PullRequests: []int{3, 4}}
		return e
	}},
	{"status", "status", `{"id":71,"sha":"` + head + `","name":"acme/shop","context":"ci/old","state":"success","created_at":"odd",` + jFrame + `}`, func() gh.Event {
		e := frame("status", "")
		e.Status = &gh.EventStatus{ID: 71, SHA: head, Context: "ci/old", State: "success"}
		return e
	}},
	{"workflow run", "workflow_run", `{"action":"completed","workflow":{"id":1},"workflow_run":{"id":81,"run_attempt":2,"head_sha":"` + head + `","path":".github/workflows/ci.yaml@main","event":"push","status":"completed","conclusion":"success","actor":` + jAnn + `,"triggering_actor":` + jFixer + `,"pull_requests":null},` + jFrame + `}`, func() gh.Event {
		e := frame("workflow_run", "completed")
		e.WorkflowRun = &gh.EventWorkflowRun{ID: 81, Attempt: 2, HeadSHA: head, Path: ".github/workflows/ci.yaml", Event: "push", Status: "completed", Conclusion: "success", Actor: ann, TriggeringActor: fixer}
		return e
	}},
	{"merge group gone", "merge_group", `{"action":"destroyed","reason":"invalidated","merge_group":{"head_sha":"` + head + `","head_ref":"refs/heads/gh-readonly-queue/main/pr-3-x","base_ref":"refs/heads/main","base_sha":"` + other + `"},` + jFrame + `}`, func() gh.Event {
		e := frame("merge_group", "destroyed")
		e.MergeGroup = &gh.EventMergeGroup{HeadSHA: head, HeadRef: "refs/heads/gh-readonly-queue/main/pr-3-x", BaseRef: "refs/heads/main", BaseSHA: other, Reason: "invalidated"}
		return e
	}},
	{"push to a user's repository", "push", `{"ref":"refs/heads/main","before":"` + zeros + `","after":"` + head + `","created":true,"forced":true,"deleted":false,"pusher":{"name":"ann"},"commits":"odd","sender":` + jAnn + `,
		"repository":{"id":6,"full_name":"ann/dot","private":false,"created_at":1557933565,"owner":{"id":1,"name":"ann","email":"ann@example.com"}}}`, func() gh.Event {
		return gh.Event{
			Name: "push", Sender: ann, Organization: gh.Account{ID: 1, Login: "ann"},
			Repository: &gh.EventRepository{ID: 6, FullName: "ann/dot"},
			Push:       &gh.EventPush{Ref: "refs/heads/main", Before: zeros, After: head, Created: true, Forced: true},
		}
	}},
	{"installed", "installation", `{"action":"created","installation":{"id":7,"account":{"id":100,"login":"acme","type":"Organization"},"created_at":1570000000},"repositories":[{"id":5,"full_name":"acme/shop","private":true}],"requester":null,"sender":` + jAnn + `}`, func() gh.Event {
		return gh.Event{Name: "installation", Action: "created", InstallationID: 7, Sender: ann, Organization: acme, Repositories: []gh.EventRepository{{ID: 5, FullName: "acme/shop", Private: true}}}
	}},
	{"installed on an enterprise", "installation", `{"action":"created","installation":{"id":7,"account":{"id":200,"slug":"big","name":"Big"}},"sender":` + jAnn + `}`, func() gh.Event {
		return gh.Event{Name: "installation", Action: "created", InstallationID: 7, Sender: ann, Organization: gh.Account{ID: 200, Login: "big", Type: "Enterprise"}}
	}},
	{"repositories taken away", "installation_repositories", `{"action":"removed","installation":{"id":7,"account":{"id":100,"login":"acme","type":"Organization"}},"repositories_added":[],"repositories_removed":[{"id":5,"full_name":"acme/shop"}],"sender":` + jAnn + `}`, func() gh.Event {
		return gh.Event{Name: "installation_repositories", Action: "removed", InstallationID: 7, Sender: ann, Organization: acme, Repositories: []gh.EventRepository{{ID: 5, FullName: "acme/shop"}}}
	}},
	{"account renamed", "installation_target", `{"action":"renamed","account":{"id":100,"login":"acme","type":"Organization"},"changes":{"login":{"from":"old"}},"installation":{"id":7},"target_type":"Organization","sender":` + jAnn + `}`, func() gh.Event {
		return gh.Event{Name: "installation_target", Action: "renamed", InstallationID: 7, Sender: ann, Organization: acme}
	}},
	{"authorization revoked", "github_app_authorization", `{"action":"revoked","sender":` + jAnn + `}`, func() gh.Event {
		return gh.Event{Name: "github_app_authorization", Action: "revoked", Sender: ann}
	}},
	{"ping", "ping", `{"zen":"Keep it logically awesome.","hook_id":1,"hook":[]}`, func() gh.Event { return gh.Event{Name: "ping"} }},
	{"ruleset changed", "repository_ruleset", `{"action":"edited","repository_ruleset":{"id":31,"name":"main","enforcement":"active","rules":"odd"},` + jFrame + `}`, func() gh.Event {
		e := frame("repository_ruleset", "edited")
		e.Ruleset = &gh.EventRuleset{ID: 31, Name: "main", Enforcement: "active"}
		return e
	}},
}

func TestDecode(t *testing.T) {
	for _, tt := range decodeTests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := gh.Decode(tt.event, []byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want(), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryHandledEventIsDecoded(t *testing.T) {
	listed := gh.HandledEvents()
	if !slices.IsSorted(listed) || len(listed) != 29 {
		t.Errorf("got %d events %q, want 29, sorted", len(listed), listed)
	}
	for _, name := range listed {
		if _, err := gh.Decode(name, []byte(`{}`)); errors.Is(err, gh.ErrUnknownEvent) {
			t.Errorf("%s is listed and unknown", name)
		}
	}
	if _, err := gh.Decode("gollum", []byte(`{}`)); !errors.Is(err, gh.ErrUnknownEvent) {
		t.Errorf("gollum: got %v, want ErrUnknownEvent", err)
	}
}

func TestUnusablePayloads(t *testing.T) {
	whole := `{"action":"opened","pull_request":` + jPull + `,` + jFrame + `}`
	if _, err := gh.Decode("pull_request", []byte(whole)); err != nil {
		t.Fatal(err)
	}
	for _, replace := range [][2]string{
		{head, head[:39]},
		{head, strings.Repeat("A", 40)},
		{head, strings.Repeat("g", 40)},
		{head, ""},
		{`"id":11,`, ``},
		{`"id":11,`, `"id":-1,`},
		{`"id":11,`, `"id":"11",`},
		{`"id":11,`, `"id":99999999999999999999,`},
		{`"number":3`, `"number":0`},
		{`"state":"open"`, `"state":"ajar"`},
		{`"ref":"fix"`, `"ref":""`},
		{`"ref":"fix"`, `"ref":"` + strings.Repeat("x", 4097) + `"`},
		{`"fixer[bot]"`, `"` + strings.Repeat("x", 256) + `"`},
		{`"action":"opened"`, `"action":["opened"]`},
		{`"installation":{"id":7`, `"installation":{"id":0`},
		{`"repository":`, `"repo":`},
		{`"full_name":"acme/shop"`, `"full_name":"acme"`},
		{`"full_name":"acme/shop"`, `"full_name":"a/b/c"`},
		{`"pull_request":`, `"pull":`},
		{whole, ``}, {whole, `null`}, {whole, `[]`}, {whole, `"x"`}, {whole, whole + `{}`}, {whole, whole[:200]},
		{whole, strings.Repeat(`[`, 100_000)},
	} {
		payload := strings.Replace(whole, replace[0], replace[1], 1)
		if payload == whole {
			t.Fatalf("%q is not in the payload", replace[0])
		}
		if _, err := gh.Decode("pull_request", []byte(payload)); !errors.Is(err, gh.ErrPayload) {
			t.Errorf("%.60q for %.60q: got %v, want ErrPayload", replace[1], replace[0], err)
		}
	}
}

// TestNobodysRepository: without an owner there is nobody whose evidence it would be.
func TestNobodysRepository(t *testing.T) {
	for _, owner := range []string{``, `,"owner":null`, `,"owner":{"login":"ann"}`} {
		payload := `{"ref":"x","repository":{"id":6,"full_name":"ann/dot"` + owner + `}}`
		if _, err := gh.Decode("create", []byte(payload)); !errors.Is(err, gh.ErrPayload) {
			t.Errorf("owner %q: got %v, want ErrPayload", owner, err)
		}
	}
}

func TestOddTimesAreNoTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-01-02T03:04:05Z"`:      time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		`1767323045`:                  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		`"2018-04-25 20:42:10"`:       {},
		`"0000-01-01T00:00:00Z"`:      {},
		`"9999-12-31T23:59:59-23:59"`: {},
		`9223372036854775807`:         {},
		`1e99`:                        {},
		`{"a":1}`:                     {},
		`null`:                        {},
		`true`:                        {},
	} {
		payload := strings.Replace(`{"action":"opened","pull_request":`+jPull+`,`+jFrame+`}`, `"2026-01-02T03:04:05Z"`, text, 1)
		e, err := gh.Decode("pull_request", []byte(payload))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !e.PullRequest.UpdatedAt.Equal(want) {
			t.Errorf("%s: got %v, want %v", text, e.PullRequest.UpdatedAt, want)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Errorf("%s: the event cannot be stored: %v", text, err)
		}
	}
}

// FuzzDecode: whatever comes, there is either an error or an event that can be stored and
// read back, and whose ids and SHAs are whole.
func FuzzDecode(f *testing.F) {
	for _, tt := range decodeTests {
		f.Add(tt.event, []byte(tt.payload))
	}
	for _, name := range gh.HandledEvents() {
		f.Add(name, []byte(`{"action":"x",`+jFrame+`}`))
	}
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		e, err := gh.Decode(name, payload)
		if err != nil {
			if !errors.Is(err, gh.ErrUnknownEvent) && !errors.Is(err, gh.ErrPayload) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if problem := unusable(e); problem != "" {
			t.Fatal(problem)
		}
		stored, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("cannot be stored: %v", err)
		}
		var again gh.Event
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatalf("cannot be read back: %v", err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("not the same when read back (-stored +read):\n%s", diff)
		}
	})
}

func unusable(e gh.Event) string {
	if e.Repository != nil && (e.Repository.ID <= 0 || e.Organization.ID <= 0) {
		return fmt.Sprintf("repository %+v of %+v", e.Repository, e.Organization)
	}
	var shas []string
	if pr := e.PullRequest; pr != nil {
		if pr.Number <= 0 || pr.ID <= 0 || e.Repository == nil {
			return fmt.Sprintf("pull request %+v", pr)
		}
		shas = append(shas, pr.HeadSHA, pr.BaseSHA)
	}
	if e.CheckRun != nil {
		shas = append(shas, e.CheckRun.HeadSHA)
	}
	if e.Status != nil {
		shas = append(shas, e.Status.SHA)
	}
	if e.Push != nil {
		shas = append(shas, e.Push.Before, e.Push.After)
	}
	for _, sha := range shas {
		if (len(sha) != 40 && len(sha) != 64) || strings.Trim(sha, "0123456789abcdef") != "" {
			return fmt.Sprintf("SHA %q", sha)
		}
	}
	return ""
}
