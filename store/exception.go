package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
)

// LeafException is the kind of the leaves that hold the steps of exceptions.
const LeafException = "exception"

// The states of an exception. A late approval or a repair makes it remediated: that it
// happened stays true, so it is never deleted.
const (
	ExceptionOpen       = "open"
	ExceptionRemediated = "remediated" // the cause is gone; nobody has said that the matter is settled
	ExceptionClosed     = "closed"
)

// Exception is something that did not hold: an item that fails an attribute, in an auditor's
// words. It is the body of its newest step's leaf.
//
// Field names and order are part of the evidence format; add, never change.
type Exception struct {
	V  int    `json:"v"`
	ID string `json:"id"` // random; set by OpenException
	// Kind is one of "direct-push", "merged-without-decision", "force-push", "emergency", …
	Kind string `json:"kind"`
	// Subject says what it is about, so that the same thing seen twice is one exception.
	Subject    string `json:"subject"`
	RepoID     int64  `json:"repository_id"` // 0: the organisation's
	Repository string `json:"repository"`    // owner/name; empty: the organisation's
	Number     int    `json:"number"`        // pull request; 0: none
	Ref        string `json:"ref"`           // branch; empty: none
	SHA        string `json:"sha"`           // commit; empty: none
	RecordID   string `json:"record_id"`     // decision that it is about; empty: none
	// Severity is "high", "medium" or "low".
	Severity string `json:"severity"`
	State    string `json:"state"`
	// Reason says what happened, in whole sentences.
	Reason string `json:"reason"`
	// Owner is the login of who is to settle it; empty: nobody yet.
	Owner string `json:"owner"`
	// Remediation says what was done about it; empty: nothing yet.
	Remediation string    `json:"remediation"`
	OpenedAt    time.Time `json:"opened_at"` // UTC, to the microsecond
	// DueAt is until when it is to be settled; zero: no date.
	DueAt    time.Time `json:"due_at,omitzero"`
	ClosedAt time.Time `json:"closed_at,omitzero"`
	// Issue is the number of its GitHub issue in the repository; 0: none.
	Issue int `json:"issue,omitempty"`
	// Step says what this step was: "opened", "escalated", "remediated", "closed", …; By is who
	// took it, as GitHub asserts it (login and id), or "countersign".
	Step string `json:"step"`
	By   string `json:"by"`
	// OverdueAt is when it was found to be overdue; zero: it was not.
	OverdueAt time.Time `json:"overdue_at,omitzero"`
	// ToldSlack and ToldWebhook are the newest of its events ("opened", "overdue") that was told
	// there, or given up telling, as the step says; empty: none.
	ToldSlack   string `json:"told_slack,omitempty"`
	ToldWebhook string `json:"told_webhook,omitempty"`
	// KeepIssue and Escalate are what the policy says that held when it was opened: keep it as an
	// issue, and tell on GitHub that it is overdue.
	KeepIssue bool `json:"keep_issue,omitempty"`
	Escalate  bool `json:"escalate,omitempty"`
	// CausedBy is the numeric id of the account that it is about; 0: not known, or nobody.
	CausedBy int64 `json:"caused_by,omitempty"`
	// Involved are the numeric ids of the accounts behind the change that it is about.
	Involved []int64 `json:"involved,omitempty"`
	// ByID is the numeric id of who took this step; 0: countersign, or somebody who is known by
	// name alone.
	ByID int64 `json:"by_id,omitempty"`
	// OnGitHub is the newest of its events ("opened", "remediated", "closed") that its issue tells
	// of; empty: none.
	OnGitHub string `json:"on_github,omitempty"`
	// Escalated is true while GitHub shows that it is overdue.
	Escalated bool `json:"escalated,omitempty"`
}

const exceptionVersion = 1

// ExceptionBlind is the kind of the exception of a time in which something could not be seen.
const ExceptionBlind = "blind-interval"

// ImpostorCheck is the kind of the exception of a check under one of our names from somebody else.
const ImpostorCheck = "impostor-check"

// LeafIndexed is an exception with the leaf of its newest step.
type LeafIndexed struct {
	Exception
	LeafIndex int64
	// RecordedAt is the time of that leaf; zero where leaves were not read: ExceptionSteps reads them.
	RecordedAt time.Time `json:",omitzero"`
}

