package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Arrival is one webhook delivery and everything that follows from it at once.
type Arrival struct {
	DeliveryID    string // X-GitHub-Delivery; required
	Event, Action string
	// InstallationID, OrgID and RepoID are 0 when the event names none.
	InstallationID, OrgID, RepoID int64
	// OrgLogin is the login of the organisation. Empty: the owner in a Repository below.
	OrgLogin    string
	Payload     []byte // exact bytes
	SecretIndex int    // which webhook secret verified it
	ReceivedAt  time.Time
	// Undecodable says why the payload could not be decoded. Such a delivery is stored
	// without effects, and is processed if it comes again and can be decoded then.
	Undecodable string
	// Observation is what the event said; nil when the event is ignored.
	Observation *Observation
	// Changes are the pull requests that the event describes.
	Changes []ChangeSeen
	// Marks are the subjects to look at.
	Marks []Mark
	// MarkHeads asks to evaluate every open change that ever had a head.
	MarkHeads []HeadMark
	// MarkBases asks to evaluate every open change on a base.
	MarkBases []BaseMark
	// MarkBranches asks for a look at the branches that are followed.
	MarkBranches []BranchMark
	// MarkIssues asks for a look at the exceptions that are kept as these issues.
	MarkIssues []IssueMark
	// Installed says that the App is installed as InstallationID from now on, perhaps anew: jobs that
	// no other event marks look through that.
	Installed bool
	// Uninstalled says that the installation is gone.
	Uninstalled bool
	// FirstDay is what it is the occasion of for the report of the first day.
	FirstDay FirstDayOccasion
	// ChangedRulesets are rulesets that the event says were changed or deleted: what was
	// attested of them before is void.
	ChangedRulesets []RulesetChange
}

// Observation is what one event said when it came in.
type Observation struct {
	// Seq is the order of receipt in the organisation, from 1 and without gaps. Set by Receive.
	Seq                       int64
	DeliveryID, Event, Action string
	ReceivedAt                time.Time // UTC, to the microsecond
	OrgID, RepoID             int64
	Number                    int    // pull request or issue; 0: none
	HeadSHA                   string // empty: none
	Body                      []byte // gh.Event as JSON, exact bytes
	// Disposed says that the body is gone. Set when it is read.
	Disposed bool
}

// ChangeSeen is a pull request as an event or GitHub's API shows it.
type ChangeSeen struct {
	OrgID, InstallationID, RepoID int64
	Repository                    string // owner/name
	Number                        int
	HeadSHA, BaseRef              string
	Open                          bool
	// UpdatedAt is GitHub's updated_at of the pull request. A change that was seen with a
	// later one is not set back by an event that was delayed. Zero: not known, applied.
	UpdatedAt time.Time
}

// Mark asks for a job about a subject.
type Mark struct {
	// Kind is KindEvaluate, also when it is empty, KindGroup, KindBranch or KindException.
	Kind                          string
	OrgID, InstallationID, RepoID int64
	Repository                    string
	Number                        int    // KindEvaluate
	HeadSHA                       string // KindGroup
	Ref                           string // see Job.Ref
	// Noisy marks come in bursts, and are served after Options.NoisyInterval at the latest.
	Noisy bool
}

// HeadMark asks for an evaluation of every open pull request that ever had this head.
type HeadMark struct {
	OrgID, InstallationID, RepoID int64
	Repository                    string
	HeadSHA                       string
	Noisy                         bool
}

// BaseMark asks for an evaluation of every open pull request on a base, or judged by it.
type BaseMark struct {
	OrgID, InstallationID int64
	RepoID                int64 // 0: every repository of the organisation
	Repository            string
	BaseRef               string // empty: every base
	Noisy                 bool
}

// BranchMark asks for a look at every branch that is followed: how they are protected, or whether
// they can be seen, may have changed.
type BranchMark struct {
	OrgID, InstallationID int64
	RepoID                int64 // 0: every repository of the organisation
}

