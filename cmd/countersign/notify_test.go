package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/notify"
	"github.com/countersign/countersign/store"
)

// listener is a receiver of notices that refuses the first of them.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	refuse int
	bodies []string
	heads  []http.Header
}

func listen(t *testing.T, refuse int) *listener {
	t.Helper()
	l := &listener{refuse: refuse}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.refuse != 0 {
			l.refuse--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		l.bodies, l.heads = append(l.bodies, string(body)), append(l.heads, r.Header)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.bodies...)
}

const noticeSecret = "a secret of the receiver"

// tellAcme has the server tell acme's exceptions to the receivers; more is what else the settings
// say of that.
func (w *acme) tellAcme(t *testing.T, slack, hook *listener, more string) {
	t.Helper()
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		mustDo(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
		return path
	}
	w.file = write("settings.yml", fmt.Sprintf("notifications:\n- {organisation: Acme, slack_webhook_url_file: %q, webhook_url_file: %q, webhook_secret_file: %q%s}\n",
		write("slack", slack.URL), write("hook", hook.URL), write("secret", noticeSecret), more))
	w.restart(t)
}

// An emergency is told when it releases something and once more when its review is overdue, each
// way once, although one receiver is down at first.
func TestExceptionsAreTold(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	slack, hook := listen(t, 0), listen(t, 2)
	w.tellAcme(t, slack, hook, "")
	erin := w.onCall(t)
	repo := w.emergencyRepo("told")
	pr := w.davesPull(repo, code)
	w.test(pr, "success")
	pr.Comment(erin, "/countersign emergency "+pr.HeadSHA()[:8]+" INC-7 <!channel> the shop & more is down")
	w.skipUntil(t, func() bool { return len(hook.got()) == 1 })
	w.later(25 * time.Hour)
	w.skipUntil(t, func() bool { return len(hook.got()) == 2 && len(slack.got()) == 2 })
	w.mustSettle(t)

	e := w.emergencies(t, repo)[0]
	if e.Step != "told" || e.ToldSlack != "overdue" || e.ToldWebhook != "overdue" {
		t.Errorf("exception: %+v", e)
	}
	for i, event := range []string{"opened", "overdue"} {
		body, head := hook.got()[i], hook.heads[i]
		var n notify.Notice
		mustDo(t, json.Unmarshal([]byte(body), &n))
		if head.Get(notify.HeaderSignature) != notify.Sign([]byte(noticeSecret), []byte(body)) || n.ID != e.ID+"/"+event || n.Event != "exception."+event ||
			n.URL != fmt.Sprintf("%s/acme/told/pull/%d", w.sim.URL(), pr.Number()) {
			t.Errorf("webhook: %+v", n)
		}
		var told store.Exception
		mustDo(t, json.Unmarshal(n.Exception, &told))
		if told.ID != e.ID || told.Kind != "emergency" {
			t.Errorf("webhook: %+v", told)
		}
		if text := slack.got()[i]; strings.Contains(text, "<!channel") || !strings.Contains(text, "emergency") {
			t.Errorf("slack: %s", text)
		}
	}
	if got := w.stepsOf(t, e.ID); got != "opened told told overdue told told" {
		t.Errorf("steps: %s", got)
	}
}

// A receiver that takes nothing stops neither the other one nor the clock, and that it was given
// up is on record.
func TestAReceiverThatIsGone(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	slack, hook := listen(t, 0), listen(t, -1)
	w.tellAcme(t, slack, hook, ", slack: {opened: [medium]}")
	repo := w.timelyRepo("gone")
	w.copilotPullIn(repo, "gone")
	w.mustSettle(t)
	w.later(4 * time.Hour)
	w.skipUntil(t, func() bool { return len(w.late(t, repo)) == 1 && w.late(t, repo)[0].ToldWebhook == "opened" })
	if e := w.late(t, repo)[0]; e.Step != "not-told" || e.ToldSlack != "opened" {
		t.Errorf("exception: %+v", e)
	}
	w.later(4 * time.Hour)
	w.skipUntil(t, func() bool { return !w.late(t, repo)[0].OverdueAt.IsZero() })
	if len(slack.got()) == 0 {
		t.Error("slack was told of nothing")
	}
}

// What is not bad does not interrupt anybody in Slack before it is overdue; a program hears of it at
// once. What nobody wants to hear is told nowhere, and its clock runs.
func TestQuietUnlessItIsBad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings, hook, steps string
		slack                 int
	}{
		"by default": {"", "exception.opened exception.overdue", "opened told overdue told told", 1},
		"chosen":     {", slack: {overdue: [high]}, webhook: {opened: []}", "exception.overdue", "opened overdue told", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startAcme(t, fast)
			slack, hook := listen(t, 0), listen(t, 0)
			w.tellAcme(t, slack, hook, c.settings)
			repo := w.timelyRepo("quiet")
			w.copilotPullIn(repo, "quiet")
			w.mustSettle(t)
			w.later(4 * time.Hour)
			w.skipUntil(t, func() bool { return len(w.late(t, repo)) == 1 })
			w.mustSettle(t)
			if got := slack.got(); len(got) != 0 {
				t.Errorf("slack was told of what is of medium severity: %s", got)
			}
			w.later(24 * time.Hour)
			w.skipUntil(t, func() bool { return w.late(t, repo)[0].ToldWebhook == notify.Overdue })
			w.mustSettle(t)
			var events []string
			for _, body := range hook.got() {
				var n notify.Notice
				mustDo(t, json.Unmarshal([]byte(body), &n))
				events = append(events, n.Event)
			}
			if said := slack.got(); strings.Join(events, " ") != c.hook || len(said) != c.slack || c.slack == 1 && !strings.Contains(said[0], "is overdue") {
				t.Errorf("slack was told %s, the webhook %s", said, events)
			}
			if got := w.stepsOf(t, w.late(t, repo)[0].ID); got != c.steps {
				t.Errorf("steps: %s, want %s", got, c.steps)
			}
		})
	}
}

