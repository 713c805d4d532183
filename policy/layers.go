package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// The layers of a policy, outermost first.
const (
	LayerOrganisation = "organisation"
	LayerRepository   = "repository"
)

// OrganisationRepository is the repository that holds an organisation's policy, under Path on
// its default branch.
const OrganisationRepository = ".github"

// Place is where something stands in a policy file; both count from 1.
type Place struct{ Line, Column int }

// Note is a value of a lower layer that does not hold, because the layer above asks for more.
type Note struct {
	// Layer is the layer whose value does not hold.
	Layer string
	Problem
}

// set reports whether the policy's file gives a key. A policy that comes from no one file
// gives every key.
func (p *Policy) set(path string) bool {
	if p.places == nil {
		return true
	}
	_, ok := p.places[path]
	return ok
}

// Merge makes one policy of the organisation's and the repository's; either may be nil, not
// both. Repository is owner/name of the repository that it is for.
//
// The organisation's policy is the floor: the repository's can only tighten it. Per key, of
// the values that the files give (a key that neither gives has its default):
//
//   - numbers of approvals and unknown_initiator: the larger,
//   - permission, coauthors, decided_by, unreadable_bypass, authorisation.required: the stricter,
//   - teams and owners: those that both name; the organisation's when there are none,
//   - required validations and agents: all; of the same id or name the organisation's holds,
//     and a validation of the repository under the same id is required as well; automation
//     only the organisation lists,
//   - protect, confirm: all,
//   - allow_bypass: the actors that both allow, in the narrower mode,
//   - authorisation.pattern: the organisation's, where it says anything of authorisation.
//   - emergency: the organisation's team, the shorter spans; paths, rules: all.
//   - sla: the shorter span.
//   - exceptions: the organisation's owner, what either asks for, the shorter spans.
//
// The organisation enrols branches only in the repositories that its policy names under
// repositories; there enforce wins over audit, and the organisation's lane over another of
// the same mode. Elsewhere the repository alone says which branches are enrolled and how.
//
// What the repository asks for in vain is in the notes; it is never an error.
func Merge(organisation, repository *Policy, name string) (*Policy, []Note) {
	if organisation == nil {
		m := &merge{low: repository, name: name}
		m.misplaced()
		return repository, m.notes
	}
	m := &merge{up: organisation, low: repository, name: name}
	out := *organisation
	out.places, out.Repositories = nil, nil
	out.merged = append(organisation.layers(), repository.layers()...)
	m.enrol(&out)
	if repository == nil {
		return &out, nil
	}
	m.misplaced()
	m.agents(&out)
	m.review(&out)
	m.validation(&out)
	m.protection(&out)
	m.authorisation(&out)
	m.emergency(&out)
	m.sla(&out)
	m.exceptions(&out)
	m.rules(&out)
	out.Paths = append(slices.Clone(m.up.Paths), m.low.Paths...)
	slices.SortStableFunc(m.notes, func(a, b Note) int { return a.Line - b.Line })
	return &out, m.notes
}

type merge struct {
	up, low *Policy
	name    string // owner/name
	notes   []Note
}

// layers are the policies that a policy was merged of, or it alone; none of no policy.
func (p *Policy) layers() []*Policy {
	switch {
	case p == nil:
		return nil
	case len(p.merged) > 0:
		return slices.Clone(p.merged)
	}
	return []*Policy{p}
}

// note says that a value of the lower layer does not hold.
func (m *merge) note(path, format string, args ...any) {
	at := m.low.places[path]
	m.notes = append(m.notes, Note{LayerRepository, Problem{
		Line: at.Line, Column: at.Column, Path: path, Message: fmt.Sprintf(format, args...),
		Hint: "the organisation's policy is the floor: a repository can only ask for more",
	}})
}

// misplaced notes what only an organisation's file can say.
func (m *merge) misplaced() {
	if _, name, _ := strings.Cut(m.name, "/"); m.low.set("repositories") && name != OrganisationRepository {
		m.note("repositories", "belongs into the organisation's policy (%s of the repository %s) and is ignored here", Path, OrganisationRepository)
	}
}