// IssueMark asks for a look at the exception that is kept as an issue.
type IssueMark struct {
	OrgID, InstallationID, RepoID int64
	Repository                    string
	Number                        int
}

// Received says what became of an arrival.
type Received struct {
	// Duplicate is true for a delivery id that was seen before.
	Duplicate bool
	// Seq is the observation's; 0 when there is none.
	Seq int64
	// Marked is the number of jobs that were marked, or revived by a duplicate.
	Marked int
	// Undecodable says why the delivery was stored without effects; empty: it was not.
	Undecodable string
}

// Receive stores a delivery, its observation, the changes it describes and the jobs it marks
// in one transaction. When it returns nil, the delivery may be acknowledged: all of it is
// durable.
//
// A delivery id that was seen before is not stored again, but jobs that it marks and that
// are dead run again; and if it could not be decoded the first time and can be now, it is
// processed as if it were new. An arrival that breaks the contract, for example with an
// observation of no organisation, is stored as undecodable: nothing that GitHub sent is lost.
func (s *Store) Receive(ctx context.Context, a Arrival) (Received, error) {
	if a.DeliveryID == "" {
		return Received{}, fmt.Errorf("%w: delivery without an id", ErrInvalid)
	}
	if o := a.Observation; o != nil && a.OrgID == 0 {
		a.OrgID = o.OrgID
	}
	if a.Undecodable == "" {
		a.Undecodable = a.problem()
	}
	digest := hexSHA256(a.Payload)
	var out Received
	err := s.write(ctx, "receive delivery "+a.DeliveryID, func(t *txn) (err error) {
		out, err = s.receive(t, a, digest)
		return err
	})
	if err != nil {
		return Received{}, err
	}
	return out, nil
}

const (
	insertDelivery = `INSERT INTO deliveries (delivery_id, event, action, installation_id, org_id, repo_id,
  payload, payload_sha256, secret_index, received_at, undecodable)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (delivery_id) DO NOTHING`
	selectDelivery = `SELECT d.undecodable, COALESCE(o.seq, 0) FROM deliveries d
LEFT JOIN observations o ON o.org_id = d.org_id AND o.delivery_id = d.delivery_id WHERE d.delivery_id = $1`
	// The bytes that could be decoded take the place of those that could not.
	updateDelivery = `UPDATE deliveries SET event = $2, action = $3, installation_id = $4, org_id = $5, repo_id = $6,
  payload = $7, payload_sha256 = $8, secret_index = $9, received_at = $10, undecodable = $11, disposed = 0
WHERE delivery_id = $1`
)

func (s *Store) receive(t *txn, a Arrival, digest string) (Received, error) {
	row := []any{a.DeliveryID, a.Event, a.Action, a.InstallationID, a.OrgID, a.RepoID,
		notNull(a.Payload), digest, a.SecretIndex, micros(a.ReceivedAt), a.Undecodable}
	n, err := t.exec(insertDelivery, row...)
	if err != nil {
		return Received{}, err
	}
	if n == 1 {
		return s.process(t, a, digest, Received{Undecodable: a.Undecodable})
	}
	old := Received{Duplicate: true}
	if err := t.row(selectDelivery, []any{a.DeliveryID}, &old.Undecodable, &old.Seq); err != nil {
		return Received{}, err
	}
	switch {
	case a.Undecodable != "":
		return old, nil
	case old.Undecodable == "":
		old.Marked, err = s.markAll(t, a, true)
		return old, err
	}
	if _, err := t.exec(updateDelivery, row...); err != nil {
		return Received{}, err
	}
	return s.process(t, a, digest, Received{Duplicate: true})
}

