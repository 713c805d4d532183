package policy

import (
	"fmt"
	"slices"
	"strings"
)

// RuleAgentIdentity says: an agent acts under an account of its own, not a person's.
//
// A change of the class agent passes when GitHub itself asserts an agent's account (an
// App's, or a registered machine user's) as the pull request's author, or, on a person's
// pull request, that of every agent that wrote something as a pusher. An agent's work that was opened and pushed by a person's account fails: what the agent
// may do, and what it did, could not be told from what the person may do and did.
//
// A change of the class assisted is a person's, who used a tool; the rule does not apply
// to it, nor to changes without an agent.
const (
	RuleAgentIdentity     = "agent-identity"
	revisionAgentIdentity = 1
)

func (j *judgement) agentIdentity() ruling {
	r := RuleResult{
		Rule: RuleAgentIdentity, Revision: revisionAgentIdentity, Control: "CC6.1",
		Facts: []string{"change.author", "pushes", "commits"},
	}
	if why := incomplete(j.f.Commits, "commits"); why != "" {
		return undecidable(r, []string{why}, "whether an agent wrote this is not known")
	}
	switch j.who.Class {
	case ClassAgent:
		return j.ownAccount(r)
	case ClassAssisted:
		r.Reason = "A person's account with the traces of a tool: the person answers for it."
	case ClassAutomation, ClassPlatform:
		r.Reason = "No agent: automation under its own account."
	case ClassSuggestion, ClassUndetected:
		r.Reason = "No agent indicator found."
	default:
		return undecidable(r, []string{"What kind of author the change has is not known."}, "whether an agent wrote this is not known")
	}
	r.Outcome = OutcomeNotApplicable
	return ruling{RuleResult: r}
}

// ownAccount looks for the accounts of the agents among those that GitHub asserts.
func (j *judgement) ownAccount(r RuleResult) ruling {
	author := j.f.Change.Author
	if j.machine(author) {
		r.Outcome = OutcomePass
		r.Reason = "The agent opened the pull request as " + orSomebody(author.Login) + ", an account of its own."
		return ruling{RuleResult: r}
	}
	pushed, hidden := j.agentsOfPerson()
	if len(pushed) > 0 && len(hidden) == 0 {
		r.Outcome = OutcomePass
		r.Reason = "The agent pushed under an account of its own: " + listed(pushed, 5) + "."
		return ruling{RuleResult: r}
	}
	r.Outcome = OutcomeFail
	r.Reason = fmt.Sprintf("An agent (%s) wrote this under the account of a person, %s.", listed(hidden, 5), orSomebody(author.Login))
	r.Remedy = "Let the agent work through its GitHub App, or register the account in the policy under agents if it is a machine's."
	return ruling{RuleResult: r, title: "The agent must use an account of its own, not a person's"}
}

// agentsOfPerson tells, of the agents in a person's pull request, those that pushed
// under an account of their own from those that wrote something and did not. A trailer
// or a line of the body alone is a tool's, whose user answers for it.
func (j *judgement) agentsOfPerson() (pushed, hidden []string) {
	for _, s := range j.who.Signals {
		if a := j.cat.Named(s.Agent); s.Strength == StrengthAsserted && (a == nil || a.Kind == KindAgent) {
			pushed = append(pushed, s.Agent)
		}
	}
	pushed = unique(pushed)
	weak := map[string]bool{}
	var weakly []string
	for _, s := range j.who.Signals {
		a := j.cat.Named(s.Agent)
		if slices.Contains(pushed, s.Agent) || a != nil && a.Kind != KindAgent {
			continue
		}
		switch {
		case s.Strength == StrengthWeak:
			weak[s.Kind] = true
			weakly = append(weakly, s.Agent)
		case s.Strength == StrengthClaimed && (s.Kind == "trailer" || s.Kind == "author-name" || strings.HasPrefix(s.Kind, "committer-")):
		case s.Strength == StrengthLinked && a != nil && a.Local:
		default:
			hidden = append(hidden, s.Agent)
		}
	}
	// Two weak signals of different kinds make an agent, see Classify.
	if len(weak) > 1 {
		hidden = append(hidden, weakly...)
	}
	if hidden = unique(hidden); len(hidden) == 0 && len(pushed) == 0 {
		hidden = j.who.Agents
	}
	return pushed, hidden
}

// machine reports whether an account is a bot's or a registered machine user's.
func (j *judgement) machine(a Actor) bool {
	return a.ID != 0 && (a.Type == TypeBot || j.cat.OfActor(a) != nil)
}
