package handlers_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/store"
)

const (
	newSecret, oldSecret = "the-new-one", "the-old-one"
	ourApp               = 77
	orgID, repoID        = 1001, 2002
	head                 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

type door struct {
	url   string
	store *store.Store
	log   *bytes.Buffer
}

func open(t *testing.T) *door {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "c.db"), NoisyInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	intake, err := gh.NewIntake([]string{newSecret, oldSecret})
	if err != nil {
		t.Fatal(err)
	}
	d := &door{store: st, log: &bytes.Buffer{}}
	h := &handlers.Handlers{Intake: intake, Store: st, AppID: ourApp, Log: zerolog.New(d.log), Now: time.Now}
	server := httptest.NewServer(h.Routes(http.NotFoundHandler()))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// post sends a delivery; change may spoil the request.
func (d *door) post(t *testing.T, id, event, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", d.url+handlers.HookPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-Hub-Signature-256", sign(newSecret, body))
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

const account = `{"id":1001,"login":"acme","type":"Organization"}`
const repository = `"repository":{"id":2002,"full_name":"acme/shop","name":"shop","private":true,"default_branch":"main","owner":` + account + `}`
const frame = `"installation":{"id":9},"organization":` + account + `,"sender":{"id":5,"login":"alice","type":"User"},` + repository

func pullRequest(action, state string) string {
	return `{"action":"` + action + `",` + frame + `,"number":7,"pull_request":{"id":70,"number":7,"state":"` + state + `","draft":false,"merged":false,
	"head":{"sha":"` + head + `","ref":"topic"},"base":{"sha":"` + strings.Repeat("b", 40) + `","ref":"main"},
	"user":{"id":5,"login":"alice","type":"User"},"updated_at":"2026-11-23T12:00:00Z"}}`
}

func checkRun(app, action string) string {
	return `{"action":"` + action + `",` + frame + `,"check_run":{"id":90,"name":"x","head_sha":"` + head + `","status":"completed","conclusion":"success",
	"external_id":"","app":{"id":` + app + `,"slug":"some-app"},"check_suite":{"id":80},"pull_requests":[]}}`
}

func (d *door) ready(t *testing.T) int {
	t.Helper()
	stats, err := d.store.QueueStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Ready + stats.Waiting
}

// finishAll serves every job, so that the next mark shows.
func (d *door) finishAll(t *testing.T) {
	t.Helper()
	jobs, err := d.store.Claim(t.Context(), "test", 100, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if err := d.store.Finish(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	d := open(t)
	body := pullRequest("opened", "open")
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
		says   string
	}{
		{"no signature", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 401, "GITHUB_APP_WEBHOOK_SECRET"},
		{"signed by another secret", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign("wrong", body)) }, 401, "secret"},
		{"SHA-1 only", func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", "sha1=0000000000000000000000000000000000000000")
		}, 401, "secret"},
		{"no delivery id", func(r *http.Request) { r.Header.Del("X-GitHub-Delivery") }, 400, "X-GitHub-Delivery"},
		{"no event", func(r *http.Request) { r.Header.Del("X-GitHub-Event") }, 400, "X-GitHub-Event"},
		{"a form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, "application/json"},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405, "POST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := d.post(t, "d-refused", "pull_request", body, c.change)
			if status != c.status || !strings.Contains(text, c.says) {
				t.Errorf("got %d %q, want %d naming %q", status, text, c.status, c.says)
			}
		})
	}
	if n := d.ready(t); n != 0 {
		t.Errorf("refused deliveries made %d jobs", n)
	}
}

func TestTooLarge(t *testing.T) {
	d := open(t)
	body := `{"x":"` + strings.Repeat("x", 25<<20) + `"}`
	if status, _ := d.post(t, "d-large", "pull_request", body, nil); status != 413 {
		t.Errorf("got %d, want 413", status)
	}
}