// process gives a delivery that was just stored its effects.
func (s *Store) process(t *txn, a Arrival, digest string, out Received) (Received, error) {
	if a.Undecodable != "" {
		return out, nil
	}
	if err := s.seeOrgs(t, a); err != nil {
		return Received{}, err
	}
	if err := a.seeInstallation(t); err != nil {
		return Received{}, err
	}
	if a.Observation != nil {
		seq, err := observe(t, *a.Observation, digest)
		if err != nil {
			return Received{}, err
		}
		out.Seq = seq
	}
	for _, c := range a.Changes {
		if err := s.seeChange(t, c, a.DeliveryID); err != nil {
			return Received{}, err
		}
	}
	if err := a.void(t); err != nil {
		return Received{}, err
	}
	if err := a.askFirstDay(t); err != nil {
		return Received{}, err
	}
	if a.Installed {
		if _, err := t.exec(updateInstallation, a.OrgID, a.InstallationID); err != nil {
			return Received{}, err
		}
	}
	var err error
	out.Marked, err = s.markAll(t, a, false)
	return out, err
}

const updateInstallation = `UPDATE jobs SET installation_id = $2 WHERE org_id = $1 AND kind = 'exception'`

const insertOrg = `INSERT INTO orgs (org_id, login, observed, sealed, first_seen) VALUES ($1, $2, 0, 0, $3)
ON CONFLICT (org_id) DO UPDATE SET login = excluded.login WHERE excluded.login <> '' AND excluded.login <> orgs.login`

