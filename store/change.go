package store

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
)

// changeRow is a pull request as it was last seen, with its newest decision.
type changeRow struct {
	org, repo    int64
	number       int
	repository   string
	installation int64
	head, base   string
	governing    string // the branch that it was last judged by; empty: never judged
	open         bool
	updatedAt    int64 // microseconds; 0: unknown
	// The newest decision; empty: none.
	record, decidedHead, checkName, verdict string
	severity                                int
	final                                   bool
}

// set is a head and a check name: the open changes whose newest decision is there share one
// check run.
type set struct{ head, checkName string }

func (c changeRow) set() set { return set{c.decidedHead, c.checkName} }

const (
	selectChange = `SELECT repository, installation_id, head_sha, base_ref, governing_ref, is_open, updated_at,
  record_id, decided_head, check_name, verdict, severity, final
FROM changes WHERE org_id = $1 AND repo_id = $2 AND number = $3`
	upsertChange = `INSERT INTO changes (org_id, repo_id, number, repository, installation_id, head_sha, base_ref, governing_ref, is_open, updated_at,
  record_id, decided_head, check_name, verdict, severity, final)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (org_id, repo_id, number) DO UPDATE SET repository = excluded.repository, installation_id = excluded.installation_id,
  head_sha = excluded.head_sha, base_ref = excluded.base_ref, governing_ref = excluded.governing_ref, is_open = excluded.is_open, updated_at = excluded.updated_at,
  record_id = excluded.record_id, decided_head = excluded.decided_head, check_name = excluded.check_name,
  verdict = excluded.verdict, severity = excluded.severity, final = excluded.final`
	insertHead = `INSERT INTO change_heads (org_id, repo_id, head_sha, number) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
)

func loadChange(t *txn, org, repo int64, number int) (c changeRow, found bool, err error) {
	c = changeRow{org: org, repo: repo, number: number}
	var open, final int
	err = t.row(selectChange, []any{org, repo, number}, &c.repository, &c.installation, &c.head, &c.base, &c.governing, &open, &c.updatedAt,
		&c.record, &c.decidedHead, &c.checkName, &c.verdict, &c.severity, &final)
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	c.open, c.final = open == 1, final == 1
	return c, true, err
}

func saveChange(t *txn, c changeRow) error {
	if _, err := t.exec(upsertChange, c.org, c.repo, c.number, c.repository, c.installation, c.head, c.base, c.governing, bit(c.open), c.updatedAt,
		c.record, c.decidedHead, c.checkName, c.verdict, c.severity, bit(c.final)); err != nil {
		return err
	}
	_, err := t.exec(insertHead, c.org, c.repo, c.head, c.number)
	return err
}

// seeChange applies what an event or the API says of a pull request.
func (s *Store) seeChange(t *txn, seen ChangeSeen, deliveryID string) error {
	before, found, err := loadChange(t, seen.OrgID, seen.RepoID, seen.Number)
	if err != nil {
		return err
	}
	if at := micros(seen.UpdatedAt); found && at > 0 && at < before.updatedAt {
		// A delayed event. Its head still belongs to the change.
		_, err := t.exec(insertHead, seen.OrgID, seen.RepoID, seen.HeadSHA, seen.Number)
		return err
	}
	after := before
	after.apply(seen)
	if found && after == before {
		return nil
	}
	if err := saveChange(t, after); err != nil {
		return err
	}
	if before.open && !after.open {
		if err := s.markUnsettled(t, after); err != nil {
			return err
		}
	}
	return s.settle(t, before, after, deliveryID)
}

const selectUnsettled = `SELECT COUNT(*) FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND state <> 'closed'`

// markUnsettled has a change that was closed looked at once more when something about it is not
// settled: an emergency whose change was not merged needs no review.
func (s *Store) markUnsettled(t *txn, c changeRow) error {
	var open int
	if err := t.row(selectUnsettled, []any{c.org, c.repo, c.number}, &open); err != nil || open == 0 {
		return err
	}
	m := Mark{OrgID: c.org, InstallationID: c.installation, RepoID: c.repo, Repository: c.repository, Number: c.number}
	_, err := s.mark(t, m.job(), false, false)
	return err
}

func (c *changeRow) apply(seen ChangeSeen) {
	c.repository, c.installation = seen.Repository, seen.InstallationID
	c.head, c.base, c.open = seen.HeadSHA, seen.BaseRef, seen.Open
	c.updatedAt = max(c.updatedAt, micros(seen.UpdatedAt))
}

// settle computes what is wanted wherever the change counts or counted.
func (s *Store) settle(t *txn, before, after changeRow, deliveryID string) error {
	sets := []set{before.set()}
	if after.set() != before.set() {
		sets = append(sets, after.set())
	}
	for _, at := range sets {
		if at.head == "" {
			continue
		}
		if err := s.settleSet(t, after, at, deliveryID); err != nil {
			return err
		}
	}
	return nil
}

const (
	selectMembers = `SELECT number, record_id, repository, installation_id, severity FROM changes
WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND decided_head = $3 AND check_name = $4 AND is_open = 1
ORDER BY severity DESC, number`
	selectGroupDecision = `SELECT record_id, repository, severity FROM decisions
WHERE org_id = $1 AND repo_id = $2 AND number = 0 AND head_sha = $3 AND check_name = $4 ORDER BY leaf_index DESC LIMIT 1`
	selectWanted = `SELECT wanted_record_id, wanted_also FROM check_runs
WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND check_name = $4`
	upsertWanted = `INSERT INTO check_runs (org_id, repo_id, head_sha, check_name, repository, wanted_record_id, wanted_also,
  attempting_record_id, github_id, published_record_id, published_said, published_status, published_conclusion, published_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, '', '', '', '', 0)
ON CONFLICT (org_id, repo_id, head_sha, check_name) DO UPDATE
SET repository = excluded.repository, wanted_record_id = excluded.wanted_record_id, wanted_also = excluded.wanted_also`
)

// candidate is a decision that counts for a check run.
type candidate struct {
	number       int // 0: a merge group
	record       string
	repository   string
	installation int64
	severity     int
}

// candidates are the decisions of the open changes on a head and check name, the worst first, the
// lowest number among equals, and the newest one about the merge group whose commit it is.
func candidates(t *txn, c changeRow, at set) (list []candidate, err error) {
	err = t.rows(selectMembers, []any{c.org, c.repo, at.head, at.checkName}, func(scan func(...any) error) error {
		var m candidate
		err := scan(&m.number, &m.record, &m.repository, &m.installation, &m.severity)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	group := candidate{installation: c.installation}
	err = t.row(selectGroupDecision, []any{c.org, c.repo, at.head, at.checkName}, &group.record, &group.repository, &group.severity)
	if errors.Is(err, sql.ErrNoRows) {
		return list, nil
	}
	list = append(list, group)
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(a.number, b.number))
	})
	return list, err
}

// settleSet makes the worst decision on a head and check name the wanted one, and marks the
// publish job if that changed anything. When no open change is left, and it is no merge group's
// commit, what is published is left alone: nobody is waiting for it.
func (s *Store) settleSet(t *txn, c changeRow, at set, deliveryID string) error {
	list, err := candidates(t, c, at)
	if err != nil || len(list) == 0 {
		return err
	}
	worst := list[0]
	also := []int{}
	for _, m := range list[1:] {
		if m.number > 0 {
			also = append(also, m.number)
		}
	}
	slices.Sort(also)
	others, err := json.Marshal(also)
	if err != nil {
		return err
	}
	var wanted, wantedAlso string
	err = t.row(selectWanted, []any{c.org, c.repo, at.head, at.checkName}, &wanted, &wantedAlso)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if wanted == worst.record && wantedAlso == string(others) {
		return nil
	}
	if _, err := t.exec(upsertWanted, c.org, c.repo, at.head, at.checkName, worst.repository, worst.record, string(others)); err != nil {
		return err
	}
	j := publishJob(c.org, worst.installation, c.repo, worst.repository, at.head, at.checkName)
	j.DeliveryID = deliveryID
	_, err = s.mark(t, j, false, false)
	return err
}

const selectChangesOf = `SELECT repo_id, repository, installation_id, number FROM changes
WHERE org_id = $1 AND (repo_id = $2 OR $2 = 0) AND is_open = 1 ORDER BY repo_id, number`

// changesOf are marks of the open pull requests of a repository; 0: of the organisation.
func changesOf(t *txn, org, repo int64) (marks []Mark, err error) {
	err = t.rows(selectChangesOf, []any{org, repo}, func(scan func(...any) error) error {
		m := Mark{OrgID: org}
		err := scan(&m.RepoID, &m.Repository, &m.InstallationID, &m.Number)
		marks = append(marks, m)
		return err
	})
	return marks, err
}
