package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
)

const (
	// retainEvery is how often it is looked for what is kept no longer, at most.
	retainEvery = time.Hour
	// payloadsOfNobody is how long payloads are kept that belong to no organisation.
	payloadsOfNobody = 30 * 24 * time.Hour
)

// Keep is how long what an organisation has is kept; 0: forever.
type Keep struct{ Records, Observations, Deliveries, Uninstalled time.Duration }

// retain disposes of what is kept no longer, with the first look at once. A process that stops in
// between leaves nothing half done: each transaction is whole and has its certificate.
func (w *Worker) retain(ctx context.Context) {
	w.every(ctx, retainEvery, time.Time{}, func() {
		if err := w.disposeAll(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error().Err(err).Msg("dispose of what is kept no longer; that is tried again in an hour")
		}
	})
}

func (w *Worker) disposeAll(ctx context.Context) error {
	failed := w.forEachOrg(ctx, func(org store.OrgRow, tenant store.Tenant) error {
		done, err := w.dispose(ctx, org, tenant, w.Keep(org.Login))
		if n := done.Records + done.Observations + done.Deliveries; n > 0 {
			w.Log.Info().Int64("org", org.ID).Int64("records", done.Records).Int64("observations", done.Observations).
				Int64("payloads", done.Deliveries).Int64("blobs", done.Blobs).Msg("disposed of what is kept no longer")
		}
		return err
	})
	gone, err := w.Store.DisposeUnowned(ctx, w.Now().Add(-payloadsOfNobody))
	if gone > 0 {
		w.Log.Info().Int64("payloads", gone).Msg("disposed of payloads that could not be read and belong to no organisation")
	}
	return errors.Join(failed, err)
}

func (w *Worker) dispose(ctx context.Context, org store.OrgRow, tenant store.Tenant, keep Keep) (store.Purged, error) {
	now := w.Now()
	if at := org.UninstalledAt; !at.IsZero() && keep.Uninstalled > 0 && !now.Before(at.Add(keep.Uninstalled)) {
		return tenant.PurgeUninstalled(ctx, fmt.Sprintf("The App was uninstalled on %s, and %s have passed.", at.Format(time.DateOnly), days(keep.Uninstalled)))
	}
	var p store.Purge
	p.Reason = store.ReasonRetention
	for _, k := range []struct {
		what string
		keep time.Duration
		into *time.Time
	}{
		{"Records are", keep.Records, &p.Records}, {"What events said is", keep.Observations, &p.Observations}, {"Payloads of deliveries are", keep.Deliveries, &p.Deliveries},
	} {
		if k.keep > 0 {
			*k.into = now.Add(-k.keep)
			p.Why += fmt.Sprintf("%s kept for %s. ", k.what, days(k.keep))
		}
	}
	p.Why = strings.TrimSpace(p.Why)
	return tenant.Purge(ctx, p)
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", d/(24*time.Hour)) }
