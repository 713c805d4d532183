package ghsim

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

var repositoryFields = map[string]resolver{
	"databaseId":         on(func(r *repo) any { return r.id }),
	"name":               on(func(r *repo) any { return r.name }),
	"nameWithOwner":      on(func(r *repo) any { return r.fullName() }),
	"owner":              on(func(r *repo) any { return anActor(r.owner) }),
	"isPrivate":          on(func(r *repo) any { return r.private }),
	"isArchived":         on(func(r *repo) any { return r.archived }),
	"visibility":         on(func(r *repo) any { return visibilityOf(r) }),
	"createdAt":          on(func(r *repo) any { return r.createdAt }),
	"url":                in(func(q *gqlQuery, r *repo, _ gqlArgs) (any, error) { return q.url(r.fullName()), nil }),
	"mergeCommitAllowed": on(func(r *repo) any { return r.settings.allowMerge }),
	"squashMergeAllowed": on(func(r *repo) any { return r.settings.allowSquash }),
	"rebaseMergeAllowed": on(func(r *repo) any { return r.settings.allowRebase }),
	"autoMergeAllowed":   on(func(r *repo) any { return r.settings.allowAutoMerge }),
	"defaultBranchRef":   on(func(r *repo) any { return refOf(r, "refs/heads/"+r.defaultBranch) }),
	"ref": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) {
		name := args.string("qualifiedName")
		if !strings.HasPrefix(name, "refs/") {
			name = "refs/heads/" + name
		}
		return refOf(r, name), nil
	}),
	"object": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) {
		if expression := args.string("expression"); expression != "" {
			return objectAt(r, expression)
		}
		if c := commitOf(r, args.string("oid")); c != nil {
			return typed{"Commit", c}, nil
		}
		return nil, nil
	}),
	"pullRequest": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) {
		number, _ := args.int("number")
		for _, p := range r.pulls {
			if p.number == number {
				return p, nil
			}
		}
		return nil, refusal("NOT_FOUND", "Could not resolve to a PullRequest with the number of %d.", number)
	}),
	"pullRequests": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) { return paged(pullsOf(r, args), args) }),
	"refs": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) {
		var list []gitRef
		for _, name := range slices.Sorted(maps.Keys(r.refs)) {
			if strings.HasPrefix(name, args.string("refPrefix")) && r.refs[name] != "" {
				list = append(list, gitRef{r, name})
			}
		}
		return paged(list, args)
	}),
	"issue": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) {
		number, _ := args.int("number")
		if t, ok := r.thread(number); ok && t.issue != nil && !t.issue.deleted {
			return repoIssue{r, t.issue}, nil
		}
		return nil, refusal("NOT_FOUND", "Could not resolve to an Issue with the number of %d.", number)
	}),
	"mergeQueue": in(func(_ *gqlQuery, r *repo, args gqlArgs) (any, error) {
		branch := args.string("branch")
		if branch == "" {
			branch = r.defaultBranch
		}
		return r.queues[branch], nil
	}),
}

// pullsOf lists pull requests in the states that are asked for: the oldest first, or the one that
// changed last.
func pullsOf(r *repo, args gqlArgs) (list []*pull) {
	states := args.strings("states")
	for _, p := range r.pulls {
		state := strings.ToUpper(p.state)
		if p.merged {
			state = "MERGED"
		}
		if len(states) == 0 || slices.Contains(states, state) {
			list = append(list, p)
		}
	}
	if order := args.object("orderBy"); order.string("field") == "UPDATED_AT" && order.string("direction") == "DESC" {
		slices.SortStableFunc(list, func(a, b *pull) int { return b.updatedAt.Compare(a.updatedAt) })
	}
	return list
}

// objectAt is the file that "<ref>:<path>" names; nil where there is none.
func objectAt(r *repo, expression string) (any, error) {
	ref, path, ok := strings.Cut(expression, ":")
	if !ok {
		return nil, refusal("NOT_SIMULATED", "the simulated GitHub knows objects by oid and <ref>:<path> only")
	}
	if ref == "HEAD" {
		ref = r.defaultBranch
	}
	at := r.commitOf(ref)
	if at == nil {
		return nil, nil
	}
	files := r.git.files(at.sha)
	if sha, ok := files[path]; ok {
		return typed{"Blob", blobObject{r, sha}}, nil
	}
	for file := range files {
		if strings.HasPrefix(file, path+"/") {
			return typed{"Tree", at}, nil
		}
	}
	return nil, nil
}

// blobObject is a file's content. A symbolic link is one too: its content is where it leads.
type blobObject struct {
	repo *repo
	sha  string
}

func (b blobObject) content() []byte { return b.repo.git.blobs[b.sha] }

// maxBlobText is the longest text that GitHub gives of a blob; it cuts longer ones.
const maxBlobText = 512_000

var blobFields = map[string]resolver{
	"oid":         on(func(b blobObject) any { return b.sha }),
	"byteSize":    on(func(b blobObject) any { return len(b.content()) }),
	"isBinary":    on(func(b blobObject) any { return binary(b.content()) }),
	"isTruncated": on(func(b blobObject) any { return len(b.content()) > maxBlobText }),
	"text": on(func(b blobObject) any {
		if binary(b.content()) {
			return nil
		}
		return string(b.content()[:min(len(b.content()), maxBlobText)])
	}),
}

