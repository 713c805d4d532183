package gh

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/die-net/lrucache"
	"github.com/golang-jwt/jwt/v4"
	"github.com/gregjones/httpcache"
	"github.com/palantir/go-githubapp/githubapp"

	"github.com/countersign/countersign/tracing"
)

// Settings says which GitHub to talk to, and as which App.
type Settings struct {
	// V3URL and V4URL are the REST and GraphQL addresses, for example
	// "https://github.example.com/api/v3/" and "https://github.example.com/api/graphql".
	// Both empty means github.com; one alone is refused, so that a token of one server
	// is never sent to the other.
	V3URL, V4URL string
	// AppID is the App's numeric id.
	AppID int64
	// PrivateKey is the App's RSA key as PEM text (PKCS #1 or PKCS #8).
	PrivateKey []byte
	// UserAgent is sent with every request. Default "countersign".
	UserAgent string
	// Transport makes the connections. Nil means one like http.DefaultTransport that
	// keeps more idle connections per host.
	Transport http.RoundTripper
	// Timeout bounds each request, body included. Default 15 s.
	Timeout time.Duration
	// CacheBytes bounds the cache of answers of each installation. Default 8 MiB.
	CacheBytes int64
	// Clients is how many installations keep their tokens and cache. Default 1024.
	Clients int
	// Now is the clock that rate limits are counted with. Default time.Now.
	Now func() time.Time
	// Observe is told of every request, while it is waited for. Nil: nobody is.
	Observe func(Exchange)
	// Tracer makes a span of every request. Its zero value makes none.
	Tracer tracing.Tracer
}

const (
	defaultV3URL      = "https://api.github.com/"
	defaultV4URL      = "https://api.github.com/graphql"
	defaultUserAgent  = "countersign"
	defaultTimeout    = 15 * time.Second
	defaultCacheBytes = 8 << 20
	defaultClients    = 1024
	idlePerHost       = 64
)

// Connection is one GitHub App on one GitHub server. It is safe for concurrent use.
type Connection struct {
	settings  Settings
	transport http.RoundTripper

	mu        sync.Mutex      // guards the rest
	key       *rsa.PrivateKey // the App's
	app       *Client         // authenticates as the App, not as an installation
	installed map[int64]*installed
	self      App
}

// Connect prepares a connection. It makes no request, but it reads the key: an
// unreadable one is an error here and not at the first delivery.
func Connect(s Settings) (*Connection, error) {
	identity := s.identity()
	s, err := s.complete()
	if err := errors.Join(identity, err); err != nil {
		return nil, fmt.Errorf("connect to GitHub: %w", err)
	}
	inner, err := newTransport(s)
	if err != nil {
		return nil, err
	}
	c := &Connection{settings: s, transport: inner, installed: map[int64]*installed{}}
	if err := c.UseKey(s.PrivateKey); err != nil {
		return nil, err
	}
	return c, nil
}

// UseKey has every client that is given out from now on sign with another key of the App. GitHub
// accepts several at a time, and the tokens that were got with the one before until they end.
func (c *Connection) UseKey(pem []byte) error {
	s := c.settings
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	if err != nil {
		return fmt.Errorf("read the App's private key (it should be the PEM file that GitHub gave): %w", err)
	}
	app, err := githubapp.NewClientCreator(s.V3URL, s.V4URL, s.AppID, pem,
		githubapp.WithClientUserAgent(s.UserAgent),
		githubapp.WithClientTimeout(s.Timeout),
		githubapp.WithTransport(c.transport),
		// true: every answer is revalidated, none is used because it is young.
		githubapp.WithClientCaching(true, func() httpcache.Cache { return lrucache.New(s.CacheBytes, 0) }),
	).NewAppClient()
	if err != nil {
		return fmt.Errorf("connect to GitHub: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key, c.app = key, newClient(app, s, 0)
	for _, in := range c.installed {
		clear(in.carriers)
	}
	return nil
}

// identity says what an App lacks to be one, every problem at once.
func (s Settings) identity() error {
	var problems []error
	if s.AppID <= 0 {
		problems = append(problems, errors.New("the App id must be a positive number"))
	}
	if len(s.PrivateKey) == 0 {
		problems = append(problems, errors.New("the App's private key is missing"))
	}
	return errors.Join(problems...)
}

// complete fills in the defaults and refuses addresses that cannot work.
func (s Settings) complete() (Settings, error) {
	switch {
	case s.V3URL == "" && s.V4URL == "":
		s.V3URL, s.V4URL = defaultV3URL, defaultV4URL
	case s.V3URL == "" || s.V4URL == "":
		return Settings{}, errors.New("the REST and the GraphQL address must be given together")
	}
	if s.UserAgent == "" {
		s.UserAgent = defaultUserAgent
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	if s.CacheBytes <= 0 {
		s.CacheBytes = defaultCacheBytes
	}
	if s.Clients <= 0 {
		s.Clients = defaultClients
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Transport == nil {
		s.Transport = defaultTransport()
	}
	return s, nil
}

// defaultTransport keeps enough idle connections for the reads of one evaluation to run
// side by side; the standard library keeps two.
func defaultTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := standard.Clone()
	t.MaxIdleConnsPerHost = idlePerHost
	return t
}

// apiAddress reads one of the two addresses.
func apiAddress(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("connect to GitHub: %s address: %w", what, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("connect to GitHub: %s address %q: want http(s)://host/path and nothing else", what, u.Redacted())
	}
	return u, nil
}

// asApp is the client that authenticates as the App, with the key of now.
func (c *Connection) asApp() *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app
}

// Self returns the App that we are. It is asked for once and then remembered.
//
// Source: GET /app (https://docs.github.com/rest/apps/apps#get-the-authenticated-app).
func (c *Connection) Self(ctx context.Context) (App, error) {
	c.mu.Lock()
	self := c.self
	c.mu.Unlock()
	if self.ID != 0 {
		return self, nil
	}
	var w wireApp
	if err := c.asApp().read(ctx, "GET /app", nil, nil, &w); err != nil {
		return App{}, fmt.Errorf("read our own App: %w", err)
	}
	self = w.app()
	if self.ID != c.settings.AppID || self.Slug == "" {
		return App{}, fmt.Errorf("read our own App: GitHub says id %d, slug %q, we are id %d: %w", self.ID, self.Slug, c.settings.AppID, ErrUnavailable)
	}
	c.mu.Lock()
	c.self = self
	c.mu.Unlock()
	return self, nil
}

// Installation returns the client of one installation for one use. All clients of an installation
// share its limits, its cache, and the tokens of what they have in common. It makes no request: whether
// the installation still exists, and has what the use needs, shows at the first read.
func (c *Connection) Installation(id int64, use Use) (*Client, error) {
	if id <= 0 {
		return nil, fmt.Errorf("installation %d: %w", id, ErrNoInstallation)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.installed[id]
	if in == nil {
		if len(c.installed) >= c.settings.Clients {
			clear(c.installed)
		}
		in = c.newInstalled(id, c.app.api)
		c.installed[id] = in
	}
	client := newClient(in.api, c.settings, id)
	client.gate = in.gate
	for _, part := range []struct {
		scope
		carrier **carrier
	}{{use.rest, &client.rest}, {use.query, &client.query}, {use.people, &client.people}} {
		var err error
		if *part.carrier, err = c.carrierOf(id, in, part.scope); err != nil {
			return nil, fmt.Errorf("installation %d: %w", id, err)
		}
	}
	return client, nil
}