// OpenException opens an exception with its first step, in the ledger, and has its clocks looked
// at through an installation of the App. If there already is one of this kind and subject,
// whatever its state, that one is returned and nothing is written.
func (n Tenant) OpenException(ctx context.Context, e Exception, installation int64) (out Exception, opened bool, err error) {
	err = n.s.write(ctx, "open exception "+e.Kind+" of "+e.Subject, func(t *txn) (err error) {
		out, opened, err = n.openException(t, e, installation)
		return err
	})
	return out, opened, err
}

const selectExceptionOf = `SELECT body FROM exceptions WHERE org_id = $1 AND kind = $2 AND subject = $3`

// openException is OpenException inside of a transaction that also writes its cause. It appends
// to the log, so nothing may append with a head that was read before it.
func (n Tenant) openException(t *txn, e Exception, installation int64) (Exception, bool, error) {
	if e.Kind == "" || e.Subject == "" || e.Severity == "" || e.Reason == "" {
		return Exception{}, false, fmt.Errorf("%w: exception %q of %q lacks kind, subject, severity or reason", ErrInvalid, e.Kind, e.Subject)
	}
	var body []byte
	err := t.row(selectExceptionOf, []any{n.org, e.Kind, e.Subject}, &body)
	if err == nil {
		var old Exception
		return old, false, json.Unmarshal(body, &old)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return Exception{}, false, err
	}
	at := n.s.moment()
	e.V, e.ID, e.State, e.Step = exceptionVersion, newRecordID(), ExceptionOpen, "opened"
	if e.OpenedAt.IsZero() {
		e.OpenedAt = at
	}
	if e.By == "" {
		e.By = "countersign"
	}
	if err := n.saveException(t, e, at); err != nil {
		return Exception{}, false, err
	}
	if e.Number > 0 {
		if err := markExceptions(t, n.org, e.RepoID, e.Number); err != nil {
			return Exception{}, false, err
		}
	}
	m := Mark{Kind: KindException, OrgID: n.org, InstallationID: installation, RepoID: e.RepoID, Repository: e.Repository, Ref: e.ID}
	_, err = n.s.mark(t, m.job(), false, false)
	return e, true, err
}

// StepException takes an exception one step further: change alters it as it is now, and must
// set Step and By. When change returns false, nothing is written. ErrNotFound if there is no
// such exception.
func (n Tenant) StepException(ctx context.Context, id string, change func(*Exception) bool) error {
	return n.s.write(ctx, "step of exception "+id, func(t *txn) error { return n.stepException(t, id, change) })
}

const selectException = `SELECT body FROM exceptions WHERE org_id = $1 AND id = $2`

func (n Tenant) stepException(t *txn, id string, change func(*Exception) bool) error {
	var body []byte
	err := t.row(selectException, []any{n.org, id}, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	var e Exception
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		return err
	}
	before := e
	e.Step, e.By, e.ByID = "", "", 0
	if !change(&e) {
		return nil
	}
	if e.ID != before.ID || e.Kind != before.Kind || e.Subject != before.Subject || e.Step == "" || e.By == "" {
		return fmt.Errorf("%w: step %q by %q of exception %s", ErrInvalid, e.Step, e.By, id)
	}
	if err := n.saveException(t, e, n.s.moment()); err != nil || e.State == before.State {
		return err
	}
	return n.markException(t, id)
}

const selectExceptionJob = `SELECT installation_id, repo_id, repository FROM jobs WHERE org_id = $1 AND kind = 'exception' AND ukey = $2`

// markException has an exception that changed its state looked at: its issue may have to be closed.
func (n Tenant) markException(t *txn, id string) error {
	m := Mark{Kind: KindException, OrgID: n.org, Ref: id}
	if err := t.row(selectExceptionJob, []any{n.org, id}, &m.InstallationID, &m.RepoID, &m.Repository); err != nil {
		return fmt.Errorf("job of exception %s: %w", id, err)
	}
	_, err := n.s.mark(t, m.job(), false, false)
	return err
}

