package ghsim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// keeper is an App that may write issues.
func (w *world) keeper() (app *App, token string) {
	app = w.App(AppSpec{Slug: "keeper", Permissions: map[string]string{"metadata": "read", "issues": "write"}})
	return app, app.Install(w.org).Token()
}

func TestAnAppKeepsAnIssue(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	keeper, token := w.keeper()
	var opened struct {
		Number int
		User   struct{ ID int64 }
		Via    struct{ ID int64 } `json:"performed_via_github_app"`
	}
	w.do("POST", "/repos/acme/shop/issues", token, obj{"title": "Merged without review", "body": "Who?", "labels": []string{"exception", "high"}}).into(t, &opened)
	if opened.User.ID != keeper.BotID() || opened.Via.ID != keeper.ID() {
		t.Errorf("got %+v, want the bot and its App", opened)
	}
	i := w.repo.Issue(opened.Number)
	if i.Title() != "Merged without review" || i.Body() != "Who?" || !slices.Equal(i.Labels(), []string{"exception", "high"}) || i.State() != "open" {
		t.Errorf("got %q %q %v %s", i.Title(), i.Body(), i.Labels(), i.State())
	}
	path := "/repos/acme/shop/issues/" + decimal(opened.Number)
	w.do("POST", path+"/comments", token, obj{"body": "Still open."})
	w.do("POST", path+"/labels", token, obj{"labels": []string{"HIGH", "late"}})
	w.do("POST", path+"/assignees", token, obj{"assignees": []string{"alice", "stranger", "gate[bot]"}})
	if c := i.Comments(); len(c) != 1 || c[0].By() != "keeper[bot]" || c[0].Body() != "Still open." {
		t.Errorf("comments: got %v", c)
	}
	if !slices.Equal(i.Labels(), []string{"exception", "high", "late"}) || !slices.Equal(i.Assignees(), []string{"alice"}) {
		t.Errorf("got labels %v, assignees %v", i.Labels(), i.Assignees())
	}
	i.CloseAs(w.alice, "not_planned")
	var closed struct {
		State    string
		Reason   string                 `json:"state_reason"`
		ClosedBy struct{ Login string } `json:"closed_by"`
		ClosedAt *time.Time             `json:"closed_at"`
	}
	w.read(path, &closed)
	if closed.State != "closed" || closed.Reason != "not_planned" || closed.ClosedBy.Login != "alice" || closed.ClosedAt == nil {
		t.Errorf("got %+v", closed)
	}
	w.do("PATCH", path, token, obj{"state": "open"})
	w.do("PATCH", path, token, obj{"state": "closed"})
	w.read(path, &closed)
	if closed.Reason != "completed" || closed.ClosedBy.Login != "keeper[bot]" {
		t.Errorf("closed by the App: got %+v", closed)
	}
	w.drain()
	want := "issues.opened issues.labeled issues.labeled issue_comment.created issues.labeled issues.assigned issues.closed issues.reopened issues.closed"
	if got := strings.Join(e.said(), " "); got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
}

func TestACommentOfAnAppSaysSo(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	keeper, token := w.keeper()
	issue := w.repo.OpenIssue(w.alice, "Please", "")
	w.do("POST", "/repos/acme/shop/issues/"+decimal(issue.Number())+"/comments", token, obj{"body": "Why?"})
	w.drain()
	told := e.heard[len(e.heard)-1]
	comment := told.payload["comment"].(obj)
	via, _ := comment["performed_via_github_app"].(obj)
	sender := told.payload["sender"].(obj)
	if via["id"] != float64(keeper.ID()) || sender["login"] != "keeper[bot]" || sender["type"] != "Bot" {
		t.Errorf("got sender %v, via %v", sender["login"], via["id"])
	}
	if html := comment["html_url"].(string); !strings.Contains(html, "/issues/"+decimal(issue.Number())+"#issuecomment-") {
		t.Errorf("the comment is at %s", html)
	}
	w.change("feature").Comment(w.alice, "Nice.")
	w.drain()
	told = e.heard[len(e.heard)-1]
	if html := told.payload["comment"].(obj)["html_url"].(string); !strings.Contains(html, "/pull/2#issuecomment-") {
		t.Errorf("the comment on the pull request is at %s", html)
	}
}

