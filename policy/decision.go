package policy

import "time"

// DecisionVersion is the version of the Decision format.
const DecisionVersion = 1

// Outcome is what one rule yields.
type Outcome string

// The outcomes of a rule, worst first.
const (
	OutcomeFail          Outcome = "fail"
	OutcomePending       Outcome = "pending"
	OutcomePass          Outcome = "pass"
	OutcomeExempt        Outcome = "exempt"
	OutcomeNotApplicable Outcome = "not_applicable"
)

// Verdict is the decision as a whole.
type Verdict string

// The verdicts, worst first. Only VerdictPass ever becomes the conclusion "success".
const (
	// VerdictRepair: somebody must repair something before anything can be decided,
	// for example a policy file that does not parse.
	VerdictRepair Verdict = "repair"
	// VerdictUndecided: a fact could not be read, so nothing was decided.
	VerdictUndecided Verdict = "undecided"
	VerdictFail      Verdict = "fail"
	VerdictWaiting   Verdict = "waiting"
	VerdictPass      Verdict = "pass"
)

// Mode is how a decision is told to GitHub.
type Mode string

// Enforce blocks merges; audit reports under a check name of its own and never blocks.
const (
	ModeEnforce Mode = "enforce"
	ModeAudit   Mode = "audit"
)

// Decision is what Evaluate made of the facts.
//
// Field names and order are part of the evidence format; add, never change.
type Decision struct {
	V int `json:"v"`
	// Engine names the revision of the evaluation as a whole.
	Engine       string `json:"engine"`
	RepositoryID int64  `json:"repository_id"`
	Repository   string `json:"repository"`
	Number       int    `json:"number"`
	HeadSHA      string `json:"head_sha"`
	BaseRef      string `json:"base_ref"`
	GoverningRef string `json:"governing_ref"`
	Mode         Mode   `json:"mode"`
	// Lane is the lane's name, empty for the main lane.
	Lane string `json:"lane"`
	// CheckName is the check run's name: lane and mode decide it.
	CheckName string  `json:"check_name"`
	Verdict   Verdict `json:"verdict"`
	// Final is false only for an undecided verdict that is still being retried.
	Final bool `json:"final"`
	// Title is the one thing to do next, in plain words.
	Title string `json:"title"`
	// Cause says why nothing could be decided; empty unless undecided or repair.
	Cause      string         `json:"cause,omitempty"`
	Authorship Authorship     `json:"authorship"`
	Rules      []RuleResult   `json:"rules"`
	Reviews    []ReviewResult `json:"reviews"`
	// Approvers says who could still approve, in plain words.
	Approvers string `json:"approvers"`
	// Validations are the validations that were looked for, with what was found.
	Validations []ValidationResult `json:"validations"`
	// RecheckAt is when the decision would change by the mere passing of time, because
	// something that has not started by then counts as missing. Absent when it would not.
	RecheckAt time.Time `json:"recheck_at,omitzero"`
	// Visibility is the repository's: who may approve is told in private ones only.
	Visibility string `json:"visibility,omitempty"`
	// Members are the pull requests of a merge group, whose decisions have no number.
	Members []MemberResult `json:"members,omitempty"`
	// Annotations mark lines of the policy file, where the change edits it; at most 50.
	Annotations []Annotation `json:"annotations,omitempty"`
	// PolicyDiff is what the change would make of the policy, by value.
	PolicyDiff []Difference `json:"policy_diff,omitempty"`
	// Emergency is the declaration that exempts the change from its review; absent when
	// nothing rests on one. EmergencyNotes say of other declarations why they do not stand.
	Emergency      *EmergencyResult `json:"emergency,omitempty"`
	EmergencyNotes []string         `json:"emergency_notes,omitempty"`
	// Impostors are checks under one of our names that somebody else posted.
	Impostors []Impostor `json:"impostors,omitempty"`
	// ReviewClock is the time for the first human review; absent when the policy sets none,
	// or when the clock does not run.
	ReviewClock *ReviewClock `json:"review_clock,omitempty"`
	// Confirm says why approvals of this change must be confirmed in a session; empty: they need not.
	Confirm string `json:"confirm,omitempty"`
}

