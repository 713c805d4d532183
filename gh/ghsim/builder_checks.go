package ghsim

import (
	"fmt"
	"slices"
	"time"
)

// Job describes a job of a workflow run.
type Job struct {
	Name string
	// Conclusion: "success", "failure", "skipped", …; "" leaves the job in progress.
	Conclusion string
	Steps      []string // nil: "Set up job", "Run", "Complete job"
}

// WorkflowRun is a run of GitHub Actions.
type WorkflowRun struct {
	s   *Sim
	r   *repo
	run *workflowRun
}

// RunWorkflow runs a workflow on the SHA for an event ("pull_request", "push", …), started
// by whoever pushed the SHA. The run completes when all of its jobs have.
func (r *Repo) RunWorkflow(sha, path, event string, jobs ...Job) *WorkflowRun {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.r.git.commits[sha] == nil {
		panic(fmt.Sprintf("ghsim: run a workflow on %q: no such commit", sha))
	}
	by := r.s.account("github-actions[bot]")
	if u := r.r.pushes[sha]; u != nil {
		by = u.actor
	}
	w := &WorkflowRun{r.s, r.r, r.s.startWorkflow(r.r, sha, path, event, by)}
	w.add(jobs)
	return w
}

// add expects the lock.
func (w *WorkflowRun) add(jobs []Job) {
	for _, j := range jobs {
		steps := j.Steps
		if steps == nil {
			steps = []string{"Set up job", "Run", "Complete job"}
		}
		w.s.addJob(w.r, w.run, j.Name, j.Conclusion, steps)
	}
	if len(jobs) > 0 {
		w.s.finishWorkflow(w.r, w.run)
	}
}

// ID is the run's id.
func (w *WorkflowRun) ID() int64 { return w.run.id }

// Finish completes a job that is in progress in the newest attempt.
func (w *WorkflowRun) Finish(job, conclusion string) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for _, j := range w.run.jobs {
		if j.attempt == w.run.attempt && j.name == job && j.check.status != "completed" {
			w.s.finishJob(w.r, j, conclusion)
		}
	}
	w.s.finishWorkflow(w.r, w.run)
}

// Rerun begins another attempt with these jobs: same run, same suite.
func (w *WorkflowRun) Rerun(by Actor, jobs ...Job) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.rerunWorkflow(w.r, w.run, by.actsAs())
	w.add(jobs)
}

// CheckRun is a check run.
type CheckRun struct {
	s *Sim
	r *repo
	c *checkRun
}

// PostCheckRun posts a check run as an App; conclusion "" leaves it in progress.
func (r *Repo) PostCheckRun(a *App, sha, name, conclusion string) *CheckRun {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	c := &checkRun{name: name, status: "in_progress"}
	if conclusion != "" {
		c.status, c.conclusion = "completed", conclusion
	}
	suite := r.s.suiteFor(r.r, a.a, sha, a.a.bot)
	return &CheckRun{r.s, r.r, r.s.addRun(r.r, suite, c, a.a.bot)}
}

// ForgeActionsRun posts a check run as GitHub Actions without a job, as a workflow with
// `checks: write` can do. It joins the oldest Actions suite of the SHA.
func (r *Repo) ForgeActionsRun(sha, name, conclusion string) *CheckRun {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return &CheckRun{r.s, r.r, r.s.forgeRun(r.r, sha, name, conclusion, r.s.account("github-actions[bot]"))}
}

// ID is the check run's id.
func (c *CheckRun) ID() int64 { return c.c.id }

// Complete completes a run that is in progress. A completed one stays as it is.
func (c *CheckRun) Complete(conclusion string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.changeRun(c.r, c.c, func(x *checkRun) { x.status, x.conclusion = "completed", conclusion }, c.c.app().bot)
}

// Expire has GitHub forget the run, as it does with what is too old. Nobody is told.
func (c *CheckRun) Expire() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	gone := func(x *checkRun) bool { return x == c.c }
	c.r.runs = slices.DeleteFunc(c.r.runs, gone)
	c.r.runsAt[c.c.headSHA] = slices.DeleteFunc(c.r.runsAt[c.c.headSHA], gone)
}

