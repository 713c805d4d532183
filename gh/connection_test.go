package gh_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

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

// tokens counts the tokens that were asked for, by what they are good for.
func (s *server) tokens(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, body := range s.tokenBodies {
		counts[body]++
	}
	return counts
}

// One token serves every client of an installation that is for the same, until it ends.
func TestTokensAreShared(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1", 200, `{"number":1}`)
	s.rest("POST /repos/acme/shop/check-runs", 403, `{}`)
	s.rest("GET /orgs/acme/teams/core/members", 200, `[]`)
	s.graphql(200, `{"data":{}}`)
	c := s.connect(t)
	for range 3 {
		for _, repository := range []int64{77, 78} {
			client, err := c.Installation(7, gh.ToRead(repository))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.PullRequestStack(t.Context(), repo, 1); err != nil {
				t.Error(err)
			}
			if err := client.GraphQL(t.Context(), "{viewer}", nil, &struct{}{}); err != nil {
				t.Error(err)
			}
		}
	}
	reads := `"permissions":{"actions":"read","checks":"read","contents":"read","metadata":"read","pull_requests":"read","statuses":"read"}}`
	queries := `{"permissions":{"administration":"read","contents":"read","issues":"read","metadata":"read","pull_requests":"read"}}`
	want := map[string]int{`{"repository_ids":[77],` + reads: 1, `{"repository_ids":[78],` + reads: 1, queries: 1}
	if got := s.tokens(t); !maps.Equal(got, want) {
		t.Errorf("got tokens %v, want %v", got, want)
	}
	client, err := c.Installation(7, gh.ToRead(77))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.TeamMembers(t.Context(), "acme", "core"); err != nil {
		t.Error(err)
	}
	if got := s.tokens(t)[`{"permissions":{"members":"read"}}`]; got != 1 {
		t.Errorf("%d tokens for the members of teams, want 1", got)
	}
	if err := c.UseKey(privateKey()); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, installation(t, c, 7)); err != nil || s.tokens(t)[`{"repository_ids":[77],`+reads] != 2 {
		t.Errorf("with another key: %v, tokens %v", err, s.tokens(t))
	}
	if _, err := c.Installation(0, gh.ToFind()); !errors.Is(err, gh.ErrNoInstallation) {
		t.Errorf("installation 0: got %v, want ErrNoInstallation", err)
	}
}

// What a client is not for is refused before GitHub is asked.
func TestAClientIsForOneUse(t *testing.T) {
	s := newServer(t)
	c := s.connect(t)
	client, err := c.Installation(7, gh.ToPublish(77))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.GraphQL(t.Context(), "{viewer}", nil, &struct{}{}); !errors.Is(err, gh.ErrForbidden) {
		t.Errorf("a query: got %v, want ErrForbidden", err)
	}
	if _, err := client.TeamMembers(t.Context(), "acme", "core"); !errors.Is(err, gh.ErrForbidden) {
		t.Errorf("members: got %v, want ErrForbidden", err)
	}
	if n := len(s.requests()) + len(s.tokens(t)); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// An answer to one token is none to another, which may see less.
func TestAnAnswerIsForOneToken(t *testing.T) {
	s := newServer(t)
	s.mux.HandleFunc("GET /api/v3/repos/acme/shop", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			t.Error("an answer to another token is compared")
		}
		io.WriteString(w, `{"id":77,"full_name":"acme/shop","default_branch":"main","owner":{"id":1,"login":"acme","type":"Organization"}}`)
	})
	c := s.connect(t)
	for _, use := range []gh.Use{gh.ToRead(77), gh.ToFind(), gh.ToWatch()} {
		client, err := c.Installation(7, use)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Repository(t.Context(), repo); err != nil {
			t.Error(err)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1", 200, `{"number":1}`)
	c := s.connect(t)
	look := func(repository int64) {
		t.Helper()
		client, err := c.Installation(7, gh.ToRead(repository))
		if err == nil {
			err = ask(t, client)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	use := func(from, to int64) {
		t.Helper()
		for id := from; id < to; id++ {
			if _, err := c.Installation(7, gh.ToPublish(id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	asked := func() (n int) {
		for _, times := range s.tokens(t) {
			n += times
		}
		return n
	}
	look(1)
	use(1000, 1900)
	s.now = s.now.Add(61 * time.Minute)
	look(1) // as long as it is used it is kept, and its token is renewed when it ends
	use(2000, 2200)
	look(1)
	if got := asked(); got != 1 {
		t.Errorf("%d tokens were asked for, want the one that is in use", got)
	}
	use(3000, 4100)
	look(1)
	if got := asked(); got != 2 {
		t.Errorf("%d tokens, want that it was forgotten among more than are kept", got)
	}
}

func TestManyInstallationsAreBounded(t *testing.T) {
	s := newServer(t)
	s.rest("GET /repos/acme/shop/pulls/1", 200, `{"number":1}`)
	settings := s.settings()
	settings.Clients = 2
	c, err := gh.Connect(settings)
	if err != nil {
		t.Fatal(err)
	}
	for id := range int64(10) {
		if err := ask(t, installation(t, c, id+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(t, installation(t, c, 1)); err != nil || len(s.tokenBodies) != 11 {
		t.Errorf("%v, %d tokens: the first of ten installations was kept, at most 2 should be", err, len(s.tokenBodies))
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
		{"a permission or the repository was not granted", 422, nil, `{"message":"The permissions requested are not granted to this installation."}`, gh.ErrNotGranted},
		{"a request that GitHub does not understand", 400, nil, `{}`, gh.ErrUnavailable},
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
			if tt.status == 422 && (!errors.Is(err, gh.ErrForbidden) || !strings.Contains(err.Error(), "contents:read metadata:read pull_requests:read statuses:read in repository 77")) {
				t.Errorf("%v does not say what was not granted", err)
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