func TestWhatIsAcknowledgedAndMarked(t *testing.T) {
	d := open(t)
	if status, _ := d.post(t, "d1", "pull_request", pullRequest("opened", "open"), nil); status != 202 {
		t.Fatalf("got %d, want 202", status)
	}
	if n := d.ready(t); n != 1 {
		t.Fatalf("an opened pull request made %d jobs, want 1", n)
	}
	d.finishAll(t)
	for _, c := range []struct {
		name, event, body string
		jobs              int
	}{
		{"the same delivery again", "pull_request", pullRequest("opened", "open"), 0},
		{"another App's check run", "check_run", checkRun("15368", "completed"), 1},
		{"our own check run", "check_run", checkRun("77", "completed"), 0},
		{"our own check run, re-run by a person", "check_run", checkRun("77", "rerequested"), 1},
		{"our own check run, its button", "check_run", checkRun("77", "requested_action"), 1},
		{"a status on the head", "status", `{"id":1,"sha":"` + head + `","context":"ci","state":"success",` + frame + `}`, 1},
		{"a push to its base, which is a job of its own", "push", `{"ref":"refs/heads/main","before":"` + strings.Repeat("b", 40) + `","after":"` + strings.Repeat("c", 40) + `","forced":false,"created":false,"deleted":false,` + frame + `}`, 2},
		{"a push elsewhere, which may be enrolled", "push", `{"ref":"refs/heads/other","before":"` + strings.Repeat("b", 40) + `","after":"` + strings.Repeat("c", 40) + `","forced":false,"created":false,"deleted":false,` + frame + `}`, 1},
		{"protection of a branch", "branch_protection_rule", `{"action":"edited","rule":{"id":1},` + frame + `}`, 1},
		{"an event that nobody handles", "star", `{"action":"created",` + frame + `}`, 0},
		{"a closed pull request", "pull_request", pullRequest("closed", "closed"), 0},
		{"a check run after it was closed", "check_run", checkRun("15368", "completed"), 0},
	} {
		id := strings.ReplaceAll(c.name, " ", "-")
		if c.name == "the same delivery again" {
			id = "d1"
		}
		if status, text := d.post(t, id, c.event, c.body, nil); status != 202 {
			t.Errorf("%s: got %d %q, want 202", c.name, status, text)
		}
		if n := d.ready(t); n != c.jobs {
			t.Errorf("%s: %d jobs, want %d", c.name, n, c.jobs)
		}
		d.finishAllLater(t)
	}
}

// finishAllLater serves jobs that the spacing of bursts put off, too.
func (d *door) finishAllLater(t *testing.T) {
	t.Helper()
	for d.ready(t) > 0 {
		d.finishAll(t)
	}
}

// A payload that cannot be understood is kept and acknowledged: GitHub would not send it
// again by itself, and a later version may understand it.
func TestUndecodableIsKept(t *testing.T) {
	d := open(t)
	if status, _ := d.post(t, "d-odd", "pull_request", `{"action":7}`, nil); status != 202 {
		t.Fatalf("got %d, want 202", status)
	}
	kept, err := d.store.Undecodable(t.Context(), 10)
	if err != nil || len(kept) != 1 || kept[0].DeliveryID != "d-odd" {
		t.Errorf("got %+v, %v, want the delivery", kept, err)
	}
}

func TestTheOldSecretStillWorks(t *testing.T) {
	d := open(t)
	body := pullRequest("opened", "open")
	status, _ := d.post(t, "d-old", "pull_request", body, func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(oldSecret, body)) })
	if status != 202 {
		t.Errorf("got %d, want 202", status)
	}
}

// What could not be stored is not acknowledged.
func TestAStoreThatFailsAcknowledgesNothing(t *testing.T) {
	d := open(t)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	status, text := d.post(t, "d-lost", "pull_request", pullRequest("opened", "open"), nil)
	if status != 500 || !strings.Contains(text, "nothing is acknowledged") {
		t.Errorf("got %d %q, want 500", status, text)
	}
	resp, err := http.Get(d.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("readyz: got %d, want 503", resp.StatusCode)
	}
}

func TestLogsHoldNoSecret(t *testing.T) {
	d := open(t)
	body := pullRequest("opened", "open")
	d.post(t, "d1", "pull_request", body, nil)
	d.post(t, "d2", "pull_request", body, func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign("wrong", body)) })
	for _, secret := range []string{newSecret, oldSecret, sign(newSecret, body), sign("wrong", body)} {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(d.log.String(), `"delivery":"d1"`) {
		t.Errorf("the log does not name the delivery:\n%s", d.log)
	}
}
