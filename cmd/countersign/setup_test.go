package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/doctor"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/contract"
	"github.com/countersign/countersign/handlers"
)

// written is what a program writes while others read it.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// visitor is somebody at the pages, who follows no redirect unseen.
type visitor struct {
	t *testing.T
	http.Client
}

func newVisitor(t *testing.T) *visitor {
	return &visitor{t, http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// open makes a request and wants a status; a form is posted.
func (b *visitor) open(address string, form url.Values, want int, more ...string) (*http.Response, string) {
	b.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, body)
	mustDo(b.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	resp, err := b.Do(r)
	mustDo(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	mustDo(b.t, err)
	if resp.StatusCode != want {
		b.t.Fatalf("%s %s: got %d, want %d\n%s", method, address, resp.StatusCode, want, text)
	}
	return resp, string(text)
}

var (
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form is the form of a page, as a browser sends it.
func form(t *testing.T, page string) (action string, fields url.Values) {
	t.Helper()
	found := formAction.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("there is no form:\n%s", page)
	}
	fields = url.Values{}
	for _, f := range hiddenField.FindAllStringSubmatch(page, -1) {
		fields.Set(f[1], html.UnescapeString(f[2]))
	}
	return html.UnescapeString(found[1]), fields
}

// toCallback registers an App on GitHub, and returns where GitHub sends the person back to.
func (b *visitor) toCallback(pages, token, organisation, github string) string {
	b.t.Helper()
	resp, page := b.open(pages+"/setup", url.Values{"token": {token}, "organisation": {organisation}}, 200)
	if got := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; ") || !strings.HasSuffix(got, "form-action "+github) || strings.Contains(page, "<script") {
		b.t.Errorf("the page may do more than go to GitHub: %s\n%s", got, page)
	}
	action, fields := form(b.t, page)
	if !strings.HasPrefix(action, github+"/organizations/"+organisation+"/settings/apps/new?state=") {
		b.t.Fatalf("the form goes to %s", action)
	}
	_, page = b.open(action, fields, 200, "Origin", pages)
	action, fields = form(b.t, page)
	resp, _ = b.open(github+action, fields, 302)
	return resp.Header.Get("Location")
}

// A server that has no App serves its setup alone, to who has the token, once. Then it goes on, and
// GitHub's ping arrives after all.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	sim := ghsim.New(ghsim.Options{})
	contract.Check(t, sim)
	mustDo(t, sim.Start())
	defer sim.Close()
	carol := sim.User("carol")
	org := sim.Org("acme").Owner(carol)
	folder := t.TempDir()
	address, err := freeAddress()
	mustDo(t, err)
	base := "http://" + address
	settings := map[string]string{
		"COUNTERSIGN_LISTEN": address, "COUNTERSIGN_PUBLIC_URL": base, "COUNTERSIGN_DATABASE_URL": "sqlite:" + filepath.Join(folder, "countersign.db"),
		"COUNTERSIGN_SIGNING_KEY_FILE": filepath.Join(folder, "countersign.key"), "COUNTERSIGN_APP_FOLDER": filepath.Join(folder, "app"),
		"GITHUB_WEB_URL": sim.URL(), "GITHUB_V3_API_URL": sim.URL() + "/api/v3/", "GITHUB_V4_API_URL": sim.URL() + "/api/graphql",
	}
	getenv := func(name string) string { return settings[name] }
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log written
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"serve"}, getenv, nil, io.Discard, &log) }()
	token := ""
	w := &acme{}
	w.waitUntil(t, func() bool {
		if m := regexp.MustCompile(`"token":"([0-9a-f]{40})"`).FindStringSubmatch(log.String()); m != nil {
			token = m[1]
		}
		return token != ""
	})

	b := newVisitor(t)
	b.open(base+"/healthz", nil, 200)
	b.open(base+handlers.HookPath, url.Values{}, 404)
	b.open(base+"/readyz", nil, 404)
	_, page := b.open(base+"/setup", nil, 200)
	if strings.Contains(page, token) {
		t.Error("the page shows the token")
	}
	b.open(base+"/setup", url.Values{"token": {"wrong"}}, 403)
	b.open(base+"/setup", url.Values{"token": {""}}, 403)
	b.open(base+"/setup", url.Values{"token": {token}, "organisation": {"../acme"}}, 422)
	b.open(base+"/setup", url.Values{"token": {token}}, 403, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	b.open(base+"/setup/callback?code=x&state=", nil, 403)
	b.open(base+"/setup/callback?code=x&state="+strings.Repeat("0", 64), nil, 403)

	callback := b.toCallback(base, token, "acme", sim.URL())
	forged, err := url.Parse(callback)
	mustDo(t, err)
	query := forged.Query()
	query.Set("state", strings.Repeat("a", 64))
	forged.RawQuery = query.Encode()
	b.open(forged.String(), nil, 403)
	_, page = b.open(callback, nil, 200)
	if !strings.Contains(page, "countersign-acme") || strings.Contains(page, "PRIVATE KEY") {
		t.Errorf("the last page:\n%s", page)
	}
	w.waitUntil(t, func() bool {
		res, err := b.Get(base + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
	b.open(callback, nil, 404)
	b.open(base+"/setup", nil, 404)
	for _, name := range []string{"app.yml", "private-key.pem", "webhook-secret", "client-secret"} {
		info, err := os.Stat(filepath.Join(folder, "app", name))
		mustDo(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %o", name, info.Mode().Perm())
		}
	}
	secret, err := os.ReadFile(filepath.Join(folder, "app", "webhook-secret"))
	mustDo(t, err)
	if strings.Contains(log.String(), strings.TrimSpace(string(secret))) || strings.Contains(log.String(), "PRIVATE KEY") {
		t.Error("the log has the App's secrets")
	}

	app := sim.AppNamed("countersign-acme")
	w.waitUntil(t, func() bool {
		for _, d := range app.Deliveries() {
			if d.Event == "ping" && d.Redelivery && d.StatusCode == 202 {
				return true
			}
		}
		return false
	})
	app.Install(org)
	mustDo(t, sim.Drain(t.Context()))
	examination, err := examined(environment{getenv: getenv, stderr: io.Discard}, "", "")
	mustDo(t, err)
	if r := doctor.Examine(t.Context(), examination); r.AboveLow() > 0 {
		t.Errorf("after setup, doctor finds %+v", r.Findings)
	}
	stop()
	mustDo(t, <-ended)
}

// The command does the same on one's own machine, into a folder or as environment.
func TestSetupCommand(t *testing.T) {
	t.Parallel()
	sim := ghsim.New(ghsim.Options{})
	mustDo(t, sim.Start())
	defer sim.Close()
	sim.Org("acme").Owner(sim.User("carol"))
	settings := map[string]string{"GITHUB_WEB_URL": sim.URL(), "GITHUB_V3_API_URL": sim.URL() + "/api/v3/", "GITHUB_V4_API_URL": sim.URL() + "/api/graphql"}
	start := func(args ...string) (out, errs *written, ended chan error) {
		out, errs, ended = &written{}, &written{}, make(chan error, 1)
		go func() {
			ended <- run(t.Context(), append([]string{"setup", "--org", "acme", "--public-url", "https://countersign.example.com"}, args...), func(name string) string { return settings[name] }, nil, out, errs)
		}()
		return out, errs, ended
	}
	told := regexp.MustCompile(`Open (\S+)/setup in[^\n]*\n\n  ([0-9a-f]{40})\n`)
	finish := func(errs *written) {
		var m []string
		(&acme{}).waitUntil(t, func() bool { m = told.FindStringSubmatch(errs.String()); return m != nil })
		b := newVisitor(t)
		b.open(b.toCallback(m[1], m[2], "acme", sim.URL()), nil, 200)
	}

	out, errs, ended := start("--print")
	finish(errs)
	mustDo(t, <-ended)
	app := sim.AppNamed("countersign-acme")
	for _, want := range []string{fmt.Sprintf("export GITHUB_APP_INTEGRATION_ID=%d\n", app.ID()), "export GITHUB_APP_PRIVATE_KEY='-----BEGIN RSA PRIVATE KEY-----\n", "export GITHUB_APP_WEBHOOK_SECRET='"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("what was printed lacks %q", want)
		}
	}

	full := t.TempDir()
	mustDo(t, os.WriteFile(filepath.Join(full, "app.yml"), nil, 0o600))
	_, _, ended = start("--folder", full)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a folder that holds an App: got %v", err)
	}

	// A name that is taken, or a browser that is closed: nothing is kept, and the person begins again.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err := run(ctx, []string{"setup", "--public-url", "https://c.example", "--folder", filepath.Join(full, "new")}, func(string) string { return "" }, nil, io.Discard, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
