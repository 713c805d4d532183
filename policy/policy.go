package policy

import "regexp"

// Path is where a repository keeps its policy, on the base branch.
const Path = ".github/countersign.yml"

// Policy is a parsed policy file. It is made by Parse, which fills the defaults in.
//
// The JSON names equal the YAML names; schema.json is generated from this type and its
// tags. The tags cannot say everything that Parse demands.
type Policy struct {
	Version    int             `json:"version" jsonschema:"required,enum=1" jsonschema_description:"The version of this format: 1."`
	Mode       Mode            `json:"mode" jsonschema:"required,enum=audit,enum=enforce" jsonschema_description:"audit reports under a check of its own and never blocks; enforce blocks."`
	Branches   []string        `json:"branches" jsonschema:"required,minItems=1" jsonschema_description:"Globs of the base branches that are enrolled. * stays within a path segment; ** does not."`
	Lanes      []Lane          `json:"lanes,omitempty" jsonschema_description:"Other base branches, judged under a check run name of their own: countersign (name)."`
	Agents     []Agent         `json:"agents,omitempty" jsonschema_description:"Agents and automations of the organisation, added to the built-in catalogue."`
	Review     ReviewPolicy    `json:"review,omitzero" jsonschema_description:"Who must approve."`
	Validation ValidationRules `json:"validation,omitzero" jsonschema_description:"What must have run and succeeded on the newest commit."`
	Protection ProtectionRules `json:"protection,omitzero" jsonschema_description:"What the branch itself must enforce."`
	// Emergency is nil when the policy allows none.
	Emergency *EmergencyRules `json:"emergency,omitempty" jsonschema_description:"Who may release a change before it was reviewed. Left out: nobody."`
	// Authorisation is nil when the policy does not ask for any.
	Authorisation *Authorisation `json:"authorisation,omitempty" jsonschema_description:"Whether a change must have been asked for beforehand."`
	// Paths ask for more approvals of some changes. They add up: none takes anything away.
	Paths []PathRule `json:"paths,omitempty" jsonschema_description:"More approvals for changes of some files, sizes, labels or branches. They add up."`
	// Rules are the organisation's own, in CEL. They add up.
	Rules []CustomRule `json:"rules,omitempty" jsonschema_description:"Rules of your own, as CEL expressions over the facts."`
	// Repositories are globs of the names (without owner) of the repositories in which an
	// organisation's policy enrols its branches, also those without a policy of their own.
	Repositories []string `json:"repositories,omitempty" jsonschema_description:"In the organisation's policy only: globs of the repositories (without owner) in which it enrols its branches. Left out: it enrols none, and is the floor for those that have a policy."`
	// SLA is nil when the policy sets no times.
	SLA *SLARules `json:"sla,omitempty" jsonschema_description:"How soon people review. Left out: no times are set."`
	// Exceptions is nil when the policy says nothing of them.
	Exceptions *ExceptionRules `json:"exceptions,omitempty" jsonschema_description:"How what did not hold is followed up. Left out: it is on record, and due after a day or a week by its severity."`

	places   map[string]Place // of the keys that the file gives; nil: it comes from no one file
	enrolled []Lane           // of several layers, outermost first; nil: those of the file
	merged   []*Policy        // of several layers, each of them, the organisation's first; nil: it is one file's
}

// Lane gives laxer bases a check run name of their own.
type Lane struct {
	Name     string   `json:"name" jsonschema:"required,pattern=^[a-z0-9-]{1\\,30}$" jsonschema_description:"1 to 30 of a-z, 0-9 and -. Not audit."`
	Branches []string `json:"branches" jsonschema:"required,minItems=1" jsonschema_description:"Globs. No branch may be in two lanes."`
	Mode     Mode     `json:"mode" jsonschema:"required,enum=audit,enum=enforce" jsonschema_description:"enforce: its check run holds. audit: it only reports."`
}

