package web

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
)

// longestGrant is how long a grant lets somebody in, at most.
const longestGrant = 400 * 24 * time.Hour

// grantsPage is who outside of the organisation may read its evidence.
type grantsPage struct {
	Base            string
	From, To, Until string // days that the form begins with
	Grants          []grantLine
}

// grantLine is a grant as the page shows it.
type grantLine struct {
	store.Grant
	To, Until time.Time // last days
	State     string
	Open      bool
	Revoke    string // address
}

// grants lists who was let in.
func (s *Site) grants(v *visit) (shown, error) {
	tenant, err := v.view.Managed()
	if err != nil {
		return shown{}, err
	}
	now := s.Now().UTC()
	p := grantsPage{Base: v.base(), From: now.AddDate(-1, 0, 0).Format(time.DateOnly), To: now.Format(time.DateOnly), Until: now.AddDate(0, 1, 0).Format(time.DateOnly)}
	list, err := tenant.Grants(v.Context())
	for _, g := range list {
		l := grantLine{Grant: g, To: lastDay(g.Before), Until: lastDay(g.ExpiresAt), State: "is open", Open: g.Open(now), Revoke: p.Base + "/evidence/grants/" + g.ID + "/revoke"}
		switch {
		case !g.RevokedAt.IsZero():
			l.State = "was revoked at " + moment(g.RevokedAt)
		case !l.Open:
			l.State = "has expired"
		}
		p.Grants = append(p.Grants, l)
	}
	return shown{"Auditors", p}, err
}

// grantedPage shows a link, once: it is not kept.
type grantedPage struct {
	Base      string
	Grant     store.Grant
	To, Until time.Time // last days
	Link      string
}

// grantAudit lets an auditor in.
func (s *Site) grantAudit(v *visit) (shown, error) {
	tenant, err := v.view.Managed()
	if err != nil {
		return shown{}, err
	}
	g := store.Grant{Name: strings.TrimSpace(v.FormValue("name")), GrantedBy: v.who()}
	if g.Name == "" || len(g.Name) > 200 {
		return shown{}, refusal("A grant is for somebody: write their name, and their firm, in at most 200 characters.")
	}
	var days [3]time.Time
	for i, name := range []string{"from", "to", "until"} {
		if days[i], err = dayOf(v.FormValue(name)); err != nil {
			return shown{}, err
		}
	}
	g.From, g.Before, g.ExpiresAt = days[0], days[1].AddDate(0, 0, 1), days[2].AddDate(0, 0, 1)
	switch {
	case days[0].IsZero() || days[1].IsZero() || days[1].Before(days[0]):
		return shown{}, refusal("The time that may be read has a first day and a last one, which is not before it.")
	case !g.ExpiresAt.After(s.Now()) || g.ExpiresAt.Sub(s.Now()) > longestGrant:
		return shown{}, refusal("A grant ends on a day to come, within 400 days.")
	}
	secret := newSecret()
	if g, err = tenant.GrantAudit(v.Context(), g, known(secret)); err != nil {
		return shown{}, err
	}
	return shown{"Auditors", grantedPage{v.base(), g, lastDay(g.Before), lastDay(g.ExpiresAt), s.PublicURL + "/audit/" + secret}}, nil
}

// revokeGrant ends a grant, and whoever is signed in by it is out.
func (s *Site) revokeGrant(v *visit) (string, error) {
	tenant, err := v.view.Managed()
	if err != nil {
		return "", err
	}
	err = tenant.RevokeGrant(v.Context(), v.PathValue("grant"), v.who())
	if errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("web: grant %.100q: %w", v.PathValue("grant"), err)
	}
	return v.base() + "/evidence/grants", err
}