// Rerequest presses "Re-run": the App is told, nothing else happens.
func (c *CheckRun) Rerequest(by Actor) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.rerequest(c.r, c.c, by.actsAs())
}

// Press presses one of the run's own buttons.
func (c *CheckRun) Press(by Actor, identifier string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.emitRun(c.r, c.c, "requested_action", by.actsAs(), obj{"requested_action": obj{"identifier": identifier}})
}

// PostStatus posts a commit status: "success", "failure", "error" or "pending".
func (r *Repo) PostStatus(by Actor, sha, context, state string) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.addStatus(r.r, &commitStatus{sha: sha, context: context, state: state, creator: by.actsAs()})
}

// CheckRunState is a check run as it is now.
type CheckRunState struct {
	ID                   int64
	Name, App            string // App: slug
	AppID                int64
	HeadSHA              string
	Status, Conclusion   string
	Title, Summary, Text string
	Annotations          []Annotation
	ExternalID           string
	DetailsURL           string
	Actions              []string // identifiers of its buttons
	StartedAt            time.Time
	CompletedAt          time.Time
}

// State reads the check run.
func (c *CheckRun) State() CheckRunState {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.c.state()
}

func (c *checkRun) state() CheckRunState {
	st := CheckRunState{ID: c.id, Name: c.name, App: c.app().slug, AppID: c.app().id, HeadSHA: c.headSHA, Status: c.status, Conclusion: c.conclusion,
		Title: c.output.title, Summary: c.output.summary, Text: c.output.text, Annotations: slices.Clone(c.output.annotations), ExternalID: c.externalID, DetailsURL: c.detailsURL,
		StartedAt: c.startedAt, CompletedAt: c.completedAt}
	for _, a := range c.actions {
		st.Actions = append(st.Actions, a.identifier)
	}
	return st
}

// CheckRuns lists every check run on the SHA, oldest first.
func (r *Repo) CheckRuns(sha string) []CheckRunState {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	var out []CheckRunState
	for _, c := range r.r.runsAt[sha] {
		out = append(out, c.state())
	}
	return out
}

// CheckRun is the newest check run of the name that the App posted on the SHA; nil: none.
func (r *Repo) CheckRun(a *App, sha, name string) *CheckRun {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if c := r.r.latestRun(sha, name, a.a.id); c != nil {
		return &CheckRun{r.s, r.r, c}
	}
	return nil
}

// Protection describes classic branch protection. The zero value protects nothing but
// force pushes and deletion.
type Protection struct {
	RequireReviews   bool // implied by Approvals
	Approvals        int
	DismissStale     bool
	CodeOwners       bool
	LastPushApproval bool
	Checks           []Required
	Strict           bool // up to date before merging
	EnforceAdmins    bool
	AllowForcePushes bool
	AllowDeletions   bool
	LinearHistory    bool
	Lock             bool
	RestrictPushes   bool
	// Who may pass by: accounts, Apps.
	MayPush, MayBypassReview, MayForcePush []Actor
	TeamsMayBypassReview                   []*Team
}

// Required is a required check; App nil: from any source.
type Required struct {
	Name string
	App  *App
}

func (q Required) appID() int64 {
	if q.App == nil {
		return 0
	}
	return q.App.a.id
}

