package web

import (
	"errors"
	"fmt"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// firstDay is the part of the overview that says what a policy would have held of what was merged
// before. It is no evidence, so auditors do not see it; it names repositories, so only those who
// manage the organisation do.
type firstDay struct {
	Org    string
	Report *policy.FirstDay // nil: none was made
	Lists  []firstDayList
}

// firstDayList are examples of one kind.
type firstDayList struct {
	Name string
	Of   int // how many there are
	Rows []firstDayRow
}

// firstDayRow is a change with its page at GitHub.
type firstDayRow struct {
	policy.FirstDayChange
	Link string
}

// firstDay is nil for those who do not see it.
func (s *Site) firstDay(v *visit) (*firstDay, error) {
	tenant, err := v.view.Managed()
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &firstDay{Org: v.view.Login}
	out.Report, err = tenant.FirstDay(v.Context())
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, list := range []firstDayList{
		{Name: "Would have been held", Of: out.Report.All.Held, Rows: s.firstDayRows(out.Report.Held)},
		{Name: "Not known", Of: out.Report.All.Unknown, Rows: s.firstDayRows(out.Report.NotKnown)},
	} {
		if len(list.Rows) > 0 {
			out.Lists = append(out.Lists, list)
		}
	}
	return out, nil
}

func (s *Site) firstDayRows(list []policy.FirstDayChange) (rows []firstDayRow) {
	for _, c := range list {
		rows = append(rows, firstDayRow{c, fmt.Sprintf("%s/%s/pull/%d", s.GitHubURL, c.Repository, c.Number)})
	}
	return rows
}
