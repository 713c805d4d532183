package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/worker"
)

// unseen does something of which no delivery tells, and lets the time pass after which it counts as
// missing. What the server compares by itself soon it has compared before, or it would find that first.
func (w *acme) unseen(t *testing.T, do func()) {
	t.Helper()
	w.mustSettle(t)
	w.skipUntil(t, func() bool { return w.nextCompared(t) > time.Hour })
	w.mustSettle(t)
	w.app.Hooks().Drop(func(string, string) bool { return true })
	do()
	mustDo(t, w.sim.Drain(t.Context()))
	w.app.Hooks().Drop(nil)
	w.later(15 * time.Minute)
}

// nextCompared is in what time the server compares a repository by itself.
func (w *acme) nextCompared(t *testing.T) time.Duration {
	t.Helper()
	r, err := w.server.store.Tenant(w.org.ID()).NextReconcile(t.Context())
	mustDo(t, err)
	return r.DueAt.Sub(w.now())
}

// compared compares acme, or one of its repositories, with GitHub by hand, and returns what was
// missing.
func (w *acme) compared(t *testing.T, repository string) (found []store.Found) {
	t.Helper()
	err := w.server.worker.Reconcile(t.Context(), w.org.ID(), repository, store.Who{User: "somebody", Host: "here"}, func(_, _ int, l worker.Look, err error) {
		if err != nil {
			t.Errorf("%s: %v", l.Repository, err)
		}
		found = append(found, l.Found...)
	})
	mustDo(t, err)
	return found
}

// reconciles are the records of what was missing.
func (w *acme) reconciles(t *testing.T) (list []store.Reconcile) {
	t.Helper()
	err := w.server.store.Tenant(w.org.ID()).Records(t.Context(), 1<<40, []string{store.LeafReconcile}, func(_, _, body []byte) error {
		var r store.Reconcile
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		mustDo(t, dec.Decode(&r))
		list = append(list, r)
		return nil
	})
	mustDo(t, err)
	return list
}

