package policy

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// beginning is what docs/getting-started.md and the README begin with.
//
//go:embed beginning.yml
var beginning string

// Beginning is the policy to begin with, for a repository that has none: it looks at one branch, and
// holds nothing. It names no validations, because nobody else knows what a repository's tests are called.
func Beginning(branch string) []byte {
	if branch == "main" {
		return []byte(beginning)
	}
	// Whatever a branch is called: a string of JSON's is one of YAML's.
	quoted, err := json.Marshal(branch)
	if err != nil {
		panic("policy: encode a branch's name: " + err.Error()) // strings always encode
	}
	return []byte(strings.Replace(beginning, "[main]", "["+string(quoted)+"]", 1))
}
