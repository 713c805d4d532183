package web

import (
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// firstDay is the part of the overview that says what a policy would have held of what was merged
// before. It is no evidence, so auditors do not see it; it names repositories, so only those who
// manage the organisation do.
type firstDay struct {
	Base   string
	Org    string
	Report *policy.FirstDay // nil: none was made
	Lists  []firstDayList
	Work   *store.FirstDayWork // nil: none is being made
	MayAsk bool
	// Enlarged is when it is looked at what was added since the report, at the earliest; nil: nothing was.
	Enlarged *time.Time
	// Beginning: some branches were judged by the policy to begin with; Mixed: and others by their own.
	Beginning, Mixed bool
	Long             bool // it was read for long
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
	out := &firstDay{Base: v.base(), Org: v.view.Login}
	work, err := tenant.FirstDayWork(v.Context())
	switch {
	case err == nil && !work.Ended:
		out.Work = &work
	case err == nil && !work.Enlarged.IsZero():
		out.Enlarged = &work.NextAt
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	out.MayAsk = out.Work == nil && v.view.Role == store.RoleAdmin
	report, err := tenant.FirstDay(v.Context())
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.show(report)
	for _, list := range []firstDayList{
		{Name: "Would have been held", Of: report.All.Held, Rows: s.firstDayRows(report.Held)},
		{Name: "Not known", Of: report.All.Unknown, Rows: s.firstDayRows(report.NotKnown)},
	} {
		if len(list.Rows) > 0 {
			out.Lists = append(out.Lists, list)
		}
	}
	return out, nil
}

// show says how a report was made.
func (f *firstDay) show(r *policy.FirstDay) {
	f.Report, f.Long = r, r.Until.Sub(r.At) > time.Minute
	own := false
	for _, b := range r.Branches {
		f.Beginning, own = f.Beginning || b.Beginning, own || !b.Beginning
	}
	f.Mixed = f.Beginning && own
}

// askFirstDay has the report made anew.
func (s *Site) askFirstDay(v *visit) (string, error) {
	tenant, err := administered(v)
	if err == nil {
		err = tenant.AskFirstDay(v.Context())
	}
	return v.base() + "/overview#first-day", err
}

func (s *Site) firstDayRows(list []policy.FirstDayChange) (rows []firstDayRow) {
	for _, c := range list {
		rows = append(rows, firstDayRow{c, fmt.Sprintf("%s/%s/pull/%d", s.GitHubURL, c.Repository, c.Number)})
	}
	return rows
}
