package main

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// pageEmergencyRepo is a guarded repository where emergencies are declared on pages.
func (w *acme) pageEmergencyRepo(name string) *ghsim.Repo {
	return w.guardedRepo(name, shopPolicy+"emergency: {team: acme/oncall, via: [session]}\n")
}

func changePage(pr pull) string {
	return fmt.Sprintf("/orgs/acme/changes/%d/%d", pr.Repo().ID(), pr.Number())
}

// emergencyForm is the form of a pull request's page, filled in.
func (b *browser) emergencyForm(pr pull) url.Values {
	b.t.Helper()
	page := b.wantPage(changePage(pr), http.StatusOK, []string{"Declare an emergency", "Members of acme/oncall declare one"})
	form := url.Values{"ticket": {"INC-7"}, "reason": {"the shop <b>is</b> down"}}
	for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// declarations are those that the newest decision about a pull request was made from.
func (w *acme) declarations(t *testing.T, pr pull) []policy.Declaration {
	t.Helper()
	return w.factsOf(t, pr).Declarations
}

// factsOf are what the newest decision about a pull request was made from.
func (w *acme) factsOf(t *testing.T, pr pull) (f policy.Facts) {
	t.Helper()
	d, err := w.server.store.Tenant(w.org.ID()).Decision(t.Context(), w.check(pr, "countersign").ExternalID)
	mustDo(t, err)
	mustDo(t, json.Unmarshal(d.Facts, &f))
	return f
}

// Somebody on call signs in, declares an emergency on the page of the pull request, and it is
// released; sent again by a press too many, the form declares nothing more.
func TestEmergencyOnAPage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	erin := w.onCall(t)
	repo := w.pageEmergencyRepo("pages")
	pr := w.davesPull(repo, code)
	w.test(pr, "success")
	w.wantCheck(t, pr, held)
	b, _ := w.signIn(t, erin)
	form := b.emergencyForm(pr)
	for range 2 {
		if to := b.sends(changePage(pr)+"/emergency", form); to != changePage(pr) {
			t.Errorf("it leads to %s", to)
		}
	}
	got := w.wantCheck(t, pr, released)
	if !strings.Contains(got.Summary, "erin declared it") || !strings.Contains(got.Summary, "the shop &#60;b&#62;is&#60;/b&#62; down") {
		t.Errorf("the check run does not tell of it:\n%s", got.Summary)
	}
	if list := w.declarations(t, pr); len(list) != 1 || list[0].Via != policy.ViaSession || list[0].By.ID != erin.ID() || list[0].HeadSHA != pr.HeadSHA() || list[0].Member != "yes" {
		t.Errorf("declarations: %+v", list)
	}
	if list := w.emergencies(t, repo); len(list) != 1 || list[0].Owner != "erin" {
		t.Errorf("exceptions: %+v", list)
	}
	b.wantPage(changePage(pr), http.StatusOK, []string{"<b>Emergency:</b> erin declared it", "the shop &lt;b&gt;is&lt;/b&gt; down"}, "<summary>Declare")
	// With something else in it, it is another declaration.
	form.Set("reason", "the shop is still down")
	b.sends(changePage(pr)+"/emergency", form)
	w.wantCheck(t, pr, released)
	if list := w.declarations(t, pr); len(list) != 2 || list[1].Reason != "the shop is still down" {
		t.Errorf("declarations: %+v", list)
	}
	b.wantPage(changePage(pr), http.StatusOK, []string{"<b>Emergency:</b> erin declared it", "the shop is still down"}, "<summary>Declare")
	// What was declared before the server stops is there afterwards, and no more.
	w.restart(t)
	pr.Label(w.dave, "again")
	w.wantCheck(t, pr, released)
	if list := w.declarations(t, pr); len(list) != 2 {
		t.Errorf("declarations: %+v", list)
	}
	// A push ends it, and who has the old page open is told.
	pr.Push(w.dave, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package shop\n"}})
	w.mustSettle(t)
	if status, page := b.post(changePage(pr)+"/emergency", form); status != http.StatusBadRequest || !strings.Contains(page, "another commit by now") {
		t.Errorf("an old page: %d %s", status, page)
	}
	w.wantCheck(t, pr, held)
}

// What is declared on a page and releases nothing.
func TestNoEmergencyOnAPage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	erin := w.onCall(t)
	repo := w.pageEmergencyRepo("no emergency")
	pr, other := w.davesPull(repo, code), w.davesPull(w.emergencyRepo("comments only"), code)
	for _, p := range []pull{pr, other} {
		w.test(p, "success")
	}
	w.wantCheck(t, pr, held)
	w.wantCheck(t, other, held)
	for _, c := range []struct {
		by   *ghsim.User
		says string
	}{{w.dave, "must not be behind the change"}, {w.bob, "not a member of acme/oncall"}} {
		b, _ := w.signIn(t, c.by)
		b.sends(changePage(pr)+"/emergency", b.emergencyForm(pr))
		if got := w.wantCheck(t, pr, held); !strings.Contains(got.Summary, c.says) {
			t.Errorf("%s: %s", c.by.Login(), got.Summary)
		}
		b.wantPage(changePage(pr), http.StatusOK, []string{c.says})
	}
	b, _ := w.signIn(t, erin)
	for name, alter := range map[string]func(url.Values){
		"the ticket is one word": func(f url.Values) { f.Set("ticket", "INC 7") },
		"at least 3 words":       func(f url.Values) { f.Set("reason", "because") },
		"is too long":            func(f url.Values) { f.Set("reason", strings.Repeat("so ", 500)) },
		"was not whole":          func(f url.Values) { f.Del("once") },
		"another branch by now":  func(f url.Values) { f.Set("base", "release") },
	} {
		form := b.emergencyForm(pr)
		alter(form)
		if status, page := b.post(changePage(pr)+"/emergency", form); status != http.StatusBadRequest || !strings.Contains(page, name) {
			t.Errorf("%s: got %d: %s", name, status, page)
		}
	}
	w.wantCheck(t, pr, held)
	if n := len(w.declarations(t, pr)); n != 2 {
		t.Errorf("%d declarations, want those of dave and bob", n)
	}
	// Where the policy takes comments only there is no form, and what is sent all the same does not count.
	b.wantPage(changePage(other), http.StatusOK, nil, "Declare an emergency")
	form := b.emergencyForm(pr)
	form.Set("head", other.HeadSHA())
	b.sends(changePage(other)+"/emergency", form)
	if got := w.wantCheck(t, other, held); !strings.Contains(got.Summary, "takes none from a page") {
		t.Errorf("summary: %s", got.Summary)
	}
}