// Whatever happened without an event is found, is on record, and ends as if it had been told: but
// for what only an event can tell. The second time, nothing is missing.
func TestWhatNobodyToldOfIsFound(t *testing.T) {
	t.Parallel()
	w := startTogether(t)
	repo := w.guardedRepo("untold", "")
	repo.Push("other", w.carol)
	pulls := map[string]pull{}
	open := func(what, base string) pull {
		pulls[what] = repo.OpenPullRequest(ghsim.PullSpec{Title: what, Base: base, Head: slug(what), Author: w.dave, Commits: []ghsim.Commit{{Message: what, Files: map[string]string{slug(what): what}}}})
		return pulls[what]
	}
	for _, what := range []string{"pushed", "closed", "expired", "changes requested", "nothing happens"} {
		w.approved(open(what, "main"))
	}
	w.approved(open("retargeted", "other"))
	w.test(open("forged", "main"), "failure")
	w.unseen(t, func() {
		w.approved(open("opened", "main"))
		pulls["pushed"].Push(w.dave, ghsim.Commit{Message: "more", Files: map[string]string{"more.go": "package more\n"}})
		w.test(pulls["pushed"], "success")
		pulls["closed"].Close(w.dave)
		pulls["retargeted"].Retarget(w.dave, "main")
		repo.CheckRun(w.app, pulls["expired"].HeadSHA(), "countersign").Expire()
		repo.PostCheckRun(w.app, pulls["forged"].HeadSHA(), "countersign", "success") // somebody has our key, or a copy of us
		pulls["changes requested"].RequestChanges(w.bob, "no")
	})
	want := map[int]string{pulls["opened"].Number(): store.FoundPull, pulls["pushed"].Number(): store.FoundHead, pulls["closed"].Number(): store.FoundClosing,
		pulls["retargeted"].Number(): store.FoundBase, pulls["expired"].Number(): store.FoundRunMissing, pulls["forged"].Number(): store.FoundRunDiffers}
	found := w.compared(t, repo.FullName())
	for _, f := range found {
		if want[f.Number] != f.What {
			t.Errorf("found %+v, want %q", f, want[f.Number])
		}
		delete(want, f.Number)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if list := w.reconciles(t); len(list) != 1 || list[0].RepositoryID != repo.ID() || list[0].By.User != "somebody" || !slices.Equal(list[0].Found, found) || list[0].OpenPulls != 7 || !list[0].Complete {
		t.Errorf("on record: %+v", list)
	}
	// What bob approved while nobody heard is not known, and neither is what the new commits were.
	for what, state := range map[string]string{"opened": held, "pushed": held, "retargeted": held, "expired": released, "forged": failed, "changes requested": failed, "nothing happens": released} {
		w.wantCheck(t, pulls[what], state)
	}
	if again := w.compared(t, ""); len(again) > 0 {
		t.Errorf("the second time: %+v", again)
	}
	w.decisions(t) // the log holds
}

// A check run that waits is made anew before GitHub calls it stale; nothing was missing.
func TestACheckRunIsRenewedBeforeItIsStale(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.copilotPull("waits for long")
	w.wantCheck(t, pr, held)
	before := w.check(pr, "countersign")
	w.later(11 * 24 * time.Hour)
	w.compared(t, w.shop.FullName())
	w.mustSettle(t)
	if got := w.check(pr, "countersign"); got.ID != before.ID {
		t.Errorf("renewed after 11 days: %+v", got)
	}
	w.later(2 * 24 * time.Hour)
	if found := w.compared(t, w.shop.FullName()); len(found) > 0 {
		t.Errorf("found %+v", found)
	}
	w.mustSettle(t)
	if got := w.check(pr, "countersign"); got.ID == before.ID || got.Status != held {
		t.Errorf("after 13 days: %+v", got)
	}
}

// A merge queue is looked at that no event told of, and the check run of a group is there again when
// GitHub lost it. A branch is followed that the policy names and of which nothing was heard. Where
// there is no policy, nothing is looked at.
func TestQueuesAndBranchesAreCompared(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.queuedRepo("queue untold")
	pr := w.readyPull(t, repo, "one")
	plain := w.org.Repo("plain", ghsim.RepoSpec{By: w.carol}).Collaborator(w.dave, "write")
	releases := w.guardedRepo("releases", strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1))
	w.unseen(t, func() {
		mustDo(t, pr.Enqueue(w.dave))
		plain.OpenPullRequest(ghsim.PullSpec{Title: "x", Head: "dave/x", Author: w.dave, Commits: []ghsim.Commit{{Message: "x", Files: map[string]string{"x": "x"}}}})
		releases.Push("release/1", w.carol)
	})
	found := w.compared(t, "")
	if len(found) != 1 || found[0].What != store.FoundQueue || found[0].Number != pr.Number() || found[0].Ref != "main" {
		t.Errorf("found %+v, want the merge queue", found)
	}
	w.mustSettle(t)
	group := pr.GroupSHA()
	if got := w.groupCheck(repo, group); got.Status != held {
		t.Fatalf("the group: %+v", got)
	}
	if n := w.rows(t, fmt.Sprintf("branches WHERE repo_id = %d AND ref = 'release/1'", releases.ID())); n != 1 {
		t.Error("the branch is not followed")
	}
	if n := w.rows(t, fmt.Sprintf("changes WHERE repo_id = %d", plain.ID())); n != 0 {
		t.Error("a pull request was looked at where there is no policy")
	}
	repo.CheckRun(w.app, group, "countersign").Expire()
	if found := w.compared(t, repo.FullName()); len(found) != 1 || found[0].What != store.FoundRunMissing || found[0].HeadSHA != group {
		t.Errorf("found %+v, want the group's check run", found)
	}
	w.mustSettle(t)
	if got := w.groupCheck(repo, group); got.Status != held {
		t.Errorf("the group, after its check run was lost: %+v", got)
	}
}

