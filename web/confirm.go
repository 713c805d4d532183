package web

import (
	"slices"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// confirmForm is where somebody who approves a change confirms which commit that is about.
type confirmForm struct {
	stated
	Why      string // the policy asks for it
	Approved bool   // the visitor has
}

// confirmForm is the form for a change whose approvals must be confirmed, for somebody who signed in
// and whose confirmation may be missing: while the change is held, or when an emergency released it.
// Whether the confirmation is of use is decided when it is there. Nil: there is no form.
func (s *Site) confirmForm(v *visit, p *changePage) *confirmForm {
	if !p.Newest || p.Decision.Confirm == "" || v.session.PersonID == 0 || !p.held() && p.Decision.Emergency == nil {
		return nil
	}
	form := &confirmForm{stated: statedOf(p), Why: p.Decision.Confirm}
	for _, r := range p.Decision.Reviews {
		if r.Actor.ID != v.session.PersonID {
			continue
		}
		if !r.Confirmed.IsZero() {
			return nil
		}
		form.Approved = form.Approved || r.State == "approved"
	}
	behind := func(m policy.Member) bool { return m.Actor.ID == v.session.PersonID }
	if slices.ContainsFunc(p.Decision.Authorship.Authors, behind) && !form.Approved {
		return nil // nobody approves what they wrote
	}
	return form
}

// confirm keeps that the visitor confirmed the commit, and has the pull request decided again.
func (s *Site) confirm(v *visit) (string, error) {
	return s.state(v, "Nothing was confirmed", "confirmed", func(said Statement, tenant store.Tenant) (string, error) {
		return s.Confirm(v.Context(), tenant, said)
	})
}
