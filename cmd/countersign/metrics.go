package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// scrapeTimeout bounds the queries of one scrape.
const scrapeTimeout = 5 * time.Second

// metrics counts what the server does, and measures its database whenever it is asked. No label
// has a name of an organisation, a repository or a person: installations and organisations are
// told apart by GitHub's numeric ids.
type metrics struct {
	registry    *prometheus.Registry
	store       *store.Store
	now         func() time.Time
	started     time.Time // what never happened is as old as the server
	deliveries  *prometheus.CounterVec
	evaluations *prometheus.CounterVec
	requests    *prometheus.CounterVec
	revalidated prometheus.Counter
	budgets     func() []gh.Budget
	failed      prometheus.Counter

	mu sync.Mutex
	// silentSince is since when GitHub does not answer; zero: the newest request was answered.
	silentSince time.Time
}

// What is measured at each scrape.
var (
	jobsDesc       = describe("jobs", "Jobs that are not done.", "kind", "state")
	queueAgeDesc   = describe("queue_age_seconds", "How long the oldest job that is due has waited.", "kind")
	outboxAgeDesc  = describe("outbox_age_seconds", "How long the oldest check run that is not published has waited.")
	leavesDesc     = describe("ledger_leaves", "Leaves of an organisation's log.", "organisation")
	unsignedDesc   = describe("ledger_unsigned_leaves", "Leaves behind the newest checkpoint.", "organisation")
	checkpointDesc = describe("ledger_checkpoint_age_seconds", "Age of the newest checkpoint; of the process, where there is none.", "organisation")
	lostDesc       = describe("lost_deliveries", "Deliveries that GitHub sent and that are not here yet.")
	uploadsDesc    = describe("bundle_uploads_waiting", "Bundles of evidence that are to be in the bucket and are not yet.")
	limitDesc      = describe("github_rate_limit_limit", "An installation's hourly budget; installation 0 is the App itself.", "installation", "resource")
	remainingDesc  = describe("github_rate_limit_remaining", "What is left of it: what GitHub said last, or all of it in an hour in which nothing was asked.", "installation", "resource")
	resetDesc      = describe("github_rate_limit_reset_seconds", "Time until it is whole again; 0: it is.", "installation", "resource")
	writesDesc     = describe("github_writes", "Writes of an installation in the last minute, of all servers.", "installation")
	unwrittenDesc  = describe("github_writes_waiting", "Jobs that wait until their installation may write again.", "installation")
	sweepAgeDesc   = describe("sweep_age_seconds", "Time since GitHub's list of deliveries was read to its end; age of the process, if it never was.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("countersign_"+name, help, labels, nil)
}

func newMetrics(now func() time.Time) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "countersign_" + name, Help: help}, labels)
	}
	m := &metrics{
		registry:    prometheus.NewRegistry(),
		now:         now,
		started:     now(),
		deliveries:  counter("deliveries_total", "Deliveries, by what became of them.", "event", "outcome"),
		evaluations: counter("evaluations_total", "Recorded decisions about pull requests.", "verdict"),
		requests:    counter("github_requests_total", "Requests to GitHub; status 0 is no answer.", "route", "status"),
		revalidated: prometheus.NewCounter(prometheus.CounterOpts{Name: "countersign_github_revalidated_total", Help: "Answers that were taken from the cache after GitHub said that they still hold."}),
		failed:      prometheus.NewCounter(prometheus.CounterOpts{Name: "countersign_scrape_errors_total", Help: "Scrapes in which the database could not be measured."}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "countersign_build_info", Help: "The running version."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.deliveries, m.evaluations, m.requests, m.revalidated, m.failed, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// measure has the database, and what GitHub allows, measured with each scrape.
func (m *metrics) measure(st *store.Store, budgets func() []gh.Budget) {
	m.store, m.budgets = st, budgets
	m.registry.MustRegister(m)
}

// handler serves /metrics.
func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 2 * scrapeTimeout, MaxRequestsInFlight: 2}))
	return mux
}

// metricsServer serves /metrics at an address of its own, so that what is public does not show it.
type metricsServer struct {
	http     *http.Server
	listener net.Listener
}

// listenMetrics listens at the address; nil: there is none.
func listenMetrics(address string, m *metrics) (*metricsServer, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w\n  hint: set COUNTERSIGN_METRICS_LISTEN to an address that is free", err)
	}
	return &metricsServer{&http.Server{Handler: m.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}, listener}, nil
}

func (s *metricsServer) serve(log zerolog.Logger) {
	if s == nil {
		return
	}
	log.Info().Stringer("listen", s.listener.Addr()).Msg("serving metrics")
	go func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("metrics are served no more")
		}
	}()
}

func (s *metricsServer) close() error {
	if s == nil {
		return nil
	}
	return s.http.Close()
}

