package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

// newestRows remembers which leaf each row must be of that says again, in columns, what a leaf
// says: the row is replaced with every leaf about the same thing.
type newestRows map[string]int64

// What is remembered, by kind of row.
func exceptionRow(id string) string { return "exception " + id }
func stepRow(id string, leaf int64) string {
	return fmt.Sprintf("step of exception %s in leaf %d", id, leaf)
}
func attestationRow(ruleset int64) string { return fmt.Sprintf("attestation of ruleset %d", ruleset) }
func protectionRow(repo int64, ref string) string {
	return fmt.Sprintf("protection of %s of repository %d", ref, repo)
}
func updateRow(repo, activity int64) string {
	return fmt.Sprintf("update %d of repository %d", activity, repo)
}
func backfilledRow(repo, activity int64) string {
	return fmt.Sprintf("earlier update %d of repository %d", activity, repo)
}

// updateBody is what the body of a leaf about an update says of the update's row. What else is in
// it is for whoever judges updates.
type updateBody struct {
	Update   policy.UpdateFacts `json:"update"`
	Findings []json.RawMessage  `json:"findings"`
}

// see takes in which rows a leaf must have.
func (r newestRows) see(leaf ledger.Leaf, body []byte) error {
	switch leaf.Kind {
	case LeafException:
		var e Exception
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		r[exceptionRow(e.ID)], r[stepRow(e.ID, leaf.Seq)] = leaf.Seq, leaf.Seq
	case LeafAttestation:
		var a Attestation
		if err := json.Unmarshal(body, &a); err != nil {
			return err
		}
		r[attestationRow(a.RulesetID)] = leaf.Seq
	case LeafProtection:
		var p protectionBody
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		r[protectionRow(p.RepositoryID, p.Ref)] = leaf.Seq
	case LeafMerge:
		var u updateBody
		if err := json.Unmarshal(body, &u); err != nil {
			return err
		}
		r[updateRow(u.Update.RepositoryID, u.Update.ID)] = leaf.Seq
	case LeafBackfilled:
		var u Backfilled
		if err := json.Unmarshal(body, &u); err != nil {
			return err
		}
		r[backfilledRow(u.Update.RepositoryID, u.Update.ID)] = leaf.Seq
	}
	return nil
}

const (
	selectExceptionRows = `SELECT e.leaf_index, l.body, e.id, e.kind, e.subject, e.repo_id, e.number, e.state, e.due_at, e.issue, e.body
FROM exceptions e LEFT JOIN log_leaves l ON l.org_id = e.org_id AND l.leaf_index = e.leaf_index WHERE e.org_id = $1 ORDER BY e.leaf_index`
	selectStepRows = `SELECT s.leaf_index, l.body, s.id
FROM exception_steps s LEFT JOIN log_leaves l ON l.org_id = s.org_id AND l.leaf_index = s.leaf_index WHERE s.org_id = $1 ORDER BY s.leaf_index`
	selectAttestationRows = `SELECT a.leaf_index, l.body, a.ruleset_id, a.attested_at, a.updated_at, a.body
FROM attestations a LEFT JOIN log_leaves l ON l.org_id = a.org_id AND l.leaf_index = a.leaf_index WHERE a.org_id = $1 ORDER BY a.leaf_index`
	selectProtectionRows = `SELECT p.leaf_index, l.body, p.repo_id, p.ref, p.digest, p.holds, p.since
FROM protection_snapshots p LEFT JOIN log_leaves l ON l.org_id = p.org_id AND l.leaf_index = p.leaf_index WHERE p.org_id = $1 ORDER BY p.leaf_index`
	selectUpdateRows = `SELECT u.leaf_index, l.body, u.repo_id, u.activity_id, u.ref, u.before_sha, u.after_sha, u.type, u.actor_id, u.actor, u.at,
  u.source, u.seq, u.received_at, u.findings
FROM branch_updates u LEFT JOIN log_leaves l ON l.org_id = u.org_id AND l.leaf_index = u.leaf_index WHERE u.org_id = $1 ORDER BY u.leaf_index`
	selectBackfilledRows = `SELECT u.leaf_index, l.body, u.repo_id, u.activity_id
FROM backfilled_updates u LEFT JOIN log_leaves l ON l.org_id = u.org_id AND l.leaf_index = u.leaf_index WHERE u.org_id = $1 ORDER BY u.leaf_index`
)

// rowReader scans one row: its columns behind the leaf's index and body, which are given. It
// returns what the row is of, and whether it says what the leaf's body says. Where rows stay when
// that was disposed of, it is nil.
type rowReader func(scan func(...any) error, leaf *int64, body *[]byte) (what string, same bool, err error)