func TestWhoMayTalk(t *testing.T) {
	w := newWorld(t)
	issue, pr := w.repo.OpenIssue(w.alice, "Please", ""), w.change("feature")
	with := func(slug, permission, level string) string {
		app := w.App(AppSpec{Slug: slug, Permissions: map[string]string{"metadata": "read", permission: level}})
		return app.Install(w.org).Token()
	}
	issues, pulls, reader := with("issues", "issues", "write"), with("pulls", "pull_requests", "write"), with("reader", "issues", "read")
	onIssue, onPull := "/repos/acme/shop/issues/"+decimal(issue.Number()), "/repos/acme/shop/issues/"+decimal(pr.Number())
	for _, c := range []struct {
		method, path, token string
		body                any
		want                int
	}{
		{"POST", "/repos/acme/shop/issues", issues, obj{"title": "x"}, 201},
		{"POST", "/repos/acme/shop/issues", pulls, obj{"title": "x"}, 403},
		{"POST", "/repos/acme/shop/issues", reader, obj{"title": "x"}, 403},
		{"GET", "/repos/acme/shop/issues", reader, nil, 200},
		{"GET", "/repos/acme/shop/issues", pulls, nil, 403},
		{"GET", onIssue, reader, nil, 200},
		{"GET", onPull, pulls, nil, 403},
		{"GET", onIssue + "/comments", reader, nil, 200},
		{"PATCH", onIssue, issues, obj{"state": "closed"}, 200},
		{"PATCH", onIssue, reader, obj{"state": "open"}, 403},
		{"PATCH", onPull, pulls, obj{"state": "closed"}, 403},
		{"POST", onIssue + "/comments", issues, obj{"body": "x"}, 201},
		{"POST", onIssue + "/comments", pulls, obj{"body": "x"}, 403},
		{"POST", onIssue + "/comments", reader, obj{"body": "x"}, 403},
		{"POST", onPull + "/comments", issues, obj{"body": "x"}, 201},
		{"POST", onPull + "/comments", pulls, obj{"body": "x"}, 201},
		{"POST", onPull + "/comments", reader, obj{"body": "x"}, 403},
		{"POST", onPull + "/labels", pulls, obj{"labels": []string{"x"}}, 200},
		{"POST", onPull + "/labels", reader, obj{"labels": []string{"x"}}, 403},
		{"POST", onIssue + "/labels", pulls, obj{"labels": []string{"x"}}, 403},
		{"POST", onPull + "/assignees", pulls, obj{"assignees": []string{"bob"}}, 201},
		{"POST", onIssue + "/assignees", pulls, obj{"assignees": []string{"bob"}}, 403},
	} {
		got := w.do(c.method, c.path, c.token, c.body)
		if got.status != c.want {
			t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, got.status, got.body, c.want)
		}
		if c.want == 403 && !strings.Contains(string(got.body), "Resource not accessible by integration") {
			t.Errorf("%s %s: refused with %s", c.method, c.path, got.body)
		}
	}
	if got := len(pr.Comments()); got != 2 || !slices.Equal(pr.Labels(), []string{"x"}) || !slices.Equal(pr.Assignees(), []string{"bob"}) {
		t.Errorf("the pull request has %d comments, labels %v, assignees %v", got, pr.Labels(), pr.Assignees())
	}
}

func TestIssuesThatCannotBeTalkedOn(t *testing.T) {
	w := newWorld(t)
	_, token := w.keeper()
	locked, deleted, pr := w.repo.OpenIssue(w.alice, "Locked", ""), w.repo.OpenIssue(w.alice, "Deleted", ""), w.change("feature")
	locked.Lock(w.bob)
	deleted.Delete(w.bob)
	const path = "/repos/acme/shop/issues"
	say := obj{"body": "x"}
	ask := func(method, path string, body any, want int) {
		t.Helper()
		if got := w.do(method, path, token, body); got.status != want {
			t.Errorf("%s %s: got %d %s, want %d", method, path, got.status, got.body, want)
		}
	}
	ask("POST", path+"/1/comments", say, 403)
	ask("POST", path+"/1/labels", obj{"labels": []string{"late"}}, 200)
	if got := w.do("POST", path+"/1/comments", w.bob.Token(), say).status; got != 201 {
		t.Errorf("who may write, on a locked issue: got %d, want 201", got)
	}
	ask("GET", path+"/2", nil, 410)
	ask("POST", path+"/2/comments", say, 410)
	ask("GET", path+"/99", nil, 404)
	ask("POST", path, obj{"title": ""}, 422)
	ask("POST", path, obj{"title": strings.Repeat("é", 257)}, 422)
	ask("POST", path, obj{"title": "x", "body": strings.Repeat("é", 65_537)}, 422)
	ask("POST", path, obj{"title": strings.Repeat("é", 256), "body": strings.Repeat("é", 65_536)}, 201)
	ask("POST", path, obj{"title": "x", "labels": []string{strings.Repeat("l", 51)}}, 422)
	ask("POST", path+"/1/labels", obj{"labels": []string{" "}}, 422)

	full := w.repo.OpenIssue(w.alice, "Full", "")
	for range maxComments {
		full.Comment(w.bob, "x")
	}
	ask("POST", path+"/"+decimal(full.Number())+"/comments", say, 403)

	w.repo.DisableIssues()
	ask("GET", path, nil, 410)
	ask("GET", path+"/1", nil, 410)
	ask("POST", path, obj{"title": "x"}, 410)
	ask("POST", path+"/"+decimal(pr.Number())+"/comments", say, 201)
	pr.Lock(w.bob)
	ask("POST", path+"/"+decimal(pr.Number())+"/comments", say, 403)
}

