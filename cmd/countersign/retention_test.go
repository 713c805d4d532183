package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

const aDay = 24 * time.Hour

// keeps starts the server again with settings for how long acme's data is kept.
func (w *acme) keeps(t *testing.T, keep string) {
	t.Helper()
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, []byte("retention:\n- {organisation: Acme, "+keep+"}\n"), 0o600))
	w.restart(t)
}

// untilDisposed waits until the worker has disposed of what the condition asks for. It looks once an
// hour, and what was not sealed yet is left for the next look.
func (w *acme) untilDisposed(t *testing.T, enough func(list []store.Certified) bool) []store.Certified {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		list, err := w.server.store.Tenant(w.org.ID()).Disposals(t.Context())
		mustDo(t, err)
		if enough(list) {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("disposals: %+v", list)
		}
		w.later(time.Hour)
	}
}

// ofDecisions says whether decisions were disposed of: what reached branches before they were
// enrolled goes first, where no hold is.
func ofDecisions(list []store.Certified) bool {
	return slices.ContainsFunc(list, func(c store.Certified) bool { return c.Kinds[store.LeafDecision] > 0 })
}

func totalOf(list []store.Certified) (d store.Disposal) {
	for _, c := range list {
		d.Records += c.Records
		d.Deliveries += c.Deliveries
		d.Observations += c.Observations
	}
	return d
}

// The worker disposes of what is old, each time with a certificate that the log proves; a hold
// stops it; evidence of the time is exported and verified, and says what is gone.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, _ := w.merged(t, "kept for a while", "squash")
	w.wantFound(t, repo)
	if out, err := w.command(t, "retention", "hold", "--org", "acme", "--reason", "Case 1", "--repository", repo.FullName()); err != nil || !strings.Contains(out, "is in force") {
		t.Fatalf("%v\n%s", err, out)
	}
	earlier, said := w.exportToday(t)
	size := regexp.MustCompile(`Log: (\d+) leaves`).FindStringSubmatch(said)
	if size == nil || strings.Contains(said, "disposed of") {
		t.Fatal(said)
	}
	w.later(70 * aDay)
	w.keeps(t, "records: 60d, observations: 60d")
	w.mustSettle(t)
	out, err := w.command(t, "retention", "holds", "--org", "acme")
	id, _, _ := strings.Cut(out, " ")
	if err != nil || !strings.Contains(out, "IN FORCE  "+repo.FullName()) || !strings.Contains(out, "Case 1") {
		t.Fatalf("%v\n%s", err, out)
	}
	before := w.leaves(t)
	if out, err := w.command(t, "retention", "release", "--org", "acme", "--reason", "over", id); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := w.untilDisposed(t, ofDecisions)
	for _, c := range list {
		if c.LeafIndex < before && c.Kinds[store.LeafDecision]+c.Kinds[store.LeafMerge] > 0 {
			t.Errorf("records were disposed of while they were held: %+v", c)
		}
	}
	w.mustSettle(t)
	var records store.Certified
	for _, c := range list {
		if c.Kinds[store.LeafDecision] > 0 {
			records = c
		}
	}
	out, err = w.command(t, "retention", "list", "--org", "acme")
	if err != nil || !strings.Contains(out, "retention: ") || !strings.Contains(out, " merge") {
		t.Errorf("%v\n%s", err, out)
	}
	leaf, _ := json.Marshal(records.LeafIndex)
	out, err = w.command(t, "retention", "certificate", "--org", "acme", string(leaf))
	for _, want := range []string{"CERTIFICATE OF DISPOSAL", "Records are kept for 60 days.", "By: the settings", "Inclusion proof", "countersign.demo/", "— countersign.demo "} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("the certificate lacks %q: %v\n%s", want, err, out)
		}
	}
	if out, err = w.command(t, "retention", "certificate", "--org", "acme", "0"); err == nil {
		t.Errorf("another leaf has a certificate:\n%s", out)
	}
	if out, err = w.command(t, "ledger", "check"); err != nil || !strings.Contains(out, "disposed of") {
		t.Errorf("%v\n%s", err, out)
	}
	public := publicKeyFile(t, w)
	bundle, said := w.exportToday(t)
	if !strings.Contains(said, "NOT COMPLETE") || !strings.Contains(said, "see disposals.csv") {
		t.Errorf("the export does not say that something is gone:\n%s", said)
	}
	// It holds, extends what was exported before, and says how much of it cannot be made again.
	out, err = w.command(t, "verify", "--key", public, "--checkpoint", earlier, "--json", bundle)
	var got struct{ Report evidence.Report }
	if err != nil || json.Unmarshal([]byte(out), &got) != nil {
		t.Fatalf("the bundle does not hold: %v\n%s", err, out)
	}
	if c := got.Report.Manifest.Counts; c.Population != 0 || c.Disposed == 0 || c.DisposedDecisions == 0 || int64(c.DisposedDecisions) != records.Kinds[store.LeafDecision] {
		t.Errorf("counts %+v, and the certificate says %v", c, records.Kinds)
	}
	if out, err = w.command(t, "verify", "--key", public, bundle); err != nil || !strings.Contains(out, "that could not be made again for that reason (disposals.csv)") {
		t.Errorf("%v\n%s", err, out)
	}
	if list := string(inBundle(t, bundle, "disposals.csv")); !strings.Contains(list, fmt.Sprintf("\n%d,", records.LeafIndex)) || !strings.Contains(list, "Records are kept for 60 days.") {
		t.Errorf("disposals.csv:\n%s", list)
	}
	if out, err = w.command(t, "verify", "--key", public, earlier); err != nil || strings.Contains(out, "not complete") {
		t.Errorf("what was exported before: %v\n%s", err, out)
	}
	// What is gone is not made up: the log as it was then cannot be exported any more.
	day := time.Now().UTC().Format(time.DateOnly)
	if out, err = w.command(t, "export", "--org", "acme", "--from", day, "--to", day, "--log-size", size[1], "-o", bundle+".2"); err == nil || !strings.Contains(out, "something was disposed of since") {
		t.Errorf("%v\n%s", err, out)
	}
	// And what goes without a certificate is found.
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.folder, "countersign.db"))
	mustDo(t, err)
	defer db.Close()
	_, err = db.Exec(`UPDATE log_leaves SET salt = NULL, body = NULL WHERE leaf_index = (SELECT MIN(leaf_index) FROM log_leaves WHERE body IS NOT NULL)`)
	mustDo(t, err)
	if out, err = w.command(t, "ledger", "check"); err == nil || !strings.Contains(out, "BROKEN at leaf ") || !strings.Contains(out, "its body is missing") {
		t.Errorf("%v\n%s", err, out)
	}
}

