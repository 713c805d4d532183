package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// point is a moment at which the server is killed.
type point struct {
	name string
	// runs and without are how the statements of the write begin whose commit it is: it has each of
	// the first and none of the second.
	runs, without []string
	// route is that of the request to GitHub which it is; empty: it is a commit.
	route string
	// after: the commit or the request was done, and the server did not learn of it. Else it was not.
	after bool
	// behind is the point at which the server was killed before: only what is left from there leads
	// here. Empty: any moment. It goes with started.
	behind string
	// fails is the route of a request that has to fail, so that the server comes there. Empty: none.
	fails string
	// story is the kind of the story that leads to it. Zero: merges.
	story int
	// started: it is passed only when the server starts.
	started bool
	// always: CI passes it too.
	always bool
	// within: it is none of these, but any moment in this time.
	within time.Duration
}

func (p point) isCommit() bool { return len(p.runs) > 0 }

// is says whether a write with these statements is the one whose commit the point is.
func (p point) is(queries []string) bool {
	has := func(start string) bool {
		return slices.ContainsFunc(queries, func(q string) bool { return strings.HasPrefix(q, start) })
	}
	for _, start := range p.runs {
		if !has(start) {
			return false
		}
	}
	return p.isCommit() && !slices.ContainsFunc(p.without, has)
}

// Beginnings of store's statements.
const (
	storesDelivery = "INSERT INTO deliveries "
	claims         = "UPDATE jobs SET lease = $1, lease_owner"
	finishes       = "UPDATE jobs SET done_gen"
	putsBack       = "UPDATE jobs SET lease = ''"
	decides        = "INSERT INTO decisions "
	savesChange    = "INSERT INTO changes "
	seals          = "UPDATE orgs SET sealed"
	signs          = "INSERT INTO checkpoints "
	intends        = "UPDATE check_runs SET attempting_record_id = $5"
	publishes      = "UPDATE check_runs SET attempting_record_id = ''"
	savesBranch    = "INSERT INTO branches "
	savesUpdate    = "INSERT INTO branch_updates "
	savesException = "INSERT INTO exceptions "
	notesLost      = "INSERT INTO lost_deliveries "
	asksForLost    = "UPDATE lost_deliveries SET asked"
	endsSweep      = "INSERT INTO sweeps "
)

const (
	createsCheckRun = "POST /repos/{owner}/{repo}/check-runs"
	updatesCheckRun = "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}"
	redelivers      = "POST /app/hook/deliveries/{delivery_id}/attempts"
)

const (
	anyMoment      = "at any moment"
	afterTheLaunch = "shortly after it was launched"
)

// points are all of them.
func points() []point {
	list := []point{{name: anyMoment, within: 800 * time.Millisecond}, {name: afterTheLaunch, within: 400 * time.Millisecond, started: true}}
	both := func(what, before, after string, p point) {
		p.name = before + " " + what
		list = append(list, p)
		p.name, p.after = after+" "+what, true
		list = append(list, p)
	}
	commit := func(what string, p point) { both(what, "before the commit of", "after the commit of", p) }
	write := func(what string, p point) { both(what, "before GitHub did", "after GitHub did", p) }
	read := func(what string, p point) {
		p.name = "while it reads " + what
		list = append(list, p)
	}

	commit("a delivery", point{always: true, runs: []string{storesDelivery}})
	commit("a claim", point{runs: []string{claims}})
	commit("a decision", point{always: true, runs: []string{decides}})
	commit("observations", point{runs: []string{seals}})
	commit("a checkpoint", point{runs: []string{signs}})
	commit("the intent to publish", point{always: true, runs: []string{intends}})
	commit("what was published", point{always: true, runs: []string{publishes, finishes}})
	commit("what was found again", point{always: true, runs: []string{publishes}, without: []string{finishes, putsBack}, started: true, behind: "after GitHub did a new check run"})
	commit("a job that is put back", point{runs: []string{putsBack}, without: []string{publishes}, fails: "POST /graphql"})
	commit("a pull request that is closed", point{runs: []string{savesChange, finishes}, without: []string{decides}, story: closes})
	commit("an update of a branch", point{runs: []string{savesUpdate}})
	commit("how far a branch was looked at", point{runs: []string{savesBranch, finishes}})
	commit("a step of an exception", point{runs: []string{savesException}, without: []string{savesUpdate}, story: pushes})
	commit("what is lost", point{runs: []string{notesLost}, started: true})
	commit("what is asked for", point{runs: []string{asksForLost}, started: true})
	commit("how far GitHub's list was read", point{runs: []string{endsSweep}, started: true})

	write("a new check run", point{always: true, route: createsCheckRun})
	write("a change of a check run", point{always: true, route: updatesCheckRun})
	write("an issue", point{always: true, route: "POST /repos/{owner}/{repo}/issues", story: pushes})
	write("a redelivery", point{always: true, route: redelivers, started: true})

	read("who may act as it", point{route: "POST /app/installations/{installation_id}/access_tokens", started: true})
	read("GitHub's list of deliveries", point{route: "GET /app/hook/deliveries", started: true})
	read("a pull request", point{route: "POST /graphql"})
	read("whether a check run is there", point{always: true, route: "GET /repos/{owner}/{repo}/commits/{sha}/check-runs", started: true, behind: "after GitHub did a new check run"})
	read("a policy", point{route: "GET /repos/{owner}/{repo}/contents/{path...}"})
	read("what reached a branch", point{route: "GET /repos/{owner}/{repo}/activity"})
	read("the content of an update", point{route: "GET /repos/{owner}/{repo}/compare/{basehead...}"})
	read("the pull requests of a commit", point{route: "GET /repos/{owner}/{repo}/commits/{sha}/pulls"})
	return list
}

// nameOf is the name of some points.
func nameOf(list []point) string {
	if len(list) == 1 {
		return list[0].name
	}
	return fmt.Sprint(len(list), " points")
}

func pointNamed(name string) point {
	list := points()
	return list[slices.IndexFunc(list, func(p point) bool { return p.name == name })]
}
