package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// firstDayRequests is about how many requests are made in one run, and firstDayPause what is waited
	// before the next one: 1,800 in an hour, of at least 5,000 that an installation has.
	firstDayRequests = 60
	firstDayPause    = 2 * time.Minute
	// firstDayBurst is how many are made at once at first: a small organisation need not wait.
	firstDayBurst = 300
	// enlargedQuiet is how long it is waited for more repositories to be added, and enlargedEvery how
	// long after a report the next one is made because of them.
	enlargedQuiet = 10 * time.Minute
	enlargedEvery = 24 * time.Hour
)

// errAnotherFirstDay ends a run: the report was asked for anew, or made by hand, or the App is gone.
var errAnotherFirstDay = errors.New("the report is not to be made any more")

// firstDayJob is one run of the job that makes the report of an organisation.
type firstDayJob struct {
	*firstDayReader
	log zerolog.Logger
	job store.Job
	ask store.FirstDayAsk
}

// firstDay makes the report of the first day, a little in each run. If we stop anywhere, it goes on from
// where it was kept last, and what was read since is read again.
func (w *Worker) firstDay(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	ask, err := tenant.FirstDayAsk(ctx)
	if errors.Is(err, store.ErrNotFound) || err == nil && !ask.EndedAt.IsZero() && ask.EnlargedAt.IsZero() {
		return w.Store.Finish(ctx, job)
	}
	if err != nil {
		return err
	}
	tired := job.Attempt >= branchAttempts
	j := &firstDayJob{log: log, job: job, ask: ask, firstDayReader: &firstDayReader{Worker: w, tenant: tenant, installation: job.InstallationID,
		read:   func(_ context.Context, ask func() error) error { return ask() },
		passes: func(err error) bool { return !tired || errors.Is(err, gh.ErrRateLimited) },
	}}
	if err := j.resume(); err != nil {
		return err
	}
	if !ask.EndedAt.IsZero() {
		err = j.enlarged(ctx, client)
	} else {
		err = j.readOn(ctx)
	}
	switch {
	case errors.Is(err, errAnotherFirstDay):
		return w.Store.Finish(ctx, job)
	case err != nil && tired && !errors.Is(err, gh.ErrRateLimited) && !errors.Is(err, store.ErrLeaseLost) && ctx.Err() == nil:
		log.Warn().Err(err).Msg("the report of the first day cannot be made now")
		return w.Store.FinishUntil(ctx, job, w.Now().Add(branchEvery))
	}
	return err
}

// resume takes up the reading where it was kept.
func (j *firstDayJob) resume() error {
	j.reading = newFirstDayReading(ownerOf(j.job.Repository), j.Now(), j.ask.AskedAt.Add(-store.FirstDayReach))
	if len(j.ask.Reading) == 0 {
		return nil
	}
	if err := json.Unmarshal(j.ask.Reading, j.reading); err != nil {
		return fmt.Errorf("decode how far the first day's report is: %w", err)
	}
	return nil
}

// readOn reads until the run has asked enough, or the report is made.
func (j *firstDayJob) readOn(ctx context.Context) error {
	most := max(firstDayRequests, firstDayBurst-j.reading.Asked)
	for j.asked < most && !j.gaveUp && !j.reading.ended() {
		failed := j.step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if j.reading.ended() {
			break
		}
		why := ""
		if failed != nil && !errors.Is(failed, gh.ErrRateLimited) {
			why, _ = firstDayCause(failed)
		}
		if err := j.save(ctx, why); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
	switch {
	case j.reading.ended():
		return j.end(ctx)
	case j.gaveUp: // what comes next may be read in an hour
		return j.Store.FinishUntil(ctx, j.job, j.Now().Add(branchEvery))
	}
	return j.Store.FinishUntil(ctx, j.job, j.Now().Add(firstDayPause))
}

// save keeps how far it is.
func (j *firstDayJob) save(ctx context.Context, why string) error {
	kept := *j.reading
	kept.Report = kept.Report.WithoutWords()
	reading, err := json.Marshal(&kept)
	if err != nil {
		return fmt.Errorf("encode how far the first day's report is: %w", err)
	}
	j.ask.Reading = reading
	p := store.FirstDayProgress{Stage: j.reading.Stage, Why: why}
	p.Done, p.Total = j.reading.progress()
	return another(j.tenant.SaveFirstDay(ctx, j.job, j.ask, j.reading.ListedAt, p))
}

// another tells what the store says of a report that is not the one to be made from other errors.
func another(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errAnotherFirstDay
	}
	return err
}

