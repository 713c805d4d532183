package policy

import (
	"fmt"
	"strings"
)

// Subject says what a decision is about when there are no facts to say so.
type Subject struct {
	RepositoryID int64
	Repository   string // owner/name
	Number       int
	HeadSHA      string
	BaseRef      string
	GoverningRef string
	// Mode, Lane and CheckName are the last known ones: enrolment is sticky, so a policy
	// that became unreadable does not end it. Empty ones read as the main lane, enforced.
	Mode      Mode
	Lane      string
	CheckName string
}

// Subject is what the decision is about.
func (d Decision) Subject() Subject {
	return Subject{
		RepositoryID: d.RepositoryID, Repository: d.Repository, Number: d.Number,
		HeadSHA: d.HeadSHA, BaseRef: d.BaseRef, GoverningRef: d.GoverningRef,
		Mode: d.Mode, Lane: d.Lane, CheckName: d.CheckName,
	}
}

// The words of GitHub's check run API that decisions use.
const (
	statusInProgress = "in_progress"
	statusCompleted  = "completed"

	conclusionSuccess        = "success"
	conclusionFailure        = "failure"
	conclusionNeutral        = "neutral"
	conclusionActionRequired = "action_required"
)

// Status is the check run's status and conclusion; the conclusion is empty while the
// status is "in_progress".
//
// Only VerdictPass is ever "success". In enforce mode the conclusion is never
// "neutral" or "skipped", because GitHub lets both through a required check. A mode
// other than audit enforces, and a verdict that is not known is a failure.
func (d Decision) Status() (status, conclusion string) {
	switch d.Verdict {
	case VerdictPass:
		return statusCompleted, conclusionSuccess
	case VerdictWaiting:
		return statusInProgress, ""
	}
	if d.Mode == ModeAudit {
		return statusCompleted, conclusionNeutral
	}
	switch {
	case d.Verdict == VerdictUndecided && !d.Final:
		return statusInProgress, ""
	case d.Verdict == VerdictRepair:
		return statusCompleted, conclusionActionRequired
	}
	return statusCompleted, conclusionFailure
}

// Rank orders decisions by how bad they are, 0 the best: of several changes with the
// same head and check run name, the worst is the one that is shown. A decision that
// is still being tried is better than a known failure, so that a hiccup of the API
// never hides one.
func (d Decision) Rank() int {
	switch d.Verdict {
	case VerdictPass:
		return 0
	case VerdictWaiting:
		return 1
	case VerdictUndecided:
		if !d.Final {
			return 2
		}
		return 4
	case VerdictFail:
		return 3
	}
	return 5
}

// Undecided is the decision when the facts could not be read: GitHub is down, limits
// our requests, or holds more than it lets us read. Cause says why, for a person. It
// is final when nobody tries again by themselves.
func Undecided(s Subject, cause string, final bool) Decision {
	d := s.decision()
	d.Verdict, d.Cause, d.Final = VerdictUndecided, cause, final
	d.Title = "Could not decide yet: GitHub could not be read, trying again"
	if final {
		d.Title = "Could not decide: GitHub could not be read"
	}
	return d
}

// BrokenPolicy is the decision when a policy file cannot be used, and none that could be used
// was ever recorded for the branch.
func BrokenPolicy(s Subject, layer PolicyLayer, err *ParseError) Decision {
	d := s.decision()
	var problems []Problem
	if err != nil {
		problems = err.Problems
	}
	d.repair(BrokenLayer{Layer: layer, Problems: problems})
	return d
}

// repair makes a decision say that a policy file must be repaired first.
func (d *Decision) repair(broken BrokenLayer) {
	d.Verdict, d.Final = VerdictRepair, true
	d.Title = "Repair the policy file " + Path
	what := "The policy on the base branch"
	if broken.Layer.Layer == LayerOrganisation {
		d.Title += " of " + broken.Layer.Repository
		what = "The organisation's policy in " + broken.Layer.Repository
	}
	if len(broken.Problems) == 0 {
		d.Cause = what + " cannot be used."
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s cannot be used: %s.", what, count(len(broken.Problems), "problem"))
	for i, p := range broken.Problems {
		if i == 10 {
			fmt.Fprintf(&b, " And %d more.", len(broken.Problems)-i)
			break
		}
		b.WriteString(" " + strings.TrimSuffix(p.String(), ".") + ".")
	}
	d.Cause = b.String()
}

// decision is the empty decision about s: every list present, so that the recorded
// bytes hold [] and never null, and a verdict that cannot pass. The class is empty,
// not ClassUndetected: nobody has looked yet.
func (s Subject) decision() Decision {
	e := enrolment(Lane{Name: s.Lane, Mode: s.Mode})
	if s.CheckName != "" {
		e.CheckName = s.CheckName
	}
	return Decision{
		V: DecisionVersion, Engine: Engine,
		RepositoryID: s.RepositoryID, Repository: s.Repository, Number: s.Number,
		HeadSHA: s.HeadSHA, BaseRef: s.BaseRef, GoverningRef: s.GoverningRef,
		Mode: e.Mode, Lane: e.Lane, CheckName: e.CheckName,
		Verdict: VerdictUndecided, Final: true,
		Authorship: Authorship{
			Agents: []string{}, Signals: []Signal{},
			Authors: []Member{}, Initiators: []Member{},
		},
		Rules: []RuleResult{}, Reviews: []ReviewResult{}, Validations: []ValidationResult{},
	}
}

// count says "1 problem", "2 problems".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
