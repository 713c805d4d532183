package ghsim

import (
	"slices"
	"strconv"
	"strings"
)

// commitOf resolves a SHA, an abbreviated SHA of at least seven characters, a branch or a
// full ref; nil when nothing is there.
func (r *repo) commitOf(ref string) *commit {
	if sha := r.branch(ref); sha != "" {
		return r.git.commits[sha]
	}
	if sha := r.refs["refs/"+strings.TrimPrefix(ref, "refs/")]; sha != "" {
		return r.git.commits[sha]
	}
	if c := r.git.commits[ref]; c != nil || len(ref) < 7 {
		return c
	}
	for sha, c := range r.git.commits {
		if strings.HasPrefix(sha, ref) {
			return c
		}
	}
	return nil
}

// commitParam is the commit that a parameter of the path names.
func (c *call) commitParam(name string) (*commit, error) {
	if x := c.repo.commitOf(c.params[name]); x != nil {
		return x, nil
	}
	return nil, invalid("No commit found for SHA: %s", c.params[name])
}

func getCommit(c *call) (*answer, error) {
	x, err := c.commitParam("sha")
	if err != nil {
		return nil, err
	}
	return &answer{body: c.s.renderFullCommit(c.repo, x)}, nil
}

// listCommitPulls lists the pull requests that have the commit: open ones with it among
// their commits, merged ones that brought it, also rebased.
func listCommitPulls(c *call) (*answer, error) {
	x, err := c.commitParam("sha")
	if err != nil {
		return nil, err
	}
	var found []*pull
	for _, p := range c.repo.pulls {
		commits := c.s.commitsOf(p, p.headSHA)
		if p.merged {
			commits = append(slices.Clone(commits), c.repo.git.between(p.baseSHA, p.mergeSHA)...)
		}
		if slices.Contains(commits, x) {
			found = append(found, p)
		}
	}
	return &answer{body: render(page(c, found), func(p *pull) obj { return c.s.renderSimplePull(c.viewer, p) })}, nil
}

// compareCommits is base...head from their merge base; at most 300 files, on the first page, and
// without a page, the newest 250 commits.
func compareCommits(c *call) (*answer, error) {
	from, to, ok := strings.Cut(c.params["basehead"], "...")
	base, head := c.repo.commitOf(from), c.repo.commitOf(to)
	if !ok || base == nil || head == nil {
		return nil, errNotFound
	}
	g := c.repo.git
	mergeBase := g.commits[g.mergeBase(base.sha, head.sha)]
	if mergeBase == nil {
		return nil, &apiError{status: 404, message: "No common ancestor between " + from + " and " + to + "."}
	}
	ahead, behind := g.between(base.sha, head.sha), g.between(head.sha, base.sha)
	listed := ahead[max(0, len(ahead)-250):]
	if c.query.Has("page") || c.query.Has("per_page") {
		listed = page(c, ahead)
	}
	status := "diverged"
	switch {
	case base == head:
		status = "identical"
	case len(behind) == 0:
		status = "ahead"
	case len(ahead) == 0:
		status = "behind"
	}
	u, html := c.s.repoAPI(c.repo)+"/compare/"+from+"..."+to, c.s.html(c.repo)+"/compare/"+from+"..."+to
	one := func(x *commit) obj { return c.s.renderCommit(c.repo, x).(obj) }
	files := g.compare(mergeBase.sha, head.sha)
	files = files[:min(len(files), 300)]
	if n := c.query.Get("page"); n != "" && n != "1" {
		files = nil
	}
	return &answer{body: obj{"url": u, "html_url": html, "permalink_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"base_commit": one(base), "merge_base_commit": one(mergeBase), "status": status, "ahead_by": len(ahead), "behind_by": len(behind),
		"total_commits": len(ahead), "commits": render(listed, one),
		"files": render(files, func(f fileChange) obj { return c.s.renderFile(c.repo, head.sha, f) })}}, nil
}

