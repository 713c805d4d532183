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

// statement reads who says something on the page of a pull request, and about what. What is what
// they did, for somebody who may not: "Nothing was declared".
func (s *Site) statement(v *visit, what string) (Statement, store.Tenant, error) {
	listed, err := v.view.Change(v.Context(), v.id("repo"), int(v.id("number")))
	if err != nil {
		return Statement{}, store.Tenant{}, err
	}
	tenant, err := v.view.Of(v.Context(), listed.RepoID)
	if err != nil {
		return Statement{}, store.Tenant{}, err
	}
	said := Statement{RepoID: listed.RepoID, Number: listed.Number, HeadSHA: v.FormValue("head"), BaseRef: v.FormValue("base"),
		Once: v.FormValue("once"), ByID: v.session.PersonID, By: v.session.Login}
	switch {
	case said.ByID == 0:
		err = refusal(what + ": only a person who signed in with GitHub does this.")
	case len(said.Once) != len(rand.Text()):
		err = refusal(what + ": the form was not whole. Open the page of the pull request again.")
	}
	return said, tenant, err
}
