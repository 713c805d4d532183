package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// MergedDay are the sums of one day, of all repositories that a view reaches.
type MergedDay struct {
	Day time.Time // its beginning, UTC
	// Counts are how many changes have which of policy.MergedMarks, and CountAttempts, CountFailed
	// and CountGone.
	Counts map[string]int64
}

const (
	selectDays = `SELECT day, counts FROM merged_days WHERE org_id = $1 AND repo_id = 0 AND day >= $2 AND day < $3 ORDER BY day`
	// Of the repositories that a session sees. The order of the tables is that of the lookups.
	selectSeenDays = `SELECT d.day, d.counts FROM session_repositories s CROSS JOIN merged_days d
WHERE s.session = $4 AND s.org_id = $1 AND d.org_id = s.org_id AND d.repo_id = s.repo_id AND d.day >= $2 AND d.day < $3`
)

// MergedDays sums up what reached branches on the days from one on and before another, by GitHub's
// time of the update, in order. Days on which nothing did are left out.
func (v View) MergedDays(ctx context.Context, from, before time.Time) ([]MergedDay, error) {
	from, before = v.Days(from, before)
	query, args := selectDays, []any{v.tenant.org, dayOf(micros(from)), dayOf(micros(before))}
	if !v.everything() {
		query, args = selectSeenDays, append(args, v.session)
	}
	days, counts := map[int64]map[string]int64{}, map[string]int64{}
	err := v.tenant.s.query(ctx, query, args, func(scan func(...any) error) error {
		var day int64
		var encoded []byte
		if err := scan(&day, &encoded); err != nil {
			return err
		}
		if days[day] == nil {
			days[day] = map[string]int64{}
		}
		clear(counts) // it is filled for each of many rows
		if err := json.Unmarshal(encoded, &counts); err != nil {
			return fmt.Errorf("sums of day %d: %w", day, err)
		}
		for name, n := range counts {
			days[day][name] += n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: sums of organisation %d: %w", v.tenant.org, err)
	}
	out := make([]MergedDay, 0, len(days))
	for day, counts := range days {
		out = append(out, MergedDay{time.Unix(day*24*60*60, 0).UTC(), counts})
	}
	slices.SortFunc(out, func(a, b MergedDay) int { return a.Day.Compare(b.Day) })
	return out, nil
}

// Days are the whole days of a period that the view reaches: an auditor sees none that is not
// wholly in their time.
func (v View) Days(from, before time.Time) (time.Time, time.Time) {
	const day = 24 * time.Hour
	if !v.From.IsZero() {
		if first := v.From.Add(day - 1).Truncate(day); from.Before(first) {
			from = first
		}
	}
	if !v.Before.IsZero() {
		if end := v.Before.Truncate(day); before.After(end) {
			before = end
		}
	}
	return from.UTC().Truncate(day), before.UTC().Truncate(day)
}

// Merged is a change that reached a branch, as lists show it.
type Merged struct {
	RepoID     int64
	Repository string // owner/name then
	Ref        string
	Number     int // pull request; 0: none
	At         time.Time
	LeafIndex  int64  // of the record of the update
	Class      string // policy.Class; empty: not known
	Agent      string // of which there is the strongest evidence; empty: none
	Reviews    string // policy.Answer; empty: no pull request
	// Attempts of validations, and Failed of these; -1: not known.
	Attempts, Failed int
	// Latency is the time to the first review, or policy.NoReview, or policy.LatencyUnknown.
	Latency time.Duration
	Kept    string // policy.ReviewKept; empty: not known
	Title   string // of the pull request, by its newest decision; hostile; empty: not known
	Type    string // GitHub's of the update
	SHA     string // commit that the update led to
}

// MergedFilter selects changes that reached branches.
type MergedFilter struct {
	Mark   string // one of policy.MergedMarks
	RepoID int64  // 0: every one
	// From and Before bound GitHub's time of the update; whole days.
	From, Before time.Time
	After        MergedPlace // last row of the page before; zero: the first page
	Limit        int
}

// MergedPlace is a place in a list of changes that reached branches.
type MergedPlace struct {
	At, LeafIndex int64 // At: microseconds
	Number        int
}

// Place is where the change stands in a list.
func (m Merged) Place() MergedPlace { return MergedPlace{micros(m.At), m.LeafIndex, m.Number} }

// The list is walked along the mark, newest first.
const selectMerged = `SELECT c.repo_id, c.repository, c.ref, c.number, c.at, c.leaf_index, c.class, c.agent, c.reviews, c.attempts, c.failed, c.latency, c.kept,
  COALESCE(l.title, ''), COALESCE(u.type, ''), COALESCE(u.after_sha, '')
FROM merged_marks k
JOIN merged_changes c ON c.org_id = k.org_id AND c.leaf_index = k.leaf_index AND c.number = k.number
LEFT JOIN listed_changes l ON l.org_id = c.org_id AND l.repo_id = c.repo_id AND l.number = c.number
LEFT JOIN branch_updates u ON u.org_id = c.org_id AND u.repo_id = c.repo_id AND u.activity_id = c.activity_id
WHERE k.org_id = $1 AND k.mark = $2 AND k.at >= $3 AND k.at < $4 AND k.at <= $5 AND (k.at < $5 OR k.leaf_index < $6 OR k.leaf_index = $6 AND k.number < $7)
  AND (c.repo_id = $8 OR $8 = 0)
  AND ($9 = '' OR EXISTS (SELECT 1 FROM session_repositories s WHERE s.session = $9 AND s.org_id = c.org_id AND s.repo_id = c.repo_id))
ORDER BY k.at DESC, k.leaf_index DESC, k.number DESC LIMIT $10`

// Merged lists the changes that reached branches and that the view reaches, the newest first.
func (v View) Merged(ctx context.Context, f MergedFilter) (out []Merged, err error) {
	if f.Mark == "" || f.Limit <= 0 {
		return nil, fmt.Errorf("%w: a list of %d changes by the mark %q", ErrInvalid, f.Limit, f.Mark)
	}
	from, before := v.Days(f.From, f.Before)
	if f.After == (MergedPlace{}) {
		f.After.At = math.MaxInt64
	}
	args := []any{v.tenant.org, f.Mark, micros(from), micros(before), f.After.At, f.After.LeafIndex, f.After.Number, f.RepoID, v.limit(), f.Limit}
	err = v.tenant.s.query(ctx, selectMerged, args, func(scan func(...any) error) error {
		var m Merged
		var at, latency int64
		if err := scan(&m.RepoID, &m.Repository, &m.Ref, &m.Number, &at, &m.LeafIndex, &m.Class, &m.Agent, &m.Reviews, &m.Attempts, &m.Failed, &latency, &m.Kept,
			&m.Title, &m.Type, &m.SHA); err != nil {
			return err
		}
		m.At, m.Latency = fromMicros(at), time.Duration(latency)
		if latency > 0 {
			m.Latency = time.Duration(latency) * time.Microsecond
		}
		out = append(out, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list what reached branches of organisation %d: %w", v.tenant.org, err)
	}
	return out, nil
}

// Unsettled counts exceptions that are not closed.
type Unsettled struct {
	Open       int // nothing was done about them yet
	Remediated int // their cause is gone, and nobody has said that they are settled
	Overdue    int // of both, those that should be settled by now
}

const countUnsettledSeen = `SELECT COUNT(CASE WHEN state = 'open' THEN 1 END), COUNT(CASE WHEN state = 'remediated' THEN 1 END),
  COUNT(CASE WHEN due_at > 0 AND due_at < $3 THEN 1 END)
FROM exceptions e WHERE e.org_id = $1 AND e.state <> 'closed'
  AND ($2 = '' OR EXISTS (SELECT 1 FROM session_repositories s WHERE s.session = $2 AND s.org_id = e.org_id AND s.repo_id = e.repo_id))
  AND ` + openedBetween + `$4 AND $5`

// Unsettled counts the exceptions that the view reaches, now.
func (v View) Unsettled(ctx context.Context) (u Unsettled, err error) {
	first, last, err := v.leaves(ctx)
	if err == nil {
		err = v.tenant.s.one(ctx, countUnsettledSeen, []any{v.tenant.org, v.limit(), micros(v.tenant.s.now()), first, last}, &u.Open, &u.Remediated, &u.Overdue)
	}
	if err != nil {
		err = fmt.Errorf("store: count exceptions of organisation %d: %w", v.tenant.org, err)
	}
	return u, err
}

// Coverage counts the branches that are followed, now. Each is counted once.
type Coverage struct {
	Protected int // enforced, and nothing is missing
	Lacking   int // enforced, and the branch can be changed in other ways
	Unknown   int // enforced, and whether it can is not known
	Audit     int // nothing is held
	Blind     int // GitHub's activity cannot be read, so what reaches it is not seen
}

const selectCoverage = `SELECT b.mode, CASE WHEN b.blind_since > 0 THEN 1 ELSE 0 END, COALESCE(p.holds, ''), COUNT(*)
FROM branches b LEFT JOIN protection_snapshots p ON p.org_id = b.org_id AND p.repo_id = b.repo_id AND p.ref = b.ref
WHERE b.org_id = $1
  AND ($2 = '' OR EXISTS (SELECT 1 FROM session_repositories s WHERE s.session = $2 AND s.org_id = b.org_id AND s.repo_id = b.repo_id))
GROUP BY 1, 2, 3`

// Coverage counts the branches that the view reaches.
func (v View) Coverage(ctx context.Context) (c Coverage, err error) {
	err = v.tenant.s.query(ctx, selectCoverage, []any{v.tenant.org, v.limit()}, func(scan func(...any) error) error {
		var mode, holds string
		var blind, n int
		if err := scan(&mode, &blind, &holds, &n); err != nil {
			return err
		}
		switch {
		case blind == 1:
			c.Blind += n
		case mode != "enforce":
			c.Audit += n
		case holds == "yes":
			c.Protected += n
		case holds == "no":
			c.Lacking += n
		default:
			c.Unknown += n
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("store: count branches of organisation %d: %w", v.tenant.org, err)
	}
	return c, err
}
