package policy

import "strings"

// RuleAgentIdentity says: an agent acts under an account of its own, not a person's.
//
// A change of the class agent passes when GitHub itself asserts the agent's account (an
// App's, or a registered machine user's) as the pull request's author or as a pusher.
// An agent's work that was opened and pushed by a person's account fails: what the agent
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

// ownAccount looks for the agent's own account among those that GitHub asserts.
func (j *judgement) ownAccount(r RuleResult) ruling {
	if j.machine(j.f.Change.Author) {
		r.Outcome = OutcomePass
		r.Reason = "The agent opened the pull request as " + j.f.Change.Author.Login + ", an account of its own."
		return ruling{RuleResult: r}
	}
	for i := range j.f.Pushes {
		if a := j.f.Pushes[i].Pusher; j.machine(a) {
			r.Outcome = OutcomePass
			r.Reason = "The agent pushed as " + a.Login + ", an account of its own."
			return ruling{RuleResult: r}
		}
	}
	r.Outcome = OutcomeFail
	r.Reason = strings.TrimSpace("An agent wrote this under the account of a person, " + orSomebody(j.f.Change.Author.Login) + ".")
	r.Remedy = "Let the agent work through its GitHub App, or register the account in the policy under agents if it is a machine's."
	return ruling{RuleResult: r, title: "The agent must use an account of its own, not a person's"}
}

// machine reports whether an account is a bot's or a registered machine user's.
func (j *judgement) machine(a Actor) bool {
	return a.ID != 0 && (a.Type == TypeBot || j.cat.OfActor(a) != nil)
}
