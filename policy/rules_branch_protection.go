package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// RuleBranchProtection says: the governing base cannot be changed in any other way than
// by a pull request that passes our check.
//
// GitHub must require pull requests, at least one review (unless the policy says that
// our check alone decides), and our lane's check run pinned to our App; and must refuse
// force pushes and deletion. Classic protection and every active ruleset that matches
// the branch apply together, so each of the five may come from any of them. A source
// counts only if nobody passes it by: administrators are bound, and its bypass list is
// empty or holds nobody but the actors that the policy allows. One source that is
// waterproof is enough, because GitHub applies the strictest.
//
// A bypass list that could not be read is not an empty one. The policy says what becomes of
// it: fail fails; attested takes the list as an owner of the organisation attested it, as long
// as the ruleset was not changed since and for 30 days; detect passes without one and says
// that bypasses are only detected afterwards.
//
// In audit mode the check that is asked for is the one of the same lane in enforce
// mode: the report says what enforcing would need.
const (
	RuleBranchProtection     = "branch-protection"
	revisionBranchProtection = 1
)

// GitHub's types of ruleset rules that are looked at.
const (
	rulePullRequest = "pull_request"
	ruleChecks      = "required_status_checks"
	ruleForcePush   = "non_fast_forward"
	ruleDeletion    = "deletion"
)

// guard is one thing that the branch must have.
type guard struct {
	// missing says that no source has it, remedy which setting would.
	missing, remedy, title string
	// by says whether classic protection and a rule provide it.
	classic func(*ClassicProtection) bool
	rule    func(*Rule) bool
}

// leak says how good a source's bypass list is, best first.
type leak uint8

const (
	leakNone leak = iota
	leakUnreadable
	leakOpen
)

// Protected applies that rule alone to a branch that is enrolled, whether or not a pull request
// asks: whether it holds, and why it does not. Unknown: nothing that could be read is wrong, and
// something could not be read, as a bypass list whose attestation is void. now is when it is judged.
func Protected(p *Policy, app App, protection Protection, now time.Time) (holds Answer, why string) {
	r, holds := JudgeProtection(p, app, "", protection, now)
	if holds == Yes {
		return Yes, ""
	}
	return holds, r.Reason
}

// JudgeProtection is Protected with all that the rule says: also what to do, and by whose word a
// bypass list counts. Repository is owner/name, for the command that it shows.
func JudgeProtection(p *Policy, app App, repository string, protection Protection, now time.Time) (RuleResult, Answer) {
	f := &Facts{App: app, Repository: Repository{Name: repository}, Protection: protection, Change: Change{GoverningRef: protection.Ref}, EvaluatedAt: now}
	lane, _ := p.Lane(protection.Ref)
	j := &judgement{p: p, f: f, lane: lane}
	switch r := j.branchProtection(); {
	case r.Outcome == OutcomePass:
		return r.RuleResult, Yes
	case r.Unknown || r.unread:
		return r.RuleResult, Unknown
	default:
		return r.RuleResult, No
	}
}

func (j *judgement) branchProtection() ruling {
	r := RuleResult{
		Rule: RuleBranchProtection, Revision: revisionBranchProtection, Control: "CC8.1",
		Facts: []string{"protection", "app", "change.governing_ref"},
	}
	if why := j.protectionUnknown(); why != "" {
		return undecidable(r, []string{why}, "the protection of the branch could not be read")
	}
	if j.f.App.ID == 0 {
		return undecidable(r, []string{"It is not known which App posts our check run."}, "our own App is not known")
	}
	var missing, remedies, unreadable, title []string
	for _, g := range j.guards() {
		best, why := j.guarded(g)
		switch best {
		case leakNone:
		case leakUnreadable:
			unreadable = append(unreadable, why)
		default:
			if why == "" {
				why = g.missing
				title = append(title, g.title)
				remedies = append(remedies, g.remedy)
			} else if why == adminsNotBound {
				title = append(title, "Administrators must be bound by the protection of "+j.f.Change.GoverningRef)
				remedies = append(remedies, "Turn on \"Do not allow bypassing the above settings\" in the branch protection rule.")
			} else {
				title = append(title, "Nobody may bypass the protection of "+j.f.Change.GoverningRef)
				remedies = append(remedies, "Take them off the bypass list, or allow them under protection.allow_bypass in "+Path+".")
			}
			missing = append(missing, why)
		}
	}
	missing, remedies, unreadable = unique(missing), unique(remedies), unique(unreadable)
	if len(unreadable) > 0 && j.p.Protection.UnreadableBypass != bypassDetect {
		title = append(title, "Who may bypass the protection of "+j.f.Change.GoverningRef+" cannot be read")
		remedies = append(remedies, j.unreadableRemedy())
		r.Command = j.attestCommand()
	}
	if len(title) > 0 {
		r.Outcome = OutcomeFail
		r.Reason = j.otherWays(missing, unreadable)
		r.Remedy = "An administrator of the repository changes this. " + strings.Join(remedies, " ")
		return ruling{RuleResult: r, title: more(title[0], len(unique(title))-1), unread: len(missing) == 0}
	}
	r.Outcome = OutcomePass
	r.Reason = fmt.Sprintf("The branch %s can only be changed by a pull request that passes this check.", j.f.Change.GoverningRef)
	slices.Sort(j.attested)
	if attested := slices.Compact(j.attested); len(attested) > 0 {
		r.Reason += " " + strings.Join(attested, " ")
	}
	if len(unreadable) > 0 {
		r.Reason = fmt.Sprintf("The branch %s requires a pull request that passes this check. Bypass list not observable; bypasses are detected afterwards.", j.f.Change.GoverningRef)
	}
	return ruling{RuleResult: r}
}

