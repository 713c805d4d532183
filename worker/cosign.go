package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/witness"
)

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

// patience is how long publishing waits at a start for what the witnesses know.
const patience = 10 * time.Second

// hearWitnesses asks the witnesses until ctx ends. At the start each is asked about every log, also
// those that it has cosigned: if the database is an old copy, the witness knows more. Until they
// have answered, or for as long as our patience lasts, heard stays open and nothing is published,
// since that signs a checkpoint. After that nothing waits for a witness.
func (w *Worker) hearWitnesses(ctx context.Context) {
	if err := w.Store.ForgetOtherWitnesses(ctx, w.witnessKeys()); err != nil && ctx.Err() == nil {
		w.Log.Error().Err(err).Msg("forget what witnesses said who are not asked any more")
	}
	limit := time.AfterFunc(patience, w.stopWaiting)
	defer limit.Stop()
	var first, asking sync.WaitGroup
	for _, a := range w.askers {
		first.Add(1)
		asking.Go(func() {
			w.askWitness(ctx, a, true)
			first.Done()
			w.cosign(ctx, a)
		})
	}
	first.Wait()
	w.stopWaiting()
	asking.Wait()
}

func (w *Worker) witnessKeys() (keys []string) {
	for _, a := range w.askers {
		keys = append(keys, a.Key())
	}
	return keys
}

// cosign asks a witness about new checkpoints until ctx ends.
func (w *Worker) cosign(ctx context.Context, a *asker) {
	ticker := time.NewTicker(w.AskEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		w.askWitness(ctx, a, false)
	}
}

// AskWitnesses asks every witness about the checkpoints that it has not cosigned, once.
func (w *Worker) AskWitnesses(ctx context.Context) {
	for _, a := range w.askers {
		w.askWitness(ctx, a, false)
	}
}

func (w *Worker) askWitness(ctx context.Context, a *asker, all bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	logs, err := w.Store.Uncosigned(ctx, a.Key(), all)
	if err != nil && ctx.Err() == nil {
		w.Log.Error().Err(err).Msg("list checkpoints to cosign")
	}
	for _, l := range logs {
		before := a.failed[l.OrgID]
		if w.Now().Before(before.again) || ctx.Err() != nil {
			continue
		}
		log := w.Log.With().Str("witness", a.Name()).Int64("organisation", l.OrgID).Int64("size", l.Size).Logger()
		if err := w.askAbout(ctx, log, a, l); err != nil {
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
// newer than what we know that it cosigned: it is asked again from there, once. A log that it knows
// and that ours does not extend is kept as a contradiction, so that no second history is signed.
func (w *Worker) askAbout(ctx context.Context, log zerolog.Logger, a *asker, l store.Uncosigned) error {
	from := l.Before
	err := w.askFrom(ctx, a, l, from)
	var knows *witness.SizeError
	if errors.As(err, &knows) && knows.Size <= l.Size {
		from = knows.Size
		err = w.askFrom(ctx, a, l, from)
	}
	other := errors.Is(err, witness.ErrInconsistent)
	switch {
	case other:
	case errors.As(err, &knows):
		from = knows.Size
	default:
		return err
	}
	contradicts, failure := w.Store.Tenant(l.OrgID).Contradict(ctx, a.Key(), l.Size, from, other)
	if contradicts {
		log.Error().Int64("knows", from).Msg("the witness knows another log than this one: the database is an old copy, or was changed. Nothing is signed; docs/ledger.md says what to do")
	}
	return errors.Join(err, failure)
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
