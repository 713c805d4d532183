package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// organisationPolicy puts the organisation's policy in place.
func (w *acme) organisationPolicy(file string) *ghsim.Repo {
	return w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: file}}).Collaborator(w.dave, "write")
}

const twoForEverybody = "version: 1\nmode: enforce\nbranches: [main]\nreview: {human: {approvals: 2}}\n"

// ask makes the server look at a pull request again.
func (w *acme) ask(t *testing.T, pr pull) {
	t.Helper()
	pr.Label(w.dave, fmt.Sprintf("look again, %d", w.decisions(t)))
	w.mustSettle(t)
}

// reperformed makes the decision that a check run shows again, from what is stored, and
// returns it with the stored one.
func (w *acme) reperformed(t *testing.T, pr pull) (again, stored string) {
	t.Helper()
	kept, err := w.server.store.Tenant(w.org.ID()).Decision(t.Context(), w.check(pr, "countersign").ExternalID)
	if err != nil {
		t.Fatal(err)
	}
	d, err := policy.Reperform(kept.Policy, kept.Catalogue, kept.Facts)
	if err != nil {
		t.Fatal(err)
	}
	made, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(made), string(kept.Decision)
}

// The organisation's policy is the floor of a repository that asks for less.
func TestOrganisationPolicyIsTheFloor(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.organisationPolicy(twoForEverybody)
	repo := w.guardedRepo("floored", "")
	pr := w.approved(w.davesPull(repo, code))
	got := w.wantCheck(t, pr, "in_progress")
	if !strings.Contains(got.Title, "approval") {
		t.Errorf("title %q", got.Title)
	}
	pr.Approve(w.alice)
	w.wantCheck(t, pr, released)
	// What is kept makes the same decision again.
	again, d := w.reperformed(t, pr)
	if again != d {
		t.Errorf("made again:\n%s\nwas:\n%s", again, d)
	}
}

// When the organisation's policy is gone, nothing is judged without it.
func TestOrganisationPolicyGone(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	org := w.organisationPolicy(twoForEverybody)
	repo := w.guardedRepo("floored", "")
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, "in_progress")
	org.Push("main", w.carol, ghsim.Commit{Message: "away", Delete: []string{policy.Path}})
	w.wantCheck(t, pr, failed) // the push alone makes it worth another look
	other := w.approved(w.davesPull(w.guardedRepo("new", ""), code))
	for _, pr := range []pull{pr, other} {
		got := w.wantCheck(t, pr, failed)
		if !strings.Contains(got.Summary, "organisation") || !strings.Contains(got.Summary, "mode: audit") {
			t.Errorf("%s does not say what to do:\n%s", pr.Repo().FullName(), got.Summary)
		}
	}
	// In audit first, then away: that gives it up.
	org.Push("main", w.carol, ghsim.Commit{Message: "audit", Files: map[string]string{policy.Path: strings.Replace(twoForEverybody, "enforce", "audit", 1)}})
	w.wantCheck(t, pr, "in_progress")
	org.Push("main", w.carol, ghsim.Commit{Message: "away again", Delete: []string{policy.Path}})
	w.wantCheck(t, pr, released)
	w.wantCheck(t, other, released)
}

// An organisation's policy that enforces in one of its lanes is a floor as well.
func TestOrganisationPolicyGoneThatEnforcedInALane(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	org := w.organisationPolicy("version: 1\nmode: audit\nbranches: [trunk]\nlanes: [{name: prod, branches: [main], mode: enforce}]\nreview: {human: {approvals: 2}}\n")
	pr := w.approved(w.davesPull(w.guardedRepo("floored", ""), code))
	w.wantCheck(t, pr, "in_progress")
	org.Push("main", w.carol, ghsim.Commit{Message: "away", Delete: []string{policy.Path}})
	w.wantCheck(t, pr, failed)
}

// An organisation enrols repositories that have no policy of their own, those that it names.
func TestOrganisationEnrols(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.organisationPolicy(shopPolicy + "repositories: [\"pay-*\"]\n")
	open := func(name string) pull {
		repo := w.org.Repo(name, ghsim.RepoSpec{By: w.carol, Files: map[string]string{".github/workflows/ci.yml": "on: pull_request\n"}}).Collaborator(w.dave, "write").Collaborator(w.bob, "write")
		repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
		return w.approved(w.davesPull(repo, code))
	}
	enrolled, other := open("pay-desk"), open("toys")
	w.wantCheck(t, enrolled, released)
	w.wantCheck(t, other, "")
}

