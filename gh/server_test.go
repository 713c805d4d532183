package gh_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
)

const (
	appID  = 42
	shopID = 77 // of repo
	head   = "1111111111111111111111111111111111111111"
	other  = "2222222222222222222222222222222222222222"
)

var repo = gh.Repo{Owner: "acme", Name: "shop"}

// server answers as GitHub Enterprise Server would: REST under /api/v3, GraphQL at
// /api/graphql. Tests add the routes that they need.
type server struct {
	*httptest.Server
	mux *http.ServeMux
	now time.Time // what the client takes for now

	mu     sync.Mutex
	seen   []string // "METHOD path?query", tokens left out
	bodies map[string]string
	// tokenBodies are the requests for tokens.
	tokenBodies []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{mux: http.NewServeMux(), now: time.Now(), bodies: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	s.mux.HandleFunc("POST /api/v3/app/installations/{id}/access_tokens", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			http.Error(w, `{"message":"a JWT is needed"}`, http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body) // serve read it already
		s.mu.Lock()
		s.tokenBodies = append(s.tokenBodies, string(body))
		s.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":"token-of-%s","expires_at":%q}`, r.PathValue("id"), time.Now().Add(time.Hour).Format(time.RFC3339))
	})
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !strings.HasSuffix(r.URL.Path, "/access_tokens") {
		line := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3")
		if r.URL.RawQuery != "" {
			line += "?" + r.URL.RawQuery
		}
		s.mu.Lock()
		s.seen = append(s.seen, line)
		s.bodies[r.Method] = string(body)
		s.mu.Unlock()
	}
	s.mux.ServeHTTP(w, r)
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// body is that of the last request of a method.
func (s *server) body(method string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[method]
}

// rest adds a REST route that answers with a text.
func (s *server) rest(pattern string, status int, body string, header ...string) {
	method, path, _ := strings.Cut(pattern, " ")
	s.mux.HandleFunc(method+" /api/v3"+path, reply(status, body, header...))
}

// graphql adds the GraphQL route.
func (s *server) graphql(status int, body string, header ...string) {
	s.mux.HandleFunc("POST /api/graphql", reply(status, body, header...))
}

func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// cached answers like GitHub does: with an ETag, and 304 to those who have it.
func cached(body func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := body()
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text)))
		w.Header().Set("ETag", etag)
		w.Header().Set("Cache-Control", "private, max-age=60, s-maxage=60")
		w.Header().Set("Expires", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("Vary", "Accept, Authorization")
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, text)
	}
}

func (s *server) settings() gh.Settings {
	return gh.Settings{
		V3URL: s.URL + "/api/v3/", V4URL: s.URL + "/api/graphql", AppID: appID, PrivateKey: privateKey(),
		Now: func() time.Time { return s.now },
	}
}

func (s *server) connect(t *testing.T) *gh.Connection {
	t.Helper()
	c, err := gh.Connect(s.settings())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *server) client(t *testing.T) *gh.Client {
	t.Helper()
	return installation(t, s.connect(t), 7)
}

func installation(t *testing.T, c *gh.Connection, id int64) *gh.Client {
	t.Helper()
	client, err := c.Installation(id, gh.ToRead(shopID))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// privateKey is made anew in every run.
var privateKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})
