// Package policy decides whether a change may pass: it turns a policy file, the agent
// catalogue and the recorded facts about one pull request at one head SHA into a
// decision, and the decision into the words of a check run.
//
// It is pure. It reads no clock, network, file or environment and keeps no state, so
// that anybody can perform a decision again, years later, from what was recorded:
// Evaluate gives the same bytes for the same policy, catalogue and facts.
//
// Where to look:
//
//   - policy.go, parse.go, lanes.go, globs.go: the policy file, and which branch it enrols.
//   - facts.go: everything that a rule may look at.
//   - catalogue.go, classify.go, authorship.go: who is behind a change.
//   - evaluate.go: the verdict. Each rule is in its own file, rules_*.go, with what it
//     says in its comment; reviews.go and checks.go hold what several of them share.
//   - decision.go, status.go: the decision, and what GitHub is told.
//   - render.go, text.go: the check run's text, with everything from GitHub escaped.
//
// What is not known never passes: zero values read as not known, lists say whether they
// are whole, and an outcome that rests on something missing is a failure that says so.
//
// A rule that is in use is not edited but succeeded by one with the next revision, so
// that earlier decisions can still be performed again.
package policy
