package facts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// maxOpenPages is how many pages of a repository's open pull requests and branches are read: 1,000
// pull requests and 4,000 branches.
const maxOpenPages = 40

// openQuery reads what a repository has open, and which branches it has, a page at a time. Its page
// sizes keep it at one point of GitHub's hourly budget, like those of changeQuery.
const openQuery = `query Open($owner: String!, $name: String!, $app: Int!, $first: Boolean!, $pulls: String, $morePulls: Boolean!, $refs: String, $moreRefs: Boolean!) {
  repository(owner: $owner, name: $name) {
    databaseId nameWithOwner isArchived defaultBranchRef { name }
    policy: object(expression: "HEAD:` + policy.Path + `") { __typename }
    refs(refPrefix: "refs/heads/", first: 100, after: $refs) @include(if: $moreRefs) { totalCount pageInfo { hasNextPage endCursor } nodes { name } }
    closed: pullRequests(states: [CLOSED, MERGED], first: 50, orderBy: {field: UPDATED_AT, direction: DESC}) @include(if: $first) { nodes { number updatedAt } }
    pullRequests(states: OPEN, first: 25, after: $pulls) @include(if: $morePulls) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes {
        number headRefOid baseRefName updatedAt isInMergeQueue
        commits(last: 1) { nodes { commit {
          oid status { contexts { createdAt } }
          ours: checkSuites(first: 1, filterBy: {appId: $app}) { totalCount nodes { checkRuns(first: 20, filterBy: {checkType: LATEST}) { totalCount nodes { name status conclusion externalId startedAt } } } }
          all: checkSuites(last: 30) { nodes { updatedAt app { databaseId } } }
        } } }
      }
    }
  }
}
`

// Open is what a repository has open, and which branches it has.
type Open struct {
	ID            int64
	FullName      string // owner/name, as it is now
	Archived      bool
	DefaultBranch string // empty: it has no commit
	// HasPolicy is true when there is a policy file on the default branch.
	HasPolicy bool
	Branches  []string
	Pulls     []OpenPull
	// ClosedAt is when the pull requests that were closed last were last changed, by number.
	ClosedAt map[int]time.Time
	// Complete is false when there is more than is read.
	Complete bool
}

// OpenPull is an open pull request.
type OpenPull struct {
	Number           int
	HeadSHA, BaseRef string
	Queued           bool // it is in a merge queue
	// ChangedAt is when it, a status on its head or somebody else's checks there changed last, by
	// GitHub's clock.
	ChangedAt time.Time
	// Runs are our newest check runs on the head, one for each name. RunsKnown is false when GitHub
	// did not show all of them, or shows another head there.
	Runs      []OurRun
	RunsKnown bool
}

// OurRun is a check run of ours.
type OurRun struct {
	Name               string
	Status, Conclusion string // in capitals, as GraphQL has it; the conclusion is empty until it is completed
	ExternalID         string
	StartedAt          time.Time
}

type openAnswer struct {
	Repository *struct {
		DatabaseID       int64    `json:"databaseId"`
		NameWithOwner    string   `json:"nameWithOwner"`
		IsArchived       bool     `json:"isArchived"`
		DefaultBranchRef *gqlName `json:"defaultBranchRef"`
		Policy           *struct {
			Typename string `json:"__typename"`
		} `json:"policy"`
		Refs   connection[gqlName] `json:"refs"`
		Closed connection[struct {
			Number    int       `json:"number"`
			UpdatedAt time.Time `json:"updatedAt"`
		}] `json:"closed"`
		PullRequests connection[gqlOpenPull] `json:"pullRequests"`
	} `json:"repository"`
}

type gqlOpenPull struct {
	Number         int       `json:"number"`
	HeadRefOid     string    `json:"headRefOid"`
	BaseRefName    string    `json:"baseRefName"`
	UpdatedAt      time.Time `json:"updatedAt"`
	IsInMergeQueue bool      `json:"isInMergeQueue"`
	Commits        connection[struct {
		Commit gqlOpenHead `json:"commit"`
	}] `json:"commits"`
}

type gqlOpenHead struct {
	OID    string `json:"oid"`
	Status *struct {
		Contexts []struct {
			CreatedAt time.Time `json:"createdAt"`
		} `json:"contexts"`
	} `json:"status"`
	Ours connection[struct {
		CheckRuns connection[struct {
			Name       string    `json:"name"`
			Status     string    `json:"status"`
			Conclusion string    `json:"conclusion"`
			ExternalID string    `json:"externalId"`
			StartedAt  time.Time `json:"startedAt"`
		}] `json:"checkRuns"`
	}] `json:"ours"`
	All connection[struct {
		UpdatedAt time.Time `json:"updatedAt"`
		App       *gqlRef   `json:"app"`
	}] `json:"all"`
}

