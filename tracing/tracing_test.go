package tracing

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Where no spans are made, nothing is: no memory, and no other context.
func TestNoTracerCostsNothing(t *testing.T) {
	var none Tracer
	ctx, err := t.Context(), errors.New("an error")
	at := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		inner, step := none.Start(ctx, "collect")
		step.End(err)
		inner, request := none.Request(inner, "GET /repos/{owner}/{repo}")
		request.Number(Status, 200)
		request.Yes(Revalidated)
		request.End(nil)
		inner, job := none.Job(inner, "evaluate", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
		job.Word(Outcome, "done")
		job.End(nil)
		span := none.Received(inner, Received{DeliveryID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", First: true, Began: at, Storing: at})
		span.End(err)
		if inner != ctx || span.TraceID() != "" {
			t.Fatal("something was made")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A delivery's span is known by its id alone, and no other span has its ids.
func TestIDs(t *testing.T) {
	a, again, b := ofDelivery("a"), ofDelivery("a"), ofDelivery("b")
	if !a.IsValid() || !a.Equal(again) || a.TraceID() == b.TraceID() || a.SpanID() == b.SpanID() {
		t.Errorf("got %v, %v and %v", a, again, b)
	}
	if of, span := (IDs{}).NewIDs(context.WithValue(t.Context(), first{}, "a")); of != a.TraceID() || span != a.SpanID() {
		t.Errorf("got %s %s, want %v", of, span, a)
	}
	seen := map[string]bool{}
	for range 100 {
		of, span := (IDs{}).NewIDs(t.Context())
		child := (IDs{}).NewSpanID(t.Context(), of)
		for _, id := range []string{of.String(), span.String(), child.String()} {
			if seen[id] {
				t.Fatalf("%s came twice", id)
			}
			seen[id] = true
		}
	}
}
