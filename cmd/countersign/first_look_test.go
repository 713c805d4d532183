package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// A branch that is enrolled begins with what came after that, however much came before, and
// whatever of it nobody told us.
func TestWhereABranchBegins(t *testing.T) {
	t.Parallel()
	enrol := ghsim.Commit{Message: "enrol", Files: map[string]string{".github/countersign.yml": shopPolicy}}
	direct := ghsim.Commit{Message: "quick", Files: map[string]string{"quick.txt": "x\n"}}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, w *acme, repo *ghsim.Repo)
		want []string
	}{
		{"busy before", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			for i := range 150 {
				repo.Push("main", w.carol, ghsim.Commit{Message: "before", Files: map[string]string{"n": fmt.Sprint(i)}})
			}
			repo.Push("main", w.carol, enrol)
			w.mustSettle(t)
			repo.Push("main", w.carol, direct)
		}, []string{"direct-push high"}},
		{"the first push after it was not told", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			hooks := w.app.Hooks()
			hooks.Hold()
			repo.Push("main", w.carol, enrol)
			hooks.Drop(func(event, _ string) bool { return event == "push" })
			repo.Push("main", w.carol, direct)
			hooks.Drop(nil)
			hooks.Release()
		}, []string{"direct-push high"}},
		{"a push between two that were told was not", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			hooks := w.app.Hooks()
			hooks.Hold()
			repo.Push("main", w.carol, enrol)
			repo.Push("main", w.carol, direct)
			hooks.Drop(func(event, _ string) bool { return event == "push" })
			repo.Push("main", w.carol, ghsim.Commit{Message: "quick too", Files: map[string]string{"quick.txt": "y\n"}})
			hooks.Drop(nil)
			hooks.Release()
		}, []string{"direct-push high", "direct-push high"}},
		{"taken out and put back before the first look", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			hooks := w.app.Hooks()
			hooks.Hold()
			repo.Push("main", w.carol, enrol)
			repo.Push("main", w.carol, direct)
			repo.Push("main", w.carol, ghsim.Commit{Message: "out", Delete: []string{".github/countersign.yml"}})
			repo.Push("main", w.carol, enrol)
			hooks.Release()
		}, []string{"direct-push high", "direct-push high", "direct-push high"}},
		{"reported on before, and taken out", func(t *testing.T, w *acme, repo *ghsim.Repo) {
			hooks := w.app.Hooks()
			hooks.Hold()
			repo.Push("main", w.carol, ghsim.Commit{Message: "audit", Files: map[string]string{".github/countersign.yml": strings.Replace(shopPolicy, "mode: enforce", "mode: audit", 1)}})
			repo.Push("main", w.carol, ghsim.Commit{Message: "out", Delete: []string{".github/countersign.yml"}})
			repo.Push("main", w.carol, direct)
			repo.Push("main", w.carol, enrol)
			repo.Push("main", w.carol, ghsim.Commit{Message: "quick too", Files: map[string]string{"quick.txt": "y\n"}})
			hooks.Release()
		}, []string{"direct-push high"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startAcme(t, fast)
			repo := w.org.Repo(slug(c.name), ghsim.RepoSpec{By: w.carol, Files: map[string]string{"README.md": "x\n"}})
			c.do(t, w, repo)
			w.wantFound(t, repo, c.want...)
		})
	}
}

// A branch that is the only enrolled one is made again: where it was, or at what nobody decided on.
// Of the first time nobody can say where it was made from.
func TestTheOnlyBranchIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	for name, want := range map[string][]string{"at the same commit": {"direct-push low"}, "at another commit": {"direct-push high", "direct-push low"}} {
		t.Run(name, func(t *testing.T) {
			repo := w.guardedRepo("only "+name, strings.Replace(shopPolicy, "[main]", `["release/*"]`, 1))
			tip := repo.Push("release/1", w.carol)
			w.mustSettle(t)
			mustDo(t, repo.DeleteBranch("release/1", w.dave))
			w.mustSettle(t)
			if len(want) == 1 {
				mustDo(t, repo.PushTo("release/1", tip, w.dave))
			} else {
				repo.Push("release/1", w.dave, evil)
			}
			w.wantFound(t, repo, want...)
		})
	}
}

