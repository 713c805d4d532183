package ghsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ear listens to webhooks.
type ear struct {
	mu     sync.Mutex
	status int
	heard  []heard
}

type heard struct {
	event, action, guid string
	signed              bool
	payload             map[string]any
}

const secret = "it is a secret"

// listen subscribes our App to everything and returns what hears it.
func (w *world) listen() *ear {
	e := &ear{status: 202}
	server := httptest.NewServer(e)
	w.t.Cleanup(server.Close)
	w.us.Hook(server.URL, secret, "pull_request", "pull_request_review", "check_run", "check_suite", "status", "workflow_run", "push", "create",
		"delete", "merge_group", "issue_comment", "issues", "branch_protection_rule", "repository_ruleset", "repository")
	return e
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	h := heard{event: r.Header.Get("X-GitHub-Event"), guid: r.Header.Get("X-GitHub-Delivery"),
		signed: r.Header.Get("X-Hub-Signature-256") == "sha256="+hex.EncodeToString(m.Sum(nil))}
	if err := json.Unmarshal(body, &h.payload); err == nil {
		h.action, _ = h.payload["action"].(string)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, h)
	w.WriteHeader(e.status)
}

// said lists "event.action" of everything heard since the last call.
func (e *ear) said() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []string{}
	for _, h := range e.heard {
		out = append(out, strings.TrimSuffix(h.event+"."+h.action, "."))
	}
	e.heard = nil
	return out
}

