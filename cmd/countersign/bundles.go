package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/web"
)

const (
	// bundlesKept is how many files of one organisation stay, at most, and bundlesLast how long.
	bundlesKept = 5
	bundlesLast = 24 * time.Hour
	// Those that wait for the bucket stay for longer: waitingKept and waitingLast.
	waitingKept = 20
	waitingLast = 7 * 24 * time.Hour
	// bundleBeat is how often whoever makes a bundle says that they are at it.
	bundleBeat = time.Second
)

// bundles makes the bundles that people ask for on the pages, one after the other: one takes the
// memory of a server that decides at the same time.
type bundles struct {
	bundler
	store  *store.Store
	folder string
	server string
	now    func() time.Time
	log    zerolog.Logger
	turn   chan struct{} // whoever put something into it has its turn

	bucket   *lockedBucket // nil: the settings have none
	poll     time.Duration // how often it is looked for files that are to be there
	toUpload chan struct{} // there may be one

	ctx     context.Context // ends when the server stops
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newBundles(b bundler, st *store.Store, folder string, to *lockedBucket, p pace, log zerolog.Logger) *bundles {
	out := &bundles{bundler: b, store: st, folder: folder, server: processName(), now: p.now, log: log, turn: make(chan struct{}, 1),
		bucket: to, poll: cmp.Or(p.poll, uploadPoll), toUpload: make(chan struct{}, 1)}
	out.ctx, out.cancel = context.WithCancel(context.Background())
	return out
}

// pages is what the pages need.
func (b *bundles) pages() *web.Bundles {
	return &web.Bundles{Server: b.server, Start: b.start, Open: b.open, Locks: b.bucket != nil}
}

// stop ends what is being made, and waits until that is on record.
func (b *bundles) stop() {
	b.cancel()
	b.running.Wait()
}

// run deletes what is old, until ctx ends.
func (b *bundles) run(ctx context.Context) {
	sweep := func() {
		if err := b.sweep(ctx); err != nil && ctx.Err() == nil {
			b.log.Error().Err(err).Msg("delete old bundles of evidence")
		}
	}
	sweep()
	regularly(ctx, time.Hour, sweep)
}

// sweep deletes the files, and the rows, of bundles that are a day old, but for those that wait for the bucket.
func (b *bundles) sweep(ctx context.Context) error {
	before := b.now().Add(-bundlesLast)
	orgs, err := b.store.Orgs(ctx)
	if err != nil {
		return err
	}
	waiting := map[string]bool{}
	for _, org := range orgs {
		n := b.store.Tenant(org.ID)
		err = errors.Join(err, n.ForgetBundles(ctx, before, b.now().Add(-waitingLast)))
		ids, listErr := n.WaitingUploads(ctx)
		err = errors.Join(err, listErr)
		for _, id := range ids {
			waiting[b.file(id)] = true
		}
	}
	if err != nil {
		return err // which of the files wait is not known
	}
	for _, pattern := range []string{"*.zip", "*.zip.partial"} {
		files, globErr := filepath.Glob(filepath.Join(b.folder, pattern))
		err = errors.Join(err, globErr)
		for _, file := range files {
			if info, statErr := os.Stat(file); statErr == nil && info.ModTime().Before(before) && !waiting[file] {
				err = errors.Join(err, os.Remove(file))
			}
		}
	}
	return err
}

// file is where the bundle with an id is; ids are from the database, and of hexadecimal digits.
func (b *bundles) file(id string) string { return filepath.Join(b.folder, filepath.Base(id)+".zip") }

// open opens the file of a bundle that was made.
func (b *bundles) open(of store.Bundle) (io.ReadCloser, int64, error) {
	f, err := os.Open(b.file(of.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: %w", web.ErrNotHere, err)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// start does, in the background, what a bundle that this server took is to have done.
func (b *bundles) start(n store.Tenant, login string, taken store.Bundle) {
	b.running.Go(func() {
		r := &bundleRun{bundles: b, tenant: n, login: login, is: taken}
		r.end(b.beating(b.ctx, bundleBeat, func(ctx context.Context) error { return r.keep(ctx, func(*store.Bundle) {}) }, r.do))
	})
}

// bundleRun is one bundle that is being looked at or made.
type bundleRun struct {
	*bundles
	tenant store.Tenant
	login  string

	mu sync.Mutex // guards is
	is store.Bundle
}

// beating runs do while it is kept, every so often, that somebody is at it; ctx ends when that is somebody
// else by now. What could not be kept is for the log.
func (b *bundles) beating(ctx context.Context, beat time.Duration, keep func(context.Context) error, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		regularly(ctx, beat, func() {
			if err := keep(ctx); errors.Is(err, store.ErrNotFound) {
				cancel()
			} else if err != nil && ctx.Err() == nil {
				b.log.Warn().Err(err).Msg("that somebody is at a bundle of evidence could not be kept")
			}
		})
	}()
	err := do(ctx)
	cancel()
	<-ended
	return err
}

// keep changes what is known of the bundle, and keeps it.
func (r *bundleRun) keep(ctx context.Context, change func(*store.Bundle)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.is)
	return r.tenant.KeepBundle(ctx, r.is)
}

// progress is told how far a step is. It keeps nothing: beat does.
func (r *bundleRun) progress(doing string, done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.is.Progress = store.BundleProgress{Doing: doing, Done: done, Total: total}
}

// do looks at the bundle or makes it, when it is its turn.
func (r *bundleRun) do(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	}
	r.mu.Lock()
	is := r.is
	r.mu.Unlock()
	order := bundleOrder{login: r.login, by: is.AskedBy, progress: r.progress}
	if err := json.Unmarshal(is.Query, &order.query); err != nil {
		return fmt.Errorf("what is asked for: %w", err)
	}
	if is.State == store.BundleLooking {
		return r.lookAt(ctx, order)
	}
	order.size = is.LogSize
	return r.make(ctx, order)
}

func (r *bundleRun) lookAt(ctx context.Context, order bundleOrder) error {
	p, err := r.look(ctx, exportedLog{r.tenant}, order)
	if err != nil {
		return err
	}
	preview, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return r.keep(ctx, func(b *store.Bundle) { b.State, b.Preview = store.BundleLooked, preview })
}

// make writes the file. It has its name when it is whole and on record in the log.
func (r *bundleRun) make(ctx context.Context, order bundleOrder) error {
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return fmt.Errorf("%w: %w", errNoRoom, err)
	}
	part, err := openPartial(r.file(r.is.ID))
	if err != nil {
		return fmt.Errorf("%w: %w", errNoRoom, err)
	}
	var manifest string
	sum := sha256.New()
	log := fixedLog{exportedLog{r.tenant}, func(size int64) error { return r.keep(ctx, func(b *store.Bundle) { b.LogSize = size }) }}
	if err := part.write(func(w io.Writer) (err error) {
		_, manifest, err = r.export(ctx, log, order, io.MultiWriter(w, sum))
		return err
	}); err != nil {
		return err
	}
	info, err := os.Stat(r.file(r.is.ID))
	if err != nil {
		return err
	}
	if err := r.makeRoom(ctx); err != nil {
		r.log.Error().Err(err).Msg("delete earlier bundles of evidence")
	}
	return r.made(ctx, manifest, info.Size(), hex.EncodeToString(sum.Sum(nil)))
}

