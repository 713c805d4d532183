package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/countersign/countersign/tracing"
)

// collector takes spans over HTTP, as a collector of OpenTelemetry does.
type collector struct {
	url string

	mu     sync.Mutex // guards the rest
	asked  int
	spans  []span
	status int // that it answers with; 0: 200
}

// span is one that arrived.
type span struct {
	*tracepb.Span
	is map[string]string // its attributes
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.asked++; c.status != 0 {
			w.WriteHeader(c.status)
			return
		}
		if err := c.take(r); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

// refuse has the collector answer with a status from now on; 0: it takes everything.
func (c *collector) refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *collector) take(r *http.Request) error {
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return fmt.Errorf("%s %s came to the collector", r.URL, r.Header.Get("Content-Type"))
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			return err
		}
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var in coltracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &in); err != nil {
		return err
	}
	for _, resource := range in.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, span{s, saysOf(s)})
			}
		}
	}
	return nil
}

func saysOf(s *tracepb.Span) map[string]string {
	is := map[string]string{}
	for _, a := range s.Attributes {
		switch v := a.Value.GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			is[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			is[a.Key] = strconv.FormatInt(v.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			is[a.Key] = strconv.FormatBool(v.BoolValue)
		}
	}
	return is
}

// all are the spans that arrived so far.
func (c *collector) all() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// named are the spans with a name, and within a span unless that is nil.
func (c *collector) named(name string, within *tracepb.Span) (found []span) {
	for _, s := range c.all() {
		if s.Name == name && (within == nil || bytes.Equal(s.ParentSpanId, within.SpanId) && bytes.Equal(s.TraceId, within.TraceId)) {
			found = append(found, s)
		}
	}
	return found
}

// traced has the server's spans sent to a collector.
func (w *acme) traced(t *testing.T, c *collector) {
	t.Helper()
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, []byte("otlp_endpoint: "+c.url+"\n"), 0o600))
	w.restart(t)
}

// untraced has what is left sent, and nothing from then on.
func (w *acme) untraced(t *testing.T) {
	t.Helper()
	w.file = ""
	w.restart(t)
}

// Every check run is reached from the delivery that led to it: by the link of the job that published
// it, and of the job that decided it, whose record the check run names.
func TestTraceFromDeliveryToCheckRun(t *testing.T) {
	t.Parallel()
	w, c := startAcme(t, fast), startCollector(t)
	w.traced(t, c)
	pr := w.copilotPull("traced")
	w.wantCheck(t, pr, held)
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
	w.untraced(t)

	deliveries := map[string]span{}
	for _, d := range c.named("delivery", nil) {
		deliveries[string(d.TraceId)+string(d.SpanId)] = d
		if store := c.named("store", d.Span); len(store) != 1 || d.is["countersign.outcome"] != "stored" {
			t.Errorf("delivery %v: %d steps of storing", d.is, len(store))
		}
	}
	decided := map[string]span{} // jobs, by the record
	for _, job := range c.named("job evaluate", nil) {
		for _, step := range []string{"collect", "evaluate", "record"} {
			if len(c.named(step, job.Span)) == 0 {
				t.Errorf("job %v: no step %s", job.is, step)
			}
		}
		for _, r := range c.named("record", job.Span) {
			decided[r.is["countersign.record.id"]] = job
		}
	}
	published := 0
	for _, job := range c.named("job publish", nil) {
		for _, p := range c.named("publish", job.Span) {
			published++
			c.checkPublished(t, p, job, decided[p.is["countersign.record.id"]], deliveries)
			if p.is["countersign.conclusion"] == "success" && job.is["countersign.head_sha"] != pr.HeadSHA() {
				t.Errorf("success was published for %s", job.is["countersign.head_sha"])
			}
		}
	}
	if published < 2 {
		t.Errorf("%d check runs were published: want that it waits, and that it is released", published)
	}
	c.checkRequests(t)
	c.checkWords(t)
	c.checkTable(t)
}

// checkPublished follows a check run back to its delivery.
func (c *collector) checkPublished(t *testing.T, publish, job, decided span, deliveries map[string]span) {
	t.Helper()
	if decided.Span == nil {
		t.Errorf("no job decided what was published as %v", publish.is)
		return
	}
	if job.is["countersign.outcome"] != "done" || decided.is["countersign.outcome"] != "done" {
		t.Errorf("jobs ended with %v and %v", job.is, decided.is)
	}
	for _, from := range []span{job, decided} {
		if len(from.Links) != 1 {
			t.Errorf("%s has %d links", from.Name, len(from.Links))
			continue
		}
		delivery, there := deliveries[string(from.Links[0].TraceId)+string(from.Links[0].SpanId)]
		if !there || delivery.is["countersign.delivery.id"] != from.is["countersign.delivery.id"] || delivery.is["countersign.repository.id"] != from.is["countersign.repository.id"] {
			t.Errorf("%s %v links to %v", from.Name, from.is, delivery.is)
		}
	}
	writes := slices.Concat(c.named("POST /repos/{owner}/{repo}/check-runs", publish.Span), c.named("PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}", publish.Span))
	if len(writes) != 1 || !strings.HasPrefix(writes[0].is["http.response.status_code"], "20") {
		t.Errorf("published by %v", writes)
	}
}

