package policy

import "time"

// FactsVersion is the version of the Facts format. Decisions are re-performed for
// years from stored facts: fields are added, never changed, renamed or reordered.
const FactsVersion = 1

// Facts is everything that a rule may look at, about one pull request at one head
// SHA. It is plain data: the same Facts always give the same Decision.
//
// Field names and order are part of the evidence format; add, never change.
// A zero value always reads as "not known", and not known never passes.
type Facts struct {
	// V is FactsVersion at the time of collection.
	V int `json:"v"`
	// CollectedAt is when the reading began, UTC, to the microsecond.
	CollectedAt time.Time `json:"collected_at"`
	// EvaluatedAt is the only clock that a rule may use, UTC, to the microsecond.
	EvaluatedAt time.Time `json:"evaluated_at"`

	// App is the App that posts our check run: what a required check must be pinned to.
	App         App              `json:"app"`
	Repository  Repository       `json:"repository"`
	Change      Change           `json:"change"`
	Commits     List[Commit]     `json:"commits"`
	Pushes      []Push           `json:"pushes"`
	Assignments List[Assignment] `json:"assignments"`
	Reviews     List[Review]     `json:"reviews"`
	Validations List[Validation] `json:"validations"`
	Files       List[File]       `json:"files"`
	Protection  Protection       `json:"protection"`
	// Teams are the teams that the policy names, expanded to their members.
	Teams  []Team        `json:"teams"`
	Policy []PolicyLayer `json:"policy"`
	// Sources says where each part was read, in reading order.
	Sources []Source `json:"sources"`
	// Workflows are the workflow files of runs that took them from the head, or from a
	// branch that does not govern, and not from what would be merged.
	Workflows []WorkflowFile `json:"workflows,omitempty"`
	// Earlier are heads that were approved and are not the head any more, with what was
	// recorded of them, newest approval first.
	Earlier []EarlierHead `json:"earlier,omitempty"`
	// Calls are comments and assignments by which somebody called an agent, in order of receipt.
	Calls []Call `json:"calls,omitempty"`
	// Issues are the issues that the pull request closes; nil in facts from before they were read.
	Issues *List[Issue] `json:"issues,omitempty"`
	// Broken is a layer of the policy that could not be used: the change is judged by the
	// last policy that could be, and does not pass. Nil: the policy is as it stands.
	Broken *BrokenLayer `json:"broken_policy,omitempty"`
	// Proposed is the policy file as the change would leave it; nil when it leaves it alone.
	Proposed *ProposedPolicy `json:"proposed_policy,omitempty"`
	// Declarations are the emergency commands on the pull request, in order of receipt.
	Declarations []Declaration `json:"declarations,omitempty"`
	// Stack is how the branches moved while the head could be tested with the branch that it
	// goes to, and that does not govern; nil where no run tests the head with such a branch.
	Stack *Stack `json:"stack,omitempty"`
	// Confirmations are those of commits of the pull request, in order of receipt.
	Confirmations []Confirmation `json:"confirmations,omitempty"`
}

// Stack is how the two branches of a stacked pull request moved, by GitHub's own list of updates.
type Stack struct {
	// Pushed is the update that first made the head the tip of its branch; nil: GitHub lists none.
	Pushed *RefUpdate `json:"pushed"`
	// Base are the updates of BaseRef since then, and the last one before, oldest first.
	Base List[RefUpdate] `json:"base"`
	// OtherPulls are other pull requests that the head was proposed by, as deliveries said; sorted.
	OtherPulls []int `json:"other_pulls,omitempty"`
}

// RefUpdate is one update of a branch, as GitHub's activity lists it.
type RefUpdate struct {
	ID     int64     `json:"id"`
	Type   string    `json:"type"`   // UpdatePush, UpdateForcePush, …
	Before string    `json:"before"` // zeros: it was made
	After  string    `json:"after"`  // zeros: it was deleted
	At     time.Time `json:"at"`
}

// BrokenLayer is a policy file that could not be used, with everything that is wrong with it.
type BrokenLayer struct {
	Layer    PolicyLayer `json:"layer"`
	Problems []Problem   `json:"problems"`
}

// ProposedPolicy is the policy file of the repository at the head.
type ProposedPolicy struct {
	BlobSHA string `json:"blob_sha"`
	// Source is the file; empty when the change removes it, or when it is Unreadable.
	Source string `json:"source"`
	// Removed is true when there is no such file any more.
	Removed bool `json:"removed,omitempty"`
	// Unreadable says why there is something that is not a file of text.
	Unreadable string `json:"unreadable,omitempty"`
}

