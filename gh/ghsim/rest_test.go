package ghsim

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// sign makes an App's JWT.
func (w *world) sign(a *App, expires time.Time) string {
	w.t.Helper()
	pem, err := a.PrivateKey()
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	if err != nil {
		w.t.Fatal(err)
	}
	claims := jwt.MapClaims{"iss": decimal(a.ID()), "iat": time.Now().Add(-time.Minute).Unix(), "exp": expires.Unix()}
	raw, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

func TestAnAppAuthenticates(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().Add(5 * time.Minute)
	good := w.sign(w.us, soon)
	head, rest, _ := strings.Cut(good, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"signed":            {good, 200},
		"expired":           {w.sign(w.us, time.Now().Add(-time.Minute)), 401},
		"too long":          {w.sign(w.us, time.Now().Add(time.Hour)), 401},
		"another signature": {head + "." + claims + "." + base64.RawURLEncoding.EncodeToString([]byte(signature)), 401},
		"unsigned":          {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + claims + ".", 401},
		"no token":          {"", 401},
		"installation":      {w.token, 401},
		"made up":           {"ghs_madeup", 401},
	} {
		if got := w.do("GET", "/app", c.token, nil).status; got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestInstallationTokens(t *testing.T) {
	w := newWorld(t)
	app := w.sign(w.us, time.Now().Add(5*time.Minute))
	var list []struct{ ID int64 }
	w.do("GET", "/app/installations", app, nil).into(t, &list)
	ask := func(body any) response {
		return w.do("POST", fmt.Sprintf("/app/installations/%d/access_tokens", list[0].ID), app, body)
	}
	var full, narrow struct {
		Token     string
		ExpiresAt time.Time `json:"expires_at"`
	}
	if r := ask(nil); r.status != 201 {
		t.Fatalf("got %d %s", r.status, r.body)
	} else {
		r.into(t, &full)
	}
	if until := time.Until(full.ExpiresAt); until < 50*time.Minute || until > time.Hour {
		t.Errorf("the token lives for %s", until)
	}
	ask(map[string]any{"permissions": map[string]string{"metadata": "read"}}).into(t, &narrow)
	if got := w.do("GET", "/repos/acme/shop/pulls", full.Token, nil).status; got != 200 {
		t.Errorf("full token: got %d", got)
	}
	if got := w.do("GET", "/repos/acme/shop/pulls", narrow.Token, nil).status; got != 403 {
		t.Errorf("narrowed token: got %d, want 403", got)
	}
	if got := ask(map[string]any{"permissions": map[string]string{"administration": "write"}}).status; got != 422 {
		t.Errorf("widened token: got %d, want 422", got)
	}
	var one struct {
		Token        string
		Repositories []struct{ ID int64 }
	}
	w.us.Install(w.org).Grant("issues", "write")
	open := w.org.Repo("open", RepoSpec{Public: true})
	secret := w.org.Repo("secret", RepoSpec{})
	ask(map[string]any{"repository_ids": []int64{secret.ID()}, "permissions": map[string]string{"contents": "read", "metadata": "read", "issues": "write"}}).into(t, &one)
	if len(one.Repositories) != 1 || one.Repositories[0].ID != secret.ID() {
		t.Errorf("the token says that it is good for %v", one.Repositories)
	}
	for path, want := range map[string]int{
		"/repos/acme/secret": 200, "/repos/acme/secret/pulls": 403, "/repos/acme/shop": 404, "/repos/acme/open": 200,
	} {
		if got := w.do("GET", path, one.Token, nil).status; got != want {
			t.Errorf("%s with a token of one repository: got %d, want %d", path, got, want)
		}
	}
	issue := map[string]any{"title": "Hello"}
	for name, want := range map[string]int{"secret": 201, "open": 403, "shop": 404} {
		if got := w.do("POST", "/repos/acme/"+name+"/issues", one.Token, issue).status; got != want {
			t.Errorf("an issue in %s with a token of one repository: got %d, want %d", name, got, want)
		}
	}
	var installed struct {
		Total int `json:"total_count"`
	}
	if w.do("GET", "/installation/repositories", one.Token, nil).into(t, &installed); installed.Total != 1 {
		t.Errorf("%d repositories are listed with a token of one", installed.Total)
	}
	if got := ask(map[string]any{"repository_ids": []int64{secret.ID(), open.ID() + 1000}}).status; got != 422 {
		t.Errorf("a token of a repository that is not there: got %d, want 422", got)
	}
	for _, s := range w.us.Install(w.org).Tokens() {
		if slices.Equal(s.Repositories, []int64{secret.ID()}) && !maps.Equal(s.Used, map[string]string{"metadata": "read", "issues": "write"}) {
			t.Errorf("what was needed of the token of one repository: %v", s.Used)
		}
	}
	w.us.Install(w.org).Suspend()
	if got := w.do("GET", "/repos/acme/shop", full.Token, nil).status; got != 403 {
		t.Errorf("suspended: got %d, want 403", got)
	}
}

func TestPermissionsAndVisibility(t *testing.T) {
	w := newWorld(t)
	other := w.Org("other").Repo("secret", RepoSpec{})
	pr := w.change("feature")
	sha := pr.HeadSHA()
	reader := w.App(AppSpec{Slug: "reader", Permissions: map[string]string{"metadata": "read"}})
	poor := reader.Install(w.org).Token()
	stranger := w.User("stranger").Token()
	run := map[string]any{"name": "x", "head_sha": sha}
	for _, c := range []struct {
		method, path, token string
		body                any
		want                int
	}{
		{"GET", "/repos/" + other.FullName(), w.token, nil, 404},
		{"GET", "/repos/acme/shop", stranger, nil, 404},
		{"GET", "/repos/acme/shop", "", nil, 404},
		{"GET", "/repos/acme/shop", poor, nil, 200},
		{"GET", "/repos/acme/shop/pulls/1", poor, nil, 403},
		{"GET", "/repos/acme/shop/commits/" + sha + "/check-runs", poor, nil, 403},
		{"GET", "/repos/acme/shop/branches/main/protection", poor, nil, 403},
		{"GET", "/repos/acme/shop/rules/branches/main", poor, nil, 200},
		{"POST", "/repos/acme/shop/check-runs", poor, run, 403},
		{"POST", "/repos/acme/shop/check-runs", w.bob.Token(), run, 403},
		{"POST", "/repos/acme/shop/check-runs", w.token, run, 201},
		{"GET", "/orgs/acme/installations", w.token, nil, 200},
		{"GET", "/orgs/acme/installations", poor, nil, 403},
		{"GET", "/orgs/acme/rulesets", w.token, nil, 403},
		{"GET", "/repos/acme/shop/nothing", w.token, nil, 404},
		{"PUT", "/repos/acme/shop/pulls/1/merge", w.token, nil, 403},
	} {
		if got := w.do(c.method, c.path, c.token, c.body); got.status != c.want {
			t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, got.status, got.body, c.want)
		}
	}
}

func TestConditionalRequestsAreFree(t *testing.T) {
	w := newWorld(t)
	pr := w.change("feature")
	path := "/repos/acme/shop/pulls/" + decimal(pr.Number())
	first := w.get(path)
	tag, before := first.header.Get("ETag"), first.header.Get("X-RateLimit-Remaining")
	if tag == "" || first.header.Get("Vary") == "" || first.header.Get("Cache-Control") == "" || first.header.Get("X-GitHub-Request-Id") == "" {
		t.Fatalf("headers are missing: %v", first.header)
	}
	second := w.do("GET", path, w.token, nil, "If-None-Match", tag)
	if second.status != 304 || len(second.body) != 0 || second.header.Get("X-RateLimit-Remaining") != before {
		t.Errorf("got %d, %d bytes, remaining %s after %s", second.status, len(second.body), second.header.Get("X-RateLimit-Remaining"), before)
	}
	pr.Label(w.alice, "bug")
	if third := w.do("GET", path, w.token, nil, "If-None-Match", tag); third.status != 200 || third.header.Get("ETag") == tag {
		t.Errorf("after a change: got %d", third.status)
	}
	counts := w.RequestCounts()["GET /repos/{owner}/{repo}/pulls/{number}"]
	if counts != (Counter{Requests: 3, Billable: 2, NotModified: 1}) {
		t.Errorf("got %+v", counts)
	}
}

func TestPagination(t *testing.T) {
	w := newWorld(t)
	pr := w.change("feature")
	for i := range 7 {
		w.repo.PostCheckRun(w.us, pr.HeadSHA(), fmt.Sprintf("run %d", i), "success")
	}
	seen := map[string]bool{}
	next := "/repos/acme/shop/commits/" + pr.HeadSHA() + "/check-runs?filter=all&per_page=3"
	pages := 0
	for next != "" {
		r := w.get(next)
		var body struct {
			TotalCount int                     `json:"total_count"`
			Runs       []struct{ Name string } `json:"check_runs"`
		}
		r.into(t, &body)
		if body.TotalCount != 7 {
			t.Errorf("got total %d", body.TotalCount)
		}
		for _, run := range body.Runs {
			seen[run.Name] = true
		}
		pages++
		next = ""
		for link := range strings.SplitSeq(r.header.Get("Link"), ",") {
			if strings.Contains(link, `rel="next"`) {
				next = strings.Trim(strings.TrimSpace(strings.Split(link, ";")[0]), "<>")
			}
		}
	}
	if len(seen) != 7 || pages != 3 {
		t.Errorf("got %d runs on %d pages", len(seen), pages)
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t)
	w.options.RateLimit = 3
	token := w.App(AppSpec{Slug: "busy"}).Token(w.org)
	for range 3 {
		if got := w.do("GET", "/repos/acme/shop", token, nil).status; got != 200 {
			t.Fatalf("got %d", got)
		}
	}
	r := w.do("GET", "/repos/acme/shop", token, nil)
	if r.status != 403 || r.header.Get("X-RateLimit-Remaining") != "0" || r.header.Get("X-RateLimit-Reset") == "" || !strings.Contains(string(r.body), "API rate limit exceeded") {
		t.Errorf("got %d %s %v", r.status, r.body, r.header)
	}
	if got := w.get("/repos/acme/shop").status; got != 200 {
		t.Errorf("another installation pays for it: %d", got)
	}
}

func TestWritesInAMinute(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	w.options.Clock, w.options.WritesPerMinute = func() time.Time { return now }, 3
	sha := w.change("feature").HeadSHA()
	post := func() response {
		return w.do("POST", "/repos/acme/shop/check-runs", w.token, map[string]any{"name": "ours", "head_sha": sha})
	}
	for range 3 {
		if got := post().status; got != 201 {
			t.Fatalf("got %d", got)
		}
		now = now.Add(20 * time.Second)
	}
	now = now.Add(-time.Second)
	if r := post(); r.status != 403 || r.header.Get("Retry-After") != "60" || !strings.Contains(string(r.body), "secondary rate limit") {
		t.Errorf("got %d %s %v", r.status, r.body, r.header)
	}
	if got := w.get("/repos/acme/shop"); got.status != 200 || got.header.Get("Date") != now.UTC().Format(http.TimeFormat) {
		t.Errorf("what reads pays for it, or it has another date than %s: %d %s", now, got.status, got.header.Get("Date"))
	}
	now = now.Add(2 * time.Second)
	if got := post().status; got != 201 {
		t.Errorf("when the first is a minute old: %d", got)
	}
}

func TestCheckRunsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	sha := w.change("feature").HeadSHA()
	post := func(body map[string]any) response {
		return w.do("POST", "/repos/acme/shop/check-runs", w.token, body)
	}
	var run struct {
		ID         int64
		Status     string
		Conclusion *string
		Output     struct{ Text string }
	}
	r := post(map[string]any{"name": "gate", "head_sha": sha, "status": "in_progress", "output": map[string]string{"title": "t", "summary": "s", "text": strings.Repeat("x", 70000)}})
	r.into(t, &run)
	if r.status != 201 || run.Status != "in_progress" || run.Conclusion != nil || len(run.Output.Text) != maxOutput {
		t.Fatalf("got %d %s, text of %d bytes", r.status, run.Status, len(run.Output.Text))
	}
	patch := func(token string, body map[string]any) response {
		return w.do("PATCH", "/repos/acme/shop/check-runs/"+decimal(run.ID), token, body)
	}
	patch(w.token, map[string]any{"conclusion": "failure"}).into(t, &run)
	if run.Status != "completed" || *run.Conclusion != "failure" {
		t.Fatalf("got %s %v", run.Status, run.Conclusion)
	}
	r = patch(w.token, map[string]any{"status": "in_progress"})
	r.into(t, &run)
	if r.status != 200 || run.Status != "completed" || *run.Conclusion != "failure" {
		t.Errorf("a completed run reopened: %d %s %v", r.status, run.Status, run.Conclusion)
	}
	if got := patch(w.devin.Token(w.org), map[string]any{"conclusion": "success"}).status; got != 403 {
		t.Errorf("another App changed the run: %d", got)
	}
	for name, body := range map[string]map[string]any{
		"no head":           {"name": "gate"},
		"unknown head":      {"name": "gate", "head_sha": strings.Repeat("0", 40)},
		"bad conclusion":    {"name": "gate", "head_sha": sha, "conclusion": "great"},
		"no conclusion":     {"name": "gate", "head_sha": sha, "status": "completed"},
		"large summary":     {"name": "gate", "head_sha": sha, "output": map[string]string{"title": "t", "summary": strings.Repeat("x", 65536)}},
		"long label":        {"name": "gate", "head_sha": sha, "actions": []map[string]string{{"label": strings.Repeat("x", 21), "description": "d", "identifier": "i"}}},
		"too many actions":  {"name": "gate", "head_sha": sha, "actions": make([]map[string]string, 4)},
		"output, no title":  {"name": "gate", "head_sha": sha, "output": map[string]string{"summary": "s"}},
		"status of nothing": {"name": "gate", "head_sha": sha, "status": "asleep"},
	} {
		if got := post(body).status; got != 422 {
			t.Errorf("%s: got %d, want 422", name, got)
		}
	}
}

func TestLatestIsPerSuite(t *testing.T) {
	w := newWorld(t)
	sha := w.change("feature").HeadSHA()
	w.repo.PostCheckRun(w.us, sha, "gate", "failure")
	w.repo.PostCheckRun(w.us, sha, "gate", "success")
	ci := w.repo.RunWorkflow(sha, ".github/workflows/ci.yml", "pull_request", Job{Name: "test", Conclusion: "failure"})
	w.repo.RunWorkflow(sha, ".github/workflows/other.yml", "push", Job{Name: "test", Conclusion: "success"})
	ci.Rerun(w.alice, Job{Name: "test", Conclusion: "success"})
	for query, want := range map[string]int{"": 3, "?filter=all": 5, "?check_name=gate": 1, "?filter=all&check_name=test": 3, "?filter=all&app_id=15368": 3} {
		var body struct {
			TotalCount int `json:"total_count"`
		}
		w.read("/repos/acme/shop/commits/"+sha+"/check-runs"+query, &body)
		if body.TotalCount != want {
			t.Errorf("%q: got %d, want %d", query, body.TotalCount, want)
		}
	}
	for query, want := range map[string]int{"": 1, "?filter=all": 2} {
		var body struct {
			Jobs []struct {
				Attempt int `json:"run_attempt"`
			}
		}
		w.read("/repos/acme/shop/actions/runs/"+decimal(ci.ID())+"/jobs"+query, &body)
		if len(body.Jobs) != want || body.Jobs[len(body.Jobs)-1].Attempt != 2 {
			t.Errorf("%q: got %+v", query, body.Jobs)
		}
	}
}

func TestFilesCommitsAndContents(t *testing.T) {
	w := newWorld(t)
	w.repo.Push("main", w.bob, Commit{Message: "more", Files: map[string]string{"docs/guide.md": "one\ntwo\nthree\nfour\n", "logo.png": "\x00\x01", "gone.txt": "bye\n"}})
	pr := w.repo.OpenPullRequest(PullSpec{Title: "move", Head: "move", Author: w.devin, Commits: []Commit{
		{Message: "move\n\nCo-authored-by: Alice <" + w.alice.a.noreply() + ">", Rename: map[string]string{"docs/guide.md": "docs/manual.md"}, Delete: []string{"gone.txt"},
			Files: map[string]string{"docs/manual.md": "one\ntwo\nthree\nfive\n", "logo.png": "\x00\x02"}},
		{Message: "by nobody", Files: map[string]string{"new.go": "package main\n"}, AuthorName: "Nobody", AuthorEmail: "nobody@example.org"}}})
	var files []struct {
		Filename, Status string
		Previous         string `json:"previous_filename"`
		Patch            *string
	}
	w.read(fmt.Sprintf("/repos/acme/shop/pulls/%d/files", pr.Number()), &files)
	got := ""
	for _, f := range files {
		got += fmt.Sprintf("%s %s<%s %v;", f.Status, f.Filename, f.Previous, f.Patch != nil)
	}
	if want := "renamed docs/manual.md<docs/guide.md true;removed gone.txt< true;modified logo.png< false;added new.go< true;"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if want := "@@ -1,4 +1,4 @@\n one\n two\n three\n-four\n+five"; *files[0].Patch != want {
		t.Errorf("got patch %q", *files[0].Patch)
	}
	var commits []struct {
		Author *struct {
			ID   int64
			Type string
		}
	}
	w.read(fmt.Sprintf("/repos/acme/shop/pulls/%d/commits", pr.Number()), &commits)
	if len(commits) != 2 || commits[0].Author.ID != 158243242 || commits[0].Author.Type != "Bot" || commits[1].Author != nil {
		t.Errorf("got %+v", commits)
	}
	var content struct{ Type, Content, SHA string }
	w.read("/repos/acme/shop/contents/docs/guide.md?ref=main", &content)
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(content.Content, "\n", ""))
	if err != nil || string(text) != "one\ntwo\nthree\nfour\n" || content.SHA != object("blob", text) {
		t.Errorf("got %q %v", text, err)
	}
	var dir []struct{ Type, Name string }
	w.read("/repos/acme/shop/contents/docs", &dir)
	if len(dir) != 1 || dir[0].Name != "guide.md" {
		t.Errorf("got %+v", dir)
	}
	if got := w.get("/repos/acme/shop/contents/no/such").status; got != 404 {
		t.Errorf("got %d, want 404", got)
	}
	var compare struct {
		Status string
		Ahead  int `json:"ahead_by"`
		Files  []any
	}
	w.read("/repos/acme/shop/compare/main..."+pr.HeadSHA(), &compare)
	if compare.Status != "ahead" || compare.Ahead != 2 || len(compare.Files) != 4 {
		t.Errorf("got %+v", compare)
	}
}

