// Package tracing makes the spans that show what a delivery led to, up to the check run, for those
// who run a collector of OpenTelemetry. Where the spans go is said by whoever runs the program.
//
// Spans tell things apart by GitHub's numeric ids, by commits, routes and our own words, and hold
// nothing that anybody wrote: traces are kept elsewhere, and read by more people than the repositories.
package tracing

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. Its zero value makes none, and costs nothing.
type Tracer struct {
	tracer trace.Tracer // nil: no spans
}

// New makes spans for a provider.
func New(p trace.TracerProvider) Tracer {
	return Tracer{p.Tracer("github.com/countersign/countersign")}
}

// Key names what is known of a span.
type Key string

// What spans say. The ids are GitHub's.
const (
	Delivery     Key = "countersign.delivery.id"      // X-GitHub-Delivery; of a job: the newest that marked it
	Event        Key = "countersign.delivery.event"   // X-GitHub-Event
	Action       Key = "countersign.delivery.action"  //
	Outcome      Key = "countersign.outcome"          // of a delivery or of a job's run
	Attempt      Key = "countersign.job.attempt"      // from 1
	Waited       Key = "countersign.job.waited_ms"    // since the oldest mark that the run serves
	Organisation Key = "countersign.organisation.id"  //
	Installation Key = "countersign.installation.id"  //
	Repository   Key = "countersign.repository.id"    //
	PullRequest  Key = "countersign.pull_request"     // its number
	Head         Key = "countersign.head_sha"         //
	Record       Key = "countersign.record.id"        // of the decision; the external id of the check run
	Verdict      Key = "countersign.verdict"          //
	Conclusion   Key = "countersign.conclusion"       // of the check run; its status until there is one
	Revalidated  Key = "countersign.github.unchanged" // GitHub said that what we had still holds
	Method       Key = "http.request.method"          //
	Route        Key = "url.template"                 // with its parameters as names
	Status       Key = "http.response.status_code"    // missing: no answer
)

// Span is one step of the work. Its zero value is one that nobody looks at.
type Span struct {
	span trace.Span // nil: none
}

// Start begins a step within the one of ctx.
func (t Tracer) Start(ctx context.Context, step string) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	return t.start(ctx, step)
}

func (t Tracer) start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, Span) {
	ctx, span := t.tracer.Start(ctx, name, options...)
	return ctx, Span{span}
}

// Request begins a request to GitHub; its route reads "METHOD /path/{parameter}".
func (t Tracer) Request(ctx context.Context, route string) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	ctx, span := t.start(ctx, route, trace.WithSpanKind(trace.SpanKindClient))
	method, path, _ := strings.Cut(route, " ")
	span.Word(Method, method)
	span.Word(Route, path)
	return ctx, span
}

// Job begins the run of a job, with a trace of its own: a run serves all that marked the job, and
// what marks it while it runs is served by the next. It links to the newest delivery that did.
func (t Tracer) Job(ctx context.Context, kind, delivery string) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer)}
	if delivery != "" {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: ofDelivery(delivery)}))
	}
	ctx, span := t.start(ctx, "job "+kind, options...)
	span.Word(Delivery, delivery)
	return ctx, span
}

// Received is a delivery that was taken, or that could not be.
type Received struct {
	DeliveryID string
	// First is false for one that was here before, and for one that was not stored.
	First bool
	// Began is when it began to arrive, Storing when it was understood and began to be stored.
	Began, Storing time.Time
	// Err is why it was not stored.
	Err error
}

// Received makes the span of a delivery, after the fact: only now is it known whether others may
// link to it. It has to be ended.
func (t Tracer) Received(ctx context.Context, r Received) Span {
	if t.tracer == nil {
		return Span{}
	}
	if r.First {
		ctx = context.WithValue(ctx, first{}, r.DeliveryID)
	}
	// Never part of a trace that the sender names: a header is not signed.
	ctx, span := t.start(ctx, "delivery", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(r.Began))
	span.Word(Delivery, r.DeliveryID)
	_, stored := t.start(ctx, "store", trace.WithTimestamp(r.Storing))
	stored.End(r.Err)
	return span
}

// Word says something of a span. An empty text is not said.
func (s Span) Word(key Key, text string) {
	if s.span != nil && text != "" {
		s.span.SetAttributes(attribute.String(string(key), text))
	}
}

// Number says something of a span. Zero is not said.
func (s Span) Number(key Key, n int64) {
	if s.span != nil && n != 0 {
		s.span.SetAttributes(attribute.Int64(string(key), n))
	}
}

// Yes says that something holds for a span.
func (s Span) Yes(key Key) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Bool(string(key), true))
	}
}

// TraceID is what the span is found by; empty: it is recorded nowhere.
func (s Span) TraceID() string {
	if s.span == nil || !s.span.IsRecording() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// End ends a span. Whether there was an error is said, and not which: its text may be somebody's
// words, and the server's log has it.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}