// getContent is a file with its content, or the entries of a directory.
func getContent(c *call) (*answer, error) {
	ref := c.query.Get("ref")
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	at := c.repo.commitOf(ref)
	if at == nil {
		return nil, &apiError{status: 404, message: "No commit found for the ref " + ref}
	}
	file := strings.Trim(c.params["path"], "/")
	files := c.repo.git.files(at.sha)
	if blob, ok := files[file]; ok {
		return &answer{body: c.s.renderContent(c.repo, ref, "file", file, blob, c.repo.git.blobs[blob], true)}, nil
	}
	entries := c.directory(ref, at, file)
	if len(entries) == 0 {
		return nil, errNotFound
	}
	return &answer{body: entries}, nil
}

// directory lists the entries right below dir.
func (c *call) directory(ref string, at *commit, dir string) []obj {
	g := c.repo.git
	entries := map[string]obj{}
	for file, blob := range g.files(at.sha) {
		rest, ok := strings.CutPrefix(file, dir+"/")
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		path := dir + "/" + name
		if deeper {
			entries[path] = c.s.renderContent(c.repo, ref, "dir", path, g.subtree[at.tree][path], nil, false)
		} else {
			entries[path] = c.s.renderContent(c.repo, ref, "file", path, blob, g.blobs[blob], false)
		}
	}
	out := make([]obj, 0, len(entries))
	for _, e := range entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b obj) int { return strings.Compare(a["path"].(string), b["path"].(string)) })
	return out
}

// listActivity lists ref updates, newest first unless direction is "asc", by ref ("refs/heads/main"
// or "main"), actor and activity_type. Its pages are named by cursors, not by numbers.
func listActivity(c *call) (*answer, error) {
	var found []*refUpdate
	for _, u := range slices.Backward(c.repo.activity) {
		if ref := c.query.Get("ref"); ref != "" && ref != u.ref && "refs/heads/"+ref != u.ref {
			continue
		}
		if wants(c, "actor", u.actor.login) && wants(c, "activity_type", u.kind) {
			found = append(found, u)
		}
	}
	if c.query.Get("direction") == "asc" {
		slices.Reverse(found)
	}
	return &answer{body: render(activityPage(c, found), c.s.renderActivity)}, nil
}

// activityPage cuts the page behind the cursor "after", which is the id of an update here.
// Behind one that is not known there is nothing.
func activityPage(c *call, list []*refUpdate) []*refUpdate {
	if after := c.query.Get("after"); after != "" {
		at := slices.IndexFunc(list, func(u *refUpdate) bool { return strconv.FormatInt(u.id, 10) == after })
		if at < 0 {
			return nil
		}
		list = list[at+1:]
	}
	size := between(c.query.Get("per_page"), 30, 100)
	if len(list) <= size {
		return list
	}
	query := c.r.URL.Query()
	query.Set("after", strconv.FormatInt(list[size-1].id, 10))
	c.link = "<" + c.s.baseURL + c.r.URL.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
	return list[:size]
}

// listBranches lists them by name.
func listBranches(c *call) (*answer, error) {
	var names []string
	for ref := range c.repo.refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return &answer{body: render(page(c, names), func(name string) obj {
		sha := c.repo.branch(name)
		return obj{"name": name, "commit": obj{"sha": sha, "url": c.s.repoAPI(c.repo) + "/commits/" + sha},
			"protected": c.s.protectionFor(c.repo, name) != nil || len(c.s.branchRules(c.repo, name)) > 0}
	})}, nil
}

func getBranch(c *call) (*answer, error) {
	name := c.params["branch"]
	x := c.repo.git.commits[c.repo.branch(name)]
	if x == nil {
		return nil, &apiError{status: 404, message: "Branch not found"}
	}
	self := c.s.repoAPI(c.repo) + "/branches/" + escapePath(name)
	classic := c.s.protectionFor(c.repo, name)
	protection := obj{"enabled": classic != nil, "required_status_checks": obj{"enforcement_level": "off", "contexts": []string{}, "checks": []obj{}}}
	if classic != nil && classic.requireChecks {
		checks := c.s.renderRequiredChecks(self+"/protection", classic)
		checks["enforcement_level"] = "non_admins"
		protection["required_status_checks"] = checks
	}
	return &answer{body: obj{"name": name, "commit": c.s.renderFullCommit(c.repo, x), "protected": classic != nil || len(c.s.branchRules(c.repo, name)) > 0,
		"_links": obj{"self": self, "html": c.s.html(c.repo) + "/tree/" + escapePath(name)}, "protection": protection, "protection_url": self + "/protection"}}, nil
}
