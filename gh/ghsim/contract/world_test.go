package contract_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/contract"
)

// story is a world in which everything has happened that the simulator can do.
type story struct {
	sim          *ghsim.Sim
	gate, coder  *ghsim.App
	installation *ghsim.Installation
	repo         *ghsim.Repo
	alice, bob   *ghsim.User
	first        *ghsim.PullRequest // open, with everything on it
	run          *ghsim.CheckRun    // ours
	issue        *ghsim.Issue       // closed, with everything on it
	workflow     *ghsim.WorkflowRun
	ruleset      *ghsim.Ruleset
	me           *gh.Client // alice's, signed in with our App
}

// everything is what an App may be granted.
var everything = map[string]string{
	"metadata": "read", "pull_requests": "write", "contents": "write", "checks": "write", "statuses": "write", "actions": "read",
	"issues": "write", "administration": "write", "merge_queues": "read", "members": "read", "organization_administration": "write",
	"organization_custom_properties": "read", "deployments": "read",
}

// subscribed are the events that we handle and that an App subscribes to; the others come
// to every App.
func subscribed() []string {
	return slices.DeleteFunc(gh.HandledEvents(), func(name string) bool {
		return name == "ping" || name == "github_app_authorization" || strings.HasPrefix(name, "installation")
	})
}

