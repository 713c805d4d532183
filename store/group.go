package store

import (
	"context"
	"fmt"
)

// A merge group has no row of its own: its job is there while the group is. Whatever happens to
// its commit or to its branch marks it, and the job is dropped when the group is gone.

const (
	selectGroupsOnHead = `SELECT installation_id, repository, ref, head_sha FROM jobs
WHERE org_id = $1 AND kind = 'group' AND repo_id = $2 AND head_sha = $3`
	selectGroupsOnBase = `SELECT installation_id, repository, ref, head_sha FROM jobs
WHERE org_id = $1 AND kind = 'group' AND repo_id = $2 AND (ref = $3 OR $3 = '')`
)

// groupsOn are marks of the merge groups that are there now, with a commit or on a branch.
func groupsOn(t *txn, query string, org, repo int64, key string) (marks []Mark, err error) {
	err = t.rows(query, []any{org, repo, key}, func(scan func(...any) error) error {
		m := Mark{Kind: KindGroup, OrgID: org, RepoID: repo, Noisy: true}
		err := scan(&m.InstallationID, &m.Repository, &m.Ref, &m.HeadSHA)
		marks = append(marks, m)
		return err
	})
	return marks, err
}

const selectGroupKnown = `SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND kind = 'group' AND repo_id = $2 AND head_sha = $3`

// GroupKnown says whether a merge group has a job.
func (n Tenant) GroupKnown(ctx context.Context, repoID int64, headSHA string) (bool, error) {
	var count int
	if err := n.s.one(ctx, selectGroupKnown, []any{n.org, repoID, headSHA}, &count); err != nil {
		return false, fmt.Errorf("store: look for merge group %s: %w", headSHA, err)
	}
	return count > 0, nil
}

const selectNewestOfGroup = `SELECT record_id FROM decisions
WHERE org_id = $1 AND repo_id = $2 AND number = 0 AND head_sha = $3 ORDER BY leaf_index DESC LIMIT 1`

// GroupDecision returns the newest decision about a merge group; ErrNotFound if there is none.
func (n Tenant) GroupDecision(ctx context.Context, repoID int64, headSHA string) (Decided, error) {
	var record string
	if err := n.s.one(ctx, selectNewestOfGroup, []any{n.org, repoID, headSHA}, &record); err != nil {
		return Decided{}, fmt.Errorf("store: decision on merge group %s: %w", headSHA, err)
	}
	return n.Decision(ctx, record)
}

const deleteGroup = `DELETE FROM jobs WHERE org_id = $1 AND id = $2 AND lease = $3 AND lease <> '' AND wanted_gen = $4`

// DropGroup ends the job of a merge group that is gone. ErrLeaseLost if the lease is not held.
// One that was marked meanwhile runs again instead: the mark may tell that the group is back.
func (n Tenant) DropGroup(ctx context.Context, job Job) error {
	if job.OrgID != n.org || job.Kind != KindGroup {
		return fmt.Errorf("%w: drop job %s %s", ErrInvalid, job.Kind, job.Key)
	}
	return n.s.write(ctx, "drop merge group "+job.Key, func(t *txn) error {
		dropped, err := t.exec(deleteGroup, n.org, job.ID, job.Lease, job.Generation)
		if err == nil && dropped == 0 {
			err = finish(t, job)
		}
		return err
	})
}

// wantGroup has a decision about a merge group, which is stored already, count on its commit. A
// pull request can have that commit as its head: of what is decided there the worst is shown.
func (n Tenant) wantGroup(t *txn, r Record) error {
	c := changeRow{org: n.org, repo: r.RepoID, repository: r.Repository, installation: r.Job.InstallationID}
	return n.s.settleSet(t, c, set{r.HeadSHA, r.CheckName}, r.Job.DeliveryID)
}
