package store

import (
	"context"
	"errors"
	"fmt"
)

const (
	upsertPolicy = `INSERT INTO policies (org_id, repo_id, governing_ref, policy_sha256, enforces, record_id)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (org_id, repo_id, governing_ref) DO UPDATE SET policy_sha256 = excluded.policy_sha256, enforces = excluded.enforces, record_id = excluded.record_id`
	selectPolicy = `SELECT policy_sha256 FROM policies WHERE org_id = $1 AND repo_id = $2 AND governing_ref = $3`
	// The organisation's own policy.
	selectOrganisationPolicy = `SELECT enforces, record_id FROM policies WHERE org_id = $1 AND repo_id = 0`
)

// OrganisationPolicy says of a record that the organisation's own policy was part of it.
type OrganisationPolicy struct {
	Used     bool
	Enforces bool // its mode is enforce
}

// keepPolicy remembers what a decision with facts was judged by.
func (n Tenant) keepPolicy(t *txn, r Record, d decisionRow) error {
	if d.FactsSHA256 == "" || d.PolicySHA256 == "" || r.RepoID == 0 || r.GoverningRef == "" {
		return nil
	}
	if _, err := t.exec(upsertPolicy, n.org, r.RepoID, r.GoverningRef, d.PolicySHA256, 0, d.RecordID); err != nil {
		return err
	}
	if !r.Organisation.Used {
		return nil
	}
	_, err := t.exec(upsertPolicy, n.org, 0, "", d.PolicySHA256, bit(r.Organisation.Enforces), d.RecordID)
	return err
}

// LastPolicy returns what the newest decision with facts under a governing branch kept of its
// policy; ErrNotFound if there is none.
func (n Tenant) LastPolicy(ctx context.Context, repoID int64, governingRef string) ([]byte, error) {
	var sha256 string
	if err := n.s.one(ctx, selectPolicy, []any{n.org, repoID, governingRef}, &sha256); err != nil {
		return nil, fmt.Errorf("store: last policy of %s: %w", governingRef, err)
	}
	kept, err := n.blob(ctx, sha256)
	if err != nil {
		return nil, fmt.Errorf("store: last policy of %s: %w", governingRef, err)
	}
	return kept, nil
}

// OrganisationEnforced reports whether the newest decision that the organisation's own policy
// was part of found it enforcing, and names that decision.
func (n Tenant) OrganisationEnforced(ctx context.Context) (enforced bool, recordID string, err error) {
	var enforces int
	err = n.s.one(ctx, selectOrganisationPolicy, []any{n.org}, &enforces, &recordID)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, "", nil
	case err != nil:
		return false, "", fmt.Errorf("store: policy of organisation %d: %w", n.org, err)
	}
	return enforces == 1, recordID, nil
}

// BranchPolicy names the policy that the newest decision under a branch was made by.
type BranchPolicy struct {
	RepoID     int64
	Repository string // owner/name, as last seen; empty: the branch is not followed any more
	Ref        string
	RecordID   string // that decision
}

const selectPolicies = `SELECT p.repo_id, COALESCE(b.repository, ''), p.governing_ref, p.record_id
FROM policies p LEFT JOIN branches b ON b.org_id = p.org_id AND b.repo_id = p.repo_id AND b.ref = p.governing_ref
WHERE p.org_id = $1 AND (p.repo_id > $2 OR p.repo_id = $2 AND p.governing_ref > $3) ORDER BY p.repo_id, p.governing_ref LIMIT $4`

// Policies lists the branches under which decisions were made, after one, by repository and branch;
// the zero BranchPolicy begins.
func (n Tenant) Policies(ctx context.Context, after BranchPolicy, limit int) (out []BranchPolicy, err error) {
	err = n.s.query(ctx, selectPolicies, []any{n.org, after.RepoID, after.Ref, limit}, func(scan func(...any) error) error {
		var p BranchPolicy
		err := scan(&p.RepoID, &p.Repository, &p.Ref, &p.RecordID)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list policies of organisation %d: %w", n.org, err)
	}
	return out, nil
}