// stepsOf are the steps that an exception took.
func (w *acme) stepsOf(t *testing.T, id string) string {
	t.Helper()
	steps, err := w.server.store.Tenant(w.org.ID()).ExceptionSteps(t.Context(), id)
	mustDo(t, err)
	var names []string
	for _, s := range steps {
		names = append(names, s.Step)
	}
	return strings.Join(names, " ")
}

// An admin sends a test from the page, and whoever runs the server from the command line: it arrives
// each way, and what does not is said without the address.
func TestNotificationsAreTested(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	slack, hook := listen(t, 0), listen(t, 1)
	w.tellAcme(t, slack, hook, ", slack: {opened: [], overdue: [high, low]}")
	const button = "/orgs/acme/admin/notifications/test"
	member, _ := w.signIn(t, w.alice)
	if status, page := member.post(button, nil); status != http.StatusNotFound || len(slack.got()) != 0 {
		t.Errorf("a member sent a test: %d: %s", status, page)
	}
	admin, _ := w.signIn(t, w.carol)
	admin.wantPage("/orgs/acme/admin", http.StatusOK, []string{"Signed webhook", "<td>nothing</td><td>severity high, low</td>", "Send a test", `<th scope="row">scope</th><td>acme</td>`}, slack.URL, noticeSecret)
	if status, page := admin.from("cross-site", button); status != http.StatusForbidden || len(slack.got()) != 0 {
		t.Errorf("the form of another site sent a test: %d: %s", status, page)
	}
	status, page := admin.post(button, nil)
	for _, says := range []string{`Slack</th><td><b class="good">yes</b></td><td>It answered 200 OK.`, `Signed webhook</th><td><b class="bad">no</b></td><td>It answered 503 Service Unavailable. Something there is broken`} {
		if status != http.StatusOK || !strings.Contains(page, says) {
			t.Errorf("got %d, want 200 and %q: %s", status, says, page)
		}
	}
	if said := slack.got(); len(said) != 1 || !strings.Contains(said[0], "*This is a test* Acme\nNothing happened. carol had") && !strings.Contains(said[0], "*This is a test* acme") {
		t.Errorf("slack: %s", said)
	}

	settings, err := w.settings()
	mustDo(t, err)
	var out, problems bytes.Buffer
	test := func(args ...string) error {
		out.Reset()
		return run(t.Context(), append([]string{"notify", "test", "--config", w.file}, args...), func(name string) string { return settings[name] }, strings.NewReader(""), &out, &problems)
	}
	if err := test("--org", "ACME"); err != nil || out.String() != "Slack: arrived. It answered 200 OK.\nSigned webhook: arrived. It answered 200 OK.\n" {
		t.Errorf("got %v: %s", err, out.String())
	}
	var n notify.Notice
	mustDo(t, json.Unmarshal([]byte(hook.got()[0]), &n))
	if hook.heads[0].Get(notify.HeaderSignature) != notify.Sign([]byte(noticeSecret), []byte(hook.got()[0])) || n.Event != "test" || string(n.Exception) != "null" {
		t.Errorf("webhook: %+v", n)
	}
	slack.Close()
	if err := test("--org", "acme"); err == nil || err.Error() != "1 of 2 receivers did not take the test" || !strings.Contains(out.String(), "Slack: DID NOT ARRIVE. It could not be reached: connection refused.") ||
		strings.Contains(out.String(), "127.0.0.1") {
		t.Errorf("got %v: %s", err, out.String())
	}
	if err := test("--org", "globex"); err == nil || !strings.Contains(err.Error(), "write under notifications") {
		t.Errorf("got %v", err)
	}
	if err := test(); !errors.Is(err, errUsage) || !strings.Contains(problems.String(), "--org is needed") {
		t.Errorf("got %v: %s", err, problems.String())
	}
}

// Without receivers the page says so, and so does the button.
func TestNobodyToTest(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	admin, _ := w.signIn(t, w.carol)
	admin.wantPage("/orgs/acme/admin", http.StatusOK, []string{"Nobody is told of exceptions"}, "Send a test")
	if status, page := admin.post("/orgs/acme/admin/notifications/test", nil); status != http.StatusBadRequest || !strings.Contains(page, "docs/notifications.md") {
		t.Errorf("got %d: %s", status, page)
	}
}