// A policy that breaks is stood in for by the last good one, and nothing is let through by it.
func TestBrokenPolicyKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("breaks", "")
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, released)
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "oops", Files: map[string]string{policy.Path: "version: 1\nmode: enforced\nbranches: [main]\n"}})
	repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
	w.ask(t, pr)
	got := w.wantCheck(t, pr, "action_required")
	for _, want := range []string{"line 2, column 7", "last policy", "approved it"} {
		if !strings.Contains(got.Summary, want) {
			t.Errorf("the check run does not say %q:\n%s", want, got.Summary)
		}
	}
	again, d := w.reperformed(t, pr)
	if again != d {
		t.Errorf("made again:\n%s\nwas:\n%s", again, d)
	}
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "repaired", Files: map[string]string{policy.Path: shopPolicy}})
	repo.Protect("main", w.carol, ghsim.Protection{Approvals: 1, EnforceAdmins: true, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}})
	w.ask(t, pr)
	w.wantCheck(t, pr, released)
}

// A pull request that edits the policy is told what is wrong with its version, on its lines,
// and what it would make of the policy; the same annotations are never written twice.
func TestPullRequestThatEditsThePolicy(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo := w.guardedRepo("edited", "")
	pr := w.davesPull(repo, map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nreview:\n  agent: {approvals: 0}\n"})
	w.test(pr, "success")
	pr.Approve(w.bob)
	got := w.wantCheck(t, pr, failed)
	want := ghsim.Annotation{Path: policy.Path, StartLine: 5, EndLine: 5, Level: "failure"}
	if len(got.Annotations) != 1 || !strings.Contains(got.Annotations[0].Message, "0 is not allowed") {
		t.Fatalf("annotations %+v", got.Annotations)
	}
	if a := got.Annotations[0]; a.Path != want.Path || a.StartLine != want.StartLine || a.Level != want.Level {
		t.Errorf("got %+v, want %+v", a, want)
	}
	// Another text, the same annotations.
	pr.Draft(w.dave)
	w.mustSettle(t)
	again := w.check(pr, "countersign")
	if again.Title == got.Title || len(again.Annotations) != 1 {
		t.Errorf("title %q, annotations %+v", again.Title, again.Annotations)
	}
	pr.Push(w.dave, ghsim.Commit{Message: "usable", Files: map[string]string{policy.Path: strings.Replace(shopPolicy, "mode: enforce", "mode: audit", 1)}})
	got = w.wantCheck(t, pr, "in_progress")
	if len(got.Annotations) != 0 || !strings.Contains(got.Summary, "enforce as countersign") || !strings.Contains(got.Summary, "loosens") {
		t.Errorf("annotations %+v, summary:\n%s", got.Annotations, got.Summary)
	}
}

// A person asks how a pull request would be judged, with their own token.
func TestPolicyShowPull(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.approved(w.davesPull(w.guardedRepo("asked", ""), code))
	w.wantCheck(t, pr, released)
	show := func(pull string, env map[string]string) (string, error) {
		var out, errs strings.Builder
		err := runPolicy(t.Context(), []string{"show", "--pr", pull, "--app-id", fmt.Sprint(w.app.ID())}, environment{
			getenv: func(name string) string { return env[name] }, stdin: strings.NewReader(""), stdout: &out, stderr: &errs})
		return out.String(), err
	}
	env := map[string]string{"GITHUB_TOKEN": w.carol.Token(), "GITHUB_V3_API_URL": w.sim.URL() + "/api/v3/", "GITHUB_V4_API_URL": w.sim.URL() + "/api/graphql"}
	got, err := show("acme/asked#1", env)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"acme/asked#1 at ", "human-review (CC8.1): ", "looked at: ", "validated (PI1.1): pass", "bob, approved: ", "who can approve: ", "not known here", "no approval counts as fresh",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "countersign: pass") {
		t.Errorf("passes without what the deliveries told:\n%s", got)
	}
	for pull, env := range map[string]map[string]string{"acme/asked": env, "acme/asked#99": env, "acme/none#1": env, "acme/asked#1": {}} {
		if got, err := show(pull, env); err == nil {
			t.Errorf("%s: no error, and\n%s", pull, got)
		}
	}
}

