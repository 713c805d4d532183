package ghsim

import (
	"path"
	"slices"
	"strings"
)

// fnmatch matches a name against a pattern as Ruby's File.fnmatch with FNM_PATHNAME
// does, which is what GitHub uses: "*" stays within a segment, "**" spans segments.
func fnmatch(pattern, name string) bool {
	return matchParts(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

func matchParts(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == "**" {
		for n := range len(name) + 1 {
			if matchParts(pattern[1:], name[n:]) {
				return true
			}
		}
		return false
	}
	if len(name) == 0 {
		return false
	}
	ok, err := path.Match(pattern[0], name[0])
	return err == nil && ok && matchParts(pattern[1:], name[1:])
}

// appliesTo says whether the ruleset's conditions hold for the branch, whatever its enforcement.
func (rs *ruleset) appliesTo(r *repo, branch string) bool {
	if rs.target != "branch" {
		return false
	}
	if rs.repo != nil && rs.repo != r {
		return false
	}
	if rs.org != nil && (rs.org.account != r.owner || !included(rs.repoInclude, rs.repoExclude, func(p string) bool { return fnmatch(p, r.name) })) {
		return false
	}
	ref := "refs/heads/" + branch
	return included(rs.include, rs.exclude, func(p string) bool {
		return (p == "~DEFAULT_BRANCH" && branch == r.defaultBranch) || fnmatch(p, ref)
	})
}

// included says whether some include pattern matches and no exclude pattern does.
func included(include, exclude []string, match func(string) bool) bool {
	all := func(p string) bool { return p == "~ALL" || match(p) }
	return slices.ContainsFunc(include, all) && !slices.ContainsFunc(exclude, all)
}

// rulesetsFor lists the rulesets of the repository and of its organisation, whatever
// their enforcement, repository first.
func (s *Sim) rulesetsFor(r *repo) []*ruleset {
	list := slices.Clone(r.rulesets)
	if o := s.orgs[r.owner.id]; o != nil {
		for _, rs := range o.rulesets {
			if included(rs.repoInclude, rs.repoExclude, func(p string) bool { return fnmatch(p, r.name) }) {
				list = append(list, rs)
			}
		}
	}
	return list
}

// effectiveRule is a rule with the ruleset that it comes from.
type effectiveRule struct {
	rule
	set *ruleset
}

// branchRules lists the rules of active rulesets that apply to the branch, all levels.
func (s *Sim) branchRules(r *repo, branch string) []effectiveRule {
	var list []effectiveRule
	for _, rs := range s.rulesetsFor(r) {
		if rs.enforcement != "active" || !rs.appliesTo(r, branch) {
			continue
		}
		for _, rule := range rs.rules {
			list = append(list, effectiveRule{rule, rs})
		}
	}
	return list
}

// protectionFor is the classic rule that protects the branch: an exact name beats
// patterns, among patterns the oldest wins. Nil: none.
func (s *Sim) protectionFor(r *repo, branch string) *protection {
	var found *protection
	for _, p := range r.protections {
		if p.pattern == branch {
			return p
		}
		if found == nil && fnmatch(p.pattern, branch) {
			found = p
		}
	}
	return found
}

// bypasses says how the account may pass the ruleset by: "always", "pull_request",
// "exempt", or "" when it may not.
func (s *Sim) bypasses(rs *ruleset, r *repo, a *account) string {
	best := ""
	for _, b := range rs.bypass {
		if !s.isBypassActor(b, r, a) {
			continue
		}
		if best == "" || b.mode != "pull_request" {
			best = b.mode
		}
	}
	return best
}

// baseRoles are the ids of GitHub's built-in repository roles in bypass lists.
var baseRoles = map[int64]string{2: "maintain", 4: "write", 5: "admin"}

func (s *Sim) isBypassActor(b bypassActor, r *repo, a *account) bool {
	o := s.orgs[r.owner.id]
	switch b.kind {
	case "RepositoryRole":
		role := baseRoles[b.id]
		return role != "" && rank[s.role(r, a)] >= rank[role]
	case "OrganizationAdmin":
		return o != nil && o.members[a.id] == "admin"
	case "Team":
		return o != nil && slices.ContainsFunc(o.teams, func(t *team) bool { return t.id == b.id && t.has(a) })
	case "Integration":
		return a.app != nil && a.app.id == b.id
	case "User":
		return a.id == b.id
	}
	return false
}

// allows says whether the account is one of the actors.
func allows(actors []actor, a *account) bool {
	return slices.ContainsFunc(actors, func(x actor) bool {
		return x.user == a || (x.team != nil && x.team.has(a)) || (x.app != nil && x.app.bot == a)
	})
}

// requirements are what a branch demands of a change, after what the actor may pass by.
type requirements struct {
	pullRequest      bool // direct pushes are refused
	reviews          bool
	approvals        int
	dismissStale     bool
	lastPushApproval bool
	checks           []requiredCheck
	strict           bool
	noForcePush      bool
	noDeletion       bool
	locked           bool
	pushRefused      bool // pushes are restricted to others
	linear           bool
	queue            bool
	queueMethod      string   // of a merge queue: "MERGE", "SQUASH" or "REBASE"
	headGreen        bool     // of a merge queue: a group's checks speak for those before it
	methods          []string // allowed merge methods; nil: all that the repository allows
}

// requirementsFor adds up classic protection and active rulesets for the actor; nil asks
// for what holds for somebody without any privilege. viaPull: for merging a pull request.
func (s *Sim) requirementsFor(r *repo, branch string, by *account, viaPull bool) requirements {
	var q requirements
	if p := s.protectionFor(r, branch); p != nil {
		s.addProtection(&q, p, r, by)
	}
	for _, e := range s.branchRules(r, branch) {
		mode := ""
		if by != nil {
			mode = s.bypasses(e.set, r, by)
		}
		if mode == "always" || mode == "exempt" || (mode == "pull_request" && viaPull) {
			continue
		}
		q.addRule(e.rule)
	}
	return q
}

func (s *Sim) addProtection(q *requirements, p *protection, r *repo, by *account) {
	if by != nil && !p.enforceAdmins && s.role(r, by) == "admin" {
		return // classic protection does not bind administrators unless it says so
	}
	if p.requireReviews && (by == nil || !allows(p.bypassPullRequest, by)) {
		q.pullRequest, q.reviews = true, true
		q.approvals = max(q.approvals, p.approvals)
		q.dismissStale = q.dismissStale || p.dismissStale
		q.lastPushApproval = q.lastPushApproval || p.lastPushApproval
	}
	if p.requireChecks {
		q.checks = append(q.checks, p.checks...)
		q.strict = q.strict || p.strict
	}
	q.noForcePush = q.noForcePush || !(p.allowForcePushes || (by != nil && allows(p.bypassForcePush, by)))
	q.noDeletion = q.noDeletion || !p.allowDeletions
	q.locked = q.locked || p.lockBranch
	q.linear = q.linear || p.linearHistory
	q.pushRefused = q.pushRefused || (p.restrictPushes && (by == nil || !allows(p.pushAllowances, by)))
}

func (q *requirements) addRule(r rule) {
	p := params(r.parameters)
	switch r.kind {
	case "pull_request":
		q.pullRequest, q.reviews = true, true
		q.approvals = max(q.approvals, p.int("required_approving_review_count"))
		q.dismissStale = q.dismissStale || p.bool("dismiss_stale_reviews_on_push")
		q.lastPushApproval = q.lastPushApproval || p.bool("require_last_push_approval")
		if m := p.strings("allowed_merge_methods"); m != nil {
			q.methods = m
		}
	case "required_status_checks":
		q.strict = q.strict || p.bool("strict_required_status_checks_policy")
		for _, c := range p.list("required_status_checks") {
			q.checks = append(q.checks, requiredCheck{c.string("context"), int64(c.int("integration_id"))})
		}
	case "non_fast_forward":
		q.noForcePush = true
	case "deletion":
		q.noDeletion = true
	case "update":
		q.pushRefused = true
	case "required_linear_history":
		q.linear = true
	case "merge_queue":
		q.queue, q.headGreen, q.queueMethod = true, p.string("grouping_strategy") == "HEADGREEN", p.string("merge_method")
	}
}

// params reads the parameters of a rule, which are JSON values.
type params map[string]any

func (p params) bool(name string) bool { b, _ := p[name].(bool); return b }

func (p params) string(name string) string { s, _ := p[name].(string); return s }

func (p params) int(name string) int {
	switch n := p[name].(type) {
	case int:
		return n
	case int64:
		return int(n)
	case float64:
		return int(n)
	}
	return 0
}

func (p params) strings(name string) []string {
	switch l := p[name].(type) {
	case []string:
		return l
	case []any:
		var out []string
		for _, x := range l {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func (p params) list(name string) []params {
	var out []params
	switch l := p[name].(type) {
	case []map[string]any:
		for _, m := range l {
			out = append(out, m)
		}
	case []any:
		for _, x := range l {
			if m, ok := x.(map[string]any); ok {
				out = append(out, m)
			}
		}
	}
	return out
}