// enrols reports whether an organisation's policy enrols branches of a repository by itself.
func (p *Policy) enrols(name string) bool {
	_, short, _ := strings.Cut(name, "/")
	globs, ok := compileGlobs(p.Repositories)
	return ok && globs.match(short)
}

func (m *merge) enrol(out *Policy) {
	var lanes []Lane
	if m.up.enrols(m.name) {
		lanes = m.up.lanes()
	}
	if m.low != nil {
		for i, own := range m.low.lanes() {
			m.noteLane(lanes, own, i)
		}
		lanes = append(slices.Clip(lanes), m.low.lanes()...)
	}
	out.enrolled = append([]Lane{}, lanes...)
	main := Lane{}
	if len(lanes) > 0 {
		main = lanes[0]
	}
	out.Mode, out.Branches, out.Lanes = main.Mode, main.Branches, nil
	if len(lanes) > 1 {
		out.Lanes = lanes[1:]
	}
}

// noteLane notes the branches that a lane only reports on and the organisation enforces.
func (m *merge) noteLane(above []Lane, own Lane, i int) {
	if own.Mode != ModeAudit {
		return
	}
	path := "mode"
	if i > 0 {
		path = fmt.Sprintf("lanes[%d].mode", i-1)
	}
	for _, lane := range above {
		if lane.Mode != ModeAudit && overlap(lane.Branches, own.Branches) {
			m.note(path, "audit is ignored on %s: the organisation enforces", listed(lane.Branches, 5))
			return
		}
	}
}

func overlap(a, b []string) bool {
	left, _ := compileGlobs(a)
	right, _ := compileGlobs(b)
	return slices.ContainsFunc(left.list, func(l pathGlob) bool {
		return slices.ContainsFunc(right.list, func(r pathGlob) bool { return l.overlaps(r) })
	})
}

func (m *merge) agents(out *Policy) {
	all := slices.Clone(m.up.Agents)
	for i, a := range m.low.Agents {
		if slices.ContainsFunc(all, func(have Agent) bool { return reflect.DeepEqual(have, a) }) {
			continue
		}
		problems := Builtin().CheckAgents(append(slices.Clone(all), a))
		if len(problems) > 0 {
			m.note(fmt.Sprintf("agents[%d]", i), "is ignored: with the organisation's agents, %s %s", problems[0].Field, problems[0].Message)
			continue
		}
		if a.Kind == KindAutomation {
			// Automation can need fewer approvals than a person or an agent: a repository that
			// lists a person or a bot as one would loosen what is asked of them.
			m.note(fmt.Sprintf("agents[%d]", i), "is ignored: what is automation, the organisation's policy says")
			continue
		}
		all = append(all, a)
	}
	out.Agents = all
}

// atLeast is the larger of two numbers, of those that are given.
func (m *merge) atLeast(path string, up, low *int) *int {
	switch {
	case !m.low.set(path) || low == nil:
		return up
	case !m.up.set(path) || up == nil:
		return low
	case *low < *up:
		m.note(path, "%d is ignored: the organisation asks for at least %d", *low, *up)
		return up
	}
	return low
}

func (m *merge) review(out *Policy) {
	up, low, r := m.up.Review, m.low.Review, &out.Review
	// The defaults of agent and assisted follow the other classes, so the numbers are raised
	// again when those are: see policyReader.review.
	number := func(class string, up, low Approvals) int {
		return numberOr(m.atLeast("review."+class+".approvals", up.Approvals, low.Approvals), 1)
	}
	human := number("human", up.Human, low.Human)
	automation := number("automation", up.Automation, low.Automation)
	agent := max(number("agent", up.Agent, low.Agent), 1, human, automation)
	assisted := agent
	if m.up.set("review.assisted.approvals") || m.low.set("review.assisted.approvals") {
		assisted = max(number("assisted", assistedOf(up), assistedOf(low)), 1, human)
		agent = max(agent, assisted)
	}
	r.Human, r.Automation, r.Agent, r.Assisted = Approvals{&human}, Approvals{&automation}, Approvals{&agent}, &Approvals{&assisted}
	m.raised("review.agent.approvals", low.Agent, agent)
	m.raised("review.assisted.approvals", assistedOf(low), assisted)
	r.UnknownInitiator = m.atLeast("review.unknown_initiator", up.UnknownInitiator, low.UnknownInitiator)
	r.From.Permission = m.stricter("review.from.permission", up.From.Permission, low.From.Permission, "admin", "maintain", "write")
	r.From.Teams = m.common("review.from.teams", up.From.Teams, low.From.Teams)
	r.CoAuthors = m.stricter("review.coauthors", up.CoAuthors, low.CoAuthors, coauthorsExclude, coauthorsAllowSuggestions, coauthorsAllow)
	r.Confirm = unique(append(slices.Clone(up.Confirm), low.Confirm...))
	r.DecidedBy = m.stricter("review.decided_by", up.DecidedBy, low.DecidedBy, decidedByGitHub, decidedByCountersign)
}

