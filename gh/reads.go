package gh

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Read is one answer that GitHub gave.
type Read struct {
	// Route names the request with its parameters as names, for example
	// "GET /repos/{owner}/{repo}/pulls/{number}/files".
	Route string
	// At is when the answer was complete, UTC.
	At time.Time
	// Revalidated is true when GitHub said that what we had is still current (304).
	Revalidated bool
}

// Reads collects the reads made under one context. The zero value is ready; it is safe
// for concurrent use.
type Reads struct {
	mu   sync.Mutex
	list []Read
}

// List returns the reads so far, in the order in which they were answered. "Not found"
// is an answer and is listed; a refusal or a failure is not.
func (r *Reads) List() []Read {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *Reads) add(read Read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, read)
}

type readsKey struct{}

// WithReads returns a context under which every read is also noted in r.
func WithReads(ctx context.Context, r *Reads) context.Context {
	return context.WithValue(ctx, readsKey{}, r)
}

func noteRead(ctx context.Context, read Read) {
	if r, ok := ctx.Value(readsKey{}).(*Reads); ok && r != nil {
		r.add(read)
	}
}
