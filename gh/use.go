package gh

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Use is what a client is for. Its requests are sent with tokens that GitHub made good for that and
// for nothing else; what is not part of it is refused, by GitHub or before GitHub is asked.
type Use struct {
	rest, query, people scope // for REST, for GraphQL, and for the members of teams
}

// scope is what a token is good for. The zero scope is good for nothing.
type scope struct {
	everywhere  bool   // in every repository of the installation
	repository  int64  // else in this one, by GitHub's id
	permissions string // as "checks:write metadata:read", by their names in the API, in the order of these
}

// What the tokens of all repositories are good for. No such token writes.
const (
	// A query reads the organisation's policy beside the pull request, the issues that it closes and
	// where it comes from. GitHub leaves out without a word what a token may not see, and a policy
	// that is not seen is a floor that does not hold: so queries see what the installation sees.
	readsAnywhere    = "administration:read contents:read issues:read metadata:read pull_requests:read"
	readsPeople      = "members:read"
	findsAnywhere    = "metadata:read"
	listsAnywhere    = "metadata:read organization_administration:read"
	comparesAnywhere = "checks:read contents:read metadata:read pull_requests:read statuses:read"
	// What is looked over is one repository after the other, each too seldom for a token of its own.
	looksAnywhere = "administration:read checks:read contents:read issues:read metadata:read pull_requests:read statuses:read"
)

// What the tokens of one repository are good for. Repositories are told by their id, so that one that
// has the name of another by now is not taken for it.
const (
	readsOne    = "actions:read checks:read contents:read metadata:read pull_requests:read statuses:read"
	readsQueue  = "contents:read merge_queues:read pull_requests:read"
	readsFiles  = "contents:read"
	writesCheck = "checks:write"
	writesIssue = "issues:write metadata:read"
)

func everywhere(permissions string) scope { return scope{everywhere: true, permissions: permissions} }

func in(repository int64, permissions string) scope {
	return scope{repository: repository, permissions: permissions}
}

// ToRead reads a repository, for a decision about it or because a delivery told of something there.
func ToRead(repository int64) Use {
	return Use{rest: in(repository, readsOne), query: everywhere(readsAnywhere), people: everywhere(readsPeople)}
}

// ToReadTeams reads who is in the teams of the organisation.
func ToReadTeams() Use { return Use{people: everywhere(readsPeople)} }

// ToReadQueue reads the merge queues of a repository.
func ToReadQueue(repository int64) Use { return Use{query: in(repository, readsQueue)} }

// ToWatch reads what reached branches, of one repository after the other and of each too seldom for a
// token of its own: those live for an hour.
func ToWatch() Use { return Use{rest: everywhere(readsAnywhere), query: everywhere(readsAnywhere)} }

// ToPublish writes check runs on a repository, and reads them.
func ToPublish(repository int64) Use { return Use{rest: in(repository, writesCheck)} }

// ToKeepIssues writes issues of a repository, and reads who may close them and through what.
func ToKeepIssues(repository int64) Use {
	return Use{rest: in(repository, writesIssue), query: everywhere(readsAnywhere)}
}

// ToFind reads what a repository is called by now.
func ToFind() Use { return Use{rest: everywhere(findsAnywhere)} }

// ToList reads which repositories there are.
func ToList() Use { return Use{rest: everywhere(listsAnywhere)} }

// ToCompare reads of all repositories what is open and what our check runs say there.
func ToCompare() Use {
	return Use{rest: everywhere(comparesAnywhere), query: everywhere(comparesAnywhere)}
}

// ToLookOver reads of all repositories what there is, and how it is protected: to examine an installation.
func ToLookOver() Use {
	return Use{rest: everywhere(looksAnywhere), query: everywhere(looksAnywhere), people: everywhere(readsPeople)}
}

// ToReadFiles reads files of a repository.
func ToReadFiles(repository int64) Use { return Use{rest: in(repository, readsFiles)} }

// String is what the token is good for, for people.
func (s scope) String() string {
	if s.everywhere {
		return s.permissions + " in every repository"
	}
	return fmt.Sprintf("%s in repository %d", s.permissions, s.repository)
}

// body asks for the token.
//
// Source: POST /app/installations/{installation_id}/access_tokens
// (https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app).
func (s scope) body() ([]byte, error) {
	asks := struct {
		Repositories []int64           `json:"repository_ids,omitempty"`
		Permissions  map[string]string `json:"permissions"`
	}{Permissions: map[string]string{}}
	if !s.everywhere {
		asks.Repositories = []int64{s.repository}
	}
	for _, p := range strings.Fields(s.permissions) {
		name, level, _ := strings.Cut(p, ":")
		asks.Permissions[name] = level
	}
	return json.Marshal(asks)
}