func tell(t *testing.T, sim *ghsim.Sim, hookURL string) *story {
	t.Helper()
	st := &story{sim: sim, alice: sim.User("alice"), bob: sim.User("bob")}
	carol := sim.UserOf(ghsim.UserSpec{Login: "carol", Name: "Carol", Email: "carol@example.com"})
	acme := sim.Org("acme").Owner(st.alice).Member(st.bob)
	team := acme.Team("reviewers", st.bob)
	st.gate = sim.App(ghsim.AppSpec{Slug: "countersign", Permissions: everything, Events: subscribed(), HookURL: hookURL, HookSecret: "it's a secret"})
	st.coder = sim.App(ghsim.AppSpec{Slug: "coder"})
	st.installation = st.gate.Install(acme)
	st.coder.Install(acme)
	st.repo = acme.Repo("shop", ghsim.RepoSpec{Description: "Sells things", Files: map[string]string{
		"README.md": "# Shop\n", "src/a.go": "package a\n", ".github/countersign.yml": "version: 1\n",
	}}).TeamRole(team, "write").Collaborator(carol, "write")
	st.issue = st.repo.OpenIssue(st.alice, "Sell more", "Please.", "exception")
	st.issue.Edit(st.alice, "Sell much more", "Please, please.")
	st.issue.Label(st.alice, "later")
	st.issue.Unlabel(st.alice, "later")
	st.issue.Assign(st.alice, st.bob)
	st.issue.Comment(st.gate, "Who looks at this?").Edit(st.bob, "I do")
	st.issue.CloseAs(st.bob, "not_planned")
	st.issue.Reopen(st.bob)
	st.issue.Close(st.bob)
	issue := st.repo.OpenIssue(st.gate, "An exception", "It was merged without a review.")
	gone := st.repo.OpenIssue(st.bob, "A mistake", "")
	gone.Lock(st.alice)
	gone.Delete(st.alice)
	st.repo.Push("mistake", st.bob, ghsim.Commit{Message: "A mistake", Files: map[string]string{"oops": "oops\n"}})
	if err := st.repo.DeleteBranch("mistake", st.bob); err != nil {
		t.Fatal(err)
	}

	st.repo.Protect("main", st.alice, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Strict: true, LastPushApproval: true, CodeOwners: true, RestrictPushes: true,
		Checks:  []ghsim.Required{{Name: "test", App: sim.Actions()}, {Name: "lint"}},
		MayPush: []ghsim.Actor{st.alice, st.coder}, MayBypassReview: []ghsim.Actor{st.alice, st.coder}, MayForcePush: []ghsim.Actor{st.bob}, TeamsMayBypassReview: []*ghsim.Team{team}})
	st.ruleset = st.repo.Ruleset(st.alice, ghsim.RulesetSpec{Name: "gate",
		Bypass: []ghsim.Bypass{{ID: 5, Type: "RepositoryRole", Mode: "always"}, {Type: "OrganizationAdmin", Mode: "pull_request"}, {ID: team.ID(), Type: "Team", Mode: "exempt"}, {ID: st.gate.ID(), Type: "Integration", Mode: "always"}},
		Rules:  []ghsim.Rule{ghsim.RulePullRequest(1), ghsim.RuleChecks(true, ghsim.Required{Name: "countersign", App: st.gate}), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion()}})
	acme.Ruleset(st.alice, ghsim.RulesetSpec{Name: "everywhere", Include: []string{"~DEFAULT_BRANCH", "refs/heads/release/*"}, Exclude: []string{"refs/heads/release/0.*"}, Rules: []ghsim.Rule{ghsim.RuleNoForcePush()}})
	st.ruleset.Enforce(st.alice, "evaluate")
	st.ruleset.Enforce(st.alice, "active")

	st.first = st.repo.OpenPullRequest(ghsim.PullSpec{Title: "Sell", Body: "Fixes #1", Head: "coder/sell", Author: st.coder, Draft: true, Commits: []ghsim.Commit{{
		Message: "Sell\n\nCo-authored-by: Carol <carol@example.com>", Files: map[string]string{"src/b.go": "package b\n\nvar B = 1\n"}, Rename: map[string]string{"src/a.go": "src/c.go"}, Signed: true,
	}}})
	p := st.first
	p.Closes(issue)
	p.Ready(st.alice)
	p.EnableAutoMerge(st.alice, "squash")
	p.DisableAutoMerge(st.alice)
	p.Label(st.alice, "agent")
	p.Label(st.alice, "later")
	p.Unlabel(st.alice, "later")
	p.Assign(st.alice, st.coder)
	p.Assign(st.alice, st.bob)
	p.Unassign(st.alice, st.bob)
	p.RequestReview(st.alice, st.bob)
	p.RequestTeamReview(st.alice, team)
	p.Edit(st.alice, "Sell things", "Fixes #1, really")
	p.Comment(st.alice, "go on").Edit(st.bob, "go on, please")
	p.RequestChanges(st.bob, "no").Dismiss(st.alice, "done")
	p.Push(st.coder, ghsim.Commit{Message: "More", Delete: []string{"README.md"}, Files: map[string]string{"logo.png": "\x00\x01"}})
	p.ForcePush(st.coder, ghsim.Commit{Message: "All of it", Files: map[string]string{"src/b.go": "package b\n"}, ByGitHub: true})
	head := p.HeadSHA()
	st.workflow = st.repo.RunWorkflow(head, ".github/workflows/ci.yml", "pull_request", ghsim.Job{Name: "test", Conclusion: "failure"}, ghsim.Job{Name: "build", Conclusion: "success"})
	st.workflow.Rerun(st.bob, ghsim.Job{Name: "test"})
	st.workflow.Finish("test", "success")
	st.repo.RunWorkflow(head, ".github/workflows/manual.yml", "workflow_dispatch", ghsim.Job{Name: "manual"})
	st.repo.ForgeActionsRun(head, "test", "success")
	st.repo.PostStatus(st.alice, head, "lint", "pending")
	st.repo.PostStatus(st.coder, head, "lint", "success")
	st.run = st.repo.PostCheckRun(st.gate, head, "countersign", "")
	st.run.Complete("failure")
	st.run.Rerequest(st.alice)
	st.run.Press(st.alice, "re-evaluate")
	p.Review(ghsim.ReviewSpec{By: carol, State: "COMMENTED", Body: "hm"}).Edit(carol, "hm, fine")
	p.Review(ghsim.ReviewSpec{By: st.bob, State: "APPROVED", OnBehalfOf: []*ghsim.Team{team}})

	st.another(t)
	st.installation.Suspend()
	st.installation.Unsuspend()
	return st
}

