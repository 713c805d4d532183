package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/witness"
)

// cosignEvery is how often a witness is asked about new checkpoints. However many there were in
// between, the newest is cosigned.
const cosignEvery = 5 * time.Second

// asker asks one witness. It remembers which logs it has to wait with, until a restart.
type asker struct {
	*witness.Witness

	mu     sync.Mutex
	failed map[int64]failedAsk // by organisation
}

// failedAsk is how often a witness did not cosign a log in a row, and when it is asked again.
type failedAsk struct {
	times int
	again time.Time
}

// cosign asks a witness until ctx ends. Nothing waits for it: a checkpoint is in use before
// anybody cosigned it.
func (w *Worker) cosign(ctx context.Context, a *asker) {
	ticker := time.NewTicker(cosignEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		w.askWitness(ctx, a)
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// AskWitnesses asks every witness about the checkpoints that it has not cosigned, once.
func (w *Worker) AskWitnesses(ctx context.Context) {
	for _, a := range w.askers {
		w.askWitness(ctx, a)
	}
}

func (w *Worker) askWitness(ctx context.Context, a *asker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	logs, err := w.Store.Uncosigned(ctx, a.Key())
	if err != nil && ctx.Err() == nil {
		w.Log.Error().Err(err).Msg("list checkpoints to cosign")
	}
	for _, l := range logs {
		before := a.failed[l.OrgID]
		if w.Now().Before(before.again) || ctx.Err() != nil {
			continue
		}
		log := w.Log.With().Str("witness", a.Name()).Int64("organisation", l.OrgID).Int64("size", l.Size).Logger()
		if err := w.askAbout(ctx, a, l); err != nil {
			if ctx.Err() == nil {
				a.failed[l.OrgID] = failedAsk{before.times + 1, w.Now().Add(backoff(before.times + 1))}
				log.Warn().Err(err).Int("attempt", before.times+1).Msg("a checkpoint was not cosigned")
			}
			continue
		}
		delete(a.failed, l.OrgID)
		log.Debug().Msg("a checkpoint was cosigned")
	}
}

// askAbout has a witness cosign the newest checkpoint of a log. What the witness knows may be
// newer than what we know that it cosigned: it is asked again from there, once.
func (w *Worker) askAbout(ctx context.Context, a *asker, l store.Uncosigned) error {
	err := w.askFrom(ctx, a, l, l.Before)
	var knows *witness.SizeError
	if !errors.As(err, &knows) {
		return err
	}
	if knows.Size > l.Size {
		return fmt.Errorf("the witness has seen a longer log, so this one may be an old copy: %w", err)
	}
	return w.askFrom(ctx, a, l, knows.Size)
}

func (w *Worker) askFrom(ctx context.Context, a *asker, l store.Uncosigned, old int64) error {
	tenant := w.Store.Tenant(l.OrgID)
	signed, proof, err := tenant.Extension(ctx, old, l.Size)
	if err != nil {
		return err
	}
	lines, err := a.Cosign(ctx, old, proof, signed)
	if err != nil {
		return err
	}
	// If we stop here, the witness knows this size and we do not know that it does: it says so.
	return tenant.Cosign(ctx, l.Size, a.Key(), lines)
}
