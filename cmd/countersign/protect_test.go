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
	"github.com/countersign/countersign/gh/ghsim/contract"
	"github.com/countersign/countersign/policy"
)

// protectAs runs the command as somebody.
func (w *acme) protectAs(t *testing.T, token string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	settings, err := w.settings()
	mustDo(t, err)
	settings["GITHUB_TOKEN"] = token
	var out, errs bytes.Buffer
	err = run(t.Context(), append([]string{"protect"}, args...), func(name string) string { return settings[name] }, nil, &out, &errs)
	return out.String(), errs.String(), err
}

// From a branch that nothing protects to one that releases: reviewed first, then applied, and
// attested by the owner. Doing it again changes nothing.
func TestProtectARepository(t *testing.T) {
	t.Parallel()
	// A minute behind, so that nobody waits for a ruleset to settle.
	sim := ghsim.New(ghsim.Options{Clock: func() time.Time { return time.Now().Add(-time.Minute) }})
	contract.Check(t, sim)
	w, err := newAcme(t.Context(), sim, t.TempDir(), fast)
	mustDo(t, err)
	t.Cleanup(func() { mustDo(t, w.close()) })
	repo := w.repository("new", strings.Replace(shopPolicy, "[main]", `[main, "release/**"]`, 1))
	repo.Push("release/1/2", w.carol)
	owner := w.carol.Token()

	out, errs, err := w.protectAs(t, owner, "--repo", "acme/new")
	mustDo(t, err)
	var plans []plannedRuleset
	mustDo(t, json.Unmarshal([]byte(out), &plans))
	if len(plans) != 1 || plans[0].Method != "POST" || plans[0].Path != "/repos/acme/new/rulesets" || len(plans[0].Ruleset.BypassActors) != 0 {
		t.Errorf("planned %s", out)
	}
	for _, want := range []string{"is made", "+ rule required_status_checks required_status_checks countersign from App " + fmt.Sprint(w.app.ID()), "+ ref_name include refs/heads/release/**/*", "+ rule pull_request required_approving_review_count 1"} {
		if !strings.Contains(errs, want) {
			t.Errorf("it does not say %q:\n%s", want, errs)
		}
	}
	if len(repo.Rulesets()) != 0 {
		t.Error("it was written without being asked to")
	}

	address := "http://" + w.server.listener.Addr().String()
	out, _, err = w.protectAs(t, owner, "--repo", "acme/new", "--apply", "--server", address)
	mustDo(t, err)
	for _, want := range []string{"main can only be changed", "release/1/2 can only be changed", "Recorded as carol", "nobody may bypass it"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	w.wantCheck(t, w.approved(w.davesPull(repo, code)), released)

	w.sim.ResetRequests()
	out, _, err = w.protectAs(t, owner, "--repo", "acme/new", "--apply")
	mustDo(t, err)
	if !strings.Contains(out, "nothing is changed") || w.sim.RequestCounts()["PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}"].Requests != 0 {
		t.Errorf("done again:\n%s", out)
	}
	w.nowhere(t, owner)
}

// What is there is tightened, and nothing of it is taken away.
func TestProtectLoosensNothing(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	owner := w.carol.Token()
	repo := w.repository("old", shopPolicy)
	rs := repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "countersign", Enforcement: "evaluate", Include: []string{"refs/heads/stable"}, Exclude: []string{"refs/heads/x"},
		Bypass: []ghsim.Bypass{{Type: "OrganizationAdmin", Mode: "always"}},
		Rules:  []ghsim.Rule{ghsim.RulePullRequest(2), ghsim.RuleChecks(true, ghsim.Required{Name: "lint"}, ghsim.Required{Name: "countersign"}), {Type: "required_linear_history"}}})
	out, _, err := w.protectAs(t, owner, "--repo", "acme/old", "--apply")
	if err == nil || !strings.Contains(err.Error(), "can be bypassed by OrganizationAdmin") {
		t.Errorf("somebody may bypass it: got %v", err)
	}
	for _, want := range []string{"is tightened", "~ enforcement active, was evaluate", "+ ref_name include refs/heads/main", "countersign from App", "+ rule deletion", "+ rule non_fast_forward", "may be bypassed by OrganizationAdmin"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\n  - ") || strings.Contains(out, "lint") {
		t.Errorf("something was taken away or changed:\n%s", out)
	}
	got := rs.State()
	if !slices.Equal(got.Include, []string{"refs/heads/stable", "refs/heads/main"}) || !slices.Equal(got.Exclude, []string{"refs/heads/x"}) || got.Enforcement != "active" || len(got.Bypass) != 1 {
		t.Errorf("got %+v", got)
	}
	raw, err := json.Marshal(got.Rules)
	mustDo(t, err)
	for _, want := range []string{`"required_linear_history"`, `"required_approving_review_count":2`, `"strict_required_status_checks_policy":true`, `{"context":"lint"}`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the rules lack %s: %s", want, raw)
		}
	}
}

