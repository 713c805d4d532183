package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/ledger"
)

// exception is an exception as one step of it left it, as far as it is read here.
type exception struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"`
	RepoID      int64     `json:"repository_id"`
	Repository  string    `json:"repository"`
	Number      int       `json:"number"`
	Ref         string    `json:"ref"`
	SHA         string    `json:"sha"`
	RecordID    string    `json:"record_id"`
	Severity    string    `json:"severity"`
	State       string    `json:"state"`
	Reason      string    `json:"reason"`
	Owner       string    `json:"owner"`
	Remediation string    `json:"remediation"`
	OpenedAt    time.Time `json:"opened_at"`
	DueAt       time.Time `json:"due_at"`
	ClosedAt    time.Time `json:"closed_at"`
	OverdueAt   time.Time `json:"overdue_at"`
	Step        string    `json:"step"`
	By          string    `json:"by"`
	leaf        int64
	recordedAt  time.Time
}

const exceptionClosed = "closed"

// exceptionOf reads a step of an exception.
func exceptionOf(l ledger.Leaf, body []byte) (exception, error) {
	e := exception{leaf: l.Seq, recordedAt: l.RecordedAt}
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" {
		return e, fmt.Errorf("leaf %d is no step of an exception: %v", l.Seq, err)
	}
	return e, nil
}

// followed is an exception with what became of it.
type followed struct {
	id    string
	steps []exception // in the order of the log
}

func (f followed) newest() exception { return f.steps[len(f.steps)-1] }

// at is the step that held at a time; false: it was not opened yet.
func (f followed) at(t time.Time) (e exception, ok bool) {
	for _, s := range f.steps {
		if s.recordedAt.Before(t) {
			e, ok = s, true
		}
	}
	return e, ok
}

// concerns says whether the exception was open at any time of the period: it was opened before
// the period's end, and not closed before it began.
func (f followed) concerns(q Query) bool {
	if !f.steps[0].OpenedAt.Before(q.To) {
		return false
	}
	before, known := f.at(q.From)
	return !known || before.State != exceptionClosed
}

// follow gathers the steps of every exception that concerns the period, by when they were opened.
func follow(steps []exception, q Query) []followed {
	byID := map[string]*followed{}
	for _, s := range steps {
		if byID[s.ID] == nil {
			byID[s.ID] = &followed{id: s.ID}
		}
		byID[s.ID].steps = append(byID[s.ID].steps, s)
	}
	var out []followed
	for _, f := range byID {
		slices.SortFunc(f.steps, func(a, b exception) int { return cmp.Compare(a.leaf, b.leaf) })
		if f.concerns(q) {
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(a, b followed) int { return cmp.Compare(a.steps[0].leaf, b.steps[0].leaf) })
	return out
}

// exceptionsTable lists exceptions, each with its state at the end of the period and now.
func exceptionsTable(name, title string, list []followed, q Query) table {
	t := table{name: name, title: title, columns: []string{"id", "leaf", "kind", "severity", "state_at_period_end", "state_now", "repository", "pull_request", "branch", "commit", "decision", "opened_at", "due_at",
		"overdue_at", "closed_at", "owner", "reason", "remediation", "last_step", "last_step_by", "last_step_at"}}
	for _, f := range list {
		e := f.newest()
		state := "not recorded yet"
		if then, ok := f.at(q.To); ok {
			state = then.State
		}
		t.rows = append(t.rows, []string{e.ID, number64(f.steps[0].leaf), e.Kind, e.Severity, state, e.State, e.Repository, orNone(int64(e.Number)), e.Ref, e.SHA, e.RecordID,
			moment(e.OpenedAt), moment(e.DueAt), moment(e.OverdueAt), moment(e.ClosedAt), e.Owner, e.Reason, e.Remediation, e.Step, e.By, moment(e.recordedAt)})
	}
	return t
}
