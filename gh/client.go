package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/countersign/countersign/tracing"
)

// perPage is the largest page that GitHub gives.
const perPage = 100

// Client reads and writes as one installation. It is safe for concurrent use. It does not
// retry, and waits for nothing but its turn among the requests under way.
type Client struct {
	installation int64          // 0: as the App itself
	api          *github.Client // makes requests, and sends none
	rest         *carrier       // of requests; nil: there are none of its kind
	query        *carrier       // of GraphQL's
	people       *carrier       // of those for the members of teams
	gate         *gate
	canWait      bool                        // see Background
	count        func(context.Context) error // see Counted; nil: nobody counts
	graphqlURL   string
	now          func() time.Time
	observe      func(Exchange)
	tracer       tracing.Tracer
}

// newClient is a client that sends everything as api would.
func newClient(api *github.Client, s Settings, installation int64) *Client {
	all := &carrier{http: api.Client()}
	return &Client{
		installation: installation,
		api:          api,
		rest:         all,
		query:        all,
		people:       all,
		gate:         newGate(),
		graphqlURL:   strings.TrimSuffix(s.V4URL, "/"),
		now:          s.Now,
		observe:      s.Observe,
		tracer:       s.Tracer,
	}
}

// Background is the same client for what can wait. It leaves a reserve of GitHub's limits to
// decisions: when no more than that is left, its requests are not sent, and end with a
// *RateLimitError that is Reserved.
func (c *Client) Background() *Client {
	b := *c
	b.canWait = true
	return &b
}

// Counted is the same client, which asks count before each request that writes, and does not send it
// when that is an error.
func (c *Client) Counted(count func(context.Context) error) *Client {
	counted := *c
	counted.count = count
	return &counted
}

// answer is a complete answer with a status from 200 to 299.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode fills into from the whole body. Anything behind the value is an error.
func (a answer) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return unavailable("an answer that does not parse: %v", err)
	}
	return nil
}

// read asks for one object and decodes it. Args fill the route's parameters in order.
func (c *Client) read(ctx context.Context, route string, args []string, query url.Values, into any) error {
	a, err := c.get(ctx, route, args, query)
	if err != nil {
		return err
	}
	return a.decode(into)
}

// get asks for one page or object.
func (c *Client) get(ctx context.Context, route string, args []string, query url.Values) (answer, error) {
	return c.call(ctx, route, args, query, nil)
}

