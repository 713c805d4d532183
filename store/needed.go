package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/countersign/countersign/ledger"
)

const (
	selectInForce = `SELECT MAX(d.leaf_index) FROM changes c JOIN decisions d ON d.org_id = c.org_id AND d.record_id = c.record_id
WHERE c.org_id = $1 AND c.record_id <> '' GROUP BY c.repo_id, c.governing_ref`
	selectKeptMerges = `SELECT leaf_index, body FROM log_leaves WHERE org_id = $1 AND kind = 'merge' AND body IS NOT NULL ORDER BY leaf_index`
)

// mergeRests is what the record of a merge rests on: evidence of it is made with these decisions.
type mergeRests struct {
	Update struct {
		Changes struct {
			Items []struct {
				Before *struct {
					LeafIndex int64 `json:"leaf_index"`
				} `json:"before"`
				Later *struct {
					LeafIndex int64 `json:"leaf_index"`
				} `json:"later"`
			} `json:"items"`
		} `json:"changes"`
		Group *struct {
			LeafIndex int64 `json:"leaf_index"`
		} `json:"group"`
	} `json:"update"`
}

func (m mergeRests) leaves() (out []int64) {
	for _, c := range m.Update.Changes.Items {
		if c.Before != nil {
			out = append(out, c.Before.LeafIndex)
		}
		if c.Later != nil {
			out = append(out, c.Later.LeafIndex)
		}
	}
	if m.Update.Group != nil {
		out = append(out, m.Update.Group.LeafIndex)
	}
	return out
}

// merges calls each for every record of a merge that is there, with the decisions that it rests on.
func (n Tenant) merges(ctx context.Context, each func(index int64, rests []int64)) error {
	return n.s.query(ctx, selectKeptMerges, []any{n.org}, func(scan func(...any) error) error {
		var index int64
		var body []byte
		var m mergeRests
		if err := scan(&index, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return fmt.Errorf("merge of leaf %d: %w", index, err)
		}
		each(index, m.leaves())
		return nil
	})
}

// workOut finds which decisions are needed by something other than what they are about. It reads
// too much for a transaction that others wait for. What comes after it makes older decisions less
// needed, never more: a record of a merge rests on decisions that were recorded shortly before.
func (p *purge) workOut(ctx context.Context) error {
	p.inForce, p.restsOn = map[int64]bool{}, map[int64]bool{}
	err := p.s.query(ctx, selectInForce, []any{p.org}, func(scan func(...any) error) error {
		var index int64
		err := scan(&index)
		p.inForce[index] = true
		return err
	})
	if err != nil {
		return err
	}
	return p.merges(ctx, func(_ int64, rests []int64) {
		for _, index := range rests {
			p.restsOn[index] = true
		}
	})
}

// keepsRecord says why a record stays; empty: it need not.
func (p *purge) keepsRecord(t *txn, held coverage, r *keptRecord) (why string, err error) {
	if held.covers(r.repositories()...) {
		return KeptByHold, nil
	}
	if r.kind == LeafObservations {
		return p.keepsObservations(t, r)
	}
	if p.certificate.Reason == ReasonUninstalled {
		return "", nil
	}
	switch r.kind {
	case LeafDecision:
		return p.keepsDecision(t, r)
	case LeafException:
		return p.keepsException(t, r)
	case LeafMerge:
		if len(r.about.Findings) > 0 {
			return asked(t, KeptByException, countUnsettled, p.org, r.about.Update.RepositoryID)
		}
	case LeafAttestation:
		return asked(t, KeptInForce, countAttestation, p.org, r.index)
	case LeafProtection:
		if why, err = asked(t, KeptInForce, countSnapshot, p.org, r.index); why == "" && err == nil {
			why, err = asked(t, KeptByException, countDrifts, p.org, r.about.RepositoryID)
		}
	case LeafScope, LeafEnrolment, LeafRegister, LeafBackfill:
		return KeptAsScope, nil
	}
	return why, err
}

// keepsObservations: the record of a batch of observations goes when all of it is gone.
func (p *purge) keepsObservations(t *txn, r *keptRecord) (string, error) {
	list := r.about.Observations
	if len(list) == 0 {
		return "", nil
	}
	return asked(t, KeptByRecord, countKept, p.org, list[0].Seq, list[len(list)-1].Seq)
}

