package facts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

const policyFile = `version: 1
mode: enforce
branches: [main]
review:
  from: {permission: write, teams: [acme/core]}
validation:
  required:
    - {id: tests, app: github-actions, workflow: .github/workflows/ci.yml, job: test}
`

// world is a simulated GitHub with one repository, and our client for it.
type world struct {
	sim          *ghsim.Sim
	org          *ghsim.Org
	repo         *ghsim.Repo
	alice, bob   *ghsim.User
	agent, app   *ghsim.App
	installation *ghsim.Installation
	client       *gh.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldAt(t, time.Now)
}

// newWorldAt is newWorld with GitHub's clock.
func newWorldAt(t *testing.T, clock func() time.Time) *world {
	t.Helper()
	w := &world{sim: ghsim.New(ghsim.Options{Clock: clock})}
	if err := w.sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.sim.Close() })
	w.org, w.alice, w.bob = w.sim.Org("acme"), w.sim.User("alice"), w.sim.User("bob")
	w.org.Owner(w.alice)
	w.org.Team("core", w.bob)
	w.agent = w.sim.App(ghsim.AppSpec{Slug: "copilot-swe-agent", UserID: 198982749, BotLogin: "Copilot"})
	w.app = w.sim.App(ghsim.AppSpec{Slug: "countersign", Permissions: map[string]string{
		"metadata": "read", "pull_requests": "read", "contents": "read", "checks": "write", "statuses": "write", "actions": "read",
		"issues": "read", "administration": "read", "members": "read"}})
	w.repo = w.org.Repo("shop", ghsim.RepoSpec{By: w.alice, Files: map[string]string{policy.Path: policyFile, "old.go": "package shop\n"}})
	w.repo.Collaborator(w.alice, "admin").Collaborator(w.bob, "write").Collaborator(w.agent, "write")
	w.installation = w.app.Install(w.org)
	w.client = w.connect(t, gh.ToRead(w.repo.ID()))
	return w
}

