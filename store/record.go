package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// Record is a decision with everything it was made from.
type Record struct {
	// Job is the evaluation that made it, of a pull request or of a merge group. Its lease must hold; it is finished with the
	// record unless KeepJob is set.
	Job        Job
	RepoID     int64
	Repository string // owner/name
	Number     int
	HeadSHA    string // the head that was judged
	BaseRef    string
	// GoverningRef is the branch by whose rules the change was judged: that of its stack
	// when it is stacked, else BaseRef. A push to it makes the change worth another look.
	GoverningRef string
	CheckName    string
	Open         bool // whether the pull request is open
	Verdict      string
	Rank         int  // 0: best; the worst open change of a head and check name is published
	KeepJob      bool // record without finishing the job, which will try again
	// Final is false for a decision that is only there until the job has tried again.
	Final bool
	// RunAgainAt is when time alone may change the decision: the change is evaluated again
	// then, whatever happens before. Zero: never.
	RunAgainAt time.Time
	Facts      []byte // exact bytes; may be empty
	Policy     []byte // exact bytes; may be empty
	Catalogue  []byte // exact bytes; may be empty
	Decision   []byte // exact bytes, JSON; required
	// ReviewPermissions are by review id. What was recorded first stays.
	ReviewPermissions map[int64]string
	// EmergencyMembers are "yes" or "no" by the key of the declaration. What was recorded first stays.
	EmergencyMembers map[int64]string
	// Protection is how the branch was found protected; nil: it was not looked at.
	Protection *ProtectionSeen
	// Exceptions are opened with the decision, or are there already.
	Exceptions []Exception
	// Note is shown with the decision; may be empty.
	Note string
	// Organisation says whether the organisation's own policy was part of what it was judged
	// by. It is remembered beside the policy of the branch.
	Organisation OrganisationPolicy
}

// Recorded says where a decision went.
type Recorded struct {
	RecordID  string // random; the external id of its check run
	LeafIndex int64
}

// decisionRow is a decision as it is stored.
type decisionRow struct {
	decisionBody
	decision   []byte
	leafIndex  int64
	recordedAt int64 // microseconds
}

// decisionBody is the body of a decision's leaf. The decision's exact bytes, and those of
// facts, policy and catalogue, are kept beside it under these digests.
//
// Field names and order are part of the evidence format; add, never change.
type decisionBody struct {
	V               int    `json:"v"`
	RecordID        string `json:"record_id"`
	RepositoryID    int64  `json:"repository_id"`
	Number          int    `json:"number"`
	HeadSHA         string `json:"head_sha"`
	CheckName       string `json:"check_name"`
	FactsSHA256     string `json:"facts_sha256"`     // empty: there were none
	PolicySHA256    string `json:"policy_sha256"`    // empty: there was none
	CatalogueSHA256 string `json:"catalogue_sha256"` // empty: there was none
	DecisionSHA256  string `json:"decision_sha256"`
	Repository      string `json:"repository"`
	BaseRef         string `json:"base_ref"`
	Verdict         string `json:"verdict"`
	Severity        int    `json:"severity"` // Record.Rank
	Final           bool   `json:"final"`    // false: it was going to be tried again
	Note            string `json:"note"`
}

const decisionBodyVersion = 1

// Record commits a decision: facts, policy and catalogue, the decision, its ledger leaf, what
// is now known of the change, the check run that is now wanted with the job to publish it,
// and the end of the evaluation. All of it or nothing.
//
// ErrLeaseLost, and nothing is written, if the job's lease is not held any more. That is also
// the answer to a Record that is repeated after it succeeded, unless KeepJob is set: then the
// decision is recorded twice.
func (n Tenant) Record(ctx context.Context, r Record) (Recorded, error) {
	if err := n.checkRecord(r); err != nil {
		return Recorded{}, err
	}
	p, err := n.prepare(r)
	if err != nil {
		return Recorded{}, err
	}
	var out Recorded
	err = n.s.write(ctx, "record decision on "+r.Job.Key, func(t *txn) (err error) {
		out, err = n.record(t, r, p)
		return err
	})
	if err != nil {
		return Recorded{}, err
	}
	return out, nil
}