const (
	countUnsettled   = `SELECT COUNT(*) FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND state <> 'closed'`
	countAttestation = `SELECT COUNT(*) FROM attestations WHERE org_id = $1 AND leaf_index = $2`
	countSnapshot    = `SELECT COUNT(*) FROM protection_snapshots WHERE org_id = $1 AND leaf_index = $2`
	countDrifts      = `SELECT COUNT(*) FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND kind = 'protection-drift' AND state <> 'closed'`
	countKept        = `SELECT COUNT(*) FROM observations WHERE org_id = $1 AND seq BETWEEN $2 AND $3 AND disposed = 0`

	countOpen        = `SELECT COUNT(*) FROM changes WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND is_open = 1`
	countOpenHead    = `SELECT COUNT(*) FROM changes WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND is_open = 1`
	countGroup       = `SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND kind = 'group' AND repo_id = $2 AND head_sha = $3`
	countPolicy      = `SELECT COUNT(*) FROM policies WHERE org_id = $1 AND record_id = $2`
	countUnsettledOn = `SELECT COUNT(*) FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND state <> 'closed'`
)

// asked gives the reason if a statement counts anything.
func asked(t *txn, why, count string, args ...any) (string, error) {
	var n int64
	if err := t.row(count, args, &n); err != nil || n == 0 {
		return "", err
	}
	return why, nil
}

// question is a statement that counts what is a reason to keep something.
type question struct {
	why, count string
	args       []any
}

