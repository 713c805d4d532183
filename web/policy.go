package web

import (
	"errors"
	"strconv"
	"strings"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// mostTried is how many of the newest decisions a draft is tried on.
	mostTried = 500
	// mostDifferences is how many differences are shown.
	mostDifferences = 50
)

// policyPage is the list of branches with a policy, and the effective policy of one of them.
type policyPage struct {
	Base     string
	Branches []store.BranchPolicy
	More     string // address of the next branches; empty: these are the last
	Shown    *effectivePolicy
	Manages  bool
}

// effectivePolicy is what holds on a branch, with where each value comes from.
type effectivePolicy struct {
	store.BranchPolicy
	Repository string
	Values     []policyValue
	Always     []string // protected whatever the policy says
	Ignored    []string
	Layers     []policy.LayerSource
	Problem    string // why it cannot be shown; empty: it is
}

type policyValue struct {
	policy.Value
	From policy.Origin
}

// policies lists the policies in force, and shows one.
func (s *Site) policies(v *visit) (shown, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return shown{}, err
	}
	q := v.URL.Query()
	_, manages := v.view.Managed()
	p := policyPage{Base: v.base(), Manages: manages == nil}
	var after store.BranchPolicy
	after.RepoID, _ = strconv.ParseInt(q.Get("after"), 10, 64) // anything else is the first page
	after.Ref = q.Get("after_ref")
	if p.Branches, err = tenant.Policies(v.Context(), after, perPage+1); err != nil {
		return shown{}, err
	}
	if len(p.Branches) > perPage {
		p.Branches = p.Branches[:perPage]
		last := p.Branches[perPage-1]
		p.More = withParam(v.URL, "after", strconv.FormatInt(last.RepoID, 10), "after_ref", last.Ref)
	}
	if ref := q.Get("branch"); ref != "" {
		repo, _ := strconv.ParseInt(q.Get("repo"), 10, 64) // no repository has the id 0
		if p.Shown, err = effective(v, tenant, repo, ref); err != nil {
			return shown{}, err
		}
	}
	return shown{"Policy", p}, nil
}

// effective is what the newest decision under a branch was made by.
func effective(v *visit, tenant store.Tenant, repo int64, ref string) (*effectivePolicy, error) {
	kept, err := tenant.LastPolicy(v.Context(), repo, ref)
	if err != nil {
		return nil, err
	}
	name, err := tenant.RepositoryName(v.Context(), repo)
	if err != nil {
		return nil, err
	}
	e := &effectivePolicy{BranchPolicy: store.BranchPolicy{RepoID: repo, Ref: ref}, Repository: name, Always: policy.AlwaysProtected()}
	if e.Layers, err = policy.DecodeLayers(kept, name); err == nil {
		err = e.merge()
	}
	if err != nil {
		e.Problem = err.Error()
	}
	return e, nil
}

// merge puts the layers together, as a decision does.
func (e *effectivePolicy) merge() error {
	organisation, own, err := policy.ParseEach(e.Layers)
	if err != nil {
		return err
	}
	merged, notes := policy.Merge(organisation, own, e.Repository)
	origins := merged.Origins(organisation, own, e.Repository)
	for _, value := range merged.Values() {
		e.Values = append(e.Values, policyValue{value, origins[value.Path]})
	}
	for _, n := range notes {
		e.Ignored = append(e.Ignored, n.String())
	}
	return nil
}

// trialPage is a draft of a policy, what is wrong with it, and what it would have changed.
type trialPage struct {
	Base         string
	Draft        string
	Organisation bool
	Repository   string
	Problems     []policy.Problem
	Tried        bool
	Counts       policy.TrialCounts
	Differences  []triedChange
	More         int // differences that are not shown
	Most         int
}

type triedChange struct {
	Repository string
	RepoID     int64
	Number     int
	HeadSHA    string
	policy.Tried
}

// trial shows the form for a draft; with a draft in it, what the draft would have changed.
func (s *Site) trial(v *visit) (shown, error) {
	tenant, err := v.view.Managed()
	if err != nil {
		return shown{}, err
	}
	p := trialPage{Base: v.base(), Draft: strings.ReplaceAll(v.PostFormValue("draft"), "\r\n", "\n"), Organisation: v.PostFormValue("place") == "organisation",
		Repository: strings.TrimSpace(v.FormValue("repository")), Most: mostTried}
	if p.Draft == "" {
		return shown{"Try a policy", p}, nil
	}
	_, err = policy.Parse([]byte(p.Draft))
	var broken *policy.ParseError
	if errors.As(err, &broken) {
		p.Problems = broken.Problems
		return shown{"Try a policy", p}, nil
	}
	if err != nil {
		return shown{}, err
	}
	return shown{"Try a policy", &p}, p.try(v, tenant)
}

// try judges the newest decisions again, by the draft.
func (p *trialPage) try(v *visit, tenant store.Tenant) error {
	f := store.ChangeFilter{Limit: mostTried}
	if p.Repository != "" {
		id, err := v.view.RepositoryID(v.Context(), p.Repository)
		if err != nil {
			return err
		}
		if id == 0 {
			return refusal("No followed repository is called " + p.Repository + ".")
		}
		f.RepoID = id
	}
	list, err := v.view.Changes(v.Context(), f)
	if err != nil {
		return err
	}
	p.Tried = true
	t := policy.Trial{Source: p.Draft, Organisation: p.Organisation}
	for _, c := range list {
		d, err := tenant.Decision(v.Context(), c.RecordID)
		if err != nil {
			return err
		}
		if len(d.Facts) == 0 || len(d.Policy) == 0 {
			continue // nothing was judged then
		}
		tried, err := t.Judge(d.Facts, d.Policy, d.Repository)
		if !p.Counts.Count(tried, err) || err != nil {
			continue
		}
		if len(p.Differences) == mostDifferences {
			p.More++
			continue
		}
		p.Differences = append(p.Differences, triedChange{d.Repository, d.RepoID, d.Number, d.HeadSHA, tried})
	}
	return nil
}
