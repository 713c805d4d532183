package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// sweepEvery is how often GitHub's list of deliveries is read.
	sweepEvery = time.Hour
	// sweepRetry is how long the next attempt waits when that failed.
	sweepRetry = 5 * time.Minute
	// deliveriesReach is how far back GitHub keeps deliveries.
	deliveriesReach = 72 * time.Hour
	// sweepOverlap is read once more each time: GitHub lists an attempt some time after it was made.
	sweepOverlap = 10 * time.Minute
	// askAgainAfter is how long a delivery that was asked for may take to come. It is shorter than
	// the time between two sweeps, so that each asks for what the one before asked for in vain.
	askAgainAfter = 50 * time.Minute
	// askAtMost bounds what one sweep asks for. With the pages of the list, it stays below the 5,000
	// requests in an hour that the App itself has.
	askAtMost = 3000
	// askPause is the time between two of them: a write is 5 of the 900 points in a minute that GitHub
	// allows, and what comes back wants to be evaluated.
	askPause = 500 * time.Millisecond
)

// sweepDeliveries sweeps at the start and then from time to time, until ctx ends.
func (w *Worker) sweepDeliveries(ctx context.Context) {
	if w.Inbox == nil || w.SweepEvery < 0 {
		return
	}
	for again := true; again; {
		wait := w.SweepEvery
		if err := w.SweepDeliveries(ctx); err != nil && ctx.Err() == nil {
			wait = min(wait, sweepRetry)
			w.Log.Error().Err(err).Dur("again_in", wait).Msg("GitHub's list of deliveries could not be swept; that is tried again")
		}
		again = w.pause(ctx, wait)
	}
}

// SweepDeliveries reads which deliveries GitHub sent, notes those that are not here, whatever they
// were answered with, and asks for them again, once. What cannot be got back becomes a blind interval.
func (w *Worker) SweepDeliveries(ctx context.Context) error {
	began := w.Now()
	last, err := w.Store.SweptTo(ctx, store.SweepDeliveries)
	if err != nil {
		return err
	}
	from := began.Add(-deliveriesReach)
	if overlap := last.Add(-sweepOverlap); overlap.After(from) {
		from = overlap
	}
	lost := 0
	err = w.Inbox.Deliveries(ctx, from, func(attempts []gh.DeliveryAttempt) error {
		n, err := w.Store.NoteLost(ctx, lostOf(attempts))
		lost += n
		return err
	})
	if err == nil && !last.IsZero() && last.Before(from) {
		err = w.unswept(ctx, last, from)
	}
	if err == nil {
		err = w.reconcileAfterOutage(ctx, last, began, lost)
	}
	if err == nil {
		// If we stop here, the same part of the list is read again, and nothing is noted twice: what
		// was not read ends where this reading began.
		err = w.Store.SetSweptTo(ctx, store.SweepDeliveries, began)
	}
	if lost > 0 {
		w.Log.Warn().Int("deliveries", lost).Msg("deliveries of GitHub are not here and are asked for again")
	}
	// What an earlier sweep noted is asked for also when this one could not read the list.
	return errors.Join(err, w.askForLost(ctx, began))
}

// unswept opens the exceptions, one for each organisation, about a time of which the list of
// deliveries was never read, once it was read from the end of that time on.
func (w *Worker) unswept(ctx context.Context, from, to time.Time) error {
	e := w.lostException(fmt.Sprintf("deliveries unread since %d", from.UnixMicro()), fmt.Sprintf(
		"GitHub keeps for three days which events it sent. From %s to %s nobody looked, so events that did not arrive then are missing, and nobody can say which.",
		policy.WhenUTC(from), policy.WhenUTC(to)))
	return w.forEachOrg(ctx, func(_ store.OrgRow, tenant store.Tenant) error {
		installation, err := tenant.Installation(ctx)
		if err == nil && installation != 0 {
			_, _, err = tenant.OpenException(ctx, e, installation)
		}
		return err
	})
}

func (w *Worker) lostException(subject, reason string) store.Exception {
	return follow(store.Exception{Kind: store.ExceptionBlind, Subject: subject, Severity: policy.SeverityHigh, Reason: reason}, (*policy.Policy)(nil).Followed(), w.Now())
}

func lostOf(attempts []gh.DeliveryAttempt) (list []store.LostDelivery) {
	for _, a := range attempts {
		list = append(list, store.LostDelivery{
			DeliveryID: a.GUID, AttemptID: a.ID, Event: a.Event, Action: a.Action, InstallationID: a.InstallationID, RepoID: a.RepoID, SentAt: a.At,
		})
	}
	return list
}

