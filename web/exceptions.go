package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// exceptionsPage is the queue of what did not hold.
type exceptionsPage struct {
	Base                    string
	State, Kind, Repository string // as they were asked for
	States                  []string
	Kinds                   []string
	Rows                    []exceptionRow
	Older, Newest           string
}

// exceptionRow is one exception in the queue.
type exceptionRow struct {
	store.LeafIndexed
	Overdue bool
	About   string // what it is about, for people
}

// exceptionKinds are what exceptions can be.
func exceptionKinds() []string {
	return []string{policy.FindingDirectPush, policy.FindingWithoutDecision, policy.FindingBeforeDecision, policy.FindingWhileFailing, policy.FindingContentDiffers,
		policy.FindingByAgent, policy.FindingForcePush, policy.FindingRewritten, store.ProtectionDrift, store.ImpostorCheck, store.ExceptionBlind, store.ExceptionLate,
		store.ExceptionEmergency}
}

// exceptions lists what is not settled, or what is asked for.
func (s *Site) exceptions(v *visit) (shown, error) {
	q := v.URL.Query()
	p := exceptionsPage{Base: v.base(), State: q.Get("state"), Kind: q.Get("kind"), Repository: q.Get("repository"), Kinds: exceptionKinds(),
		States: []string{store.ExceptionsUnsettled, store.ExceptionsOverdue, store.ExceptionOpen, store.ExceptionRemediated, store.ExceptionClosed, "all"}}
	if p.State == "" {
		p.State = store.ExceptionsUnsettled
	}
	f := store.ExceptionList{State: p.State, Kind: p.Kind, Limit: perPage + 1}
	if p.State == "all" {
		f.State = ""
	}
	nothing := false
	if name := strings.TrimSpace(p.Repository); name != "" {
		var err error
		if f.RepoID, err = v.view.RepositoryID(v.Context(), name); err != nil {
			return shown{}, err
		}
		nothing = f.RepoID == 0
	}
	f.After, _ = strconv.ParseInt(q.Get("after"), 10, 64) // anything else is the first page
	var found []store.LeafIndexed
	if !nothing {
		var err error
		if found, err = v.view.Exceptions(v.Context(), f); err != nil {
			return shown{}, err
		}
	}
	if len(found) == f.Limit {
		found = found[:perPage]
		p.Older = withParam(v.URL, "after", strconv.FormatInt(found[perPage-1].LeafIndex, 10))
	}
	if f.After > 0 {
		p.Newest = withParam(v.URL, "after", "")
	}
	for _, e := range found {
		p.Rows = append(p.Rows, exceptionRowOf(e, s.Now()))
	}
	return shown{"Exceptions", p}, nil
}

func exceptionRowOf(e store.LeafIndexed, now time.Time) exceptionRow {
	r := exceptionRow{LeafIndexed: e, Overdue: e.State != store.ExceptionClosed && !e.DueAt.IsZero() && now.After(e.DueAt), About: "the organisation"}
	switch {
	case e.Number > 0:
		r.About = e.Repository + " #" + strconv.Itoa(e.Number)
	case e.Ref != "":
		r.About = e.Repository + ", branch " + e.Ref
	case e.Repository != "":
		r.About = e.Repository
	}
	return r
}
