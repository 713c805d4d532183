package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// exceptionsAs runs the command on the server's database, or against it as somebody.
func (w *acme) exceptionsAs(t *testing.T, token string, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{"GITHUB_TOKEN": token, "COUNTERSIGN_DATABASE_URL": w.database()}
	err := run(t.Context(), append([]string{"exceptions"}, args...), func(name string) string { return env[name] }, nil, &out, &errs)
	if err != nil {
		return out.String() + errs.String() + err.Error(), err
	}
	return out.String(), nil
}

// pushedDirectly is a repository with one exception: carol pushed to main.
func (w *acme) pushedDirectly(t *testing.T, name, policy string) (*ghsim.Repo, store.LeafIndexed) {
	t.Helper()
	repo := w.guardedRepo(name, policy)
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
	repo.Protect("main", w.carol, w.usual())
	w.mustSettle(t)
	list := w.exceptions(t, repo, "direct-push")
	if len(list) != 1 {
		t.Fatalf("exceptions: %+v", list)
	}
	return repo, list[0]
}

func TestExceptionsAreListed(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, e := w.pushedDirectly(t, "listed", "")
	out, err := w.exceptionsAs(t, "", "list", "--repository", repo.FullName(), "--kind", "direct-push")
	mustDo(t, err)
	for _, want := range []string{"acme: 1, 0 of them overdue", "open  high  direct-push  acme/listed main", "carol pushed to main directly", "id " + e.ID, "due "} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	if out, err = w.exceptionsAs(t, "", "list", "--overdue"); err != nil || strings.Contains(out, e.ID) {
		t.Errorf("nothing is overdue: %v\n%s", err, out)
	}
	w.later(25 * time.Hour)
	w.mustSettle(t)
	if out, err = w.exceptionsAs(t, "", "list", "--overdue", "--json"); err != nil || !strings.Contains(out, `"id":"`+e.ID+`"`) {
		t.Errorf("a day later: %v\n%s", err, out)
	}
	out, err = w.exceptionsAs(t, "", "show", e.ID)
	if err != nil || !strings.Contains(out, "OVERDUE") || strings.Count(out, "  leaf ") != 2 {
		t.Errorf("show: %v\n%s", err, out)
	}
	for what, args := range map[string][]string{
		"no such exception": {"show", "nothing"}, "no organisation": {"list", "--org", "nobody"}, "no command": {"drop"}, "nothing": {},
	} {
		if out, err := w.exceptionsAs(t, "", args...); err == nil {
			t.Errorf("%s: no error\n%s", what, out)
		}
	}
}

// An exception is closed by a person with write access who is not the one that it is about, and
// who says what was done.
func TestWhoClosesAnException(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, e := w.pushedDirectly(t, "closed by hand", "")
	outsider := w.sim.User("mallory")
	reader := w.sim.User("rita")
	repo.Collaborator(reader, "read")
	other := w.guardedRepo("another", "")
	server := "http://" + w.server.listener.Addr().String()
	closing := func(token, repository, done, id string) (string, error) {
		return w.exceptionsAs(t, token, "close", "--server", server, "--repo", repository, "--done", done, id)
	}
	for _, c := range []struct{ name, token, repository, done, id, says string }{
		{"who pushed", w.carol.Token(), repo.FullName(), "it was me", e.ID, "somebody else closes it"},
		{"without write access", reader.Token(), repo.FullName(), "looked at", e.ID, "no write access"},
		{"a stranger", outsider.Token(), repo.FullName(), "looked at", e.ID, "GitHub does not show"},
		{"an App", w.app.Token(w.org), repo.FullName(), "looked at", e.ID, "token"},
		{"saying nothing", w.alice.Token(), repo.FullName(), " ", e.ID, "are needed"},
		{"saying too much", w.alice.Token(), repo.FullName(), strings.Repeat("x", 5000), e.ID, "--done has 5000 bytes, and at most 2000 are kept"},
		{"saying more than a request holds", w.alice.Token(), repo.FullName(), strings.Repeat("<", 1000), e.ID, "413: the request has more than 4096 bytes"},
		{"by another repository", w.alice.Token(), other.FullName(), "looked at", e.ID, "no such exception"},
		{"one that is not there", w.alice.Token(), repo.FullName(), "looked at", "nothing", "no such exception"},
		{"without a token", "", repo.FullName(), "looked at", e.ID, "GITHUB_TOKEN is not set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out, err := closing(c.token, c.repository, c.done, c.id); err == nil || !strings.Contains(out, c.says) {
				t.Errorf("got %v, want it to say %q\n%s", err, c.says, out)
			}
		})
	}
	if got := w.exceptions(t, repo, "direct-push")[0]; got.State != store.ExceptionOpen {
		t.Fatalf("closed: %+v", got)
	}
	out, err := closing(w.alice.Token(), repo.FullName(), "reverted in #3", e.ID)
	if err != nil || !strings.Contains(out, "Closed as alice") {
		t.Fatalf("%v\n%s", err, out)
	}
	got := w.exceptions(t, repo, "direct-push")[0]
	if got.State != store.ExceptionClosed || got.By != "alice" || got.ByID != w.alice.ID() || got.Remediation != "reverted in #3" || got.ClosedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	if out, err := closing(w.bob.Token(), repo.FullName(), "me too", e.ID); err == nil || !strings.Contains(out, "closed already") {
		t.Errorf("closed twice: %v\n%s", err, out)
	}
	w.nowhere(t, w.alice.Token())
}

// Who wrote what somebody else merged past its review does not close what is found about it.
func TestWhoIsBehindAChangeClosesNothingAboutIt(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("behind it", "")
	pr := w.davesPull(repo, code)
	w.test(pr, "success")
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	mustDo(t, pr.Merge(w.carol, "squash"))
	w.mustSettle(t)
	e := w.exceptions(t, repo, "merged-while-failing")[0]
	server := "http://" + w.server.listener.Addr().String()
	out, err := w.exceptionsAs(t, w.dave.Token(), "close", "--server", server, "--repo", repo.FullName(), "--done", "fine", e.ID)
	if err == nil || !strings.Contains(out, "is behind the change") {
		t.Errorf("its author: %v\n%s", err, out)
	}
	if out, err := w.exceptionsAs(t, w.bob.Token(), "close", "--server", server, "--repo", repo.FullName(), "--done", "reverted", e.ID); err != nil {
		t.Errorf("somebody else: %s", out)
	}
}

// How a push is followed up is not for the push to say.
func TestAPushDoesNotSayHowItIsFollowedUp(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("own follow up", "")
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{".github/countersign.yml": shopPolicy + "exceptions: {owner: carol, due: {high: 30d}}\n"}})
	w.mustSettle(t)
	e := w.exceptions(t, repo, "direct-push")[0]
	if e.Owner != "" || e.DueAt.Sub(e.OpenedAt) > 25*time.Hour {
		t.Errorf("owner %q, due %s after it was opened at %s", e.Owner, e.DueAt, e.OpenedAt)
	}
}
