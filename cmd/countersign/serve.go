package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/witness"
	"github.com/countersign/countersign/worker"
)

const serveHelp = `countersign serve runs the App: it takes webhooks, decides, records and posts check runs.

Settings come from the environment, or from a YAML file that the environment overrides;
README.md lists them.
Started for the first time without an App, it serves /setup alone, where you register one, and
then goes on (docs/setup.md).
It stops on SIGTERM or Ctrl-C after the running jobs; what it was not done with is taken
up at the next start.

example:
  export GITHUB_APP_INTEGRATION_ID=12345 GITHUB_APP_WEBHOOK_SECRET=... GITHUB_APP_PRIVATE_KEY_FILE=app.pem
  export COUNTERSIGN_PUBLIC_URL=https://countersign.example.com
  countersign serve`

func runServe(ctx context.Context, args []string, env environment) error {
	flags := newFlags("serve", env.stderr, serveHelp)
	file := flags.String("config", "", "YAML `file` with settings")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	load := func() (*config.Config, error) { return config.Load(*file, env.getenv, os.ReadFile) }
	cfg, err := load()
	if err != nil {
		if set, failure := firstStart(ctx, *file, env); failure != nil || !set {
			return cmp.Or(failure, err)
		}
		if cfg, err = load(); err != nil {
			return err
		}
	}
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	log := zerolog.New(env.stderr).Level(level).With().Timestamp().Logger()
	srv, err := newServer(ctx, cfg, log, pace{now: time.Now})
	if err != nil {
		return err
	}
	srv.rotation.load = load
	return srv.run(ctx)
}

// server is the running App: the door for GitHub, the worker, and the store between them.
type server struct {
	github   *gh.Connection
	signIn   *gh.SignIn // nil: nobody signs in
	store    *store.Store
	worker   *worker.Worker
	rotation *rotation
	bundles  *bundles
	http     *http.Server
	listener net.Listener
	metrics  *metricsServer // nil: they are not served
	traces   *traces        // nil: there are none
	log      zerolog.Logger
}

// pace is the server's clock and haste.
type pace struct {
	now func() time.Time
	// noisy is the least time between two evaluations in a burst; zero: the store's default.
	noisy time.Duration
	// patience is how long GitHub may take to answer; zero: gh's default.
	patience time.Duration
	// poll is how often the queue is looked at when nothing pokes; zero: the worker's default.
	poll time.Duration
	// ask is how often witnesses are asked; zero: the worker's default.
	ask time.Duration
	// sweep is how often GitHub's list of deliveries is swept; zero: the worker's default, negative:
	// never by itself.
	sweep time.Duration
	// sign is how often logs are signed that nothing else signs; zero: the worker's default, negative:
	// never by itself.
	sign time.Duration
	// askPause is the time between two deliveries that are asked for; zero: the worker's default.
	askPause time.Duration
}

// newServer opens everything that the App needs and listens; nothing is served yet.
func newServer(ctx context.Context, cfg *config.Config, log zerolog.Logger, p pace) (*server, error) {
	intake, err := gh.NewIntake(cfg.GitHub.App.WebhookSecrets)
	if err != nil {
		return nil, err
	}
	counts := newMetrics(p.now)
	spans, err := newTraces(ctx, cfg.OTLPEndpoint, log)
	if err != nil {
		return nil, err
	}
	connection, err := gh.Connect(gh.Settings{
		V3URL: cfg.GitHub.V3APIURL, V4URL: cfg.GitHub.V4APIURL, AppID: cfg.GitHub.App.IntegrationID,
		PrivateKey: []byte(cfg.GitHub.App.PrivateKey), UserAgent: "countersign/" + version, Timeout: p.patience, Now: p.now, Observe: counts.asked, Tracer: spans.tracer(),
	})
	if err != nil {
		return nil, err
	}
	signIn, err := signInOf(cfg, connection)
	if err != nil {
		return nil, err
	}
	rotation, err := startRotation(cfg, log, intake, connection, signIn)
	if err != nil {
		return nil, err
	}
	key, err := signingKey(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	witnesses, err := witnessesOf(cfg)
	if err != nil {
		return nil, err
	}
	to, err := bucketOf(cfg)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, store.Options{
		URL: cfg.DatabaseURL, Signer: key, Origin: cfg.LogOrigin(), Now: p.now, NoisyInterval: p.noisy, WritesPerMinute: cfg.WritesPerMinute,
	})
	if err != nil {
		return nil, err
	}
	if err := continueLogs(ctx, st, cfg, log); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n  hint: set COUNTERSIGN_LISTEN to an address that is free", err), st.Close())
	}
	counts.measure(st, connection.Budgets)
	metrics, err := listenMetrics(cfg.MetricsListen, counts)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), st.Close())
	}
	door := &handlers.Handlers{Intake: intake, Store: st, AppID: cfg.GitHub.App.IntegrationID, Log: log, Now: p.now, Person: connection.Person,
		Received: counts.received, GitHubSilent: counts.silent, Tracer: spans.tracer()}
	made := newBundles(bundler{key, strings.TrimSuffix(cfg.GitHub.WebURL, "/")}, st, cfg.BundleFolder, to, p, log)
	told := sender(cfg)
	pages, err := openPages(cfg, st, connection, signIn, made, told, p.now, log)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), st.Close())
	}
	return &server{
		github: connection, signIn: signIn,
		store: st, rotation: rotation, bundles: made,
		worker: worker.New(worker.Settings{
			Store: st, Installation: connection.Installation, App: policy.App{ID: cfg.GitHub.App.IntegrationID},
			Log: log, Owner: processName(), Parallel: cfg.Workers, Now: p.now, Poll: p.poll, Notify: told, Witnesses: witnesses, AskEvery: p.ask,
			Keep: func(login string) worker.Keep { return worker.Keep(cfg.KeepOf(login)) }, WebURL: strings.TrimSuffix(cfg.GitHub.WebURL, "/"),
			Pages: pagesAddress(cfg, signIn), Evaluated: counts.evaluated, Tracer: spans.tracer(), Inbox: connection, SweepEvery: p.sweep, SignEvery: p.sign, AskPause: p.askPause,
		}),
		http: &http.Server{
			Handler: door.Routes(pages), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
			WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			TLSConfig: rotation.tls(), ErrorLog: stdlog.New(log.With().Str("level", "warn").Logger(), "", 0),
		},
		listener: listener,
		metrics:  metrics,
		traces:   spans,
		log:      log,
	}, nil
}