// Protect sets classic protection for a branch or a pattern, replacing what was there.
func (r *Repo) Protect(pattern string, by Actor, spec Protection) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	now := r.s.now()
	p := &protection{id: r.s.nextID(), pattern: pattern, requireReviews: spec.RequireReviews || spec.Approvals > 0, approvals: spec.Approvals,
		dismissStale: spec.DismissStale, codeOwners: spec.CodeOwners, lastPushApproval: spec.LastPushApproval, requireChecks: len(spec.Checks) > 0, strict: spec.Strict,
		enforceAdmins: spec.EnforceAdmins, allowForcePushes: spec.AllowForcePushes, allowDeletions: spec.AllowDeletions, lockBranch: spec.Lock,
		linearHistory: spec.LinearHistory, restrictPushes: spec.RestrictPushes, createdAt: now, updatedAt: now,
		bypassPullRequest: actorsOf(spec.MayBypassReview), bypassForcePush: actorsOf(spec.MayForcePush), pushAllowances: actorsOf(spec.MayPush)}
	for _, t := range spec.TeamsMayBypassReview {
		p.bypassPullRequest = append(p.bypassPullRequest, actor{team: t.t})
	}
	for _, c := range spec.Checks {
		p.checks = append(p.checks, requiredCheck{c.Name, c.appID()})
	}
	action := "created"
	for i, old := range r.r.protections {
		if old.pattern == pattern {
			p.id, p.createdAt, action = old.id, old.createdAt, "edited"
			r.r.protections = slices.Delete(r.r.protections, i, i+1)
			break
		}
	}
	r.r.protections = append(r.r.protections, p)
	r.s.emitProtection(r.r, p, action, by.actsAs())
	r.s.settle(r.r)
}

func actorsOf(list []Actor) []actor {
	var out []actor
	for _, x := range list {
		if a := x.actsAs(); a.app != nil {
			out = append(out, actor{app: a.app})
		} else {
			out = append(out, actor{user: a})
		}
	}
	return out
}

// Unprotect takes classic protection away.
func (r *Repo) Unprotect(pattern string, by Actor) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for i, p := range r.r.protections {
		if p.pattern == pattern {
			r.r.protections = slices.Delete(r.r.protections, i, i+1)
			r.s.emitProtection(r.r, p, "deleted", by.actsAs())
			break
		}
	}
	r.s.settle(r.r)
}

// RulesetSpec describes a ruleset for branches.
type RulesetSpec struct {
	Name        string
	Enforcement string   // "" is "active"; also "evaluate", "disabled"
	Include     []string // nil: the default branch. "refs/heads/release/*", "~ALL", "~DEFAULT_BRANCH"
	Exclude     []string
	Repos       []string // of an organisation ruleset: names of repositories; nil: all
	Bypass      []Bypass
	Rules       []Rule
}

// Bypass is an entry of a bypass list.
type Bypass struct {
	ID   int64  // 0: none, for "OrganizationAdmin" and "DeployKey"
	Type string // "RepositoryRole", "Team", "Integration", "OrganizationAdmin", "DeployKey", "User"
	Mode string // "always", "pull_request", "exempt"
}

// Rule is a rule of a ruleset. Parameters are JSON values.
type Rule struct {
	Type       string
	Parameters map[string]any
}

// RulePullRequest demands pull requests with approvals.
func RulePullRequest(approvals int) Rule {
	return Rule{"pull_request", obj{"required_approving_review_count": approvals, "dismiss_stale_reviews_on_push": false, "require_code_owner_review": false,
		"require_last_push_approval": false, "required_review_thread_resolution": false, "allowed_merge_methods": []string{"merge", "squash", "rebase"}}}
}

// RuleChecks demands checks; strict: on an up-to-date head.
func RuleChecks(strict bool, checks ...Required) Rule {
	list := []map[string]any{}
	for _, c := range checks {
		o := obj{"context": c.Name}
		if c.App != nil {
			o["integration_id"] = c.App.a.id
		}
		list = append(list, o)
	}
	return Rule{"required_status_checks", obj{"strict_required_status_checks_policy": strict, "do_not_enforce_on_create": false, "required_status_checks": list}}
}

// RuleNoForcePush, RuleNoDeletion and RuleMergeQueue are rules without choices.
func RuleNoForcePush() Rule { return Rule{Type: "non_fast_forward"} }

// RuleNoDeletion forbids deleting the branch.
func RuleNoDeletion() Rule { return Rule{Type: "deletion"} }

// RuleMergeQueue sends every merge through the merge queue, where each group must succeed.
func RuleMergeQueue() Rule { return RuleMergeQueueOf("ALLGREEN", "MERGE") }

