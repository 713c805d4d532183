package policy

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The limits of a policy file. A file beyond them is refused before it is read.
const (
	// MaxPolicyBytes is the size of the largest policy file.
	MaxPolicyBytes = 64 << 10
	// maxPolicyDepth is how deep lists and mappings may nest; the deepest of the
	// format is 4.
	maxPolicyDepth = 8
	// maxProblems is how many problems are reported at once.
	maxProblems = 50
	// maxApprovals is the largest number of approvals that can be asked for.
	maxApprovals = 10
	// maxBranches is how many branch globs all lanes may have together.
	maxBranches = 50
)

// The values of a policy's words.
const (
	decidedByGitHub      = "github"
	decidedByCountersign = "countersign"

	coauthorsExclude          = "exclude"
	coauthorsAllow            = "allow"
	coauthorsAllowSuggestions = "allow_suggestions"

	bypassFail     = "fail"
	bypassAttested = "attested"
	bypassDetect   = "detect"

	bypassModePullRequest = "pull_request"
	bypassModeAlways      = "always"
	bypassModeExempt      = "exempt"
)

// defaultProtect are the validators' own files when the policy names none.
func defaultProtect() []string { return []string{".github/workflows/**", ".github/actions/**"} }

// defaultEvents are the events whose workflow runs count when the policy names none.
func defaultEvents() []string {
	return []string{"pull_request", "pull_request_target", "push", "merge_group"}
}

// ParseError is every problem of a policy file, in the order of the file.
type ParseError struct {
	Problems []Problem
}

// Problem is one problem of a policy file.
//
// Field names and order are part of the evidence format; add, never change.
type Problem struct {
	// Line and Column count from 1; 0 when the place is not known.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is where in the policy, e.g. "review.agent.approvals"; empty for the whole file.
	Path string `json:"path"`
	// Message says what is wrong, Hint what to do. The hint may be empty.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error lists the problems, one a line.
func (e *ParseError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// String is "line 3, column 5: review.agent: message (hint)".
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", p.Line, p.Column)
	}
	b.WriteString(p.Text())
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Text is the path and the message, without place and hint.
func (p Problem) Text() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + " " + p.Message
}

// Parse reads a policy file and fills in the defaults. The error is a *ParseError that
// holds every problem found, never only the first.
//
// The file is YAML, of which little is allowed: one document, no anchors, aliases,
// merge keys or tags, no unknown or repeated keys. A key of a later version is refused
// rather than ignored, because a rule that is written down and not applied would let a
// change pass that the organisation believes is held.
func Parse(src []byte) (*Policy, error) {
	r := &policyReader{places: map[string]Place{}}
	root := r.document(src)
	var p *Policy
	if root != nil && len(r.problems) == 0 {
		p = r.policy(root)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		if len(r.problems) > maxProblems {
			more := len(r.problems) - maxProblems
			r.problems = append(r.problems[:maxProblems:maxProblems], Problem{Message: fmt.Sprintf("and %s more", count(more, "problem"))})
		}
		return nil, &ParseError{Problems: r.problems}
	}
	return p, nil
}

// policy reads the top level.
func (r *policyReader) policy(n *yaml.Node) *Policy {
	m := r.mapping(n, "", "version", "mode", "branches", "lanes", "agents", "review", "validation", "protection", "authorisation", "emergency", "paths", "rules", "repositories", "sla", "exceptions")
	if m == nil {
		return nil
	}
	p := &Policy{}
	r.version(n, m["version"])
	if p.Version = 1; m["mode"] == nil {
		r.say(n, "mode", "is missing", `write "mode: audit" to report only, or "mode: enforce" to block`)
	}
	p.Mode = r.mode(m["mode"], "mode")
	if m["branches"] == nil {
		r.say(n, "branches", "is missing", "list the base branches to enrol, for example: branches: [main]")
	}
	p.Branches = r.globs(m["branches"], "branches", true)
	p.Lanes = r.lanes(m["lanes"])
	r.disjoint(p, m["branches"], m["lanes"])
	p.Agents = r.agents(m["agents"])
	p.Review = r.review(m["review"])
	p.Validation = r.validation(m["validation"])
	p.Protection = r.protection(m["protection"])
	p.Authorisation = r.authorisation(m["authorisation"])
	p.Paths = r.paths(m["paths"])
	p.Rules = r.rules(m["rules"])
	p.Emergency = r.emergency(m["emergency"])
	p.SLA = r.sla(m["sla"])
	p.Exceptions = r.exceptions(m["exceptions"])
	p.Repositories = r.globs(m["repositories"], "repositories", true)
	p.places = r.places
	return p
}