// prepared is what can be made of a record before the transaction.
type prepared struct {
	facts, policy, catalogue blob
	row                      decisionRow
	body                     []byte
	salt                     [ledger.SaltSize]byte
	listing                  listing
}

func (n Tenant) prepare(r Record) (p prepared, err error) {
	if p.facts, err = n.s.zip.pack(r.Facts); err != nil {
		return p, fmt.Errorf("store: compress facts: %w", err)
	}
	if p.policy, err = n.s.zip.pack(r.Policy); err != nil {
		return p, fmt.Errorf("store: compress policy: %w", err)
	}
	if p.catalogue, err = n.s.zip.pack(r.Catalogue); err != nil {
		return p, fmt.Errorf("store: compress catalogue: %w", err)
	}
	if p.listing, err = listingOf(r.Decision, r.Facts); err != nil {
		return p, err
	}
	p.salt = newSalt()
	r.Note = plain(r.Note) // in the leaf as in the row, on every database
	p.row = decisionRow{decision: r.Decision, decisionBody: decisionBody{
		V: decisionBodyVersion, RecordID: newRecordID(), RepositoryID: r.RepoID, Number: r.Number, HeadSHA: r.HeadSHA,
		CheckName: r.CheckName, FactsSHA256: p.facts.sha256, PolicySHA256: p.policy.sha256, CatalogueSHA256: p.catalogue.sha256,
		DecisionSHA256: hexSHA256(r.Decision), Repository: r.Repository, BaseRef: r.BaseRef, Verdict: r.Verdict, Severity: r.Rank,
		Final: r.Final, Note: r.Note,
	}}
	if p.body, err = json.Marshal(p.row.decisionBody); err != nil {
		return p, fmt.Errorf("store: encode decision record: %w", err)
	}
	return p, nil
}

const (
	insertDecision = `INSERT INTO decisions (org_id, record_id, leaf_index, repo_id, repository, number, head_sha, base_ref, check_name,
  verdict, severity, final, facts_sha256, policy_sha256, catalogue_sha256, decision, decision_sha256, note, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`
	insertMember = `INSERT INTO emergency_members (org_id, repo_id, number, comment_id, member, read_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (org_id, repo_id, number, comment_id) DO NOTHING`
	insertPermission = `INSERT INTO review_permissions (org_id, repo_id, number, review_id, permission, read_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (org_id, repo_id, number, review_id) DO NOTHING`
)

