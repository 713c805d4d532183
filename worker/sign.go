package worker

import (
	"context"
	"errors"
	"time"
)

// signEvery is how often it is looked for leaves that no checkpoint covers. Whoever publishes a check
// run signs the log; in one in which none is published, nobody else does.
const signEvery = time.Hour

// signLogs has the logs signed from time to time, until ctx ends. The first time is not before the
// witnesses were heard, and a whole interval after the start: if the database is an old copy, whoever
// restored it has that long to say so.
func (w *Worker) signLogs(ctx context.Context) {
	if w.SignEvery < 0 {
		return
	}
	select {
	case <-w.heard:
	case <-ctx.Done():
		return
	}
	w.every(ctx, w.SignEvery, w.Now(), func() {
		if err := w.SignLogs(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error().Err(err).Msg("a log has leaves that no checkpoint covers, and was not signed; that is tried again. docs/ledger.md says what keeps a log from being signed")
		}
	})
}

// SignLogs signs a checkpoint of each log whose newest one does not cover all of it. What keeps a log
// from being signed is an error, and keeps no other log from it. It may run in several processes at
// once: whoever comes second finds the checkpoint there.
func (w *Worker) SignLogs(ctx context.Context) error {
	logs, err := w.Store.LogLines(ctx)
	failed := []error{err}
	for _, l := range logs {
		if l.Signed >= l.Leaves {
			continue
		}
		_, size, err := w.Store.Tenant(l.OrgID).Checkpoint(ctx)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		w.Log.Debug().Int64("organisation", l.OrgID).Int64("size", size).Msg("signed what no checkpoint covered")
	}
	return errors.Join(failed...)
}

// every does something whenever an interval has passed since the last time, until ctx ends. It asks
// the server's clock, which tests move.
func (w *Worker) every(ctx context.Context, interval time.Duration, last time.Time, do func()) {
	ticker := time.NewTicker(sealEvery)
	defer ticker.Stop()
	for {
		if now := w.Now(); now.Sub(last) >= interval {
			last = now
			do()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
