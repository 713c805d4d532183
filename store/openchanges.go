package store

import (
	"context"
	"fmt"
	"time"
)

// OpenChange is an open pull request as it is on record.
type OpenChange struct {
	Number           int
	HeadSHA, BaseRef string
	Decided, Passed  bool // there is a decision about it, and the newest lets it pass
	// Underway is true when it is looked at now, or will be without another mark.
	Underway bool
	LookedAt time.Time // when the last look began; zero: none did
	// Run is the check run of its decision; nil: there is none, or it is being published.
	Run *PublishedRun
}

// PublishedRun is a check run as it was last published.
type PublishedRun struct {
	HeadSHA, CheckName           string
	GitHubID                     int64  // 0: none was
	RecordID, Status, Conclusion string // empty: none was
	At                           time.Time
}

const (
	selectOpenChanges = `SELECT c.number, c.head_sha, c.base_ref, CASE WHEN c.record_id <> '' THEN 1 ELSE 0 END, CASE WHEN c.verdict = 'pass' THEN 1 ELSE 0 END, COALESCE(j.started_at, 0),
  CASE WHEN j.wanted_gen > j.done_gen AND j.dead = 0 AND (j.run_at <= $3 OR j.lease_until > $3 OR j.hold_until > $3 OR j.attempts > 0) THEN 1 ELSE 0 END,
  CASE WHEN r.check_name IS NULL OR p.wanted_gen > p.done_gen AND p.dead = 0 THEN 0 ELSE 1 END,
  COALESCE(r.head_sha, ''), COALESCE(r.check_name, ''), COALESCE(r.github_id, 0), COALESCE(r.published_record_id, ''), COALESCE(r.published_status, ''),
  COALESCE(r.published_conclusion, ''), COALESCE(r.published_at, 0)
FROM changes c
LEFT JOIN jobs j ON j.org_id = c.org_id AND j.kind = 'evaluate' AND j.ukey = CAST(c.repo_id AS TEXT) || '/' || CAST(c.number AS TEXT)
LEFT JOIN check_runs r ON r.org_id = c.org_id AND r.repo_id = c.repo_id AND r.head_sha = c.decided_head AND r.check_name = c.check_name
LEFT JOIN jobs p ON p.org_id = c.org_id AND p.kind = 'publish' AND p.ukey = CAST(c.repo_id AS TEXT) || '/' || c.decided_head || '/' || c.check_name
WHERE c.org_id = $1 AND c.repo_id = $2 AND c.is_open = 1 ORDER BY c.number`
	selectGroupRuns = `SELECT r.head_sha, r.check_name, r.github_id, r.published_record_id, r.published_status, r.published_conclusion, r.published_at
FROM jobs g JOIN check_runs r ON r.org_id = g.org_id AND r.repo_id = g.repo_id AND r.head_sha = g.head_sha
LEFT JOIN jobs p ON p.org_id = r.org_id AND p.kind = 'publish' AND p.ukey = CAST(r.repo_id AS TEXT) || '/' || r.head_sha || '/' || r.check_name
WHERE g.org_id = $1 AND g.kind = 'group' AND g.repo_id = $2 AND NOT (COALESCE(p.wanted_gen, 0) > COALESCE(p.done_gen, 0) AND COALESCE(p.dead, 0) = 0) ORDER BY r.head_sha, r.check_name`
)

// OpenChanges returns the pull requests of a repository that are open as far as is on record, by
// number.
func (n Tenant) OpenChanges(ctx context.Context, repoID int64) (map[int]OpenChange, error) {
	out := map[int]OpenChange{}
	err := n.s.query(ctx, selectOpenChanges, []any{n.org, repoID, micros(n.s.now())}, func(scan func(...any) error) error {
		var c OpenChange
		var r PublishedRun
		var decided, passed, underway, settled int
		var started, published int64
		err := scan(&c.Number, &c.HeadSHA, &c.BaseRef, &decided, &passed, &started, &underway, &settled,
			&r.HeadSHA, &r.CheckName, &r.GitHubID, &r.RecordID, &r.Status, &r.Conclusion, &published)
		c.Decided, c.Passed, c.Underway, c.LookedAt, r.At = decided == 1, passed == 1, underway == 1, fromMicros(started), fromMicros(published)
		if settled == 1 {
			c.Run = &r
		}
		out[c.Number] = c
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list open pull requests of repository %d: %w", repoID, err)
	}
	return out, nil
}

// GroupRuns returns the check runs of the merge groups of a repository that are there now, but for
// those that are being published.
func (n Tenant) GroupRuns(ctx context.Context, repoID int64) (out []PublishedRun, err error) {
	err = n.s.query(ctx, selectGroupRuns, []any{n.org, repoID}, func(scan func(...any) error) error {
		var r PublishedRun
		var published int64
		err := scan(&r.HeadSHA, &r.CheckName, &r.GitHubID, &r.RecordID, &r.Status, &r.Conclusion, &published)
		r.At = fromMicros(published)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: list check runs of merge groups of repository %d: %w", repoID, err)
	}
	return out, nil
}
