package evidence

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

// leafRegister is the kind of the leaves that hold registers.
const leafRegister = "register"

// recordedRegister is a register with the leaf that recorded it.
type recordedRegister struct {
	policy.RegisterFacts
	leaf int64
}

// registerOf takes a register that was in force at any time of the period, or before it: the last
// one stays.
func (c *contents) registerOf(l ledger.Leaf, body []byte) error {
	r := recordedRegister{leaf: l.Seq}
	if err := json.Unmarshal(body, &r.RegisterFacts); err != nil {
		return fmt.Errorf("leaf %d is no register: %w", l.Seq, err)
	}
	if l.RecordedAt.Before(c.query.To) {
		c.register = &r
	}
	return nil
}

// overdue says whether a document's review was due before the end of the period.
func overdue(d policy.RegisteredFacts, q Query) bool {
	due, err := time.Parse(time.DateOnly, d.ReviewBy)
	return err != nil || due.AddDate(0, 0, 1).Before(q.To)
}

// registerTable lists the documents that no program can produce, as they were registered at the
// end of the period, and what was found of each.
func registerTable(r *recordedRegister, q Query) table {
	t := table{name: "register", title: "Register", columns: []string{"id", "title", "controls", "owner", "location", "state", "review_by", "overdue", "sha256_registered", "sha256_found", "why", "leaf", "read_at"}}
	if r == nil {
		return t
	}
	for _, p := range r.Problems {
		t.rows = append(t.rows, []string{"", "", "", "", policy.RegisterPath, "the register cannot be used", "", "", "", "", p.Message, number64(r.leaf), moment(r.ReadAt)})
	}
	for _, d := range r.Documents {
		t.rows = append(t.rows, []string{d.ID, d.Title, strings.Join(d.Controls, " "), d.Owner, d.Location, d.State, d.ReviewBy, yesNo(overdue(d, q)), d.SHA256, d.FoundSHA256, d.Why, number64(r.leaf), moment(r.ReadAt)})
	}
	return t
}