// seeOrgs remembers every organisation that the arrival names.
func (s *Store) seeOrgs(t *txn, a Arrival) error {
	logins := map[int64]string{}
	see := func(org int64, repository string) {
		if org > 0 && logins[org] == "" {
			logins[org] = owner(repository)
		}
	}
	see(a.OrgID, a.OrgLogin+"/")
	if a.Observation != nil {
		see(a.Observation.OrgID, "")
	}
	for _, c := range a.Changes {
		see(c.OrgID, c.Repository)
	}
	for _, m := range a.Marks {
		see(m.OrgID, m.Repository)
	}
	for _, m := range a.MarkHeads {
		see(m.OrgID, m.Repository)
	}
	for _, m := range a.MarkBases {
		see(m.OrgID, m.Repository)
	}
	for _, m := range a.MarkIssues {
		see(m.OrgID, m.Repository)
	}
	for org, login := range logins {
		if err := s.seeOrg(t, org, login); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) seeOrg(t *txn, org int64, login string) error {
	_, err := t.exec(insertOrg, org, login, micros(s.now()))
	return err
}

const (
	nextSeq           = `UPDATE orgs SET observed = observed + 1 WHERE org_id = $1 RETURNING observed`
	insertObservation = `INSERT INTO observations (org_id, seq, delivery_id, event, action, received_at,
  repo_id, number, head_sha, payload_sha256, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
)

func observe(t *txn, o Observation, payloadSHA256 string) (int64, error) {
	var seq int64
	if err := t.row(nextSeq, []any{o.OrgID}, &seq); err != nil {
		return 0, err
	}
	_, err := t.exec(insertObservation, o.OrgID, seq, o.DeliveryID, o.Event, o.Action, micros(o.ReceivedAt),
		o.RepoID, o.Number, o.HeadSHA, payloadSHA256, notNull(o.Body))
	return seq, err
}

const selectHeadChanges = `SELECT c.number FROM change_heads h
JOIN changes c ON c.org_id = h.org_id AND c.repo_id = h.repo_id AND c.number = h.number
WHERE h.org_id = $1 AND h.repo_id = $2 AND h.head_sha = $3 AND c.is_open = 1 ORDER BY c.number`

const selectBaseChanges = `SELECT number FROM changes
WHERE org_id = $1 AND repo_id = $2 AND is_open = 1 AND (base_ref = $3 OR governing_ref = $3 OR $3 = '') ORDER BY number`

// subjects are the marks of the arrival with those that its heads and bases lead to.
func (a Arrival) subjects(t *txn) ([]Mark, error) {
	marks := slices.Clone(a.Marks)
	find := func(query string, m Mark, key string) error {
		return t.rows(query, []any{m.OrgID, m.RepoID, key}, func(scan func(...any) error) error {
			err := scan(&m.Number)
			marks = append(marks, m)
			return err
		})
	}
	for _, h := range a.MarkHeads {
		m := Mark{OrgID: h.OrgID, InstallationID: h.InstallationID, RepoID: h.RepoID, Repository: h.Repository, Noisy: h.Noisy}
		if err := find(selectHeadChanges, m, h.HeadSHA); err != nil {
			return nil, err
		}
	}
	for _, b := range a.MarkBases {
		if b.RepoID == 0 {
			all, err := changesOf(t, b.OrgID, 0)
			if err != nil {
				return nil, err
			}
			for _, m := range all {
				m.Noisy = b.Noisy
				marks = append(marks, m)
			}
			continue
		}
		m := Mark{OrgID: b.OrgID, InstallationID: b.InstallationID, RepoID: b.RepoID, Repository: b.Repository, Noisy: b.Noisy}
		if err := find(selectBaseChanges, m, b.BaseRef); err != nil {
			return nil, err
		}
	}
	for _, b := range a.MarkBranches {
		followed, err := followedBranches(t, b)
		if err != nil {
			return nil, err
		}
		marks = append(marks, followed...)
	}
	for _, i := range a.MarkIssues {
		m := Mark{Kind: KindException, OrgID: i.OrgID, InstallationID: i.InstallationID, RepoID: i.RepoID, Repository: i.Repository}
		err := t.rows(selectIssueExceptions, []any{i.OrgID, i.RepoID, i.Number}, func(scan func(...any) error) error {
			err := scan(&m.Ref)
			marks = append(marks, m)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	groups, err := a.groups(t)
	return append(marks, groups...), err
}

const selectIssueExceptions = `SELECT id FROM exceptions WHERE org_id = $1 AND repo_id = $2 AND issue = $3 AND issue > 0 ORDER BY id`

// groups are marks of the merge groups that the arrival may say something about: by their
// commit, by the branch that they are to be merged into, and by a pull request that goes there.
func (a Arrival) groups(t *txn) (marks []Mark, err error) {
	find := func(query string, org, repo int64, key string) {
		if err == nil && repo != 0 {
			var more []Mark
			more, err = groupsOn(t, query, org, repo, key)
			marks = append(marks, more...)
		}
	}
	for _, h := range a.MarkHeads {
		find(selectGroupsOnHead, h.OrgID, h.RepoID, h.HeadSHA)
	}
	for _, b := range a.MarkBases {
		find(selectGroupsOnBase, b.OrgID, b.RepoID, b.BaseRef)
	}
	for _, c := range a.Changes {
		find(selectGroupsOnBase, c.OrgID, c.RepoID, c.BaseRef)
	}
	return marks, err
}

// markAll marks every job of the arrival once, or revives those that are dead.
func (s *Store) markAll(t *txn, a Arrival, onlyDead bool) (int, error) {
	marks, err := a.subjects(t)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, m := range once(marks) {
		j := m.job()
		j.DeliveryID = a.DeliveryID
		marked, err := s.mark(t, j, m.Noisy, onlyDead)
		if err != nil {
			return 0, err
		}
		if marked {
			n++
		}
	}
	return n, nil
}

// once drops repeated subjects. One mark that is not noisy makes the subject not noisy.
func once(marks []Mark) []Mark {
	type subject struct {
		org       int64
		kind, key string
	}
	at := map[subject]int{}
	var out []Mark
	for _, m := range marks {
		j := m.job()
		k := subject{m.OrgID, j.Kind, j.Key}
		if i, ok := at[k]; ok {
			out[i].Noisy = out[i].Noisy && m.Noisy
			continue
		}
		at[k] = len(out)
		out = append(out, m)
	}
	return out
}

// problem says why the arrival cannot have its effects; empty: it can.
func (a Arrival) problem() string {
	if o := a.Observation; o != nil && (o.OrgID <= 0 || o.OrgID != a.OrgID || o.DeliveryID != a.DeliveryID) {
		return "the event names no organisation, or its observation is of another delivery"
	}
	for _, c := range a.Changes {
		if c.OrgID <= 0 || c.RepoID <= 0 || c.Number <= 0 || c.HeadSHA == "" {
			return "a pull request lacks organisation, repository, number or head"
		}
	}
	for _, m := range a.Marks {
		if !m.usable() {
			return "a subject to look at lacks organisation, repository, or what it is"
		}
	}
	for _, m := range a.MarkHeads {
		if m.OrgID <= 0 || m.RepoID <= 0 || m.HeadSHA == "" {
			return "a head to evaluate lacks organisation, repository or SHA"
		}
	}
	for _, m := range a.MarkBases {
		if m.OrgID <= 0 || m.RepoID < 0 || m.RepoID == 0 && m.BaseRef != "" {
			return "a base to evaluate lacks organisation or repository"
		}
	}
	for _, m := range a.MarkBranches {
		if m.OrgID <= 0 || m.RepoID < 0 {
			return "branches to look at lack their organisation"
		}
	}
	for _, m := range a.MarkIssues {
		if m.OrgID <= 0 || m.RepoID <= 0 || m.Number <= 0 {
			return "an issue to look at lacks organisation, repository or number"
		}
	}
	return ""
}

const countDelivery = `SELECT COUNT(*) FROM deliveries WHERE delivery_id = $1`

// Delivered says whether a delivery is stored. What GitHub lists as delivered and is not
// here was lost after its acknowledgement.
func (s *Store) Delivered(ctx context.Context, deliveryID string) (bool, error) {
	var n int
	if err := s.one(ctx, countDelivery, []any{deliveryID}, &n); err != nil {
		return false, fmt.Errorf("store: look for delivery %s: %w", deliveryID, err)
	}
	return n > 0, nil
}

// Undecoded is a delivery that was stored without effects.
type Undecoded struct {
	DeliveryID, Event, Why string
	ReceivedAt             time.Time
}

const selectUndecodable = `SELECT delivery_id, event, undecodable, received_at FROM deliveries
WHERE undecodable <> '' ORDER BY received_at, delivery_id LIMIT $1`

// Undecodable returns the deliveries that were stored without effects, oldest first, at most
// limit.
func (s *Store) Undecodable(ctx context.Context, limit int) ([]Undecoded, error) {
	var out []Undecoded
	err := s.query(ctx, selectUndecodable, []any{limit}, func(scan func(...any) error) error {
		var u Undecoded
		var at int64
		if err := scan(&u.DeliveryID, &u.Event, &u.Why, &at); err != nil {
			return err
		}
		u.ReceivedAt = fromMicros(at)
		out = append(out, u)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list undecodable deliveries: %w", err)
	}
	return out, nil
}

// query reads rows outside of any transaction.
func (s *Store) query(ctx context.Context, query string, args []any, each func(scan func(...any) error) error) error {
	reading, err := s.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := reading.QueryContext(ctx, s.engine.arguments(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads one row; ErrNotFound if there is none.
func (s *Store) one(ctx context.Context, query string, args []any, into ...any) error {
	reading, err := s.prepare(ctx, query)
	if err != nil {
		return err
	}
	err = reading.QueryRowContext(ctx, s.engine.arguments(args)...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// prepare keeps every statement that reads prepared, as the writer does with its own.
func (s *Store) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if kept, ok := s.reading.Load(query); ok {
		return kept.(*sql.Stmt), nil
	}
	prepared, err := s.read.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if kept, ok := s.reading.LoadOrStore(query, prepared); ok {
		return kept.(*sql.Stmt), prepared.Close() // somebody else was first
	}
	return prepared, nil
}

// micros is how times are stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// notNull makes nil an empty value, which a NOT NULL column takes.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func owner(repository string) string {
	o, _, _ := strings.Cut(repository, "/")
	return o
}

func hexSHA256(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
