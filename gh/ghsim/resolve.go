package ghsim

import (
	"strings"
)

// resolvers answers every field of GitHub's schema that is simulated, by type and field.
// A field that is missing here is an error in the answer, so nothing can come to depend
// on something that is not simulated.
var resolvers = map[string]map[string]resolver{
	"Query":     queryFields,
	"RateLimit": rateLimitFields,
	"PageInfo":  pageInfo,

	"User":         accountFields,
	"Bot":          accountFields,
	"Mannequin":    accountFields,
	"Organization": accountFields,
	"Team":         teamFields,
	"App":          appFields,

	"Repository":                         repositoryFields,
	"Ref":                                refFields,
	"Issue":                              issueFields,
	"Label":                              labelFields,
	"BranchProtectionRule":               protectionFields,
	"RequiredStatusCheckDescription":     requiredCheckFields,
	"BypassPullRequestAllowance":         allowanceFields,
	"BypassForcePushAllowance":           allowanceFields,
	"PushAllowance":                      allowanceFields,
	"MergeQueue":                         mergeQueueFields,
	"MergeQueueConfiguration":            mergeQueueConfigurationFields,
	"MergeQueueEntry":                    mergeQueueEntryFields,
	"PullRequest":                        pullFields,
	"PullRequestCommit":                  pullCommitFields,
	"PullRequestReview":                  reviewFields,
	"ReviewRequest":                      reviewRequestFields,
	"AutoMergeRequest":                   autoMergeFields,
	"Commit":                             commitFields,
	"Tree":                               treeFields,
	"Blob":                               blobFields,
	"TreeEntry":                          treeEntryFields,
	"GitActor":                           gitActorFields,
	"GpgSignature":                       signatureFields,
	"StatusCheckRollup":                  rollupFields,
	"StatusCheckRollupContextConnection": rollupContextFields,
	"CheckRun":                           checkRunFields,
	"CheckSuite":                         checkSuiteFields,
	"Status":                             statusFields,
	"StatusContext":                      statusContextFields,
	"Push":                               pushFields,
	"Workflow":                           workflowFields,
	"WorkflowRun":                        workflowRunFields,
	"WorkflowRunFile":                    workflowRunFileFields,
}

// fieldPermission is the permission that an App needs to read a field. Without it the
// field is null and the answer has an error of type FORBIDDEN. GitHub documents this for
// the REST operations that give the same; which of these fields GitHub refuses loudly and
// which silently still has to be tried on a live organisation.
var fieldPermission = map[string]string{
	"Repository.object":       "contents",
	"Repository.ref":          "contents",
	"Repository.pullRequest":  "pull_requests",
	"Repository.pullRequests": "pull_requests",
	"Repository.refs":         "contents",
	"Repository.mergeQueue":   "merge_queues",
	"Repository.issue":        "issues",

	"Ref.branchProtectionRule":    "administration",
	"MergeQueueEntry.pullRequest": "pull_requests",

	"PullRequest.reviews":                 "pull_requests",
	"PullRequest.closingIssuesReferences": "issues",
	"PullRequest.mergeQueueEntry":         "merge_queues",
	"PullRequestReview.onBehalfOf":        "members",

	"Commit.onBehalfOf":        "members",
	"Commit.statusCheckRollup": "checks",
	"Commit.checkSuites":       "checks",
	"Commit.status":            "statuses",
	"CheckRun.checkSuite":      "checks",
	"CheckSuite.workflowRun":   "actions",
}

// typePermission is the permission that an App needs to see objects of a type, wherever
// they stand.
var typePermission = map[string]string{
	"CheckRun":      "checks",
	"StatusContext": "statuses",
}

// may says whether the viewer has the permission to read, on the repository that the
// query is about. Fields are resolved depth first, so that is the one set last.
func (q *gqlQuery) may(permission string) bool {
	if q.repo == nil {
		return false
	}
	if permission == "members" {
		if o := q.sim.orgs[q.repo.owner.id]; o != nil {
			return q.sim.canOrg(q.viewer, o, "members", "read")
		}
		return true // a repository of a person: there are no members to be hidden
	}
	return q.sim.can(q.viewer, q.repo, permission, "read")
}

// url is an address on the simulated github.com.
func (q *gqlQuery) url(path string) string { return q.sim.baseURL + "/" + path }

var queryFields = map[string]resolver{
	"rateLimit": func(q *gqlQuery, _ any, _ gqlArgs) (any, error) { return q.budget, nil },
	"repository": func(q *gqlQuery, _ any, args gqlArgs) (any, error) {
		owner, name := args.string("owner"), args.string("name")
		r := q.sim.repository(owner, name)
		if r != nil && args["followRenames"] == false && !strings.EqualFold(r.fullName(), owner+"/"+name) {
			r = nil
		}
		if r == nil || !q.sim.canSee(q.viewer, r) {
			return nil, refusal("NOT_FOUND", "Could not resolve to a Repository with the name '%s/%s'.", owner, name)
		}
		q.repo = r
		return r, nil
	},
}

var rateLimitFields = map[string]resolver{
	"cost":      func(q *gqlQuery, _ any, _ gqlArgs) (any, error) { return q.cost.Points(), nil },
	"nodeCount": func(q *gqlQuery, _ any, _ gqlArgs) (any, error) { return q.cost.Nodes, nil },
	"limit":     on(func(b budget) any { return b.limit }),
	"remaining": on(func(b budget) any { return b.remaining() }),
	"used":      on(func(b budget) any { return b.used }),
	"resetAt":   on(func(b budget) any { return b.resetAt }),
}

// accountFields answers User, Bot, Mannequin and Organization.
var accountFields = map[string]resolver{
	"login":      on(func(a *account) any { return a.graphLogin() }),
	"databaseId": on(func(a *account) any { return a.id }),
	"createdAt":  on(func(a *account) any { return a.createdAt }),
	"name":       on(func(a *account) any { return textOrNull(a.name) }),
	"url":        in(func(q *gqlQuery, a *account, _ gqlArgs) (any, error) { return q.url(a.graphLogin()), nil }),
}

// anActor is an account where an interface or a union is wanted; nil is a deleted
// account.
func anActor(a *account) any {
	if a == nil {
		return nil
	}
	return typed{a.kind, a}
}

// aUser is an account where GitHub's schema has a User: a bot cannot be told there and
// is null.
func aUser(a *account) any {
	if a == nil || a.kind != "User" {
		return nil
	}
	return a
}

var teamFields = map[string]resolver{
	"databaseId":   on(func(t *team) any { return t.id }),
	"slug":         on(func(t *team) any { return t.slug }),
	"name":         on(func(t *team) any { return t.name }),
	"combinedSlug": on(func(t *team) any { return t.org.account.login + "/" + t.slug }),
}

var appFields = map[string]resolver{
	"databaseId": on(func(a *app) any { return a.id }),
	"slug":       on(func(a *app) any { return a.slug }),
	"name":       on(func(a *app) any { return a.name }),
}

// textOrNull is how GitHub has a text that was never given.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
