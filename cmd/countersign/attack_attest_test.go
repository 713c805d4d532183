package main

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
)

// startInStep starts a world in which GitHub's clock is the server's, however that is moved: what
// rests on GitHub's times is not taken for old, or for what has not happened yet.
func startInStep(t *testing.T) *acme {
	t.Helper()
	var started atomic.Pointer[acme]
	sim := ghsim.New(ghsim.Options{Clock: func() time.Time {
		if w := started.Load(); w != nil {
			return w.now()
		}
		return time.Now()
	}})
	w, err := newAcme(t.Context(), sim, t.TempDir(), fast)
	mustDo(t, err)
	started.Store(w)
	t.Cleanup(func() { mustDo(t, w.close()) })
	return w
}

// onRuleset is what is done to a pull request that a ruleset protects.
type onRuleset func(t *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, pr pull)

// unattested is an attempt to get by a ruleset of which the App cannot read who may bypass it, and
// of which nobody attested anything.
func unattested(name, how, says string, happens onRuleset) attempt {
	return attempt{name, how, "", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		repo.Unprotect("main", w.carol)
		rs := repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "main", Rules: []ghsim.Rule{
			ghsim.RulePullRequest(1), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}, ghsim.Required{Name: "test", App: w.sim.Actions()}),
			ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion()}})
		pr := w.approved(w.davesPull(repo, code))
		w.wantCheck(t, pr, "failure")
		w.later(time.Minute)
		happens(t, w, repo, rs, pr)
		return pr
	}, says}
}

// attested is one after carol, an owner, attested that nobody may bypass the ruleset.
func attested(name, how, says string, happens onRuleset) attempt {
	return unattested(name, how, says, func(t *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, pr pull) {
		_, err := w.attestAs(t, w.carol.Token(), repo.FullName())
		mustDo(t, err)
		w.wantCheck(t, pr, released)
		w.later(time.Minute)
		happens(t, w, repo, rs, pr)
	})
}

// refused is that an attestation is not taken from somebody.
func (w *acme) refused(t *testing.T, token, repo string) {
	t.Helper()
	if out, err := w.attestAs(t, token, repo); err == nil {
		t.Errorf("it is recorded:\n%s", out)
	}
}

var anOwner = ghsim.Bypass{Type: "OrganizationAdmin", Mode: "always"}

