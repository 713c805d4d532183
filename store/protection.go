package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// LeafProtection is the kind of the leaves that hold how a branch was protected.
const LeafProtection = "protection"

// ProtectionDrift is the kind of the exception of a branch that is not protected any more.
const ProtectionDrift = "protection-drift"

// ProtectionSeen is how an evaluation found a branch protected.
type ProtectionSeen struct {
	Ref string
	// Settings are the exact bytes of the settings, JSON: equal settings have equal bytes.
	Settings []byte
	// Holds is "yes", "no" or "unknown": whether they are what the policy asks for.
	Holds string
	// Why says what does not hold, for people.
	Why string
	// At is when they were read. What was read before the last change that is known is old news.
	At time.Time
	// Enforced says whether somebody relies on it: else nothing is an exception.
	Enforced bool
}

// protectionBody is the body of a leaf: how a branch is protected since when.
//
// Field names and order are part of the evidence format; add, never change.
type protectionBody struct {
	V            int             `json:"v"`
	RepositoryID int64           `json:"repository_id"`
	Repository   string          `json:"repository"`
	Ref          string          `json:"ref"`
	Holds        string          `json:"holds"`
	Why          string          `json:"why"`
	Since        time.Time       `json:"since"` // when it was first seen so
	Settings     json.RawMessage `json:"settings"`
	// Before is the leaf of the state that ended with this one, and since when that was so;
	// -1 and zero when there was none.
	Before      int64     `json:"before"`
	BeforeSince time.Time `json:"before_since,omitzero"`
}

const (
	protectionBodyVersion = 1

	selectProtection = `SELECT digest, holds, since, leaf_index FROM protection_snapshots WHERE org_id = $1 AND repo_id = $2 AND ref = $3`
	upsertProtection = `INSERT INTO protection_snapshots (org_id, repo_id, ref, digest, holds, since, leaf_index) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (org_id, repo_id, ref) DO UPDATE SET digest = excluded.digest, holds = excluded.holds, since = excluded.since, leaf_index = excluded.leaf_index`
	selectDrifts = `SELECT id FROM exceptions WHERE org_id = $1 AND kind = 'protection-drift' AND repo_id = $2 AND state = 'open'`
)

// seeProtection records how a branch is protected when that is another way than it was, and
// opens or remedies the exception of a branch that was protected and is not.
func (n Tenant) seeProtection(t *txn, r Record) error {
	p := r.Protection
	if p == nil {
		return nil
	}
	body := protectionBody{V: protectionBodyVersion, RepositoryID: r.RepoID, Repository: r.Repository, Ref: p.Ref, Holds: p.Holds, Why: p.Why,
		Since: p.At.UTC().Truncate(time.Microsecond), Settings: p.Settings, Before: -1}
	digest := hexSHA256(p.Settings)
	var had, holds string
	var since int64
	err := t.row(selectProtection, []any{n.org, r.RepoID, p.Ref}, &had, &holds, &since, &body.Before)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case known && (had == digest && holds == p.Holds || micros(body.Since) < since):
		return nil
	case known:
		body.BeforeSince = fromMicros(since)
	default:
		body.Before = -1
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode protection: %w", err)
	}
	leaf, err := n.appendRecord(t, LeafProtection, n.s.now().UTC().Truncate(time.Microsecond), encoded)
	if err != nil {
		return err
	}
	if _, err := t.exec(upsertProtection, n.org, r.RepoID, p.Ref, digest, p.Holds, micros(body.Since), leaf); err != nil {
		return err
	}
	switch {
	case p.Holds == "no" && known && holds != "no" && p.Enforced:
		return n.openAndMark(t, Exception{
			Kind: ProtectionDrift, Subject: strconv.FormatInt(r.RepoID, 10) + "/" + p.Ref + "/" + strconv.FormatInt(leaf, 10),
			RepoID: r.RepoID, Repository: r.Repository, Ref: p.Ref, Severity: "high", OpenedAt: body.Since,
			Reason: "The protection of the branch " + p.Ref + " held, and does not hold any more. " + p.Why,
		}, r.Job.InstallationID)
	case p.Holds == "yes":
		return n.endDrifts(t, r, body.Since)
	}
	return nil
}

// endDrifts remedies the drifts of a branch that is protected again.
func (n Tenant) endDrifts(t *txn, r Record, since time.Time) error {
	var ids []string
	err := t.rows(selectDrifts, []any{n.org, r.RepoID}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err != nil {
			return err
		}
		err = n.stepException(t, id, func(e *Exception) bool {
			if e.Ref != r.Protection.Ref {
				return false
			}
			e.State, e.Step, e.By = ExceptionRemediated, "protected again", "countersign"
			e.Remediation = "The branch is protected again since " + since.Format("2006-01-02 15:04:05 UTC") + "."
			return true
		})
	}
	return err
}