// RuleMergeQueueOf is RuleMergeQueue with a strategy and a merge method: with "HEADGREEN" the
// checks of a group speak for those before it.
func RuleMergeQueueOf(strategy, method string) Rule {
	return Rule{"merge_queue", obj{"check_response_timeout_minutes": 60, "grouping_strategy": strategy, "max_entries_to_build": 5,
		"max_entries_to_merge": 5, "merge_method": method, "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5}}
}

// Ruleset is a ruleset.
type Ruleset struct {
	s  *Sim
	rs *ruleset
}

// Ruleset makes a ruleset of the repository.
func (r *Repo) Ruleset(by Actor, spec RulesetSpec) *Ruleset {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	rs := r.s.newRuleset(spec)
	rs.repo = r.r
	r.r.rulesets = append(r.r.rulesets, rs)
	r.s.emitRuleset(rs, "created", by.actsAs())
	r.s.settle(r.r)
	return &Ruleset{r.s, rs}
}

// Ruleset makes a ruleset of the organisation.
func (o *Org) Ruleset(by Actor, spec RulesetSpec) *Ruleset {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	rs := o.s.newRuleset(spec)
	rs.org, rs.repoInclude = o.o, spec.Repos
	if spec.Repos == nil {
		rs.repoInclude = []string{"~ALL"}
	}
	o.o.rulesets = append(o.o.rulesets, rs)
	o.s.emitRuleset(rs, "created", by.actsAs())
	return &Ruleset{o.s, rs}
}

func (s *Sim) newRuleset(spec RulesetSpec) *ruleset {
	rs := &ruleset{id: s.nextID(), name: spec.Name, target: "branch", enforcement: spec.Enforcement, include: spec.Include, exclude: spec.Exclude, createdAt: s.now()}
	rs.updatedAt = rs.createdAt
	if rs.enforcement == "" {
		rs.enforcement = "active"
	}
	if rs.include == nil {
		rs.include = []string{"~DEFAULT_BRANCH"}
	}
	rs.bypass = bypassOf(spec.Bypass)
	for _, r := range spec.Rules {
		rs.rules = append(rs.rules, rule{r.Type, r.Parameters})
	}
	return rs
}

func bypassOf(list []Bypass) []bypassActor {
	var out []bypassActor
	for _, b := range list {
		out = append(out, bypassActor{b.ID, b.Type, b.Mode})
	}
	return out
}

// ID is the ruleset's id.
func (r *Ruleset) ID() int64 { return r.rs.id }

// Enforce sets the enforcement: "active", "evaluate", "disabled".
func (r *Ruleset) Enforce(by Actor, enforcement string) {
	r.edit(by, func(rs *ruleset) { rs.enforcement = enforcement })
}

// Bypass replaces the bypass list.
func (r *Ruleset) Bypass(by Actor, actors ...Bypass) {
	r.edit(by, func(rs *ruleset) { rs.bypass = bypassOf(actors) })
}

func (r *Ruleset) edit(by Actor, f func(*ruleset)) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	f(r.rs)
	r.rs.updatedAt = r.s.now()
	r.s.emitRuleset(r.rs, "edited", by.actsAs())
}

// Rulesets are those of the repository itself.
func (r *Repo) Rulesets() []*Ruleset {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	var out []*Ruleset
	for _, rs := range r.r.rulesets {
		out = append(out, &Ruleset{r.s, rs})
	}
	return out
}

// State is the ruleset as it is now. Of an organisation's, Repos are left out.
func (r *Ruleset) State() RulesetSpec {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	out := RulesetSpec{Name: r.rs.name, Enforcement: r.rs.enforcement, Include: slices.Clone(r.rs.include), Exclude: slices.Clone(r.rs.exclude)}
	for _, b := range r.rs.bypass {
		out.Bypass = append(out.Bypass, Bypass{b.id, b.kind, b.mode})
	}
	for _, x := range r.rs.rules {
		out.Rules = append(out.Rules, Rule{x.kind, x.parameters})
	}
	return out
}