func (w *world) connect(t *testing.T, use gh.Use) *gh.Client {
	t.Helper()
	key, err := w.app.PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := gh.Connect(gh.Settings{V3URL: w.sim.URL() + "/api/v3/", V4URL: w.sim.URL() + "/api/graphql", AppID: w.app.ID(), PrivateKey: key})
	if err != nil {
		t.Fatal(err)
	}
	client, err := c.Installation(w.installation.ID(), use)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (w *world) request(pr *ghsim.PullRequest) facts.Request {
	return facts.Request{
		Repo: gh.Repo{Owner: "acme", Name: "shop"}, RepositoryID: w.repo.ID(), InstallationID: w.installation.ID(), Number: pr.Number(),
		App: policy.App{ID: w.app.ID()}, Head: pr.HeadSHA(), Base: "main", Now: time.Now(),
		PushesOf:   func(context.Context, string) ([]policy.Push, error) { return nil, nil },
		CommentsOn: func(context.Context, int) ([]facts.Comment, error) { return nil, nil },
		Attested:   func(context.Context, int64) (*policy.AttestedBypass, error) { return nil, nil },
		RecordedAt: func(context.Context, string, time.Time) (*policy.Facts, string, error) { return nil, "", nil },
	}
}

func (w *world) collect(t *testing.T, pr *ghsim.PullRequest) policy.Facts {
	t.Helper()
	c, err := facts.Collect(t.Context(), w.client, w.request(pr))
	if err != nil {
		t.Fatal(err)
	}
	return c.Facts
}

func (w *world) open(commits ...ghsim.Commit) *ghsim.PullRequest {
	if len(commits) == 0 {
		commits = []ghsim.Commit{{Message: "work", Files: map[string]string{"new.go": "package shop\n"}}}
	}
	return w.repo.OpenPullRequest(ghsim.PullSpec{Title: "Work", Head: "copilot/work", Author: w.agent, Commits: commits})
}

func TestEverythingIsThere(t *testing.T) {
	w := newWorld(t)
	pr := w.open(ghsim.Commit{Message: "work\n\nCo-authored-by: alice <alice@users.noreply.github.com>",
		Rename: map[string]string{"old.go": "new.go"}, Files: map[string]string{"other.go": "package shop\n"}})
	pr.Assign(w.alice, w.agent)
	pr.Approve(w.bob)
	run := w.repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", "pull_request", ghsim.Job{Name: "test", Conclusion: "failure"})
	run.Rerun(w.bob, ghsim.Job{Name: "test", Conclusion: "success"})
	w.repo.ForgeActionsRun(pr.HeadSHA(), "test", "success")
	w.repo.PostStatus(w.bob, pr.HeadSHA(), "ci/old", "pending")
	w.repo.PostCheckRun(w.app, pr.HeadSHA(), "countersign", "success")
	f := w.collect(t, pr)

	if !f.Commits.Complete || !f.Reviews.Complete || !f.Validations.Complete || !f.Files.Complete || !f.Assignments.Complete || !f.Protection.Rules.Complete {
		t.Errorf("a list is not whole: %+v", f)
	}
	if c := f.Commits.Items[0]; c.Author.Account.ID != 198982749 || c.Author.Account.Type != policy.TypeBot {
		t.Errorf("a bot's commit: got author %+v, want its account from REST", c.Author)
	}
	if c := f.Commits.Items[0]; len(c.CoAuthors) != 1 || c.CoAuthors[0].Account.ID != w.alice.ID() {
		t.Errorf("co-authors: got %+v", c.CoAuthors)
	}
	if a := f.Assignments.Items; len(a) != 1 || a[0].By.ID != w.alice.ID() || a[0].Assignee.ID != 198982749 {
		t.Errorf("assignments: got %+v", a)
	}
	if r := f.Reviews.Items; len(r) != 1 || r[0].Permission != "write" || r[0].PermissionThen != "write" || r[0].Received != nil {
		t.Errorf("reviews: got %+v", r)
	}
	if team := f.Teams; len(team) != 1 || !team[0].Members.Complete || team[0].Members.Items[0].ID != w.bob.ID() {
		t.Errorf("teams: got %+v", team)
	}
	var renamed policy.File
	for _, file := range f.Files.Items {
		if file.Status == "renamed" {
			renamed = file
		}
	}
	if renamed.Previous != "old.go" || renamed.Path != "new.go" {
		t.Errorf("files: got %+v, want a rename with both paths", f.Files.Items)
	}
	var real, forged, statuses int
	for _, v := range f.Validations.Items {
		switch {
		case v.Kind == policy.KindStatus:
			statuses++
		case v.App.ID == w.app.ID():
			t.Error("our own check run is among the validations")
		case v.Job != nil && v.Job.Path == ".github/workflows/ci.yml" && v.Job.Event == "pull_request" && v.Job.Steps > 0:
			real++
		case v.Job == nil:
			forged++
		}
	}
	if real != 2 || forged != 1 || statuses != 1 {
		t.Errorf("validations: got %d attempts with a job, %d without, %d statuses; want 2, 1, 1", real, forged, statuses)
	}
}

// GitHub's first pages end at 30 commits and 30 reviews here; the rest is followed.
func TestLongListsAreFollowed(t *testing.T) {
	w := newWorld(t)
	var commits []ghsim.Commit
	for i := range 140 {
		commits = append(commits, ghsim.Commit{Message: fmt.Sprintf("commit %d", i), Files: map[string]string{fmt.Sprintf("f%d.go", i): "x"}})
	}
	pr := w.open(commits...)
	for range 131 {
		pr.Approve(w.bob)
	}
	for range 60 {
		pr.Assign(w.alice, w.agent)
		pr.Unassign(w.alice, w.agent)
	}
	f := w.collect(t, pr)
	if n := len(f.Assignments.Items); n != 120 || !f.Assignments.Complete {
		t.Errorf("got %d assignments, complete %t", n, f.Assignments.Complete)
	}
	if n := len(f.Commits.Items); n != 140 || !f.Commits.Complete {
		t.Errorf("got %d commits, complete %t", n, f.Commits.Complete)
	}
	if n := len(f.Reviews.Items); n != 131 || !f.Reviews.Complete {
		t.Errorf("got %d reviews, complete %t", n, f.Reviews.Complete)
	}
	if n := len(f.Files.Items); n != 140 || !f.Files.Complete {
		t.Errorf("got %d files, complete %t", n, f.Files.Complete)
	}
}

// REST ends at 250 commits, so more than that is never the whole list.
func TestMoreCommitsThanGitHubLists(t *testing.T) {
	w := newWorld(t)
	var commits []ghsim.Commit
	for i := range 251 {
		commits = append(commits, ghsim.Commit{Message: fmt.Sprintf("commit %d", i), Files: map[string]string{"f.go": fmt.Sprint(i)}})
	}
	f := w.collect(t, w.open(commits...))
	if f.Commits.Complete || f.Commits.Why == "" {
		t.Errorf("got complete %t, why %q; want a list that says that it is not whole", f.Commits.Complete, f.Commits.Why)
	}
}

// A label may ask for more, so all are read, or nothing is known.
func TestAllLabelsAreRead(t *testing.T) {
	w := newWorld(t)
	pr := w.open()
	for i := range 250 {
		pr.Label(w.bob, fmt.Sprintf("label %d", i))
	}
	if n := len(w.collect(t, pr).Change.Labels); n != 250 {
		t.Errorf("got %d labels, want 250", n)
	}
	for i := range 800 {
		pr.Label(w.bob, fmt.Sprintf("one more %d", i))
	}
	if _, err := facts.Collect(t.Context(), w.client, w.request(pr)); !errors.Is(err, gh.ErrTruncated) {
		t.Errorf("of 1050 labels: %v, want ErrTruncated", err)
	}
}

// A stacked pull request is judged by the base of its stack, by that branch's policy.
func TestStackedPullRequest(t *testing.T) {
	w := newWorld(t)
	bottom := w.open()
	top := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "On top", Head: "copilot/top", Base: "copilot/work", Author: w.agent,
		Commits: []ghsim.Commit{{Message: "top", Files: map[string]string{"top.go": "package shop\n"}}}})
	w.repo.Stack(bottom, top)
	w.repo.Protect("main", w.alice, ghsim.Protection{Approvals: 1})
	req := w.request(top)
	req.Base = "copilot/work"
	c, err := facts.Collect(t.Context(), w.client, req)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Facts.Change; got.GoverningRef != "main" || got.BaseRef != "copilot/work" {
		t.Errorf("got governing %q, base %q", got.GoverningRef, got.BaseRef)
	}
	if c.Facts.Protection.Classic == nil {
		t.Error("the protection is not the governing branch's")
	}
}

