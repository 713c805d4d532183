package facts

import (
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// changeQuery reads the pull request, its commits, reviews and timeline, and the
// classic protection of the branch that governs it.
//
// Its page sizes keep it at one point of GitHub's hourly budget: requests are one per
// connection and parent, and a hundred of them are a point.
// https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
const changeQuery = `query Change($owner: String!, $name: String!, $number: Int!, $base: String!) {
  repository(owner: $owner, name: $name) {
    databaseId nameWithOwner visibility isArchived
    owner { __typename login ...Person ... on Organization { databaseId } }
    defaultBranchRef { name }
    ` + baseSelection + `
    pullRequest(number: $number) {
      fullDatabaseId number title body isDraft state merged createdAt updatedAt
      author { ...Actor }
      baseRefName baseRefOid headRefName headRefOid isCrossRepository
      headRepository { nameWithOwner }
      autoMergeRequest { enabledBy { ...Actor } }
      labels(first: 100) { ...Labels }
      commits(first: 30) { ...Commits }
      reviews(first: 30) { ...Reviews }
      timelineItems(first: 100, itemTypes: [ASSIGNED_EVENT, UNASSIGNED_EVENT, REVIEW_DISMISSED_EVENT]) { ...Timeline }
      closingIssuesReferences(first: 50) { totalCount pageInfo { hasNextPage } nodes { number createdAt repository { nameWithOwner } author { ...Actor } } }
    }
  }
` + organisationSelection + `}
` + fragments

// organisationQuery reads the organisation's policy by itself.
const organisationQuery = `query Organisation($owner: String!) {
` + organisationSelection + `}
`

// protectionQuery reads the classic protection of a branch by itself.
const protectionQuery = `query Protection($owner: String!, $name: String!, $base: String!) {
  repository(owner: $owner, name: $name) { ` + baseSelection + ` }
}
` + classicFragment

// baseSelection is a branch with its classic protection.
const baseSelection = `base: ref(qualifiedName: $base) { name target { oid } branchProtectionRule { ...Classic } }`

// organisationSelection is the organisation's policy, as part of a query.
const organisationSelection = `  organisation: repository(owner: $owner, name: "` + policy.OrganisationRepository + `", followRenames: false) {
    nameWithOwner defaultBranchRef { name target { oid } }
    policy: object(expression: "HEAD:` + policy.Path + `") { __typename ... on Blob { oid byteSize isTruncated text } }
  }
`

// pageQueries read the further pages of the lists that changeQuery begins, 100 at a time.
const (
	commitsPage = `query CommitsPage($owner: String!, $name: String!, $number: Int!, $after: String!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { headRefOid commits(first: 100, after: $after) { ...Commits } } }
}
` + commitsFragment
	reviewsPage = `query ReviewsPage($owner: String!, $name: String!, $number: Int!, $after: String!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { headRefOid reviews(first: 100, after: $after) { ...Reviews } } }
}
` + personFragment + actorFragment + reviewsFragment
	timelinePage = `query TimelinePage($owner: String!, $name: String!, $number: Int!, $after: String!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { headRefOid timelineItems(first: 100, after: $after, itemTypes: [ASSIGNED_EVENT, UNASSIGNED_EVENT, REVIEW_DISMISSED_EVENT]) { ...Timeline } } }
}
` + personFragment + actorFragment + timelineFragment
	labelsPage = `query LabelsPage($owner: String!, $name: String!, $number: Int!, $after: String!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { headRefOid labels(first: 100, after: $after) { ...Labels } } }
}
` + labelsFragment
)

const fragments = personFragment + actorFragment + commitsFragment + reviewsFragment + timelineFragment + labelsFragment + classicFragment

const personFragment = `fragment Person on Actor { ... on User { databaseId } ... on Bot { databaseId } ... on Mannequin { databaseId } }
`

const actorFragment = `fragment Actor on Actor { __typename login ...Person ... on Organization { databaseId } ... on EnterpriseUserAccount { user { databaseId } } }
`

const commitsFragment = `fragment Commits on PullRequestCommitConnection {
  totalCount pageInfo { hasNextPage endCursor }
  nodes { commit {
    oid message tree { oid } parents(first: 10) { totalCount nodes { oid } }
    author { name email user { databaseId login } }
    committer { name email user { databaseId login } }
    authors(first: 10) { totalCount nodes { name email user { databaseId login } } }
    signature { state wasSignedByGitHub signer { databaseId login } }
  } }
}
`

const reviewsFragment = `fragment Reviews on PullRequestReviewConnection {
  totalCount pageInfo { hasNextPage endCursor }
  nodes { fullDatabaseId state submittedAt lastEditedAt commit { oid } author { ...Actor } }
}
`

const timelineFragment = `fragment Timeline on PullRequestTimelineItemsConnection {
  totalCount pageInfo { hasNextPage endCursor }
  nodes {
    __typename
    ... on AssignedEvent { createdAt actor { ...Actor } assignee { ...Assignee } }
    ... on UnassignedEvent { createdAt actor { ...Actor } assignee { ...Assignee } }
    ... on ReviewDismissedEvent { actor { ...Actor } previousReviewState review { fullDatabaseId } }
  }
}
fragment Assignee on Assignee { __typename ... on User { databaseId login } ... on Bot { databaseId login } ... on Mannequin { databaseId login } ... on Organization { databaseId login } }
`

const labelsFragment = `fragment Labels on LabelConnection { totalCount pageInfo { hasNextPage endCursor } nodes { name } }
`

const classicFragment = `fragment Classic on BranchProtectionRule {
  pattern isAdminEnforced allowsForcePushes allowsDeletions restrictsPushes lockBranch
  requiresApprovingReviews requiredApprovingReviewCount dismissesStaleReviews requireLastPushApproval requiresCodeOwnerReviews
  requiresStatusChecks requiresStrictStatusChecks requiredStatusChecks { context app { databaseId } }
  bypassPullRequestAllowances(first: 100) { pageInfo { hasNextPage } nodes { actor { ...Allowed } } }
  bypassForcePushAllowances(first: 100) { pageInfo { hasNextPage } nodes { actor { ...Allowed } } }
}
fragment Allowed on BranchActorAllowanceActor { __typename ... on User { databaseId login } ... on Team { databaseId combinedSlug } ... on App { databaseId slug } }
`

// The answers of the queries, in GitHub's shape.

type changeAnswer struct {
	Repository *struct {
		DatabaseID       int64      `json:"databaseId"`
		NameWithOwner    string     `json:"nameWithOwner"`
		Visibility       string     `json:"visibility"`
		IsArchived       bool       `json:"isArchived"`
		Owner            *gqlActor  `json:"owner"`
		DefaultBranchRef *gqlName   `json:"defaultBranchRef"`
		Base             *gqlBase   `json:"base"`
		PullRequest      *gqlChange `json:"pullRequest"`
	} `json:"repository"`
	// Organisation is where the organisation's policy is; nil when there is no such
	// repository, or the App may not see it.
	Organisation *gqlPolicyRepository `json:"organisation"`
}

// organisationField is the field of organisationSelection that may be missing.
const organisationField = "organisation"

type gqlPolicyRepository struct {
	NameWithOwner    string     `json:"nameWithOwner"`
	DefaultBranchRef *gqlBranch `json:"defaultBranchRef"`
	// Policy is nil when there is no such file.
	Policy *struct {
		Typename    string  `json:"__typename"`
		OID         string  `json:"oid"`
		ByteSize    int     `json:"byteSize"`
		IsTruncated bool    `json:"isTruncated"`
		Text        *string `json:"text"`
	} `json:"policy"`
}

type gqlBranch struct {
	Name   string  `json:"name"`
	Target *gqlOID `json:"target"`
}

type gqlName struct {
	Name string `json:"name"`
}

type gqlOID struct {
	OID string `json:"oid"`
}

type gqlBase struct {
	Name                 string      `json:"name"`
	Target               *gqlOID     `json:"target"`
	BranchProtectionRule *gqlClassic `json:"branchProtectionRule"`
}

type gqlActor struct {
	Typename   string  `json:"__typename"`
	Login      string  `json:"login"`
	DatabaseID int64   `json:"databaseId"`
	User       *gqlRef `json:"user"` // of an EnterpriseUserAccount
}

type gqlRef struct {
	DatabaseID int64  `json:"databaseId"`
	Login      string `json:"login"`
}

// actor says who it is; a null author is an account that was deleted.
func (a *gqlActor) actor() policy.Actor {
	if a == nil {
		return policy.Actor{Login: "ghost", Type: policy.TypeGhost}
	}
	id := a.DatabaseID
	if id == 0 && a.User != nil {
		id = a.User.DatabaseID
	}
	return policy.Actor{ID: id, Login: a.Login, Type: policy.ActorType(a.Typename)}
}

type pageInfo struct {
	HasNextPage bool   `json:"hasNextPage"`
	EndCursor   string `json:"endCursor"`
}

type connection[T any] struct {
	TotalCount int      `json:"totalCount"`
	PageInfo   pageInfo `json:"pageInfo"`
	Nodes      []T      `json:"nodes"`
}

type gqlChange struct {
	FullDatabaseID    bigInt    `json:"fullDatabaseId"`
	Number            int       `json:"number"`
	Title             string    `json:"title"`
	Body              string    `json:"body"`
	IsDraft           bool      `json:"isDraft"`
	State             string    `json:"state"`
	Merged            bool      `json:"merged"`
	CreatedAt         time.Time `json:"createdAt"`
	UpdatedAt         time.Time `json:"updatedAt"`
	Author            *gqlActor `json:"author"`
	BaseRefName       string    `json:"baseRefName"`
	BaseRefOid        string    `json:"baseRefOid"`
	HeadRefName       string    `json:"headRefName"`
	HeadRefOid        string    `json:"headRefOid"`
	IsCrossRepository bool      `json:"isCrossRepository"`
	HeadRepository    *struct {
		NameWithOwner string `json:"nameWithOwner"`
	} `json:"headRepository"`
	AutoMergeRequest *struct {
		EnabledBy *gqlActor `json:"enabledBy"`
	} `json:"autoMergeRequest"`
	Labels        connection[gqlName]         `json:"labels"`
	Commits       connection[gqlCommitNode]   `json:"commits"`
	Reviews       connection[gqlReview]       `json:"reviews"`
	TimelineItems connection[gqlTimelineItem] `json:"timelineItems"`
	Closes        connection[gqlIssue]        `json:"closingIssuesReferences"`
}

type gqlIssue struct {
	Number     int       `json:"number"`
	CreatedAt  time.Time `json:"createdAt"`
	Repository struct {
		NameWithOwner string `json:"nameWithOwner"`
	} `json:"repository"`
	Author *gqlActor `json:"author"`
}

type gqlCommitNode struct {
	Commit gqlCommit `json:"commit"`
}

type gqlCommit struct {
	OID       string                  `json:"oid"`
	Message   string                  `json:"message"`
	Tree      gqlOID                  `json:"tree"`
	Parents   connection[gqlOID]      `json:"parents"`
	Author    *gqlGitActor            `json:"author"`
	Committer *gqlGitActor            `json:"committer"`
	Authors   connection[gqlGitActor] `json:"authors"`
	Signature *struct {
		State             string  `json:"state"`
		WasSignedByGitHub bool    `json:"wasSignedByGitHub"`
		Signer            *gqlRef `json:"signer"`
	} `json:"signature"`
}

type gqlGitActor struct {
	Name  string  `json:"name"`
	Email string  `json:"email"`
	User  *gqlRef `json:"user"`
}

type gqlReview struct {
	FullDatabaseID bigInt     `json:"fullDatabaseId"`
	State          string     `json:"state"`
	SubmittedAt    *time.Time `json:"submittedAt"`
	LastEditedAt   *time.Time `json:"lastEditedAt"`
	Commit         *gqlOID    `json:"commit"`
	Author         *gqlActor  `json:"author"`
}

type gqlTimelineItem struct {
	Typename  string    `json:"__typename"`
	CreatedAt time.Time `json:"createdAt"`
	Actor     *gqlActor `json:"actor"`
	Assignee  *gqlActor `json:"assignee"`
	Review    *struct {
		FullDatabaseID bigInt `json:"fullDatabaseId"`
	} `json:"review"`
	PreviousReviewState string `json:"previousReviewState"`
}

type gqlClassic struct {
	Pattern                      string        `json:"pattern"`
	IsAdminEnforced              bool          `json:"isAdminEnforced"`
	AllowsForcePushes            bool          `json:"allowsForcePushes"`
	AllowsDeletions              bool          `json:"allowsDeletions"`
	RestrictsPushes              bool          `json:"restrictsPushes"`
	LockBranch                   bool          `json:"lockBranch"`
	RequiresApprovingReviews     bool          `json:"requiresApprovingReviews"`
	RequiredApprovingReviewCount int           `json:"requiredApprovingReviewCount"`
	DismissesStaleReviews        bool          `json:"dismissesStaleReviews"`
	RequireLastPushApproval      bool          `json:"requireLastPushApproval"`
	RequiresCodeOwnerReviews     bool          `json:"requiresCodeOwnerReviews"`
	RequiresStatusChecks         bool          `json:"requiresStatusChecks"`
	RequiresStrictStatusChecks   bool          `json:"requiresStrictStatusChecks"`
	RequiredStatusChecks         []gqlRequired `json:"requiredStatusChecks"`
	BypassPullRequestAllowances  allowances    `json:"bypassPullRequestAllowances"`
	BypassForcePushAllowances    allowances    `json:"bypassForcePushAllowances"`
}

type gqlRequired struct {
	Context string `json:"context"`
	App     *struct {
		DatabaseID int64 `json:"databaseId"`
	} `json:"app"`
}

type allowances = connection[struct {
	Actor *struct {
		Typename     string `json:"__typename"`
		DatabaseID   int64  `json:"databaseId"`
		Login        string `json:"login"`
		CombinedSlug string `json:"combinedSlug"`
		Slug         string `json:"slug"`
	} `json:"actor"`
}]

// bigInt is GitHub's BigInt: a 64-bit number written as a string.
type bigInt int64

// UnmarshalJSON accepts the string form, the bare number of older servers, and null.
func (b *bigInt) UnmarshalJSON(src []byte) error {
	text := strings.Trim(string(src), `"`)
	if text == "null" || text == "" {
		*b = 0
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	*b = bigInt(n)
	return err
}
