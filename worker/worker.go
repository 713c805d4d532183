// Package worker takes subjects that deliveries made dirty, looks at them as they are
// now, records what the policy decides and publishes it. Retries live here, nowhere else.
//
// Every job is claimed with a lease that is renewed while it runs and that fences each
// of its writes: a worker that was paused past its lease can write nothing any more.
package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/notify"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/tracing"
	"github.com/countersign/countersign/witness"
)

// Settings of a Worker; all are required but where a default is named.
type Settings struct {
	Store *store.Store
	// Installation gives the client of one installation for one use.
	Installation func(id int64, use gh.Use) (*gh.Client, error)
	// App is our own App.
	App policy.App
	Log zerolog.Logger
	// Owner names this process in leases and logs.
	Owner string
	// Parallel is how many jobs run at a time. Default 32.
	Parallel int
	// Notify tells people of exceptions. Default: nobody is told.
	Notify *notify.Sender
	// Witnesses cosign checkpoints. Default: nobody does.
	Witnesses []*witness.Witness
	// AskEvery is how often a witness is asked about new checkpoints. However many there were in
	// between, the newest is cosigned. Default 5 s.
	AskEvery time.Duration
	// Inbox is the App's own connection, whose list of deliveries is swept. Default: it is not.
	Inbox *gh.Connection
	// SweepEvery is how often that is done, and AskPause the time between two deliveries that are
	// asked for. Default an hour and half a second. Negative: only SweepDeliveries does it.
	SweepEvery, AskPause time.Duration
	// SignEvery is how often logs are signed that nothing else signs. Default an hour. Negative: only
	// SignLogs does it.
	SignEvery time.Duration
	// Evaluated is told the verdict of every decision about a pull request. Default: nobody is.
	Evaluated func(verdict string)
	// Tracer makes the spans of jobs. Its zero value makes none.
	Tracer tracing.Tracer
	// Keep says how long the data of an organisation is kept, by its login. Default: for ever.
	Keep func(login string) Keep
	// WebURL is GitHub's address for people, for links; without a trailing slash.
	WebURL string
	// Pages is the address of our pages for people, without a trailing slash: check runs link to
	// the page of their pull request. Default: to the App, as GitHub does.
	Pages string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Poll is how often the queue is looked at when nothing pokes us. Default 1 s.
	Poll time.Duration
}

const (
	// lease is how long the jobs of a process that was killed wait for another.
	lease = 10 * time.Second
	// sealEvery is how long an observation may wait for its ledger leaf.
	sealEvery = time.Second
)

// Worker runs jobs until its context ends.
type Worker struct {
	Settings
	askers []*asker
	// heard is closed when the witnesses have said what they know, or were waited for in vain.
	heard       chan struct{}
	stopWaiting func()
}

// New makes a worker.
func New(s Settings) *Worker {
	if s.Parallel == 0 {
		s.Parallel = 32
	}
	if s.Poll == 0 {
		s.Poll = time.Second
	}
	if s.AskEvery == 0 {
		s.AskEvery = 5 * time.Second
	}
	if s.SweepEvery == 0 {
		s.SweepEvery = sweepEvery
	}
	if s.SignEvery == 0 {
		s.SignEvery = signEvery
	}
	if s.AskPause == 0 {
		s.AskPause = askPause
	}
	if s.Evaluated == nil {
		s.Evaluated = func(string) {}
	}
	if s.Keep == nil {
		s.Keep = func(string) Keep { return Keep{} }
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	w := &Worker{Settings: s, heard: make(chan struct{})}
	w.stopWaiting = sync.OnceFunc(func() { close(w.heard) })
	for _, one := range s.Witnesses {
		w.askers = append(w.askers, &asker{Witness: one, failed: map[int64]failedAsk{}})
	}
	return w
}

// Run claims and runs jobs until ctx ends, then waits for the running ones. Jobs that
// the end of ctx interrupts are given back at once.
func (w *Worker) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { w.sealObservations(ctx) })
	running.Go(func() { w.hearWitnesses(ctx) })
	running.Go(func() { w.sweepDeliveries(ctx) })
	running.Go(func() { w.signLogs(ctx) })
	running.Go(func() { w.retain(ctx) })
	slots := make(chan struct{}, w.Parallel)
	for ctx.Err() == nil {
		free := w.Parallel - len(slots)
		if free == 0 {
			w.waitForSlot(ctx, slots)
			continue
		}
		jobs, err := w.Store.Claim(ctx, w.Owner, free, lease)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			w.Log.Error().Err(err).Msg("claim jobs")
		}
		for _, job := range jobs {
			slots <- struct{}{}
			running.Go(func() {
				defer func() { <-slots }()
				w.run(ctx, job)
			})
		}
		if len(jobs) < free {
			w.waitForWork(ctx)
		}
	}
	return nil
}

