package web

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// Emergency is what somebody who signed in declares on the page of a pull request.
type Emergency struct {
	RepoID           int64
	Number           int
	HeadSHA, BaseRef string // as the page showed them
	Ticket, Reason   string
	Once             string // of the form: sent again, it declares nothing more
	ByID             int64  // GitHub's account id
	By               string
}

// emergencyForm is where an emergency is declared.
type emergencyForm struct {
	Rules                policy.EmergencyRules
	HeadSHA, BaseRef     string
	Once                 string
	MostTicket, MostText int
}

// emergencyForm is the form for a change that is held, where its policy takes declarations from a
// page and the visitor is somebody who signed in; nil: there is none. Whether they may declare is
// decided when they did, and the page says why it does not count.
func (s *Site) emergencyForm(v *visit, d store.Decided, p *changePage) (*emergencyForm, error) {
	held := p.Decision.Verdict == policy.VerdictWaiting || p.Decision.Verdict == policy.VerdictFail
	if !p.Newest || !held || v.session.PersonID == 0 || len(d.Policy) == 0 || s.Declare == nil {
		return nil, nil
	}
	used, _, err := policy.ParseKept(d.Policy, d.Repository)
	if err != nil {
		return nil, fmt.Errorf("web: the policy of leaf %d: %w", d.LeafIndex, err)
	}
	if used.Emergency == nil || !used.Emergency.Takes(policy.ViaSession) {
		return nil, nil
	}
	return &emergencyForm{Rules: *used.Emergency, HeadSHA: p.Decision.HeadSHA, BaseRef: p.Decision.BaseRef, Once: rand.Text(), MostTicket: policy.MaxTicket, MostText: policy.MaxReason}, nil
}

// declare keeps what was declared, and has the pull request decided again.
func (s *Site) declare(v *visit) (string, error) {
	listed, err := v.view.Change(v.Context(), v.id("repo"), int(v.id("number")))
	if err != nil {
		return "", err
	}
	tenant, err := v.view.Of(v.Context(), listed.RepoID)
	if err != nil {
		return "", err
	}
	e := Emergency{RepoID: listed.RepoID, Number: listed.Number, HeadSHA: v.FormValue("head"), BaseRef: v.FormValue("base"), Ticket: strings.TrimSpace(v.FormValue("ticket")),
		Reason: strings.TrimSpace(v.FormValue("reason")), Once: v.FormValue("once"), ByID: v.session.PersonID, By: v.session.Login}
	switch problem := policy.DeclaredInSession(e.HeadSHA, e.Ticket, e.Reason).Problem; {
	case e.ByID == 0 || s.Declare == nil:
		return "", refusal("Only a person who signed in with GitHub declares an emergency.")
	case len(e.Once) != len(rand.Text()):
		return "", refusal("The form was not whole. Open the page of the pull request again.")
	case problem != "":
		return "", refusal("Nothing was declared: " + problem + ".")
	}
	refused, err := s.Declare(v.Context(), tenant, e)
	if err == nil && refused != "" {
		err = refusal("Nothing was declared. " + refused)
	}
	return changePath(v.base(), listed.RepoID, listed.Number) + "?declared=1", err
}