func TestRenamesRedirect(t *testing.T) {
	w := newWorld(t)
	w.repo.Rename("store", w.bob)
	r := w.get("/repos/acme/shop/pulls?state=all")
	if r.status != http.StatusMovedPermanently {
		t.Fatalf("got %d", r.status)
	}
	to := r.header.Get("Location")
	if got := w.get(to); got.status != 200 || !strings.Contains(to, "/repositories/"+decimal(w.repo.ID())+"/pulls?state=all") {
		t.Errorf("%s: got %d", to, got.status)
	}
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	carol := w.User("carol")
	w.org.Team("platform", carol)
	w.repo.TeamRole(w.org.Team("platform"), "maintain")
	for login, want := range map[string]string{"alice": "write", "bob": "admin", "carol": "maintain"} {
		var p struct {
			Permission string
			RoleName   string `json:"role_name"`
		}
		w.read("/repos/acme/shop/collaborators/"+login+"/permission", &p)
		if p.RoleName != want || (want == "maintain" && p.Permission != "write") {
			t.Errorf("%s: got %+v", login, p)
		}
	}
	var members []struct{ Login string }
	w.read("/orgs/acme/teams/platform/members", &members)
	if len(members) != 1 || members[0].Login != "carol" {
		t.Errorf("got %+v", members)
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	pr := w.change("feature")
	path := "/repos/acme/shop/pulls/" + decimal(pr.Number())
	route := "GET /repos/{owner}/{repo}/pulls/{number}"

	t.Run("status, counted", func(t *testing.T) {
		w.Faults.Add(Fault{Route: route, Status: 502, Skip: 1, Times: 2})
		var got []int
		for range 4 {
			got = append(got, w.get(path).status)
		}
		if fmt.Sprint(got) != "[200 502 502 200]" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("limits", func(t *testing.T) {
		w.Faults.Add(Fault{Route: "GET *", Secondary: true, RetryAfter: time.Minute, Times: 1})
		if r := w.get(path); r.status != 403 || r.header.Get("Retry-After") != "60" || !strings.Contains(string(r.body), "#about-secondary-rate-limits") {
			t.Errorf("secondary: got %d %v %s", r.status, r.header, r.body)
		}
		w.Faults.Add(Fault{RateLimited: true, Times: 1})
		if r := w.get(path); r.status != 403 || r.header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("primary: got %d %v", r.status, r.header)
		}
	})
	t.Run("broken answers", func(t *testing.T) {
		w.Faults.Add(Fault{Drop: true, Times: 1})
		if r := w.get(path); r.status != 0 || r.body != nil {
			t.Errorf("drop: got %d", r.status)
		}
		w.Faults.Add(Fault{CutBody: true, Times: 1})
		if r := w.get(path); r.status != 0 || len(r.body) == 0 {
			t.Errorf("cut: got %d and %d bytes", r.status, len(r.body))
		}
		w.Faults.Add(Fault{Malformed: true, Times: 1})
		if r := w.get(path); r.status != 200 || r.body[0] != '<' {
			t.Errorf("malformed: got %d %.20s", r.status, r.body)
		}
	})
	t.Run("done and reported lost", func(t *testing.T) {
		w.Faults.Add(Fault{Route: "POST *check-runs", Status: 502, AfterDoing: true, Times: 1})
		r := w.do("POST", "/repos/acme/shop/check-runs", w.token, map[string]any{"name": "gate", "head_sha": pr.HeadSHA()})
		if r.status != 502 || w.repo.CheckRun(w.us, pr.HeadSHA(), "gate") == nil {
			t.Errorf("got %d, run %v", r.status, w.repo.CheckRun(w.us, pr.HeadSHA(), "gate"))
		}
	})
	t.Run("latency", func(t *testing.T) {
		w.Faults.SetLatency(30 * time.Millisecond)
		start := time.Now()
		w.get(path)
		if d := time.Since(start); d < 30*time.Millisecond {
			t.Errorf("took %s", d)
		}
		w.Faults.Clear()
	})
	t.Run("behind the webhooks", func(t *testing.T) {
		before := pr.HeadSHA()
		after := pr.Push(w.devin, Commit{Message: "more", Files: map[string]string{"more.go": "package main\n"}})
		repair := w.Faults.Add(Fault{Route: route, StaleHeads: 1})
		var p struct{ Head struct{ SHA string } }
		w.read(path, &p)
		if p.Head.SHA != before {
			t.Errorf("stale: got %s, want %s", p.Head.SHA, before)
		}
		repair()
		w.read(path, &p)
		if p.Head.SHA != after {
			t.Errorf("repaired: got %s, want %s", p.Head.SHA, after)
		}
	})
}

func TestCustomRolesAndInstallationChanges(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	w.org.CustomRole("reviewer", "write")
	w.repo.Collaborator(w.User("dora"), "reviewer")
	var p struct {
		Permission string
		RoleName   string `json:"role_name"`
	}
	w.read("/repos/acme/shop/collaborators/dora/permission", &p)
	if p.Permission != "write" || p.RoleName != "reviewer" {
		t.Errorf("got %+v", p)
	}
	i := w.us.Install(w.org)
	i.RemoveRepositories(w.repo)
	if got := w.get("/repos/acme/shop").status; got != 404 {
		t.Errorf("not selected any more: got %d", got)
	}
	i.AddRepositories(w.repo)
	if got := w.get("/repos/acme/shop").status; got != 200 {
		t.Errorf("selected again: got %d", got)
	}
	i.Remove()
	if got := w.get("/repos/acme/shop").status; got != 401 {
		t.Errorf("uninstalled: got %d", got)
	}
	w.drain()
	if got := strings.Join(e.said(), " "); got != "installation_repositories.removed installation_repositories.added installation.deleted" {
		t.Errorf("told %s", got)
	}
}
