package web

import (
	"cmp"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
)

// protectionPage lists the branches that are followed, and what is not enrolled.
type protectionPage struct {
	Base         string
	State        string
	States       []choice
	Rows         []guardedRow
	Next, First  string
	NotEnrolled  []store.ScopeRepository
	Cut          int // of these, that are not shown
	ScopeAt      time.Time
	ScopeMissing string // why it is not known what is not enrolled; empty: it is
}

// guardedRow is a branch as the list shows it.
type guardedRow struct {
	store.Guarded
	Link        string
	State, Tone string
}

// mostNotEnrolled is how many repositories without an enrolled branch are named.
const mostNotEnrolled = 200

func guardedStates() []choice {
	return []choice{{"", "all"}, {store.GuardedLacking, "enforced, and the rules lack something"}, {store.GuardedUnknown, "enforced, and it is not known"},
		{store.GuardedAudit, "in audit: nothing is held"}, {store.GuardedBlind, "blind"}, {store.GuardedProtected, "protected"}}
}

// protection shows how branches are protected, for those who see all of the organisation.
func (s *Site) protection(v *visit) (shown, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return shown{}, err
	}
	q := v.URL.Query()
	p := protectionPage{Base: v.base(), State: q.Get("state"), States: guardedStates()}
	afterRepository, afterRef, _ := strings.Cut(q.Get("after"), ":")
	list, err := tenant.GuardedBranches(v.Context(), p.State, afterRepository, afterRef, perPage+1)
	if err != nil {
		return shown{}, err
	}
	if len(list) > perPage {
		list = list[:perPage]
		p.Next = withParam(v.URL, "after", list[perPage-1].Repository+":"+list[perPage-1].Ref)
	}
	if afterRepository != "" {
		p.First = withParam(v.URL, "after", "")
	}
	for _, g := range list {
		p.Rows = append(p.Rows, guardedRowOf(p.Base, g))
	}
	if p.State == "" && p.First == "" {
		err = p.notEnrolled(v, tenant)
	}
	return shown{"Protection", p}, err
}

func guardedRowOf(base string, g store.Guarded) guardedRow {
	r := guardedRow{Guarded: g, Link: branchPath(base, g.RepoID, g.Ref), State: "not known whether as the policy asks", Tone: "open"}
	switch g.Holds {
	case "yes":
		r.State, r.Tone = "as the policy asks", "good"
	case "no":
		r.State, r.Tone = "can be changed in other ways", "bad"
	case "":
		r.State = "not looked at yet"
	}
	return r
}

// notEnrolled are the repositories that the App is installed on, and that no branch is followed of.
func (p *protectionPage) notEnrolled(v *visit, tenant store.Tenant) error {
	scope, at, err := tenant.LastScopeWhole(v.Context())
	if err != nil {
		return err
	}
	p.ScopeAt = at
	switch {
	case at.IsZero():
		p.ScopeMissing = "It was not recorded yet which repositories there are."
	case !scope.Complete:
		p.ScopeMissing = cmp.Or(scope.Why, "GitHub did not say which repositories there are.")
	}
	branches, err := tenant.Branches(v.Context(), 0) // some may have been enrolled since
	if err != nil {
		return err
	}
	enrolled := map[int64]bool{}
	for _, b := range branches {
		enrolled[b.RepoID] = true
	}
	for _, r := range scope.Repositories {
		if r.State != store.ScopeInstalled || r.Archived || enrolled[r.ID] {
			continue
		}
		if len(p.NotEnrolled) == mostNotEnrolled {
			p.Cut++
			continue
		}
		p.NotEnrolled = append(p.NotEnrolled, r)
	}
	return nil
}
