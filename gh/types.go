package gh

import "time"

// Account is an account as GitHub asserts it.
type Account struct {
	// ID is GitHub's numeric id; 0 when GitHub did not say.
	ID int64 `json:"id"`
	// Login carries no "[bot]" suffix: REST writes it, GraphQL does not.
	Login string `json:"login"`
	// Type is "User", "Bot", "Organization", "Mannequin" or "EnterpriseUserAccount".
	Type string `json:"type"`
}

// App is a GitHub App: its numeric id and slug.
type App struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
}

// Repo names a repository.
type Repo struct {
	Owner string
	Name  string
}

// CheckRun is one named result on one head SHA.
type CheckRun struct {
	ID          int64
	Name        string
	HeadSHA     string
	Status      string // "queued", "in_progress", "completed", "waiting", "requested", "pending"
	Conclusion  string // empty until completed
	ExternalID  string
	DetailsURL  string
	Title       string // of the output
	StartedAt   time.Time
	CompletedAt time.Time
	App         App
	SuiteID     int64
}

// CommitStatus is one commit status; every change of state is a new one.
type CommitStatus struct {
	ID        int64
	Context   string
	State     string // "error", "failure", "pending", "success"
	Creator   Account
	CreatedAt time.Time
}

// WorkflowRun is one run of a GitHub Actions workflow.
type WorkflowRun struct {
	ID              int64
	Name            string
	Path            string // of the workflow file, without "@ref"
	Event           string
	HeadSHA         string
	Attempt         int
	SuiteID         int64
	Status          string
	Conclusion      string
	Repository      string // owner/name
	Actor           Account
	TriggeringActor Account
}

// Job is one job of one attempt of a workflow run. Its ID is the id of its check run.
type Job struct {
	ID          int64
	RunID       int64
	Attempt     int
	Name        string
	HeadSHA     string
	Status      string
	Conclusion  string
	Steps       int
	RunnerID    int64
	StartedAt   time.Time
	CompletedAt time.Time
}

// File is one changed file of a pull request.
type File struct {
	Path      string
	Previous  string // path before a rename
	Status    string
	BlobSHA   string
	HeadSHA   string // the head that the list is of; empty for a removed file
	Patch     string // empty for binary and large files
	HasPatch  bool
	Additions int
	Deletions int
}

// PullCommit is one commit of a pull request, with the accounts that GitHub links to it.
// An account that GitHub does not know has ID 0.
type PullCommit struct {
	SHA       string
	Author    Account
	Committer Account
}

// Rule is one active rule that applies to a branch, with the parameters that we use.
// Unknown types are kept by name.
type Rule struct {
	Type             string
	RulesetID        int64
	SourceType       string // "Repository", "Organization", "Enterprise"
	Source           string
	RequiredReviews  int
	RequiresUpToDate bool
	RequiredChecks   []RequiredCheck
	MergeMethods     []string
}

// RequiredCheck is a check that a branch requires; AppID 0 means any source.
type RequiredCheck struct {
	Name  string
	AppID int64
}

// Ruleset is the body of a ruleset.
type Ruleset struct {
	ID          int64
	Name        string
	Enforcement string // "active", "evaluate", "disabled"
	SourceType  string
	Source      string
	// BypassReadable is false when GitHub left bypass_actors out or null, which it does
	// for callers who may not see the list. It never means that nobody may bypass.
	BypassReadable bool
	BypassActors   []BypassActor
	// UpdatedAt is to the second, and ReadAt when it was read, both by GitHub's clock; zero where an
	// answer does not say.
	UpdatedAt, ReadAt time.Time
}

// BypassActor is one entry of a ruleset's bypass list.
type BypassActor struct {
	ID   int64  // 0 for OrganizationAdmin, DeployKey and the like
	Type string // "RepositoryRole", "Team", "Integration", "OrganizationAdmin", "DeployKey", "User", …
	Mode string // "always", "pull_request", "exempt"
}

// Permission is an account's role on a repository.
type Permission struct {
	// Role is "admin", "maintain", "write", "triage", "read", "none" or a custom
	// role's name; Base is the built-in role that a custom one stands on.
	Role string
	Base string
	User Account
}

// CanWrite says whether the account with a numeric id may write to the repository.
func (p Permission) CanWrite(id int64) bool {
	return id != 0 && p.User.ID == id && (p.Base == "write" || p.Base == "admin")
}

// Content is a file at a ref.
type Content struct {
	Path    string
	BlobSHA string
	Bytes   []byte
}

// CheckRunWrite is a check run as we want it to be.
type CheckRunWrite struct {
	Name        string
	HeadSHA     string
	ExternalID  string
	DetailsURL  string // empty: GitHub links to the App
	Status      string // "in_progress" or "completed"
	Conclusion  string // only with "completed"
	Title       string
	Summary     string // Markdown; cut to MaxOutputBytes by the caller, refused above it
	Text        string
	Actions     []CheckRunAction // at most 3
	CompletedAt time.Time
	Annotations []Annotation // at most MaxAnnotations; added to those that are there
}

// CheckRunAction is a button on the check run.
type CheckRunAction struct {
	Label       string // at most 20 characters
	Description string // at most 40
	Identifier  string // at most 20
}
