package main

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// confirmingPolicy asks that approvals of what agents write be confirmed.
var confirmingPolicy = strings.Replace(shopPolicy, "agent: {approvals: 1}", "agent: {approvals: 1}\n  confirm: [agent]", 1)

// confirmForm is the form of a pull request's page, as it is sent.
func (b *browser) confirmForm(pr pull, says string) url.Values {
	b.t.Helper()
	page := b.wantPage(changePage(pr), http.StatusOK, []string{says, "I reviewed this commit"})
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// Bob approves what an agent wrote. It is held until he has signed in and confirmed the commit, and
// again when there is another one.
func TestApprovalIsConfirmedOnAPage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("confirmed", confirmingPolicy)
	pr := w.copilotPullIn(repo, "by an agent")
	w.approved(pr)
	const wants = "Needs bob to sign in and confirm the approved commit (Details)"
	if got := w.wantCheck(t, pr, held); got.Title != wants || !strings.Contains(got.Summary, "because an AI agent wrote this") {
		t.Errorf("%s\n%s", got.Title, got.Summary)
	}
	b, _ := w.signIn(t, w.bob)
	form := b.confirmForm(pr, "You approved this.")
	// Somebody else's confirmation is not his.
	other, _ := w.signIn(t, w.carol)
	other.sends(changePage(pr)+"/confirm", other.confirmForm(pr, "Do you review this?"))
	w.wantCheck(t, pr, held)
	for range 2 {
		if to := b.sends(changePage(pr)+"/confirm", form); to != changePage(pr) {
			t.Errorf("it leads to %s", to)
		}
	}
	if got := w.wantCheck(t, pr, released); !strings.Contains(got.Summary, "confirmed it in a session") {
		t.Errorf("the check run does not tell of it:\n%s", got.Summary)
	}
	list := w.factsOf(t, pr).Confirmations
	if len(list) != 2 || list[1].By.ID != w.bob.ID() || list[1].CommitSHA != pr.HeadSHA() || list[1].HeadSHA != pr.HeadSHA() || list[1].BaseRef != "main" {
		t.Errorf("confirmations: %+v", list)
	}
	b.wantPage(changePage(pr), http.StatusOK, []string{"countersign confirmation"}, "I reviewed this commit")
	// What was confirmed before the server stops is there afterwards.
	w.restart(t)
	pr.Label(w.dave, "again")
	w.wantCheck(t, pr, released)
	// Another commit is confirmed anew, and whoever has the old page open is told.
	pr.Push(w.copilot, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package shop\n"}})
	w.approved(pr)
	if got := w.wantCheck(t, pr, held); got.Title != wants {
		t.Errorf("after a push: %s", got.Title)
	}
	if status, page := b.post(changePage(pr)+"/confirm", form); status != http.StatusBadRequest || !strings.Contains(page, "another commit by now") {
		t.Errorf("an old page: %d %s", status, page)
	}
	old := b.confirmForm(pr, "what they confirmed was for an older commit")
	for says, alter := range map[string]func(url.Values){
		"was not whole":         func(f url.Values) { f.Del("once") },
		"another branch by now": func(f url.Values) { f.Set("base", "release") },
	} {
		wrong := url.Values{"head": old["head"], "base": old["base"], "once": old["once"]}
		alter(wrong)
		if status, page := b.post(changePage(pr)+"/confirm", wrong); status != http.StatusBadRequest || !strings.Contains(page, says) {
			t.Errorf("%s: got %d: %s", says, status, page)
		}
	}
	w.wantCheck(t, pr, held)
	b.sends(changePage(pr)+"/confirm", b.confirmForm(pr, "You approved this."))
	w.wantCheck(t, pr, released)
	mustDo(t, pr.Merge(w.bob, "squash"))
	w.mustSettle(t)
	// An auditor makes the decisions again, with what was confirmed.
	file, _ := w.exported(t)
	if got := w.verified(t, file); !got.OK || got.Report.Reperformed == 0 {
		t.Errorf("the bundle: %+v", got.Report)
	}
}

// What no agent took part in is confirmed by nobody, and there is no form for it.
func TestNothingToConfirm(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.davesPull(w.guardedRepo("unconfirmed", confirmingPolicy), code)
	w.test(pr, "success")
	w.wantCheck(t, pr, held)
	b, _ := w.signIn(t, w.bob)
	b.wantPage(changePage(pr), http.StatusOK, nil, "I reviewed this commit")
	pr.Approve(w.bob)
	w.wantCheck(t, pr, released)
}
