package ghsim

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"
)

func sortRepos(list []*repo) {
	slices.SortFunc(list, func(a, b *repo) int { return int(a.id - b.id) })
}

// repoLinks are the many addresses of a repository; key "x_url" is path "/x".
var repoLinks = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}", "issues_url": "/issues{/number}",
	"keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages", "merges_url": "/merges",
	"milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}",
	"releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}", "subscribers_url": "/subscribers",
	"subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}", "hooks_url": "/hooks",
}

// renderMinimalRepo is a repository as other objects refer to it.
func (s *Sim) renderMinimalRepo(r *repo) obj {
	u := s.repoAPI(r)
	o := obj{"id": r.id, "node_id": nodeID("Repository", r.id), "name": r.name, "full_name": r.fullName(), "owner": s.renderUser(r.owner),
		"private": r.private, "html_url": s.html(r), "description": orNull(r.description), "fork": false, "url": u}
	for k, tail := range repoLinks {
		o[k] = u + tail
	}
	return o
}

// renderListedRepo is a repository as the list of an organisation's has it.
func (s *Sim) renderListedRepo(r *repo) obj {
	o := s.renderMinimalRepo(r)
	o["archived"], o["default_branch"] = r.archived, r.defaultBranch
	return o
}

// renderRepo is a repository as lists, pull requests and webhooks have it.
func (s *Sim) renderRepo(r *repo) obj {
	o := s.renderMinimalRepo(r)
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	issues := 0
	for _, p := range r.pulls {
		if p.state == "open" {
			issues++
		}
	}
	maps.Copy(o, obj{
		"git_url": "git://sim/" + r.fullName() + ".git", "ssh_url": "git@sim:" + r.fullName() + ".git", "clone_url": s.html(r) + ".git",
		"svn_url": s.html(r), "mirror_url": nil, "homepage": nil, "language": nil, "forks_count": 0, "stargazers_count": 0, "watchers_count": 0,
		"size": 1, "default_branch": r.defaultBranch, "open_issues_count": issues, "has_issues": !r.noIssues, "has_projects": true, "has_wiki": false,
		"has_pages": false, "has_downloads": true, "has_discussions": false, "archived": r.archived, "disabled": false, "visibility": visibility,
		"pushed_at": stamp(r.pushedAt), "created_at": stamp(r.createdAt), "updated_at": stamp(r.updatedAt), "license": nil, "topics": []string{},
		"forks": 0, "open_issues": issues, "watchers": 0, "allow_forking": true, "is_template": false, "web_commit_signoff_required": false,
		"allow_merge_commit": r.settings.allowMerge, "allow_squash_merge": r.settings.allowSquash, "allow_rebase_merge": r.settings.allowRebase,
		"allow_auto_merge": r.settings.allowAutoMerge, "delete_branch_on_merge": r.settings.deleteBranchOnMerge,
	})
	return o
}

// renderRole is what a role allows.
func renderRole(role string) obj {
	level := rank[role]
	return obj{"admin": level >= rank["admin"], "maintain": level >= rank["maintain"], "push": level >= rank["write"],
		"triage": level >= rank["triage"], "pull": level >= rank["read"]}
}

// renderFullRepo is GET /repos/{owner}/{repo}.
func (s *Sim) renderFullRepo(v *viewer, r *repo) obj {
	o := s.renderRepo(r)
	maps.Copy(o, obj{"subscribers_count": 0, "network_count": 0})
	if v.user != nil {
		o["permissions"] = renderRole(s.role(r, v.user))
	}
	if s.orgs[r.owner.id] != nil {
		o["organization"] = s.renderUser(r.owner)
	}
	return o
}

func (s *Sim) renderLabel(r *repo, l *label) obj {
	return obj{"id": l.id, "node_id": nodeID("Label", l.id), "url": s.repoAPI(r) + "/labels/" + escapePath(l.name), "name": l.name,
		"description": l.description, "color": l.color, "default": false}
}

// renderGitUser is an author or committer as git has it.
func renderGitUser(i identity) obj { return obj{"name": i.name, "email": i.email, "date": stamp(i.at)} }

// renderGitCommit is the inner "commit" of a commit.
func (s *Sim) renderGitCommit(r *repo, c *commit) obj {
	u := s.repoAPI(r) + "/git"
	reason := c.signature.reason
	if reason == "" {
		reason = "unsigned"
	}
	return obj{"url": u + "/commits/" + c.sha, "author": renderGitUser(c.author), "committer": renderGitUser(c.committer), "message": c.message,
		"comment_count": 0, "tree": obj{"sha": c.tree, "url": u + "/trees/" + c.tree},
		"verification": obj{"verified": c.signature.verified, "reason": reason, "signature": signatureText(c), "payload": nil, "verified_at": stamp(c.signature.at)}}
}

func signatureText(c *commit) any {
	if !c.signature.present {
		return nil
	}
	return "-----BEGIN SSH SIGNATURE-----\nsimulated\n-----END SSH SIGNATURE-----"
}