func TestListOfIssues(t *testing.T) {
	w := newWorld(t)
	w.repo.OpenIssue(w.alice, "one", "", "exception")
	two := w.repo.OpenIssue(w.alice, "two", "", "exception", "high")
	w.change("feature").Label(w.alice, "Exception")
	w.repo.OpenIssue(w.alice, "four", "")
	w.repo.OpenIssue(w.alice, "five", "", "exception").Delete(w.bob)
	two.Close(w.bob)
	type listed struct {
		Number      int
		PullRequest *struct{} `json:"pull_request"`
		ClosedBy    *struct{} `json:"closed_by"`
	}
	for query, want := range map[string][]int{
		"":                             {4, 3, 1},
		"state=closed":                 {2},
		"state=all":                    {4, 3, 2, 1},
		"state=all&labels=exception":   {3, 2, 1},
		"labels=high,exception":        {},
		"state=all&labels=HIGH":        {2},
		"state=all&direction=asc":      {1, 2, 3, 4},
		"state=all&sort=updated":       {2, 4, 3, 1},
		"state=all&per_page=3&page=2":  {1},
		"since=2000-01-01T00:00:00Z":   {4, 3, 1},
		"since=2999-01-01T00:00:00Z":   {},
		"sort=created&labels=whatever": {},
	} {
		var list []listed
		w.read("/repos/acme/shop/issues?"+query, &list)
		got := []int{}
		for _, i := range list {
			got = append(got, i.Number)
			if isPull := i.PullRequest != nil; isPull != (i.Number == 3) || i.ClosedBy != nil {
				t.Errorf("%s: issue %d is a pull request: %v, closed by %v", query, i.Number, isPull, i.ClosedBy)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	if got := w.get("/repos/acme/shop/issues?since=yesterday").status; got != 422 {
		t.Errorf("since yesterday: got %d, want 422", got)
	}
	if got := w.repo.Issues(); len(got) != 3 || got[1].Number() != 2 || w.repo.Issue(3) != nil {
		t.Errorf("got %d issues", len(got))
	}
}

func TestCommentsSince(t *testing.T) {
	w := newWorld(t)
	issue := w.repo.OpenIssue(w.alice, "Please", "")
	issue.Comment(w.alice, "early")
	path := "/repos/acme/shop/issues/1/comments"
	for since, want := range map[string]int{"": 1, "?since=2000-01-01T00:00:00Z": 1, "?since=2999-01-01T00:00:00Z": 0} {
		var list []struct{ Body string }
		if w.read(path+since, &list); len(list) != want {
			t.Errorf("%s: got %v, want %d", since, list, want)
		}
	}
}

func TestALostAnswerToAnIssue(t *testing.T) {
	w := newWorld(t)
	_, token := w.keeper()
	w.Faults.Add(Fault{Route: "POST /repos/{owner}/{repo}/issues", AfterDoing: true, Drop: true, Times: 1})
	if got := w.do("POST", "/repos/acme/shop/issues", token, obj{"title": "x"}); got.status == http.StatusCreated {
		t.Errorf("got %d, want no answer", got.status)
	}
	if got := len(w.repo.Issues()); got != 1 {
		t.Errorf("got %d issues, want the one whose answer was lost", got)
	}
}