func (n Tenant) record(t *txn, r Record, p prepared) (Recorded, error) {
	if _, err := hold(t, r.Job); err != nil {
		return Recorded{}, err
	}
	for _, b := range []blob{p.facts, p.policy, p.catalogue} {
		if err := saveBlob(t, n.org, b); err != nil {
			return Recorded{}, err
		}
	}
	at := n.s.moment()
	for id, permission := range r.ReviewPermissions {
		if _, err := t.exec(insertPermission, n.org, r.RepoID, r.Number, id, permission, micros(at)); err != nil {
			return Recorded{}, err
		}
	}
	for id, member := range r.EmergencyMembers {
		if _, err := t.exec(insertMember, n.org, r.RepoID, r.Number, id, member, micros(at)); err != nil {
			return Recorded{}, err
		}
	}
	h, err := n.s.ensureLog(t, n.org)
	if err != nil {
		return Recorded{}, err
	}
	d := p.row
	if _, err := t.exec(insertDecision, n.org, d.RecordID, h.size, r.RepoID, r.Repository, r.Number, r.HeadSHA, r.BaseRef, r.CheckName,
		r.Verdict, r.Rank, bit(d.Final), d.FactsSHA256, d.PolicySHA256, d.CatalogueSHA256, r.Decision, d.DecisionSHA256, d.Note,
		micros(at)); err != nil {
		return Recorded{}, err
	}
	if r.Job.Kind == KindGroup {
		err = n.wantGroup(t, r)
	} else {
		err = n.decide(t, r, d)
	}
	if err == nil && r.Number != 0 {
		err = list(t, listedDecision{n.org, r.RepoID, r.Number, d.RecordID, h.size, micros(at), r.Repository, r.GoverningRef, r.Verdict, p.listing})
		if err == nil {
			err = seeAgents(t, n.org, micros(at), p.listing.marks)
		}
	}
	if err != nil {
		return Recorded{}, err
	}
	if err := n.keepPolicy(t, r, d); err != nil {
		return Recorded{}, err
	}
	if !r.KeepJob {
		if err := finish(t, r.Job); err != nil {
			return Recorded{}, err
		}
	}
	if !r.RunAgainAt.IsZero() {
		if err := n.s.schedule(t, r.Job, r.RunAgainAt); err != nil {
			return Recorded{}, err
		}
	}
	if _, err := appendLeaf(t, n.org, h, LeafDecision, at, p.salt, p.body); err != nil {
		return Recorded{}, err
	}
	if r.Protection != nil {
		if err := n.seeProtection(t, r.Job, r.Repository, *r.Protection); err != nil {
			return Recorded{}, err
		}
	}
	for _, e := range r.Exceptions {
		e.RecordID = d.RecordID
		if _, _, err := n.openException(t, e, r.Job.InstallationID); err != nil {
			return Recorded{}, err
		}
	}
	return Recorded{RecordID: d.RecordID, LeafIndex: h.size}, nil
}

// decide makes the decision the newest of its change.
func (n Tenant) decide(t *txn, r Record, d decisionRow) error {
	before, _, err := loadChange(t, n.org, r.RepoID, r.Number)
	if err != nil {
		return err
	}
	after := before
	after.apply(ChangeSeen{Repository: r.Repository, InstallationID: r.Job.InstallationID, HeadSHA: r.HeadSHA, BaseRef: r.BaseRef, Open: r.Open})
	after.record, after.decidedHead, after.checkName = d.RecordID, r.HeadSHA, r.CheckName
	after.governing = r.GoverningRef
	after.verdict, after.severity, after.final = r.Verdict, r.Rank, d.Final
	if err := saveChange(t, after); err != nil {
		return err
	}
	return n.s.settle(t, before, after, r.Job.DeliveryID)
}

// NotEnrolled finishes an evaluation that found that no policy applies to the change. There
// is no decision and no leaf. The change counts for no check run any more: other open changes
// on its head are judged without it, and if there are none, what is published stays.
func (n Tenant) NotEnrolled(ctx context.Context, job Job, seen ChangeSeen) error {
	return n.conclude(ctx, "not enrolled", job, seen, func(c *changeRow) {
		c.record, c.decidedHead, c.checkName, c.verdict, c.severity, c.final = "", "", "", "", 0, false
	})
}

// CloseChange finishes an evaluation that found the pull request closed, without a decision.
// Other open changes on its head are judged without it.
func (n Tenant) CloseChange(ctx context.Context, job Job, seen ChangeSeen) error {
	seen.Open = false
	return n.conclude(ctx, "close change", job, seen, func(*changeRow) {})
}

func (n Tenant) conclude(ctx context.Context, what string, job Job, seen ChangeSeen, alter func(*changeRow)) error {
	if seen.OrgID != n.org || job.OrgID != n.org || job.Kind != KindEvaluate || seen.RepoID != job.RepoID ||
		seen.Number != job.Number || seen.HeadSHA == "" {
		return fmt.Errorf("%w: change %+v for job %s %s", ErrInvalid, seen, job.Kind, job.Key)
	}
	return n.s.write(ctx, what+" "+job.Key, func(t *txn) error {
		if err := finish(t, job); err != nil {
			return err
		}
		before, _, err := loadChange(t, n.org, seen.RepoID, seen.Number)
		if err != nil {
			return err
		}
		after := before
		after.apply(seen)
		alter(&after)
		if err := saveChange(t, after); err != nil {
			return err
		}
		return n.s.settle(t, before, after, job.DeliveryID)
	})
}