func (r *policyReader) version(parent, n *yaml.Node) {
	const hint = "this program reads version 1: write \"version: 1\""
	switch {
	case n == nil:
		r.say(parent, "version", "is missing", hint)
	case n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Value != "1":
		r.say(n, "version", "must be 1", hint)
	}
}

func (r *policyReader) mode(n *yaml.Node, path string) Mode {
	return Mode(r.oneOf(n, path, string(ModeAudit), string(ModeEnforce)))
}

func (r *policyReader) lanes(n *yaml.Node) []Lane {
	var out []Lane
	names := map[string]bool{}
	for i, item := range r.sequence(n, "lanes") {
		path := fmt.Sprintf("lanes[%d]", i)
		m := r.mapping(item, path, "name", "branches", "mode")
		if m == nil {
			continue
		}
		r.required(item, m, path, "name", "branches", "mode")
		lane := Lane{
			Name:     r.text(m["name"], path+".name"),
			Branches: r.globs(m["branches"], path+".branches", true),
			Mode:     r.mode(m["mode"], path+".mode"),
		}
		switch {
		case lane.Name == "":
		case !isLaneName(lane.Name):
			r.say(m["name"], path+".name", "is not a lane name", "use 1 to 30 of a-z, 0-9 and \"-\"")
		case lane.Name == "audit":
			r.say(m["name"], path+".name", `must not be "audit"`, "\"countersign (audit)\" is the check run of the main lane in audit mode")
		case names[lane.Name]:
			r.say(m["name"], path+".name", fmt.Sprintf("%q is the name of another lane too", lane.Name), "two policies under one check run name cannot be told apart")
		}
		names[lane.Name] = true
		out = append(out, lane)
	}
	return out
}

