package ghsim

// This file and the other render*.go files write the world in GitHub's JSON. Each
// function has everything that GitHub's OpenAPI description requires of the object.

// api is the address of something in the REST API.
func (s *Sim) api(path string) string { return s.baseURL + restPrefix + path }

// page of a repository for people.
func (s *Sim) html(r *repo) string { return s.baseURL + "/" + r.fullName() }

func (s *Sim) repoAPI(r *repo) string { return s.api("/repos/" + r.fullName()) }

func (s *Sim) avatar(a *account) string { return s.baseURL + "/avatars/" + decimal(a.id) }

// renderUser is a simple user; null for nobody.
func (s *Sim) renderUser(a *account) any {
	if a == nil {
		return nil
	}
	u := s.api("/users/" + escapePath(a.login))
	kind := a.kind
	html := s.baseURL + "/" + escapePath(a.login)
	if a.app != nil {
		html = s.baseURL + "/apps/" + a.app.slug
	}
	return obj{
		"login": a.login, "id": a.id, "node_id": nodeID(kind, a.id), "avatar_url": s.avatar(a), "gravatar_id": "",
		"url": u, "html_url": html, "followers_url": u + "/followers", "following_url": u + "/following{/other_user}",
		"gists_url": u + "/gists{/gist_id}", "starred_url": u + "/starred{/owner}{/repo}", "subscriptions_url": u + "/subscriptions",
		"organizations_url": u + "/orgs", "repos_url": u + "/repos", "events_url": u + "/events{/privacy}",
		"received_events_url": u + "/received_events", "type": kind, "user_view_type": "public", "site_admin": false,
	}
}

// renderOrg is an organisation as webhooks carry it.
func (s *Sim) renderOrg(o *org) obj {
	a := o.account
	u := s.api("/orgs/" + a.login)
	return obj{"login": a.login, "id": a.id, "node_id": nodeID("Organization", a.id), "url": u, "repos_url": u + "/repos",
		"events_url": u + "/events", "hooks_url": u + "/hooks", "issues_url": u + "/issues", "members_url": u + "/members{/member}",
		"public_members_url": u + "/public_members{/member}", "avatar_url": s.avatar(a), "description": ""}
}

// renderTeam is a team as lists have it.
func (s *Sim) renderTeam(t *team) obj {
	u := s.api("/organizations/" + decimal(t.org.account.id) + "/team/" + decimal(t.id))
	return obj{"id": t.id, "node_id": nodeID("Team", t.id), "name": t.name, "slug": t.slug, "description": "", "privacy": "closed",
		"notification_setting": "notifications_enabled", "permission": "pull", "url": u, "type": "organization",
		"organization_id": t.org.account.id,
		"html_url":        s.baseURL + "/orgs/" + t.org.account.login + "/teams/" + t.slug, "members_url": u + "/members{/member}",
		"repositories_url": u + "/repos", "parent": nil}
}

// renderApp is an App ("integration").
func (s *Sim) renderApp(a *app) obj {
	return obj{"id": a.id, "client_id": a.clientID(), "slug": a.slug, "node_id": nodeID("App", a.id), "owner": s.renderUser(a.owner),
		"name": a.name, "description": "", "external_url": s.baseURL + "/apps/" + a.slug, "html_url": s.baseURL + "/apps/" + a.slug,
		"created_at": stamp(a.createdAt), "updated_at": stamp(a.createdAt), "permissions": texts(a.permissions), "events": list(a.events)}
}

// renderInstallation is an App on an account.
func (s *Sim) renderInstallation(i *installation) obj {
	selection := "all"
	if i.selected != nil {
		selection = "selected"
	}
	html := s.baseURL + "/organizations/" + i.target.login + "/settings/installations/" + decimal(i.id)
	return obj{"id": i.id, "account": s.renderUser(i.target), "repository_selection": selection,
		"access_tokens_url": s.api("/app/installations/" + decimal(i.id) + "/access_tokens"),
		"repositories_url":  s.api("/installation/repositories"), "html_url": html, "app_id": i.app.id, "app_slug": i.app.slug,
		"client_id": i.app.clientID(), "target_id": i.target.id, "target_type": i.target.kind, "permissions": texts(i.permissions), "events": list(i.events),
		"created_at": stamp(i.createdAt), "updated_at": stamp(i.updatedAt), "single_file_name": nil,
		"has_multiple_single_files": false, "single_file_paths": []string{}, "suspended_by": nil, "suspended_at": stamp(i.suspendedAt)}
}

// installedRepos lists the repositories of an installation as its events do.
func (s *Sim) installedRepos(i *installation) []obj {
	out := []obj{}
	for _, r := range s.reposOf(i.target) {
		if i.covers(r) {
			out = append(out, s.renderInstalledRepo(r))
		}
	}
	return out
}

func (s *Sim) renderInstalledRepo(r *repo) obj {
	return obj{"id": r.id, "node_id": nodeID("Repository", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private}
}

// reposOf lists the account's repositories, oldest first.
func (s *Sim) reposOf(a *account) []*repo {
	if o := s.orgs[a.id]; o != nil {
		return o.repos
	}
	var list []*repo
	for _, r := range s.repos {
		if r.owner == a {
			list = append(list, r)
		}
	}
	sortRepos(list)
	return list
}

// texts copies a map, so that the JSON does not change with the world; never null.
func texts(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// list copies a list; never null.
func list[T any](l []T) []T { return append([]T{}, l...) }