// checkRequests: each request to GitHub is within a step of a job, and its route and answer are said.
func (c *collector) checkRequests(t *testing.T) {
	t.Helper()
	collected := 0
	for _, job := range c.named("job evaluate", nil) {
		for _, step := range c.named("collect", job.Span) {
			for _, s := range c.all() {
				if s.Kind == tracepb.Span_SPAN_KIND_CLIENT && bytes.Equal(s.ParentSpanId, step.SpanId) {
					if collected++; s.Name != s.is["http.request.method"]+" "+s.is["url.template"] || s.is["http.response.status_code"] == "" {
						t.Errorf("request %s %v", s.Name, s.is)
					}
				}
			}
		}
	}
	if len(c.named("POST /graphql", nil)) == 0 || collected < 10 {
		t.Errorf("%d requests were made to collect facts", collected)
	}
}

// checkWords: nothing in a span is a name, a text or a secret.
func (c *collector) checkWords(t *testing.T) {
	t.Helper()
	for _, s := range c.all() {
		bare := proto.CloneOf(s.Span)
		bare.TraceId, bare.SpanId, bare.ParentSpanId, bare.Links = nil, nil, nil, nil // random, and so any word
		text, err := protojson.Marshal(bare)
		mustDo(t, err)
		for _, word := range []string{"acme", "shop", "copilot", "Copilot", "alice", "bob", "traced", hookSecret, "ghs_", "Bearer"} {
			if strings.Contains(string(text), word) {
				t.Errorf("a span says %s: %s", word, text)
			}
		}
		if s.Status.GetMessage() != "" || len(s.Events) > 0 {
			t.Errorf("a span has words of an error: %s", text)
		}
	}
}

// checkTable holds docs/operations.md to what spans say.
func (c *collector) checkTable(t *testing.T) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	mustDo(t, err)
	_, section, _ := strings.Cut(string(src), "\n## Traces\n")
	section, _, _ = strings.Cut(section, "\n## ")
	described := regexp.MustCompile("`([a-z_.]+)`").FindAllString(section, -1)
	for _, s := range c.all() {
		for key := range s.is {
			if !slices.Contains(described, "`"+key+"`") {
				t.Errorf("docs/operations.md does not have %s", key)
			}
		}
	}
}

// A delivery that comes twice has one span that others link to, and one of its own. One that is not
// GitHub's has none.
func TestTraceOfADeliveryThatComesTwice(t *testing.T) {
	t.Parallel()
	w, c := startAcme(t, fast), startCollector(t)
	w.traced(t, c)
	w.wantCheck(t, w.untested("twice"), held)
	d := w.lastDelivery(t, "pull_request")
	mustDo(t, w.app.Redeliver(d.GUID))
	w.mustSettle(t)
	if status := w.deliver(t, d.Event, "forged", "wrong", d.Payload); status != http.StatusUnauthorized {
		t.Fatalf("answered with %d", status)
	}
	w.untraced(t)
	var ids, outcomes []string
	for _, s := range c.named("delivery", nil) {
		switch s.is["countersign.delivery.id"] {
		case d.GUID:
			ids, outcomes = append(ids, hex.EncodeToString(s.SpanId)), append(outcomes, s.is["countersign.outcome"])
		case "forged":
			t.Errorf("a span of what nobody vouches for: %v", s.is)
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] || !slices.Equal(outcomes, []string{"stored", "duplicate"}) {
		t.Errorf("got %v %v", ids, outcomes)
	}
}

// A collector that takes nothing holds nothing up, and that is said once.
func TestTracesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	w, c := startAcme(t, fast), startCollector(t)
	c.refuse(http.StatusForbidden)
	w.traced(t, c)
	w.greenPull(t, "not traced")
	w.untraced(t)
	if c.asked == 0 || len(c.all()) != 0 {
		t.Errorf("the collector was asked %d times and took %d spans", c.asked, len(c.all()))
	}

	var log bytes.Buffer
	sent, err := newTraces(t.Context(), c.url, zerolog.New(&log))
	mustDo(t, err)
	for _, status := range []int{403, 403, 0, 0, 403} {
		c.refuse(status)
		_, span := sent.tracer().Start(t.Context(), "step")
		span.End(nil)
		mustDo(t, sent.provider.ForceFlush(t.Context()))
	}
	mustDo(t, sent.close(t.Context()))
	if refused, again := strings.Count(log.String(), "lost until it does"), strings.Count(log.String(), "takes traces again"); refused != 2 || again != 1 {
		t.Errorf("said was\n%s", log.String())
	}
	if len(c.all()) != 2 {
		t.Errorf("%d spans arrived, want 2", len(c.all()))
	}
}

// Without a collector there are no spans, and nothing else either.
func TestNoTracesUnlessAskedFor(t *testing.T) {
	t.Parallel()
	none, err := newTraces(t.Context(), "", zerolog.Nop())
	if none != nil || err != nil || none.tracer() != (tracing.Tracer{}) {
		t.Errorf("got %v, %v", none, err)
	}
	mustDo(t, none.close(t.Context()))
}
