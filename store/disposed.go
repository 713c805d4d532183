package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// keptRecord is a record whose body is there.
type keptRecord struct {
	index      int64
	kind       string
	recordedAt time.Time
	about      about
}

// about is what a record's body says of what it is about, whatever its kind.
type about struct {
	ID           string            `json:"id"`            // exception
	RecordID     string            `json:"record_id"`     // decision
	RepositoryID int64             `json:"repository_id"` // decision, exception, protection, attestation, backfill, reconcile
	Number       int               `json:"number"`        // decision
	HeadSHA      string            `json:"head_sha"`      // decision
	RulesetID    int64             `json:"ruleset_id"`    // attestation
	Source       string            `json:"source"`        // attestation
	Findings     []json.RawMessage `json:"findings"`      // merge
	Update       struct {
		ID           int64 `json:"id"`
		RepositoryID int64 `json:"repository_id"`
	} `json:"update"` // merge, backfilled
	Observations []observationSummary `json:"observations"`
}

const selectKept = `SELECT leaf, body, kind FROM log_leaves WHERE org_id = $1 AND leaf_index = $2 AND body IS NOT NULL`

// loadKept reads a record; nil: its body is gone.
func loadKept(t *txn, org, index int64) (*keptRecord, error) {
	r := &keptRecord{index: index}
	var raw, body []byte
	err := t.row(selectKept, []any{org, index}, &raw, &body, &r.kind)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	leaf, err := ledger.DecodeLeaf(raw)
	if err != nil {
		return nil, err
	}
	r.recordedAt = leaf.RecordedAt
	if err := json.Unmarshal(body, &r.about); err != nil {
		return nil, fmt.Errorf("record of leaf %d: %w", index, err)
	}
	return r, nil
}

// repositories are those that a record is about; 0: none in particular.
func (r *keptRecord) repositories() (out []int64) {
	switch r.kind {
	case LeafMerge, LeafBackfilled:
		return []int64{r.about.Update.RepositoryID}
	case LeafAttestation:
		// A ruleset of the organisation protects branches of all its repositories.
		if len(r.about.Source) < len("Repository ") || r.about.Source[:len("Repository ")] != "Repository " {
			return []int64{0}
		}
	case LeafObservations:
		for _, o := range r.about.Observations {
			out = append(out, o.RepositoryID)
		}
		return out
	}
	return []int64{r.about.RepositoryID}
}

const (
	disposeLeaf       = `UPDATE log_leaves SET salt = NULL, body = NULL WHERE org_id = $1 AND leaf_index = $2`
	disposeUpdate     = `UPDATE branch_updates SET actor = '', actor_id = 0 WHERE org_id = $1 AND repo_id = $2 AND activity_id = $3`
	deleteAttestation = `DELETE FROM attestations WHERE org_id = $1 AND ruleset_id = $2 AND leaf_index = $3`
	deleteSnapshot    = `DELETE FROM protection_snapshots WHERE org_id = $1 AND repo_id = $2 AND leaf_index = $3`
)

// disposeRecord takes away the salt and the body of a record, and what else repeats it. It returns
// how many blobs went with it.
func (n Tenant) disposeRecord(t *txn, r *keptRecord) (blobs int64, err error) {
	if _, err := t.exec(disposeLeaf, n.org, r.index); err != nil {
		return 0, err
	}
	switch r.kind {
	case LeafDecision:
		return n.disposeDecision(t, r)
	case LeafException:
		return 0, n.disposeException(t, r)
	case LeafMerge:
		if _, err = t.exec(disposeUpdate, n.org, r.about.Update.RepositoryID, r.about.Update.ID); err == nil {
			_, err = t.exec(deleteMerged, n.org, r.index)
		}
	case LeafAttestation:
		_, err = t.exec(deleteAttestation, n.org, r.about.RulesetID, r.index)
	case LeafProtection:
		_, err = t.exec(deleteSnapshot, n.org, r.about.RepositoryID, r.index)
	}
	return 0, err
}

const (
	selectDigests = `SELECT facts_sha256, policy_sha256, catalogue_sha256 FROM decisions WHERE org_id = $1 AND record_id = $2`
	forgetDecided = `UPDATE changes SET record_id = '', decided_head = '', check_name = '', verdict = '', severity = 0, final = 0
WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND record_id = $4`
	deleteCheckRuns = `DELETE FROM check_runs WHERE org_id = $1 AND wanted_record_id = $2`
	deleteDecision  = `DELETE FROM decisions WHERE org_id = $1 AND record_id = $2`
	deleteBlob      = `DELETE FROM blobs WHERE org_id = $1 AND sha256 = $2
  AND NOT EXISTS (SELECT 1 FROM decisions WHERE org_id = $1 AND facts_sha256 = $2)
  AND NOT EXISTS (SELECT 1 FROM decisions WHERE org_id = $1 AND policy_sha256 = $2)
  AND NOT EXISTS (SELECT 1 FROM decisions WHERE org_id = $1 AND catalogue_sha256 = $2)
  AND NOT EXISTS (SELECT 1 FROM policies WHERE org_id = $1 AND policy_sha256 = $2)`
)

// disposeDecision takes a decision away, with the check run that showed it and the blobs that
// nothing else refers to. A pull request that comes back is decided anew.
func (n Tenant) disposeDecision(t *txn, r *keptRecord) (blobs int64, err error) {
	id := r.about.RecordID
	var digests [3]string
	if err := t.row(selectDigests, []any{n.org, id}, &digests[0], &digests[1], &digests[2]); err != nil {
		return 0, fmt.Errorf("decision %s: %w", id, err)
	}
	if _, err := t.exec(forgetDecided, n.org, r.about.RepositoryID, r.about.Number, id); err != nil {
		return 0, err
	}
	for _, statement := range []string{deleteCheckRuns, deleteDecision} {
		if _, err := t.exec(statement, n.org, id); err != nil {
			return 0, err
		}
	}
	for _, sha256 := range digests {
		gone, err := t.exec(deleteBlob, n.org, sha256)
		if err != nil {
			return 0, err
		}
		blobs += gone
	}
	return blobs, nil
}

const (
	selectNewestStep   = `SELECT leaf_index FROM exceptions WHERE org_id = $1 AND id = $2`
	deleteSteps        = `DELETE FROM exception_steps WHERE org_id = $1 AND id = $2`
	deleteException    = `DELETE FROM exceptions WHERE org_id = $1 AND id = $2`
	deleteExceptionJob = `DELETE FROM jobs WHERE org_id = $1 AND kind = 'exception' AND ukey = $2`
)

// disposeException takes an exception away with its newest step, which says all that the steps
// before said.
func (n Tenant) disposeException(t *txn, r *keptRecord) error {
	var newest int64
	err := t.row(selectNewestStep, []any{n.org, r.about.ID}, &newest)
	if errors.Is(err, sql.ErrNoRows) || err == nil && newest != r.index {
		return nil
	}
	for _, statement := range []string{deleteSteps, deleteException, deleteExceptionJob} {
		if err == nil {
			_, err = t.exec(statement, n.org, r.about.ID)
		}
	}
	return err
}