// RuleResult is the result of one rule.
type RuleResult struct {
	Rule     string  `json:"rule"`
	Revision int     `json:"revision"`
	Control  string  `json:"control"` // "CC8.1", …
	Outcome  Outcome `json:"outcome"`
	// Reason says what holds or is missing; Remedy what to do, and who can. Both may
	// contain text from GitHub and are escaped where they are shown.
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
	// Facts names the parts of Facts that the rule used.
	Facts []string `json:"facts"`
	// Unknown is true when the rule failed because a fact is missing or truncated
	// rather than because of what the fact says.
	Unknown bool `json:"unknown,omitempty"`
	// Command is what somebody pastes into a shell to do what Remedy says; empty: nothing.
	// What comes from GitHub in it is quoted.
	Command string `json:"command,omitempty"`
}

// ReviewResult says of one review whether it counted, and why not.
type ReviewResult struct {
	ID      int64  `json:"id"`
	Actor   Actor  `json:"actor"`
	State   string `json:"state"`
	Counted bool   `json:"counted"`
	// Blocks is true for changes requested by an eligible reviewer.
	Blocks bool   `json:"blocks"`
	Why    string `json:"why"`
	// Confirmed is when its author confirmed, in a session, the commit that is judged; zero: they
	// did not, or the policy does not ask.
	Confirmed time.Time `json:"confirmed,omitzero"`
}

// ValidationResult says of one validation that was looked for what was found.
type ValidationResult struct {
	// ID is the validation's id in the policy, or its name when the branch requires it.
	ID string `json:"id"`
	// State is "success" or a named failure: "missing", "failure", "skipped",
	// "neutral", "cancelled", "timed_out", "action_required", "stale", "running",
	// "wrong-source", "forged-source", "unpinned".
	State  string `json:"state"`
	Why    string `json:"why"`
	Source string `json:"source"` // who ran it, in plain words
	// Attempts are the ids of every attempt seen, oldest first.
	Attempts []int64 `json:"attempts"`
}

// Class is the class of authorship.
type Class string

// The classes. ClassUndetected reads "no agent indicator found": it is never a claim
// that a person wrote the change.
const (
	ClassAgent      Class = "agent"
	ClassAssisted   Class = "assisted"
	ClassSuggestion Class = "suggestion"
	ClassAutomation Class = "automation"
	ClassPlatform   Class = "platform"
	ClassUndetected Class = "undetected"
)

// Strength says how far a signal can be trusted.
type Strength string

// The strengths, strongest first.
const (
	StrengthAsserted Strength = "asserted" // by GitHub: author, pusher, App
	StrengthSigned   Strength = "signed"   // a verified signature by the agent's identity
	StrengthLinked   Strength = "linked"   // a link to an agent's session
	StrengthClaimed  Strength = "claimed"  // text anyone can write: author e-mail, trailer
	StrengthWeak     Strength = "weak"     // branch shape, body marker
)

// Signal is one trace of an agent or automation, recorded whether or not it decides.
type Signal struct {
	// Kind is what was matched: "author", "pusher", "committer", "signature",
	// "session", "author-email", "trailer", "branch", "body", "unlisted-bot", …
	Kind     string   `json:"kind"`
	Strength Strength `json:"strength"`
	// Agent is the name in the catalogue.
	Agent string `json:"agent"`
	// Where is "pull request", "branch", "body", "commit <sha>" or "push <sha>".
	Where string `json:"where"`
	// Value is the text or account that matched, cut at 200 bytes.
	Value string `json:"value"`
}

// Authorship is who is behind the change.
type Authorship struct {
	Class   Class    `json:"class"`
	Agents  []string `json:"agents"`
	Signals []Signal `json:"signals"`
	// Authors is the author set; Initiators are the people who asked for the change,
	// and the people who are claimed to have. None of them may approve.
	Authors    []Member `json:"authors"`
	Initiators []Member `json:"initiators"`
	// InitiatorKnown is true when asserted evidence names who asked the agent. It is
	// true when no agent is involved.
	InitiatorKnown bool `json:"initiator_known"`
}

// Member is one account or identity behind the change, with every role it had.
type Member struct {
	Actor Actor `json:"actor"`
	// Email is set when git names an identity that GitHub links to no account.
	Email string `json:"email,omitempty"`
	// Roles are "author", "commit author", "co-author", "committer", "pusher",
	// "assigned the agent", "claimed: co-author", "claimed: requested by", …
	Roles []string `json:"roles"`
}