func assistedOf(r ReviewPolicy) Approvals {
	if r.Assisted == nil {
		return r.Agent
	}
	return *r.Assisted
}

// raised notes a number that only other classes of the organisation's policy lift.
func (m *merge) raised(path string, low Approvals, to int) {
	noted := slices.ContainsFunc(m.notes, func(n Note) bool { return n.Path == path })
	if m.low.set(path) && low.Approvals != nil && *low.Approvals < to && !noted {
		m.note(path, "%d is ignored: other changes need %d, and an agent's never fewer", *low.Approvals, to)
	}
}

// stricter is the stricter of two words, of those that are given; order has the strictest first.
func (m *merge) stricter(path, up, low string, order ...string) string {
	switch {
	case !m.low.set(path):
		return up
	case !m.up.set(path):
		return low
	case slices.Index(order, low) > slices.Index(order, up):
		m.note(path, "%s is ignored: the organisation asks for %s", low, up)
		return up
	}
	return low
}

// common are the teams that both name.
func (m *merge) common(path string, up, low []string) []string {
	switch {
	case !m.low.set(path) || len(low) == 0:
		return up
	case !m.up.set(path) || len(up) == 0:
		return low
	}
	named := func(list []string, team string) bool {
		return slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, team) })
	}
	var both []string
	for i, team := range low {
		if named(up, team) {
			both = append(both, team)
			continue
		}
		m.note(fmt.Sprintf("%s[%d]", path, i), "%s is ignored: the organisation names %s", team, listed(up, 5))
	}
	if len(both) == 0 {
		return up
	}
	return both
}

func (m *merge) validation(out *Policy) {
	up, low, v := m.up.Validation, m.low.Validation, &out.Validation
	v.Owners = m.common("validation.owners", up.Owners, low.Owners)
	switch {
	case !m.up.set("validation.protect"):
		v.Protect = low.Protect
	case m.low.set("validation.protect"):
		v.Protect = unique(append(slices.Clone(up.Protect), low.Protect...))
	}
	// A repository without a list relies on what its branch requires, and keeps that.
	v.andBranch = len(up.Required) > 0 && len(low.Required) == 0 || up.andBranch || low.andBranch
	v.Required = slices.Clone(up.Required)
	for i, want := range low.Required {
		path := fmt.Sprintf("validation.required[%d]", i)
		same := slices.IndexFunc(v.Required, func(have RequiredValidation) bool { return have.ID == want.ID })
		if same >= 0 && v.Required[same] == want {
			continue
		}
		if same >= 0 {
			want.ID = freeID(want.ID, func(id string) bool {
				return slices.ContainsFunc(slices.Concat(v.Required, low.Required), func(have RequiredValidation) bool { return have.ID == id })
			})
			m.note(path, "is required as %s: the organisation requires another validation with its id", want.ID)
		}
		v.Required = append(v.Required, want)
	}
}

// rules: all. One of the repository under an id of the organisation's gets an id of its own, so
// that what is said of the two cannot be taken for each other.
func (m *merge) rules(out *Policy) {
	out.Rules = slices.Clone(m.up.Rules)
	for i, rule := range m.low.Rules {
		if slices.ContainsFunc(m.up.Rules, func(have CustomRule) bool { return have.ID == rule.ID }) {
			rule.ID = freeID(rule.ID, func(id string) bool {
				return slices.ContainsFunc(slices.Concat(out.Rules, m.low.Rules), func(have CustomRule) bool { return have.ID == id })
			})
			m.note(fmt.Sprintf("rules[%d].id", i), "is %s here: the organisation has another rule with its id", rule.ID)
		}
		out.Rules = append(out.Rules, rule)
	}
}