// How the branches of a stack moved is read where something may have tested the merge with the
// lower one, and nowhere else.
func TestMovesBelowAStackedPullRequest(t *testing.T) {
	w := newWorld(t)
	bottom := w.open()
	lower := bottom.HeadSHA()
	if err := w.repo.PushTo("copilot/top", lower, w.agent); err != nil {
		t.Fatal(err)
	}
	top := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "On top", Head: "copilot/top", Base: "copilot/work", Author: w.agent,
		Commits: []ghsim.Commit{{Message: "top", Files: map[string]string{"top.go": "package shop\n"}}}})
	w.repo.Stack(bottom, top)
	collect := func(told ...policy.Push) (*policy.Stack, error) {
		req := w.request(top)
		req.PushesTo = func(_ context.Context, branch, since string) ([]policy.Push, error) {
			if branch != "copilot/work" || since != top.HeadSHA() {
				t.Errorf("asked for the pushes to %s since %s", branch, since)
			}
			return told, nil
		}
		c, err := facts.Collect(t.Context(), w.client, req)
		return c.Facts.Stack, err
	}
	read := func(pr *ghsim.PullRequest, event string) *policy.Stack {
		t.Helper()
		w.repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", event, ghsim.Job{Name: "test", Conclusion: "success"})
		w.sim.ResetRequests()
		f := w.collect(t, pr)
		_, read := w.sim.RequestCounts()["GET /repos/{owner}/{repo}/activity"]
		if read != (f.Stack != nil) {
			t.Errorf("the activity was read: %t, for %+v", read, f.Stack)
		}
		return f.Stack
	}
	if got := read(bottom, "pull_request"); got != nil {
		t.Errorf("at the bottom: got %+v", got)
	}
	if got := read(top, "push"); got != nil {
		t.Errorf("tested on push: got %+v", got)
	}
	weak := w.repo.Push("copilot/work", w.agent, ghsim.Commit{Message: "weak", Files: map[string]string{"new_test.go": "package shop\n"}})
	w.repo.ForcePush("copilot/work", lower, w.agent)
	got := read(top, "pull_request")
	if got == nil || got.Pushed == nil || got.Pushed.After != top.HeadSHA() {
		t.Fatalf("got %+v, want when the head was pushed", got)
	}
	var tips []string
	for _, u := range got.Base.Items {
		tips = append(tips, u.Type, u.After)
	}
	if want := []string{"branch_creation", lower, "push", weak, "force_push", lower}; !got.Base.Complete || !slices.Equal(tips, want) {
		t.Errorf("got %v, complete %t; want %v", tips, got.Base.Complete, want)
	}
	// What deliveries told of must be among them.
	if got, err := collect(policy.Push{After: weak, ReceivedAt: time.Now()}); err != nil || !got.Base.Complete {
		t.Errorf("a push that is listed: got %+v, %v", got, err)
	}
	unlisted := policy.Push{After: strings.Repeat("e", 40), ReceivedAt: time.Now()}
	if _, err := collect(unlisted); !errors.Is(err, facts.ErrBehind) {
		t.Errorf("a push that is not listed yet: got %v", err)
	}
	unlisted.ReceivedAt = time.Now().Add(-time.Hour)
	if got, err := collect(unlisted); err != nil || got.Base.Complete || got.Base.Why == "" {
		t.Errorf("a push that is not listed: got %+v, %v", got, err)
	}
	for i := range 100 {
		w.repo.ForcePush("copilot/work", lower, w.agent, ghsim.Commit{Message: fmt.Sprint(i), Files: map[string]string{"new_test.go": "package shop\n"}})
	}
	if got := read(top, "pull_request"); got == nil || got.Base.Complete || got.Base.Why == "" {
		t.Errorf("moved more often than is read: got %+v", got)
	}
	w.sim.Faults.Add(ghsim.Fault{Route: "GET /repos/{owner}/{repo}/activity", Status: 403})
	if got := read(top, "pull_request"); got == nil || got.Base.Complete || got.Base.Why == "" {
		t.Errorf("not readable: got %+v", got)
	}
}