// signInOf is how people sign in; nil: the settings have nothing of it.
func signInOf(cfg *config.Config, connection *gh.Connection) (*gh.SignIn, error) {
	o := cfg.GitHub.OAuth
	if o.ClientID == "" {
		return nil, nil
	}
	return connection.SignIn(gh.OAuthApp{ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: cfg.CallbackURL()}, cfg.GitHub.WebURL)
}

// witnessesOf are those who cosign checkpoints.
func witnessesOf(cfg *config.Config) ([]*witness.Witness, error) {
	var out []*witness.Witness
	for i, w := range cfg.Witnesses {
		one, err := witness.New(w.Key, w.URL)
		if err != nil {
			return nil, fmt.Errorf("config: witnesses[%d].key: %w", i, err)
		}
		out = append(out, one)
	}
	return out, nil
}

// stopGrace is how long requests that are under way may take at the end.
const stopGrace = 20 * time.Second

// run serves until ctx ends, then stops taking deliveries, lets the running jobs end
// and closes the store, in this order.
func (s *server) run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	worked, served := make(chan error, 1), make(chan error, 1)
	go func() { worked <- s.worker.Run(work) }()
	go func() { served <- s.serve() }()
	go s.rotation.run(work)
	go s.bundles.run(work)
	s.bundles.startUploads()
	s.metrics.serve(s.log)
	s.log.Info().Stringer("listen", s.listener.Addr()).Str("version", version).Msg("serving")
	go s.sayWhoWeAre(work)
	s.sayWhatIsDead(work)

	var failure error
	select {
	case <-ctx.Done():
		s.log.Info().Msg("stopping")
	case failure = <-served:
	case failure = <-worked:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	stopped := errors.Join(s.http.Shutdown(grace), s.metrics.close())
	stopWork()
	s.bundles.stop()
	<-worked
	if err := s.traces.close(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn().Err(err).Msg("the collector does not take traces")
	}
	return errors.Join(failure, stopped, s.store.Close())
}

func (s *server) serve() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

// sayWhatIsDead names the jobs that were given up, at every start.
func (s *server) sayWhatIsDead(ctx context.Context) {
	dead, err := s.store.DeadJobs(ctx)
	if err != nil {
		s.log.Error().Err(err).Msg("list the jobs that were given up")
	}
	for _, d := range dead {
		s.log.Error().Str("job", d.Kind).Str("repository", d.Repository).Int("pr", d.Number).Str("head", d.HeadSHA).
			Int64("installation", d.InstallationID).Str("delivery", d.DeliveryID).Str("cause", d.Cause).Time("since", d.DiedAt).
			Msg("job given up; any new event about its pull request takes it up again")
	}
}

// sayWhoWeAre asks GitHub as which App we act, so that a wrong key shows at the start and
// not at the first pull request. Serving does not wait for it.
func (s *server) sayWhoWeAre(ctx context.Context) {
	app, err := s.github.Self(ctx)
	switch {
	case err == nil:
		s.log.Info().Int64("app", app.ID).Str("slug", app.Slug).Msg("GitHub knows us")
	case ctx.Err() == nil:
		s.log.Error().Err(err).Msg("GitHub did not say as which App we act. If it refused us, compare GITHUB_APP_INTEGRATION_ID and the private key with the App's settings")
	}
}

func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed"
	}
	return host + "/" + strconv.Itoa(os.Getpid())
}