// end keeps the report, and which repositories it is of.
func (j *firstDayJob) end(ctx context.Context) error {
	report := j.reading.Report
	if err := j.onlyKnown(); err != nil {
		return err
	}
	if err := another(j.tenant.EndFirstDay(ctx, j.job, j.ask, j.reading.ListedAt, report)); err != nil {
		return err
	}
	j.log.Info().Int("looked_at", report.All.Looked).Int("held", report.All.Held).Msg("the report of the first day is made")
	// If we stop here, the job is taken again and finds it ended. Repositories may have been added meanwhile.
	return j.Store.FinishUntil(ctx, j.job, j.Now())
}

// onlyKnown leaves of the reading which repositories were looked through.
func (j *firstDayJob) onlyKnown() (err error) {
	r := j.reading.Report
	j.ask.Reading, err = json.Marshal(&firstDayReading{Report: policy.NewFirstDay(r.Organisation, r.At, r.Since), Known: j.reading.Known, Finished: true})
	if err != nil {
		return fmt.Errorf("encode which repositories the first day's report is of: %w", err)
	}
	return nil
}

// enlarged has the report made anew if repositories that were added since have anything to say.
func (j *firstDayJob) enlarged(ctx context.Context, client *gh.Client) error {
	at := j.ask.EnlargedAt.Add(enlargedQuiet)
	if later := j.ask.EndedAt.Add(enlargedEvery); later.After(at) {
		at = later
	}
	if j.Now().Before(at) {
		return j.Store.FinishUntil(ctx, j.job, at)
	}
	listed := j.Now()
	list, _, err := client.InstalledRepositories(ctx)
	if err != nil {
		return err
	}
	for _, repo := range list {
		if slices.Contains(j.reading.Known, repo.ID) {
			continue
		}
		if j.asked >= firstDayRequests { // the next run goes on with those that are not known yet
			return j.saveKnown(ctx, time.Time{}, firstDayPause)
		}
		some, err := j.merges(ctx, repo)
		if err != nil {
			return err
		}
		if some {
			// If we stop in between, the job is taken again and makes it.
			if err := j.tenant.AskFirstDay(ctx); err != nil {
				return err
			}
			return j.Store.Finish(ctx, j.job)
		}
		j.reading.Known = append(j.reading.Known, repo.ID)
	}
	return j.saveKnown(ctx, listed, 0)
}

// merges says whether anything was merged in a repository. Where GitHub does not show it there is
// nothing to say.
func (j *firstDayJob) merges(ctx context.Context, repo gh.ListedRepository) (bool, error) {
	if repo.Archived {
		return false, nil
	}
	client, err := j.Installation(j.installation, gh.ToWatch())
	if err != nil {
		return false, err
	}
	j.asked++
	list, err := client.Background().MergedPulls(ctx, repoOf(repo.FullName), repo.ID, j.Now().Add(-store.FirstDayReach))
	switch {
	case errors.Is(err, gh.ErrTruncated):
		return true, nil
	case errors.Is(err, gh.ErrNotFound):
		return false, nil
	}
	return len(list) > 0, err
}

// saveKnown keeps which repositories have nothing to say, as of a list of them; zero: it goes on.
func (j *firstDayJob) saveKnown(ctx context.Context, listed time.Time, pause time.Duration) error {
	if err := j.onlyKnown(); err != nil {
		return err
	}
	if err := another(j.tenant.SaveFirstDay(ctx, j.job, j.ask, listed, store.FirstDayProgress{})); err != nil {
		return err
	}
	return j.Store.FinishUntil(ctx, j.job, j.Now().Add(pause))
}
