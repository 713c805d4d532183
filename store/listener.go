package store

import (
	"context"
	"time"
)

// listenAgain is how long after its connection was lost a listener makes another one.
const listenAgain = time.Second

// listener pokes when another process made work.
type listener struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// startListener listens until it is stopped. Why a connection was lost is not told: whoever waits
// for a poke also looks by himself, and reading and writing say that the database is gone.
func startListener(listen func(ctx context.Context, heard func()) error, poke func()) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		for ctx.Err() == nil {
			_ = listen(ctx, poke)
			select {
			case <-time.After(listenAgain):
			case <-ctx.Done():
			}
		}
	}()
	return l
}

// stop may be called more than once, also on nil.
func (l *listener) stop() {
	if l != nil {
		l.cancel()
		<-l.ended
	}
}