// freeID is an id that is not taken, made of one that is.
func freeID(id string, taken func(string) bool) string {
	free := id
	for n := 2; taken(free); n++ {
		free = fmt.Sprintf("%s.%d", shorten(id, 40), n)
	}
	return free
}

func (m *merge) protection(out *Policy) {
	up, low, p := m.up.Protection, m.low.Protection, &out.Protection
	p.UnreadableBypass = m.stricter("protection.unreadable_bypass", up.UnreadableBypass, low.UnreadableBypass, bypassFail, bypassAttested, bypassDetect)
	switch {
	case !m.low.set("protection.allow_bypass"):
		return
	case !m.up.set("protection.allow_bypass"):
		p.AllowBypass = low.AllowBypass
		return
	}
	p.AllowBypass = nil
	for i, want := range low.AllowBypass {
		path := fmt.Sprintf("protection.allow_bypass[%d]", i)
		at := slices.IndexFunc(up.AllowBypass, func(have AllowedBypass) bool { return have.Type == want.Type && have.ID == want.ID })
		if at < 0 {
			m.note(path, "is ignored: the organisation does not allow this actor to bypass")
			continue
		}
		if mode := up.AllowBypass[at].Mode; wideness(want.Mode) > wideness(mode) {
			m.note(path, "the mode is ignored: the organisation allows less")
			want.Mode = mode
		}
		p.AllowBypass = append(p.AllowBypass, want)
	}
}

// wideness orders the modes of a bypass; left out is "always".
func wideness(mode string) int {
	switch mode {
	case bypassModePullRequest:
		return 0
	case bypassModeExempt:
		return 2
	}
	return 1
}

func (m *merge) authorisation(out *Policy) {
	up, low := m.up.Authorisation, m.low.Authorisation
	if up == nil || low == nil {
		if up == nil {
			out.Authorisation = low
		}
		return
	}
	both := *up
	both.Required = up.Required || low.Required
	if m.low.set("authorisation.required") && up.Required && !low.Required {
		m.note("authorisation.required", "false is ignored: the organisation asks for it")
	}
	if m.low.set("authorisation.pattern") && low.Pattern != up.Pattern {
		m.note("authorisation.pattern", "is ignored: the organisation says what counts")
	}
	out.Authorisation = &both
}

// emergency: the organisation's team, and the shorter spans. Only the organisation can open
// this door: a change goes through it without any review, however many approvals the floor
// asks for.
func (m *merge) emergency(out *Policy) {
	up, low := m.up.Emergency, m.low.Emergency
	if up == nil && low != nil {
		m.note("emergency", "is ignored: the organisation's policy has none, so its approvals are needed always")
	}
	if up == nil || low == nil {
		return
	}
	both := *up
	both.Via = slices.DeleteFunc(slices.Clone(up.Via), func(way string) bool { return !low.Takes(way) })
	if len(both.Via) == 0 {
		both.Via = up.Via
		m.note("emergency.via", "is ignored: the organisation takes %s", strings.Join(up.Via, ", "))
	}
	both.Expires, both.ReviewWithin = min(up.Expires, low.Expires), min(up.ReviewWithin, low.ReviewWithin)
	if low.Team != up.Team {
		m.note("emergency.team", "is ignored: the organisation names %s", up.Team)
	}
	if m.low.set("emergency.expires") && low.Expires > up.Expires {
		m.note("emergency.expires", "%s is ignored: the organisation allows %s", low.Expires, up.Expires)
	}
	if m.low.set("emergency.review_within") && low.ReviewWithin > up.ReviewWithin {
		m.note("emergency.review_within", "%s is ignored: the organisation allows %s", low.ReviewWithin, up.ReviewWithin)
	}
	out.Emergency = &both
}

// sla: the shorter span.
func (m *merge) sla(out *Policy) {
	up, low := m.up.SLA, m.low.SLA
	switch {
	case low == nil:
	case up == nil || low.AgentReview < up.AgentReview:
		out.SLA = low
	case low.AgentReview > up.AgentReview:
		m.note("sla.agent_review", "%s is ignored: the organisation asks for %s", low.AgentReview, up.AgentReview)
	}
}
