package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// get reads a page of the server.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	mustDo(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	mustDo(t, err)
	return resp.StatusCode, string(body)
}

// measured has metrics served, and returns where.
func (w *acme) measured(t *testing.T) string {
	t.Helper()
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, []byte("metrics_listen: 127.0.0.1:0\n"), 0o600))
	w.restart(t)
	return "http://" + w.server.metrics.listener.Addr().String() + "/metrics"
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	url := w.measured(t)
	w.greenPull(t, "measured")
	w.sweep(t)
	status, text := get(t, url)
	if status != 200 {
		t.Fatalf("got %d: %s", status, text)
	}
	for _, want := range []string{
		`countersign_evaluations_total\{verdict="pass"\} [1-9]`,
		`countersign_deliveries_total\{event="pull_request",outcome="stored"\} [1-9]`,
		`countersign_github_requests_total\{route="POST /repos/\{owner\}/\{repo\}/check-runs",status="201"\} [1-9]`,
		`countersign_github_revalidated_total [1-9]`,
		`countersign_github_rate_limit_remaining\{installation="[1-9]\d*",resource="graphql"\} \d`,
		`countersign_github_rate_limit_limit\{installation="[1-9]\d*",resource="core"\} 5000`,
		`countersign_github_rate_limit_reset_seconds\{installation="[1-9]\d*",resource="core"\} [1-9]`,
		`countersign_github_writes\{installation="[1-9]\d*"\} [1-9]`,
		`countersign_github_writes_waiting\{installation="[1-9]\d*"\} 0`,
		`countersign_jobs\{kind="evaluate",state="dead"\} 0`,
		`countersign_ledger_leaves\{organisation="[1-9]\d*"\} [1-9]`,
		`countersign_ledger_checkpoint_age_seconds\{organisation="[1-9]\d*"\} \d`,
		`countersign_lost_deliveries 0`,
		`countersign_bundle_uploads_waiting 0`,
		`countersign_scrape_errors_total 0`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(text) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, name := range []string{"acme", "shop", "copilot", "alice"} {
		if strings.Contains(text, name) {
			t.Errorf("metrics name %s", name)
		}
	}
	if status, _ := get(t, "http://"+w.server.listener.Addr().String()+"/metrics"); status != 404 {
		t.Errorf("the public address answers /metrics with %d", status)
	}
	namesOf(t, text)
}

