package contract

import "strings"

// exception is a place where GitHub's description contradicts GitHub.
type exception struct {
	where  string // how Violation.Where begins; empty: anywhere
	place  string // what Violation.What contains
	reason string
}

// exceptions is kept short: each says why the description is wrong and not we.
var exceptions = []exception{
	{"webhook check_suite.", "/check_suite/app/events/", "the list of events is one of 2020: merge_group, repository_ruleset and others, to which Apps can subscribe, are not in it"},
	{"webhook issue", "/performed_via_github_app/events/", "the same list of 2020, of the App through which an issue or a comment was written"},
	{"GET /app/installations: answer 200", "/account/", "the account must be a user and an enterprise at once there (allOf); everywhere else it may be either (anyOf)"},
}

func contradicted(v Violation) bool {
	for _, e := range exceptions {
		if strings.HasPrefix(v.Where, e.where) && strings.Contains(v.What, e.place) {
			return true
		}
	}
	return false
}
