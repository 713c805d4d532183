package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// An admin sees what the rules of each branch lack, how to repair it, and how that was before.
func TestProtectionPage(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "a change")
	w.copilotPullIn(w.sandbox, "another")
	w.mustSettle(t)
	b, _ := w.signIn(t, w.carol)
	list := b.wantPage("/orgs/acme/protection", http.StatusOK, []string{"acme/shop main", "as the policy asks", "acme/sandbox main", "can be changed in other ways"})
	b.wantPage("/orgs/acme/protection?state=protected", http.StatusOK, []string{"acme/shop main"}, "acme/sandbox")
	b.wantPage("/orgs/acme/protection?state=lacking", http.StatusOK, []string{"acme/sandbox main"}, "acme/shop main")
	b.wantPage("/orgs/acme/protection?state=blind", http.StatusOK, []string{"No branch is like that"})
	page := func(repo string) string {
		link := regexp.MustCompile(`<a href="([^"]*)">` + repo + ` main</a>`).FindStringSubmatch(list)
		if link == nil {
			t.Fatalf("no link to %s in %s", repo, list)
		}
		return link[1]
	}
	b.wantPage(page("acme/sandbox"), http.StatusOK, []string{"It can be changed in other ways", "What to do:", fmt.Sprintf("countersign protect --repo acme/sandbox --app-id %d", w.app.ID()), "/acme/sandbox/settings/rules"})
	b.wantPage(page("acme/shop"), http.StatusOK, []string{"Nothing that the policy asks for.", "Over time"}, "What to do:")
	// The protection is taken away.
	w.shop.Unprotect("main", w.carol)
	w.mustSettle(t)
	b.wantPage(page("acme/shop"), http.StatusOK, []string{"It can be changed in other ways", "Times in which it was not protected", "held, and does not hold any more"})
	b.wantPage("/orgs/acme/protection/1/main", http.StatusNotFound, nil)
	dave, _ := w.signIn(t, w.dave)
	dave.wantPage("/orgs/acme/protection", http.StatusNotFound, nil, "acme/shop main")
	dave.wantPage(page("acme/shop"), http.StatusNotFound, nil, "Over time")
}

// Repositories that the App is installed on, and no policy enrols, are named.
func TestNotEnrolled(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "a change")
	w.org.Repo("bare", ghsim.RepoSpec{})
	n := w.server.store.Tenant(w.org.ID())
	var scope store.Scope
	w.skipUntil(t, func() bool {
		var err error
		scope, _, err = n.LastScopeWhole(t.Context())
		mustDo(t, err)
		return slices.ContainsFunc(scope.Repositories, func(r store.ScopeRepository) bool { return r.Repository == "acme/bare" })
	})
	branches, err := n.Branches(t.Context(), 0)
	orFatal(t, err)
	b, _ := w.signIn(t, w.carol) // now: time went by
	page := b.wantPage("/orgs/acme/protection", http.StatusOK, []string{"Not enrolled"})
	_, named, _ := strings.Cut(page, "Not enrolled")
	for _, r := range scope.Repositories {
		followed := slices.ContainsFunc(branches, func(b store.Branch) bool { return b.RepoID == r.ID })
		if want := r.State == store.ScopeInstalled && !followed; strings.Contains(named, "<li>"+r.Repository+"</li>") != want {
			t.Errorf("%s, followed %v: got %v, want %v", r.Repository, followed, !want, want)
		}
	}
	if len(scope.Repositories) <= len(branches) {
		t.Errorf("there are %d repositories, of which every one is enrolled", len(scope.Repositories))
	}
}
