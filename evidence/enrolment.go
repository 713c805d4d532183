package evidence

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// enrolment is one record of a branch's following: that it began, changed or ended.
type enrolment struct {
	leaf         int64
	at           time.Time
	State        string    `json:"state"` // "begun", "changed" or "ended"
	RepositoryID int64     `json:"repository_id"`
	Repository   string    `json:"repository"`
	Ref          string    `json:"ref"`
	Mode         string    `json:"mode"`
	From         time.Time `json:"from"`
	Tip          string    `json:"tip"`
	Reason       string    `json:"reason"`
	PolicySHA256 string    `json:"policy_sha256"`
}

const (
	enrolmentBegun = "begun"
	enrolmentEnded = "ended"
)

func enrolmentOf(l ledger.Leaf, body []byte) (enrolment, error) {
	e := enrolment{leaf: l.Seq, at: l.RecordedAt}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("leaf %d is no enrolment: %w", l.Seq, err)
	}
	return e, nil
}

// since is from when on the record holds.
func (e enrolment) since() time.Time {
	if e.From.IsZero() {
		return e.at
	}
	return e.From
}

func (e enrolment) branch() string { return branchKey(e.RepositoryID, e.Ref) }

// enrolled is a time during which a branch was followed in one mode.
type enrolled struct {
	// From is GitHub's time of the update that is judged first, or the server's of what changed;
	// To is when it ended, absent if it goes on.
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
	Mode string    `json:"mode"`
	// TipFrom and TipTo are the commits at which it begins and ends; empty: it begins with the
	// branch, or goes on.
	TipFrom      string `json:"tip_from"`
	TipTo        string `json:"tip_to"`
	Reason       string `json:"reason"`
	PolicySHA256 string `json:"policy_sha256"`
	Leaf         int64  `json:"leaf"` // of the record with which it begins

	key string // what tells the branch apart
}

// enrol takes the next record about the branch.
func (l *branchLine) enrol(e enrolment) {
	if n := len(l.Enrolled); n > 0 && l.Enrolled[n-1].To.IsZero() {
		l.Enrolled[n-1].To, l.Enrolled[n-1].TipTo = e.at.UTC(), e.Tip
	}
	l.named(e.leaf, e.Repository, e.Ref)
	if e.State == enrolmentEnded {
		return
	}
	l.Enrolled = append(l.Enrolled, enrolled{From: e.since().UTC(), Mode: e.Mode, TipFrom: e.Tip, Reason: e.Reason, PolicySHA256: e.PolicySHA256, Leaf: e.leaf, key: e.branch()})
}

// within says whether any of that time lies in the period.
func (e enrolled) within(q Query) bool {
	return e.From.Before(q.To) && (e.To.IsZero() || e.To.After(q.From))
}