// another lets further pull requests be merged, closed, retargeted, stacked and queued.
func (st *story) another(t *testing.T) {
	t.Helper()
	lab := st.sim.Org("acme").Repo("lab", ghsim.RepoSpec{Public: true}).Collaborator(st.bob, "write")
	open := func(r *ghsim.Repo, name, base string) *ghsim.PullRequest {
		return r.OpenPullRequest(ghsim.PullSpec{Title: name, Head: name, Base: base, Author: st.bob, Commits: []ghsim.Commit{{Message: name, Files: map[string]string{name: name}}}})
	}
	for _, method := range []string{"merge", "squash", "rebase"} {
		p := open(lab, method, "")
		if err := p.Merge(st.alice, method); err != nil {
			t.Fatal(err)
		}
	}
	closed := open(lab, "closed", "")
	closed.Close(st.bob)
	closed.Reopen(st.bob)
	closed.Close(st.bob)
	lab.Push("release/1.0", st.alice, ghsim.Commit{Message: "Release", Files: map[string]string{"VERSION": "1.0\n"}})
	below, above := open(lab, "below", ""), open(lab, "above", "below")
	lab.Stack(below, above)
	below.Retarget(st.bob, "release/1.0")
	if err := below.UpdateBranch(st.bob); err != nil {
		t.Fatal(err)
	}
	fork := lab.Fork(st.sim.User("dave"))
	lab.OpenPullRequest(ghsim.PullSpec{Title: "from a fork", Head: "idea", HeadRepo: fork, Author: st.sim.User("dave"), Commits: []ghsim.Commit{{Message: "Idea", Files: map[string]string{"idea": "?"}}}})

	queue := st.sim.Org("acme").Repo("queue", ghsim.RepoSpec{}).Collaborator(st.bob, "write")
	queue.Ruleset(st.alice, ghsim.RulesetSpec{Name: "queue", Rules: []ghsim.Rule{ghsim.RuleMergeQueue(), ghsim.RuleChecks(false, ghsim.Required{Name: "test"})}})
	queued := open(queue, "queued", "")
	queue.PostCheckRun(st.coder, queued.HeadSHA(), "test", "success")
	if err := queued.Enqueue(st.bob); err != nil {
		t.Fatal(err)
	}
	queue.PostCheckRun(st.coder, queued.GroupSHA(), "test", "success")
	thrown := open(queue, "thrown", "")
	queue.PostCheckRun(st.coder, thrown.HeadSHA(), "test", "success")
	if err := thrown.Enqueue(st.bob); err != nil {
		t.Fatal(err)
	}
	thrown.Dequeue(st.bob)
	if err := lab.DeleteBranch("merge", st.alice); err != nil {
		t.Fatal(err)
	}
	lab.Rename("laboratory", st.alice)
	lab.Archive(st.alice)
	st.repo.Unprotect("release/*", st.alice)
}

// caller sends requests with one credential.
type caller struct {
	t     *testing.T
	base  string
	token string // or "Basic" with client id and secret
}

// do sends a request and wants the status.
func (c caller) do(method, path string, body any, want int) map[string]any {
	c.t.Helper()
	var text string
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		text = string(raw)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+"/api/v3"+path, strings.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	if strings.HasPrefix(c.token, "Basic ") {
		r.Header.Set("Authorization", c.token)
	} else if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != want {
		c.t.Errorf("%s %s: got status %d, want %d: %.300s", method, path, res.StatusCode, want, raw)
	}
	var out map[string]any
	json.Unmarshal(raw, &out) // a list leaves it nil, which callers of lists do not look at
	return out
}

func (c caller) get(path string) map[string]any { return c.do("GET", path, nil, 200) }

