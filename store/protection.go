package store

import (
	"context"
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
	// Drift is how the exception is followed up that is opened when the branch drifted: its
	// severity, owner, due date and the like.
	Drift Exception
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

	selectProtection = `SELECT digest, holds, since, leaf_index, held, drifted FROM protection_snapshots WHERE org_id = $1 AND repo_id = $2 AND ref = $3`
	upsertProtection = `INSERT INTO protection_snapshots (org_id, repo_id, ref, digest, holds, since, leaf_index, held, drifted) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (org_id, repo_id, ref) DO UPDATE SET digest = excluded.digest, holds = excluded.holds, since = excluded.since, leaf_index = excluded.leaf_index,
  held = excluded.held, drifted = excluded.drifted`
	selectDrifts = `SELECT body FROM exceptions WHERE org_id = $1 AND kind = 'protection-drift' AND repo_id = $2 AND state = 'open'`
)

// snapshot is how a branch was last seen.
type snapshot struct {
	digest, holds string
	since, leaf   int64
	held          string // the newest settings that held; empty: none did
	drifted       string // the newest settings that an exception was opened for since then; empty: none
}

// drifts says whether the branch was protected and is not any more, by what GitHub shows of it.
// That the policy asks for more, or that an attestation ran out, is no drift.
func (was snapshot) drifts(now snapshot) bool {
	return now.holds == "no" && was.held != "" && now.digest != was.held && now.digest != was.drifted
}

// RecordProtection records how a branch was found protected while no pull request asked. The job
// is kept. ErrLeaseLost if its lease is not held any more.
func (n Tenant) RecordProtection(ctx context.Context, job Job, repository string, p ProtectionSeen) error {
	return n.s.write(ctx, "record protection of branch "+job.Key, func(t *txn) error {
		if _, err := hold(t, job); err != nil {
			return err
		}
		return n.seeProtection(t, job, repository, p)
	})
}

// seeProtection records how a branch is protected when that is another way than it was, and
// opens or remedies the exception of a branch that was protected and is not.
func (n Tenant) seeProtection(t *txn, job Job, repository string, p ProtectionSeen) error {
	body := protectionBody{V: protectionBodyVersion, RepositoryID: job.RepoID, Repository: repository, Ref: p.Ref, Holds: p.Holds, Why: p.Why,
		Since: p.At.UTC().Truncate(time.Microsecond), Settings: p.Settings, Before: -1}
	var was snapshot
	err := t.row(selectProtection, []any{n.org, job.RepoID, p.Ref}, &was.digest, &was.holds, &was.since, &was.leaf, &was.held, &was.drifted)
	now := snapshot{digest: hexSHA256(p.Settings), holds: p.Holds, since: micros(body.Since), held: was.held, drifted: was.drifted}
	switch known := err == nil; {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case known && (was.digest == now.digest && was.holds == now.holds || now.since < was.since):
		return nil
	case known:
		body.Before, body.BeforeSince = was.leaf, fromMicros(was.since)
	}
	open, err := n.openDrifts(t, job.RepoID, p.Ref)
	if err != nil {
		return err
	}
	drifts := p.Enforced && len(open) == 0 && was.drifts(now)
	switch {
	case drifts:
		now.drifted = now.digest
	case p.Holds == "yes":
		now.held, now.drifted = now.digest, ""
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode protection: %w", err)
	}
	if now.leaf, err = n.appendRecord(t, LeafProtection, n.s.moment(), encoded); err != nil {
		return err
	}
	_, err = t.exec(upsertProtection, n.org, job.RepoID, p.Ref, now.digest, now.holds, now.since, now.leaf, now.held, now.drifted)
	switch {
	case err != nil:
		return err
	case drifts:
		e := p.Drift
		e.Kind, e.Subject = ProtectionDrift, strconv.FormatInt(job.RepoID, 10)+"/"+p.Ref+"/"+strconv.FormatInt(now.leaf, 10)
		e.RepoID, e.Repository, e.Ref, e.OpenedAt = job.RepoID, repository, p.Ref, body.Since
		e.Reason = "The protection of the branch " + p.Ref + " held, and does not hold any more. " + p.Why
		_, _, err = n.openException(t, e, job.InstallationID)
	case p.Holds == "yes":
		err = n.endDrifts(t, open, "protected again", "The branch is protected again since "+body.Since.Format("2006-01-02 15:04:05 UTC")+".")
	}
	return err
}

// openDrifts are the open exceptions of the branch whose protection was seen.
func (n Tenant) openDrifts(t *txn, repo int64, ref string) (ids []string, err error) {
	err = t.rows(selectDrifts, []any{n.org, repo}, func(scan func(...any) error) error {
		var body []byte
		var e Exception
		if err := scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		if e.Ref == ref {
			ids = append(ids, e.ID)
		}
		return nil
	})
	return ids, err
}

// endDrifts remedies the drifts of a branch that is protected again, or is followed no more.
func (n Tenant) endDrifts(t *txn, ids []string, step, remediation string) error {
	for _, id := range ids {
		err := n.stepException(t, id, func(e *Exception) bool {
			e.State, e.Step, e.By, e.Remediation = ExceptionRemediated, step, "countersign", remediation
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}