// ReviewPolicy says how many independent humans must approve, by class of authorship.
// The numbers never fall as the traces of agents grow: human <= assisted <= agent, and
// automation <= agent.
type ReviewPolicy struct {
	Agent Approvals `json:"agent,omitzero" jsonschema_description:"Changes by AI agents. At least 1; left out: 1, or more if another class needs more."`
	// Assisted is nil only in a policy made by hand; it then is Agent.
	Assisted   *Approvals `json:"assisted,omitempty" jsonschema_description:"Changes by people with the traces of an AI agent. At least 1; left out: as agent."`
	Automation Approvals  `json:"automation,omitzero" jsonschema_description:"Changes by known automation. Left out: 1."`
	Human      Approvals  `json:"human,omitzero" jsonschema_description:"Changes without an agent indicator. Left out: 1."`
	From       Reviewers  `json:"from,omitzero" jsonschema_description:"Whose approval counts."`
	// UnknownInitiator is the number of approvals added when nobody knows who asked the agent.
	UnknownInitiator *int `json:"unknown_initiator,omitempty" jsonschema:"minimum=0,maximum=10" jsonschema_description:"Approvals added when nobody knows who asked the agent. Left out: 1."`
	// CoAuthors is "exclude", "allow" or "allow_suggestions".
	CoAuthors string `json:"coauthors,omitempty" jsonschema:"enum=exclude,enum=allow,enum=allow_suggestions" jsonschema_description:"Whether a co-author of a commit may approve. allow_suggestions: only somebody whose review suggestion was accepted on GitHub. Left out: exclude."`
	// DecidedBy is "github" (GitHub's own review count must be at least 1) or "countersign".
	DecidedBy string `json:"decided_by,omitempty" jsonschema:"enum=github,enum=countersign" jsonschema_description:"github: the branch must itself require at least 1 approval. countersign: this check alone decides. Left out: github."`
	// Confirm says which changes' approvals must be confirmed in a session, ConfirmAgent and
	// ConfirmSensitive; none: no change's.
	Confirm []string `json:"confirm,omitempty" jsonschema:"enum=agent,enum=sensitive,minItems=1" jsonschema_description:"Where an approval counts only once whoever gave it has signed in and confirmed the commit on the page of the change. agent: changes in which an AI agent took part. sensitive: changes for which paths or validation.protect ask for more. Left out: nowhere."`
}

// Approvals is a number of approvals.
type Approvals struct {
	Approvals *int `json:"approvals,omitempty" jsonschema:"minimum=0,maximum=10" jsonschema_description:"How many people who did not write or request it must approve."`
}

// Reviewers says whose approval counts.
type Reviewers struct {
	// Permission is the least role: "write", "maintain" or "admin".
	Permission string `json:"permission,omitempty" jsonschema:"enum=write,enum=maintain,enum=admin" jsonschema_description:"The least role of a reviewer. Left out: write."`
	// Teams (org/slug): when given, a reviewer must be in one of them.
	Teams []string `json:"teams,omitempty" jsonschema_description:"organisation/team; a reviewer must be in one of them. Left out: anybody with the role."`
}

// ValidationRules says which validations must have succeeded on the head.
type ValidationRules struct {
	// Required left out means: what the branch requires, less our own check.
	Required []RequiredValidation `json:"required,omitempty" jsonschema:"minItems=1" jsonschema_description:"Left out: the checks that the branch requires, less our own."`
	// Protect are globs of the validators' own files.
	Protect []string `json:"protect,omitempty" jsonschema:"minItems=1" jsonschema_description:"Globs of files that an owner must approve. The policy, CODEOWNERS, .github/workflows/** and .github/actions/** always are among them."`
	// Owners are the teams (org/slug) who must approve a change to them. Left out:
	// people with the role maintain or admin.
	Owners []string `json:"owners,omitempty" jsonschema_description:"organisation/team. Left out: people with the role maintain or admin."`

	andBranch bool // beside Required, what the branch requires: see Merge
}

// OfBranch says whether the checks that the branch itself requires, less our own, are asked for.
func (v ValidationRules) OfBranch() bool { return len(v.Required) == 0 || v.andBranch }

