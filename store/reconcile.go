package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// LeafReconcile is the kind of the leaves that say what was found missing when a repository was
// compared with GitHub.
const LeafReconcile = "reconcile"

// What can be missing.
const (
	FoundPull       = "pull-request-not-told" // it is open, and no event told of it
	FoundHead       = "head-not-told"         // it has another head than events told of
	FoundBase       = "base-not-told"         // it goes to another branch than events told of
	FoundClosing    = "closing-not-told"      // it is not open any more, and no event told of that
	FoundRunMissing = "check-run-missing"     // GitHub does not have the check run that was published
	FoundRunDiffers = "check-run-differs"     // GitHub has another one there
	FoundQueue      = "merge-queue-not-told"  // it is in a merge queue, and no event told of that
)

// Reconcile is the body of a leaf: what was missing here, or on GitHub, when a repository was
// compared with it. Whatever it names was marked in the same transaction.
//
// Field names and order are part of the evidence format; add, never change.
type Reconcile struct {
	V            int    `json:"v"`
	RepositoryID int64  `json:"repository_id"`
	Repository   string `json:"repository"` // owner/name
	// First is true when it was never looked at before: of what was there already, no event could
	// tell.
	First     bool `json:"first"`
	OpenPulls int  `json:"open_pull_requests"` // that GitHub listed
	Complete  bool `json:"complete"`           // false: it has more than are read
	// By is who had it looked at; absent: the server did by itself.
	By    Who     `json:"by,omitzero"`
	Found []Found `json:"found"`
}

// Found is one thing that was missing.
type Found struct {
	What      string `json:"what"`                 // Found…
	Number    int    `json:"number,omitempty"`     // pull request; absent: a merge group's commit
	Ref       string `json:"ref,omitempty"`        // branch that it goes to, on GitHub
	HeadSHA   string `json:"head_sha,omitempty"`   // on GitHub
	CheckName string `json:"check_name,omitempty"` // of a check run
	// OnRecord is what was on record here, and OnGitHub what GitHub showed instead; absent: nothing.
	OnRecord string `json:"on_record,omitempty"`
	OnGitHub string `json:"on_github,omitempty"`
}

const (
	reconcileVersion = 1

	// doubtPause is how long an evaluation has until a check run is published anew: what is on record
	// may be as old as the database, if that was restored.
	doubtPause = time.Minute
)

// ToLook is a subject to look at, and what was missing about it.
type ToLook struct {
	// Found says what was missing; its zero value: nothing, and nothing is recorded.
	Found Found
	Mark  Mark // nothing is marked if it lacks its organisation
	// Run is the check run that GitHub does not have as it is on record; nil: it is not about one.
	Run *PublishedRun
}

// Looked is what one look at a repository found.
type Looked struct {
	RepoID, InstallationID int64
	Repository             string // owner/name
	OpenPulls              int
	Complete               bool
	By                     Who // zero: nobody
	Look                   []ToLook
	NextAt                 time.Time // when to look again
}

// RecordReconcile marks what a look at a repository found, with the leaf that says what was missing,
// and returns that. What is looked at already, or was published meanwhile, is left out.
func (n Tenant) RecordReconcile(ctx context.Context, l Looked) (found []Found, err error) {
	for _, look := range l.Look {
		if m := look.Mark; m.OrgID != 0 && (m.OrgID != n.org || !m.usable()) {
			return nil, fmt.Errorf("%w: mark %+v", ErrInvalid, m)
		}
	}
	err = n.s.write(ctx, "record the look at "+l.Repository, func(t *txn) error {
		found = nil
		for _, look := range l.Look {
			marked, err := n.lookAt(t, l, look)
			if err != nil {
				return err
			}
			if marked && look.Found.What != "" {
				found = append(found, look.Found)
			}
		}
		first, err := n.looked(t, l)
		if err != nil || len(found) == 0 {
			return err
		}
		body, err := json.Marshal(Reconcile{V: reconcileVersion, RepositoryID: l.RepoID, Repository: l.Repository, First: first,
			OpenPulls: l.OpenPulls, Complete: l.Complete, By: l.By, Found: found})
		if err != nil {
			return fmt.Errorf("encode reconcile: %w", err)
		}
		_, err = n.appendRecord(t, LeafReconcile, n.s.moment(), body)
		return err
	})
	return found, err
}

// lookAt marks a subject. It is false when there is nothing to mark any more.
func (n Tenant) lookAt(t *txn, l Looked, look ToLook) (bool, error) {
	if look.Run != nil {
		doubted, err := n.doubt(t, l, *look.Run)
		if err != nil || !doubted {
			return false, err
		}
	}
	if look.Mark.OrgID == 0 {
		return true, nil
	}
	job := look.Mark.job()
	if look.Run == nil {
		under, err := n.s.underway(t, job)
		if err != nil || under {
			return false, err
		}
	}
	return n.s.mark(t, job, look.Mark.Noisy, false)
}

// forgetPublished holds only for what was compared: what is published meanwhile is not forgotten.
const forgetPublished = `UPDATE check_runs SET github_id = 0, published_record_id = '', published_said = '', published_status = '', published_conclusion = ''
WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND check_name = $4 AND github_id = $5 AND published_record_id = $6 AND published_at = $7`

// doubt has a check run published anew as if none ever had been, some time later: whatever is marked
// with it is looked at first. It is false when another one was published meanwhile.
func (n Tenant) doubt(t *txn, l Looked, r PublishedRun) (bool, error) {
	forgot, err := t.exec(forgetPublished, n.org, l.RepoID, r.HeadSHA, r.CheckName, r.GitHubID, r.RecordID, micros(r.At))
	if err != nil || forgot == 0 {
		return false, err
	}
	job := publishJob(n.org, l.InstallationID, l.RepoID, l.Repository, r.HeadSHA, r.CheckName)
	at := micros(n.s.now().Add(doubtPause))
	scheduled, err := t.exec(scheduleJob, job.OrgID, job.Kind, job.Key, at)
	if err == nil && scheduled == 0 { // it has something to do already, or was given up
		_, err = n.s.mark(t, job, false, false)
	}
	t.woken = true
	return true, err
}