// checkRows compares every row that says again what a leaf says with that leaf, which was checked
// before. Rows of leaves that came while the check ran must be as their leaf says, and that is all.
func (c *checker) checkRows(ctx context.Context) error {
	for _, table := range []struct {
		query, kind string
		read        rowReader
	}{
		{selectExceptionRows, LeafException, readExceptionRow}, {selectStepRows, LeafException, readStepRow},
		{selectAttestationRows, LeafAttestation, readAttestationRow}, {selectProtectionRows, LeafProtection, readProtectionRow},
		{selectUpdateRows, LeafMerge, readUpdateRow}, {selectBackfilledRows, LeafBackfilled, readBackfilledRow},
	} {
		err := c.n.s.query(ctx, table.query, []any{c.n.org}, func(scan func(...any) error) error {
			var leaf int64
			var body []byte
			what, same, err := table.read(scan, &leaf, &body)
			if err != nil {
				return err
			}
			want, known := c.newest[what]
			delete(c.newest, what)
			switch {
			case !same:
				return bad(leaf, "leaf %d: the row of the %s was changed", leaf, what)
			case body == nil && !known:
				return c.checkRowOfGone(leaf, table.kind, what)
			case (leaf < c.head.size || body == nil) && (!known || want != leaf):
				return bad(max(leaf, want), "leaf %d: the row of the %s is of another leaf than the newest about it", max(leaf, want), what)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return c.checkMissing(ctx)
}

// checkRowOfGone checks a row that stayed when the body of its leaf was disposed of: it is one, and
// the leaf is of the kind that has such rows.
func (c *checker) checkRowOfGone(leaf int64, kind, what string) error {
	if c.gone[leaf] != kind {
		return bad(leaf, "leaf %d: the row of the %s is of a leaf that says nothing about it", leaf, what)
	}
	delete(c.gone, leaf)
	return nil
}

// checkMissing names the first leaf whose row was not there. A row may have gone with the body of
// its leaf since that was read.
func (c *checker) checkMissing(ctx context.Context) error {
	var first string
	if len(c.newest) > 0 {
		if err := c.readCertified(ctx); err != nil {
			return err
		}
	}
	for what, leaf := range c.newest {
		if by, ok := c.certified.leaves.Find(leaf); ok && by.Certificate >= c.head.size {
			continue
		}
		if first == "" || cmp.Or(cmp.Compare(leaf, c.newest[first]), cmp.Compare(what, first)) < 0 {
			first = what
		}
	}
	if first == "" {
		return nil
	}
	return bad(c.newest[first], "leaf %d: the row of the %s is missing", c.newest[first], first)
}

func readExceptionRow(scan func(...any) error, leaf *int64, body *[]byte) (string, bool, error) {
	var row, said Exception
	var due int64
	var again []byte
	if err := scan(leaf, body, &row.ID, &row.Kind, &row.Subject, &row.RepoID, &row.Number, &row.State, &due, &row.Issue, &again); err != nil {
		return "", false, err
	}
	err := json.Unmarshal(*body, &said)
	same := err == nil && bytes.Equal(*body, again) && row.ID == said.ID && row.Kind == said.Kind && row.Subject == said.Subject &&
		row.RepoID == said.RepoID && row.Number == said.Number && row.State == said.State && due == micros(said.DueAt) && row.Issue == said.Issue
	return exceptionRow(row.ID), same, nil
}

func readStepRow(scan func(...any) error, leaf *int64, body *[]byte) (string, bool, error) {
	var id string
	var said Exception
	if err := scan(leaf, body, &id); err != nil {
		return "", false, err
	}
	err := json.Unmarshal(*body, &said)
	return stepRow(id, *leaf), *body == nil || err == nil && said.ID == id, nil
}

func readAttestationRow(scan func(...any) error, leaf *int64, body *[]byte) (string, bool, error) {
	var ruleset, attested, updated int64
	var said Attestation
	var again []byte
	if err := scan(leaf, body, &ruleset, &attested, &updated, &again); err != nil {
		return "", false, err
	}
	err := json.Unmarshal(*body, &said)
	same := err == nil && bytes.Equal(*body, again) && ruleset == said.RulesetID && attested == micros(said.At) && updated == micros(said.UpdatedAt)
	return attestationRow(ruleset), same, nil
}

func readProtectionRow(scan func(...any) error, leaf *int64, body *[]byte) (string, bool, error) {
	var row, said protectionBody
	var digest string
	var since int64
	if err := scan(leaf, body, &row.RepositoryID, &row.Ref, &digest, &row.Holds, &since); err != nil {
		return "", false, err
	}
	err := json.Unmarshal(*body, &said)
	same := err == nil && row.RepositoryID == said.RepositoryID && row.Ref == said.Ref && digest == hexSHA256(said.Settings) &&
		row.Holds == said.Holds && since == micros(said.Since)
	return protectionRow(row.RepositoryID, row.Ref), same, nil
}

func readUpdateRow(scan func(...any) error, leaf *int64, body *[]byte) (string, bool, error) {
	var row policy.UpdateFacts
	var at, received int64
	var findings int
	var source string
	if err := scan(leaf, body, &row.RepositoryID, &row.ID, &row.Ref, &row.Before, &row.After, &row.Type, &row.Actor.ID, &row.Actor.Login, &at,
		&source, &row.Seq, &received, &findings); err != nil {
		return "", false, err
	}
	if *body == nil { // it was disposed of, and whoever did it with it
		return updateRow(row.RepositoryID, row.ID), row.Actor.ID == 0 && row.Actor.Login == "", nil
	}
	var said updateBody
	err := json.Unmarshal(*body, &said)
	u := said.Update
	same := err == nil && row.RepositoryID == u.RepositoryID && row.ID == u.ID && row.Ref == u.Ref && row.Before == u.Before && row.After == u.After &&
		row.Type == u.Type && row.Actor.ID == u.Actor.ID && row.Actor.Login == u.Actor.Login && at == micros(u.At) &&
		(source == "delivery") == (u.Seq > 0) && row.Seq == u.Seq && received == micros(u.ReceivedAt) && findings == len(said.Findings)
	return updateRow(row.RepositoryID, row.ID), same, nil
}

func readBackfilledRow(scan func(...any) error, leaf *int64, body *[]byte) (string, bool, error) {
	var repo, activity int64
	var said Backfilled
	if err := scan(leaf, body, &repo, &activity); err != nil {
		return "", false, err
	}
	err := json.Unmarshal(*body, &said)
	return backfilledRow(repo, activity), *body == nil || err == nil && said.Update.RepositoryID == repo && said.Update.ID == activity, nil
}