// RequiredValidation identifies one validation by who runs it, never by name alone.
type RequiredValidation struct {
	ID   string `json:"id" jsonschema:"required,pattern=^[A-Za-z0-9._-]{1\\,60}$" jsonschema_description:"A short name for people; unique."`
	Kind string `json:"kind,omitempty" jsonschema:"enum=test,enum=security,enum=build,enum=lint,enum=other" jsonschema_description:"What it is, for the documents of the evidence. Left out: it is not said."`
	// App is the App's slug; AppID its numeric id, which wins when both are given.
	App   string `json:"app,omitempty" jsonschema_description:"The App's slug: github-actions, or another App's."`
	AppID int64  `json:"app_id,omitempty" jsonschema:"minimum=1" jsonschema_description:"The App's numeric id; wins over app."`
	// Check is the check run's name, for Apps other than GitHub Actions.
	Check string `json:"check,omitempty" jsonschema_description:"The name of the check run, for Apps other than github-actions."`
	// Workflow is the workflow file's path; Job the job's name. Both for GitHub Actions.
	Workflow string `json:"workflow,omitempty" jsonschema_description:"The workflow file, for example .github/workflows/ci.yml."`
	Job      string `json:"job,omitempty" jsonschema_description:"The job, as the list of checks shows it."`
	// Event is the event that must have started the run; left out: "pull_request",
	// "pull_request_target", "push" and "merge_group" count.
	Event string `json:"event,omitempty" jsonschema:"enum=pull_request,enum=pull_request_target,enum=push,enum=merge_group,enum=workflow_dispatch,enum=workflow_run,enum=schedule,enum=dynamic" jsonschema_description:"Left out: pull_request, pull_request_target, push and merge_group count."`
	// Repository holds the workflow (owner/name); left out: the repository itself.
	Repository string `json:"repository,omitempty" jsonschema_description:"owner/name of the workflow. Left out: the repository itself."`
	// Status is a commit status's context; Creator the login of who must set it.
	Status  string `json:"status,omitempty" jsonschema_description:"The context of a commit status."`
	Creator string `json:"creator,omitempty" jsonschema_description:"The login that must have set the commit status, with [bot] for an App's."`
}

// Authorisation says whether a change must have been asked for before it was begun.
type Authorisation struct {
	// Pattern is the shape of a ticket (RE2), looked for in the title, the body and the name
	// of the head branch. Left out: only an issue that the pull request closes counts.
	Pattern string `json:"pattern,omitempty" jsonschema_description:"Regular expression (RE2) of a ticket in the title, the body or the name of the branch, for example [A-Z]+-[0-9]+. Left out: an issue that the pull request closes."`
	// Required makes the rule hold a change; else it only reports.
	Required bool `json:"required,omitempty" jsonschema_description:"true: a change without it is held. Left out: it is only reported."`

	tickets *regexp.Regexp // of Pattern; nil: none
}

// ProtectionRules says what the branch must enforce.
type ProtectionRules struct {
	// UnreadableBypass is "fail", "attested" or "detect".
	UnreadableBypass string `json:"unreadable_bypass,omitempty" jsonschema:"enum=fail,enum=attested,enum=detect" jsonschema_description:"What a bypass list that cannot be read means. fail fails; attested takes the list as an owner of the organisation attested it, and fails without; detect passes and says that bypasses are only detected afterwards. Left out: attested."`
	// AllowBypass are the actors who may bypass.
	AllowBypass []AllowedBypass `json:"allow_bypass,omitempty" jsonschema_description:"Who may be on a bypass list. Left out: nobody."`
}

// AllowedBypass is an actor who may be on a bypass list.
type AllowedBypass struct {
	Type string `json:"type" jsonschema:"required,enum=User,enum=Team,enum=Integration,enum=RepositoryRole,enum=OrganizationAdmin,enum=DeployKey,enum=EnterpriseOwner" jsonschema_description:"What GitHub calls the kind of actor."`
	ID   int64  `json:"id" jsonschema:"minimum=1" jsonschema_description:"The numeric id; not for OrganizationAdmin, DeployKey and EnterpriseOwner."`
	// Mode left out allows "pull_request" and "always"; "exempt" must be named.
	Mode string `json:"mode,omitempty" jsonschema:"enum=pull_request,enum=always,enum=exempt" jsonschema_description:"The widest mode. Left out: always, which includes pull_request."`
}

// PathRule asks for more approvals of changes to which all its conditions apply: Match,
// LargerThan, Labels and Branches, of which it has at least one. It has Approvals, Teams or
// both. It never takes anything away from what else is asked.
type PathRule struct {
	// Match are globs; a file matches by its path or, after a rename, its previous path.
	Match []string `json:"match,omitempty" jsonschema:"minItems=1" jsonschema_description:"Globs; at least one changed file must match, by either path of a rename."`
	// LargerThan is a number of changed lines, added and deleted, of the whole change.
	LargerThan *int `json:"larger_than,omitempty" jsonschema:"minimum=0,maximum=1000000" jsonschema_description:"The change must have more changed lines (added and deleted, of all files) than this."`
	// Labels are whole labels. One of them is enough.
	Labels []string `json:"labels,omitempty" jsonschema:"minItems=1" jsonschema_description:"The pull request must have one of these labels."`
	// Branches are globs of the branch by whose rules the change is judged.
	Branches []string `json:"branches,omitempty" jsonschema:"minItems=1" jsonschema_description:"Globs; the branch must match one."`
	// Approvals is how many approvals such a change needs in all; nil adds none.
	Approvals *int `json:"approvals,omitempty" jsonschema:"minimum=1,maximum=10" jsonschema_description:"How many independent approvals such a change needs in all."`
	// Teams (org/slug): members of one of them must be among those who approve.
	Teams []string `json:"teams,omitempty" jsonschema:"minItems=1" jsonschema_description:"organisation/team; members of these must be among those who approve."`
	// FromTeams is how many of them; nil reads as 1 where Teams is given.
	FromTeams *int `json:"from_teams,omitempty" jsonschema:"minimum=1,maximum=10" jsonschema_description:"How many of the approvals must be by members of the teams. Left out: 1."`
}

