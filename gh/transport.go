package gh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxAnswerBytes bounds the body of one answer. The largest that we ask for is a page of
// 100 changed files with their patches.
const maxAnswerBytes = 32 << 20

var (
	errAnswerTooLarge = fmt.Errorf("answer is larger than %d bytes", maxAnswerBytes)
	errOtherHost      = errors.New("refused to send our token to another host")
)

// transport is the innermost one, under authentication and cache: what it sees is what
// goes over the wire.
type transport struct {
	next    http.RoundTripper
	origins map[string]bool // scheme://host of the API
}

func newTransport(s Settings) (*transport, error) {
	t := &transport{next: s.Transport, origins: map[string]bool{}}
	for what, text := range map[string]string{"REST": s.V3URL, "GraphQL": s.V4URL} {
		u, err := apiAddress(what, text)
		if err != nil {
			return nil, err
		}
		t.origins[u.Scheme+"://"+u.Host] = true
	}
	return t, nil
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	// Authentication adds the token to every request, also to one that follows a
	// redirect, so this is the last place where it can be kept at home.
	if !t.origins[r.URL.Scheme+"://"+r.URL.Host] {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("%w: %s", errOtherHost, r.URL.Host)
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	alwaysRevalidate(resp.Header)
	resp.Body = &boundedBody{body: resp.Body, left: maxAnswerBytes}
	if r.Method == http.MethodGet && resp.StatusCode == http.StatusOK {
		return keepBrokenOut(resp)
	}
	return resp, nil
}

// keepBrokenOut lets only whole JSON into the cache. A broken answer with a good ETag
// would be confirmed by every 304 from then on, long after GitHub is well again.
func keepBrokenOut(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		resp.Header.Set("Cache-Control", "no-store")
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// alwaysRevalidate leaves of Cache-Control only whether the answer may be stored: no-cache
// lets nobody use it without asking GitHub. A max-age of zero does, where our clock is behind
// GitHub's: to the cache an answer from the future is younger than that. go-githubapp's own
// option rewrites max-age where there is one; without it the cache obeys Expires, and
// stale-if-error would serve old facts while GitHub is down.
func alwaysRevalidate(h http.Header) {
	stored := "private, no-cache"
	for _, directive := range cacheDirectives(h) {
		if directive == "no-store" {
			stored = "no-store"
		}
	}
	h.Set("Cache-Control", stored)
	// GitHub's ETag alone says whether an answer still holds: by its time, one of the same second
	// would, where something on the way took the ETag out.
	h.Del("Last-Modified")
	// The cache sets this one on what it returns; nobody else may.
	h.Del("X-From-Cache")
}

// cacheDirectives lists the directives of Cache-Control, lower case.
func cacheDirectives(h http.Header) []string {
	var list []string
	for _, d := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		list = append(list, strings.ToLower(strings.TrimSpace(d)))
	}
	return list
}

// boundedBody fails when a body is larger than allowed. It never ends early as if the
// body were complete.
type boundedBody struct {
	body io.ReadCloser
	left int64 // bytes still allowed; negative once exceeded
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errAnswerTooLarge
	}
	// One byte more than allowed may be read, to tell a full body from an excess.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errAnswerTooLarge
	}
	return n, err
}

func (b *boundedBody) Close() error { return b.body.Close() }
