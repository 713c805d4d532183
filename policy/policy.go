package policy

// Path is where a repository keeps its policy, on the base branch.
const Path = ".github/countersign.yml"

// Policy is a parsed policy file. It is made by Parse, which fills the defaults in.
//
// The JSON names equal the YAML names; the JSON Schema is generated from this type.
type Policy struct {
	Version    int             `json:"version"`
	Mode       Mode            `json:"mode"`
	Branches   []string        `json:"branches"`
	Lanes      []Lane          `json:"lanes,omitempty"`
	Agents     []Agent         `json:"agents,omitempty"`
	Review     ReviewPolicy    `json:"review,omitzero"`
	Validation ValidationRules `json:"validation,omitzero"`
	Protection ProtectionRules `json:"protection,omitzero"`
}

// Lane gives laxer bases a check run name of their own.
type Lane struct {
	Name     string   `json:"name"`
	Branches []string `json:"branches"`
	Mode     Mode     `json:"mode"`
}

// ReviewPolicy says how many independent humans must approve, by class of authorship.
type ReviewPolicy struct {
	Agent      Approvals  `json:"agent,omitzero"`
	Assisted   *Approvals `json:"assisted,omitempty"`
	Automation Approvals  `json:"automation,omitzero"`
	Human      Approvals  `json:"human,omitzero"`
	From       Reviewers  `json:"from,omitzero"`
	// UnknownInitiator is the number of approvals added when nobody knows who asked the agent.
	UnknownInitiator *int `json:"unknown_initiator,omitempty"`
	// DecidedBy is "github" (GitHub's own review count must be at least 1) or "countersign".
	DecidedBy string `json:"decided_by,omitempty"`
}

// Approvals is a number of approvals.
type Approvals struct {
	Approvals *int `json:"approvals,omitempty"`
}

// Reviewers says whose approval counts.
type Reviewers struct {
	// Permission is the least role: "write", "maintain" or "admin".
	Permission string `json:"permission,omitempty"`
	// Teams (org/slug): when given, a reviewer must be in one of them.
	Teams []string `json:"teams,omitempty"`
}

// ValidationRules says which validations must have succeeded on the head.
type ValidationRules struct {
	// Required left out means: what the branch requires, less our own check.
	Required []RequiredValidation `json:"required,omitempty"`
	// Protect are globs of the validators' own files.
	Protect []string `json:"protect,omitempty"`
	// Owners are the teams (org/slug) who must approve a change to them. Left out:
	// people with the role maintain or admin.
	Owners []string `json:"owners,omitempty"`
}

// RequiredValidation identifies one validation by who runs it, never by name alone.
type RequiredValidation struct {
	ID   string `json:"id"`
	Kind string `json:"kind,omitempty"` // "test", "security", "build", "lint", "other"
	// App is the App's slug; AppID its numeric id, which wins when both are given.
	App   string `json:"app,omitempty"`
	AppID int64  `json:"app_id,omitempty"`
	// Check is the check run's name, for Apps other than GitHub Actions.
	Check string `json:"check,omitempty"`
	// Workflow is the workflow file's path; Job the job's name. Both for GitHub Actions.
	Workflow string `json:"workflow,omitempty"`
	Job      string `json:"job,omitempty"`
	// Event is the event that must have started the run; left out: "pull_request",
	// "pull_request_target", "push" and "merge_group" count.
	Event string `json:"event,omitempty"`
	// Repository holds the workflow (owner/name); left out: the repository itself.
	Repository string `json:"repository,omitempty"`
	// Status is a commit status's context; Creator the login of who must set it.
	Status  string `json:"status,omitempty"`
	Creator string `json:"creator,omitempty"`
}

// ProtectionRules says what the branch must enforce.
type ProtectionRules struct {
	// UnreadableBypass is "fail", "attested" or "detect".
	UnreadableBypass string `json:"unreadable_bypass,omitempty"`
	// AllowBypass are the actors who may bypass.
	AllowBypass []AllowedBypass `json:"allow_bypass,omitempty"`
}

// AllowedBypass is an actor who may be on a bypass list.
type AllowedBypass struct {
	Type string `json:"type"`
	ID   int64  `json:"id"`
	// Mode left out allows "pull_request" and "always"; "exempt" must be named.
	Mode string `json:"mode,omitempty"`
}

// Agent is one entry of the agent catalogue: an agent, an assistant or an automation,
// with everything by which it is recognised. Text shapes (Trailers, Branches, Sessions,
// Names) are written in the small language that catalogue_shape.go describes.
type Agent struct {
	Name string `json:"name"`
	// Kind is "ai-agent" or "automation". The built-in catalogue also uses "platform",
	// for GitHub's own accounts; a policy cannot.
	Kind     string `json:"kind"`
	Vendor   string `json:"vendor,omitempty"`
	Provider string `json:"provider,omitempty"` // LLM provider: the subprocessor
	// Local is true for a tool that runs on a person's machine under the person's
	// account: its sessions make a change assisted, not agent-authored.
	Local bool `json:"local,omitempty"`
	// Suggests is true for a review product: its co-author trailer means that a person
	// accepted a suggestion.
	Suggests bool `json:"suggests,omitempty"`
	// IDs are numeric account ids: what counts. Logins are bot accounts when they end
	// in "[bot]", else user accounts; they count alone only when GitHub says Bot, or as a claim.
	IDs    []int64  `json:"ids,omitempty"`
	Logins []string `json:"logins,omitempty"`
	Apps   []string `json:"apps,omitempty"` // App slugs
	// Emails are whole addresses. Those of the form <id>+<login>@users.noreply.github.com
	// need no entry: they are matched by their id.
	Emails   []string `json:"emails,omitempty"`
	Names    []string `json:"names,omitempty"`    // shapes of an author or committer name
	Trailers []string `json:"trailers,omitempty"` // "Key: shape"
	Branches []string `json:"branches,omitempty"` // shapes of a whole branch name
	Titles   []string `json:"titles,omitempty"`   // beginnings of a title or commit headline
	Labels   []string `json:"labels,omitempty"`   // whole labels
	Body     []string `json:"body,omitempty"`     // beginnings of a line of the body
	// Sessions are shapes of a session link without its scheme, or "Key: shape" for a
	// trailer that carries a session.
	Sessions []string `json:"sessions,omitempty"`
}
