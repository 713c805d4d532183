package ghsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

func getApp(c *call) (*answer, error) {
	o := c.s.renderApp(c.viewer.app)
	n := 0
	for _, i := range c.s.installs {
		if i.app == c.viewer.app {
			n++
		}
	}
	o["installations_count"] = n
	return &answer{body: o}, nil
}

// installationsOf lists the App's installations, by id.
func (s *Sim) installationsOf(match func(*installation) bool) []*installation {
	var list []*installation
	for _, i := range s.installs {
		if match(i) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *installation) int { return int(a.id - b.id) })
	return list
}

func listAppInstallations(c *call) (*answer, error) {
	list := c.s.installationsOf(func(i *installation) bool { return i.app == c.viewer.app })
	return &answer{body: render(page(c, list), c.s.renderInstallation)}, nil
}

// ownInstallation is the App's installation of the path.
func (c *call) ownInstallation() (*installation, error) {
	i := c.s.installs[c.number("installation_id")]
	if i == nil || i.app != c.viewer.app {
		return nil, errNotFound
	}
	return i, nil
}

func getAppInstallation(c *call) (*answer, error) {
	i, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	return &answer{body: c.s.renderInstallation(i)}, nil
}

func getRepoInstallation(c *call) (*answer, error) {
	return c.installationWhere(func(i *installation) bool { return i.covers(c.repo) })
}

func getOrgInstallation(c *call) (*answer, error) {
	return c.installationWhere(func(i *installation) bool { return i.target == c.org.account })
}

func (c *call) installationWhere(match func(*installation) bool) (*answer, error) {
	list := c.s.installationsOf(func(i *installation) bool { return i.app == c.viewer.app && match(i) })
	if len(list) == 0 {
		return nil, errNotFound
	}
	return &answer{body: c.s.renderInstallation(list[0])}, nil
}

// createToken makes an installation access token; the body may narrow permissions and
// repositories, never widen them.
func createToken(c *call) (*answer, error) {
	i, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	if !i.suspendedAt.IsZero() {
		return nil, &apiError{status: 403, message: "This installation has been suspended"}
	}
	var want struct {
		Permissions   map[string]string `json:"permissions"`
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
	}
	if len(c.body) > 0 {
		if err := c.decode(&want); err != nil {
			return nil, err
		}
	}
	for name, level := range want.Permissions {
		if rank[level] > rank[i.permissions[name]] {
			return nil, invalid("The permissions requested are not granted to this installation.")
		}
	}
	selected, err := c.narrow(i, want.Repositories, want.RepositoryIDs)
	if err != nil {
		return nil, err
	}
	t := c.s.newToken(i, want.Permissions, selected)
	t.asked = true
	body := obj{"token": t.value, "expires_at": stamp(t.expiresAt), "permissions": texts(t.permissions), "repository_selection": "all"}
	if i.selected != nil || selected != nil {
		body["repository_selection"] = "selected"
	}
	if selected != nil {
		var list []*repo
		for _, id := range slices.Sorted(maps.Keys(selected)) {
			list = append(list, c.s.repos[id])
		}
		body["repositories"] = render(list, c.s.renderRepo)
	}
	return &answer{status: http.StatusCreated, body: body}, nil
}

// narrow turns the repositories that a token is asked for into their ids; nil: all.
func (c *call) narrow(i *installation, names []string, ids []int64) (map[int64]bool, error) {
	if len(names) == 0 && len(ids) == 0 {
		return nil, nil
	}
	selected := map[int64]bool{}
	for _, name := range names {
		if r := c.s.repository(i.target.login, name); r != nil && i.covers(r) {
			selected[r.id] = true
		}
	}
	for _, id := range ids {
		if r := c.s.repos[id]; r != nil && i.covers(r) {
			selected[id] = true
		}
	}
	if len(selected) != len(names)+len(ids) {
		return nil, invalid("There is at least one repository that does not exist or is not accessible to the parent installation.")
	}
	return selected, nil
}

