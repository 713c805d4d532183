package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// A new installation has a higher id. What is delivered late of an older one says nothing.
	updateInstalled   = `UPDATE orgs SET installation_id = $2, uninstalled_at = 0 WHERE org_id = $1 AND installation_id < $2`
	updateUninstalled = `UPDATE orgs SET installation_id = $2, uninstalled_at = $3 WHERE org_id = $1 AND installation_id <= $2 AND uninstalled_at = 0`
	selectUninstalled = `SELECT uninstalled_at FROM orgs WHERE org_id = $1`
)

// seeInstallation remembers the newest installation that an arrival names, and whether it is gone.
func (a Arrival) seeInstallation(t *txn) error {
	if a.OrgID <= 0 || a.InstallationID <= 0 {
		return nil
	}
	if _, err := t.exec(updateInstalled, a.OrgID, a.InstallationID); err != nil || !a.Uninstalled {
		return err
	}
	_, err := t.exec(updateUninstalled, a.OrgID, a.InstallationID, micros(a.ReceivedAt))
	return err
}

// errNotPurged ends a purge without an error: what it was begun for does not hold any more.
var errNotPurged = errors.New("it is installed again, or held")

// checkUninstalled ends a purge when the App was installed again, or anything is held.
func (n Tenant) checkUninstalled(t *txn, held coverage) error {
	var at int64
	if err := t.row(selectUninstalled, []any{n.org}, &at); err != nil {
		return err
	}
	if at == 0 || held.any() {
		return errNotPurged
	}
	return nil
}

// What is known of an organisation beside its log, and needs blobs or records: tables that others
// refer to come after those.
var deleteState = []string{
	`DELETE FROM github_writes WHERE installation_id IN (SELECT j.installation_id FROM jobs j WHERE j.org_id = $1)`,
	`DELETE FROM jobs WHERE org_id = $1`,
	`DELETE FROM check_runs WHERE org_id = $1`,
	`DELETE FROM change_heads WHERE org_id = $1`,
	`DELETE FROM changes WHERE org_id = $1`,
	`DELETE FROM policies WHERE org_id = $1`,
	`DELETE FROM branches WHERE org_id = $1`,
	`DELETE FROM backfills WHERE org_id = $1`,
	`DELETE FROM reconciles WHERE org_id = $1`,
	`DELETE FROM review_permissions WHERE org_id = $1`,
	`DELETE FROM emergency_members WHERE org_id = $1`,
	`DELETE FROM bundles WHERE org_id = $1`,
	`DELETE FROM first_days WHERE org_id = $1`,
	`DELETE FROM first_day_asks WHERE org_id = $1`,
}

// What stays in rows when a record goes. Rows that say what a kept record says go with it, so that
// they are never missing before it is.
var deleteRest = []string{
	`DELETE FROM branch_updates WHERE org_id = $1`,
	`DELETE FROM backfilled_updates WHERE org_id = $1`,
	`DELETE FROM merged_changes WHERE org_id = $1`,
	`DELETE FROM merged_days WHERE org_id = $1`,
	`DELETE FROM agents_seen WHERE org_id = $1`,
}

// PurgeUninstalled disposes of everything that is held about an organisation that uninstalled the
// App, but for the leaves of its log, the certificates and the holds. It does nothing if the App
// was installed again, or while any hold is in force: what is held is not told apart from what the
// rest is needed for. If we stop halfway, the next purge goes on.
func (n Tenant) PurgeUninstalled(ctx context.Context, why string) (done Purged, err error) {
	err = n.deleteUninstalled(ctx, deleteState)
	if err == nil {
		now := n.s.now().Add(time.Microsecond)
		done, err = n.Purge(ctx, Purge{Reason: ReasonUninstalled, Why: why, Records: now, Observations: now, Deliveries: now})
	}
	if err == nil {
		err = n.deleteUninstalled(ctx, deleteRest)
	}
	if errors.Is(err, errNotPurged) {
		err = nil
	}
	return done, err
}

func (n Tenant) deleteUninstalled(ctx context.Context, statements []string) error {
	for _, statement := range statements {
		err := n.s.write(ctx, "delete what is known of an organisation", func(t *txn) error {
			held, err := coverageIn(t, n.org, n.s.now())
			if err == nil {
				err = n.checkUninstalled(t, held)
			}
			if err == nil {
				_, err = t.exec(statement, n.org)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("store: purge organisation %d: %w", n.org, err)
		}
	}
	return nil
}
