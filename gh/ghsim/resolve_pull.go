package ghsim

import "slices"

var pullFields = map[string]resolver{
	"databaseId":          on(func(p *pull) any { return p.id }),
	"fullDatabaseId":      on(func(p *pull) any { return p.id }),
	"number":              on(func(p *pull) any { return p.number }),
	"title":               on(func(p *pull) any { return p.title }),
	"body":                on(func(p *pull) any { return p.body }),
	"isDraft":             on(func(p *pull) any { return p.draft }),
	"locked":              on(func(p *pull) any { return p.locked }),
	"closed":              on(func(p *pull) any { return p.state == "closed" }),
	"merged":              on(func(p *pull) any { return p.merged }),
	"mergedAt":            on(func(p *pull) any { return p.mergedAt }),
	"createdAt":           on(func(p *pull) any { return p.createdAt }),
	"updatedAt":           on(func(p *pull) any { return p.updatedAt }),
	"closedAt":            on(func(p *pull) any { return p.closedAt }),
	"lastEditedAt":        on(func(p *pull) any { return p.editedAt }),
	"includesCreatedEdit": on(func(p *pull) any { return !p.editedAt.IsZero() }),
	"author":              on(func(p *pull) any { return anActor(p.author) }),
	"editor":              on(func(p *pull) any { return anActor(p.editor) }),
	"mergedBy":            on(func(p *pull) any { return anActor(p.mergedBy) }),
	"repository":          on(func(p *pull) any { return p.repo }),
	"baseRepository":      on(func(p *pull) any { return p.repo }),
	"baseRefName":         on(func(p *pull) any { return p.baseRef }),
	"baseRefOid":          on(func(p *pull) any { return p.baseSHA }),
	"headRefName":         on(func(p *pull) any { return p.headRef }),
	"headRefOid":          in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) { return q.sim.headOf(q.viewer, p), nil }),
	"isCrossRepository":   on(func(p *pull) any { return p.headRepo != p.repo }),
	"headRepository":      on(func(p *pull) any { return p.headRepo }),
	"isInMergeQueue":      on(func(p *pull) any { return p.queued != nil }),
	"mergeCommit":         on(func(p *pull) any { return commitOf(p.repo, p.mergeSHA) }),
	"autoMergeRequest":    on(func(p *pull) any { return p.autoMerge }),
	"url": in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) {
		return q.url(p.repo.fullName() + "/pull/" + decimal(p.number)), nil
	}),
	"state": on(func(p *pull) any {
		if p.merged {
			return "MERGED"
		}
		return p.state
	}),
	"headRepositoryOwner": on(func(p *pull) any {
		if p.headRepo == nil {
			return nil
		}
		return anActor(p.headRepo.owner)
	}),
	"mergeQueueEntry": on(func(p *pull) any {
		if p.queued == nil {
			return nil
		}
		if m := p.repo.queues[p.baseRef]; m != nil {
			for _, e := range positions(m) {
				if e.queueEntry == p.queued {
					return e
				}
			}
		}
		return nil
	}),

	"authorAssociation": in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) {
		return q.sim.association(p.repo, p.author), nil
	}),
	"mergeable":        in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) { return q.sim.mergeable(p), nil }),
	"mergeStateStatus": in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) { return q.sim.mergeState(p), nil }),
	"reviewDecision":   in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) { return textOrNull(q.sim.reviewDecision(p)), nil }),
	"changedFiles":     in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) { return len(q.diffOf(p)), nil }),
	"additions": in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) {
		return sumOf(q.diffOf(p), func(f fileChange) int { return f.additions }), nil
	}),
	"deletions": in(func(q *gqlQuery, p *pull, _ gqlArgs) (any, error) {
		return sumOf(q.diffOf(p), func(f fileChange) int { return f.deletions }), nil
	}),

	"labels": in(func(_ *gqlQuery, p *pull, args gqlArgs) (any, error) { return paged(p.labels, args) }),
	// assignees is a list of users in the schema: an assigned bot is not in it.
	"assignees": in(func(_ *gqlQuery, p *pull, args gqlArgs) (any, error) {
		return paged(slices.DeleteFunc(slices.Clone(p.assignees), func(a *account) bool { return a.kind != "User" }), args)
	}),
	"closingIssuesReferences": in(func(_ *gqlQuery, p *pull, args gqlArgs) (any, error) {
		var list []repoIssue
		for _, i := range p.closes {
			list = append(list, repoIssue{p.repo, i})
		}
		return paged(list, args)
	}),
	"reviewRequests": in(func(_ *gqlQuery, p *pull, args gqlArgs) (any, error) {
		var list []reviewRequest
		for _, a := range p.requested {
			list = append(list, reviewRequest{typed{a.kind, a}})
		}
		for _, t := range p.requestedTeams {
			list = append(list, reviewRequest{typed{"Team", t}})
		}
		return paged(list, args)
	}),
	"commits": in(func(q *gqlQuery, p *pull, args gqlArgs) (any, error) { return paged(q.commitsOf(p), args) }),
	"reviews": in(func(q *gqlQuery, p *pull, args gqlArgs) (any, error) {
		states, author := args.strings("states"), args.string("author")
		var list []pullReview
		for _, r := range p.reviews {
			if r.state == "PENDING" && (q.viewer.user == nil || r.author != q.viewer.user) {
				continue // nobody sees a review before its author submits it
			}
			if len(states) > 0 && !slices.Contains(states, r.state) || author != "" && r.author.graphLogin() != author {
				continue
			}
			list = append(list, pullReview{p, r})
		}
		return paged(list, args)
	}),
	"timelineItems": in(func(_ *gqlQuery, p *pull, args gqlArgs) (any, error) {
		items, err := timelineOf(p, p.timeline, args)
		if err != nil {
			return nil, err
		}
		return paged(items, args)
	}),
}