// call makes one REST request. A route reads "METHOD /path/{parameter}".
func (c *Client) call(ctx context.Context, route string, args []string, query url.Values, body any) (answer, error) {
	method, path, err := expand(route, args)
	if err != nil {
		return answer{}, err
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := c.api.NewRequest(method, path, body)
	if err != nil {
		return answer{}, fmt.Errorf("make the request: %w", err)
	}
	if method != http.MethodGet && c.count != nil {
		if err := c.count(ctx); err != nil {
			return answer{}, err
		}
	}
	return c.exchange(ctx, req, route, restBudget)
}

// exchange sends one request and returns its answer, or one of the errors of errors.go.
func (c *Client) exchange(ctx context.Context, req *http.Request, route string, b budget) (answer, error) {
	carrier, err := c.carrier(route, b)
	if err != nil {
		return answer{}, err
	}
	leave, err := c.gate.enter(ctx, b, points(req.Method, b), c.canWait, c.now)
	if err != nil {
		return answer{}, err
	}
	defer leave()
	ctx, span := c.tracer.Request(ctx, route)
	a, err := c.send(ctx, span, carrier, req, route, b)
	span.End(err)
	return a, err
}

func (c *Client) send(ctx context.Context, span tracing.Span, carrier *carrier, req *http.Request, route string, b budget) (answer, error) {
	// Not go-github's Do: it keeps a gate of its own that takes the end of the hourly
	// budget for the end of a secondary limit, and it does not read to the end of the
	// body, without which the cache stores nothing.
	resp, err := carrier.http.Do(req.WithContext(ctx))
	if err != nil {
		c.tell(span, route, 0, nil)
		err = c.sendError(ctx, carrier, err)
		return answer{}, c.noteLimit(b, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.tell(span, route, 0, nil)
		return answer{}, c.sendError(ctx, carrier, err)
	}
	c.tell(span, route, resp.StatusCode, resp.Header)
	c.gate.hear(resp.Header, c.now())
	if resp.StatusCode/100 != 2 {
		err := statusError(resp.StatusCode, resp.Header, body, c.now())
		if errors.Is(err, ErrNotFound) {
			c.noteRead(ctx, route, resp.Header)
		}
		return answer{}, c.noteLimit(b, err)
	}
	if req.Method == http.MethodGet && resp.StatusCode != http.StatusOK {
		return answer{}, unavailable("status %d instead of 200", resp.StatusCode)
	}
	if req.Method == http.MethodGet || b == graphqlBudget {
		c.noteRead(ctx, route, resp.Header)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// carrier is what sends a request.
func (c *Client) carrier(route string, b budget) (*carrier, error) {
	carrier := c.rest
	switch {
	case b == graphqlBudget:
		carrier = c.query
	case route == membersRoute:
		carrier = c.people
	}
	if carrier == nil {
		return nil, fmt.Errorf("%s is not what this client is for: %w", route, ErrForbidden)
	}
	return carrier, nil
}

// points is what GitHub's secondary limit counts for a request.
//
// Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#calculating-points-for-the-secondary-rate-limit
func points(method string, b budget) int {
	if method == http.MethodGet || b == graphqlBudget { // of GraphQL there are queries alone
		return 1
	}
	return 5
}

func (c *Client) noteRead(ctx context.Context, route string, h http.Header) {
	// The cache marks what it returns, and it returns nothing without a 304: see
	// alwaysRevalidate.
	revalidated := h.Get("X-From-Cache") != ""
	noteRead(ctx, Read{Route: route, At: c.now().UTC(), Revalidated: revalidated})
}

func (c *Client) noteLimit(b budget, err error) error {
	if limit := (*RateLimitError)(nil); errors.As(err, &limit) {
		c.gate.note(b, limit)
	}
	return err
}

// expand fills a route's parameters with escaped values. {path} keeps its slashes, every
// other value becomes one segment.
func expand(route string, args []string) (method, path string, err error) {
	method, rest, _ := strings.Cut(route, " /")
	var out strings.Builder
	for {
		before, after, found := strings.Cut(rest, "{")
		out.WriteString(before)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		if len(args) == 0 {
			return "", "", fmt.Errorf("no value for {%s} of %q", name, route)
		}
		escaped, err := escape(name, args[0])
		if err != nil {
			return "", "", err
		}
		out.WriteString(escaped)
		args, rest = args[1:], tail
	}
	if len(args) > 0 {
		return "", "", fmt.Errorf("%d values too many for %q", len(args), route)
	}
	return method, out.String(), nil
}

// escape refuses what would address something else: "." and ".." are resolved by clients
// and servers even where they come from a value.
func escape(name, value string) (string, error) {
	segments := []string{value}
	if name == "path" {
		segments = strings.Split(value, "/")
	}
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", fmt.Errorf("%s %q cannot be part of an address: %w", name, value, ErrInvalid)
		}
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/"), nil
}

// page is what one page of a list holds.
type page[T any] struct {
	items []T
	// total is how long GitHub says that the list is; -1 where it does not say.
	total int
}

// listing says what to list.
type listing[T any] struct {
	route string
	args  []string
	query url.Values // may be nil
	// limit is how many items are read at most.
	limit  int
	decode func(body []byte) (page[T], error)
	// id tells items apart: one that comes twice, because the list grew between two
	// pages, is kept once. Nil: keep everything.
	id func(T) int64
}

// list reads every page of a list. It returns ErrTruncated when GitHub holds more than
// the limit, and ErrUnavailable when fewer items came than GitHub counts.
func list[T any](ctx context.Context, c *Client, l listing[T]) ([]T, error) {
	query := url.Values{}
	maps.Copy(query, l.query)
	query.Set("per_page", strconv.Itoa(perPage))
	all := []T{}
	for number := 1; ; {
		if number > 1 {
			query.Set("page", strconv.Itoa(number))
		}
		a, err := c.get(ctx, l.route, l.args, query)
		if err != nil {
			return nil, err
		}
		p, err := l.decode(a.body)
		if err != nil {
			return nil, unavailable("page %d has not the expected shape: %v", number, err)
		}
		all = distinct(append(all, p.items...), l.id)
		next, err := nextPage(a.header, number)
		if err != nil {
			return nil, err
		}
		if len(all) > l.limit || p.total > l.limit {
			return nil, fmt.Errorf("more than %d items: %w", l.limit, ErrTruncated)
		}
		if next == 0 && p.total < 0 && len(p.items) >= perPage {
			// A full page of a list without a count may be the last, or its link got lost on
			// the way. If we stop here, what is on the next page is a hole: so ask for it.
			number++
			continue
		}
		if next == 0 {
			if len(all) < p.total {
				return nil, unavailable("%d items where GitHub counts %d", len(all), p.total)
			}
			return all, nil
		}
		if len(p.items) == 0 {
			return nil, unavailable("page %d is empty and not the last", number)
		}
		number = next
	}
}

// nextPage reads the number of the next page from the Link header; 0 means that there is none.
func nextPage(h http.Header, current int) (int, error) {
	query, err := nextQuery(h)
	if err != nil || query == nil {
		return 0, err
	}
	n, err := strconv.Atoi(query.Get("page"))
	if err != nil || n <= current {
		return 0, unavailable("the link to the next page has no usable number")
	}
	return n, nil
}

// nextQuery is the query of the Link header's address of the next page; nil means that there is
// no such page. A link that cannot be understood is an error, not the end of the list.
//
// Source: https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
func nextQuery(h http.Header) (url.Values, error) {
	for _, link := range strings.Split(strings.Join(h.Values("Link"), ","), ",") {
		address, params, _ := strings.Cut(strings.TrimSpace(link), ">")
		if !strings.Contains(params, `rel="next"`) {
			continue
		}
		u, err := url.Parse(strings.TrimPrefix(address, "<"))
		if err != nil {
			return nil, unavailable("the link to the next page does not parse")
		}
		return u.Query(), nil
	}
	return nil, nil
}

// array decodes a page that is a bare JSON array.
func array[W, T any](convert func(W) (T, error)) func([]byte) (page[T], error) {
	return func(body []byte) (page[T], error) {
		var wire *[]W
		if err := json.Unmarshal(body, &wire); err != nil {
			return page[T]{}, err
		}
		if wire == nil {
			return page[T]{}, errors.New("null instead of a list")
		}
		items, err := convertAll(*wire, convert)
		return page[T]{items: items, total: -1}, err
	}
}

// counted decodes a page that is an object with "total_count" and the list under a key.
func counted[W, T any](key string, convert func(W) (T, error)) func([]byte) (page[T], error) {
	return func(body []byte) (page[T], error) {
		var wire map[string]json.RawMessage
		if err := json.Unmarshal(body, &wire); err != nil {
			return page[T]{}, err
		}
		var total *int
		if err := json.Unmarshal(orNull(wire["total_count"]), &total); err != nil || total == nil || *total < 0 {
			return page[T]{}, errors.New(`no "total_count"`)
		}
		p, err := array(convert)(orNull(wire[key]))
		p.total = *total
		return p, err
	}
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

func convertAll[W, T any](wire []W, convert func(W) (T, error)) ([]T, error) {
	items := make([]T, 0, len(wire))
	for i, w := range wire {
		item, err := convert(w)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		items = append(items, item)
	}
	return items, nil
}

// distinct keeps the first item of each id, in place.
func distinct[T any](items []T, id func(T) int64) []T {
	if id == nil {
		return items
	}
	seen := make(map[int64]bool, len(items))
	kept := items[:0]
	for _, item := range items {
		if !seen[id(item)] {
			seen[id(item)] = true
			kept = append(kept, item)
		}
	}
	return kept
}
