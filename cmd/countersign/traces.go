package main

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/countersign/countersign/tracing"
)

// flushPatience bounds how long the last spans may take to be sent at the end.
const flushPatience = 3 * time.Second

// traces sends spans to a collector; nil: there are none.
type traces struct {
	provider *sdktrace.TracerProvider
}

// newTraces sends spans to the collector at the endpoint; without one there are none. Everything else
// (headers, certificates, sampling, limits) is OpenTelemetry's own, from its variables. Nothing waits
// for the collector: what it does not take in time is lost.
func newTraces(ctx context.Context, endpoint string, log zerolog.Logger) (*traces, error) {
	if endpoint == "" {
		return nil, nil
	}
	address, err := url.JoinPath(endpoint, "v1", "traces")
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(address))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "countersign"), attribute.String("service.version", version), attribute.String("service.instance.id", processName())),
		resource.WithFromEnv(), // which wins
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	log.Info().Str("collector", address).Msg("traces are sent")
	return &traces{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&loggedExporter{SpanExporter: exporter, log: log}),
		sdktrace.WithResource(about), sdktrace.WithIDGenerator(tracing.IDs{}),
	)}, nil
}

func (t *traces) tracer() tracing.Tracer {
	if t == nil {
		return tracing.Tracer{}
	}
	return tracing.New(t.provider)
}

// close sends what is left.
func (t *traces) close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushPatience)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// loggedExporter tells our log, once, that the collector takes nothing. The SDK would tell a handler
// that is the process's own.
type loggedExporter struct {
	sdktrace.SpanExporter
	log     zerolog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.failing.Swap(true):
		e.log.Warn().Err(err).Msg("the collector does not take traces; they are lost until it does")
	case err == nil && e.failing.Swap(false):
		e.log.Info().Msg("the collector takes traces again")
	}
	return nil
}
