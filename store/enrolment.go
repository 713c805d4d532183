package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// LeafEnrolment is the kind of the leaves that say from when until when a branch was followed.
const LeafEnrolment = "enrolment"

// The states of an enrolment.
const (
	EnrolmentBegun   = "begun"
	EnrolmentChanged = "changed" // its mode, or the repository's name
	EnrolmentEnded   = "ended"
)

// Enrolment is the body of a leaf: that following a branch began, changed or ended, when the leaf
// was recorded.
//
// Field names and order are part of the evidence format; add, never change.
type Enrolment struct {
	V            int    `json:"v"` // set when it is recorded
	State        string `json:"state"`
	RepositoryID int64  `json:"repository_id"`
	Repository   string `json:"repository"` // owner/name
	Ref          string `json:"ref"`        // branch
	Mode         string `json:"mode"`
	// From is, where it began, GitHub's time of the update that is judged first, or of the one
	// before it if none had come; zero: there was none.
	From time.Time `json:"from,omitzero"`
	// Tip is the commit at which what is judged begins or ends, and ActivityID the update that led
	// there; empty and 0: it begins with the branch.
	Tip        string `json:"tip"`
	ActivityID int64  `json:"activity_id"`
	Reason     string `json:"reason"`
	// PolicySHA256 is the digest of the policy that says so, as decisions keep it; empty: there is
	// none that can be used.
	PolicySHA256 string `json:"policy_sha256"`
}

const enrolmentVersion = 1

// Enrol writes a branch whose following begins or changes, with the leaf that says so. The job is
// kept. ErrLeaseLost if its lease is not held any more.
func (n Tenant) Enrol(ctx context.Context, job Job, b Branch, e Enrolment) error {
	return n.s.write(ctx, "enrol branch "+job.Key, func(t *txn) error {
		if err := n.saveBranch(t, job, b); err != nil {
			return err
		}
		return n.recordEnrolment(t, job, b, e)
	})
}

// ForgetBranch stops following a branch that is not enrolled any more, with the leaf that says so
// and the exceptions that its last look opened, and finishes the job.
func (n Tenant) ForgetBranch(ctx context.Context, job Job, b Branch, e Enrolment, open []Exception) error {
	return n.s.write(ctx, "forget branch "+job.Key, func(t *txn) error {
		if err := finish(t, job); err != nil {
			return err
		}
		if err := n.recordEnrolment(t, job, b, e); err != nil {
			return err
		}
		if err := n.openAll(t, job, open); err != nil {
			return err
		}
		drifts, err := n.openDrifts(t, job.RepoID, job.Ref)
		if err != nil {
			return err
		}
		// Nobody closes a drift while the branch is not protected, and nobody looks at it any more.
		if err := n.endDrifts(t, drifts, "not followed any more", "The branch is not enrolled any more. It was not protected again before."); err != nil {
			return err
		}
		_, err = t.exec(deleteBranch, n.org, job.RepoID, job.Ref)
		return err
	})
}

// recordEnrolment appends the leaf, and has it recorded what is in scope now, and what reached the
// branch before.
func (n Tenant) recordEnrolment(t *txn, job Job, b Branch, e Enrolment) error {
	at := n.s.moment()
	e.V, e.RepositoryID, e.Repository, e.Ref = enrolmentVersion, b.RepoID, b.Repository, b.Ref
	e.Mode, e.Tip, e.ActivityID = b.Mode, b.Tip, b.ActivityID
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode enrolment: %w", err)
	}
	m := Mark{Kind: KindScope, OrgID: n.org, InstallationID: job.InstallationID, Repository: b.Repository}
	if _, err := n.s.mark(t, m.job(), true, false); err != nil {
		return err
	}
	if e.State == EnrolmentBegun {
		history := Backfill{RepoID: b.RepoID, Repository: b.Repository, Ref: b.Ref, Since: at.Add(-BackfillReach), Until: e.From, UntilID: e.ActivityID}
		if e.From.IsZero() {
			history.Until = at
		}
		if _, err := n.askBackfill(t, history, job.InstallationID); err != nil {
			return err
		}
	}
	_, err = n.appendRecord(t, LeafEnrolment, at, body)
	return err
}
