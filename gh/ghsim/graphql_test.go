package ghsim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// small is a repository with one pull request of a bot: one approval, one check run of
// GitHub Actions, one commit status, classic protection.
type small struct {
	sim           *Sim
	repo          *repo
	pull          *pull
	alice, bot    *account
	suite         *checkSuite
	installation  *installation
	baseSHA, head string
}

func newSmall(t *testing.T) *small {
	t.Helper()
	clock := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := New(Options{Clock: func() time.Time { return clock }})
	m := &small{sim: s}
	acme := &account{id: 1, login: "acme", kind: "Organization"}
	o := &org{account: acme, members: map[int64]string{2: "admin"}}
	m.alice = &account{id: 2, login: "alice", kind: "User", name: "Alice"}
	reviewers := &team{id: 3, slug: "reviewers", name: "Reviewers", org: o, members: []*account{m.alice}}
	coder := &app{id: 4, slug: "coder", name: "Coder"}
	m.bot = &account{id: 5, login: "coder[bot]", kind: "Bot", app: coder}
	coder.bot = m.bot
	actions := &app{id: actionsAppID, slug: "github-actions", name: "GitHub Actions"}
	s.orgs[1] = o
	s.apps[4], s.apps[actionsAppID] = coder, actions
	m.repo = &repo{
		id: 10, owner: acme, name: "shop", private: true, defaultBranch: "main", git: newGitStore(), refs: map[string]string{},
		collaborators: map[int64]string{}, runsAt: map[string][]*checkRun{}, suitesAt: map[string][]*checkSuite{},
		statuses: map[string][]*commitStatus{}, queues: map[string]*mergeQueue{}, pushes: map[string]*refUpdate{},
		settings: repoSettings{allowSquash: true},
	}
	s.repos[10], s.repoName["acme/shop"] = m.repo, m.repo
	by := func(a *account) identity { return identity{a.graphLogin(), a.login + "@example.com", clock, a} }
	git := m.repo.git
	m.baseSHA = git.addCommit(&commit{tree: git.addTree(map[string]string{"a": git.addBlob([]byte("1\n"))}, nil), author: by(m.alice), committer: by(m.alice), message: "Begin"})
	m.head = git.addCommit(&commit{
		tree: git.addTree(map[string]string{"a": git.addBlob([]byte("1\n2\n"))}, nil), parents: []string{m.baseSHA},
		author: by(m.bot), committer: by(m.bot), coauthors: []identity{by(m.alice)}, message: "Count to two\n\nOne more.",
		signature: signature{present: true, verified: true, byGitHub: true, reason: "valid", at: clock},
	})
	m.repo.refs["refs/heads/main"], m.repo.refs["refs/heads/two"] = m.baseSHA, m.head
	m.pull = &pull{
		id: 20, number: 7, repo: m.repo, headRepo: m.repo, author: m.bot, title: "Two", body: "Adds two", state: "open", baseRef: "main", baseSHA: m.baseSHA,
		headRef: "two", headSHA: m.head, heads: []string{m.baseSHA, m.head}, createdAt: clock, updatedAt: clock,
		labels: []*label{{id: 1, name: "one"}, {id: 2, name: "two"}, {id: 3, name: "three"}}, assignees: []*account{m.bot, m.alice},
		requestedTeams: []*team{reviewers},
	}
	m.pull.reviews = []*review{{id: 30, author: m.alice, state: "APPROVED", commitSHA: m.head, createdAt: clock, submittedAt: clock, teams: []*team{reviewers}}}
	m.pull.timeline = []*timelineEvent{
		{id: 40, kind: "AssignedEvent", at: clock, actor: m.alice, subject: m.bot},
		{id: 41, kind: "HeadRefForcePushedEvent", at: clock.Add(time.Minute), actor: m.bot, before: m.baseSHA, after: m.head},
		{id: 42, kind: "AddedToMergeQueueEvent", at: clock.Add(time.Hour), actor: m.bot},
	}
	m.pull.closes = []*issue{{id: 50, number: 1, title: "Count", state: "open", author: m.alice, createdAt: clock}}
	m.repo.pulls = []*pull{m.pull}
	m.suite = &checkSuite{id: 60, app: actions, headSHA: m.head, headBranch: "two", creator: m.bot, createdAt: clock, push: &refUpdate{before: m.baseSHA, after: m.head, actor: m.bot}}
	m.suite.run = &workflowRun{id: 61, workflow: &workflow{id: 62, name: "CI", path: ".github/workflows/ci.yml"}, number: 1, event: "pull_request", suite: m.suite, createdAt: clock, updatedAt: clock}
	m.addRun("test", "success")
	m.repo.statuses[m.head] = []*commitStatus{
		{id: 70, sha: m.head, context: "deploy", state: "pending", creator: m.alice, createdAt: clock},
		{id: 71, sha: m.head, context: "deploy", state: "success", creator: m.alice, createdAt: clock},
	}
	m.repo.protections = []*protection{{
		id: 80, pattern: "main", requireReviews: true, approvals: 1, requireChecks: true, enforceAdmins: true,
		checks:            []requiredCheck{{"test", actionsAppID}, {"deploy", 0}},
		bypassPullRequest: []actor{{user: m.alice}, {team: reviewers}, {app: coder}},
	}}
	m.installation = &installation{id: 90, app: coder, target: acme, permissions: map[string]string{
		"metadata": "read", "administration": "read", "checks": "write", "statuses": "read", "actions": "read", "contents": "read",
		"issues": "read", "pull_requests": "read", "members": "read", "merge_queues": "read",
	}}
	return m
}