// askForLost asks for lost deliveries again, oldest first, and gives up those that GitHub has no
// more.
func (w *Worker) askForLost(ctx context.Context, now time.Time) error {
	notSince := now.Add(-askAgainAfter)
	lost, err := w.Store.LostDeliveries(ctx, notSince, askAtMost)
	if err != nil {
		return err
	}
	var gone []store.LostDelivery
	for i, d := range lost {
		if now.Sub(d.SentAt) > deliveriesReach {
			gone = append(gone, d)
			continue
		}
		if i > 0 && !w.pause(ctx, w.AskPause) {
			break
		}
		err = w.askForOne(ctx, d, notSince)
		if errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrInvalid) {
			gone, err = append(gone, d), nil
		}
		if err != nil { // GitHub is not well, or we asked for too much: the rest waits for the next sweep
			break
		}
	}
	return errors.Join(err, w.giveUp(ctx, gone))
}

// askForOne marks before it asks. If we stop between the two, the next sweep asks.
func (w *Worker) askForOne(ctx context.Context, d store.LostDelivery, notSince time.Time) error {
	ours, err := w.Store.AskFor(ctx, d.DeliveryID, notSince)
	if err != nil || !ours {
		return err
	}
	return w.Inbox.Redeliver(ctx, d.AttemptID)
}

// pause waits, and is false when ctx ends before that.
func (w *Worker) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// place is where a lost delivery came from.
type place struct{ installation, repo int64 }

// giveUp records what cannot be got back, one exception for each repository.
func (w *Worker) giveUp(ctx context.Context, gone []store.LostDelivery) error {
	by := map[place][]store.LostDelivery{}
	for _, d := range gone {
		at := place{d.InstallationID, d.RepoID}
		by[at] = append(by[at], d)
	}
	places := slices.SortedFunc(maps.Keys(by), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.installation, b.installation), cmp.Compare(a.repo, b.repo))
	})
	var failed []error
	for _, at := range places {
		log := w.Log.With().Int64("installation", at.installation).Int64("repository_id", at.repo).Int("deliveries", len(by[at])).Logger()
		failed = append(failed, w.giveUpAt(ctx, log, at, by[at])) // one broken log keeps no other waiting
	}
	return errors.Join(failed...)
}

func (w *Worker) giveUpAt(ctx context.Context, log zerolog.Logger, at place, gone []store.LostDelivery) error {
	org, err := w.Store.OrgOf(ctx, at.installation)
	if errors.Is(err, store.ErrNotFound) {
		log.Error().Msg("deliveries are lost for good, and nobody knows whose they were")
		return w.Store.ForgetLost(ctx, gone)
	}
	if err != nil {
		return err
	}
	log.Error().Int64("organisation", org).Msg("deliveries are lost for good; that is recorded as a blind interval")
	tenant := w.Store.Tenant(org)
	name, err := tenant.RepositoryName(ctx, at.repo)
	if err != nil {
		return err
	}
	return tenant.GiveUpLost(ctx, gone, at.installation, func(gone []store.LostDelivery) store.Exception {
		oldest := slices.MinFunc(gone, func(a, b store.LostDelivery) int { return a.SentAt.Compare(b.SentAt) })
		e := w.lostException("delivery "+oldest.DeliveryID, lostReason(gone))
		if name != "" { // else it is the organisation's
			e.RepoID, e.Repository = at.repo, name
		}
		return e
	})
}

// lostReason says which events are lost, and of when.
func lostReason(gone []store.LostDelivery) string {
	count, from, to := map[string]int{}, gone[0].SentAt, gone[0].SentAt
	for _, d := range gone {
		count[strings.Trim(d.Event+" "+d.Action, " ")]++
		if d.SentAt.Before(from) {
			from = d.SentAt
		}
		if d.SentAt.After(to) {
			to = d.SentAt
		}
	}
	var events []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		events = append(events, fmt.Sprintf("%d of %.60s", count[name], name))
	}
	const most = 20
	if len(events) > most {
		events = append(events[:most], "and others")
	}
	return fmt.Sprintf("GitHub sent events between %s and %s that did not arrive and cannot be got back, so what they told is not known: %s.",
		policy.WhenUTC(from), policy.WhenUTC(to), strings.Join(events, ", "))
}