func TestWhatIsTold(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	var pr *PullRequest
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"open", func() { pr = w.change("feature") }, "push create check_suite.requested pull_request.opened"},
		{"push", func() { pr.Push(w.devin, Commit{Message: "x", Files: map[string]string{"x": "1"}}) }, "push check_suite.requested pull_request.synchronize"},
		{"review", func() { pr.Approve(w.alice) }, "pull_request_review.submitted"},
		{"label", func() { pr.Label(w.alice, "bug") }, "pull_request.labeled"},
		{"assign", func() { pr.Assign(w.alice, w.devin) }, "pull_request.assigned"},
		{"draft", func() { pr.Draft(w.alice); pr.Ready(w.alice) }, "pull_request.converted_to_draft pull_request.ready_for_review"},
		{"comment", func() { pr.Comment(w.alice, "hello").Edit(w.bob, "bye") }, "issue_comment.created issue_comment.edited"},
		{"issue", func() {
			i := w.repo.OpenIssue(w.alice, "Please", "")
			i.Assign(w.alice, w.devin)
			i.Close(w.alice)
		}, "issues.opened issues.assigned issues.closed"},
		{"title", func() { pr.Edit(w.alice, "Better", "") }, "pull_request.edited"},
		{"other App's check", func() { w.repo.PostCheckRun(w.devin, pr.HeadSHA(), "scan", "success") }, "check_run.created check_run.completed check_suite.completed"},
		{"its rerun is not ours", func() { w.repo.CheckRun(w.devin, pr.HeadSHA(), "scan").Rerequest(w.alice) }, ""},
		{"our rerun", func() {
			c := w.repo.PostCheckRun(w.us, pr.HeadSHA(), "gate", "")
			c.Rerequest(w.alice)
			c.Press(w.alice, "again")
		}, "check_run.created check_run.rerequested check_run.requested_action"},
		{"status", func() { w.repo.PostStatus(w.alice, pr.HeadSHA(), "ci", "success") }, "status"},
		{"workflow", func() {
			w.repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", "pull_request", Job{Name: "test", Conclusion: "success"})
		},
			"workflow_run.requested workflow_run.in_progress check_run.created check_run.completed check_suite.completed workflow_run.completed"},
		{"protection", func() { w.repo.Protect("main", w.bob, Protection{}) }, "branch_protection_rule.created"},
		{"ruleset", func() { w.repo.Ruleset(w.bob, RulesetSpec{Name: "x"}).Enforce(w.bob, "disabled") }, "repository_ruleset.created repository_ruleset.edited"},
		{"merge", func() { must("", pr.Merge(w.bob, "merge")) }, "pull_request.closed push check_suite.requested"},
	} {
		c.do()
		w.drain()
		if got := strings.Join(e.said(), " "); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestPayloads(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	pr := w.change("feature")
	before := pr.HeadSHA()
	after := pr.Push(w.alice, Commit{Message: "x", Files: map[string]string{"x": "1"}})
	w.drain()
	last := e.heard[len(e.heard)-1]
	if !last.signed || last.guid == "" {
		t.Errorf("signed %v, guid %q", last.signed, last.guid)
	}
	at := func(path string) any {
		var v any = last.payload
		for key := range strings.SplitSeq(path, ".") {
			v = v.(map[string]any)[key]
		}
		return v
	}
	for path, want := range map[string]any{"before": before, "after": after, "pull_request.head.sha": after, "sender.login": "alice", "pull_request.user.type": "Bot",
		"repository.full_name": "acme/shop", "organization.login": "acme", "installation.id": float64(w.us.Install(w.org).ID())} {
		if got := at(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	pr.Review(ReviewSpec{By: w.alice, State: "APPROVED", CommitID: before})
	w.drain()
	last = e.heard[len(e.heard)-1]
	if at("review.state") != "approved" || at("review.commit_id") != before {
		t.Errorf("got %v on %v, want the commit that was sent", at("review.state"), at("review.commit_id"))
	}
}

func TestRedelivery(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	e.status = 500
	pr := w.change("feature")
	w.drain()
	e.said()
	app := w.sign(w.us, time.Now().Add(5*time.Minute))
	var list []struct {
		ID         int64
		GUID       string
		Event      string
		StatusCode int `json:"status_code"`
		Redelivery bool
	}
	w.do("GET", "/app/hook/deliveries?status=failure", app, nil).into(t, &list)
	if len(list) != 4 || list[0].Event != "pull_request" || list[0].StatusCode != 500 {
		t.Fatalf("got %+v", list)
	}
	e.status = 202
	if r := w.do("POST", fmt.Sprintf("/app/hook/deliveries/%d/attempts", list[0].ID), app, nil); r.status != 202 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	w.drain()
	first := list[0].GUID
	w.do("GET", "/app/hook/deliveries?per_page=1", app, nil).into(t, &list)
	if list[0].GUID != first || !list[0].Redelivery || list[0].StatusCode != 202 || e.heard[0].guid != first {
		t.Errorf("got %+v, heard %s", list[0], e.heard[0].guid)
	}
	var detail struct {
		Request struct {
			Payload map[string]any
		}
	}
	w.do("GET", fmt.Sprintf("/app/hook/deliveries/%d", list[0].ID), app, nil).into(t, &detail)
	if detail.Request.Payload["number"] != float64(pr.Number()) {
		t.Errorf("got %v", detail.Request.Payload["number"])
	}
}

func TestDeliveriesGoWrong(t *testing.T) {
	w := newWorld(t)
	e := w.listen()
	pr := w.change("feature")
	w.drain()
	e.said()
	h := w.us.Hooks()
	label := func(names ...string) {
		for _, n := range names {
			pr.Label(w.alice, n)
		}
	}
	labels := func() []string {
		w.drain()
		e.mu.Lock()
		defer e.mu.Unlock()
		var out []string
		for _, x := range e.heard {
			out = append(out, x.payload["label"].(map[string]any)["name"].(string))
		}
		e.heard = nil
		return out
	}
	check := func(name string, want ...string) {
		t.Helper()
		if got := labels(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	h.DropNext(1)
	label("a", "b")
	check("drop", "b")
	h.DuplicateNext(1)
	label("c", "d")
	check("duplicate", "c", "c", "d")
	h.Hold()
	label("e", "f")
	check("hold")
	h.ReleaseReversed()
	check("reorder", "f", "e")
	h.Drop(func(event, action string) bool { return action == "labeled" })
	label("g")
	h.Drop(nil)
	label("h")
	check("drop by kind", "h")
	d := w.us.Deliveries()
	if lost := d[len(d)-2]; lost.StatusCode != 0 || lost.Status != "failed to connect" || !lost.Done {
		t.Errorf("got %+v", lost)
	}
}
