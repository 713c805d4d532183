package ghsim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// world is the small organisation that most tests play in.
type world struct {
	*Sim
	t          *testing.T
	org        *Org
	alice, bob *User
	devin, us  *App
	repo       *Repo
	token      string // of our installation
}

// ourPermissions are those that a gate asks for.
var ourPermissions = map[string]string{"metadata": "read", "pull_requests": "read", "contents": "read", "checks": "write", "statuses": "write",
	"actions": "read", "issues": "read", "administration": "read", "merge_queues": "read", "members": "read", "organization_administration": "read"}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := New(Options{})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Sim: s, t: t, org: s.Org("acme"), alice: s.User("alice"), bob: s.User("bob")}
	w.devin = s.App(AppSpec{Slug: "devin-ai-integration", UserID: 158243242})
	w.us = s.App(AppSpec{Slug: "gate", Permissions: ourPermissions})
	w.org.Member(w.alice, w.bob)
	w.repo = w.org.Repo("shop", RepoSpec{Files: map[string]string{"main.go": "package main\n\nfunc main() {}\n"}})
	w.repo.Collaborator(w.alice, "write").Collaborator(w.bob, "admin").Collaborator(w.devin, "write")
	w.token = w.us.Install(w.org).Token()
	return w
}

// change opens a pull request by devin.
func (w *world) change(branch string) *PullRequest {
	return w.repo.OpenPullRequest(PullSpec{Title: "Add " + branch, Head: branch, Author: w.devin,
		Commits: []Commit{{Message: "add " + branch, Files: map[string]string{branch + ".go": "package main\n"}}}})
}

// response is what the API said.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (r response) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}
}

func (w *world) do(method, path, token string, body any, header ...string) response {
	w.t.Helper()
	var data io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		data = bytes.NewReader(b)
	}
	url := path
	if strings.HasPrefix(path, "/") {
		url = w.URL() + "/api/v3" + path
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, data)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return response{}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return response{header: res.Header, body: b}
	}
	return response{res.StatusCode, res.Header, b}
}

func (w *world) get(path string) response {
	w.t.Helper()
	return w.do("GET", path, w.token, nil)
}

// read gets a path that must answer 200.
func (w *world) read(path string, v any) {
	w.t.Helper()
	r := w.get(path)
	if r.status != 200 {
		w.t.Fatalf("GET %s: %d %s", path, r.status, r.body)
	}
	r.into(w.t, v)
}

func (w *world) drain() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	if err := w.Drain(ctx); err != nil {
		w.t.Fatal(err)
	}
}