const (
	upsertException = `INSERT INTO exceptions (org_id, id, kind, subject, repo_id, number, state, due_at, leaf_index, body, issue)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (org_id, id) DO UPDATE SET repo_id = excluded.repo_id, number = excluded.number, state = excluded.state,
  due_at = excluded.due_at, leaf_index = excluded.leaf_index, body = excluded.body, issue = excluded.issue`
	insertExceptionStep = `INSERT INTO exception_steps (org_id, id, leaf_index) VALUES ($1, $2, $3)`
)

// saveException writes a step: the row as it is now, and its leaf.
func (n Tenant) saveException(t *txn, e Exception, at time.Time) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode exception: %w", err)
	}
	leaf, err := n.appendRecord(t, LeafException, at, body)
	if err != nil {
		return err
	}
	if _, err := t.exec(upsertException, n.org, e.ID, e.Kind, e.Subject, e.RepoID, e.Number, e.State, micros(e.DueAt), leaf, body, e.Issue); err != nil {
		return err
	}
	_, err = t.exec(insertExceptionStep, n.org, e.ID, leaf)
	return err
}

// ExceptionFilter selects exceptions; its zero value selects all.
type ExceptionFilter struct {
	RepoID int64  // 0: every one
	Number int    // 0: every one
	Kind   string // empty: every one
	Open   bool   // only those that are not closed
}

const selectExceptions = `SELECT leaf_index, body FROM exceptions
WHERE org_id = $1 AND (repo_id = $2 OR $2 = 0) AND (number = $3 OR $3 = 0) AND (kind = $4 OR $4 = '') AND (state <> 'closed' OR $5 = 0)
ORDER BY leaf_index`

// Exceptions returns the exceptions as their newest steps left them, by that step.
func (n Tenant) Exceptions(ctx context.Context, f ExceptionFilter) ([]LeafIndexed, error) {
	return n.exceptions(ctx, selectExceptions, n.org, f.RepoID, f.Number, f.Kind, bit(f.Open))
}

const selectExceptionByID = `SELECT leaf_index, body FROM exceptions WHERE org_id = $1 AND id = $2`

// Exception returns one exception; ErrNotFound if there is none with this id.
func (n Tenant) Exception(ctx context.Context, id string) (LeafIndexed, error) {
	list, err := n.exceptions(ctx, selectExceptionByID, n.org, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: exception %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return LeafIndexed{}, err
	}
	return list[0], nil
}

const selectExceptionSteps = `SELECT s.leaf_index, l.body, l.leaf FROM exception_steps s
JOIN log_leaves l ON l.org_id = s.org_id AND l.leaf_index = s.leaf_index
WHERE s.org_id = $1 AND s.id = $2 AND l.body IS NOT NULL ORDER BY s.leaf_index`

// ExceptionSteps returns every step of an exception, oldest first.
func (n Tenant) ExceptionSteps(ctx context.Context, id string) ([]LeafIndexed, error) {
	var out []LeafIndexed
	err := n.s.query(ctx, selectExceptionSteps, []any{n.org, id}, func(scan func(...any) error) error {
		var body, encoded []byte
		var index int64
		if err := scan(&index, &body, &encoded); err != nil {
			return err
		}
		e, err := readException(index, body)
		if err != nil {
			return err
		}
		leaf, err := ledger.DecodeLeaf(encoded)
		if err != nil {
			return fmt.Errorf("leaf %d: %w", index, err)
		}
		e.RecordedAt = leaf.RecordedAt
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list the steps of exception %s: %w", id, err)
	}
	return out, nil
}

func (n Tenant) exceptions(ctx context.Context, query string, args ...any) ([]LeafIndexed, error) {
	var out []LeafIndexed
	err := n.s.query(ctx, query, args, func(scan func(...any) error) error {
		var body []byte
		var index int64
		if err := scan(&index, &body); err != nil {
			return err
		}
		e, err := readException(index, body)
		out = append(out, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list exceptions %s: %w", strings.TrimSpace(fmt.Sprint(args[1:]...)), err)
	}
	return out, nil
}

// readException reads what a leaf says of an exception.
func readException(index int64, body []byte) (e LeafIndexed, err error) {
	e.LeafIndex = index
	if err := json.Unmarshal(body, &e.Exception); err != nil {
		return e, fmt.Errorf("exception of leaf %d: %w", index, err)
	}
	return e, nil
}