func (n Tenant) checkRecord(r Record) error {
	switch {
	case r.Job.OrgID != n.org || r.Job.Kind != KindEvaluate && r.Job.Kind != KindGroup || r.Job.RepoID != r.RepoID || r.Job.Number != r.Number:
		return fmt.Errorf("%w: record of repository %d, number %d in organisation %d for job %s %s", ErrInvalid, r.RepoID, r.Number, n.org, r.Job.Kind, r.Job.Key)
	case r.Job.Kind == KindGroup && (r.HeadSHA != r.Job.HeadSHA || r.Number != 0):
		return fmt.Errorf("%w: record of %s for merge group %s", ErrInvalid, r.HeadSHA, r.Job.Key)
	case r.HeadSHA == "" || r.CheckName == "" || r.Verdict == "" || r.Rank < 0:
		return fmt.Errorf("%w: record for job %s lacks head, check name, verdict or rank", ErrInvalid, r.Job.Key)
	case !json.Valid(r.Decision):
		return fmt.Errorf("%w: decision for job %s is not JSON", ErrInvalid, r.Job.Key)
	}
	return nil
}

// newRecordID returns a random UUID, version 4.
func newRecordID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Decided is a recorded decision with everything it was made from.
type Decided struct {
	RecordID                                   string
	LeafIndex                                  int64
	RepoID                                     int64
	Repository                                 string
	Number                                     int
	HeadSHA, BaseRef, CheckName, Verdict       string
	Rank                                       int
	Final                                      bool
	FactsSHA256, PolicySHA256, CatalogueSHA256 string // empty: there was none
	Facts, Policy, Catalogue                   []byte // exact bytes
	Decision                                   []byte // exact bytes, JSON
	DecisionSHA256                             string
	Note                                       string
	RecordedAt                                 time.Time // UTC, to the microsecond
}

const (
	selectDecision = `SELECT record_id, leaf_index, repo_id, repository, number, head_sha, base_ref, check_name, verdict, severity, final,
  facts_sha256, policy_sha256, catalogue_sha256, decision, decision_sha256, note, recorded_at
FROM decisions WHERE org_id = $1 AND record_id = $2`
	selectDecisionAt = `SELECT record_id, leaf_index, repo_id, repository, number, head_sha, base_ref, check_name, verdict, severity, final,
  facts_sha256, policy_sha256, catalogue_sha256, decision, decision_sha256, note, recorded_at
FROM decisions WHERE org_id = $1 AND leaf_index = $2`
	selectBlob = `SELECT size, gzip FROM blobs WHERE org_id = $1 AND sha256 = $2`
)

func (n Tenant) decisionRow(ctx context.Context, query string, key any) (decisionRow, error) {
	d := decisionRow{decisionBody: decisionBody{V: decisionBodyVersion}}
	var final int
	err := n.s.one(ctx, query, []any{n.org, key}, &d.RecordID, &d.leafIndex, &d.RepositoryID, &d.Repository, &d.Number, &d.HeadSHA,
		&d.BaseRef, &d.CheckName, &d.Verdict, &d.Severity, &final, &d.FactsSHA256, &d.PolicySHA256, &d.CatalogueSHA256,
		&d.decision, &d.DecisionSHA256, &d.Note, &d.recordedAt)
	d.Final = final == 1
	return d, err
}