// attacksOnAttestations are in a world with one clock, on the word of an owner that the policy takes for what the App cannot
// read.
func attacksOnAttestations() []attempt {
	return []attempt{
		unattested("attested-by-a-member", "Somebody who may write, and owns nothing, attests.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, _ *ghsim.Ruleset, _ pull) {
			w.refused(t, w.alice.Token(), repo.FullName())
		}),
		unattested("attested-by-a-repository-admin", "The administrator of the repository, who is no owner of the organisation, attests.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, _ *ghsim.Ruleset, _ pull) {
			repo.Collaborator(w.alice, "admin")
			w.refused(t, w.alice.Token(), repo.FullName())
		}),
		unattested("attested-by-an-owner-elsewhere", "The owner of another organisation, who may write here, attests.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, _ *ghsim.Ruleset, _ pull) {
			mallory := w.sim.User("mallory")
			w.sim.Org("elsewhere").Owner(mallory)
			repo.Collaborator(mallory, "admin")
			w.refused(t, mallory.Token(), repo.FullName())
		}),
		unattested("attested-by-an-agent", "An agent's App attests with its own token.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, _ *ghsim.Ruleset, _ pull) {
			w.refused(t, w.devin.Token(w.org), repo.FullName())
		}),
		unattested("attested-by-a-former-owner", "Somebody attests who is no owner any more.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, _ *ghsim.Ruleset, _ pull) {
			former := w.sim.User("former-owner")
			w.org.Owner(former)
			w.org.Member(former)
			w.refused(t, former.Token(), repo.FullName())
		}),
		unattested("attested-while-it-is-edited", "An owner attests in the second in which somebody edits the ruleset.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			rs.Bypass(w.carol)
			w.refused(t, w.carol.Token(), repo.FullName())
			rs.Bypass(w.carol, anOwner)
		}),
		unattested("attested-for-another-repository", "An owner attests a ruleset of the same name in another repository.", "protect attest", func(t *testing.T, w *acme, _ *ghsim.Repo, _ *ghsim.Ruleset, pr pull) {
			w.rulesetRepo("another for attesting")
			w.later(time.Minute)
			_, err := w.attestAs(t, w.carol.Token(), "acme/another-for-attesting")
			mustDo(t, err)
			pr.Label(w.dave, "again")
		}),
		unattested("attested-for-another-branch", "An owner attests the ruleset of a branch that has nothing to do with it.", "protect attest", func(t *testing.T, w *acme, repo *ghsim.Repo, _ *ghsim.Ruleset, pr pull) {
			repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "main", Include: []string{"refs/heads/lax"}, Rules: []ghsim.Rule{ghsim.RuleNoDeletion()}})
			repo.Push("lax", w.carol)
			w.later(time.Minute)
			_, err := w.attestAs(t, w.carol.Token(), repo.FullName(), "--branch", "lax")
			mustDo(t, err)
			pr.Label(w.dave, "again")
		}),
		unattested("attested-with-a-bypass", "An owner attests, and the list names who may bypass.", "can be bypassed by OrganizationAdmin", func(t *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			rs.Bypass(w.carol, anOwner)
			w.later(time.Minute)
			_, err := w.attestAs(t, w.carol.Token(), repo.FullName())
			mustDo(t, err)
		}),
		attested("edited-after-attesting", "Somebody is let through after an owner attested, and the delivery that tells of it gets lost.", "is void", func(t *testing.T, w *acme, _ *ghsim.Repo, rs *ghsim.Ruleset, pr pull) {
			w.app.Hooks().Drop(func(event, _ string) bool { return event == "repository_ruleset" })
			rs.Bypass(w.carol, anOwner)
			mustDo(t, w.sim.Drain(t.Context()))
			w.app.Hooks().Drop(nil)
			pr.Label(w.dave, "again")
		}),
		attested("edited-and-back-after-attesting", "Somebody is let through after an owner attested, and taken off again at once.", "is void", func(_ *testing.T, w *acme, _ *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			rs.Bypass(w.carol, anOwner)
			rs.Bypass(w.carol)
		}),
		attested("replaced-after-attesting", "The attested ruleset is switched off, and another one of the same name takes its place.", "protect attest", func(_ *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "main", Bypass: []ghsim.Bypass{anOwner}, Rules: []ghsim.Rule{
				ghsim.RulePullRequest(1), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion()}})
			rs.Enforce(w.carol, "disabled")
		}),
		attested("only-watching-after-attesting", "The attested ruleset is put into evaluation, where it holds nobody.", "main", func(_ *testing.T, w *acme, _ *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			rs.Enforce(w.carol, "evaluate")
		}),
		attested("request-replayed-without-the-token", "Somebody is let through, and the owner's request is sent again with a token that GitHub does not know any more.", "is void", func(t *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			rs.Bypass(w.carol, anOwner)
			w.later(time.Minute)
			w.refused(t, "ghp_revoked", repo.FullName())
		}),
		attested("request-replayed-with-the-token", "Somebody is let through, and the owner's request is sent again as it was: it attests what is there now.", "can be bypassed by OrganizationAdmin", func(t *testing.T, w *acme, repo *ghsim.Repo, rs *ghsim.Ruleset, _ pull) {
			rs.Bypass(w.carol, anOwner)
			w.later(time.Minute)
			_, err := w.attestAs(t, w.carol.Token(), repo.FullName())
			mustDo(t, err)
		}),
		attested("lapsed", "An owner attested a month ago.", "older than 30 days", func(_ *testing.T, w *acme, _ *ghsim.Repo, _ *ghsim.Ruleset, pr pull) {
			w.later(31 * 24 * time.Hour)
			pr.Label(w.dave, "again")
		}),
	}
}