// renderCommit is a commit as lists have it; null for none.
func (s *Sim) renderCommit(r *repo, c *commit) any {
	if c == nil {
		return nil
	}
	u := s.repoAPI(r) + "/commits/"
	parents := render(c.parents, func(sha string) obj {
		return obj{"sha": sha, "url": u + sha, "html_url": s.html(r) + "/commit/" + sha}
	})
	return obj{"url": u + c.sha, "sha": c.sha, "node_id": nodeID("Commit "+c.sha, r.id), "html_url": s.html(r) + "/commit/" + c.sha,
		"comments_url": u + c.sha + "/comments", "commit": s.renderGitCommit(r, c),
		"author": s.renderUser(c.author.account), "committer": s.renderUser(c.committer.account), "parents": parents}
}

// renderFullCommit adds what GET commits/{sha} has.
func (s *Sim) renderFullCommit(r *repo, c *commit) obj {
	o := s.renderCommit(r, c).(obj)
	base := ""
	if len(c.parents) > 0 {
		base = c.parents[0]
	}
	files := r.git.compare(base, c.sha)
	added, removed := 0, 0
	for _, f := range files {
		added, removed = added+f.additions, removed+f.deletions
	}
	o["stats"] = obj{"additions": added, "deletions": removed, "total": added + removed}
	o["files"] = render(files, func(f fileChange) obj { return s.renderFile(r, c.sha, f) })
	return o
}

// renderSimpleCommit is a commit inside suites, workflow runs and merge groups.
func (s *Sim) renderSimpleCommit(c *commit) any {
	if c == nil {
		return nil
	}
	who := func(i identity) obj { return obj{"name": i.name, "email": i.email} }
	return obj{"id": c.sha, "tree_id": c.tree, "message": c.message, "timestamp": stamp(c.committer.at), "author": who(c.author), "committer": who(c.committer)}
}

// renderPushCommit is a commit inside a push event.
func (s *Sim) renderPushCommit(r *repo, c *commit) obj {
	who := func(i identity) obj {
		o := obj{"name": i.name, "email": i.email, "date": stamp(i.at)}
		if i.account != nil {
			o["username"] = i.account.login
		}
		return o
	}
	added, removed, modified := []string{}, []string{}, []string{}
	base := ""
	if len(c.parents) > 0 {
		base = c.parents[0]
	}
	for _, f := range r.git.compare(base, c.sha) {
		switch f.status {
		case "added":
			added = append(added, f.path)
		case "removed":
			removed = append(removed, f.path)
		case "renamed":
			added, removed = append(added, f.path), append(removed, f.previous)
		default:
			modified = append(modified, f.path)
		}
	}
	return obj{"id": c.sha, "tree_id": c.tree, "distinct": true, "message": c.message, "timestamp": stamp(c.committer.at),
		"url": s.html(r) + "/commit/" + c.sha, "author": who(c.author), "committer": who(c.committer), "added": added, "removed": removed, "modified": modified}
}

// renderFile is one changed file.
func (s *Sim) renderFile(r *repo, sha string, f fileChange) obj {
	p := escapePath(f.path)
	o := obj{"sha": f.sha, "filename": f.path, "status": f.status, "additions": f.additions, "deletions": f.deletions,
		"changes": f.additions + f.deletions, "blob_url": s.html(r) + "/blob/" + sha + "/" + p, "raw_url": s.html(r) + "/raw/" + sha + "/" + p,
		"contents_url": s.repoAPI(r) + "/contents/" + p + "?ref=" + sha}
	if f.hasPatch {
		o["patch"] = f.patch
	}
	if f.previous != "" {
		o["previous_filename"] = f.previous
	}
	return o
}

// renderContent is a file or an entry of a directory; content only of a file asked for by name.
func (s *Sim) renderContent(r *repo, ref, kind, file, sha string, content []byte, withContent bool) obj {
	p := escapePath(file)
	self := s.repoAPI(r) + "/contents/" + p + "?ref=" + ref
	git := s.repoAPI(r) + "/git/blobs/" + sha
	html := s.html(r) + "/blob/" + ref + "/" + p
	var download any = s.html(r) + "/raw/" + ref + "/" + p
	if kind == "dir" {
		git, html, download = s.repoAPI(r)+"/git/trees/"+sha, s.html(r)+"/tree/"+ref+"/"+p, nil
	}
	o := obj{"type": kind, "size": len(content), "name": path.Base(file), "path": file, "sha": sha, "url": self, "git_url": git, "html_url": html,
		"download_url": download, "_links": obj{"self": self, "git": git, "html": html}}
	if !withContent {
		return o
	}
	o["encoding"], o["content"] = "base64", wrapped(content)
	if len(content) > maxContent {
		o["encoding"], o["content"] = "none", ""
	}
	return o
}

// maxContent is the largest file whose content the contents API hands out.
const maxContent = 1 << 20

// wrapped is base64 in lines of 60 characters, as GitHub writes it.
func wrapped(content []byte) string {
	text := base64.StdEncoding.EncodeToString(content)
	var b strings.Builder
	for len(text) > 60 {
		b.WriteString(text[:60] + "\n")
		text = text[60:]
	}
	return b.String() + text + "\n"
}

// renderActivity is one entry of GET activity.
func (s *Sim) renderActivity(u *refUpdate) obj {
	return obj{"id": u.id, "node_id": nodeID("PushActivity", u.id), "before": u.before, "after": u.after, "ref": u.ref,
		"timestamp": stamp(u.at), "activity_type": u.kind, "actor": s.renderUser(u.actor)}
}
