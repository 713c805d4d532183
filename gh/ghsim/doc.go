// Package ghsim is a simulated GitHub: a real HTTP server (REST, GraphQL, signed
// webhooks and a few pages for people) over a world that lives in memory.
//
// It is for tests, benches and `countersign demo`. It shares no code with what it
// tests: nothing here imports another package of this module but gh/ghsim/published,
// and everything crosses HTTP.
//
// It behaves like GitHub where GitHub is surprising, because that is where a gate
// breaks: neutral and skipped satisfy a required check, a completed check run does not
// reopen, a review's commit_id is re-pointed after a base merge, a workflow may post a
// check run as GitHub Actions, bypass lists are hidden from callers that may not
// administer, the gate of a merge is GitHub's own and knows nothing about us.
//
// # How the world is kept
//
// The files world.go, repo.go, pull.go, issue.go, checks.go and protection.go hold the state, as
// plain structs with unexported fields. There is one lock, Sim.mu, for all of it.
//   - Exported methods (the builder: builder*.go) and HTTP handlers take the lock.
//   - Unexported functions expect the lock to be held and never take it.
//   - Nothing sleeps, writes to a socket or waits for a channel with the lock held.
//
// Handles of the builder (Org, User, App, Repo, PullRequest) are small values around a
// pointer into the world. They may be used from several goroutines.
package ghsim