// What is refused, and why.
func TestProtectRefuses(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.repository("careful", strings.Replace(shopPolicy, "enforce", "audit", 1))
	w.repository("deep", strings.Replace(shopPolicy, "[main]", `["a**b"]`, 1))
	w.repository("broken", "version: 7\n")
	w.org.Repo("bare", ghsim.RepoSpec{})
	owner := w.carol.Token()
	for _, c := range []struct {
		name, token string
		args        []string
		says        string
	}{
		{"audit mode", owner, []string{"--repo", "acme/careful"}, "enforces nothing yet"},
		{"a glob that GitHub has not", owner, []string{"--repo", "acme/deep"}, "has no like"},
		{"a broken policy", owner, []string{"--repo", "acme/broken"}, "cannot be used"},
		{"no policy", owner, []string{"--repo", "acme/bare"}, "has no policy"},
		{"no policy of the organisation", owner, []string{"--org", "acme"}, "enrols no repositories"},
		{"not an administrator", w.alice.Token(), []string{"--repo", "acme/sandbox", "--apply"}, "use a token that may edit it"},
		{"no token", "", []string{"--repo", "acme/sandbox"}, "GITHUB_TOKEN is not set"},
		{"nothing to attest", owner, []string{"--repo", "acme/sandbox", "--server", "https://x.example"}, "--server goes with --apply"},
		{"not a repository", owner, []string{"--repo", "acme"}, "is no repository"},
		{"both", owner, []string{"--repo", "acme/shop", "--org", "acme"}, "one of them"},
		{"no App", owner, []string{"--repo", "acme/shop", "--app-id", "0"}, "whose check"},
	} {
		out, errs, err := w.protectAs(t, c.token, c.args...)
		if err == nil || !strings.Contains(err.Error()+errs, c.says) || strings.Contains(out, "can only be changed") {
			t.Errorf("%s: got %v, want it to say %q\n%s%s", c.name, err, c.says, out, errs)
		}
	}
}

// A ruleset that cannot be read is not one that is not there.
func TestProtectOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nrepositories: [\"svc-*\"]\n"}})
	for _, level := range [][]string{{"--repo", "acme/sandbox"}, {"--org", "acme"}} {
		_, _, err := w.protectAs(t, w.carol.Token(), append(level, "--apply")...)
		mustDo(t, err)
		w.sim.ResetRequests()
		_, _, err = w.protectAs(t, w.carol.Token(), level...)
		mustDo(t, err)
		for _, q := range w.sim.Requests() {
			read := q.Route
			if q.Login != "carol" || !strings.Contains(read, "/rulesets") {
				continue // the server reads beside it
			}
			for _, status := range []int{404, 500} {
				repair := w.sim.Faults.Add(ghsim.Fault{Route: read, Status: status})
				out, errs, err := w.protectAs(t, w.carol.Token(), level...)
				repair()
				if err == nil || strings.Contains(out+errs, "is made") {
					t.Errorf("%s answers %d: got %v\n%s%s", read, status, err, out, errs)
				}
			}
		}
	}
}

// One ruleset of the organisation protects all repositories that its policy enrols.
func TestProtectAnOrganisation(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nrepositories: [\"svc-*\"]\n"}})
	repo := w.org.Repo("svc-one", ghsim.RepoSpec{By: w.carol})
	out, _, err := w.protectAs(t, w.carol.Token(), "--org", "acme", "--apply")
	mustDo(t, err)
	if !strings.Contains(out, "+ repository_name include svc-*") || !strings.Contains(out, "protect attest") {
		t.Errorf("it says:\n%s", out)
	}
	if _, err := repo.TryPush("main", w.carol, ghsim.Commit{Message: "x", Files: map[string]string{"x": "x"}}); err == nil {
		t.Error("the branch is not protected")
	}
	if _, err := w.sandbox.TryPush("main", w.carol, ghsim.Commit{Message: "x", Files: map[string]string{"x": "x"}}); err != nil {
		t.Errorf("another repository: %v", err)
	}
}