func publicKeyFile(t *testing.T, w *acme) string {
	t.Helper()
	key, err := signingKeyOf(w)
	mustDo(t, err)
	public := filepath.Join(t.TempDir(), "public")
	mustDo(t, os.WriteFile(public, []byte(key.Public()), 0o600))
	return public
}

// A pull request whose observations are gone is not judged when it is opened again: nobody knows who
// pushed to it, or asked for it.
func TestReopenedAfterRetentionIsNotJudged(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("opened again", "")
	other := w.guardedRepo("still decided", "")
	w.mustSettle(t)
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, released)
	pr.Close(w.dave)
	w.wantCheck(t, w.approved(w.davesPull(other, code)), released)
	w.later(70 * aDay)
	w.keeps(t, "observations: 60d")
	w.untilDisposed(t, func(list []store.Certified) bool { return totalOf(list).Observations > 0 })
	pr.Reopen(w.dave)
	pr.Approve(w.bob)
	w.mustSettle(t)
	got := w.check(pr, "countersign")
	if got.Conclusion == "success" || !strings.Contains(got.Summary+got.Title, "kept no longer") {
		t.Errorf("got %s %s: %s\n%s", got.Status, got.Conclusion, got.Title, got.Summary)
	}
	fresh := w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Anew", Head: "dave/anew", Author: w.dave, Commits: []ghsim.Commit{{Message: "anew", Files: map[string]string{"anew.go": "package shop\n"}}}}))
	w.wantCheck(t, fresh, released)
}

// An organisation whose log does not hold gets no more leaves. What the others have is sealed and
// disposed of all the same.
func TestABrokenLogKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	elsewhere := w.sim.Org("elsewhere").Owner(w.carol)
	w.app.Install(elsewhere)
	w.mustSettle(t)
	if w.org.ID() > elsewhere.ID() {
		t.Fatal("the organisation whose log is broken must come first")
	}
	w.stop()
	mustDo(t, <-w.stopped)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.folder, "countersign.db"))
	mustDo(t, err)
	_, err = db.Exec(`DELETE FROM log_hashes WHERE org_id = $1`, w.org.ID())
	mustDo(t, err)
	mustDo(t, db.Close())
	w.startAgain(t)
	w.org.Repo("broken", ghsim.RepoSpec{By: w.carol})
	elsewhere.Repo("whole", ghsim.RepoSpec{By: w.carol})
	mustDo(t, w.sim.Drain(t.Context()))
	w.waitUntil(t, func() bool {
		unsealed, err := w.server.store.UnsealedOrgs(t.Context())
		return err == nil && slices.Equal(unsealed, []int64{w.org.ID()})
	})
	w.later(31 * aDay)
	w.waitUntil(t, func() bool {
		list, err := w.server.store.Tenant(elsewhere.ID()).Disposals(t.Context())
		return err == nil && totalOf(list).Deliveries > 0
	})
}

// Everything of an organisation goes when the grace after its uninstallation has passed, and nothing
// goes when it is installed again before.
func TestUninstalled(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]bool{"gone": false, "back": true} {
		t.Run(name, func(t *testing.T) {
			w := startAcme(t, fast)
			w.greenPull(t, "uninstalled")
			w.keeps(t, "deliveries: forever, uninstalled: 10d")
			w.mustSettle(t)
			installed := w.app.Install(w.org) // which is the one that there is
			installed.Remove()
			mustDo(t, w.sim.Drain(t.Context()))
			w.later(9 * aDay)
			if back {
				w.app.Install(w.org)
				mustDo(t, w.sim.Drain(t.Context()))
			}
			orgs, err := w.server.store.Orgs(t.Context())
			mustDo(t, err)
			if orgs[0].UninstalledAt.IsZero() != back {
				t.Fatalf("uninstalled at %s", orgs[0].UninstalledAt)
			}
			before := w.leaves(t)
			w.later(2 * aDay)
			if !back {
				list := w.untilDisposed(t, func(list []store.Certified) bool { return totalOf(list).Deliveries > 0 })
				if list[0].LeafIndex < before || list[0].Reason != store.ReasonUninstalled {
					t.Errorf("got %+v", list[0])
				}
			}
			if out, err := w.command(t, "ledger", "check"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