// What another policy would have decided about what is stored: two approvals where one was
// asked for, a team that nobody read, and branches that it does not enrol.
func TestPolicySimulate(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.organisationPolicy(twoForEverybody)
	two := w.guardedRepo("two", "")
	pr := w.approved(w.davesPull(two, code))
	w.wantCheck(t, pr, "in_progress")
	pr.Approve(w.alice)
	w.wantCheck(t, pr, released)
	simulate := func(file string, more ...string) (text string) {
		t.Helper()
		name := filepath.Join(t.TempDir(), "new.yml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		args := append([]string{"simulate", "--policy", name, "--database", w.database(), "--repository", "acme/two"}, more...)
		if err := runPolicy(t.Context(), args, environment{getenv: func(string) string { return "" }, stdin: strings.NewReader(file), stdout: &out, stderr: &errs}); err != nil {
			t.Fatalf("%v\n%s", err, errs.String())
		}
		return out.String()
	}
	const ticketed = shopPolicy + "authorisation: {required: true, pattern: \"small\"}\n"
	w.wantCheck(t, w.approved(w.davesPull(w.guardedRepo("ticketed", ticketed), code)), "in_progress")
	for name, c := range map[string]struct {
		policy string
		args   []string
		want   []string
	}{
		"the same": {shopPolicy, nil, []string{"acme: 1 looked at", "1 would be the same"}},
		// The organisation's floor of then is honoured.
		"less than the floor":      {strings.Replace(shopPolicy, "human: {approvals: 1}", "human: {approvals: 0}", 1), nil, []string{"1 would be the same"}},
		"more":                     {strings.ReplaceAll(shopPolicy, "{approvals: 1}", "{approvals: 3}"), nil, []string{"1 would not pass any more", "#1", "pass → waiting", "human-review: pass → pending"}},
		"tickets":                  {shopPolicy + "protection: {}\nauthorisation: {required: true, pattern: \"T-[0-9]+\"}\n", nil, []string{"1 not known", "authorised: not asked → not known"}},
		"tickets of another shape": {strings.Replace(ticketed, "small", "T-[0-9]+", 1), []string{"--repository", "acme/ticketed"}, []string{"1 not known", "authorised: pass → not known"}},
		"from a pipe":              {strings.ReplaceAll(shopPolicy, "{approvals: 1}", "{approvals: 3}"), []string{"--policy", "-"}, []string{"1 would not pass any more"}},
		"a team not read":          {strings.Replace(shopPolicy, "review:\n", "review:\n  from: {teams: [acme/core]}\n", 1), nil, []string{"1 not known", "human-review: pass → not known"}},
		"another branch":           {strings.Replace(shopPolicy, "[main]", "[next]", 1), nil, []string{"not enrolled"}},
		"the organisation's":       {strings.Replace(twoForEverybody, "approvals: 2", "approvals: 1", 1), []string{"--organisation", "--all"}, []string{"would pass"}},
		"json":                     {shopPolicy, []string{"--json"}, []string{`"looked_at":1`, `"same":1`}},
		"another time":             {shopPolicy, []string{"--to", "2020-01-01"}, []string{"acme: 0 looked at"}},
	} {
		got := simulate(c.policy, c.args...)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: does not say %q:\n%s", name, want, got)
			}
		}
	}
}

// A decision that cannot be made again is named, with why.
func TestPolicySimulateSaysWhatItCannotJudge(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]store.Decided{
		"decision r1: decode facts": {RecordID: "r1", Facts: []byte("{"), Policy: []byte(shopPolicy)},
		"decision r2: ":             {RecordID: "r2", Facts: []byte("{}"), Policy: []byte("version: 9\n")},
	} {
		var report simulationReport
		simulation{Trial: policy.Trial{Source: shopPolicy}}.add(&report, d)
		var out strings.Builder
		printSimulation(&out, report)
		if got := out.String(); report.Unreadable != 1 || !strings.Contains(got, "cannot be judged again: "+want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
}