var pullCommitFields = map[string]resolver{
	"commit": on(func(c repoCommit) any { return c }),
}

// commitsOf lists the commits of the pull request as its head is seen, oldest first.
func (q *gqlQuery) commitsOf(p *pull) []repoCommit {
	var list []repoCommit
	for _, c := range p.repo.git.between(q.sim.baseTip(p), q.sim.headOf(q.viewer, p)) {
		list = append(list, repoCommit{p.repo, c})
	}
	return list
}

// diffOf is what the pull request changes, as its head is seen.
func (q *gqlQuery) diffOf(p *pull) []fileChange { return q.sim.netDiff(p, q.sim.headOf(q.viewer, p)) }

func sumOf(files []fileChange, count func(fileChange) int) int {
	n := 0
	for _, f := range files {
		n += count(f)
	}
	return n
}

// pullReview is a review with the pull request that it is of.
type pullReview struct {
	pull *pull
	*review
}

var reviewFields = map[string]resolver{
	"databaseId":     on(func(r pullReview) any { return r.id }),
	"fullDatabaseId": on(func(r pullReview) any { return r.id }),
	"state":          on(func(r pullReview) any { return r.state }),
	"body":           on(func(r pullReview) any { return r.body }),
	"createdAt":      on(func(r pullReview) any { return r.createdAt }),
	"submittedAt":    on(func(r pullReview) any { return r.submittedAt }),
	"lastEditedAt":   on(func(r pullReview) any { return r.editedAt }),
	"author":         on(func(r pullReview) any { return anActor(r.author) }),
	"pullRequest":    on(func(r pullReview) any { return r.pull }),
	"commit":         on(func(r pullReview) any { return commitOf(r.pull.repo, r.commitSHA) }),
	"onBehalfOf":     in(func(_ *gqlQuery, r pullReview, args gqlArgs) (any, error) { return paged(r.teams, args) }),
	"authorAssociation": in(func(q *gqlQuery, r pullReview, _ gqlArgs) (any, error) {
		return q.sim.association(r.pull.repo, r.author), nil
	}),
	"authorCanPushToRepository": in(func(q *gqlQuery, r pullReview, _ gqlArgs) (any, error) {
		return r.author != nil && rank[q.sim.role(r.pull.repo, r.author)] >= rank["write"], nil
	}),
}

// reviewRequest asks somebody, or a team, for a review.
type reviewRequest struct{ of typed }

var reviewRequestFields = map[string]resolver{
	"requestedReviewer": on(func(r reviewRequest) any { return r.of }),
}

var autoMergeFields = map[string]resolver{
	"enabledAt":   on(func(a *autoMerge) any { return a.at }),
	"enabledBy":   on(func(a *autoMerge) any { return anActor(a.by) }),
	"mergeMethod": on(func(a *autoMerge) any { return a.method }),
}