// EarlierHead is what was recorded of a head that was approved: it tells whether an approval
// of it covers the head as well.
type EarlierHead struct {
	SHA     string `json:"sha"`
	BaseRef string `json:"base_ref"` // the branch that the pull request targeted then
	// RecordID is the decision that the lists come from.
	RecordID string       `json:"record_id"`
	Files    List[File]   `json:"files"`
	Commits  List[Commit] `json:"commits"`
}

// Call is somebody calling an agent to work: a comment that mentions it, or an issue that was
// assigned to it.
type Call struct {
	Seq        int64     `json:"seq"` // receipt sequence
	ReceivedAt time.Time `json:"received_at"`
	By         Actor     `json:"by"`
	// Agent is the name in the catalogue.
	Agent string `json:"agent"`
	// Number is the issue or pull request that it was in.
	Number int `json:"number"`
	// Kind is "comment" or "assignment".
	Kind string `json:"kind"`
}

// Issue is an issue that the pull request closes.
type Issue struct {
	Repository string `json:"repository"`
	Number     int    `json:"number"`
	Author     Actor  `json:"author"`
	// CreatedAt is GitHub's own clock.
	CreatedAt time.Time `json:"created_at"`
}

// WorkflowFile is a workflow file of the repository in two places.
type WorkflowFile struct {
	Path string `json:"path"`
	// HeadBlob and BaseBlob are its blob's SHA at the head and at the tip of the
	// governing base; empty where there is no such file.
	HeadBlob string `json:"head_blob"`
	BaseBlob string `json:"base_blob"`
}

// List is a list that says whether it is whole. The zero value is not whole, so a
// list that nobody filled cannot pass for an empty one.
type List[T any] struct {
	Items []T `json:"items"`
	// Complete is true when Items is everything that GitHub holds.
	Complete bool `json:"complete"`
	// Total is the number that GitHub reports, 0 when it reports none.
	Total int `json:"total"`
	// Why says why the list is not complete, for a person to read.
	Why string `json:"why,omitempty"`
}

// ActorType is GitHub's type of an account.
type ActorType string

// The account types that GitHub reports. An empty type is not known.
const (
	TypeUser           ActorType = "User"
	TypeBot            ActorType = "Bot"
	TypeOrganization   ActorType = "Organization"
	TypeMannequin      ActorType = "Mannequin"
	TypeEnterpriseUser ActorType = "EnterpriseUserAccount"
	// TypeGhost is an account that was deleted.
	TypeGhost ActorType = "Ghost"
)

// Actor is an account as GitHub asserts it. Accounts are compared by ID, never by
// login: logins are renamed, and used again by somebody else.
type Actor struct {
	// ID is GitHub's numeric id, 0 when GitHub did not say.
	ID int64 `json:"id"`
	// Login is for people to read. A bot's login carries no "[bot]" suffix here.
	Login string    `json:"login"`
	Type  ActorType `json:"type"`
}

// App is a GitHub App. The zero value means that no App is involved.
type App struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
}

// Repository is the repository that holds the base branch.
type Repository struct {
	ID             int64  `json:"id"`
	Name           string `json:"name"` // owner/name
	Owner          Actor  `json:"owner"`
	InstallationID int64  `json:"installation_id"`
	// Visibility is "public", "private" or "internal"; empty is not known.
	Visibility    string `json:"visibility"`
	DefaultBranch string `json:"default_branch"`
	Archived      bool   `json:"archived"`
}