// TestEveryRoute sends every request that the simulator answers, as an installation, as a
// person and as the App, over a world in which everything has happened. Nothing may
// differ from GitHub's description: not the requests, not the answers, not the webhooks.
func TestEveryRoute(t *testing.T) {
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(hook.Close)
	sim := start(t)
	recorder := contract.Check(t, sim)
	st := tell(t, sim, hook.URL)

	app := caller{t, sim.URL(), appToken(t, st.gate)}
	byInstallation := caller{t, sim.URL(), st.installation.Token()}
	byOwner, byMember := caller{t, sim.URL(), st.alice.Token()}, caller{t, sim.URL(), st.bob.Token()}

	app.get("/app")
	app.get("/app/hook/config")
	app.get("/app/installations")
	app.get(fmt.Sprintf("/app/installations/%d", st.installation.ID()))
	app.do("POST", fmt.Sprintf("/app/installations/%d/access_tokens", st.installation.ID()), nil, 201)
	app.do("POST", fmt.Sprintf("/app/installations/%d/access_tokens", st.installation.ID()), map[string]any{"repository_ids": []int64{st.repo.ID()}, "permissions": map[string]string{"checks": "write"}}, 201)
	app.get("/repos/acme/shop/installation")
	app.get("/orgs/acme/installation")
	byInstallation.get("/installation/repositories?per_page=100")
	byInstallation.get("/rate_limit")
	byInstallation.do("GET", "/app", nil, 401)
	caller{t, sim.URL(), ""}.do("GET", "/repos/acme/shop", nil, 404)
	caller{t, sim.URL(), "ghs_wrong"}.do("GET", "/repos/acme/shop", nil, 401)

	byOwner.get("/user")
	byOwner.get("/user/memberships/orgs/acme")
	st.seen(t)

	for _, c := range []caller{byInstallation, byOwner} {
		st.reads(c)
	}
	st.writes(byInstallation, byMember)
	st.rulesets(byOwner, byMember)
	registers(t, sim, hook.URL)
	st.deliveries(t, app)
	exchanges, hooks := recorder.Compared()
	t.Logf("%d exchanges and %d webhooks were compared with GitHub's description", exchanges, hooks)

	if diff := cmp.Diff(sim.Routes(), slices.Sorted(maps.Keys(visited(sim)))); diff != "" {
		t.Errorf("routes (-simulated +visited):\n%s", diff)
	}
	checkDecoded(t, st.gate)
}

