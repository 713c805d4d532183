// Package gh is the only place that talks to GitHub: App authentication, REST and
// GraphQL, webhook signatures and payloads, check runs. go-github's types stop here.
//
// It reads and writes what it is told to and decides nothing. Lists are whole or an
// error. A rate limit is an error that says when to come back, never a sleep.
package gh
