package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const (
	selectEnrolments = `SELECT body FROM log_leaves WHERE org_id = $1 AND kind = 'enrolment' AND body IS NOT NULL ORDER BY leaf_index`
	// The installation that looks at the branch.
	selectBranchInstallation = `SELECT installation_id FROM jobs WHERE org_id = $1 AND kind = 'branch' AND repo_id = $2 AND ref = $3`
)

// AskBackfills has the histories of the branches that are followed read back to a time, those of
// one repository or of all (0), and returns all of these branches' histories. What is read already
// is not read again, but for what could not be read.
func (n Tenant) AskBackfills(ctx context.Context, repoID int64, since time.Time) ([]Backfill, error) {
	err := n.s.write(ctx, "ask for histories", func(t *txn) error {
		branches, err := branchesIn(t, n.org, repoID)
		if err != nil {
			return err
		}
		begun, err := enrolmentsBegun(t, n.org)
		if err != nil {
			return err
		}
		for _, b := range branches {
			e, known := begun[branchOf{b.RepoID, b.Ref}]
			if !known {
				continue // its record was disposed of: nobody knows where what is judged begins
			}
			var installation int64
			if err := t.row(selectBranchInstallation, []any{n.org, b.RepoID, b.Ref}, &installation); err != nil {
				return fmt.Errorf("installation of branch %s of %s: %w", b.Ref, b.Repository, err)
			}
			history := Backfill{RepoID: b.RepoID, Repository: b.Repository, Ref: b.Ref, Since: since, Until: e.From, UntilID: e.ActivityID}
			if e.From.IsZero() {
				history.Until = b.Since
			}
			if _, err := n.askBackfill(t, history, installation); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return n.Backfills(ctx, repoID)
}

// branchOf names a branch.
type branchOf struct {
	repoID int64
	ref    string
}

func branchesIn(t *txn, org, repoID int64) (out []Branch, err error) {
	err = t.rows(selectBranches, []any{org, repoID}, func(scan func(...any) error) error {
		b, err := scanBranch(scan)
		out = append(out, b)
		return err
	})
	return out, err
}

// enrolmentsBegun are the newest records of each branch that say that following it began.
func enrolmentsBegun(t *txn, org int64) (map[branchOf]Enrolment, error) {
	out := map[branchOf]Enrolment{}
	err := t.rows(selectEnrolments, []any{org}, func(scan func(...any) error) error {
		var body []byte
		var e Enrolment
		if err := scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("decode enrolment: %w", err)
		}
		if e.State == EnrolmentBegun {
			out[branchOf{e.RepositoryID, e.Ref}] = e
		}
		return nil
	})
	return out, err
}
