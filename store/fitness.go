package store

import (
	"context"
	"sync"
	"time"
)

// fitEvery is how often a process that works looks whether it may still rely on the database.
const fitEvery = time.Second

// fitness is what was found when that was looked at last.
type fitness struct {
	mu  sync.Mutex // held while it is looked at
	at  time.Time
	err error
}

// fit returns ErrUnfit while the database would lose what was committed, or its clock is not ours.
func (s *Store) fit(ctx context.Context) error {
	if s.engine.fit == nil {
		return nil
	}
	return s.engine.fit(ctx, s.read)
}

// stillFit is fit, asked a moment ago at most. Leases are told by clocks: a process whose clock is
// wrong takes no work and keeps none, since to another one its leases have run out, and both would
// do it.
func (s *Store) stillFit(ctx context.Context) error {
	f := &s.fitness
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at.IsZero() && time.Since(f.at) < fitEvery { // by the clock that nobody sets
		return f.err
	}
	err := s.fit(ctx)
	if ctx.Err() == nil { // else this says nothing to the others
		f.err, f.at = err, time.Now()
	}
	return err
}
