package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// ListedChange is a pull request with its newest decision, as lists show it.
type ListedChange struct {
	RepoID       int64
	Number       int
	RecordID     string
	LeafIndex    int64
	DecidedAt    time.Time
	Repository   string // owner/name then
	GoverningRef string
	Title        string // hostile; empty: not known
	Author       string // login; empty: not known
	Class        string // policy.Class; empty: nothing was decided
	Mode         string // policy.Mode; empty: nothing was decided
	Verdict      string // policy.Verdict
	Said         string // title of the decision
}

// ChangeFilter selects changes; its zero value selects all.
type ChangeFilter struct {
	RepoID int64    // 0: every one
	Number int      // 0: every one
	Marks  []string // "class:agent", …: all of them; at most MaxMarks
	// From and Before bound when the newest decision was recorded; zero: unbounded.
	From, Before time.Time
	// After is the leaf of the last change of the page before; 0: the first page.
	After int64
	// Limit is how many are returned at most.
	Limit int
}

// MaxMarks is how many marks a filter can have.
const MaxMarks = 4

// A list is walked along an index, newest first: that of a mark if there is one, else that of a
// repository if there is one, else that of all. Whatever else is asked for is looked up for each.
const (
	listedColumns = `SELECT c.repo_id, c.number, c.record_id, c.leaf_index, c.decided_at, c.repository, c.governing_ref, c.title, c.author, c.class, c.mode, c.verdict, c.said `
	// $1 organisation, $2 session (empty: everything is seen), $3 after, $4 from, $5 before, $6 limit,
	// $7 repository, $8 number, $9 to $11 marks but the first, $12 that
	listedWhere = ` AND c.leaf_index < $3 AND c.decided_at >= $4 AND c.decided_at < $5
  AND ($2 = '' OR EXISTS (SELECT 1 FROM session_repositories s WHERE s.session = $2 AND s.org_id = c.org_id AND s.repo_id = c.repo_id))
  AND (c.number = $8 OR $8 = 0)
  AND ($9 = '' OR EXISTS (SELECT 1 FROM listed_marks m WHERE m.org_id = c.org_id AND m.mark = $9 AND m.leaf_index = c.leaf_index))
  AND ($10 = '' OR EXISTS (SELECT 1 FROM listed_marks m WHERE m.org_id = c.org_id AND m.mark = $10 AND m.leaf_index = c.leaf_index))
  AND ($11 = '' OR EXISTS (SELECT 1 FROM listed_marks m WHERE m.org_id = c.org_id AND m.mark = $11 AND m.leaf_index = c.leaf_index))
`
	selectListed = listedColumns + `FROM listed_changes c WHERE c.org_id = $1 AND (c.repo_id = $7 OR $7 = 0)` + listedWhere +
		`ORDER BY c.leaf_index DESC LIMIT $6`
	selectListedOf = listedColumns + `FROM listed_changes c WHERE c.org_id = $1 AND c.repo_id = $7` + listedWhere +
		`ORDER BY c.leaf_index DESC LIMIT $6`
	selectListedMarked = listedColumns + `FROM listed_marks k CROSS JOIN listed_changes c
WHERE k.org_id = $1 AND k.mark = $12 AND k.leaf_index < $3 AND c.org_id = k.org_id AND c.leaf_index = k.leaf_index AND (c.repo_id = $7 OR $7 = 0)` + listedWhere +
		`ORDER BY k.leaf_index DESC LIMIT $6`
)

// Changes lists the changes that the view reaches, that with the newest decision first.
func (v View) Changes(ctx context.Context, f ChangeFilter) (out []ListedChange, err error) {
	if len(f.Marks) > MaxMarks || f.Limit <= 0 {
		return nil, fmt.Errorf("%w: a list of %d changes by %d marks", ErrInvalid, f.Limit, len(f.Marks))
	}
	query, args := v.listed(f)
	err = v.tenant.s.query(ctx, query, args, func(scan func(...any) error) error {
		var c ListedChange
		var at int64
		if err := scan(&c.RepoID, &c.Number, &c.RecordID, &c.LeafIndex, &at, &c.Repository, &c.GoverningRef, &c.Title, &c.Author,
			&c.Class, &c.Mode, &c.Verdict, &c.Said); err != nil {
			return err
		}
		c.DecidedAt = fromMicros(at)
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list changes of organisation %d: %w", v.tenant.org, err)
	}
	return out, nil
}

// listed is the statement for a filter.
func (v View) listed(f ChangeFilter) (query string, args []any) {
	after, before := int64(math.MaxInt64), int64(math.MaxInt64)
	if f.After > 0 {
		after = f.After
	}
	from := max(micros(f.From), micros(v.From))
	for _, t := range []time.Time{f.Before, v.Before} {
		if !t.IsZero() {
			before = min(before, micros(t))
		}
	}
	var marks [MaxMarks]string
	copy(marks[:], f.Marks)
	args = []any{v.tenant.org, v.limit(), after, from, before, f.Limit, f.RepoID, f.Number, marks[1], marks[2], marks[3]}
	switch {
	case marks[0] != "":
		return selectListedMarked, append(args, marks[0])
	case f.RepoID != 0:
		return selectListedOf, args
	}
	return selectListed, args
}

// Change returns one change that the view reaches; ErrNotFound if there is none.
func (v View) Change(ctx context.Context, repoID int64, number int) (ListedChange, error) {
	if _, err := v.Of(ctx, repoID); err != nil {
		return ListedChange{}, err
	}
	list, err := v.Changes(ctx, ChangeFilter{RepoID: repoID, Number: number, Limit: 1})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("store: change %d of repository %d: %w", number, repoID, ErrNotFound)
	}
	if err != nil {
		return ListedChange{}, err
	}
	return list[0], nil
}

const selectChangeDecisions = `SELECT record_id, leaf_index, head_sha, verdict, recorded_at FROM decisions
WHERE org_id = $1 AND repo_id = $2 AND number = $3 ORDER BY leaf_index DESC LIMIT $4`

// DecisionLine is a decision as the history of its change shows it.
type DecisionLine struct {
	RecordID  string
	LeafIndex int64
	HeadSHA   string
	Verdict   string
	At        time.Time
}

// DecisionsAbout lists the newest decisions about a pull request, newest first.
func (n Tenant) DecisionsAbout(ctx context.Context, repoID int64, number, limit int) (out []DecisionLine, err error) {
	err = n.s.query(ctx, selectChangeDecisions, []any{n.org, repoID, number, limit}, func(scan func(...any) error) error {
		var d DecisionLine
		var at int64
		if err := scan(&d.RecordID, &d.LeafIndex, &d.HeadSHA, &d.Verdict, &at); err != nil {
			return err
		}
		d.At = fromMicros(at)
		out = append(out, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: decisions about %d of repository %d: %w", number, repoID, err)
	}
	return out, nil
}

const selectListedRepository = `SELECT DISTINCT repo_id FROM branches WHERE org_id = $1 AND LOWER(repository) = LOWER($2) ORDER BY repo_id DESC LIMIT 1`

// RepositoryID is the id of the followed repository that is called like that, with or without its
// owner; 0: none is.
func (v View) RepositoryID(ctx context.Context, name string) (id int64, err error) {
	if !strings.Contains(name, "/") {
		name = v.Login + "/" + name
	}
	err = v.tenant.s.one(ctx, selectListedRepository, []any{v.tenant.org, name}, &id)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return id, err
}