// addRun adds a check run to the suite of GitHub Actions.
func (m *small) addRun(name, conclusion string) *checkRun {
	c := &checkRun{id: 100 + int64(len(m.repo.runs)), name: name, headSHA: m.head, suite: m.suite, status: "completed", conclusion: conclusion, startedAt: m.pull.createdAt, completedAt: m.pull.createdAt}
	m.repo.runs = append(m.repo.runs, c)
	m.repo.runsAt[m.head] = append(m.repo.runsAt[m.head], c)
	return c
}

// viewer is the installation, without the named permissions.
func (m *small) viewer(without ...string) *viewer {
	granted := map[string]string{}
	for name, level := range m.installation.permissions {
		granted[name] = level
	}
	for _, name := range without {
		delete(granted, name)
	}
	m.installation.permissions = granted
	return &viewer{installation: m.installation, user: m.bot, token: &token{installation: m.installation, permissions: granted}}
}

// answer is what a client decodes.
type answerBody struct {
	Data   map[string]any
	Errors []struct {
		Type, Code, Message string
		Path                []any
		Locations           []map[string]int
	}
}

func (m *small) ask(t *testing.T, v *viewer, query string, vars map[string]any) answerBody {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	m.sim.serveGraphQL(w, httptest.NewRequest(http.MethodPost, "/api/graphql", strings.NewReader(string(body))), v)
	if w.Code != http.StatusOK {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	var a answerBody
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return a
}

// whole asks and demands an answer without errors.
func (m *small) whole(t *testing.T, query string, vars map[string]any) map[string]any {
	t.Helper()
	a := m.ask(t, m.viewer(), query, vars)
	if len(a.Errors) > 0 {
		t.Fatalf("got errors %+v", a.Errors)
	}
	return a.Data
}

// dig walks an answer: keys of objects, positions in lists.
func dig(v any, steps ...any) any {
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func readQuery(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mustSchema(t *testing.T) *ast.Schema {
	t.Helper()
	schema, err := githubSchema()
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestEveryResolverIsAFieldOfTheSchema(t *testing.T) {
	schema := mustSchema(t)
	for _, table := range []map[string]map[string]resolver{resolvers, timelineTypes} {
		for typeName, fields := range table {
			def := schema.Types[typeName]
			if def == nil || def.Kind != ast.Object {
				t.Errorf("%s is not an object type of the schema", typeName)
				continue
			}
			for name, r := range fields {
				if r == nil {
					t.Errorf("%s.%s has no resolver", typeName, name)
				}
				// Accounts share one table; not all of its fields are in every type.
				if def.Fields.ForName(name) == nil && !cmp.Equal(typeName, "Mannequin") && !cmp.Equal(typeName, "Bot") {
					t.Errorf("%s has no field %s", typeName, name)
				}
			}
		}
	}
	for place := range fieldPermission {
		typeName, field, _ := strings.Cut(place, ".")
		if schema.Types[typeName] == nil || schema.Types[typeName].Fields.ForName(field) == nil {
			t.Errorf("the permission table names %s, which is not in the schema", place)
		}
	}
}

func TestCostOfTheQueries(t *testing.T) {
	for _, c := range []struct {
		file                    string
		nodes, requests, points int
	}{
		{"facts.graphql", 1421, 102, 1},
		{"group.graphql", 102, 3, 1},
	} {
		doc, errs := checkQuery(mustSchema(t), readQuery(t, c.file))
		if errs != nil {
			t.Fatal(errs[0])
		}
		got, tooMuch := costOf(doc, doc.Operations[0], nil)
		if tooMuch != nil {
			t.Fatal(tooMuch)
		}
		if got.Nodes != c.nodes || got.Requests != c.requests || got.Points() != c.points {
			t.Errorf("%s: got %d nodes, %d requests, %d points, want %d, %d, %d", c.file, got.Nodes, got.Requests, got.Points(), c.nodes, c.requests, c.points)
		}
	}
}

func TestPoints(t *testing.T) {
	for requests, want := range map[int]int{0: 1, 1: 1, 149: 1, 150: 2, 249: 2, 413: 4} {
		if got := (queryCost{Requests: requests}).Points(); got != want {
			t.Errorf("%d requests: got %d points, want %d", requests, got, want)
		}
	}
}

// neverThere are types that the simulated world has no object of.
var neverThere = map[string]bool{
	"EnterpriseUserAccount": true, "Blob": true, "Tag": true,
	"SmimeSignature": true, "SshSignature": true, "UnknownSignature": true,
}

// TestEverySelectedFieldIsSimulated walks the queries through every type that may stand
// at each place, whether or not the small world has one there.
func TestEverySelectedFieldIsSimulated(t *testing.T) {
	schema := mustSchema(t)
	for _, file := range []string{"facts.graphql", "group.graphql"} {
		doc, errs := checkQuery(schema, readQuery(t, file))
		if errs != nil {
			t.Fatal(errs[0])
		}
		q := &gqlQuery{schema: schema, doc: doc}
		var walk func(def *ast.Definition, set ast.SelectionSet)
		walk = func(def *ast.Definition, set ast.SelectionSet) {
			for _, possible := range schema.GetPossibleTypes(def) {
				for _, g := range q.collect(possible.Name, set, nil) {
					f := g.fields[0]
					if f.Name == "__typename" || neverThere[possible.Name] {
						continue
					}
					if resolverOf(possible.Name, f.Name) == nil {
						t.Errorf("%s: %s.%s is not simulated", file, possible.Name, f.Name)
					}
					if sub := schema.Types[f.Definition.Type.Name()]; len(g.selections()) > 0 {
						walk(sub, g.selections())
					}
				}
			}
		}
		walk(schema.Query, doc.Operations[0].SelectionSet)
	}
}

var factsVars = map[string]any{"owner": "acme", "name": "shop", "number": 7, "base": "refs/heads/main"}

func TestFactsQuery(t *testing.T) {
	m := newSmall(t)
	data := m.whole(t, readQuery(t, "facts.graphql"), factsVars)
	pr := func(steps ...any) any { return dig(data, append([]any{"repository", "pullRequest"}, steps...)...) }
	rollup := func(steps ...any) any {
		return pr(append([]any{"headCommit", "nodes", 0, "commit", "statusCheckRollup"}, steps...)...)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"cost", dig(data, "rateLimit", "cost"), 1.0},
		{"nodes", dig(data, "rateLimit", "nodeCount"), 1421.0},
		{"remaining", dig(data, "rateLimit", "remaining"), 4999.0},
		{"base", dig(data, "repository", "base", "name"), "main"},
		{"tip", dig(data, "repository", "base", "target", "oid"), m.baseSHA},
		{"pinned check", dig(data, "repository", "base", "branchProtectionRule", "requiredStatusChecks", 0, "app", "slug"), "github-actions"},
		{"check from any source", dig(data, "repository", "base", "branchProtectionRule", "requiredStatusChecks", 1, "app"), nil},
		{"bypass by a user", dig(data, "repository", "base", "branchProtectionRule", "bypassPullRequestAllowances", "nodes", 0, "actor", "login"), "alice"},
		{"bypass by a team", dig(data, "repository", "base", "branchProtectionRule", "bypassPullRequestAllowances", "nodes", 1, "actor", "combinedSlug"), "acme/reviewers"},
		{"bypass by an App", dig(data, "repository", "base", "branchProtectionRule", "bypassPullRequestAllowances", "nodes", 2, "actor", "__typename"), "App"},
		{"big numbers are texts", pr("fullDatabaseId"), "20"},
		{"logins of bots have no suffix", pr("author", "login"), "coder"},
		{"type of a bot", pr("author", "__typename"), "Bot"},
		{"head", pr("headRefOid"), m.head},
		{"state", pr("state"), "OPEN"},
		{"never merged", pr("mergedAt"), nil},
		{"review decision", pr("reviewDecision"), "APPROVED"},
		{"mergeable", pr("mergeable"), "MERGEABLE"},
		{"additions", pr("additions"), 1.0},
		{"bots are not among the assignees", pr("assignees", "totalCount"), 1.0},
		{"assigned bot", pr("timelineItems", "nodes", 0, "assignee", "__typename"), "Bot"},
		{"force push", pr("timelineItems", "nodes", 1, "beforeCommit", "oid"), m.baseSHA},
		{"a bot cannot be an enqueuer", pr("timelineItems", "nodes", 2, "enqueuer"), nil},
		{"linked issue", pr("closingIssuesReferences", "nodes", 0, "number"), 1.0},
		{"requested team", pr("reviewRequests", "nodes", 0, "requestedReviewer", "combinedSlug"), "acme/reviewers"},
		{"commits", pr("commits", "totalCount"), 1.0},
		{"a bot has no user as a commit's author", pr("commits", "nodes", 0, "commit", "author", "user"), nil},
		{"co-author", pr("commits", "nodes", 0, "commit", "authors", "nodes", 1, "user", "login"), "alice"},
		{"signature", pr("commits", "nodes", 0, "commit", "signature", "state"), "VALID"},
		{"review", pr("reviews", "nodes", 0, "commit", "oid"), m.head},
		{"on behalf of", pr("reviews", "nodes", 0, "onBehalfOf", "nodes", 0, "combinedSlug"), "acme/reviewers"},
		{"rollup", rollup("state"), "SUCCESS"},
		{"contexts", rollup("contexts", "totalCount"), 2.0},
		{"check runs", rollup("contexts", "checkRunCount"), 1.0},
		{"check run", rollup("contexts", "nodes", 0, "conclusion"), "SUCCESS"},
		{"required", rollup("contexts", "nodes", 0, "isRequired"), true},
		{"a bot cannot be a suite's creator", rollup("contexts", "nodes", 0, "checkSuite", "creator"), nil},
		{"pusher", rollup("contexts", "nodes", 0, "checkSuite", "push", "pusher", "login"), "coder"},
		{"workflow file", rollup("contexts", "nodes", 0, "checkSuite", "workflowRun", "file", "path"), ".github/workflows/ci.yml"},
		{"newest status of the context", rollup("contexts", "nodes", 1, "state"), "SUCCESS"},
	} {
		if !cmp.Equal(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestGroupQuery(t *testing.T) {
	m := newSmall(t)
	e := &queueEntry{pull: m.pull, enqueuer: m.alice, enqueuedAt: m.pull.createdAt, state: "AWAITING_CHECKS", baseSHA: m.baseSHA, headSHA: m.head}
	m.repo.queues["main"] = &mergeQueue{branch: "main", method: "SQUASH", entries: []*queueEntry{e}}
	m.pull.queued = e
	data := m.whole(t, readQuery(t, "group.graphql"), map[string]any{"owner": "acme", "name": "shop", "branch": "main", "groupSha": m.head})
	if got := dig(data, "repository", "mergeQueue", "entries", "nodes", 0, "pullRequest", "number"); got != 7.0 {
		t.Errorf("got queued pull request %v, want 7", got)
	}
	if got := dig(data, "repository", "group", "statusCheckRollup", "contexts", "totalCount"); got != 2.0 {
		t.Errorf("got %v contexts on the group, want 2", got)
	}
	if got := dig(m.whole(t, readQuery(t, "facts.graphql"), factsVars), "repository", "pullRequest", "mergeQueueEntry", "state"); got != "AWAITING_CHECKS" {
		t.Errorf("got queue entry %v", got)
	}
}

// TestPermissions takes one permission away at a time and looks at what GitHub then
// hides: null, and an error that says where.
func TestPermissions(t *testing.T) {
	for _, c := range []struct{ permission, path string }{
		{"administration", "repository.base.branchProtectionRule"},
		{"checks", "repository.pullRequest.headCommit.nodes.0.commit.statusCheckRollup"},
		{"actions", "repository.pullRequest.headCommit.nodes.0.commit.statusCheckRollup.contexts.nodes.0.checkSuite.workflowRun"},
		{"issues", "repository.pullRequest.closingIssuesReferences"},
		{"statuses", "repository.pullRequest.headCommit.nodes.0.commit.statusCheckRollup.contexts.nodes.1"},
		{"contents", "repository.base"},
		{"pull_requests", "repository.pullRequest"},
	} {
		t.Run(c.permission, func(t *testing.T) {
			m := newSmall(t)
			a := m.ask(t, m.viewer(c.permission), readQuery(t, "facts.graphql"), factsVars)
			if len(a.Errors) == 0 {
				t.Fatal("got no errors")
			}
			e := a.Errors[0]
			if e.Type != "FORBIDDEN" || e.Message != "Resource not accessible by integration" || len(e.Locations) != 1 {
				t.Errorf("got error %+v", e)
			}
			if got := pathText(e.Path); got != c.path {
				t.Errorf("got path %s, want %s", got, c.path)
			}
			if got := dig(a.Data, steps(e.Path)...); got != nil {
				t.Errorf("the field that may not be read has the value %v", got)
			}
		})
	}
}

// TestNullTravelsUp: a review's teams may not be null in the schema, so without the
// permission the whole review is.
func TestNullTravelsUp(t *testing.T) {
	m := newSmall(t)
	a := m.ask(t, m.viewer("members"), readQuery(t, "facts.graphql"), factsVars)
	reviews := dig(a.Data, "repository", "pullRequest", "reviews").(map[string]any)
	if got := dig(reviews, "nodes", 0); got != nil {
		t.Errorf("got review %v, want null", got)
	}
	if got := reviews["totalCount"]; got != 1.0 {
		t.Errorf("got %v reviews, want 1 beside the null", got)
	}
	var paths []string
	for _, e := range a.Errors {
		paths = append(paths, pathText(e.Path))
	}
	want := []string{"repository.pullRequest.commits.nodes.0.commit.onBehalfOf", "repository.pullRequest.reviews.nodes.0.onBehalfOf"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	m := newSmall(t)
	hidden := &viewer{user: &account{id: 99, login: "mallory", kind: "User"}}
	for name, c := range map[string]struct {
		v                    *viewer
		query, kind, message string
	}{
		"syntax":           {nil, `{ repository( }`, "", "Expected Name"},
		"unknown field":    {nil, `{ repository(owner:"acme",name:"shop") { colour } }`, "", "Cannot query field"},
		"unknown argument": {nil, `{ repository(owner:"acme",name:"shop",title:"x") { name } }`, "", "title"},
		"not simulated":    {nil, `{ repository(owner:"acme",name:"shop") { forkCount } }`, "NOT_SIMULATED", "Repository.forkCount"},
		"unknown timeline": {nil, `{ repository(owner:"acme",name:"shop") { pullRequest(number:7) { timelineItems(first:1,itemTypes:[LOCKED_EVENT]) { totalCount } } } }`, "NOT_SIMULATED", "LOCKED_EVENT"},
		"no repository":    {nil, `{ repository(owner:"acme",name:"gone") { name } }`, "NOT_FOUND", "Could not resolve to a Repository with the name 'acme/gone'."},
		"hidden":           {hidden, `{ repository(owner:"acme",name:"shop") { name } }`, "NOT_FOUND", "Could not resolve to a Repository"},
		"no pull request":  {nil, `{ repository(owner:"acme",name:"shop") { pullRequest(number:8) { title } } }`, "NOT_FOUND", "number of 8"},
		"no page size":     {nil, `{ repository(owner:"acme",name:"shop") { pullRequest(number:7) { reviews { totalCount } } } }`, "MISSING_PAGINATION_BOUNDARIES", "`first` or `last`"},
		"large page":       {nil, `{ repository(owner:"acme",name:"shop") { pullRequest(number:7) { reviews(first:101) { totalCount } } } }`, "EXCESSIVE_PAGINATION", "101 records"},
		"bad cursor":       {nil, `{ repository(owner:"acme",name:"shop") { pullRequest(number:7) { reviews(first:1,after:"x") { totalCount } } } }`, "INVALID_CURSOR_ARGUMENTS", "valid cursor"},
		"mutation":         {nil, `mutation { addStar(input:{starrableId:"x"}) { clientMutationId } }`, "NOT_SIMULATED", "mutation"},
		"no variable":      {nil, `query($n:Int!) { repository(owner:"acme",name:"shop") { pullRequest(number:$n) { title } } }`, "", "must be defined"},
	} {
		t.Run(name, func(t *testing.T) {
			v := c.v
			if v == nil {
				v = m.viewer()
			}
			a := m.ask(t, v, c.query, nil)
			if len(a.Errors) != 1 || a.Errors[0].Type != c.kind || !strings.Contains(a.Errors[0].Message, c.message) {
				t.Errorf("got %+v, want one error of type %q with %q", a.Errors, c.kind, c.message)
			}
		})
	}
}

func TestPaging(t *testing.T) {
	m := newSmall(t)
	names := func(args string) (list []any, info map[string]any) {
		data := m.whole(t, `{ repository(owner:"acme",name:"shop") { pullRequest(number:7) { labels(`+args+`) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } nodes { name } } } } }`, nil)
		labels := dig(data, "repository", "pullRequest", "labels").(map[string]any)
		if labels["totalCount"] != 3.0 {
			t.Errorf("got totalCount %v, want 3 on every page", labels["totalCount"])
		}
		for _, n := range labels["nodes"].([]any) {
			list = append(list, dig(n, "name"))
		}
		return list, labels["pageInfo"].(map[string]any)
	}
	first, info := names("first:2")
	if !cmp.Equal(first, []any{"one", "two"}) || info["hasNextPage"] != true || info["hasPreviousPage"] != false {
		t.Errorf("first page: got %v, %v", first, info)
	}
	second, info := names(`first:2,after:"` + info["endCursor"].(string) + `"`)
	if !cmp.Equal(second, []any{"three"}) || info["hasNextPage"] != false || info["hasPreviousPage"] != true {
		t.Errorf("second page: got %v, %v", second, info)
	}
	before, _ := names(`last:1,before:"` + info["startCursor"].(string) + `"`)
	if !cmp.Equal(before, []any{"two"}) {
		t.Errorf("last one before the second page: got %v", before)
	}
	last, _ := names("last:2")
	if !cmp.Equal(last, []any{"two", "three"}) {
		t.Errorf("last page: got %v", last)
	}
	if none, info := names("first:0"); len(none) != 0 || info["endCursor"] != nil {
		t.Errorf("empty page: got %v, %v", none, info)
	}
}

func TestSelections(t *testing.T) {
	m := newSmall(t)
	data := m.whole(t, `
		query($yes:Boolean!, $no:Boolean = false) {
			z: repository(owner:"ACME", name:"Shop") { ...R name }
			a: repository(owner:"acme", name:"shop") { id: databaseId @skip(if:$yes) name @include(if:$no) ... @include(if:$yes) { isPrivate } owner { __typename ... on User { login } ... on RepositoryOwner { handle: login } } }
		}
		fragment R on Repository { owner { ... on Organization { databaseId } } owner { login } }`, map[string]any{"yes": true})
	want := map[string]any{
		"z": map[string]any{"owner": map[string]any{"databaseId": 1.0, "login": "acme"}, "name": "shop"},
		"a": map[string]any{"isPrivate": true, "owner": map[string]any{"__typename": "Organization", "handle": "acme"}},
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnswerKeepsTheOrderOfTheQuery(t *testing.T) {
	o := gqlObject{{"b", 1}, {"a", gqlObject{{"d", nil}, {"c", "x\"y"}}}}
	got, err := gqlAnswer{ran: true, data: o}.encode()
	if err != nil || string(got) != `{"data":{"b":1,"a":{"d":null,"c":"x\"y"}}}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestFaultPaths(t *testing.T) {
	path := &gqlPath{above: &gqlPath{above: &gqlPath{key: "a"}, index: 3}, key: "b"}
	for text, want := range map[string]bool{"a.b": true, "b": false, "a": false, "x.a.b": false, "aa.b": false, "a.bb": false, "": false} {
		if got := (&GraphQLFault{Path: text}).hits(path); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	if !(&GraphQLFault{Path: "a"}).hits(&gqlPath{key: "a"}) {
		t.Error("a field at the top is not found")
	}
}

func TestFaultBesideData(t *testing.T) {
	m := newSmall(t)
	repair := m.sim.FailGraphQL(GraphQLFault{Path: "repository.pullRequest.headCommit.nodes.commit.statusCheckRollup", Type: "SERVICE_UNAVAILABLE", Message: "try again"})
	a := m.ask(t, m.viewer(), readQuery(t, "facts.graphql"), factsVars)
	if len(a.Errors) != 1 || a.Errors[0].Type != "SERVICE_UNAVAILABLE" || pathText(a.Errors[0].Path) != "repository.pullRequest.headCommit.nodes.0.commit.statusCheckRollup" {
		t.Errorf("got %+v", a.Errors)
	}
	if dig(a.Data, "repository", "pullRequest", "reviews", "totalCount") != 1.0 {
		t.Error("the data beside the error is gone")
	}
	repair()
	m.whole(t, readQuery(t, "facts.graphql"), factsVars)

	m.sim.FailGraphQL(GraphQLFault{Path: "repository.pullRequest.reviews", Silent: true, Queries: 1})
	a = m.ask(t, m.viewer(), readQuery(t, "facts.graphql"), factsVars)
	if len(a.Errors) != 0 || dig(a.Data, "repository", "pullRequest", "reviews") != nil {
		t.Errorf("silent fault: got %+v", a)
	}
	if dig(m.whole(t, readQuery(t, "facts.graphql"), factsVars), "repository", "pullRequest", "reviews") == nil {
		t.Error("the fault was for one query only")
	}
}

func TestRollup(t *testing.T) {
	m := newSmall(t)
	const query = `{ repository(owner:"acme",name:"shop") { object(oid:"%") { ... on Commit { statusCheckRollup { state contexts(first:10) { totalCount nodes { ... on CheckRun { databaseId } } } } } } } }`
	ask := func(steps ...any) any {
		data := m.whole(t, strings.Replace(query, "%", m.head, 1), nil)
		return dig(data, append([]any{"repository", "object", "statusCheckRollup"}, steps...)...)
	}
	again := m.addRun("test", "failure")
	if got := ask("contexts", "nodes", 0, "databaseId"); got != float64(again.id) || ask("contexts", "totalCount") != 2.0 {
		t.Errorf("got run %v, want only the newest of a name in a suite: %d", got, again.id)
	}
	if got := ask("state"); got != "FAILURE" {
		t.Errorf("got state %v, want FAILURE", got)
	}
	again.status, again.conclusion = "in_progress", ""
	if got := ask("state"); got != "PENDING" {
		t.Errorf("got state %v, want PENDING", got)
	}
	m.suite.run.event = "workflow_dispatch"
	if got := ask("contexts", "totalCount"); got != 1.0 {
		t.Errorf("got %v contexts, want the status alone: runs that were started by hand are left out", got)
	}
	delete(m.repo.statuses, m.head)
	if got := ask(); got != nil {
		t.Errorf("got %v, want null when there is nothing", got)
	}
}

func TestStaleHead(t *testing.T) {
	m := newSmall(t)
	v := m.viewer()
	v.stale = 1
	a := m.ask(t, v, readQuery(t, "facts.graphql"), factsVars)
	if got := dig(a.Data, "repository", "pullRequest", "headRefOid"); got != m.baseSHA {
		t.Errorf("got head %v, want the one before: %s", got, m.baseSHA)
	}
}

func TestPendingReviewsAreHidden(t *testing.T) {
	m := newSmall(t)
	m.pull.reviews = append(m.pull.reviews, &review{id: 31, author: m.alice, state: "PENDING", createdAt: m.pull.createdAt})
	data := m.whole(t, readQuery(t, "facts.graphql"), factsVars)
	if got := dig(data, "repository", "pullRequest", "reviews", "totalCount"); got != 1.0 {
		t.Errorf("got %v reviews, want 1: a review that was not submitted is its author's alone", got)
	}
}

func TestBudget(t *testing.T) {
	m := newSmall(t)
	m.sim.options.RateLimit = 2
	const query = `{ rateLimit { remaining resetAt } }`
	m.whole(t, query, nil)
	if got := dig(m.whole(t, query, nil), "rateLimit", "remaining"); got != 0.0 {
		t.Errorf("got %v remaining, want 0", got)
	}
	a := m.ask(t, m.viewer(), query, nil)
	if len(a.Errors) != 1 || a.Errors[0].Type != "RATE_LIMIT" || a.Errors[0].Message != "API rate limit already exceeded for installation ID 90." || a.Data != nil {
		t.Errorf("got %+v, want RATE_LIMIT without data", a)
	}
	later := m.sim.options.Clock().Add(time.Hour + time.Minute)
	m.sim.options.Clock = func() time.Time { return later }
	m.whole(t, query, nil)
}

func TestUnauthenticated(t *testing.T) {
	m := newSmall(t)
	w := httptest.NewRecorder()
	m.sim.serveGraphQL(w, httptest.NewRequest(http.MethodPost, "/api/graphql", strings.NewReader(`{"query":"{ rateLimit { cost } }"}`)), &viewer{})
	if w.Code != http.StatusUnauthorized {
		t.Errorf("got status %d, want 401", w.Code)
	}
}

// TestResolversAreHeldToTheSchema: a resolver that answers what the schema does not
// allow is an error, not an answer that GitHub could never give.
func TestResolversAreHeldToTheSchema(t *testing.T) {
	schema := mustSchema(t)
	for name, c := range map[string]struct {
		typeName string
		value    any
		ok       bool
	}{
		"number as text":   {"Int", "7", false},
		"text as number":   {"String", 7, false},
		"number":           {"Int", int64(7), true},
		"big number":       {"BigInt", int64(1) << 60, true},
		"big number, text": {"BigInt", "7", false},
		"time":             {"DateTime", time.Unix(0, 0), true},
		"time as text":     {"DateTime", "yesterday", false},
		"bool as number":   {"Boolean", 1, false},
	} {
		if _, err := scalar(c.typeName, c.value); (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	state := schema.Types["PullRequestState"]
	if got, err := enum(state, "open"); err != nil || got != "OPEN" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := enum(state, "ajar"); err == nil {
		t.Error("a value that the enum does not have was accepted")
	}
}

func TestSchemaWithRepeatedFields(t *testing.T) {
	if _, err := parseSchema("type Query { a: Int a: Int }"); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := parseSchema("type Query { a: Gone }"); err == nil {
		t.Error("a schema with an unknown type was accepted")
	}
}

func BenchmarkFactsQuery(b *testing.B) {
	m := newSmall(&testing.T{})
	text, err := os.ReadFile("testdata/facts.graphql")
	if err != nil {
		b.Fatal(err)
	}
	schema, err := githubSchema()
	if err != nil {
		b.Fatal(err)
	}
	doc, _ := checkQuery(schema, string(text))
	vars, _ := validator.VariableValues(schema, doc.Operations[0], factsVars)
	for b.Loop() {
		m.sim.budgets = map[string]*budget{}
		answer := m.sim.executeGraphQL(&gqlQuery{sim: m.sim, viewer: m.viewer(), schema: schema, doc: doc, op: doc.Operations[0], vars: vars})
		if body, err := answer.encode(); err != nil || len(answer.errors) > 0 {
			b.Fatalf("%s, %v", body, err)
		}
	}
}

func pathText(path []any) string {
	var parts []string
	for _, p := range path {
		switch p := p.(type) {
		case string:
			parts = append(parts, p)
		case float64:
			parts = append(parts, strconv.Itoa(int(p)))
		}
	}
	return strings.Join(parts, ".")
}

// steps turns a path of an answer into steps for dig.
func steps(path []any) []any {
	out := make([]any, len(path))
	for i, p := range path {
		out[i] = p
		if n, is := p.(float64); is {
			out[i] = int(n)
		}
	}
	return out
}