// Agent is one entry of the agent catalogue: an agent, an assistant or an automation,
// with everything by which it is recognised. Text shapes (Trailers, Branches, Sessions,
// Names) are written in the small language that catalogue_shape.go describes.
type Agent struct {
	Name string `json:"name" jsonschema:"required" jsonschema_description:"What decisions and lists call it; unique, also beside the built-in catalogue."`
	// Kind is "ai-agent" or "automation". The built-in catalogue also uses "platform",
	// for GitHub's own accounts; a policy cannot.
	Kind     string `json:"kind" jsonschema:"required,enum=ai-agent,enum=automation" jsonschema_description:"ai-agent: it writes code by a model. automation: it does the same thing each time, like a dependency updater."`
	Vendor   string `json:"vendor,omitempty" jsonschema_description:"Who makes it. What one vendor made, no validation by the same vendor counts for."`
	Provider string `json:"provider,omitempty" jsonschema_description:"Who runs its language model: the subprocessor, for your list of these."` // LLM provider: the subprocessor
	// Local is true for a tool that runs on a person's machine under the person's
	// account: its sessions make a change assisted, not agent-authored.
	Local bool `json:"local,omitempty" jsonschema_description:"true: it runs on a person's machine and under their account, so its sessions make a change assisted. Left out: false."`
	// Suggests is true for a review product: its co-author trailer means that a person
	// accepted a suggestion.
	Suggests bool `json:"suggests,omitempty" jsonschema_description:"true: it reviews, and as a co-author it means that a person accepted its suggestion. Left out: false."`
	// IDs are numeric account ids: what counts. Logins are bot accounts when they end
	// in "[bot]", else user accounts; they count alone only when GitHub says Bot, or as a claim.
	IDs    []int64  `json:"ids,omitempty" jsonschema_description:"Numeric ids of its accounts: what is sure. List these before anything else."`
	Logins []string `json:"logins,omitempty" jsonschema_description:"Its accounts by login, with [bot] for an App. A login can change hands; an id cannot."`
	Apps   []string `json:"apps,omitempty" jsonschema_description:"Slugs of its Apps."` // App slugs
	// Emails are whole addresses. Those of the form <id>+<login>@users.noreply.github.com
	// need no entry: they are matched by their id.
	Emails   []string `json:"emails,omitempty" jsonschema_description:"Whole addresses of authors or committers. Anybody can write them, so they only add scrutiny."`
	Names    []string `json:"names,omitempty" jsonschema_description:"Shapes of the name of an author or committer."`             // shapes of an author or committer name
	Trailers []string `json:"trailers,omitempty" jsonschema_description:"Shapes of trailers of a commit message, as Key: shape."` // "Key: shape"
	Branches []string `json:"branches,omitempty" jsonschema_description:"Shapes of whole names of branches."`                     // shapes of a whole branch name
	Titles   []string `json:"titles,omitempty" jsonschema_description:"Beginnings of a title, or of the headline of a commit."`   // beginnings of a title or commit headline
	Labels   []string `json:"labels,omitempty" jsonschema_description:"Whole labels."`                                            // whole labels
	Body     []string `json:"body,omitempty" jsonschema_description:"Beginnings of a line of the description."`                   // beginnings of a line of the body
	// Sessions are shapes of a session link without its scheme, or "Key: shape" for a
	// trailer that carries a session.
	Sessions []string `json:"sessions,omitempty" jsonschema_description:"Shapes of links to a session without their scheme, or Key: shape of a trailer that carries one."`
	// Mentions are further words after an "@" by which somebody calls the agent to work, beside
	// its logins and the slugs of its Apps.
	Mentions []string `json:"mentions,omitempty" jsonschema_description:"Further words after an @ by which somebody calls it to work, beside its logins and Apps."`
}