// waitForSlot returns when a running job has ended.
func (w *Worker) waitForSlot(ctx context.Context, slots chan struct{}) {
	select {
	case slots <- struct{}{}: // a slot was free: give it back, the loop claims for it
		<-slots
	case <-ctx.Done():
	}
}

// waitForWork returns when a commit made work, when the next scheduled job is due, or
// after the poll that covers a lost poke.
func (w *Worker) waitForWork(ctx context.Context) {
	wait := w.Poll
	if next, err := w.Store.NextRun(ctx); err == nil && !next.IsZero() {
		wait = min(wait, max(0, next.Sub(w.Now())))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.Store.Wake():
	case <-timer.C:
	case <-ctx.Done():
	}
}

// run runs one job under its lease.
func (w *Worker) run(ctx context.Context, job store.Job) {
	log := w.Log.With().Str("job", job.Kind).Str("delivery", job.DeliveryID).Int64("installation", job.InstallationID).
		Str("repository", job.Repository).Int("pr", job.Number).Logger()
	ctx, log, span := w.trace(ctx, log, job)
	leased, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := w.keepLease(leased, job, cancel)
	defer stop()

	err := w.dispatch(leased, log, job)
	outcome := "done"
	var limited *gh.RateLimitError
	var full *store.WriteLimitError
	switch {
	case err == nil:
	case errors.Is(err, store.ErrLeaseLost) || errors.Is(context.Cause(leased), store.ErrLeaseLost):
		outcome = "lease_lost"
		log.Warn().Msg("lease lost; whoever holds it now does the work")
	case ctx.Err() != nil:
		outcome = "interrupted"
		w.giveBack(log, job)
	case errors.As(err, &limited):
		outcome = "rate_limited"
		w.postpone(ctx, log, job, limited.Until, err)
	case errors.As(err, &full):
		w.await(ctx, log, job, full)
	default:
		outcome = "failed"
		w.retry(ctx, log, job, err)
	}
	span.Word(tracing.Outcome, outcome)
	span.End(err)
}

// trace begins the span of a job's run. The log names its trace, so that one leads to the other.
func (w *Worker) trace(ctx context.Context, log zerolog.Logger, job store.Job) (context.Context, zerolog.Logger, tracing.Span) {
	ctx, span := w.Tracer.Job(ctx, job.Kind, job.DeliveryID)
	span.Number(tracing.Attempt, int64(job.Attempt))
	span.Number(tracing.Waited, w.Now().Sub(job.EnqueuedAt).Milliseconds())
	span.Number(tracing.Organisation, job.OrgID)
	span.Number(tracing.Installation, job.InstallationID)
	span.Number(tracing.Repository, job.RepoID)
	span.Number(tracing.PullRequest, int64(job.Number))
	span.Word(tracing.Head, job.HeadSHA)
	if id := span.TraceID(); id != "" {
		log = log.With().Str("trace", id).Logger()
	}
	return ctx, log, span
}

// postpone puts a job back until GitHub answers again. That is no failed attempt.
func (w *Worker) postpone(ctx context.Context, log zerolog.Logger, job store.Job, until time.Time, cause error) {
	if err := w.Store.Postpone(ctx, job, until, cause.Error()); err != nil {
		log.Error().Err(err).Msg("job could not be put back; its lease will run out and it will be taken again")
	}
}

// await puts a job back until there should be room for what it has to write.
func (w *Worker) await(ctx context.Context, log zerolog.Logger, job store.Job, limit *store.WriteLimitError) {
	if err := w.Store.AwaitWrite(ctx, job, limit); err != nil {
		log.Error().Err(err).Msg("job could not be put back; its lease will run out and it will be taken again")
	}
}

// retry puts a failed job back, later with every attempt. After too many the store calls
// it dead: store.DeadJobs lists it, and any new event about its subject revives it.
func (w *Worker) retry(ctx context.Context, log zerolog.Logger, job store.Job, cause error) {
	if job.Attempt >= store.DefaultMaxAttempts {
		log.Error().Err(cause).Int("attempt", job.Attempt).Msg("job given up; any new event about its pull request takes it up again")
	} else {
		log.Warn().Err(cause).Int("attempt", job.Attempt).Msg("job failed")
	}
	if err := w.Store.Retry(ctx, job, w.Now().Add(backoff(job.Attempt)), cause.Error()); err != nil {
		log.Error().Err(err).Msg("job could not be put back; its lease will run out and it will be taken again")
	}
}