// More updates came than can be read, and in the end the branch is where it was: that is a blind
// interval, from which update to which, and what comes afterwards is compared.
func TestMoreUpdatesThanCanBeRead(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, _ := w.merged(t, "many", "squash")
	repo.Unprotect("main", w.carol)
	w.wantFound(t, repo)
	tip, first, other := repo.Head("main"), repo.Push("first", w.dave, ghsim.Commit{Message: "first"}), repo.Push("topic", w.dave, evil)
	hooks := w.app.Hooks()
	hooks.Hold() // the first is told of, and is too old to be listed
	mustDo(t, repo.PushTo("main", first, w.dave))
	hooks.Drop(func(string, string) bool { return true })
	for range 1100 {
		mustDo(t, repo.PushTo("main", other, w.dave))
		mustDo(t, repo.PushTo("main", tip, w.dave))
	}
	hooks.Drop(nil)
	hooks.Release()
	w.wantFound(t, repo, "blind-interval high")
	if got := w.exceptions(t, repo, "blind-interval")[0]; got.State != store.ExceptionOpen || strings.Count(got.Reason, tip[:12]) != 2 {
		t.Errorf("got %+v, want it open, from %.12s to %.12s", got, tip, tip)
	}
	repo.Push("main", w.carol, evil)
	w.wantFound(t, repo, "blind-interval high", "direct-push high")
}

// While a branch cannot be seen that is one exception, remedied when it was caught up with; the
// next time is another one.
func TestABranchThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, _ := w.merged(t, "blind", "squash")
	w.wantFound(t, repo)
	for n := 1; n <= 2; n++ {
		repair := w.sim.Faults.Add(ghsim.Fault{Route: "*/activity", Status: 403, Message: "Resource not accessible by integration"})
		if n == 1 { // the second time nothing happens meanwhile
			repo.Unprotect("main", w.carol)
			repo.Push("main", w.carol, ghsim.Commit{Message: "unseen", Files: map[string]string{"a": "a\n"}})
		}
		w.later(2 * time.Hour)
		w.mustSettle(t)
		list := w.exceptions(t, repo, "blind-interval")
		if len(list) != n || list[n-1].State != store.ExceptionOpen {
			t.Fatalf("blind for the %d. time: %+v", n, list)
		}
		repair()
		w.later(2 * time.Hour)
		w.mustSettle(t)
		list = w.exceptions(t, repo, "blind-interval")
		if len(list) != n || list[n-1].State != store.ExceptionRemediated {
			t.Errorf("seeing for the %d. time: %+v", n, list)
		}
		if got := w.exceptions(t, repo, "direct-push"); len(got) != 1 {
			t.Errorf("what was missed: %+v", got)
		}
	}
}

// That the App was suspended is on record from that moment on, and what happened meanwhile is
// caught up with.
func TestASuspendedInstallationIsBlind(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, _ := w.merged(t, "suspended", "squash")
	w.wantFound(t, repo)
	installation := w.app.Install(w.org)
	installation.Suspend()
	w.mustSettle(t)
	list := w.exceptions(t, repo, "blind-interval")
	if len(list) != 1 || list[0].State != store.ExceptionOpen || !strings.Contains(list[0].Reason, "suspended") {
		t.Fatalf("suspended: %+v", list)
	}
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "unseen", Files: map[string]string{"a": "a\n"}})
	repo.Protect("main", w.carol, w.usual())
	installation.Unsuspend()
	w.mustSettle(t)
	if list = w.exceptions(t, repo, "blind-interval"); len(list) != 1 || list[0].State != store.ExceptionRemediated {
		t.Errorf("again there: %+v", list)
	}
	if got := w.exceptions(t, repo, "direct-push"); len(got) != 1 {
		t.Errorf("what was pushed meanwhile: %+v", got)
	}
}