func listInstallationRepos(c *call) (*answer, error) {
	i := c.viewer.installation
	if i == nil {
		return nil, &apiError{status: 403, message: "You must authenticate with an installation access token in order to list repositories for an installation."}
	}
	var list []*repo
	for _, r := range c.s.reposOf(i.target) {
		if c.viewer.reaches(r) {
			list = append(list, r)
		}
	}
	selection := "all"
	if i.selected != nil {
		selection = "selected"
	}
	return &answer{body: obj{"total_count": len(list), "repository_selection": selection, "repositories": render(page(c, list), c.s.renderRepo)}}, nil
}

// getHookConfig shows that there is a secret, and not which.
func getHookConfig(c *call) (*answer, error) {
	a := c.viewer.app
	o := obj{"content_type": a.hookContentType(), "insecure_ssl": "0", "url": a.hookURL}
	if a.hookInsecure {
		o["insecure_ssl"] = "1"
	}
	if a.hookSecret != "" {
		o["secret"] = "********"
	}
	return &answer{body: o}, nil
}

// deliveriesKept is how far back the list reaches: three days.
const deliveriesKept = 72 * 60 * 60

// listDeliveries lists attempts, newest first. GitHub pages it by an opaque cursor.
func listDeliveries(c *call) (*answer, error) {
	size := between(c.query.Get("per_page"), 30, 100)
	before, _ := strconv.ParseInt(c.query.Get("cursor"), 10, 64)
	now := time.Now() // deliveries are stamped by the real clock
	var list []*delivery
	for _, d := range slices.Backward(c.viewer.app.deliveries) {
		if !d.done || now.Sub(d.deliveredAt).Seconds() > deliveriesKept || (before != 0 && d.id >= before) {
			continue
		}
		if status := c.query.Get("status"); (status == "success") != (d.statusCode < 400) && status != "" {
			continue // as on GitHub, "failure" leaves "failed to connect" (code 0) out
		}
		list = append(list, d)
	}
	if len(list) > size {
		list = list[:size]
		query := c.r.URL.Query()
		query.Set("cursor", decimal(list[size-1].id))
		c.link = "<" + c.s.baseURL + c.r.URL.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
	}
	return &answer{body: render(list, renderDelivery)}, nil
}

func renderDelivery(d *delivery) obj {
	o := obj{"id": d.id, "guid": d.guid, "delivered_at": stamp(d.deliveredAt), "redelivery": d.redelivery, "duration": d.duration.Seconds(),
		"status": d.status, "status_code": d.statusCode, "event": d.event, "action": orNull(d.action), "installation_id": nil, "repository_id": nil, "throttled_at": nil}
	if d.installationID != 0 {
		o["installation_id"] = d.installationID
	}
	if d.repoID != 0 {
		o["repository_id"] = d.repoID
	}
	return o
}

// ownDelivery is the App's delivery of the path, once it was attempted.
func (c *call) ownDelivery() (*delivery, error) {
	id := c.number("delivery_id")
	for _, d := range c.viewer.app.deliveries {
		if d.id == id && d.done {
			return d, nil
		}
	}
	return nil, errNotFound
}

func getDelivery(c *call) (*answer, error) {
	d, err := c.ownDelivery()
	if err != nil {
		return nil, err
	}
	o := renderDelivery(d)
	o["url"] = c.viewer.app.hookURL
	o["request"] = obj{"headers": flatHeader(d.requestHeader), "payload": json.RawMessage(d.payload)}
	o["response"] = obj{"headers": flatHeader(d.responseHeader), "payload": d.response}
	return &answer{body: o}, nil
}

func flatHeader(h http.Header) map[string]string {
	out := map[string]string{}
	for k := range h {
		out[k] = h.Get(k)
	}
	return out
}

func redeliver(c *call) (*answer, error) {
	d, err := c.ownDelivery()
	if err != nil {
		return nil, err
	}
	c.s.redeliver(c.viewer.app, d)
	return &answer{status: http.StatusAccepted, body: obj{}}, nil
}