// By itself the server compares every repository that it is installed on, some time after it first
// heard of it, and all of them when it was down for long.
func TestTheServerComparesByItself(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	next := func() time.Duration { return w.nextCompared(t) }
	w.mustSettle(t)
	w.sweep(t)
	w.later(time.Hour) // the scope is recorded anew, and then nothing is due for hours
	w.skipUntil(t, func() bool { return w.rows(t, "reconciles WHERE looked_at > 0") == 4 && next() > 5*time.Hour })
	w.sweep(t)
	if n := next(); n < 5*time.Hour {
		t.Errorf("the server was down for an hour, and compares in %s", n)
	}
	var pr pull
	w.unseen(t, func() { pr = w.copilotPull("nobody tells of it") })
	w.later(3 * time.Hour)
	w.app.Hooks().Drop(func(string, string) bool { return true }) // nor when it is asked for
	mustDo(t, w.server.worker.SweepDeliveries(t.Context()))
	if n := next(); n > 2*time.Minute {
		t.Errorf("the server was down for three hours, and compares in %s", n)
	}
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status == held })
	if list := w.reconciles(t); len(list) != 1 || list[0].By != (store.Who{}) || list[0].First || list[0].Found[0].What != store.FoundPull {
		t.Errorf("on record: %+v", list)
	}
}

// The command says what it looked at and what was missing, and the server that runs beside it does
// the rest.
func TestReconcileByHand(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "loses its check run")
	w.shop.CheckRun(w.app, pr.HeadSHA(), "countersign").Expire()
	settings, err := w.settings()
	mustDo(t, err)
	said := func(args ...string) (string, error) {
		var out, errs bytes.Buffer
		err := run(t.Context(), append([]string{"reconcile"}, args...), func(name string) string { return settings[name] }, nil, &out, &errs)
		return out.String() + errs.String(), err
	}
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"--repository", "shop"}, 2, []string{"is no owner/name"}},
		{[]string{"--repository", "acme/nowhere"}, 1, nil},
		{[]string{"--repository", "elsewhere/shop"}, 1, nil},
		{[]string{"--org", "elsewhere"}, 1, nil},
		{[]string{"--org", "acme", "--repository", "acme/shop"}, 0, []string{`acme/shop#1: GitHub has no check run "countersign" on `, "where completed, success was published",
			"acme: compared 1 repository, 1 of them under a policy, with 1 open pull request. 1 followed branch is looked at again.", "1 thing was missing. That is on record"}},
		{nil, 0, []string{"acme: compared 4 repositories, 4 of them under a policy", "Nothing is missing."}},
	} {
		out, err := said(c.args...)
		if got := exitCode(err, &bytes.Buffer{}); got != c.code {
			t.Errorf("%v: exit code %d, want %d: %v", c.args, got, c.code, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: does not say %q:\n%s", c.args, want, out)
			}
		}
	}
	w.wantCheck(t, pr, released)
	file, _ := w.exported(t)
	if got := w.verified(t, file); !got.OK {
		t.Errorf("the bundle does not hold: %+v", got)
	}
	var completeness struct {
		Reconciled struct {
			Found   int
			Records []struct {
				Repository string
				ByHand     bool `json:"by_hand"`
				Found      map[string]int
			}
		}
	}
	mustDo(t, json.Unmarshal(inBundle(t, file, "completeness.json"), &completeness))
	if c := completeness.Reconciled; c.Found != 1 || len(c.Records) != 1 || c.Records[0].Repository != "acme/shop" || !c.Records[0].ByHand || c.Records[0].Found[store.FoundRunMissing] != 1 {
		t.Errorf("the bundle says %+v", c)
	}
	if page := string(inBundle(t, file, "index.html")); !strings.Contains(page, "Found by comparing") {
		t.Error("the first page does not say what was found")
	}
	w.sim.Faults.Add(ghsim.Fault{Route: "POST /graphql", Status: 403, Message: "Resource not accessible by integration"})
	out, err := said()
	if got := exitCode(err, &bytes.Buffer{}); got != 1 || strings.Count(out, "NOT COMPARED") != 4 || strings.Contains(out, "Nothing is missing") {
		t.Errorf("nothing could be read: exit code %d, %v\n%s", got, err, out)
	}
}