// ReadOpen reads what a repository has open and which branches it has, with the check runs of an App
// on the heads. ErrNotFound if the App does not see it.
//
// Source: GraphQL Repository.pullRequests and Repository.refs.
func ReadOpen(ctx context.Context, client *gh.Client, repo gh.Repo, appID int64) (Open, error) {
	o := Open{ClosedAt: map[int]time.Time{}}
	vars := map[string]any{"owner": repo.Owner, "name": repo.Name, "app": appID, "first": true, "pulls": nil, "morePulls": true, "refs": nil, "moreRefs": true}
	for range maxOpenPages {
		var answer openAnswer
		err := client.GraphQL(ctx, openQuery, vars, &answer, "repository")
		if err == nil && answer.Repository == nil {
			err = gh.ErrNotFound
		}
		if err == nil {
			err = o.add(answer, appID, vars)
		}
		if err != nil {
			return o, fmt.Errorf("read what %s has open: %w", repo, err)
		}
		if o.Complete {
			return o, nil
		}
	}
	return o, nil
}

// add takes a page, and sets in vars what is read next.
func (o *Open) add(answer openAnswer, appID int64, vars map[string]any) error {
	r := answer.Repository
	if r.DatabaseID <= 0 || r.NameWithOwner == "" || o.ID != 0 && r.DatabaseID != o.ID {
		return errors.New("the pages are not of one repository")
	}
	o.ID, o.FullName, o.Archived, o.HasPolicy = r.DatabaseID, r.NameWithOwner, r.IsArchived, r.Policy != nil
	if r.DefaultBranchRef != nil {
		o.DefaultBranch = r.DefaultBranchRef.Name
	}
	for _, ref := range r.Refs.Nodes {
		o.Branches = append(o.Branches, ref.Name)
	}
	for _, p := range r.Closed.Nodes {
		o.ClosedAt[p.Number] = p.UpdatedAt.UTC()
	}
	for _, p := range r.PullRequests.Nodes {
		o.Pulls = append(o.Pulls, p.pull(appID))
	}
	vars["first"] = false
	o.Complete = true
	for _, list := range []struct {
		page       pageInfo
		empty      bool
		more, from string
	}{
		{r.Refs.PageInfo, len(r.Refs.Nodes) == 0, "moreRefs", "refs"},
		{r.PullRequests.PageInfo, len(r.PullRequests.Nodes) == 0, "morePulls", "pulls"},
	} {
		vars[list.more], vars[list.from] = list.page.HasNextPage, list.page.EndCursor
		if list.page.HasNextPage {
			o.Complete = false
		}
		if list.page.HasNextPage && (list.empty || list.page.EndCursor == "") {
			return fmt.Errorf("%w: an empty page where there should be more", ErrBehind)
		}
	}
	return nil
}

func (p gqlOpenPull) pull(appID int64) OpenPull {
	out := OpenPull{Number: p.Number, HeadSHA: p.HeadRefOid, BaseRef: p.BaseRefName, Queued: p.IsInMergeQueue, ChangedAt: p.UpdatedAt.UTC()}
	if len(p.Commits.Nodes) != 1 || p.Commits.Nodes[0].Commit.OID != p.HeadRefOid {
		return out
	}
	head := p.Commits.Nodes[0].Commit
	if head.Status != nil {
		for _, s := range head.Status.Contexts {
			out.changed(s.CreatedAt)
		}
	}
	for _, suite := range head.All.Nodes {
		if suite.App == nil || suite.App.DatabaseID != appID {
			out.changed(suite.UpdatedAt)
		}
	}
	out.RunsKnown = head.Ours.TotalCount <= 1
	for _, suite := range head.Ours.Nodes {
		out.RunsKnown = out.RunsKnown && len(suite.CheckRuns.Nodes) == suite.CheckRuns.TotalCount
		for _, run := range suite.CheckRuns.Nodes {
			out.Runs = append(out.Runs, OurRun{Name: run.Name, Status: run.Status, Conclusion: run.Conclusion, ExternalID: run.ExternalID, StartedAt: run.StartedAt.UTC()})
		}
	}
	return out
}

func (p *OpenPull) changed(at time.Time) {
	if at = at.UTC(); at.After(p.ChangedAt) {
		p.ChangedAt = at
	}
}