// What an App, another system or GitHub itself tested, nobody says, so the moves are read for it too.
func TestMovesBelowWhatOthersTested(t *testing.T) {
	for name, test := range map[string]func(w *world, sha string){
		"an App":   func(w *world, sha string) { w.repo.PostCheckRun(w.agent, sha, "scan", "success") },
		"a status": func(w *world, sha string) { w.repo.PostStatus(w.alice, sha, "ci/jenkins", "success") },
		"GitHub itself": func(w *world, sha string) {
			w.repo.RunWorkflow(sha, "dynamic/scan", "dynamic", ghsim.Job{Name: "scan", Conclusion: "success"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bottom := w.open()
			top := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "On top", Head: "copilot/top", Base: "copilot/work", Author: w.agent,
				Commits: []ghsim.Commit{{Message: "top", Files: map[string]string{"top.go": "package shop\n"}}}})
			w.repo.Stack(bottom, top)
			if got := w.collect(t, top).Stack; got != nil {
				t.Errorf("before anything ran: %+v", got)
			}
			test(w, top.HeadSHA())
			if got := w.collect(t, top).Stack; got == nil || !got.Base.Complete {
				t.Errorf("got %+v, want the moves of the branch below", got)
			}
			test(w, bottom.HeadSHA())
			if got := w.collect(t, bottom).Stack; got != nil {
				t.Errorf("of a pull request that is not stacked: %+v", got)
			}
		})
	}
}

