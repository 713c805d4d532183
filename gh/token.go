package gh

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/die-net/lrucache"
	"github.com/google/go-github/v62/github"
	"github.com/gregjones/httpcache"
)

const (
	tokenRoute = "POST /app/installations/{installation_id}/access_tokens"
	// tokenLife is how long GitHub's tokens are good.
	tokenLife = time.Hour
	// maxTokens is how many an installation holds at most.
	maxTokens = 1024
)

// installed is what is kept of one installation.
type installed struct {
	api      *github.Client // makes requests, and sends none
	gate     *gate
	cache    httpcache.Cache // of all its carriers, each under names of its own
	carriers map[scope]*carrier
}

// carrier sends requests with one token, which it asks for when the first one needs it, and anew
// before it ends.
type carrier struct {
	http *http.Client
	what scope
	used time.Time // guarded by Connection.mu
}

func (c *Connection) newInstalled(id int64, base *github.Client) *installed {
	api := github.NewClient(nil)
	api.BaseURL, api.UserAgent = base.BaseURL, fmt.Sprintf("%s (installation: %d)", c.settings.UserAgent, id)
	// Each installation has a cache of its own, so a proxy that strips "Vary: Authorization" cannot
	// mix two of them up.
	return &installed{api: api, gate: newGate(), cache: lrucache.New(c.settings.CacheBytes, 0), carriers: map[scope]*carrier{}}
}

// carrierOf is the carrier of a scope; nil for what no request may be sent for.
func (c *Connection) carrierOf(id int64, in *installed, s scope) (*carrier, error) {
	now := c.settings.Now()
	if s == (scope{}) {
		return nil, nil
	}
	if known := in.carriers[s]; known != nil {
		known.used = now
		return known, nil
	}
	body, err := s.body()
	if err != nil {
		return nil, err
	}
	// An App's transport of its own: ghinstallation writes to it when it asks for a token.
	app := ghinstallation.NewAppsTransportFromPrivateKey(&httpcache.Transport{
		Transport: &narrowed{next: c.transport, body: body, observe: c.settings.Observe},
		Cache:     scopedCache{s.String() + " ", in.cache}, MarkCachedResponses: true,
	}, c.settings.AppID, c.key)
	tokens := ghinstallation.NewFromAppsTransport(app, id)
	tokens.BaseURL = strings.TrimSuffix(c.settings.V3URL, "/")
	in.makeRoom(now)
	in.carriers[s] = &carrier{http: &http.Client{Transport: tokens, Timeout: c.settings.Timeout}, what: s, used: now}
	return in.carriers[s], nil
}

// makeRoom forgets the tokens that have ended; all of them, if there are still too many.
func (in *installed) makeRoom(now time.Time) {
	if len(in.carriers) < maxTokens {
		return
	}
	for s, carrier := range in.carriers {
		if now.Sub(carrier.used) > tokenLife {
			delete(in.carriers, s)
		}
	}
	if len(in.carriers) >= maxTokens {
		clear(in.carriers)
	}
}

// narrowed asks for tokens that are good for one scope. ghinstallation can ask for such tokens too,
// but its permissions, which are go-github's, lack merge_queues.
type narrowed struct {
	next    http.RoundTripper
	body    []byte
	observe func(Exchange)
}

// RoundTrip implements http.RoundTripper.
func (n *narrowed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/access_tokens") {
		return n.next.RoundTrip(r)
	}
	asks := r.Clone(r.Context())
	asks.Body, asks.ContentLength = io.NopCloser(bytes.NewReader(n.body)), int64(len(n.body))
	asks.Header.Set("Content-Type", "application/json")
	resp, err := n.next.RoundTrip(asks)
	if n.observe != nil {
		e := Exchange{Route: tokenRoute}
		if err == nil {
			e.Status = resp.StatusCode
		}
		n.observe(e)
	}
	return resp, err
}

// scopedCache keeps the answers to one token apart from those to others, which may see more.
type scopedCache struct {
	name string
	all  httpcache.Cache
}

func (c scopedCache) Get(key string) ([]byte, bool) { return c.all.Get(c.name + key) }
func (c scopedCache) Set(key string, answer []byte) { c.all.Set(c.name+key, answer) }
func (c scopedCache) Delete(key string)             { c.all.Delete(c.name + key) }