func getRateLimit(c *call) (*answer, error) {
	core, graph := c.s.budgetOf(c.viewer, "core"), c.s.budgetOf(c.viewer, "graphql")
	return &answer{body: obj{"resources": obj{"core": renderBudget(core), "graphql": renderBudget(graph), "search": renderBudget(&budget{limit: 30, resetAt: core.resetAt})},
		"rate": renderBudget(core)}}, nil
}

// getOrg is an organisation. How many private repositories it has, only those see who may read
// its administration.
func getOrg(c *call) (*answer, error) {
	public, private := 0, 0
	for _, r := range c.s.reposOf(c.org.account) {
		if r.private {
			private++
		} else {
			public++
		}
	}
	a := c.org.account
	o := c.s.renderOrg(c.org)
	maps.Copy(o, obj{"html_url": c.s.baseURL + "/" + a.login, "type": "Organization", "has_organization_projects": true, "has_repository_projects": true,
		"public_repos": public, "public_gists": 0, "followers": 0, "following": 0, "created_at": stamp(a.createdAt), "updated_at": stamp(a.createdAt), "archived_at": nil})
	if c.s.canOrg(c.viewer, c.org, "organization_administration", "read") {
		o["total_private_repos"], o["owned_private_repos"] = private, private
	}
	return &answer{body: o}, nil
}

// listOrgRepos lists the repositories that the viewer can see.
func listOrgRepos(c *call) (*answer, error) {
	var list []*repo
	for _, r := range c.s.reposOf(c.org.account) {
		if c.s.canSee(c.viewer, r) {
			list = append(list, r)
		}
	}
	return &answer{body: render(page(c, list), c.s.renderListedRepo)}, nil
}

func listOrgInstallations(c *call) (*answer, error) {
	list := c.s.installationsOf(func(i *installation) bool { return i.target == c.org.account })
	return &answer{body: obj{"total_count": len(list), "installations": render(page(c, list), c.s.renderInstallation)}}, nil
}

func listTeamMembers(c *call) (*answer, error) {
	for _, t := range c.org.teams {
		if t.slug == c.params["team_slug"] {
			return &answer{body: c.s.renderUsers(page(c, t.members))}, nil
		}
	}
	return nil, errNotFound
}

// listOrgRulesets needs write on the organisation's administration: read is not enough.
func listOrgRulesets(c *call) (*answer, error) {
	if !c.s.canOrg(c.viewer, c.org, "organization_administration", "write") {
		return nil, errNotByApp
	}
	return &answer{body: render(page(c, c.org.rulesets), c.s.renderRulesetSummary)}, nil
}

// getUser is who signed in.
func getUser(c *call) (*answer, error) {
	if c.viewer.user == nil || c.viewer.installation != nil {
		return nil, errNotByApp
	}
	at := stamp(c.viewer.user.createdAt)
	body := obj{"name": orNull(c.viewer.user.name), "company": nil, "blog": nil, "location": nil, "email": nil, "hireable": nil, "bio": nil,
		"public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "created_at": at, "updated_at": at}
	if user, ok := c.s.renderUser(c.viewer.user).(obj); ok {
		maps.Copy(body, user)
	}
	return &answer{body: body}, nil
}

// getMembership is the signed-in person's place in an organisation.
func getMembership(c *call) (*answer, error) {
	if c.viewer.user == nil || c.viewer.installation != nil || c.org == nil || c.org.members[c.viewer.user.id] == "" {
		return nil, errNotFound
	}
	if !c.s.lets(c.viewer, c.org.account, nil, "members", "read") {
		return nil, errNotByApp
	}
	at := c.s.baseURL + "/api/v3/orgs/" + c.org.account.login
	return &answer{body: obj{"url": at + "/memberships/" + c.viewer.user.login, "state": "active", "role": c.org.members[c.viewer.user.id],
		"organization_url": at, "user": c.s.renderUser(c.viewer.user), "organization": c.s.renderOrg(c.org)}}, nil
}
