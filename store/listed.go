package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// listing is what lists show of a decision about a pull request, and find it by.
type listing struct {
	title, author, class, mode, said string
	marks                            []string // sorted
}

// What listed changes can be found by: the mark is one of these with a value behind it.
const (
	MarkClass    = "class:"    // policy.Class
	MarkVerdict  = "verdict:"  // policy.Verdict
	MarkAgent    = "agent:"    // name in the catalogue
	MarkRule     = "rule:"     // a rule that did not hold
	MarkApprover = "approver:" // login of somebody whose approval counted, lower case
	MarkAuthor   = "author:"   // login of the pull request's author, lower case
	// MarkException is an exception about the change, of this kind or "any".
	MarkException = "exception:"
)

// maxListed bounds what of a text is listed, in bytes.
const maxListed = 300

// listingOf reads of a decision and its facts what lists show. What is not there is empty: lists
// show decisions of every version.
func listingOf(decision, facts []byte) (l listing, err error) {
	var d struct {
		Mode       string `json:"mode"`
		Verdict    string `json:"verdict"`
		Title      string `json:"title"`
		Authorship struct {
			Class  string   `json:"class"`
			Agents []string `json:"agents"`
		} `json:"authorship"`
		Rules []struct {
			Rule    string `json:"rule"`
			Outcome string `json:"outcome"`
		} `json:"rules"`
		Reviews []struct {
			Counted bool `json:"counted"`
			Actor   struct {
				Login string `json:"login"`
			} `json:"actor"`
		} `json:"reviews"`
	}
	if err := json.Unmarshal(decision, &d); err != nil {
		return l, fmt.Errorf("store: list a decision: %w", err)
	}
	var f struct {
		Change struct {
			Title  string `json:"title"`
			Author struct {
				Login string `json:"login"`
			} `json:"author"`
		} `json:"change"`
	}
	if len(facts) > 0 {
		if err := json.Unmarshal(facts, &f); err != nil {
			return l, fmt.Errorf("store: list the facts of a decision: %w", err)
		}
	}
	l = listing{title: listed(f.Change.Title), author: listed(f.Change.Author.Login), class: listed(d.Authorship.Class), mode: listed(d.Mode), said: listed(d.Title)}
	l.mark(MarkClass, d.Authorship.Class)
	l.mark(MarkVerdict, d.Verdict)
	l.mark(MarkAuthor, strings.ToLower(f.Change.Author.Login))
	for _, a := range d.Authorship.Agents {
		l.mark(MarkAgent, a)
	}
	for _, r := range d.Rules {
		if r.Outcome == "fail" || r.Outcome == "pending" {
			l.mark(MarkRule, r.Rule)
		}
	}
	for _, r := range d.Reviews {
		if r.Counted {
			l.mark(MarkApprover, strings.ToLower(r.Actor.Login))
		}
	}
	slices.Sort(l.marks)
	l.marks = slices.Compact(l.marks)
	return l, nil
}

func (l *listing) mark(kind, value string) {
	if value = listed(value); value != "" {
		l.marks = append(l.marks, kind+value)
	}
}

// listed is a text as lists keep it: of bounded length, and as every database takes it.
func listed(s string) string {
	if len(s) > maxListed {
		s = strings.ToValidUTF8(s[:maxListed], "")
	}
	return plain(s)
}