// blob returns exact bytes by their digest, checked; nil for the empty digest.
func (n Tenant) blob(ctx context.Context, sha256 string) ([]byte, error) {
	if sha256 == "" {
		return nil, nil
	}
	b := blob{sha256: sha256}
	if err := n.s.one(ctx, selectBlob, []any{n.org, sha256}, &b.size, &b.gzip); err != nil {
		return nil, fmt.Errorf("blob %s: %w", sha256, err)
	}
	return b.unpack()
}

// Decision returns a recorded decision; ErrNotFound if there is none with this id. Its bytes
// were checked against their digests.
func (n Tenant) Decision(ctx context.Context, recordID string) (Decided, error) {
	return n.decided(ctx, selectDecision, recordID)
}

// DecisionAt is Decision by leaf index; ErrNotFound if the leaf is of another kind.
func (n Tenant) DecisionAt(ctx context.Context, leaf int64) (Decided, error) {
	return n.decided(ctx, selectDecisionAt, leaf)
}

// DecidedAt returns the exact bytes of the decision of a leaf, checked against their digest, without
// what it was made from; ErrNotFound if the leaf is of another kind.
func (n Tenant) DecidedAt(ctx context.Context, leaf int64) ([]byte, error) {
	d, err := n.decisionRow(ctx, selectDecisionAt, leaf)
	if err == nil && hexSHA256(d.decision) != d.DecisionSHA256 {
		err = errors.New("its bytes have another digest")
	}
	if err != nil {
		return nil, fmt.Errorf("store: decision of leaf %d: %w", leaf, err)
	}
	return d.decision, nil
}

func (n Tenant) decided(ctx context.Context, query string, key any) (Decided, error) {
	d, err := n.decisionRow(ctx, query, key)
	if err != nil {
		return Decided{}, fmt.Errorf("store: decision %v: %w", key, err)
	}
	out := Decided{
		RecordID: d.RecordID, LeafIndex: d.leafIndex, RepoID: d.RepositoryID, Repository: d.Repository, Number: d.Number,
		HeadSHA: d.HeadSHA, BaseRef: d.BaseRef, CheckName: d.CheckName, Verdict: d.Verdict, Rank: d.Severity, Final: d.Final,
		FactsSHA256: d.FactsSHA256, PolicySHA256: d.PolicySHA256, CatalogueSHA256: d.CatalogueSHA256,
		Decision: d.decision, DecisionSHA256: d.DecisionSHA256, Note: d.Note, RecordedAt: fromMicros(d.recordedAt),
	}
	if hexSHA256(d.decision) != d.DecisionSHA256 {
		return Decided{}, fmt.Errorf("store: decision %v: its bytes have another digest", key)
	}
	for _, b := range []struct {
		sha256 string
		into   *[]byte
	}{{d.FactsSHA256, &out.Facts}, {d.PolicySHA256, &out.Policy}, {d.CatalogueSHA256, &out.Catalogue}} {
		if *b.into, err = n.blob(ctx, b.sha256); err != nil {
			return Decided{}, fmt.Errorf("store: decision %v: %w", key, err)
		}
	}
	return out, nil
}

const selectAbout = `SELECT record_id FROM decisions
WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND head_sha = $4 AND facts_sha256 <> ''
ORDER BY CASE WHEN recorded_at >= $5 THEN 0 ELSE 1 END, CASE WHEN recorded_at >= $5 THEN leaf_index ELSE -leaf_index END LIMIT 1`

// DecisionAbout returns the decision that tells best how a head of a pull request was at a
// time: the first with facts from then on, else the last before. ErrNotFound if there is none.
func (n Tenant) DecisionAbout(ctx context.Context, repoID int64, number int, headSHA string, at time.Time) (Decided, error) {
	var record string
	if err := n.s.one(ctx, selectAbout, []any{n.org, repoID, number, headSHA, micros(at)}, &record); err != nil {
		return Decided{}, fmt.Errorf("store: decision about %s: %w", headSHA, err)
	}
	return n.Decision(ctx, record)
}
