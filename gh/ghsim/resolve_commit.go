package ghsim

import (
	"strconv"
	"strings"
)

// repoCommit is a commit with the repository that it is looked at in.
type repoCommit struct {
	repo *repo
	*commit
}

// commitOf is the commit with the name, nil when the repository does not have it.
func commitOf(r *repo, sha string) any {
	if c := r.git.commits[sha]; c != nil {
		return repoCommit{r, c}
	}
	return nil
}

var commitFields = map[string]resolver{
	"oid":                 on(func(c repoCommit) any { return c.sha }),
	"abbreviatedOid":      on(func(c repoCommit) any { return c.sha[:7] }),
	"message":             on(func(c repoCommit) any { return c.message }),
	"messageHeadline":     on(func(c repoCommit) any { return c.headline() }),
	"messageBody":         on(func(c repoCommit) any { return strings.TrimLeft(strings.TrimPrefix(c.message, c.headline()), "\n") }),
	"authoredDate":        on(func(c repoCommit) any { return c.author.at }),
	"committedDate":       on(func(c repoCommit) any { return c.committer.at }),
	"committedViaWeb":     on(func(c repoCommit) any { return c.viaWeb }),
	"authoredByCommitter": on(func(c repoCommit) any { return c.author.email == c.committer.email }),
	"repository":          on(func(c repoCommit) any { return c.repo }),
	"tree":                on(func(c repoCommit) any { return c.commit }),
	"author":              on(func(c repoCommit) any { return c.author }),
	"committer":           on(func(c repoCommit) any { return c.committer }),
	"onBehalfOf":          on(func(repoCommit) any { return nil }),
	"authors": in(func(_ *gqlQuery, c repoCommit, args gqlArgs) (any, error) {
		return paged(append([]identity{c.author}, c.coauthors...), args)
	}),
	"parents": in(func(_ *gqlQuery, c repoCommit, args gqlArgs) (any, error) {
		var list []any
		for _, sha := range c.parents {
			list = append(list, commitOf(c.repo, sha))
		}
		return paged(list, args)
	}),
	"signature": on(func(c repoCommit) any {
		if !c.signature.present {
			return nil
		}
		return typed{"GpgSignature", c.signature}
	}),
	"file": in(func(_ *gqlQuery, c repoCommit, args gqlArgs) (any, error) {
		path := args.string("path")
		if blob, ok := c.repo.git.files(c.sha)[path]; ok {
			return treeEntry{blob, c.repo.git.mode(c.sha, path)}, nil
		}
		return nil, nil
	}),
	"checkSuites": in(func(_ *gqlQuery, c repoCommit, args gqlArgs) (any, error) {
		var list []repoSuite
		app, filtered := args.object("filterBy").int("appId")
		for _, suite := range c.repo.suitesAt[c.sha] {
			if !filtered || suite.app.id == int64(app) {
				list = append(list, repoSuite{c.repo, suite})
			}
		}
		return paged(list, args)
	}),
	"status":            on(func(c repoCommit) any { return statusOf(c.repo, c.sha) }),
	"statusCheckRollup": on(func(c repoCommit) any { return rollupOf(c.repo, c.sha) }),
}

var treeFields = map[string]resolver{
	"oid": on(func(c *commit) any { return c.tree }),
}

// treeEntry is a file in a tree.
type treeEntry struct{ blob, mode string }

var treeEntryFields = map[string]resolver{
	"oid": on(func(e treeEntry) any { return e.blob }),
	"mode": in(func(_ *gqlQuery, e treeEntry, _ gqlArgs) (any, error) {
		// GitHub gives the octal number as a decimal one: 100644 is 33188.
		n, err := strconv.ParseInt(e.mode, 8, 64)
		return int(n), err
	}),
}

// gitActorFields: user is a User in the schema, so a commit by a bot has none.
var gitActorFields = map[string]resolver{
	"name":  on(func(i identity) any { return i.name }),
	"email": on(func(i identity) any { return i.email }),
	"date":  on(func(i identity) any { return i.at }),
	"user":  on(func(i identity) any { return aUser(i.account) }),
}

var signatureFields = map[string]resolver{
	"isValid":           on(func(s signature) any { return s.verified }),
	"state":             on(func(s signature) any { return s.reason }),
	"wasSignedByGitHub": on(func(s signature) any { return s.byGitHub }),
	"verifiedAt":        on(func(s signature) any { return s.at }),
	"signer":            on(func(s signature) any { return aUser(s.signer) }),
}