const (
	upsertListed = `INSERT INTO listed_changes (org_id, repo_id, number, record_id, leaf_index, decided_at, repository, governing_ref,
  title, author, class, mode, verdict, said)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (org_id, repo_id, number) DO UPDATE SET record_id = excluded.record_id, leaf_index = excluded.leaf_index,
  decided_at = excluded.decided_at, repository = excluded.repository, governing_ref = excluded.governing_ref, title = excluded.title,
  author = excluded.author, class = excluded.class, mode = excluded.mode, verdict = excluded.verdict, said = excluded.said`
	deleteMarks  = `DELETE FROM listed_marks WHERE org_id = $1 AND repo_id = $2 AND number = $3`
	insertMark   = `INSERT INTO listed_marks (org_id, mark, leaf_index, repo_id, number) VALUES ($1, $2, $3, $4, $5)`
	markExcepted = `INSERT INTO listed_marks (org_id, mark, leaf_index, repo_id, number)
SELECT DISTINCT c.org_id, $4 || k.kind, c.leaf_index, c.repo_id, c.number FROM listed_changes c JOIN (
  SELECT org_id, repo_id, number, kind FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND number = $3
  UNION SELECT org_id, repo_id, number, 'any' FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND number = $3) k
ON k.org_id = c.org_id AND k.repo_id = c.repo_id AND k.number = c.number
WHERE c.org_id = $1 AND c.repo_id = $2 AND c.number = $3 ON CONFLICT DO NOTHING`
)

// listedDecision is a decision about a pull request that lists show.
type listedDecision struct {
	org, repo             int64
	number                int
	record                string
	leaf, at              int64 // at: microseconds
	repository, governing string
	verdict               string
	listing
}

// list makes a decision the one that lists show of its change.
func list(t tables, d listedDecision) error {
	if _, err := t.exec(deleteMarks, d.org, d.repo, d.number); err != nil {
		return err
	}
	if _, err := t.exec(upsertListed, d.org, d.repo, d.number, d.record, d.leaf, d.at, d.repository, d.governing,
		d.title, d.author, d.class, d.mode, d.verdict, d.said); err != nil {
		return err
	}
	for _, mark := range d.marks {
		if _, err := t.exec(insertMark, d.org, mark, d.leaf, d.repo, d.number); err != nil {
			return err
		}
	}
	return markExceptions(t, d.org, d.repo, d.number)
}

// markExceptions has a change, if it is listed, be found by the exceptions about it.
func markExceptions(t tables, org, repo int64, number int) error {
	_, err := t.exec(markExcepted, org, repo, number, MarkException)
	return err
}

const selectUnlisted = `SELECT c.org_id, c.repo_id, c.number, c.repository, c.governing_ref, d.record_id, d.leaf_index, d.recorded_at, d.verdict, d.decision,
  d.facts_sha256, COALESCE(b.size, 0), b.gzip
FROM changes c JOIN decisions d ON d.org_id = c.org_id AND d.record_id = c.record_id
LEFT JOIN blobs b ON b.org_id = d.org_id AND b.sha256 = d.facts_sha256
WHERE c.org_id > $1 OR c.org_id = $1 AND c.repo_id > $2 OR c.org_id = $1 AND c.repo_id = $2 AND c.number > $3
ORDER BY c.org_id, c.repo_id, c.number LIMIT 200`

// listAll lists what was decided before there were lists.
func listAll(ctx context.Context, tx *sql.Tx) error {
	m := migrating{ctx, tx}
	var last listedDecision
	for {
		batch, err := unlisted(ctx, tx, last)
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, d := range batch {
			if err := list(m, d); err != nil {
				return err
			}
		}
		last = batch[len(batch)-1]
	}
}

// unlisted reads the newest decisions of the changes that follow one.
func unlisted(ctx context.Context, tx *sql.Tx, last listedDecision) (out []listedDecision, err error) {
	rows, err := tx.QueryContext(ctx, selectUnlisted, last.org, last.repo, last.number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d listedDecision
		var b blob
		var decision, facts []byte
		if err := rows.Scan(&d.org, &d.repo, &d.number, &d.repository, &d.governing, &d.record, &d.leaf, &d.at, &d.verdict, &decision,
			&b.sha256, &b.size, &b.gzip); err != nil {
			return nil, err
		}
		if b.sha256 != "" {
			if facts, err = b.unpack(); err != nil {
				return nil, err
			}
		}
		if d.listing, err = listingOf(decision, facts); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}
