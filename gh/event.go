package gh

import "time"

// Event is what one delivery said, in the fields that we use. It is stored as the
// observation, so names and order are part of the evidence format; add, never change.
type Event struct {
	Name           string  `json:"name"` // X-GitHub-Event
	Action         string  `json:"action,omitempty"`
	InstallationID int64   `json:"installation_id,omitempty"`
	Sender         Account `json:"sender"`
	// Organization is the account that owns the repository, or that the installation is on.
	Organization Account           `json:"organization"`
	Repository   *EventRepository  `json:"repository,omitempty"`
	PullRequest  *EventPullRequest `json:"pull_request,omitempty"`
	Review       *EventReview      `json:"review,omitempty"`
	Push         *EventPush        `json:"push,omitempty"`
	CheckRun     *EventCheckRun    `json:"check_run,omitempty"`
	CheckSuite   *EventCheckSuite  `json:"check_suite,omitempty"`
	Status       *EventStatus      `json:"status,omitempty"`
	WorkflowRun  *EventWorkflowRun `json:"workflow_run,omitempty"`
	MergeGroup   *EventMergeGroup  `json:"merge_group,omitempty"`
	Comment      *EventComment     `json:"comment,omitempty"`
	Issue        *EventIssue       `json:"issue,omitempty"`
	// Label, Assignee and RequestedReviewer name what an action of that name was about.
	Label             string   `json:"label,omitempty"`
	Assignee          *Account `json:"assignee,omitempty"`
	RequestedReviewer *Account `json:"requested_reviewer,omitempty"`
	// Repositories are those that an installation event adds or removes.
	Repositories []EventRepository `json:"repositories,omitempty"`
	Ruleset      *EventRuleset     `json:"ruleset,omitempty"`
	Declared     *EventDeclared    `json:"declared,omitempty"`
	Confirmed    *EventConfirmed   `json:"confirmed,omitempty"`
}

// The names of the events of what somebody says on a page of ours, in a session of their own.
// GitHub sends none of these names, and Decode makes none of them.
const (
	EmergencyDeclared = "countersign_emergency"
	CommitConfirmed   = "countersign_confirmation"
)

// EventDeclared is what was declared, for the head and base that the page showed. Who declared is
// the event's Sender, as GitHub said at the sign-in.
type EventDeclared struct {
	HeadSHA string `json:"head_sha"`
	BaseRef string `json:"base_ref"`
	Ticket  string `json:"ticket"`
	Reason  string `json:"reason"`
}

// EventConfirmed is the commit that somebody confirmed to have reviewed, and the branch that it
// was to go to, as the page showed them. Who confirmed is the event's Sender, as GitHub said at the
// sign-in.
type EventConfirmed struct {
	HeadSHA string `json:"head_sha"`
	BaseRef string `json:"base_ref"`
}

// EventRuleset is the ruleset of an event. Its rules and its bypass list are read from the API.
type EventRuleset struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Enforcement string    `json:"enforcement"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"` // GitHub's
}

// EventRepository is the repository of an event.
type EventRepository struct {
	ID            int64  `json:"id"`
	FullName      string `json:"full_name"`
	Private       bool   `json:"private,omitempty"`
	DefaultBranch string `json:"default_branch,omitempty"`
}

// EventPullRequest is the pull request of an event.
type EventPullRequest struct {
	ID        int64     `json:"id"`
	Number    int       `json:"number"`
	State     string    `json:"state"` // "open" or "closed"
	Merged    bool      `json:"merged,omitempty"`
	Draft     bool      `json:"draft,omitempty"`
	HeadSHA   string    `json:"head_sha"`
	HeadRef   string    `json:"head_ref"`
	BaseRef   string    `json:"base_ref"`
	BaseSHA   string    `json:"base_sha"`
	User      Account   `json:"user"`
	UpdatedAt time.Time `json:"updated_at"`
	// Before and After are the heads around a "synchronize".
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// BaseFrom is the previous base of an "edited" that switched it.
	BaseFrom string  `json:"base_from,omitempty"`
	MergedBy Account `json:"merged_by,omitzero"`
	MergeSHA string  `json:"merge_sha,omitempty"`
}

// EventReview is the review of an event, as the event has it.
type EventReview struct {
	ID          int64     `json:"id"`
	State       string    `json:"state"` // lower case
	CommitSHA   string    `json:"commit_sha"`
	User        Account   `json:"user"`
	SubmittedAt time.Time `json:"submitted_at"`
}

// EventPush is a ref update.
type EventPush struct {
	Ref     string `json:"ref"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Forced  bool   `json:"forced,omitempty"`
	Created bool   `json:"created,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

// EventCheckRun is a check run at the time of the event.
type EventCheckRun struct {
	ID           int64  `json:"id"`
	Name         string `json:"name"`
	HeadSHA      string `json:"head_sha"`
	Status       string `json:"status"`
	Conclusion   string `json:"conclusion,omitempty"`
	ExternalID   string `json:"external_id,omitempty"`
	App          App    `json:"app"`
	SuiteID      int64  `json:"suite_id,omitempty"`
	PullRequests []int  `json:"pull_requests,omitempty"`
	// RequestedAction is the identifier of the button that was pressed.
	RequestedAction string `json:"requested_action,omitempty"`
}

// EventCheckSuite is a check suite at the time of the event.
type EventCheckSuite struct {
	ID           int64  `json:"id"`
	HeadSHA      string `json:"head_sha"`
	Status       string `json:"status"`
	Conclusion   string `json:"conclusion,omitempty"`
	App          App    `json:"app"`
	PullRequests []int  `json:"pull_requests,omitempty"`
}

// EventStatus is a commit status.
type EventStatus struct {
	ID      int64  `json:"id"`
	SHA     string `json:"sha"`
	Context string `json:"context"`
	State   string `json:"state"`
}

// EventWorkflowRun is a workflow run at the time of the event.
type EventWorkflowRun struct {
	ID              int64   `json:"id"`
	Attempt         int     `json:"attempt"`
	HeadSHA         string  `json:"head_sha"`
	Path            string  `json:"path"`
	Event           string  `json:"event"`
	Status          string  `json:"status"`
	Conclusion      string  `json:"conclusion,omitempty"`
	Actor           Account `json:"actor"`
	TriggeringActor Account `json:"triggering_actor"`
	PullRequests    []int   `json:"pull_requests,omitempty"`
}

// EventMergeGroup is a merge group.
type EventMergeGroup struct {
	HeadSHA string `json:"head_sha"`
	HeadRef string `json:"head_ref"`
	BaseRef string `json:"base_ref"`
	BaseSHA string `json:"base_sha"`
	// Reason says why a "destroyed" came: "merged", "invalidated" or "dequeued".
	Reason string `json:"reason,omitempty"`
}

// EventComment is an issue comment.
type EventComment struct {
	ID     int64   `json:"id"`
	Number int     `json:"number"`
	OnPR   bool    `json:"on_pr"`
	User   Account `json:"user"`
	AppID  int64   `json:"app_id,omitempty"`
	// Text is the comment as it was received, cut at 2 KiB: commands, and how somebody
	// called an agent.
	Text string `json:"text,omitempty"`
}

// EventIssue is an issue, not a pull request, at the time of the event.
type EventIssue struct {
	ID        int64     `json:"id"`
	Number    int       `json:"number"`
	State     string    `json:"state"` // "open" or "closed"
	User      Account   `json:"user"`
	CreatedAt time.Time `json:"created_at"`
}