func (w *Worker) dispatch(ctx context.Context, log zerolog.Logger, job store.Job) error {
	if job.Kind == store.KindException {
		return w.exception(ctx, log, job)
	}
	client, err := w.client(job, useOf(job))
	if err != nil {
		return err
	}
	switch job.Kind {
	case store.KindEvaluate:
		return w.evaluate(ctx, log, client, job)
	case store.KindPublish:
		return w.publish(ctx, log, client, job)
	case store.KindGroup:
		return w.group(ctx, log, client, job)
	case store.KindQueue:
		return w.queue(ctx, log, client, job)
	case store.KindBranch:
		return w.branch(ctx, log, client, job)
	case store.KindRegister:
		return w.register(ctx, client, job)
	case store.KindScope:
		return w.scope(ctx, log, client, job)
	case store.KindBackfill:
		return w.backfill(ctx, log, client, job)
	case store.KindReconcile:
		return w.reconcile(ctx, log, client, job)
	case store.KindFirstDay:
		return w.firstDay(ctx, log, client, job)
	}
	return fmt.Errorf("unknown kind of job %q", job.Kind)
}

// client reads and writes for a job, with tokens that are good for that alone. What can wait leaves a
// reserve of GitHub's limits to decisions and to telling them: what nobody waits for, and looks at
// branches that the clock alone asks for.
func (w *Worker) client(job store.Job, use gh.Use) (*gh.Client, error) {
	client, err := w.Installation(job.InstallationID, use)
	if err == nil && canWait(job) {
		client = client.Background()
	}
	return client, err
}

func canWait(job store.Job) bool {
	switch job.Kind {
	case store.KindRegister, store.KindScope, store.KindBackfill, store.KindReconcile, store.KindFirstDay, store.KindException:
		return true
	case store.KindBranch:
		return job.DeliveryID == ""
	}
	return false
}

// useOf is what a job reads and writes. A merge group's reads its queue beside that, an organisation's
// register is found first, and exceptions see to it themselves.
func useOf(job store.Job) gh.Use {
	switch job.Kind {
	case store.KindPublish:
		return gh.ToPublish(job.RepoID)
	case store.KindQueue:
		return gh.ToReadQueue(job.RepoID)
	case store.KindScope, store.KindFirstDay:
		return gh.ToList()
	case store.KindRegister:
		return gh.ToFind()
	case store.KindReconcile:
		return gh.ToCompare()
	case store.KindBackfill:
		return gh.ToWatch()
	case store.KindBranch:
		if canWait(job) {
			return gh.ToWatch()
		}
	}
	return gh.ToRead(job.RepoID)
}

// keepLease renews the lease until stopped, and ends the job's context when it is lost.
func (w *Worker) keepLease(ctx context.Context, job store.Job, lost context.CancelCauseFunc) (stop func()) {
	ticker := time.NewTicker(lease / 3)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				err := w.Store.Renew(ctx, job, lease)
				if errors.Is(err, store.ErrUnfit) { // to another server it may have run out already
					err = fmt.Errorf("%w: %w", store.ErrLeaseLost, err)
				}
				if errors.Is(err, store.ErrLeaseLost) {
					lost(err)
					return
				}
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
	}
}

// giveBack makes an interrupted job runnable at once for the next process. If we die
// before it, the lease runs out and the job is taken all the same.
func (w *Worker) giveBack(log zerolog.Logger, job store.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(context.Background()), 2*time.Second)
	defer cancel()
	if err := w.Store.Postpone(ctx, job, w.Now(), "interrupted by a shutdown"); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		log.Warn().Err(err).Msg("job not given back; its lease will run out")
	}
}

// sealObservations gives observations their leaf in the ledger, in batches.
func (w *Worker) sealObservations(ctx context.Context) {
	ticker := time.NewTicker(sealEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		orgs, err := w.Store.UnsealedOrgs(ctx)
		failed := []error{err}
		for _, org := range orgs {
			_, err := w.Store.Tenant(org).SealObservations(ctx)
			failed = append(failed, err) // those of the others are sealed all the same
		}
		if err := errors.Join(failed...); err != nil && ctx.Err() == nil {
			w.Log.Error().Err(err).Msg("seal observations")
		}
	}
}

// forEachOrg does something for every organisation. What fails for one keeps no other waiting.
func (w *Worker) forEachOrg(ctx context.Context, do func(store.OrgRow, store.Tenant) error) error {
	orgs, err := w.Store.Orgs(ctx)
	failed := []error{err}
	for _, org := range orgs {
		failed = append(failed, do(org, w.Store.Tenant(org.ID)))
	}
	return errors.Join(failed...)
}

// backoff is how long to wait after the n-th failed attempt: 1 s, doubled up to 5 min. A
// write to GitHub whose fate is not known has settled by then.
func backoff(attempt int) time.Duration {
	return min(time.Second<<min(max(attempt-1, 0), 16), 5*time.Minute)
}