// seen are what a person sees with a token of our App.
func (st *story) seen(t *testing.T) {
	t.Helper()
	_, token := st.signIn(t, st.connect(t))
	me := caller{t, st.sim.URL(), token.Access}
	me.get("/user")
	me.get("/user/memberships/orgs/acme")
	me.get("/user/installations?per_page=100")
	me.get(fmt.Sprintf("/user/installations/%d/repositories?per_page=1", st.installation.ID()))
	me.do("GET", "/user/installations/1/repositories", nil, 404)
	me.get("/repos/acme/shop")
	id, secret := st.gate.SignsIn("http://127.0.0.1:1/callback")
	us := caller{t, st.sim.URL(), "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
	us.do("DELETE", "/applications/"+id+"/token", map[string]string{"access_token": token.Access}, 204)
	us.do("DELETE", "/applications/"+id+"/token", map[string]string{"access_token": token.Access}, 404)
	me.do("GET", "/user", nil, 401)
}

// reads are every GET on the repository and the organisation.
func (st *story) reads(c caller) {
	head, number := st.first.HeadSHA(), st.first.Number()
	const repo = "/repos/acme/shop"
	for _, path := range []string{
		"/orgs/acme", "/orgs/acme/repos", "/orgs/acme/installations", "/orgs/acme/teams/reviewers/members", "/orgs/acme/rulesets",
		repo, repo + "/pulls", repo + "/pulls?state=all&sort=updated&direction=desc&per_page=1&page=1", repo + "/pulls?head=acme:coder/sell&base=main",
		fmt.Sprintf("%s/pulls/%d", repo, number), fmt.Sprintf("%s/pulls/%d/files?per_page=100", repo, number),
		fmt.Sprintf("%s/pulls/%d/commits", repo, number), fmt.Sprintf("%s/pulls/%d/reviews", repo, number), fmt.Sprintf("%s/issues/%d/comments", repo, number),
		repo + "/issues", repo + "/issues?state=all&labels=exception&sort=created&direction=asc&since=2020-01-02T03:04:05Z&per_page=100",
		fmt.Sprintf("%s/issues/%d", repo, number), fmt.Sprintf("%s/issues/%d", repo, st.issue.Number()),
		fmt.Sprintf("%s/issues/%d/comments?since=2020-01-02T03:04:05Z", repo, st.issue.Number()),
		repo + "/commits/" + head, repo + "/commits/main",
		repo + "/commits/" + head + "/check-runs?filter=all&per_page=100", repo + "/commits/" + head + "/check-runs?check_name=countersign&app_id=" + fmt.Sprint(st.gate.ID()),
		repo + "/commits/" + head + "/statuses", repo + "/commits/" + head + "/pulls",
		repo + "/compare/main..." + head, repo + "/contents/.github/countersign.yml?ref=main", repo + "/contents/src?ref=main", repo + "/activity?ref=refs/heads/main",
		fmt.Sprintf("%s/check-runs/%d", repo, st.run.ID()),
		repo + "/actions/runs?head_sha=" + head, fmt.Sprintf("%s/actions/runs/%d", repo, st.workflow.ID()), fmt.Sprintf("%s/actions/runs/%d/jobs?filter=all", repo, st.workflow.ID()),
		repo + "/rules/branches/main?per_page=100", repo + "/rulesets?includes_parents=true", fmt.Sprintf("%s/rulesets/%d?includes_parents=true", repo, st.ruleset.ID()),
		repo + "/branches?per_page=100", repo + "/branches/main", repo + "/branches/coder%2Fsell", repo + "/branches/main/protection",
		repo + "/collaborators/bob/permission",
		"/repos/acme/laboratory/pulls?state=all", "/repos/acme/laboratory/pulls/1", "/repos/acme/laboratory/pulls/5", "/repos/acme/laboratory/pulls/7", "/repos/acme/queue/pulls/1",
		"/repos/acme/queue/rules/branches/main", "/repos/acme/laboratory/commits/main", "/repos/acme/laboratory/activity",
	} {
		c.get(path)
	}
	jobs := c.get(fmt.Sprintf("%s/actions/runs/%d/jobs", repo, st.workflow.ID()))["jobs"].([]any)
	c.get(fmt.Sprintf("%s/actions/jobs/%.0f", repo, jobs[0].(map[string]any)["id"]))
	c.do("GET", repo+"/pulls/999", nil, 404)
	c.do("GET", repo+"/issues/999", nil, 404)
	c.do("GET", fmt.Sprintf("%s/issues/%d", repo, st.issue.Number()+2), nil, 410)
	c.do("GET", repo+"/contents/gone?ref=main", nil, 404)
	c.do("GET", repo+"/branches/gone/protection", nil, 404)
	c.do("GET", "/repos/acme/lab", nil, 200) // was renamed: the client follows
}

// writes are every request that changes something.
func (st *story) writes(app, member caller) {
	const repo = "/repos/acme/shop"
	head := st.first.HeadSHA()
	run := app.do("POST", repo+"/check-runs", map[string]any{
		"name": "countersign", "head_sha": head, "status": "in_progress", "external_id": "1f", "details_url": "https://example.com/1f",
		"output": map[string]any{"title": "Needs 1 approval", "summary": "…", "text": "…"},
	}, 201)
	app.do("PATCH", fmt.Sprintf("%s/check-runs/%.0f", repo, run["id"]), map[string]any{
		"status": "completed", "conclusion": "action_required", "completed_at": time.Now().UTC().Format(time.RFC3339),
		"output":  map[string]any{"title": "Repair the policy", "summary": "…"},
		"actions": []map[string]any{{"label": "Re-evaluate", "description": "Look again", "identifier": "re-evaluate"}},
	}, 200)
	app.do("POST", fmt.Sprintf("%s/check-runs/%.0f/rerequest", repo, run["id"]), nil, 201)
	app.do("POST", repo+"/statuses/"+head, map[string]any{"state": "success", "context": "ours", "description": "fine", "target_url": "https://example.com"}, 201)
	st.repo.Push("http", st.bob, ghsim.Commit{Message: "HTTP", Files: map[string]string{"http": "1"}})
	opened := member.do("POST", repo+"/pulls", map[string]any{"title": "Over HTTP", "head": "http", "base": "main", "body": "b"}, 201)
	number := fmt.Sprintf("%.0f", opened["number"])
	member.do("PATCH", repo+"/pulls/"+number, map[string]any{"title": "Over HTTP, again", "state": "open"}, 200)
	app.do("POST", repo+"/pulls/"+number+"/reviews", map[string]any{"event": "COMMENT", "body": "hm"}, 200)
	exception := app.do("POST", repo+"/issues", map[string]any{"title": "An exception", "body": "…", "labels": []string{"exception", "high"}}, 201)
	for _, n := range []string{number, fmt.Sprintf("%.0f", exception["number"])} {
		app.do("POST", repo+"/issues/"+n+"/comments", map[string]any{"body": "hello"}, 201)
		app.do("POST", repo+"/issues/"+n+"/labels", map[string]any{"labels": []string{"escalated"}}, 200)
		app.do("DELETE", repo+"/issues/"+n+"/labels/escalated", nil, 200)
		app.do("DELETE", repo+"/issues/"+n+"/labels/escalated", nil, 404)
		app.do("POST", repo+"/issues/"+n+"/assignees", map[string]any{"assignees": []string{"bob", "nobody"}}, 201)
		app.do("PATCH", repo+"/issues/"+n, map[string]any{"state": "closed", "state_reason": "completed"}, 200)
		app.do("PATCH", repo+"/issues/"+n, map[string]any{"state": "open"}, 200)
	}
	app.do("POST", repo+"/issues", map[string]any{"title": strings.Repeat("é", 257)}, 422)
	member.do("PUT", repo+"/pulls/"+number+"/merge", map[string]any{"merge_method": "squash"}, 405)

	st.sim.Org("acme").Repo("free", ghsim.RepoSpec{}).Collaborator(st.bob, "write")
	free := st.sim.Org("acme").Repo("free", ghsim.RepoSpec{})
	free.Push("x", st.bob, ghsim.Commit{Message: "x", Files: map[string]string{"x": "1"}})
	member.do("POST", "/repos/acme/free/pulls", map[string]any{"title": "x", "head": "x", "base": "main"}, 201)
	member.do("PUT", "/repos/acme/free/pulls/1/merge", map[string]any{"merge_method": "squash"}, 200)
}

// rulesets are written by those who may, at both levels.
func (st *story) rulesets(owner, member caller) {
	body := map[string]any{"name": "written", "target": "branch", "enforcement": "active", "bypass_actors": []map[string]any{{"actor_id": nil, "actor_type": "OrganizationAdmin", "bypass_mode": "pull_request"}},
		"conditions": map[string]any{"ref_name": map[string]any{"include": []string{"refs/heads/main"}, "exclude": []string{}}},
		"rules": []map[string]any{{"type": "deletion"}, {"type": "required_status_checks", "parameters": map[string]any{
			"strict_required_status_checks_policy": false, "required_status_checks": []map[string]any{{"context": "countersign", "integration_id": st.gate.ID()}}}}}}
	const repo = "/repos/acme/shop/rulesets"
	member.do("POST", repo, body, 403)
	made := owner.do("POST", repo, body, 201)
	owner.do("POST", repo, body, 422)
	owner.do("PUT", fmt.Sprintf("%s/%.0f", repo, made["id"]), map[string]any{"enforcement": "evaluate"}, 200)
	owner.do("PUT", repo+"/1", body, 404)
	body["conditions"].(map[string]any)["repository_name"] = map[string]any{"include": []string{"~ALL"}, "exclude": []string{}}
	made = owner.do("POST", "/orgs/acme/rulesets", body, 201)
	owner.get(fmt.Sprintf("/orgs/acme/rulesets/%.0f", made["id"]))
	owner.do("PUT", fmt.Sprintf("/orgs/acme/rulesets/%.0f", made["id"]), body, 200)
}

// registers makes an App of a manifest, whose webhook is pinged.
func registers(t *testing.T, sim *ghsim.Sim, hookURL string) {
	t.Helper()
	manifest := `{"name":"made","url":"https://x.example","redirect_url":"https://x.example/back","hook_attributes":{"url":"` + hookURL + `"},"default_permissions":{"checks":"write"},"default_events":["push"]}`
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.PostForm(sim.URL()+"/settings/apps/manifest", url.Values{"org": {"acme"}, "manifest": {manifest}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	anybody := caller{t, sim.URL(), ""}
	anybody.do("POST", "/app-manifests/"+back.Query().Get("code")+"/conversions", nil, 201)
	anybody.do("POST", "/app-manifests/"+back.Query().Get("code")+"/conversions", nil, 404)
}

// deliveries lists what was delivered and has one delivered again.
func (st *story) deliveries(t *testing.T, app caller) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := st.sim.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	app.get("/app/hook/deliveries?per_page=100")
	first := st.gate.Deliveries()[0]
	app.get(fmt.Sprintf("/app/hook/deliveries/%d", first.ID))
	app.do("POST", fmt.Sprintf("/app/hook/deliveries/%d/attempts", first.ID), nil, 202)
}

// visited are the REST routes that were asked for.
func visited(sim *ghsim.Sim) map[string]bool {
	seen := map[string]bool{}
	for route := range sim.RequestCounts() {
		if route != "POST /graphql" && route != "POST /login/oauth/access_token" {
			seen[route] = true
		}
	}
	return seen
}

// checkDecoded puts the simulator's webhooks through our decoder, and looks at which of
// the events that we handle the story had.
func checkDecoded(t *testing.T, app *ghsim.App) {
	t.Helper()
	seen := map[string]bool{}
	for _, d := range app.Deliveries() {
		event, err := gh.Decode(d.Event, d.Payload)
		if err != nil {
			t.Errorf("%s.%s: %v", d.Event, d.Action, err)
			continue
		}
		seen[d.Event+"."+d.Action] = true
		if event.InstallationID == 0 || event.Organization.ID == 0 || event.Sender.ID == 0 {
			t.Errorf("%s.%s lacks installation, organisation or sender: %+v", d.Event, d.Action, event)
		}
	}
	for _, want := range []string{
		"pull_request.opened", "pull_request.synchronize", "pull_request.edited", "pull_request.closed", "pull_request.reopened", "pull_request.stacked",
		"pull_request.labeled", "pull_request.unlabeled", "pull_request.assigned", "pull_request.unassigned", "pull_request.ready_for_review",
		"pull_request.review_requested", "pull_request.auto_merge_enabled", "pull_request.auto_merge_disabled", "pull_request.enqueued", "pull_request.dequeued",
		"pull_request_review.submitted", "pull_request_review.edited", "pull_request_review.dismissed", "issue_comment.created", "issue_comment.edited",
		"issues.opened", "issues.edited", "issues.labeled", "issues.unlabeled", "issues.assigned", "issues.closed", "issues.reopened", "issues.locked", "issues.deleted",
		"check_run.created", "check_run.completed", "check_run.rerequested", "check_run.requested_action", "check_suite.requested", "check_suite.completed",
		"status.", "workflow_run.requested", "workflow_run.completed", "push.", "create.", "delete.", "merge_group.checks_requested", "merge_group.destroyed",
		"branch_protection_rule.created", "repository_ruleset.created", "repository_ruleset.edited", "repository.renamed", "repository.archived",
		"installation.created", "installation.suspend", "installation.unsuspend",
	} {
		if !seen[want] {
			t.Errorf("the story has no webhook %s", want)
		}
	}
}

// appToken signs a JWT as an App does.
func appToken(t *testing.T, app *ghsim.App) string {
	t.Helper()
	raw, err := app.PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	var key *rsa.PrivateKey
	if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": fmt.Sprint(app.ID()), "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
