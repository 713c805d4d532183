package web

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// emergencyForm is where an emergency is declared.
type emergencyForm struct {
	stated
	Rules                policy.EmergencyRules
	MostTicket, MostText int
}

// emergencyForm is the form for a change that is held, where its policy takes declarations from a
// page and the visitor is somebody who signed in; nil: there is none. Whether they may declare is
// decided when they did, and the page says why it does not count.
func (s *Site) emergencyForm(v *visit, d store.Decided, p *changePage) (*emergencyForm, error) {
	if !p.Newest || !p.held() || v.session.PersonID == 0 || len(d.Policy) == 0 {
		return nil, nil
	}
	used, _, err := policy.ParseKept(d.Policy, d.Repository)
	if err != nil {
		return nil, fmt.Errorf("web: the policy of leaf %d: %w", d.LeafIndex, err)
	}
	if used.Emergency == nil || !used.Emergency.Takes(policy.ViaSession) {
		return nil, nil
	}
	return &emergencyForm{stated: statedOf(p), Rules: *used.Emergency, MostTicket: policy.MaxTicket, MostText: policy.MaxReason}, nil
}

// declare keeps what was declared, and has the pull request decided again.
func (s *Site) declare(v *visit) (string, error) {
	const nothing = "Nothing was declared"
	return s.state(v, nothing, "emergency", func(said Statement, tenant store.Tenant) (string, error) {
		ticket, reason := strings.TrimSpace(v.FormValue("ticket")), strings.TrimSpace(v.FormValue("reason"))
		if problem := policy.DeclaredInSession(said.HeadSHA, ticket, reason).Problem; problem != "" {
			return "", refusal(nothing + ": " + problem + ".")
		}
		return s.Declare(v.Context(), tenant, said, ticket, reason)
	})
}
