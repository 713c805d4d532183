package store

import (
	"context"
	"fmt"
	"math"
)

// ExceptionList selects the exceptions of a list; its zero value selects all.
type ExceptionList struct {
	// State is one of the states, "unsettled" for those that are not closed, "overdue" for those of
	// them whose day has passed; empty: every one.
	State string
	Kind  string // empty: every one
	// RepoID is the repository; 0: every one.
	RepoID int64
	// After is the leaf of the last exception of the page before; 0: the first page.
	After int64
	// Limit is how many are returned at most.
	Limit int
}

// States of a list that are not an exception's own.
const (
	ExceptionsUnsettled = "unsettled"
	ExceptionsOverdue   = "overdue"
)

// openedBetween bounds the leaf of the first step of exception e: an auditor sees what was opened in
// their time.
const openedBetween = `(SELECT MIN(o.leaf_index) FROM exception_steps o WHERE o.org_id = e.org_id AND o.id = e.id) BETWEEN `

// Those that are not closed have an index of their own: they are few, however many there were. What
// is the organisation's (repository 0) is seen by those who see all of it.
const (
	listedExceptionColumns = `SELECT e.leaf_index, e.body FROM exceptions e WHERE e.org_id = $1 AND e.leaf_index < $3
  AND ($2 = '' OR EXISTS (SELECT 1 FROM session_repositories s WHERE s.session = $2 AND s.org_id = e.org_id AND s.repo_id = e.repo_id))
  AND ($4 = '' OR e.kind = $4) AND (e.repo_id = $5 OR $5 = 0) AND ($6 = '' OR e.state = $6) AND (e.due_at > 0 AND e.due_at < $7 OR $7 = 0)
  AND ` + openedBetween + `$8 AND $9
`
	newestSteps          = `ORDER BY e.leaf_index DESC LIMIT $10`
	selectExceptionsBy   = listedExceptionColumns + newestSteps
	selectUnsettledSteps = listedExceptionColumns + `AND e.state <> 'closed' ` + newestSteps
)

// Exceptions lists the exceptions that the view reaches, that with the newest step first.
func (v View) Exceptions(ctx context.Context, f ExceptionList) ([]LeafIndexed, error) {
	if f.Limit <= 0 {
		return nil, fmt.Errorf("%w: a list of %d exceptions", ErrInvalid, f.Limit)
	}
	first, last, err := v.leaves(ctx)
	if err != nil {
		return nil, err
	}
	after := int64(math.MaxInt64)
	if f.After > 0 {
		after = f.After
	}
	query, state, overdue := selectExceptionsBy, f.State, int64(0)
	switch f.State {
	case ExceptionsUnsettled:
		query, state = selectUnsettledSteps, ""
	case ExceptionsOverdue:
		query, state, overdue = selectUnsettledSteps, "", micros(v.tenant.s.now())
	}
	return v.tenant.exceptions(ctx, query, v.tenant.org, v.limit(), after, f.Kind, f.RepoID, state, overdue, first, last, f.Limit)
}

const countOpenedThen = `SELECT COUNT(*) FROM exceptions e WHERE e.org_id = $1 AND e.id = $2 AND ` + openedBetween + `$3 AND $4`

// Exception returns one exception that the view reaches; ErrNotFound if there is none.
func (v View) Exception(ctx context.Context, id string) (LeafIndexed, Tenant, error) {
	e, err := v.tenant.Exception(ctx, id)
	if err != nil {
		return LeafIndexed{}, Tenant{}, err
	}
	tenant, err := v.Of(ctx, e.RepoID)
	if err != nil {
		return LeafIndexed{}, Tenant{}, err
	}
	first, last, err := v.leaves(ctx)
	n := 0
	if err == nil {
		err = v.tenant.s.one(ctx, countOpenedThen, []any{v.tenant.org, id, first, last}, &n)
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("store: exception %s was not opened in the time that may be read: %w", id, ErrNotFound)
	}
	if err != nil {
		return LeafIndexed{}, Tenant{}, err
	}
	return e, tenant, nil
}