// otherWays says in which other ways the branch can be changed, and of which that is not known.
func (j *judgement) otherWays(open, unreadable []string) string {
	branch := j.f.Change.GoverningRef
	switch {
	case len(open) == 0:
		return fmt.Sprintf("Whether the branch %s can be changed in other ways is not known: %s.", branch, strings.Join(unreadable, "; "))
	case len(unreadable) == 0 || j.p.Protection.UnreadableBypass == bypassDetect:
		return fmt.Sprintf("The branch %s can be changed in other ways: %s.", branch, strings.Join(open, "; "))
	}
	return fmt.Sprintf("The branch %s can be changed in other ways: %s. Of others it is not known: %s.", branch, strings.Join(open, "; "), strings.Join(unreadable, "; "))
}

// unreadableRemedy says what to do about a bypass list that cannot be read.
func (j *judgement) unreadableRemedy() string {
	s := "GitHub shows the bypass list of a ruleset only to those who may edit it. "
	if j.p.Protection.UnreadableBypass != bypassFail {
		s += "An owner of the organisation runs the command that is shown here. Or: "
	}
	return s + "Use classic branch protection, whose list can be read, or accept with protection.unreadable_bypass: detect that bypasses are only found afterwards."
}

// attestCommand is the command with which an owner attests the bypass lists of the branch, where
// the policy takes that. Where the server is, only its operator knows.
func (j *judgement) attestCommand() string {
	if j.p.Protection.UnreadableBypass == bypassFail {
		return ""
	}
	return fmt.Sprintf("countersign protect attest --server https://YOUR-COUNTERSIGN --repo %s --branch %s",
		shellWord(j.f.Repository.Name, "OWNER/NAME"), shellWord(j.f.Change.GoverningRef, "YOUR-BRANCH"))
}

// protectionUnknown says why the protection of the governing base is not known.
func (j *judgement) protectionUnknown() string {
	p := &j.f.Protection
	switch {
	case !p.Readable && p.Why != "":
		return fmt.Sprintf("The protection of the branch could not be read: %s.", strings.TrimSuffix(p.Why, "."))
	case !p.Readable:
		return "The protection of the branch could not be read."
	case p.Ref != j.f.Change.GoverningRef:
		return fmt.Sprintf("The protection that was read is of the branch %q, and %q governs.", p.Ref, j.f.Change.GoverningRef)
	}
	return incomplete(p.Rules, "branch rules")
}

// guards are the things that the branch must have, each with the setting that gives it.
func (j *judgement) guards() []guard {
	branch := j.f.Change.GoverningRef
	rule := func(t string) func(*Rule) bool { return func(r *Rule) bool { return r.Type == t } }
	out := []guard{{
		missing: "pull requests are not required",
		remedy:  fmt.Sprintf("Require a pull request before merging into %s.", branch),
		title:   "The branch " + branch + " must require pull requests",
		classic: func(c *ClassicProtection) bool { return c.RequiresReviews },
		rule:    rule(rulePullRequest),
	}}
	if j.p.Review.DecidedBy != decidedByCountersign {
		out = append(out, guard{
			missing: "GitHub requires no approval",
			remedy:  "Set \"Required approvals\" to 1 or more, or review.decided_by: countersign in " + Path + ".",
			title:   "The branch " + branch + " must require at least 1 approval",
			classic: func(c *ClassicProtection) bool { return c.RequiresReviews && c.RequiredReviews >= 1 },
			rule:    func(r *Rule) bool { return r.Type == rulePullRequest && r.RequiredReviews >= 1 },
		})
	}
	return append(out, j.checkGuard(), guard{
		missing: "force pushes are allowed",
		remedy:  fmt.Sprintf("Block force pushes to %s.", branch),
		title:   "The branch " + branch + " must block force pushes",
		classic: func(c *ClassicProtection) bool { return !c.AllowsForcePushes },
		rule:    rule(ruleForcePush),
	}, guard{
		missing: "the branch can be deleted",
		remedy:  fmt.Sprintf("Restrict the deletion of %s.", branch),
		title:   "The branch " + branch + " must not be deletable",
		classic: func(c *ClassicProtection) bool { return !c.AllowsDeletions },
		rule:    rule(ruleDeletion),
	})
}