// made keeps that the bundle is made, and has its file put into the bucket if there is one.
func (r *bundleRun) made(ctx context.Context, manifest string, bytes int64, file string) error {
	done := func(b *store.Bundle) { b.State, b.ManifestSHA256, b.Bytes = store.BundleMade, manifest, bytes }
	if r.bucket == nil {
		return r.keep(ctx, done)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done(&r.is)
	err := r.tenant.KeepMade(ctx, r.is, file, r.bucket.until(r.now()))
	r.uploadSoon()
	return err
}

// makeRoom deletes the organisation's oldest files but for the newest few, and for more that wait for the bucket.
func (r *bundleRun) makeRoom(ctx context.Context) error {
	list, err := r.tenant.Bundles(ctx, 1000)
	kept := 1 // the one that is made
	for _, b := range list {
		if b.State != store.BundleMade || b.ID == r.is.ID {
			continue
		}
		most := bundlesKept
		if b.Upload.Waits() {
			most = waitingKept
		}
		if kept++; kept > most {
			if removeErr := os.Remove(r.file(b.ID)); !errors.Is(removeErr, os.ErrNotExist) {
				err = errors.Join(err, removeErr)
			}
		}
	}
	return err
}

// errNoRoom: the folder of the bundles cannot be written.
var errNoRoom = errors.New("the folder for bundles cannot be written")

// end keeps why it failed, also when the server stops.
func (r *bundleRun) end(err error) {
	if err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 5*time.Second)
	defer cancel()
	r.log.Warn().Err(err).Str("organisation", r.login).Str("bundle", r.is.ID).Msg("a bundle of evidence was not made")
	err = r.keep(ctx, func(b *store.Bundle) { b.State, b.Cause = store.BundleFailed, causeInWords(err) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.log.Error().Err(err).Msg("why a bundle of evidence was not made could not be kept")
	}
}

// causeInWords is why a bundle was not made, for people who do not run the server.
func causeInWords(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "The server was stopped before it was done."
	case errors.Is(err, evidence.ErrExport) || errors.Is(err, evidence.ErrPlan):
		text := strings.TrimPrefix(err.Error(), evidence.ErrExport.Error()+": ")
		return strings.ToUpper(text[:1]) + text[1:] + "."
	case errors.Is(err, store.ErrFork):
		return "The log does not extend a checkpoint that was signed, or that a witness knows, so nothing is signed. The page Ledger says more; whoever runs the server runs countersign ledger check."
	case errors.Is(err, store.ErrNotFound):
		return "There is nothing in the log yet that a bundle could be made of."
	case errors.Is(err, errNoRoom):
		return "The server cannot write into its folder for bundles. Whoever runs it finds the cause in its log; COUNTERSIGN_BUNDLE_FOLDER names another folder."
	}
	return "Something on the server failed. Whoever runs it finds the cause in its log."
}

// fixedLog has it kept of how many leaves a bundle is made, before it is: so the same again, after a
// kill, has the same bytes. Before a draw is recorded that is not known yet.
type fixedLog struct {
	exportedLog
	fix func(size int64) error
}

func (l fixedLog) Checkpoint(ctx context.Context, size int64) (signed []byte, of int64, err error) {
	signed, of, err = l.exportedLog.Checkpoint(ctx, size)
	if err == nil {
		err = l.fix(of)
	}
	return signed, of, err
}

func (l fixedLog) RecordDraw(ctx context.Context, body []byte) error {
	if err := l.fix(0); err != nil {
		return err
	}
	return l.exportedLog.RecordDraw(ctx, body)
}