// What never happened is measured too, from the server's start: a log that was never signed and a list
// that was never read are what the rules are for.
func TestWhatNeverHappenedHasAnAge(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	m := newMetrics(func() time.Time { return at })
	st, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), Origin: "log.example"})
	mustDo(t, err)
	t.Cleanup(func() { mustDo(t, st.Close()) })
	_, err = st.Receive(t.Context(), store.Arrival{DeliveryID: "first", Event: "installation", OrgID: 7, OrgLogin: "acme", InstallationID: 1, ReceivedAt: at, Payload: []byte("{}"),
		Observation: &store.Observation{DeliveryID: "first", Event: "installation", OrgID: 7, ReceivedAt: at, Body: []byte("{}")}})
	mustDo(t, err)
	mustDo(t, st.Tenant(7).RecordDraw(t.Context(), []byte(`{"v":1}`)))
	m.measure(st, func() []gh.Budget { return nil })
	at = at.Add(time.Hour)
	families, err := m.registry.Gather()
	mustDo(t, err)
	found := 0
	for _, f := range families {
		if name := f.GetName(); name == "countersign_sweep_age_seconds" || name == "countersign_ledger_checkpoint_age_seconds" {
			if found++; f.Metric[0].GetGauge().GetValue() != 3600 {
				t.Errorf("got %v, want an hour", f)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of the two ages are there", found)
	}
}

// namesOf holds the rules, the dashboard and the table to the names that are exported.
func namesOf(t *testing.T, exported string) {
	t.Helper()
	there := map[string]bool{"up": true}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(exported, -1) {
		there[m[1]] = true
	}
	docs := filepath.Join("..", "..", "docs")
	expressions := append(rulesOf(t, filepath.Join(docs, "operations", "alerts.yml")), panelsOf(t, filepath.Join(docs, "operations", "dashboard.json"))...)
	if len(expressions) < 20 {
		t.Fatalf("only %d expressions were found", len(expressions))
	}
	for _, e := range expressions {
		if why := wrongWith(e, there); why != "" {
			t.Errorf("%s: %s", e, why)
		}
	}
	table, err := os.ReadFile(filepath.Join(docs, "operations.md"))
	mustDo(t, err)
	described := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(countersign_[a-z_]+)` ").FindAllStringSubmatch(string(table), -1) {
		if described[m[1]] = true; !there[m[1]] {
			t.Errorf("docs/operations.md has %s, which is not exported", m[1])
		}
	}
	for name := range there {
		if strings.HasPrefix(name, "countersign_") && !described[name] {
			t.Errorf("docs/operations.md does not have %s", name)
		}
	}
}

func rulesOf(t *testing.T, file string) (expressions []string) {
	t.Helper()
	src, err := os.ReadFile(file)
	mustDo(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	mustDo(t, yaml.Unmarshal(src, &rules))
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" {
				t.Errorf("a rule without a name or an expression: %+v", r)
			}
			expressions = append(expressions, r.Expr)
		}
	}
	return expressions
}

func panelsOf(t *testing.T, file string) (expressions []string) {
	t.Helper()
	src, err := os.ReadFile(file)
	mustDo(t, err)
	var board struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	mustDo(t, json.Unmarshal(src, &board))
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}

var (
	// The whole of PromQL that the expressions may use, one form at a time.
	exprSelector = regexp.MustCompile(`\b([a-z_]+)(\{[a-z]+=~?"[^"{}]*"\})?(\[\d+m\])?`)
	exprCall     = regexp.MustCompile(`\b(sum|max|min|topk|rate|increase)(?: by \([a-z, ]+\) )?\((?:10, )?V\)`)
	exprBinary   = regexp.MustCompile(`^V(?: (?:/|and|>|<|==) (?:V|[0-9.]+))*$`)
)

// wrongWith says why an expression is none of the simple ones that are used, or names what is not
// exported; empty: it is one.
func wrongWith(e string, there map[string]bool) (why string) {
	words := map[string]bool{"by": true, "and": true, "sum": true, "max": true, "min": true, "topk": true, "rate": true, "increase": true}
	labels := regexp.MustCompile(`by \([a-z, ]+\)`)
	reduced := exprSelector.ReplaceAllStringFunc(labels.ReplaceAllString(e, ""), func(s string) string {
		name := exprSelector.FindStringSubmatch(s)[1]
		switch {
		case words[name]:
			return s
		case !there[name]:
			why = name + " is not exported"
		}
		return "V"
	})
	reduced = strings.NewReplacer("sum  (", "sum(", "max  (", "max(", "min  (", "min(").Replace(reduced)
	for {
		next := exprCall.ReplaceAllString(reduced, "V")
		if next == reduced {
			break
		}
		reduced = next
	}
	if why == "" && !exprBinary.MatchString(reduced) {
		why = "comes to " + reduced
	}
	return why
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	url := "http://" + w.server.listener.Addr().String()
	ready := func() (status int, parts map[string]any) {
		status, body := get(t, url+"/readyz")
		mustDo(t, json.Unmarshal([]byte(body), &parts))
		return status, parts
	}
	isOK := func(parts map[string]any, name string) bool { return parts[name].(map[string]any)["ok"] == true }
	if status, parts := ready(); status != 200 || parts["ready"] != true || !isOK(parts, "database") || !isOK(parts, "queue") || !isOK(parts, "github") {
		t.Errorf("at rest: %d %v", status, parts)
	}
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET /app/hook/deliveries", Drop: true})
	if err := w.server.worker.SweepDeliveries(t.Context()); err == nil {
		t.Error("the sweep says that all is well")
	}
	status, parts := ready()
	if reason, _ := parts["github"].(map[string]any)["reason"].(string); status != 200 || isOK(parts, "github") || !strings.Contains(reason, time.Now().UTC().Format("2006-01-02T")) {
		t.Errorf("GitHub does not answer: %d %v", status, parts)
	}
	repair()
	w.sweep(t)
	if _, parts := ready(); !isOK(parts, "github") {
		t.Errorf("GitHub answers again: %v", parts)
	}
	if status, body := get(t, url+"/healthz"); status != 200 || !strings.Contains(body, "true") {
		t.Errorf("healthz: %d %s", status, body)
	}
}
