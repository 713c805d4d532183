package ghsim

import "net/http"

// What a person sees with a user access token of an App.

// endUserToken ends one token of the App, and with it its refresh token.
func endUserToken(c *call) (*answer, error) {
	var want struct {
		Token string `json:"access_token"`
	}
	if err := c.decode(&want); err != nil {
		return nil, err
	}
	if want.Token == "" {
		return nil, invalid("Invalid request.\n\nNo access_token was given.")
	}
	t := c.s.tokens[want.Token]
	if t == nil || t.app != c.viewer.client {
		return nil, errNotFound
	}
	delete(c.s.tokens, t.value)
	delete(t.app.signIn.refreshers, t.refresh)
	return &answer{status: http.StatusNoContent}, nil
}

// sees says whether the person has a right of their own to something of the installation.
func (s *Sim) sees(u *account, i *installation) bool {
	if o := s.orgs[i.target.id]; i.target == u || o != nil && o.members[u.id] != "" {
		return true
	}
	for _, r := range s.reposOf(i.target) {
		if i.covers(r) && s.ownRole(r, u) != "none" {
			return true
		}
	}
	return false
}

func listUserInstallations(c *call) (*answer, error) {
	app := c.viewer.throughApp()
	if app == nil {
		return nil, &apiError{status: 403, message: "You must authenticate with an access token authorized to a GitHub App in order to list installations"}
	}
	list := c.s.installationsOf(func(i *installation) bool { return i.app == app && c.s.sees(c.viewer.user, i) })
	return &answer{body: obj{"total_count": len(list), "installations": render(page(c, list), c.s.renderInstallation)}}, nil
}

func listUserRepos(c *call) (*answer, error) {
	i := c.s.installs[c.number("installation_id")]
	app := c.viewer.throughApp()
	switch {
	case app == nil:
		return nil, errNotByUser
	case i == nil || i.app != app || !c.s.sees(c.viewer.user, i):
		return nil, errNotFound
	case !i.suspendedAt.IsZero():
		return nil, &apiError{status: 403, message: "This installation has been suspended"}
	}
	var list []*repo
	for _, r := range c.s.reposOf(i.target) {
		if i.covers(r) && c.s.ownRole(r, c.viewer.user) != "none" {
			list = append(list, r)
		}
	}
	selection := "all"
	if i.selected != nil {
		selection = "selected"
	}
	one := func(r *repo) obj {
		o := c.s.renderRepo(r)
		o["permissions"] = renderRole(c.s.ownRole(r, c.viewer.user))
		return o
	}
	return &answer{body: obj{"total_count": len(list), "repository_selection": selection, "repositories": render(page(c, list), one)}}, nil
}
