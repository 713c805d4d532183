package ghsim

import (
	"html/template"
	"maps"
	"slices"
	"strings"
)

// What the pages show. The functions expect Sim.mu to be held.

type homeView struct{ Orgs []orgView }

type orgView struct {
	Login string
	Repos []repoLine
}

type repoLine struct {
	Name string
	Open int
}

func (s *Sim) homeView() homeView {
	var v homeView
	for _, id := range slices.Sorted(maps.Keys(s.orgs)) {
		line := orgView{Login: s.orgs[id].account.login}
		for _, r := range s.orgs[id].repos {
			open := 0
			for _, p := range r.pulls {
				if p.state == "open" {
					open++
				}
			}
			line.Repos = append(line.Repos, repoLine{r.fullName(), open})
		}
		v.Orgs = append(v.Orgs, line)
	}
	return v
}

type repoView struct {
	Name     string
	Pulls    []pullLine
	Branches []branchLine
}

type branchLine struct{ Name, SHA string }

type pullLine struct {
	Path, Title, State, Author, Base string
	Number                           int
	Checks                           []checkView
}

func (s *Sim) repoView(r *repo) repoView {
	v := repoView{Name: r.fullName()}
	for _, p := range slices.Backward(r.pulls) {
		v.Pulls = append(v.Pulls, pullLine{"/" + r.fullName() + "/pull/" + decimal(p.number), p.title, stateWord(p), p.author.login, p.baseRef, p.number, checkViews(r, p.headSHA)})
	}
	for _, ref := range slices.Sorted(maps.Keys(r.refs)) {
		v.Branches = append(v.Branches, branchLine{branchName(ref), short(r.refs[ref])})
	}
	return v
}

func stateWord(p *pull) string {
	if p.merged {
		return "merged"
	}
	return p.state
}

func short(sha string) string { return sha[:min(7, len(sha))] }

type checkView struct {
	Name, App, Result, Title string
	Summary, Text            template.HTML
}

// checkViews lists the newest check run of each App and name, and the newest status of
// each context.
func checkViews(r *repo, sha string) []checkView {
	var list []checkView
	for _, c := range r.runsAt[sha] {
		if r.latestRun(sha, c.name, c.app().id) != c {
			continue
		}
		result := c.conclusion
		if result == "" {
			result = c.status
		}
		list = append(list, checkView{c.name, c.app().slug, result, c.output.title, markdown(c.output.summary), markdown(c.output.text)})
	}
	for _, st := range r.statuses[sha] {
		if r.latestStatus(sha, st.context, 0) == st {
			list = append(list, checkView{Name: st.context, App: st.creator.login, Result: st.state, Title: st.description})
		}
	}
	return list
}

type pullView struct {
	Path, Repo, Title, State, Author, Head, Base, SHA, Merged, Note string
	Workflow, Job                                                   string
	Number                                                          int
	Body                                                            template.HTML
	Checks                                                          []checkView
	Blockers                                                        []string
	People                                                          []personView
	Reviews                                                         []reviewView
	Commits                                                         []commitView
	Files                                                           []string
}

type personView struct {
	Login, Role string
	First       bool
}

type reviewView struct{ By, State, SHA, Body string }

type commitView struct{ SHA, Author, Message string }

func (s *Sim) pullView(p *pull) pullView {
	r := p.repo
	v := pullView{Path: "/" + r.fullName() + "/pull/" + decimal(p.number), Repo: r.fullName(), Title: p.title, State: stateWord(p), Author: p.author.login,
		Head: p.headRef, Base: p.baseRef, SHA: short(p.headSHA), Merged: short(p.mergeSHA), Number: p.number, Body: markdown(p.body),
		Checks: checkViews(r, p.headSHA), People: s.people(r)}
	v.Workflow, v.Job = usualJob(r)
	if p.state == "open" {
		v.Blockers = s.blockers(p, nil, "")
	}
	for _, x := range p.reviews {
		v.Reviews = append(v.Reviews, reviewView{x.author.login, strings.ReplaceAll(lower(x.state), "_", " "), short(x.commitSHA), x.body})
	}
	for _, c := range s.commitsOf(p, p.headSHA) {
		v.Commits = append(v.Commits, commitView{short(c.sha), c.author.name, c.message})
	}
	for _, f := range s.netDiff(p, p.headSHA) {
		name := f.path
		if f.previous != "" {
			name = f.previous + " → " + f.path
		}
		v.Files = append(v.Files, f.status+" "+name)
	}
	return v
}

// people are those whose role lets them do something on the repository.
func (s *Sim) people(r *repo) []personView {
	var list []personView
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		a := s.accounts[id]
		role := s.role(r, a)
		if rank[role] < rank["write"] || a.kind == "Organization" || (a.app != nil && a.app.id == actionsAppID) {
			continue
		}
		list = append(list, personView{a.login, role, false})
	}
	slices.SortStableFunc(list, func(a, b personView) int { // people before bots
		return strings.Compare(bots(a.Login), bots(b.Login))
	})
	if len(list) > 0 {
		list[0].First = true
	}
	return list
}

func bots(login string) string {
	if strings.HasSuffix(login, "[bot]") {
		return "1"
	}
	return "0"
}

// usualJob is the workflow and job that ran last, for the form.
func usualJob(r *repo) (workflow, job string) {
	for _, run := range slices.Backward(r.workflowRuns) {
		if len(run.jobs) > 0 {
			return run.workflow.path, run.jobs[len(run.jobs)-1].name
		}
	}
	return ".github/workflows/ci.yml", "test"
}