// checkGuard asks for our check, by name and App. A required check that is not pinned
// can be satisfied by any account with write access.
func (j *judgement) checkGuard() guard {
	name := EnforceName(j.lane.Lane)
	ours := func(checks []RequiredCheck) bool {
		for _, c := range checks {
			if c.Name == name && c.AppID == j.f.App.ID {
				return true
			}
		}
		return false
	}
	g := guard{
		missing: fmt.Sprintf("the check %q is not required", name),
		remedy:  fmt.Sprintf("Add %q to the required status checks of %s, with this App as its source.", name, j.f.Change.GoverningRef),
		title:   fmt.Sprintf("The branch %s must require the check %q", j.f.Change.GoverningRef, name),
		classic: func(c *ClassicProtection) bool { return c.RequiresChecks && ours(c.RequiredChecks) },
		rule:    func(r *Rule) bool { return r.Type == ruleChecks && ours(r.RequiredChecks) },
	}
	for _, c := range j.requiredChecks() {
		if c.Name != name || c.AppID == j.f.App.ID {
			continue
		}
		g.missing = fmt.Sprintf("the check %q is required from any source (check-not-pinned), so any account with write access could set it", name)
		if c.AppID != 0 {
			g.missing = fmt.Sprintf("the check %q is required from App %d and not from this App, %d (check-not-pinned)", name, c.AppID, j.f.App.ID)
		}
		g.remedy = fmt.Sprintf("Pin the required status check %q of %s to this App as its source.", name, j.f.Change.GoverningRef)
		g.title = fmt.Sprintf("The required check %q must be pinned to this App", name)
		break
	}
	return g
}

// guarded says how well a guard holds: by the source with the best bypass list. An
// empty why means that no source has it. Of several that are as good, the text that sorts
// first is told, in whatever order GitHub lists the rules.
func (j *judgement) guarded(g guard) (best leak, why string) {
	best = leakOpen
	better := func(l leak, w string) {
		if l < best || l == best && (why == "" || w < why) {
			best, why = l, w
		}
	}
	p := &j.f.Protection
	if p.Classic != nil && g.classic(p.Classic) {
		better(j.classicLeak(p.Classic))
	}
	for i := range p.Rules.Items {
		if r := &p.Rules.Items[i]; g.rule(r) {
			better(j.bypassLeak(r.RulesetID, "ruleset "+rulesetName(r)))
		}
	}
	return best, why
}

func rulesetName(r *Rule) string {
	if r.Source == "" {
		return fmt.Sprint(r.RulesetID)
	}
	return fmt.Sprintf("%d of %s", r.RulesetID, shorten(r.Source, 100))
}

const adminsNotBound = "administrators are not bound by classic branch protection"

// classicLeak says who passes classic protection by.
func (j *judgement) classicLeak(c *ClassicProtection) (leak, string) {
	const source = "classic branch protection"
	if !c.AdminsBound {
		return leakOpen, adminsNotBound
	}
	if !c.AllowancesComplete {
		return leakUnreadable, "the bypass list of " + source + " could not be read whole"
	}
	return j.bypassLeak(0, source)
}

// bypassLeak says who passes a source by: 0 is classic protection.
func (j *judgement) bypassLeak(rulesetID int64, source string) (leak, string) {
	worst, why := leakUnreadable, "the bypass list of "+source+" could not be read"
	found := false
	for i := range j.f.Protection.Bypass {
		b := &j.f.Protection.Bypass[i]
		if b.RulesetID != rulesetID {
			continue
		}
		l, w := j.listLeak(b, source)
		if !found || l > worst {
			worst, why = l, w
		}
		found = true
	}
	return worst, why
}

// listLeak judges one bypass list.
func (j *judgement) listLeak(b *Bypass, source string) (leak, string) {
	switch b.State {
	case BypassNone:
		if len(b.Actors) == 0 {
			return leakNone, ""
		}
	case BypassThese:
		if len(b.Actors) == 0 {
			break // a list that has entries and shows none was not read
		}
	default:
		if attested, why := j.attestedList(b); attested != nil {
			return j.listLeak(attested, source)
		} else if why != "" {
			return leakUnreadable, fmt.Sprintf("the bypass list of %s could not be read, and %s", source, why)
		}
		if b.Why != "" {
			return leakUnreadable, fmt.Sprintf("the bypass list of %s could not be read (%s)", source, shorten(b.Why, 200))
		}
		return leakUnreadable, fmt.Sprintf("the bypass list of %s could not be read", source)
	}
	var names []string
	for i := range b.Actors {
		if !j.allowed(&b.Actors[i], b.RulesetID == 0) {
			names = append(names, actorName(&b.Actors[i]))
		}
	}
	slices.Sort(names)
	switch {
	case len(names) > 0:
		return leakOpen, fmt.Sprintf("%s can be bypassed by %s", source, listed(names, 5))
	case len(b.Actors) == 0:
		return leakUnreadable, fmt.Sprintf("the bypass list of %s could not be read", source)
	}
	return leakNone, ""
}

