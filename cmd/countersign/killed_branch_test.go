package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
)

// moves are the updates of a branch, from what to what.
type moves struct {
	repo *ghsim.Repo
	list [][2]string
}

// note does something to main and keeps from where to where that moved it.
func (m *moves) note(do func()) {
	before := m.repo.Head("main")
	do()
	m.list = append(m.list, [2]string{before, m.repo.Head("main")})
}

// The server is killed while it looks at branches, at each of its reads and at any moment between,
// and does not hear of what happens while it is dead: every update is looked at in the end, once
// and in its order, and what was not decided on is an exception, once.
func TestKilledWhileABranchIsLookedAt(t *testing.T) {
	p := startProcess(t)
	random := rand.New(rand.NewPCG(7, 7))
	var all []*moves
	for _, route := range []string{
		"GET /repos/{owner}/{repo}", "GET */activity", "GET */compare/{basehead...}", "GET */commits/{sha}/pulls", "GET */contents/{path...}",
	} {
		all = append(all, p.killedAfterAMerge(t, "at "+route, func(merge func()) {
			reached := p.killAt(t, route, 0)
			merge()
			reached()
		}))
	}
	for n := range 6 {
		all = append(all, p.killedAfterAMerge(t, fmt.Sprint("at any moment ", n), func(merge func()) {
			merge()
			<-time.After(time.Duration(random.IntN(40)) * time.Millisecond)
			_ = p.cmd.Process.Kill()
		}))
	}
	// On a clock on which the leases of the dead have run out, and a branch of which nothing is
	// heard is looked at.
	p.later(2 * time.Hour)
	p.startAgain(t)
	p.mustSettle(t)
	for _, m := range all {
		p.wantFound(t, m.repo, "direct-push high")
		list, err := p.server.store.Tenant(p.org.ID()).Updates(t.Context(), m.repo.ID())
		mustDo(t, err)
		var looked [][2]string
		for _, u := range list {
			looked = append(looked, [2]string{u.Before, u.After})
		}
		if !slices.Equal(looked, m.list) {
			t.Errorf("%s: looked at %v, want %v", m.repo.FullName(), looked, m.list)
		}
	}
	p.decisions(t) // the log holds
}

// killedAfterAMerge merges what is in order, as die wants it, who kills the server; then main is
// pushed to past everything before the server is started again.
func (p *process) killedAfterAMerge(t *testing.T, name string, die func(merge func())) *moves {
	t.Helper()
	m := &moves{repo: p.guardedRepo(name, "")}
	pr := p.approved(p.davesPull(m.repo, code))
	p.waitUntil(t, func() bool { return p.check(pr, "countersign").Conclusion == released })
	die(func() { m.note(func() { mustDo(t, pr.Merge(p.alice, "squash")) }) })
	p.kill(t)
	m.note(func() {
		m.repo.Unprotect("main", p.carol)
		m.repo.Push("main", p.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
	})
	mustDo(t, p.sim.Drain(t.Context()))
	p.start(t)
	return m
}