func firstAsked(t *txn, questions ...question) (why string, err error) {
	for _, q := range questions {
		if why, err = asked(t, q.why, q.count, q.args...); why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// keepsDecision: all decisions about an open pull request stay, because approvals are carried
// forward from heads before; and so do those that say that a branch is enrolled, and with what.
func (p *purge) keepsDecision(t *txn, r *keptRecord) (string, error) {
	switch {
	case p.inForce[r.index]:
		return KeptInForce, nil
	case p.restsOn[r.index]:
		return KeptByRecord, nil
	}
	repo, number := r.about.RepositoryID, r.about.Number
	return firstAsked(t,
		question{KeptByChange, countOpen, []any{p.org, repo, number}},
		question{KeptByChange, countOpenHead, []any{p.org, repo, r.about.HeadSHA}},
		question{KeptByChange, countGroup, []any{p.org, repo, r.about.HeadSHA}},
		question{KeptInForce, countPolicy, []any{p.org, r.about.RecordID}},
		question{KeptByException, countUnsettledOn, []any{p.org, repo, number}},
		p.heardLater(repo, number),
	)
}

// heardLater asks whether something was heard of a pull request or an issue since what is disposed
// of. A merge is compared with the decisions before it some time after we heard of it.
func (p *purge) heardLater(repo int64, number int) question {
	return question{KeptWithLater, countHeard, []any{p.org, repo, number, p.since()}}
}

const (
	selectExceptionState = `SELECT e.state, l.leaf FROM exceptions e JOIN log_leaves l ON l.org_id = e.org_id AND l.leaf_index = e.leaf_index
WHERE e.org_id = $1 AND e.id = $2`
	countStepsBefore = `SELECT COUNT(*) FROM exception_steps s JOIN log_leaves l ON l.org_id = s.org_id AND l.leaf_index = s.leaf_index
WHERE s.org_id = $1 AND s.id = $2 AND s.leaf_index < $3 AND l.body IS NOT NULL`
)

// keepsException: the steps of an exception go when it is settled, and its newest step is as old as
// the others must be.
func (p *purge) keepsException(t *txn, r *keptRecord) (string, error) {
	var state string
	var raw []byte
	err := t.row(selectExceptionState, []any{p.org, r.about.ID}, &state, &raw)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	newest, err := ledger.DecodeLeaf(raw)
	if err != nil {
		return "", err
	}
	if before := p.certificate.Before; state != ExceptionClosed || !before.IsZero() && !newest.RecordedAt.Before(before) {
		return KeptByException, nil
	}
	if newest.Seq != r.index {
		return "", nil
	}
	// Its row goes with the newest step, and every step that is kept needs the row.
	return asked(t, KeptByRecord, countStepsBefore, p.org, r.about.ID, r.index)
}

// observationRow is an observation without what it said.
type observationRow struct {
	seq, receivedAt, repo int64
	event, head           string
	number                int
	disposed              bool
}

const selectObservation = `SELECT seq, received_at, event, repo_id, number, head_sha, disposed FROM observations WHERE org_id = $1 AND seq = $2`

func loadObservation(t *txn, org, seq int64) (o observationRow, err error) {
	var disposed int
	err = t.row(selectObservation, []any{org, seq}, &o.seq, &o.receivedAt, &o.event, &o.repo, &o.number, &o.head, &disposed)
	o.disposed = disposed == 1
	return o, err
}

const (
	countOpenHeads = `SELECT COUNT(*) FROM change_heads h JOIN changes c ON c.org_id = h.org_id AND c.repo_id = h.repo_id AND c.number = h.number
WHERE h.org_id = $1 AND h.repo_id = $2 AND h.head_sha = $3 AND c.is_open = 1`
	countIssue  = `SELECT COUNT(*) FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND issue = $3 AND issue > 0 AND state <> 'closed'`
	countHeard  = `SELECT COUNT(*) FROM observations WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND number > 0 AND received_at >= $4`
	countBehind = `SELECT COUNT(*) FROM branches WHERE org_id = $1 AND repo_id = $2 AND seq < $3`
)

// keepsObservation says why what an event said stays; empty: it need not. What was heard of one
// pull request or issue goes together, when nothing was heard of it for long enough.
func (p *purge) keepsObservation(t *txn, held coverage, o observationRow) (string, error) {
	if held.covers(o.repo) {
		return KeptByHold, nil
	}
	if p.certificate.Reason == ReasonUninstalled {
		return "", nil
	}
	var questions []question
	if o.number > 0 {
		questions = append(questions,
			question{KeptByChange, countOpen, []any{p.org, o.repo, o.number}},
			question{KeptByException, countUnsettledOn, []any{p.org, o.repo, o.number}},
			question{KeptByException, countIssue, []any{p.org, o.repo, o.number}},
			p.heardLater(o.repo, o.number))
	}
	if o.head != "" {
		questions = append(questions, question{KeptByChange, countOpenHeads, []any{p.org, o.repo, o.head}})
	}
	if o.event == "push" {
		if floor, ok := p.floors[o.repo]; ok && o.seq >= floor {
			return KeptByChange, nil
		}
		questions = append(questions, question{KeptByRecord, countBehind, []any{p.org, o.repo, o.seq}})
	}
	return firstAsked(t, questions...)
}

// selectFloors gives the first observation of every repository that is about an open pull request,
// or about a commit that was the head of one.
const selectFloors = `SELECT repo_id, MIN(seq) FROM (
  SELECT c.repo_id, MIN(o.seq) AS seq FROM changes c
  JOIN observations o ON o.org_id = c.org_id AND o.repo_id = c.repo_id AND o.number = c.number AND o.number > 0
  WHERE c.org_id = $1 AND c.is_open = 1 GROUP BY c.repo_id
  UNION ALL
  SELECT c.repo_id, MIN(o.seq) FROM changes c
  JOIN change_heads h ON h.org_id = c.org_id AND h.repo_id = c.repo_id AND h.number = c.number
  JOIN observations o ON o.org_id = h.org_id AND o.repo_id = h.repo_id AND o.head_sha = h.head_sha AND o.head_sha <> '' AND o.number = 0
  WHERE c.org_id = $1 AND c.is_open = 1 GROUP BY c.repo_id
  UNION ALL
  SELECT c.repo_id, MIN(o.seq) FROM changes c
  JOIN change_heads h ON h.org_id = c.org_id AND h.repo_id = c.repo_id AND h.number = c.number
  JOIN change_heads also ON also.org_id = h.org_id AND also.repo_id = h.repo_id AND also.head_sha = h.head_sha
  JOIN observations o ON o.org_id = also.org_id AND o.repo_id = also.repo_id AND o.number = also.number AND o.number > 0 AND o.head_sha = h.head_sha
  WHERE c.org_id = $1 AND c.is_open = 1 GROUP BY c.repo_id) AS firsts
GROUP BY repo_id`

// findFloors finds the observations from which on the pushes to a repository are needed: whoever
// judges a pull request asks what was pushed to its base since its commits were first heard of.
func (p *purge) findFloors(ctx context.Context) error {
	if len(p.floors) > 0 {
		return nil
	}
	return p.s.query(ctx, selectFloors, []any{p.org}, func(scan func(...any) error) error {
		var repo, seq int64
		err := scan(&repo, &seq)
		p.floors[repo] = seq
		return err
	})
}