// received counts a delivery.
func (m *metrics) received(event, outcome string) { m.deliveries.WithLabelValues(event, outcome).Inc() }

// evaluated counts a decision.
func (m *metrics) evaluated(verdict string) { m.evaluations.WithLabelValues(verdict).Inc() }

// asked notes how a request to GitHub went.
func (m *metrics) asked(e gh.Exchange) {
	m.requests.WithLabelValues(e.Route, strconv.Itoa(e.Status)).Inc()
	if e.Revalidated {
		m.revalidated.Inc()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch silent := e.Status == 0 || e.Status >= 500; {
	case !silent:
		m.silentSince = time.Time{}
	case m.silentSince.IsZero():
		m.silentSince = m.now()
	}
}

// silent is since when GitHub does not answer; zero: it does, as far as it was asked.
func (m *metrics) silent() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.silentSince
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, queueAgeDesc, outboxAgeDesc, leavesDesc, unsignedDesc, checkpointDesc, lostDesc, uploadsDesc, sweepAgeDesc,
		limitDesc, remainingDesc, resetDesc, writesDesc, unwrittenDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector. What cannot be measured is left out and counted, so that
// it does not look like zero.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, b := range m.budgets() {
		labels := []string{strconv.FormatInt(b.Installation, 10), b.Resource}
		gauge(limitDesc, float64(b.Limit), labels...)
		gauge(remainingDesc, float64(b.Remaining), labels...)
		reset := 0.0
		if !b.Reset.IsZero() {
			reset = b.Reset.Sub(m.now()).Seconds()
		}
		gauge(resetDesc, max(0, reset), labels...)
	}
	for _, part := range []func(context.Context, setGauge) error{m.queue, m.logs, m.sweeps, m.uploads, m.writes} {
		if err := part(ctx, gauge); err != nil {
			m.failed.Inc()
		}
	}
}

type setGauge func(d *prometheus.Desc, v float64, labels ...string)

func (m *metrics) queue(ctx context.Context, gauge setGauge) error {
	lines, err := m.store.QueueLines(ctx)
	if err != nil {
		return err
	}
	byKind := map[string]store.QueueLine{}
	for _, l := range lines {
		byKind[l.Kind] = l
	}
	// Every kind is there, also at zero: a series that comes and goes cannot be alerted on.
	for _, kind := range []string{store.KindEvaluate, store.KindPublish, store.KindGroup, store.KindQueue, store.KindBranch, store.KindRegister, store.KindScope, store.KindException, store.KindBackfill, store.KindReconcile, store.KindFirstDay} {
		l := byKind[kind]
		for state, n := range map[string]int{"ready": l.Ready, "leased": l.Leased, "waiting": l.Waiting, "dead": l.Dead} {
			gauge(jobsDesc, float64(n), kind, state)
		}
		gauge(queueAgeDesc, m.age(l.OldestReady), kind)
	}
	gauge(outboxAgeDesc, m.age(byKind[store.KindPublish].Oldest))
	return nil
}

func (m *metrics) logs(ctx context.Context, gauge setGauge) error {
	lines, err := m.store.LogLines(ctx)
	for _, l := range lines {
		org := strconv.FormatInt(l.OrgID, 10)
		gauge(leavesDesc, float64(l.Leaves), org)
		gauge(unsignedDesc, float64(l.Leaves-l.Signed), org)
		gauge(checkpointDesc, m.age(m.orStarted(l.SignedAt)), org)
	}
	return err
}

func (m *metrics) uploads(ctx context.Context, gauge setGauge) error {
	waiting, err := m.store.CountUploads(ctx)
	if err == nil {
		gauge(uploadsDesc, float64(waiting))
	}
	return err
}

func (m *metrics) sweeps(ctx context.Context, gauge setGauge) error {
	lost, err := m.store.CountLost(ctx)
	if err != nil {
		return err
	}
	gauge(lostDesc, float64(lost))
	swept, err := m.store.SweptTo(ctx, store.SweepDeliveries)
	if err == nil {
		gauge(sweepAgeDesc, m.age(m.orStarted(swept)))
	}
	return err
}

func (m *metrics) writes(ctx context.Context, gauge setGauge) error {
	lines, err := m.store.WriteLines(ctx)
	for _, l := range lines {
		installation := strconv.FormatInt(l.InstallationID, 10)
		gauge(writesDesc, float64(l.LastMinute), installation)
		gauge(unwrittenDesc, float64(l.Waiting), installation)
	}
	return err
}

// orStarted is when something happened last. What never did must not be missing from an alert, so it
// counts from when the server was started.
func (m *metrics) orStarted(at time.Time) time.Time {
	if at.IsZero() {
		return m.started
	}
	return at
}

// age is how long ago something was, in seconds; 0 for what never was.
func (m *metrics) age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, m.now().Sub(at).Seconds())
}
