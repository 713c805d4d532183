package gh_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh"
)

// A person's client needs no App, and an App everything at once.
func TestConnectNeedsAnApp(t *testing.T) {
	_, err := gh.Connect(gh.Settings{V4URL: "https://github.example.com/api/graphql"})
	for _, says := range []string{"App id", "private key", "given together"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
	if _, err := gh.PersonAt(gh.Settings{}, "ghp_1"); err != nil {
		t.Errorf("a person on github.com: %v", err)
	}
	if _, err := gh.PersonAt(gh.Settings{V3URL: "https://github.example.com/api/v3/"}, "ghp_1"); err == nil {
		t.Error("the token would go to two servers")
	}
}

func TestConnectRefuses(t *testing.T) {
	good := gh.Settings{AppID: appID, PrivateKey: privateKey()}
	if _, err := gh.Connect(good); err != nil {
		t.Fatalf("settings for github.com: %v", err)
	}
	for name, change := range map[string]func(*gh.Settings){
		"no key":         func(s *gh.Settings) { s.PrivateKey = nil },
		"unreadable key": func(s *gh.Settings) { s.PrivateKey = []byte("-----BEGIN RSA PRIVATE KEY-----\nsecret\n") },
		"no App id":      func(s *gh.Settings) { s.AppID = 0 },
		"one address":    func(s *gh.Settings) { s.V3URL = "https://github.example.com/api/v3/" },
		"no scheme":      func(s *gh.Settings) { s.V3URL, s.V4URL = "github.example.com", "github.example.com" },
		"user in the address": func(s *gh.Settings) {
			s.V3URL, s.V4URL = "https://me:hidden@example.com/api/v3", "https://example.com/api/graphql"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			change(&s)
			_, err := gh.Connect(s)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestSelfIsAskedOnce(t *testing.T) {
	s := newServer(t)
	s.rest("GET /app", 200, `{"id":42,"slug":"countersign","name":"Countersign"}`)
	c := s.connect(t)
	for range 3 {
		app, err := c.Self(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := (gh.App{ID: 42, Slug: "countersign"}); app != want {
			t.Fatalf("got %+v, want %+v", app, want)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}

func TestSelfOfAnotherApp(t *testing.T) {
	s := newServer(t)
	s.rest("GET /app", 200, `{"id":43,"slug":"somebody-else"}`)
	if _, err := s.connect(t).Self(t.Context()); !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestInstallationKeepsItsClient(t *testing.T) {
	s := newServer(t)
	c := s.connect(t)
	if first, again := installation(t, c, 7), installation(t, c, 7); first != again {
		t.Error("two clients for one installation")
	}
	if installation(t, c, 7) == installation(t, c, 8) {
		t.Error("one client for two installations")
	}
	if _, err := c.Installation(0); !errors.Is(err, gh.ErrNoInstallation) {
		t.Errorf("installation 0: got %v, want ErrNoInstallation", err)
	}
}

func TestManyInstallationsAreBounded(t *testing.T) {
	s := newServer(t)
	settings := s.settings()
	settings.Clients = 2
	c, err := gh.Connect(settings)
	if err != nil {
		t.Fatal(err)
	}
	first := installation(t, c, 1)
	for id := int64(2); id < 10; id++ {
		installation(t, c, id)
	}
	if installation(t, c, 1) == first {
		t.Error("the first of ten clients was kept, at most 2 should be")
	}
}

// TestCachesAreSeparate lets two installations read one address through a proxy that
// revalidates by address alone and strips what says that answers vary with the token.
func TestCachesAreSeparate(t *testing.T) {
	s := newServer(t)
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop/collaborators/ann/permission", func(w http.ResponseWriter, r *http.Request) {
		role := "read"
		if strings.HasSuffix(r.Header.Get("Authorization"), "token-of-7") {
			role = "admin"
		}
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, `{"permission":"`+role+`","user":{"id":1,"login":"ann","type":"User"}}`)
	})
	c := s.connect(t)
	for range 2 {
		for id, want := range map[int64]string{7: "admin", 8: "read"} {
			p, err := installation(t, c, id).Permission(t.Context(), repo, "ann")
			if err != nil {
				t.Fatal(err)
			}
			if p.Role != want {
				t.Errorf("installation %d: got role %q, want %q", id, p.Role, want)
			}
		}
	}
}

func TestTokenErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		header []string
		body   string
		want   error
	}{
		{"suspended", 403, nil, `{"message":"This installation has been suspended"}`, gh.ErrNoInstallation},
		{"deleted", 404, nil, `{"message":"Not Found"}`, gh.ErrNoInstallation},
		{"gone", 410, nil, `{}`, gh.ErrNoInstallation},
		{"key not accepted", 401, nil, `{"message":"A JSON web token could not be decoded"}`, gh.ErrUnauthorized},
		{"rate limited", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1"}, `{}`, gh.ErrRateLimited},
		{"down", 502, nil, `<html>`, gh.ErrUnavailable},
		{"no JSON", 201, nil, `<html>`, gh.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.mux.HandleFunc("POST /api/v3/app/installations/9/access_tokens", reply(tt.status, tt.body, tt.header...))
			_, err := installation(t, s.connect(t), 9).Content(t.Context(), repo, "policy.yml", "main")
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			// Else a policy would count as absent because the App was uninstalled.
			if errors.Is(err, gh.ErrNotFound) {
				t.Errorf("%v reads as if the file were absent", err)
			}
		})
	}
}

func TestTokenStaysHome(t *testing.T) {
	var leaked string
	elsewhere := newServer(t)
	elsewhere.mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { leaked = r.Header.Get("Authorization") })
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1", 302, "", "Location", elsewhere.URL+"/")
	_, err := s.client(t).PullRequestStack(t.Context(), repo, 1)
	if !errors.Is(err, gh.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if leaked != "" || len(elsewhere.requests()) > 0 {
		t.Errorf("another host was asked, with authorization %q", leaked)
	}
}

func TestRenamedRepositoryIsFollowed(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1", 301, "", "Location", "/api/v3/repositories/5/pulls/1")
	s.rest("GET /repositories/5/pulls/1", 200, `{"number":1,"stack":{"base":"main"}}`)
	base, err := s.client(t).PullRequestStack(t.Context(), repo, 1)
	if err != nil || base != "main" {
		t.Errorf("got %q, %v", base, err)
	}
}
