package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/countersign/countersign/bucket"
	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/store"
)

const (
	// uploadPoll is how often it is looked for files that are to be in the bucket.
	uploadPoll = 15 * time.Second
	// uploadBeat is how often whoever is at an upload says so.
	uploadBeat = 20 * time.Second
	// uploadAgain is after how long a failed upload is tried again the first time, each time after twice
	// as long, and uploadAgainMost at last.
	uploadAgain     = time.Minute
	uploadAgainMost = time.Hour
)

// startUploads has what waits put into the bucket, if there is one, until stop.
func (b *bundles) startUploads() {
	if b.bucket != nil {
		b.running.Go(b.uploads)
	}
}

// uploads puts one file after the other.
func (b *bundles) uploads() {
	tick := time.NewTicker(b.poll)
	defer tick.Stop()
	for {
		if err := b.uploadDue(b.ctx); err != nil && b.ctx.Err() == nil {
			b.log.Error().Err(err).Msg("look for bundles that are to be in the bucket")
		}
		select {
		case <-b.ctx.Done():
			return
		case <-b.toUpload:
		case <-tick.C:
		}
	}
}

// uploadSoon has it looked for files now.
func (b *bundles) uploadSoon() {
	select {
	case b.toUpload <- struct{}{}:
	default: // that is asked for already
	}
}

// uploadDue puts those files that this server has.
func (b *bundles) uploadDue(ctx context.Context) error {
	orgs, err := b.store.Orgs(ctx)
	for _, org := range orgs {
		n := b.store.Tenant(org.ID)
		due, listErr := n.DueUploads(ctx)
		err = errors.Join(err, listErr)
		for _, of := range due {
			err = errors.Join(err, b.upload(ctx, n, org, of))
		}
	}
	return err
}

// upload puts one file into the bucket. If we are killed anywhere, it is done again after a minute: what is
// in the bucket by then is found there, and put on record once.
func (b *bundles) upload(ctx context.Context, n store.Tenant, org store.OrgRow, due store.Bundle) error {
	file, err := os.Open(b.file(due.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil // it is beside another server, or gone: the page says what to do then
	}
	if err != nil {
		return err
	}
	defer file.Close()
	taken, err := n.TakeUpload(ctx, due.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := b.putTaken(ctx, n, org, taken, file)
	if err == nil {
		err = n.EndUpload(ctx, taken, stored)
	}
	if err == nil {
		b.log.Info().Str("organisation", org.Login).Str("object", stored.Object).Str("version", stored.VersionID).Time("until", stored.LockedUntil).Msg("a bundle of evidence is locked in the bucket")
		return nil
	}
	return b.uploadFailed(ctx, n, org, taken, err)
}

// putTaken puts a file while it is kept that somebody is at it.
func (b *bundles) putTaken(ctx context.Context, n store.Tenant, org store.OrgRow, taken store.Bundle, file *os.File) (store.Stored, error) {
	f := lockedFile{org: org.ID, sha256: taken.Upload.SHA256, bytes: taken.Bytes, until: taken.Upload.LockedUntil}
	var q evidence.Query
	if err := json.Unmarshal(taken.Query, &q); err != nil {
		return store.Stored{}, err
	}
	f.query = q
	var stored store.Stored
	err := b.beating(ctx, uploadBeat, func(ctx context.Context) error { return n.BeatUpload(ctx, taken) }, func(ctx context.Context) (err error) {
		stored, err = b.bucket.put(ctx, f, file)
		return err
	})
	return stored, err
}

// uploadFailed keeps why a file is not in the bucket, also when the server stops.
func (b *bundles) uploadFailed(ctx context.Context, n store.Tenant, org store.OrgRow, taken store.Bundle, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	again, said := againAfter(taken.Upload.Attempts), "Something on the server failed. Whoever runs it finds the cause in its log."
	var p *bucket.Problem
	switch {
	case errors.Is(cause, context.Canceled):
		again, said = 0, "The server was stopped before it was done."
	case errors.As(cause, &p):
		said = p.What
	}
	b.log.Warn().Err(cause).Str("organisation", org.Login).Str("bundle", taken.ID).Stringer("again", again).Msg("a bundle of evidence was not put into the bucket")
	if err := n.FailUpload(ctx, taken, said, again); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// againAfter is how long a failed upload waits, by how often it was tried.
func againAfter(attempts int) time.Duration {
	return min(uploadAgain<<min(max(attempts, 1)-1, 10), uploadAgainMost)
}
