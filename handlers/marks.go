package handlers

import (
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// mark adds to the arrival the pull requests that the event describes and the subjects
// that it makes worth another look. An event never carries the decision.
func (h *Handlers) mark(a *store.Arrival, e gh.Event) {
	if e.InstallationID == 0 {
		return
	}
	if e.Ruleset != nil && e.Action != "created" {
		change := store.RulesetChange{ID: e.Ruleset.ID}
		if e.Action == "edited" {
			change.UpdatedAt = e.Ruleset.UpdatedAt
		}
		a.ChangedRulesets = append(a.ChangedRulesets, change)
	}
	if e.Repository == nil {
		markOrganisation(a, e)
		return
	}
	switch e.Name {
	case "pull_request", "pull_request_review":
		seeChange(a, e)
		if e.Name == "pull_request" {
			// Which branches a commit is proposed for says what its tests are worth, also for the
			// other pull requests that it is the head of.
			markHead(a, e, e.PullRequest.HeadSHA, true)
		}
		if e.Name == "pull_request" && e.Action == "closed" && e.PullRequest.Merged {
			markBranch(a, e, e.PullRequest.BaseRef)
		}
		if e.Action == "enqueued" {
			markQueue(a, e, e.PullRequest.BaseRef)
		}
	case "issue_comment":
		markCommand(a, e)
	case "issues":
		a.MarkIssues = append(a.MarkIssues, store.IssueMark{
			OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName, Number: e.Issue.Number,
		})
	case "merge_group":
		if branch, ok := branchOf(e.MergeGroup.BaseRef); ok {
			markGroup(a, e, branch, e.MergeGroup.HeadSHA)
			markQueue(a, e, branch)
		}
	case "check_run":
		h.markCheckRun(a, e)
	case "check_suite":
		// The run events of its checks say more; only "re-run all checks" is news.
		if e.Action == "rerequested" {
			markHead(a, e, e.CheckSuite.HeadSHA, false)
		}
	case "status":
		markHead(a, e, e.Status.SHA, true)
	case "workflow_run":
		markHead(a, e, e.WorkflowRun.HeadSHA, true)
		markNumbers(a, e, e.WorkflowRun.PullRequests)
	case "push":
		if branch, ok := branchOf(e.Push.Ref); ok {
			markBranch(a, e, branch)
			if branch == e.Repository.DefaultBranch {
				branch = "" // its policy says which branches are enrolled
				markPolicyHolder(a, e)
			}
			markBase(a, e, branch)
			markPushedGroup(a, e, branch)
		}
	case "branch_protection_rule", "branch_protection_configuration", "repository_ruleset", "custom_property_values":
		markBase(a, e, "")
		markBranches(a, e)
	case "member", "team", "team_add":
		markBase(a, e, "")
	case "repository":
		// Its visibility, its default branch, which rulesets select by, or its name.
		if e.Action != "deleted" {
			markBase(a, e, "")
		}
		markPolicyHolder(a, e)
		markScope(a, e, e.Repository.FullName)
	}
}

// markScope has it recorded which repositories there are, when that changed.
func markScope(a *store.Arrival, e gh.Event, repository string) {
	a.Marks = append(a.Marks, store.Mark{Kind: store.KindScope, OrgID: a.OrgID, InstallationID: e.InstallationID, Repository: repository, Noisy: true})
}

// markPolicyHolder marks every open pull request of the organisation when something happened
// to the repository that holds its policy.
func markPolicyHolder(a *store.Arrival, e gh.Event) {
	if _, name, _ := strings.Cut(e.Repository.FullName, "/"); strings.EqualFold(name, policyHolder) {
		a.MarkBases = append(a.MarkBases, store.BaseMark{OrgID: a.OrgID, InstallationID: e.InstallationID, Noisy: true})
		markRegister(a, e, e.Repository.FullName)
	}
}

// markRegister has the organisation's register of documents read.
func markRegister(a *store.Arrival, e gh.Event, repository string) {
	a.Marks = append(a.Marks, store.Mark{Kind: store.KindRegister, OrgID: a.OrgID, InstallationID: e.InstallationID, Repository: repository, Noisy: true})
}

// policyHolder is the repository that holds an organisation's policy.
const policyHolder = ".github"

// markOrganisation marks every open pull request of the organisation when its rulesets, its teams
// or its members change, or what the App may see: no repository is named then.
func markOrganisation(a *store.Arrival, e gh.Event) {
	all := store.BaseMark{OrgID: a.OrgID, InstallationID: e.InstallationID, Noisy: true}
	switch e.Name {
	case "membership", "team", "organization":
		a.MarkBases = append(a.MarkBases, all)
	case "repository_ruleset", "custom_property_values":
		a.MarkBases = append(a.MarkBases, all)
		markBranches(a, e)
	case "installation", "installation_repositories":
		// From the first moment that a branch cannot be seen, that is on record.
		markBranches(a, e)
		markScope(a, e, a.OrgLogin+"/")
		markFirstDay(a, e)
		if e.Action != "deleted" && e.Action != "suspend" && e.Action != "removed" {
			a.MarkBases = append(a.MarkBases, all)
			markRegister(a, e, a.OrgLogin+"/"+policyHolder)
			a.Installed = true
		}
	}
}

// markFirstDay has the report of the first day made when the App is installed. When it sees more
// repositories it is looked whether there is more to say.
func markFirstDay(a *store.Arrival, e gh.Event) {
	switch {
	case e.Name == "installation" && e.Action == "created":
		a.FirstDay = store.FirstDayInstalled
	case e.Name == "installation_repositories" && e.Action == "added":
		a.FirstDay = store.FirstDayEnlarged
	default:
		return
	}
	a.Marks = append(a.Marks, store.Mark{Kind: store.KindFirstDay, OrgID: a.OrgID, InstallationID: e.InstallationID, Repository: a.OrgLogin + "/"})
}

// markBranches has the followed branches of the repository that an event names looked at, or of
// the organisation.
func markBranches(a *store.Arrival, e gh.Event) {
	m := store.BranchMark{OrgID: a.OrgID, InstallationID: e.InstallationID}
	if e.Repository != nil {
		m.RepoID = e.Repository.ID
	}
	a.MarkBranches = append(a.MarkBranches, m)
}

// seeChange marks the pull request at once: people wait for this. A closed one keeps
// its last decision; there is nothing left to hold or release.
func seeChange(a *store.Arrival, e gh.Event) {
	pr := e.PullRequest
	open := pr.State == "open"
	a.Changes = append(a.Changes, store.ChangeSeen{
		OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName,
		Number: pr.Number, HeadSHA: pr.HeadSHA, BaseRef: pr.BaseRef, Open: open, UpdatedAt: pr.UpdatedAt,
	})
	if open || e.Review != nil { // what is reviewed after the merge may have been an emergency
		a.Marks = append(a.Marks, store.Mark{
			OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName, Number: pr.Number,
		})
	}
}

// markCheckRun: our own check runs make nothing dirty, or every answer would be a new
// question. A person who presses "Re-run" or "Re-evaluate" on one is heard at once.
func (h *Handlers) markCheckRun(a *store.Arrival, e gh.Event) {
	if e.CheckRun.App.ID == h.AppID {
		if e.Action == "rerequested" || e.Action == "requested_action" {
			markHead(a, e, e.CheckRun.HeadSHA, false)
		}
		return
	}
	markHead(a, e, e.CheckRun.HeadSHA, true)
	markNumbers(a, e, e.CheckRun.PullRequests)
}

// markHead marks every open pull request that ever had the head: pull requests from
// forks are not named in these events, so the head is the only way to them.
func markHead(a *store.Arrival, e gh.Event, sha string, noisy bool) {
	a.MarkHeads = append(a.MarkHeads, store.HeadMark{
		OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName, HeadSHA: sha, Noisy: noisy,
	})
}

func markNumbers(a *store.Arrival, e gh.Event, numbers []int) {
	for _, n := range numbers {
		a.Marks = append(a.Marks, store.Mark{
			OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName, Number: n, Noisy: true,
		})
	}
}

// markBase marks every open pull request on a base (all bases when it is empty): its
// policy, its protection or the people who may approve may have changed.
func markBase(a *store.Arrival, e gh.Event, base string) {
	a.MarkBases = append(a.MarkBases, store.BaseMark{
		OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName, BaseRef: base, Noisy: true,
	})
}

// markCommand marks the pull request on which somebody wrote a command.
func markCommand(a *store.Arrival, e gh.Event) {
	if !e.Comment.OnPR || e.Action != "created" || !strings.HasPrefix(e.Comment.Text, "/countersign") {
		return
	}
	a.Marks = append(a.Marks, store.Mark{
		OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName, Number: e.Comment.Number,
	})
}

// markGroup marks a merge group: it is asked for, or it is gone.
func markGroup(a *store.Arrival, e gh.Event, branch, sha string) {
	a.Marks = append(a.Marks, store.Mark{
		Kind: store.KindGroup, OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName,
		HeadSHA: sha, Ref: branch,
	})
}

// markQueue has a merge queue watched for groups that no delivery told of.
func markQueue(a *store.Arrival, e gh.Event, branch string) {
	a.Marks = append(a.Marks, store.Mark{
		Kind: store.KindQueue, OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName,
		Ref: branch, Noisy: true,
	})
}

// markBranch has what reached a branch compared with what was decided about it. Whether it is
// enrolled is found out then.
func markBranch(a *store.Arrival, e gh.Event, branch string) {
	if strings.HasPrefix(branch, "gh-readonly-queue/") {
		return // the branches of merge groups: GitHub's own, and short-lived
	}
	a.Marks = append(a.Marks, store.Mark{
		Kind: store.KindBranch, OrgID: a.OrgID, InstallationID: e.InstallationID, RepoID: e.Repository.ID, Repository: e.Repository.FullName,
		Ref: branch, Noisy: true,
	})
}

// markPushedGroup marks the merge group whose branch was made or deleted: GitHub names it
// gh-readonly-queue/BASE/pr-NUMBER-SHA. This tells of a group also when its own delivery is lost.
func markPushedGroup(a *store.Arrival, e gh.Event, branch string) {
	rest, ok := strings.CutPrefix(branch, "gh-readonly-queue/")
	end := strings.LastIndexByte(rest, '/')
	if !ok || end <= 0 {
		return
	}
	sha := e.Push.After
	if e.Push.Deleted {
		sha = e.Push.Before
	}
	markGroup(a, e, rest[:end], sha)
}

func branchOf(ref string) (string, bool) {
	const heads = "refs/heads/"
	if len(ref) > len(heads) && ref[:len(heads)] == heads {
		return ref[len(heads):], true
	}
	return "", false
}

// numberOf is the pull request or issue that the event is about, 0 when it names none. The
// two share one sequence of numbers in a repository, so none means both.
func numberOf(e gh.Event) int {
	switch {
	case e.PullRequest != nil:
		return e.PullRequest.Number
	case e.Comment != nil:
		return e.Comment.Number
	case e.Issue != nil:
		return e.Issue.Number
	}
	return 0
}

// headOf is the commit that the event is about, empty when it names none.
func headOf(e gh.Event) string {
	switch {
	case e.PullRequest != nil:
		return e.PullRequest.HeadSHA
	case e.CheckRun != nil:
		return e.CheckRun.HeadSHA
	case e.CheckSuite != nil:
		return e.CheckSuite.HeadSHA
	case e.Status != nil:
		return e.Status.SHA
	case e.WorkflowRun != nil:
		return e.WorkflowRun.HeadSHA
	case e.MergeGroup != nil:
		return e.MergeGroup.HeadSHA
	case e.Push != nil:
		return e.Push.After
	}
	return ""
}
