package web

import (
	"errors"
	"fmt"
	"strings"

	"github.com/countersign/countersign/store"
)

// exceptionPage is one exception with its history.
type exceptionPage struct {
	Base, GitHub string
	exceptionRow
	Steps  []store.LeafIndexed
	Change string // page of its change; empty: it is about none
	// MayClose is true when a form can settle it; else NotClosed says why there is none.
	MayClose  bool
	NotClosed string
	MaxText   int
}

// exception shows an exception.
func (s *Site) exception(v *visit) (shown, error) {
	e, tenant, err := v.view.Exception(v.Context(), v.PathValue("id"))
	if err != nil {
		return shown{}, err
	}
	p := exceptionPage{Base: v.base(), GitHub: s.GitHubURL, exceptionRow: exceptionRowOf(e, s.Now()), MaxText: store.MaxRemediation}
	if p.Steps, err = tenant.ExceptionSteps(v.Context(), e.ID); err != nil {
		return shown{}, err
	}
	if e.Number > 0 {
		switch _, err := v.view.Change(v.Context(), e.RepoID, e.Number); {
		case err == nil:
			p.Change = changePath(p.Base, e.RepoID, e.Number)
		case !errors.Is(err, store.ErrNotFound):
			return shown{}, err
		}
	}
	// Whether they may write is asked of GitHub when they do it. What else stands in the way is said before.
	p.NotClosed = e.Refuses(store.Closing{By: v.session.Login, ByID: v.session.PersonID, IsPerson: v.session.PersonID != 0, CanWrite: true, Remediation: "something"})
	p.MayClose = p.NotClosed == "" && s.GitHub != nil
	return shown{"Exception: " + strings.ReplaceAll(e.Kind, "-", " "), p}, nil
}

// closeException settles an exception on the visitor's word, if GitHub says that they may write to
// its repository. One of the organisation is closed by who manages it.
func (s *Site) closeException(v *visit) (string, error) {
	e, tenant, err := v.view.Exception(v.Context(), v.PathValue("id"))
	if err != nil {
		return "", err
	}
	c := store.Closing{By: v.session.Login, ByID: v.session.PersonID, IsPerson: v.session.PersonID != 0, Remediation: v.FormValue("remediation")}
	if e.RepoID == 0 {
		_, err = v.view.Managed()
		c.CanWrite = err == nil
	} else if c.IsPerson {
		c.CanWrite, err = s.canWrite(v, e.RepoID, e.Repository)
	}
	if err != nil {
		return "", err
	}
	refused, err := tenant.CloseException(v.Context(), e.ID, c, nil)
	if err == nil && refused != "" {
		err = refusal("The exception stays open: " + refused)
	}
	return v.base() + "/exceptions/" + e.ID, err
}

// canWrite asks GitHub, with the visitor's own token, whether they may write to a repository.
func (s *Site) canWrite(v *visit, repoID int64, repository string) (bool, error) {
	if s.GitHub == nil {
		return false, nil
	}
	person, err := s.person(v)
	if err != nil {
		return false, err
	}
	can, err := s.GitHub.CanWrite(v.Context(), person, repoID, repository)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return can, nil
}
