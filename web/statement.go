package web

import (
	"crypto/rand"

	"github.com/countersign/countersign/store"
)

// Statement is who says something on the page of a pull request, and about which commit.
type Statement struct {
	RepoID           int64
	Number           int
	HeadSHA, BaseRef string // as the page showed them
	Once             string // of the form: sent again, it says nothing more
	ByID             int64  // GitHub's account id
	By               string
}

// stated is what a form of the page of a pull request says of itself.
type stated struct{ HeadSHA, BaseRef, Once string }

func statedOf(p *changePage) stated {
	return stated{HeadSHA: p.Decision.HeadSHA, BaseRef: p.Decision.BaseRef, Once: rand.Text()}
}

// state keeps what somebody says on the page of a pull request, has it decided again, and leads back to the
// page, which tells of what was said. keep says in a sentence why it was refused; nothing is how that begins,
// "Nothing was declared".
func (s *Site) state(v *visit, nothing, said string, keep func(Statement, store.Tenant) (refused string, err error)) (string, error) {
	listed, err := v.view.Change(v.Context(), v.id("repo"), int(v.id("number")))
	if err != nil {
		return "", err
	}
	tenant, err := v.view.Of(v.Context(), listed.RepoID)
	if err != nil {
		return "", err
	}
	by := Statement{RepoID: listed.RepoID, Number: listed.Number, HeadSHA: v.FormValue("head"), BaseRef: v.FormValue("base"),
		Once: v.FormValue("once"), ByID: v.session.PersonID, By: v.session.Login}
	switch {
	case by.ByID == 0:
		return "", refusal(nothing + ": only a person who signed in with GitHub does this.")
	case len(by.Once) != len(rand.Text()):
		return "", refusal(nothing + ": the form was not whole. Open the page of the pull request again.")
	}
	refused, err := keep(by, tenant)
	if err == nil && refused != "" {
		err = refusal(nothing + ". " + refused)
	}
	return changePath(v.base(), listed.RepoID, listed.Number) + "?said=" + said, err
}