func TestBypassIsThreeValued(t *testing.T) {
	w := newWorld(t)
	rules := []ghsim.Rule{ghsim.RulePullRequest(1), ghsim.RuleNoForcePush()}
	w.repo.Ruleset(w.alice, ghsim.RulesetSpec{Name: "hidden", Rules: rules, Bypass: []ghsim.Bypass{{Type: "OrganizationAdmin", Mode: "exempt"}}})
	w.repo.Ruleset(w.alice, ghsim.RulesetSpec{Name: "only looked at", Enforcement: "evaluate", Rules: rules})
	w.repo.Protect("main", w.alice, ghsim.Protection{Approvals: 1, MayBypassReview: []ghsim.Actor{w.bob}})
	pr := w.open()
	p := w.collect(t, pr).Protection
	if len(p.Rules.Items) != 2 {
		t.Errorf("got rules %+v, want those of the active ruleset only", p.Rules.Items)
	}
	if len(p.Bypass) != 2 || p.Bypass[0].State != policy.BypassThese || p.Bypass[0].Actors[0].ID != w.bob.ID() {
		t.Errorf("classic: got %+v, want bob", p.Bypass)
	}
	if len(p.Bypass) == 2 && (p.Bypass[1].State != policy.BypassUnreadable || p.Bypass[1].Why == "") {
		t.Errorf("ruleset without the permission to see it: got %+v, want unreadable", p.Bypass[1])
	}
	var err error
	if w.client, err = gh.PersonAt(gh.Settings{V3URL: w.sim.URL() + "/api/v3/", V4URL: w.sim.URL() + "/api/graphql"}, w.alice.Token()); err != nil {
		t.Fatal(err)
	}
	p = w.collect(t, pr).Protection
	if b := p.Bypass[1]; b.State != policy.BypassThese || b.Actors[0].Type != "OrganizationAdmin" || b.Actors[0].Mode != "exempt" {
		t.Errorf("ruleset for who may edit it: got %+v", b)
	}
}

func TestWhatIsNotEnrolled(t *testing.T) {
	w := newWorld(t)
	pr := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "elsewhere", Head: "topic", Base: w.branch("dev"), Author: w.agent,
		Commits: []ghsim.Commit{{Message: "x", Files: map[string]string{"x": "x"}}}})
	var outside *facts.NotEnrolledError
	if _, err := facts.Collect(t.Context(), w.client, w.request(pr)); !errors.As(err, &outside) || outside.Change.HeadSHA != pr.HeadSHA() {
		t.Errorf("got %v, want NotEnrolledError about the change", err)
	}
	// Taking the policy away on the head changes nothing: the base decides.
	head := w.open(ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
	if _, err := facts.Collect(t.Context(), w.client, w.request(head)); err != nil {
		t.Errorf("got %v, want the base's policy", err)
	}
}

func (w *world) branch(name string) string {
	w.repo.Push(name, w.alice)
	return name
}

func TestPolicyThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	for name, files := range map[string]map[string]string{
		"does not parse": {policy.Path: "version: 1\nmode: loud\n"},
		"a folder":       {policy.Path + "/x": "x"},
		"too large":      {policy.Path: "version: 1 # " + strings.Repeat("x", 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			commit := ghsim.Commit{Message: name, Files: files}
			if _, folder := files[policy.Path+"/x"]; folder {
				commit.Delete = []string{policy.Path}
			}
			w.repo.ForcePush("main", w.repo.Head("main"), w.alice, commit)
			pr := w.repo.OpenPullRequest(ghsim.PullSpec{Title: name, Head: "topic-" + strings.ReplaceAll(name, " ", "-"), Author: w.agent,
				Commits: []ghsim.Commit{{Message: name, Files: map[string]string{name: name}}}})
			var broken *facts.PolicyError
			_, err := facts.Collect(t.Context(), w.client, w.request(pr))
			if !errors.As(err, &broken) || len(broken.Err.Problems) == 0 || broken.Change.HeadSHA != pr.HeadSHA() {
				t.Errorf("got %v, want a PolicyError that says what is wrong", err)
			}
			w.repo.ForcePush("main", w.repo.Head("main"), w.alice, ghsim.Commit{Message: "back", Delete: []string{policy.Path + "/x"}, Files: map[string]string{policy.Path: policyFile}})
		})
	}
}

// What deliveries said is held against what the API answers.
func TestBehindItsWebhooks(t *testing.T) {
	w := newWorld(t)
	pr := w.open()
	now := time.Now()
	old := pr.HeadSHA()
	newer := strings.Repeat("d", 40)
	future := now.Add(time.Hour)
	second := w.collect(t, pr).Change.UpdatedAt
	for name, known := range map[string]facts.Known{
		"a head":              {Seen: []facts.Seen{{Head: old, Base: "main", UpdatedAt: second, ReceivedAt: now}, {Head: newer, Base: "main", UpdatedAt: second, ReceivedAt: now}}},
		"a base":              {Seen: []facts.Seen{{Head: old, Base: "release", UpdatedAt: second, ReceivedAt: now}}},
		"an update":           {Seen: []facts.Seen{{Head: old, Base: "main", UpdatedAt: future, ReceivedAt: now}}},
		"a dismissal":         {Dismissals: map[int64]time.Time{97: now}},
		"a check that starts": {Checks: map[int64]facts.SeenCheck{98: {Status: "queued", ReceivedAt: now}}},
		"a status":            {Statuses: map[int64]time.Time{96: now}},
		"a review":            {Reviews: map[int64]policy.ReviewReceipt{99: {Seq: 1, ReceivedAt: now}}},
		"a check":             {Checks: map[int64]facts.SeenCheck{98: {Status: "completed", Conclusion: "failure", ReceivedAt: now}}},
	} {
		t.Run(name, func(t *testing.T) {
			req := w.request(pr)
			req.Known = known
			if _, err := facts.Collect(t.Context(), w.client, req); !errors.Is(err, facts.ErrBehind) {
				t.Errorf("got %v, want ErrBehind", err)
			}
			req.Now = now.Add(2 * time.Minute) // patience ends
			c, err := facts.Collect(t.Context(), w.client, req)
			if err != nil {
				t.Fatalf("after all patience: %v", err)
			}
			if name == "a review" && c.Facts.Reviews.Complete {
				t.Error("a list that lacks a delivered review says that it is whole")
			}
		})
	}
	t.Run("a commit that the API has not heard of", func(t *testing.T) {
		req := w.request(pr)
		req.Head = newer
		if _, err := facts.Collect(t.Context(), w.client, req); !errors.Is(err, facts.ErrBehind) {
			t.Errorf("got %v, want ErrBehind", err)
		}
	})
}

// A role that GitHub does not tell is not known, and not known never counts.
func TestRoleThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	pr := w.open()
	pr.Approve(w.bob)
	w.sim.Faults.Add(ghsim.Fault{Route: "GET /repos/{owner}/{repo}/collaborators/{username}/permission", Status: 404})
	f := w.collect(t, pr)
	if got := f.Reviews.Items[0].Permission; got != "" {
		t.Errorf("got role %q, want not known", got)
	}
}

func TestRepositoryThatTookTheName(t *testing.T) {
	w := newWorld(t)
	req := w.request(w.open())
	req.RepositoryID++
	if _, err := facts.Collect(t.Context(), w.client, req); !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
