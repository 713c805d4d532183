package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// mergedUpdate is an update of a branch, for figures over many.
type mergedUpdate struct {
	org, repo, activity int64
	repository, ref     string
	at, leaf            int64 // at: microseconds
	items               []policy.MergedItem
}

// Counts of a day beside those of policy.MergedMarks.
const (
	// CountAttempts are the attempts of validations, and CountFailed those of them that failed.
	CountAttempts = "attempts"
	CountFailed   = "failed"
	// CountGone are the updates whose records were disposed of before they were counted.
	CountGone = "gone"
)

// countedUpdate reads of the record of an update what figures count, and the repository's name then.
func countedUpdate(body []byte) (repository string, items []policy.MergedItem, err error) {
	var m struct {
		Update policy.UpdateFacts `json:"update"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", nil, fmt.Errorf("store: count an update: %w", err)
	}
	return m.Update.Repository, policy.MergedItems(&m.Update), nil
}

// counts are what the update adds to its day.
func (u mergedUpdate) counts() map[string]int64 {
	out := map[string]int64{}
	for _, i := range u.items {
		for _, mark := range i.Marks {
			out[listed(mark)]++
		}
		if i.Attempts >= 0 {
			out[CountAttempts] += int64(i.Attempts)
			out[CountFailed] += int64(i.Failed)
		}
	}
	return out
}

const (
	insertMerged = `INSERT INTO merged_changes (org_id, leaf_index, number, at, repo_id, activity_id, repository, ref, class, agent, reviews, attempts, failed, latency, kept)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (org_id, leaf_index, number) DO NOTHING`
	insertMergedMark = `INSERT INTO merged_marks (org_id, mark, at, leaf_index, number) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	deleteMerged     = `DELETE FROM merged_changes WHERE org_id = $1 AND leaf_index = $2`
	selectDay        = `SELECT counts FROM merged_days WHERE org_id = $1 AND repo_id = $2 AND day = $3`
	upsertDay        = `INSERT INTO merged_days (org_id, repo_id, day, counts) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, repo_id, day) DO UPDATE SET counts = excluded.counts`
)

// dayOf is the day of a time in microseconds.
func dayOf(at int64) int64 { return at / (24 * int64(time.Hour/time.Microsecond)) }

// dayMark says whether a mark is only counted: nobody asks which changes took between 4 and 5 minutes.
func dayMark(mark string) bool {
	value, latency := strings.CutPrefix(mark, policy.MergedLatency)
	return latency && value != "" && value[0] >= '0' && value[0] <= '9'
}

// merge enters what an update brought, and counts it.
func merge(t tables, u mergedUpdate) error {
	for _, i := range u.items {
		latency := int64(i.Latency)
		if i.Latency > 0 {
			latency = i.Latency.Microseconds()
		}
		if _, err := t.exec(insertMerged, u.org, u.leaf, i.Number, u.at, u.repo, u.activity, u.repository, u.ref, listed(string(i.Class)), listed(i.Agent),
			string(i.Reviews), i.Attempts, i.Failed, latency, string(i.Kept)); err != nil {
			return err
		}
		for _, mark := range i.Marks {
			if dayMark(mark) {
				continue
			}
			if _, err := t.exec(insertMergedMark, u.org, listed(mark), u.at, u.leaf, i.Number); err != nil {
				return err
			}
		}
	}
	return countDay(t, u.org, u.repo, dayOf(u.at), u.counts())
}

// countDay adds to the sums of a day: those of the repository, and those of the organisation.
func countDay(t tables, org, repo, day int64, more map[string]int64) error {
	for _, of := range []int64{repo, 0} {
		counts := map[string]int64{}
		var before []byte
		err := t.row(selectDay, []any{org, of, day}, &before)
		switch {
		case err == nil:
			err = json.Unmarshal(before, &counts)
		case errors.Is(err, sql.ErrNoRows):
			err = nil
		}
		if err != nil {
			return fmt.Errorf("sums of day %d: %w", day, err)
		}
		for name, n := range more {
			counts[name] += n
		}
		after, err := json.Marshal(counts)
		if err != nil {
			return err
		}
		if _, err := t.exec(upsertDay, org, of, day, after); err != nil {
			return err
		}
	}
	return nil
}

// tables is what rows are written with: a transaction of the store's, or of a migration.
type tables interface {
	exec(query string, args ...any) (int64, error)
	row(query string, args []any, into ...any) error
}

// migrating is a migration's transaction.
type migrating struct {
	ctx context.Context
	tx  *sql.Tx
}

func (m migrating) exec(query string, args ...any) (int64, error) {
	_, err := m.tx.ExecContext(m.ctx, query, args...)
	return 0, err
}

func (m migrating) row(query string, args []any, into ...any) error {
	return m.tx.QueryRowContext(m.ctx, query, args...).Scan(into...)
}

const selectUncounted = `SELECT u.org_id, u.repo_id, u.activity_id, u.ref, u.at, u.leaf_index, l.body
FROM branch_updates u JOIN log_leaves l ON l.org_id = u.org_id AND l.leaf_index = u.leaf_index
WHERE u.org_id > $1 OR u.org_id = $1 AND u.repo_id > $2 OR u.org_id = $1 AND u.repo_id = $2 AND u.activity_id > $3
ORDER BY u.org_id, u.repo_id, u.activity_id LIMIT 200`

// countAll counts what reached branches before there were figures, and sees the agents that
// decisions named before.
func countAll(ctx context.Context, tx *sql.Tx) error {
	m := migrating{ctx, tx}
	var last mergedUpdate
	for {
		batch, err := uncounted(ctx, tx, last)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return seeAllAgents(m)
		}
		for _, u := range batch {
			if u.items == nil {
				err = countDay(m, u.org, u.repo, dayOf(u.at), map[string]int64{CountGone: 1})
			} else {
				err = merge(m, u)
			}
			if err != nil {
				return err
			}
		}
		last = batch[len(batch)-1]
	}
}

// uncounted reads the updates that follow one. Those whose records are gone have no items.
func uncounted(ctx context.Context, tx *sql.Tx, last mergedUpdate) (out []mergedUpdate, err error) {
	rows, err := tx.QueryContext(ctx, selectUncounted, last.org, last.repo, last.activity)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var u mergedUpdate
		var body []byte
		if err := rows.Scan(&u.org, &u.repo, &u.activity, &u.ref, &u.at, &u.leaf, &body); err != nil {
			return nil, err
		}
		if body != nil {
			if u.repository, u.items, err = countedUpdate(body); err != nil {
				return nil, err
			}
		}
		out = append(out, u)
	}
	return out, rows.Err()
}