// Change is the pull request.
type Change struct {
	// ID is GitHub's database id of the pull request.
	ID         int64  `json:"id"`
	Number     int    `json:"number"`
	Title      string `json:"title"`
	BodySHA256 string `json:"body_sha256"`
	// Markers are the lines of the body in which an agent signal was looked for and
	// found; the rest of the body is not stored.
	Markers []string `json:"markers"`
	Author  Actor    `json:"author"`
	Labels  []string `json:"labels"`
	Draft   bool     `json:"draft"`
	// State is "open", "closed" or "merged".
	State string `json:"state"`
	// BaseRef is the branch that the pull request targets; BaseSHA its tip.
	BaseRef string `json:"base_ref"`
	BaseSHA string `json:"base_sha"`
	// GoverningRef is the branch by whose rules GitHub judges the pull request: the
	// base of its stack when it is stacked, else BaseRef.
	GoverningRef string `json:"governing_ref"`
	GoverningSHA string `json:"governing_sha"`
	HeadRef      string `json:"head_ref"`
	HeadSHA      string `json:"head_sha"`
	// HeadRepository is owner/name of the head; empty when it was deleted.
	HeadRepository string    `json:"head_repository"`
	Fork           bool      `json:"fork"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	// AutoMergeBy is who enabled auto-merge; zero when it is off.
	AutoMergeBy Actor `json:"auto_merge_by"`
	// Tickets are what the title, the body or the head branch hold of the shape that the
	// policy gives for a ticket, sorted, each once, at most 10.
	Tickets []string `json:"tickets,omitempty"`
	// OtherBases are the branches beside BaseRef that the head was proposed for, by this or
	// another pull request, as deliveries said; sorted. GitHub tests the merge with the branch of
	// the pull request, by the workflow of that merge, and reports on the head alone.
	OtherBases []string `json:"other_bases,omitempty"`
	// ReadyAt is when the delivery came that showed it ready for review: opened, opened again
	// or not a draft any more. Zero while it is a draft, or when that is not known.
	ReadyAt time.Time `json:"ready_at,omitzero"`
}

// Commit is one commit of the pull request, oldest first in Facts.
type Commit struct {
	SHA     string   `json:"sha"`
	Tree    string   `json:"tree"`
	Parents []string `json:"parents"`
	// Headline is the first line of the message.
	Headline string `json:"headline"`
	// Trailers are the lines of the last paragraph that read "Key: value", and bare
	// session links anywhere in the message.
	Trailers  []Trailer `json:"trailers"`
	Author    Identity  `json:"author"`
	Committer Identity  `json:"committer"`
	// CoAuthors are the further authors that GitHub reads from the trailers.
	CoAuthors []Identity `json:"co_authors"`
	// CoAuthorsComplete is false when GitHub holds more than were read.
	CoAuthorsComplete bool      `json:"co_authors_complete"`
	Signature         Signature `json:"signature"`
}

// Identity is an author or committer as git records it, with the account that
// GitHub links to its e-mail address. Name and Email are whatever the writer put.
type Identity struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	// Account is zero when GitHub links none.
	Account Actor `json:"account"`
}

// Trailer is one "Key: value" line of a commit message.
type Trailer struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Signature is GitHub's verdict on a commit's signature.
type Signature struct {
	// State is GitHub's GitSignatureState in lower case ("valid", "unsigned", …).
	State  string `json:"state"`
	Signer Actor  `json:"signer"`
	// ByGitHub is true when GitHub itself signed (web-flow).
	ByGitHub bool `json:"by_github"`
}

// Push is one update of the head branch, as its delivery said when it came in.
type Push struct {
	// Seq is our receipt sequence: the only order that pushes have.
	Seq        int64     `json:"seq"`
	ReceivedAt time.Time `json:"received_at"`
	Before     string    `json:"before"`
	After      string    `json:"after"`
	Forced     bool      `json:"forced"`
	// Pusher is the sender of the delivery.
	Pusher Actor `json:"pusher"`
}

// Assignment is an assignment or un-assignment event: who gave the work to whom.
type Assignment struct {
	By       Actor     `json:"by"`
	Assignee Actor     `json:"assignee"`
	Removed  bool      `json:"removed"`
	At       time.Time `json:"at"`
}

// Review is one review, as GitHub reports it now, with what its delivery said.
type Review struct {
	ID    int64 `json:"id"`
	Actor Actor `json:"actor"`
	// State is "approved", "changes_requested", "commented", "dismissed" or "pending".
	State string `json:"state"`
	// CommitSHA is what the API says now. GitHub re-points it; see Received.
	CommitSHA   string    `json:"commit_sha"`
	SubmittedAt time.Time `json:"submitted_at"`
	Edited      bool      `json:"edited"`
	// Received is what the delivery said; nil when none ever reached us.
	Received *ReviewReceipt `json:"received"`
	// Permission is the reviewer's role on the repository now ("admin", "maintain",
	// "write", "triage", "read", "none"); empty is not known. PermissionThen is the
	// same, read at the first evaluation after the review arrived.
	Permission     string `json:"permission"`
	PermissionThen string `json:"permission_then"`
	// DismissedBy is who dismissed it; zero when nobody did, or when it is not known.
	DismissedBy Actor `json:"dismissed_by"`
	// DismissedState is the review's state before it was dismissed; empty when it was
	// not, or when it is not known.
	DismissedState string `json:"dismissed_state,omitempty"`
}

// ReviewReceipt is a review as its "submitted" delivery described it.
type ReviewReceipt struct {
	Seq        int64     `json:"seq"`
	ReceivedAt time.Time `json:"received_at"`
	DeliveryID string    `json:"delivery_id"`
	State      string    `json:"state"`
	CommitSHA  string    `json:"commit_sha"`
	// HeadSHA is the pull request's head in the same delivery.
	HeadSHA string `json:"head_sha"`
	// BaseRef is the branch that it targeted in the same delivery; empty in facts from
	// before this was kept.
	BaseRef string `json:"base_ref,omitempty"`
}

// The kinds of Validation.
const (
	KindCheckRun = "check_run"
	KindStatus   = "status"
)

// Validation is one attempt of one check run or commit status on the head, our own
// check runs left out. Attempts of the same thing are ordered by ID.
type Validation struct {
	Kind string `json:"kind"`
	// ID is GitHub's numeric id, which grows with every attempt.
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// App is who posted a check run: asserted by GitHub, unlike the name.
	App App `json:"app"`
	// Creator is who set a commit status; zero for check runs.
	Creator Actor  `json:"creator"`
	HeadSHA string `json:"head_sha"`
	// Status is "queued", "in_progress", "completed", …; Conclusion is GitHub's word
	// once completed ("success", "failure", "skipped", …), lower case. A commit
	// status has "completed" with its state as conclusion, or "in_progress" when pending.
	Status      string    `json:"status"`
	Conclusion  string    `json:"conclusion"`
	StartedAt   time.Time `json:"started_at"`
	CompletedAt time.Time `json:"completed_at"`
	// Required is GitHub's own view: the base branch requires it.
	Required bool `json:"required"`
	// Job is the Actions job behind the check run; nil when there is none. A check
	// run of the Actions App without a job is forged.
	Job *Job `json:"job"`
}

// Job is one job of one attempt of a GitHub Actions run.
type Job struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	RunID   int64  `json:"run_id"`
	Attempt int    `json:"attempt"`
	// Repository holds the workflow file (owner/name); Path is the file in it.
	Repository string `json:"repository"`
	Path       string `json:"path"`
	// Event is what started the run ("pull_request", "push", …).
	Event string `json:"event"`
	Steps int    `json:"steps"`
	// Actor started the run; TriggeringActor started this attempt.
	Actor           Actor `json:"actor"`
	TriggeringActor Actor `json:"triggering_actor"`
}

// File is one changed file of the pull request's net diff.
type File struct {
	Path string `json:"path"`
	// Previous is the path before a rename, else empty. Rules match both.
	Previous string `json:"previous"`
	// Status is GitHub's word: "added", "modified", "removed", "renamed", …
	Status string `json:"status"`
	// Blob is the head blob's SHA.
	Blob string `json:"blob"`
	// PatchSHA256 digests the patch without hunk positions; empty when GitHub gave none.
	PatchSHA256 string `json:"patch_sha256"`
	Additions   int    `json:"additions"`
	Deletions   int    `json:"deletions"`
	// Mode is git's file mode at the head ("100644", "100755", "120000", …); empty when it
	// was not read, which it only is where an earlier approval may cover the head.
	Mode string `json:"mode,omitempty"`
}

// Protection is what GitHub enforces on the governing base.
type Protection struct {
	Ref string `json:"ref"`
	// Readable is true when classic protection and rules could both be read.
	Readable bool   `json:"readable"`
	Why      string `json:"why,omitempty"`
	// Classic is classic branch protection; nil when the branch has none.
	Classic *ClassicProtection `json:"classic"`
	// Rules are the active rules of every ruleset level that match the branch.
	Rules List[Rule] `json:"rules"`
	// Bypass has one entry for each ruleset in Rules, and one for Classic.
	Bypass []Bypass `json:"bypass"`
}

// ClassicProtection is a classic branch protection rule.
type ClassicProtection struct {
	Pattern            string          `json:"pattern"`
	AdminsBound        bool            `json:"admins_bound"`
	AllowsForcePushes  bool            `json:"allows_force_pushes"`
	AllowsDeletions    bool            `json:"allows_deletions"`
	RequiresReviews    bool            `json:"requires_reviews"` // pull request with reviews
	RequiredReviews    int             `json:"required_reviews"`
	RequiresChecks     bool            `json:"requires_checks"`
	RequiresUpToDate   bool            `json:"requires_up_to_date"`
	RequiresLastPush   bool            `json:"requires_last_push_approval"`
	RequiresCodeOwners bool            `json:"requires_code_owners"`
	DismissesStale     bool            `json:"dismisses_stale"`
	RequiredChecks     []RequiredCheck `json:"required_checks"`
	RestrictsPushes    bool            `json:"restricts_pushes"`
	Locked             bool            `json:"locked"`
	AllowancesComplete bool            `json:"allowances_complete"`
}

// RequiredCheck is a check that a base requires. AppID 0 means "from any source".
type RequiredCheck struct {
	Name  string `json:"name"`
	AppID int64  `json:"app_id"`
}

// Rule is one active rule of a ruleset, with the parameters that we understand.
type Rule struct {
	// Type is GitHub's rule type: "pull_request", "required_status_checks",
	// "non_fast_forward", "deletion", "merge_queue", …; types we do not know are kept.
	Type      string `json:"type"`
	RulesetID int64  `json:"ruleset_id"`
	// SourceType is "Repository", "Organization" or "Enterprise"; Source its name.
	SourceType       string          `json:"source_type"`
	Source           string          `json:"source"`
	RequiredReviews  int             `json:"required_reviews,omitempty"`
	RequiresUpToDate bool            `json:"requires_up_to_date,omitempty"`
	RequiredChecks   []RequiredCheck `json:"required_checks,omitempty"`
	MergeMethods     []string        `json:"merge_methods,omitempty"`
}

// BypassState says what is known of a bypass list.
type BypassState string

// A bypass list that could not be read is never the same as an empty one.
const (
	BypassUnreadable BypassState = "unreadable"
	BypassNone       BypassState = "none"
	BypassThese      BypassState = "these"
)

// Bypass is the bypass list of one ruleset, or of classic protection (RulesetID 0).
type Bypass struct {
	RulesetID int64         `json:"ruleset_id"`
	Source    string        `json:"source"`
	State     BypassState   `json:"state"`
	Actors    []BypassActor `json:"actors"`
	// Why says why it is unreadable.
	Why string `json:"why,omitempty"`
	// UpdatedAt is GitHub's own time of the ruleset's last change; zero for classic
	// protection, and when it is not known.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// Attested is the newest attestation of a list that is unreadable; nil when there is none.
	Attested *AttestedBypass `json:"attested,omitempty"`
}

// AttestedBypass is a bypass list as an owner of the organisation showed it.
type AttestedBypass struct {
	By Actor     `json:"by"`
	At time.Time `json:"at"`
	// UpdatedAt is the ruleset's last change when it was shown.
	UpdatedAt time.Time     `json:"updated_at"`
	Actors    []BypassActor `json:"actors"` // empty: nobody
	// VoidAt is when a delivery said that the ruleset was changed since; zero: none did.
	VoidAt time.Time `json:"void_at,omitzero"`
	// LeafIndex is its place in the log.
	LeafIndex int64 `json:"leaf_index"`
}

// BypassActor is one entry of a bypass list.
type BypassActor struct {
	// Type is GitHub's actor type: "RepositoryRole", "Team", "Integration",
	// "OrganizationAdmin", "DeployKey", "User", "EnterpriseOwner".
	Type string `json:"type"`
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// Mode is "always", "pull_request" or "exempt".
	Mode string `json:"mode"`
}

// Team is a team that the policy names.
type Team struct {
	// Name is org/slug.
	Name    string      `json:"name"`
	Members List[Actor] `json:"members"`
}

// LayerDefaultBranch is the policy of the default branch, which confirmed that it enrols the
// governing branch. The change is not judged by it.
const LayerDefaultBranch = "default-branch"

// PolicyLayer says where one layer of the policy came from.
type PolicyLayer struct {
	Layer      string `json:"layer"` // LayerOrganisation, LayerRepository or LayerDefaultBranch
	Repository string `json:"repository"`
	Path       string `json:"path"`
	Ref        string `json:"ref"`
	CommitSHA  string `json:"commit_sha"`
	BlobSHA    string `json:"blob_sha"`
	SHA256     string `json:"sha256"`
}

// Source is one read that the facts came from.
type Source struct {
	// Part names the field of Facts that it filled.
	Part string `json:"part"`
	// Route is the API route with its parameters left as names, e.g.
	// "GET /repos/{owner}/{repo}/pulls/{number}/files".
	Route string    `json:"route"`
	At    time.Time `json:"at"`
	// Revalidated is true when GitHub answered 304: what we held is still current.
	Revalidated bool `json:"revalidated"`
}