// isLaneName reports whether a name is 1 to 30 of a-z, 0-9 and "-".
func isLaneName(s string) bool {
	return len(s) >= 1 && len(s) <= 30 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// disjoint refuses a branch that two lanes could both enrol: which policy held would
// then depend on the order of the file.
func (r *policyReader) disjoint(p *Policy, main, lanes *yaml.Node) {
	type entry struct {
		lane, pattern string
		glob          pathGlob
		node          *yaml.Node
	}
	var entries []entry
	add := func(lane string, list *yaml.Node, patterns []string) {
		for i, pattern := range patterns {
			if g, err := compileGlob(pattern); err == nil && list != nil && i < len(list.Content) {
				entries = append(entries, entry{lane, pattern, g, list.Content[i]})
			}
		}
	}
	add("the main lane", main, p.Branches)
	for i, lane := range p.Lanes {
		if lanes != nil && i < len(lanes.Content) {
			add(fmt.Sprintf("lane %q", lane.Name), child(lanes.Content[i], "branches"), lane.Branches)
		}
	}
	if len(entries) > maxBranches {
		r.say(main, "branches", fmt.Sprintf("and the lanes have %d globs together, at most %d are allowed", len(entries), maxBranches), "use wildcards")
		return
	}
	for i, b := range entries {
		for _, a := range entries[:i] {
			if a.lane != b.lane && a.glob.overlaps(b.glob) {
				r.say(b.node, "", fmt.Sprintf("branch %q of %s is also covered by %q of %s", b.pattern, b.lane, a.pattern, a.lane),
					"a branch is in one lane: make the globs exclude each other")
			}
		}
	}
}

func (r *policyReader) agents(n *yaml.Node) []Agent {
	var out []Agent
	names := map[string]bool{}
	for i, item := range r.sequence(n, "agents") {
		path := fmt.Sprintf("agents[%d]", i)
		m := r.mapping(item, path, agentKeys()...)
		if m == nil {
			continue
		}
		r.required(item, m, path, "name", "kind")
		a := Agent{
			Name:     r.text(m["name"], path+".name"),
			Kind:     r.oneOf(m["kind"], path+".kind", "ai-agent", "automation"),
			Vendor:   r.text(m["vendor"], path+".vendor"),
			Provider: r.text(m["provider"], path+".provider"),
			Local:    r.flag(m["local"], path+".local"),
			Suggests: r.flag(m["suggests"], path+".suggests"),
			IDs:      r.ids(m["ids"], path+".ids"),
			Logins:   r.texts(m["logins"], path+".logins"),
			Apps:     r.texts(m["apps"], path+".apps"),
			Emails:   r.texts(m["emails"], path+".emails"),
			Names:    r.texts(m["names"], path+".names"),
			Trailers: r.texts(m["trailers"], path+".trailers"),
			Branches: r.texts(m["branches"], path+".branches"),
			Titles:   r.texts(m["titles"], path+".titles"),
			Labels:   r.texts(m["labels"], path+".labels"),
			Body:     r.texts(m["body"], path+".body"),
			Sessions: r.texts(m["sessions"], path+".sessions"),
			Mentions: r.texts(m["mentions"], path+".mentions"),
		}
		if names[a.Name] && a.Name != "" {
			r.say(m["name"], path+".name", fmt.Sprintf("%q is the name of another agent too", a.Name), "names are unique")
		}
		names[a.Name] = true
		out = append(out, a)
	}
	if n == nil || len(r.problems) > 0 {
		return out
	}
	for _, p := range Builtin().CheckAgents(out) {
		at, path := n.Content[p.Index], fmt.Sprintf("agents[%d]", p.Index)
		if p.Field != "" {
			path += "." + p.Field
			if c := child(at, p.Field); c != nil {
				at = c
			}
		}
		r.say(at, path, p.Message, p.Hint)
	}
	return out
}

// agentKeys are the keys of an agent.
func agentKeys() []string {
	return []string{
		"name", "kind", "vendor", "provider", "local", "suggests", "ids", "logins", "apps", "emails", "names",
		"trailers", "branches", "titles", "labels", "body", "sessions", "mentions",
	}
}

func (r *policyReader) review(n *yaml.Node) ReviewPolicy {
	m := r.mapping(n, "review", "agent", "assisted", "automation", "human", "from", "unknown_initiator", "coauthors", "decided_by", "confirm")
	out := ReviewPolicy{
		From:             r.reviewers(m["from"]),
		UnknownInitiator: r.number(m["unknown_initiator"], "review.unknown_initiator", 0, maxApprovals),
		CoAuthors:        r.oneOf(m["coauthors"], "review.coauthors", coauthorsExclude, coauthorsAllow, coauthorsAllowSuggestions),
		DecidedBy:        r.oneOf(m["decided_by"], "review.decided_by", decidedByGitHub, decidedByCountersign),
		Confirm:          r.whereToConfirm(m["confirm"]),
	}
	if out.CoAuthors == "" {
		out.CoAuthors = coauthorsExclude
	}
	human := r.approvals(m["human"], "review.human", 0, 1)
	automation := r.approvals(m["automation"], "review.automation", 0, 1)
	// An agent's traces must never lower what a change needs, or an author would put
	// them there on purpose. Hence the order, also among the defaults.
	least := max(1, *human.Approvals, *automation.Approvals)
	agent := r.approvals(m["agent"], "review.agent", 1, least)
	assisted := r.approvals(m["assisted"], "review.assisted", 1, max(*agent.Approvals, least))
	const why = "the traces of an agent must never lower the number of approvals"
	if *agent.Approvals < least {
		r.say(m["agent"], "review.agent.approvals", fmt.Sprintf("must be at least %d, as for other changes", least), why)
	}
	if *assisted.Approvals < *human.Approvals {
		r.say(m["assisted"], "review.assisted.approvals", fmt.Sprintf("must be at least %d, as review.human", *human.Approvals), why)
	}
	if m["assisted"] != nil && *assisted.Approvals > *agent.Approvals {
		r.say(m["assisted"], "review.assisted.approvals", fmt.Sprintf("must be at most %d, as review.agent", *agent.Approvals), why)
	}
	out.Agent, out.Assisted, out.Automation, out.Human = agent, &assisted, automation, human
	if out.UnknownInitiator == nil {
		out.UnknownInitiator = new(int)
		*out.UnknownInitiator = 1
	}
	if out.DecidedBy == "" {
		out.DecidedBy = decidedByGitHub
	}
	return out
}

// approvals reads {approvals: n}; the number is never nil.
func (r *policyReader) approvals(n *yaml.Node, path string, least, otherwise int) Approvals {
	m := r.mapping(n, path, "approvals")
	if got := r.number(m["approvals"], path+".approvals", least, maxApprovals); got != nil {
		return Approvals{Approvals: got}
	}
	return Approvals{Approvals: &otherwise}
}

func (r *policyReader) reviewers(n *yaml.Node) Reviewers {
	m := r.mapping(n, "review.from", "permission", "teams")
	out := Reviewers{
		Permission: r.oneOf(m["permission"], "review.from.permission", "write", "maintain", "admin"),
		Teams:      r.teams(m["teams"], "review.from.teams"),
	}
	if out.Permission == "" {
		out.Permission = "write"
	}
	return out
}

func (r *policyReader) validation(n *yaml.Node) ValidationRules {
	m := r.mapping(n, "validation", "required", "protect", "owners")
	out := ValidationRules{
		Protect: r.globs(m["protect"], "validation.protect", true),
		Owners:  r.teams(m["owners"], "validation.owners"),
	}
	if m["protect"] == nil {
		out.Protect = defaultProtect()
	}
	list := m["required"]
	items := r.sequence(list, "validation.required")
	if list != nil && list.Kind == yaml.SequenceNode && len(items) == 0 {
		r.say(list, "validation.required", "is empty: nothing would ever validate a change", "name a validation, or leave the key out for those that the branch requires")
	}
	ids := map[string]bool{}
	for i, item := range items {
		v, ok := r.requiredValidation(item, fmt.Sprintf("validation.required[%d]", i))
		if !ok {
			continue
		}
		if ids[v.ID] && v.ID != "" {
			r.say(child(item, "id"), fmt.Sprintf("validation.required[%d].id", i), fmt.Sprintf("%q is the id of another validation too", v.ID), "ids are unique")
		}
		ids[v.ID] = true
		out.Required = append(out.Required, v)
	}
	return out
}

func (r *policyReader) requiredValidation(n *yaml.Node, path string) (RequiredValidation, bool) {
	m := r.mapping(n, path, "id", "kind", "app", "app_id", "check", "workflow", "job", "event", "repository", "status", "creator")
	if m == nil {
		return RequiredValidation{}, false
	}
	r.required(n, m, path, "id")
	v := RequiredValidation{
		ID:         r.text(m["id"], path+".id"),
		Kind:       r.oneOf(m["kind"], path+".kind", "test", "security", "build", "lint", "other"),
		App:        r.text(m["app"], path+".app"),
		AppID:      r.id(m["app_id"], path+".app_id"),
		Check:      r.text(m["check"], path+".check"),
		Workflow:   r.text(m["workflow"], path+".workflow"),
		Job:        r.text(m["job"], path+".job"),
		Event:      r.oneOf(m["event"], path+".event", append(defaultEvents(), "workflow_dispatch", "workflow_run", "schedule", "dynamic")...),
		Repository: r.text(m["repository"], path+".repository"),
		Status:     r.text(m["status"], path+".status"),
		Creator:    r.text(m["creator"], path+".creator"),
	}
	if v.ID != "" && !isValidationID(v.ID) {
		r.say(m["id"], path+".id", "is not an id", "use 1 to 60 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"")
	}
	r.source(n, m, path, v)
	return v, true
}

// isValidationID reports whether an id is short and plain: it is shown in titles.
func isValidationID(s string) bool {
	return len(s) >= 1 && len(s) <= 60 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// source refuses a validation that does not say who runs it, or says it twice.
func (r *policyReader) source(n *yaml.Node, m map[string]*yaml.Node, path string, v RequiredValidation) {
	only := func(form string, keys ...string) {
		for _, key := range []string{"app", "app_id", "check", "workflow", "job", "event", "repository", "status", "creator"} {
			if m[key] != nil && !slices.Contains(keys, key) {
				r.say(m[key], path+"."+key, "does not belong to "+form, "remove it")
			}
		}
	}
	for _, c := range []struct{ key, name string }{{"check", v.Check}, {"job", v.Job}, {"status", v.Status}} {
		if IsOwnCheck(c.name) {
			r.say(m[c.key], path+"."+c.key, "is a name of Countersign's own check", "name what tests the change")
		}
	}
	switch {
	case m["status"] != nil:
		only("a commit status", "status", "creator")
		if m["creator"] == nil {
			r.say(n, path+".creator", "is missing", "any account with write access can set a commit status: name the login that must have set it, with \"[bot]\" for an App's")
		}
	case v.App == actionsSlug || v.AppID == actionsAppID:
		only("a GitHub Actions job", "app", "app_id", "workflow", "job", "event", "repository")
		if v.App != "" && v.App != actionsSlug {
			r.say(m["app"], path+".app", "is not the App of this app_id", "15368 is GitHub Actions")
		}
		if m["workflow"] == nil {
			r.say(n, path+".workflow", "is missing", "a job is identified by its workflow file, for example: workflow: .github/workflows/ci.yml")
		} else if v.Workflow != "" && !isWorkflowPath(v.Workflow) {
			r.say(m["workflow"], path+".workflow", "is not the path of a workflow file", "for example .github/workflows/ci.yml")
		}
		if m["job"] == nil {
			r.say(n, path+".job", "is missing", "name the job as the checks list shows it, for example: job: test")
		}
		if v.Repository != "" && !isOwnerName(v.Repository) {
			r.say(m["repository"], path+".repository", "is not owner/name", "")
		}
	case m["app"] != nil || m["app_id"] != nil:
		only("a check run of an App other than github-actions", "app", "app_id", "check")
		if m["check"] == nil {
			r.say(n, path+".check", "is missing", "name the check run that the App posts, for example: check: CodeQL")
		}
	default:
		r.say(n, path, "does not say who runs the validation", "give app with workflow and job (GitHub Actions), app with check (another App), or status with creator")
	}
}

// isWorkflowPath reports whether a path is a workflow file, or one of the workflows
// that GitHub makes itself ("dynamic/…").
func isWorkflowPath(s string) bool {
	if strings.HasPrefix(s, "dynamic/") {
		return true
	}
	name, ok := strings.CutPrefix(s, ".github/workflows/")
	return ok && !strings.Contains(name, "/") && (strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml"))
}

// isOwnerName reports whether s has the shape owner/name (or org/slug).
func isOwnerName(s string) bool {
	owner, name, ok := strings.Cut(s, "/")
	return ok && owner != "" && name != "" && !strings.ContainsAny(s, " \t@") && !strings.Contains(name, "/")
}

func (r *policyReader) protection(n *yaml.Node) ProtectionRules {
	m := r.mapping(n, "protection", "unreadable_bypass", "allow_bypass")
	out := ProtectionRules{
		UnreadableBypass: r.oneOf(m["unreadable_bypass"], "protection.unreadable_bypass", bypassFail, bypassAttested, bypassDetect),
	}
	if out.UnreadableBypass == "" {
		out.UnreadableBypass = bypassAttested
	}
	for i, item := range r.sequence(m["allow_bypass"], "protection.allow_bypass") {
		path := fmt.Sprintf("protection.allow_bypass[%d]", i)
		m := r.mapping(item, path, "type", "id", "mode")
		if m == nil {
			continue
		}
		r.required(item, m, path, "type")
		a := AllowedBypass{
			Type: r.oneOf(m["type"], path+".type", "User", "Team", "Integration", "RepositoryRole", "OrganizationAdmin", "DeployKey", "EnterpriseOwner"),
			ID:   r.id(m["id"], path+".id"),
			Mode: r.oneOf(m["mode"], path+".mode", bypassModePullRequest, bypassModeAlways, bypassModeExempt),
		}
		if m["id"] == nil && bypassNeedsID(a.Type) {
			r.say(item, path+".id", "is missing", "bypass actors are told apart by their numeric id")
		}
		out.AllowBypass = append(out.AllowBypass, a)
	}
	return out
}

// bypassNeedsID reports whether there are several bypass actors of a type. GitHub gives
// the others the id 1, or none.
func bypassNeedsID(actorType string) bool {
	switch actorType {
	case "OrganizationAdmin", "DeployKey", "EnterpriseOwner":
		return false
	}
	return true
}