// attestationLasts is how long an owner's word about a bypass list stands.
const attestationLasts = 30 * 24 * time.Hour

// Until is how long the attestation stands, unless the ruleset is changed.
func (a *AttestedBypass) Until() time.Time { return a.At.Add(attestationLasts) }

// AttestationVoid says whether what was attested of the list stands no more, because the ruleset was
// changed since, as a delivery said or as its own time shows.
func (b *Bypass) AttestationVoid() bool {
	return b.Attested != nil && (!b.Attested.VoidAt.IsZero() || b.UpdatedAt.IsZero() || !b.UpdatedAt.Equal(b.Attested.UpdatedAt))
}

// attestedList is a bypass list as an owner attested it, where the policy takes that and it
// still stands; else nil, and why it does not.
func (j *judgement) attestedList(b *Bypass) (list *Bypass, why string) {
	a := b.Attested
	if a == nil || j.p.Protection.UnreadableBypass == bypassFail || b.RulesetID == 0 {
		return nil, ""
	}
	who := fmt.Sprintf("what %s attested of it on %s ", orSomebody(a.By.Login), a.At.Format("2006-01-02"))
	switch until := a.Until(); {
	case a.By.ID == 0 || a.At.IsZero() || a.At.After(j.f.EvaluatedAt):
		return nil, "what was attested of it names nobody, or no time"
	case !a.VoidAt.IsZero():
		return nil, who + "is void: the ruleset was changed since"
	case b.UpdatedAt.IsZero() || !b.UpdatedAt.Equal(a.UpdatedAt):
		return nil, who + "is void: the ruleset is another now"
	case !j.f.EvaluatedAt.Before(until):
		return nil, who + "is older than 30 days"
	default:
		j.attested = append(j.attested, fmt.Sprintf("%s attested the bypass list of ruleset %d on %s; it stands until %s.",
			orSomebody(a.By.Login), b.RulesetID, a.At.Format("2006-01-02"), until.Format("2006-01-02")))
		if j.recheckAt.IsZero() || until.Before(j.recheckAt) {
			j.recheckAt = until
		}
	}
	list = &Bypass{RulesetID: b.RulesetID, Source: b.Source, State: BypassNone, Actors: a.Actors}
	if len(a.Actors) > 0 {
		list.State = BypassThese
	}
	return list, ""
}

func actorName(a *BypassActor) string {
	s := a.Type
	if s == "" {
		s = "somebody"
	}
	if a.Name != "" {
		s += " " + shorten(a.Name, 100)
	}
	if role := standardRole(a.ID); a.Type == "RepositoryRole" && role != "" {
		return "the role " + role + ", " + shorten(a.Mode, 40)
	}
	if a.ID != 0 {
		s += fmt.Sprintf(" (id %d)", a.ID)
	}
	if a.Mode != "" {
		s += ", " + shorten(a.Mode, 40)
	}
	return s
}

// standardRole is the name of a repository role that every repository has.
func standardRole(id int64) string {
	switch id {
	case 2:
		return "maintain"
	case 4:
		return "write"
	case 5:
		return "admin"
	}
	return ""
}

// allowed reports whether the policy allows a bypass actor. Its mode may be the allowed
// one or a weaker one; exempt leaves no trace at GitHub and must be allowed by name.
func (j *judgement) allowed(a *BypassActor, classic bool) bool {
	mode := a.Mode
	if mode == "" && classic {
		mode = bypassModeAlways
	}
	for _, allow := range j.p.Protection.AllowBypass {
		if allow.Type != a.Type || a.Type == "" {
			continue
		}
		if bypassNeedsID(a.Type) && (allow.ID == 0 || allow.ID != a.ID) {
			continue
		}
		most := allow.Mode
		if most == "" {
			most = bypassModeAlways
		}
		if rank := bypassRank(mode); rank > 0 && rank <= bypassRank(most) {
			return true
		}
	}
	return false
}

// bypassRank orders the modes by how much they allow; 0 is a mode that we do not know.
func bypassRank(mode string) int {
	switch mode {
	case bypassModePullRequest:
		return 1
	case bypassModeAlways:
		return 2
	case bypassModeExempt:
		return 3
	}
	return 0
}

// unique drops repetitions and keeps the order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
