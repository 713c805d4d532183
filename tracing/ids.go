package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// IDs gives spans their ids: random ones, but to the span of a delivery those that follow from the
// delivery's id. So the run of a job links to it in whichever process it runs, by what is in the job's
// row anyway.
type IDs struct{}

// first marks the context of a delivery that was not here before, of which there is one.
type first struct{}

// NewIDs implements the SDK's generator, for the first span of a trace.
func (IDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if delivery, ok := ctx.Value(first{}).(string); ok {
		of := ofDelivery(delivery)
		return of.TraceID(), of.SpanID()
	}
	var id trace.TraceID
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id, randomSpanID()
}

// NewSpanID implements the SDK's generator, for a span within a trace.
func (IDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return randomSpanID() }

func randomSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

// ofDelivery is the span of a delivery.
func ofDelivery(id string) trace.SpanContext {
	sum := sha256.Sum256([]byte("countersign delivery " + id))
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(sum[:16]), SpanID: trace.SpanID(sum[16:24]), TraceFlags: trace.FlagsSampled, Remote: true,
	})
}
