package policy

import (
	"slices"
	"strings"
)

// checkBase is the name of the check run of the main lane in enforce mode.
const checkBase = "countersign"

// Enrolment says how a base branch is judged: in which lane, how the decision is told
// to GitHub, and under which check run name.
type Enrolment struct {
	// Lane is the lane's name, empty for the main lane.
	Lane string
	Mode Mode
	// CheckName is the name of the check run.
	CheckName string
}

// Lane says in which lane a base branch is enrolled; ok is false when it is in none.
// Pass the governing branch of a stacked pull request, not the branch it targets.
//
// A branch that several lanes match cannot come out of Parse. Of several layers, or in a
// policy made by hand, a lane that enforces wins over one that only reports.
func (p *Policy) Lane(baseRef string) (e Enrolment, ok bool) {
	if p == nil || baseRef == "" {
		return Enrolment{}, false
	}
	for _, lane := range p.lanes() {
		globs, _ := compileGlobs(lane.Branches)
		if !globs.match(baseRef) || ok && e.Mode == ModeEnforce {
			continue
		}
		if !ok || lane.Mode != ModeAudit {
			e, ok = enrolment(lane), true
		}
	}
	return e, ok
}

// lanes are all lanes, the main one first with an empty name; of several layers, those of the
// outermost first.
func (p *Policy) lanes() []Lane {
	if p.enrolled != nil {
		return p.enrolled
	}
	return append([]Lane{{Branches: p.Branches, Mode: p.Mode}}, p.Lanes...)
}

// AllLanes are all lanes, the main one first with an empty name; of several layers, those of the
// outermost first, and one name may come twice.
func (p *Policy) AllLanes() []Lane { return slices.Clone(p.lanes()) }

// Enforces reports whether a lane of the policy does more than report.
func (p *Policy) Enforces() bool {
	return slices.ContainsFunc(p.lanes(), func(l Lane) bool { return l.Mode != ModeAudit })
}

// enrolment is the enrolment of a branch of this lane. Any mode but audit enforces.
func enrolment(l Lane) Enrolment {
	e := Enrolment{Lane: l.Name, Mode: ModeEnforce, CheckName: EnforceName(l.Name)}
	if l.Mode == ModeAudit {
		e.Mode, e.CheckName = ModeAudit, auditName(l.Name)
	}
	return e
}

// EnforceName is the check run name of a lane in enforce mode: the one that a branch
// must require. The main lane's name is empty.
func EnforceName(lane string) string {
	if lane == "" {
		return checkBase
	}
	return checkBase + " (" + lane + ")"
}

// auditName is the check run name of a lane in audit mode. It differs from the enforce
// name because GitHub lets a neutral conclusion through a required check.
func auditName(lane string) string {
	if lane == "" {
		return checkBase + " (audit)"
	}
	return checkBase + " (" + lane + " audit)"
}

// IsOwnCheck reports whether a check run or status has a name that is ours in any
// lane and mode. Such a thing never validates a change, whoever posted it. Case and spaces do not
// matter: people do not see them, and to GitHub a commit status is the same in any case.
// https://docs.github.com/rest/commits/statuses#create-a-commit-status
func IsOwnCheck(name string) bool {
	words := 0
	for word := range strings.FieldsSeq(name) {
		if words++; words == 2 {
			return strings.HasPrefix(word, "(")
		}
		if strings.ToLower(word) != checkBase {
			return false
		}
	}
	return words == 1
}

// NamedTeams are the teams (org/slug) that the policy names, each once, in the order
// in which it names them: the teams whose members the facts must hold.
func (p *Policy) NamedTeams() []string {
	var out []string
	seen := map[string]bool{}
	var emergency []string
	if p.Emergency != nil {
		emergency = []string{p.Emergency.Team}
	}
	lists := [][]string{p.Review.From.Teams, p.Validation.Owners, emergency}
	for i := range p.Paths {
		lists = append(lists, p.Paths[i].Teams)
	}
	for _, layer := range p.merged {
		lists = append(lists, layer.Review.From.Teams) // who may object: see judgement.judge
	}
	for _, list := range lists {
		for _, team := range list {
			if key := strings.ToLower(team); !seen[key] {
				seen[key] = true
				out = append(out, team)
			}
		}
	}
	return out
}

// ReviewByUs reports whether the policy leaves all of review to our check.
func (p *Policy) ReviewByUs() bool { return p.Review.DecidedBy == decidedByCountersign }