func binary(content []byte) bool { return bytes.IndexByte(content, 0) >= 0 || !utf8.Valid(content) }

func visibilityOf(r *repo) string {
	if r.private {
		return "PRIVATE"
	}
	return "PUBLIC"
}

// gitRef is a ref of a repository.
type gitRef struct {
	repo *repo
	name string // qualified
}

// refOf is the ref with the qualified name, nil when there is none.
func refOf(r *repo, name string) any {
	if r.refs[name] == "" {
		return nil
	}
	return gitRef{r, name}
}

// short is the name without the prefix of its kind.
func (r gitRef) short() string {
	for _, kind := range []string{"refs/heads/", "refs/tags/"} {
		if name, is := strings.CutPrefix(r.name, kind); is {
			return name
		}
	}
	return r.name
}

var refFields = map[string]resolver{
	"name":   on(func(r gitRef) any { return r.short() }),
	"prefix": on(func(r gitRef) any { return strings.TrimSuffix(r.name, r.short()) }),
	"target": on(func(r gitRef) any {
		if c := commitOf(r.repo, r.repo.refs[r.name]); c != nil {
			return typed{"Commit", c}
		}
		return nil
	}),
	"branchProtectionRule": in(func(q *gqlQuery, r gitRef, _ gqlArgs) (any, error) {
		branch, is := strings.CutPrefix(r.name, "refs/heads/")
		if !is {
			return nil, nil
		}
		return q.sim.protectionFor(r.repo, branch), nil
	}),
}

var issueFields = map[string]resolver{
	"databaseId": on(func(i repoIssue) any { return i.id }),
	"number":     on(func(i repoIssue) any { return i.number }),
	"title":      on(func(i repoIssue) any { return i.title }),
	"state":      on(func(i repoIssue) any { return i.state }),
	"createdAt":  on(func(i repoIssue) any { return i.createdAt }),
	"repository": on(func(i repoIssue) any { return i.repo }),
	"author":     on(func(i repoIssue) any { return anActor(i.author) }),
	"timelineItems": in(func(_ *gqlQuery, i repoIssue, args gqlArgs) (any, error) {
		items, err := timelineOf(nil, i.timeline, args)
		if err != nil {
			return nil, err
		}
		return paged(items, args)
	}),
	"url": in(func(q *gqlQuery, i repoIssue, _ gqlArgs) (any, error) {
		return q.url(i.repo.fullName() + "/issues/" + decimal(i.number)), nil
	}),
}

// repoIssue is an issue with the repository that it is in.
type repoIssue struct {
	repo *repo
	*issue
}

var labelFields = map[string]resolver{
	"name":        on(func(l *label) any { return l.name }),
	"color":       on(func(l *label) any { return l.color }),
	"description": on(func(l *label) any { return textOrNull(l.description) }),
}

var mergeQueueFields = map[string]resolver{
	"configuration": on(func(m *mergeQueue) any { return m }),
	"entries":       in(func(_ *gqlQuery, m *mergeQueue, args gqlArgs) (any, error) { return paged(positions(m), args) }),
}

// mergeQueueConfigurationFields are GitHub's defaults; the simulator builds one group
// per entry and the world decides when its checks are over.
var mergeQueueConfigurationFields = map[string]resolver{
	"mergingStrategy":               on(func(m *mergeQueue) any { return map[bool]string{false: "ALLGREEN", true: "HEADGREEN"}[m.headGreen] }),
	"mergeMethod":                   on(func(m *mergeQueue) any { return m.method }),
	"maximumEntriesToBuild":         on(func(*mergeQueue) any { return 5 }),
	"maximumEntriesToMerge":         on(func(*mergeQueue) any { return 5 }),
	"minimumEntriesToMerge":         on(func(*mergeQueue) any { return 1 }),
	"minimumEntriesToMergeWaitTime": on(func(*mergeQueue) any { return 5 }),
	"checkResponseTimeout":          on(func(*mergeQueue) any { return 60 }),
}

// queuePosition is an entry with its place in the queue, from 1.
type queuePosition struct {
	*queueEntry
	position int
}

func positions(m *mergeQueue) []queuePosition {
	out := make([]queuePosition, 0, len(m.entries))
	for i, e := range m.entries {
		out = append(out, queuePosition{e, i + 1})
	}
	return out
}

var mergeQueueEntryFields = map[string]resolver{
	"position":    on(func(e queuePosition) any { return e.position }),
	"state":       on(func(e queuePosition) any { return e.state }),
	"solo":        on(func(e queuePosition) any { return e.solo }),
	"jump":        on(func(e queuePosition) any { return e.jump }),
	"enqueuedAt":  on(func(e queuePosition) any { return e.enqueuedAt }),
	"enqueuer":    on(func(e queuePosition) any { return anActor(e.enqueuer) }),
	"pullRequest": on(func(e queuePosition) any { return e.pull }),
	"baseCommit":  on(func(e queuePosition) any { return commitOf(e.pull.repo, e.baseSHA) }),
	"headCommit":  on(func(e queuePosition) any { return commitOf(e.pull.repo, e.headSHA) }),
}
