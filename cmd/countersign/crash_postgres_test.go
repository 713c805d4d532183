//go:build crash

package main

import "testing"

// The same as TestKilled. It is part of `make crash` and of no other test run, since on two cores it
// takes minutes: there TestOnPostgresTwoServers kills servers on PostgreSQL.
func TestOnPostgresKilled(t *testing.T) {
	t.Parallel()
	testKilled(t)
}

// With three servers, each has its own trouble.
func TestOnPostgresThreeServers(t *testing.T) { testServers(t, 3) }
