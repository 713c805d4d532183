package facts_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

const organisationFile = "version: 1\nmode: enforce\nbranches: [main]\nreview: {human: {approvals: 2}}\n"

func TestOrganisationLayer(t *testing.T) {
	w := newWorld(t)
	pr := w.open()
	f := w.collect(t, pr)
	if len(f.Policy) != 1 || f.Policy[0].Layer != policy.LayerRepository {
		t.Fatalf("layers %+v", f.Policy)
	}
	org := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.alice, Files: map[string]string{policy.Path: organisationFile}})
	c, err := facts.Collect(t.Context(), w.client, w.request(pr))
	if err != nil {
		t.Fatal(err)
	}
	layers := c.Facts.Policy
	if len(layers) != 2 || layers[0].Layer != policy.LayerOrganisation || layers[0].Repository != "acme/.github" || layers[0].CommitSHA != org.Head("main") ||
		layers[0].BlobSHA == "" || len(layers[0].SHA256) != 64 || layers[1].Layer != policy.LayerRepository {
		t.Errorf("layers %+v", layers)
	}
	if n := *c.Policy.Review.Human.Approvals; n != 2 || c.Organisation == nil {
		t.Errorf("%d approvals, organisation %v", n, c.Organisation)
	}
	again, _, err := policy.ParseKept(c.PolicySource, "acme/shop")
	if err != nil || *again.Review.Human.Approvals != 2 {
		t.Errorf("kept: %v, %v", again, err)
	}
}

// The policy to begin with stands in where no policy enrols the default branch and the repository has none,
// above it the organisation's floor, and nowhere else.
func TestThePolicyToBeginWith(t *testing.T) {
	w := newWorld(t)
	collect := func(pr *ghsim.PullRequest, begins bool) facts.Collected {
		t.Helper()
		req := w.request(pr)
		req.Beginning = policy.Beginning
		c, err := facts.Collect(t.Context(), w.client, req)
		if err != nil || c.Beginning != begins {
			t.Errorf("got by the beginning %v, want %v: %v", c.Beginning, begins, err)
		}
		return c
	}
	pr := w.open()
	collect(pr, false) // it has one of its own
	dev := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "elsewhere", Head: "topic", Base: w.branch("dev"), Author: w.agent,
		Commits: []ghsim.Commit{{Message: "x", Files: map[string]string{"x": "x"}}}})
	w.repo.Push("main", w.alice, ghsim.Commit{Message: "no policy", Delete: []string{policy.Path}})
	if c := collect(pr, true); c.Policy == nil || *c.Policy.Review.Human.Approvals != 1 {
		t.Errorf("got %+v", c.Policy)
	}
	req := w.request(dev)
	req.Beginning = policy.Beginning
	var outside *facts.NotEnrolledError
	if _, err := facts.Collect(t.Context(), w.client, req); !errors.As(err, &outside) {
		t.Errorf("another branch: got %v, want NotEnrolledError", err)
	}
	org := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.alice, Files: map[string]string{policy.Path: organisationFile}})
	if c := collect(pr, true); *c.Policy.Review.Human.Approvals != 2 {
		t.Errorf("under the organisation's: got %+v", c.Policy)
	}
	org.Push("main", w.alice, ghsim.Commit{Message: "for all", Files: map[string]string{policy.Path: organisationFile + "repositories: [shop]\n"}})
	collect(pr, false) // the organisation's enrols it
	org.Push("main", w.alice, ghsim.Commit{Message: "broken", Files: map[string]string{policy.Path: "version: 2\n"}})
	var broken *facts.PolicyError
	req = w.request(pr)
	req.Beginning = policy.Beginning
	if _, err := facts.Collect(t.Context(), w.client, req); !errors.As(err, &broken) {
		t.Errorf("under one that cannot be used: got %v, want PolicyError", err)
	}
}

// What is at the place of the organisation's policy and cannot be used is never taken for none.
func TestOrganisationLayerThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	org := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.alice, Files: map[string]string{policy.Path: organisationFile}})
	pr := w.open()
	good, err := facts.Collect(t.Context(), w.client, w.request(pr))
	if err != nil {
		t.Fatal(err)
	}
	for name, commit := range map[string]ghsim.Commit{
		"does not parse": {Files: map[string]string{policy.Path: "version: 2\n"}},
		"empty":          {Files: map[string]string{policy.Path: ""}},
		"a folder":       {Delete: []string{policy.Path}, Files: map[string]string{policy.Path + "/x": "x"}},
		"not UTF-8":      {Files: map[string]string{policy.Path: organisationFile + "# \xff\n"}},
		"too large":      {Files: map[string]string{policy.Path: organisationFile + "# " + strings.Repeat("x", policy.MaxPolicyBytes)}},
		"very large":     {Files: map[string]string{policy.Path: organisationFile + "# " + strings.Repeat("x", 600_000)}},
	} {
		commit.Message = name
		org.ForcePush("main", org.Head("main"), w.alice, commit)
		var broken *facts.PolicyError
		req := w.request(pr)
		if _, err := facts.Collect(t.Context(), w.client, req); !errors.As(err, &broken) || broken.Layer.Layer != policy.LayerOrganisation || len(broken.Err.Problems) == 0 {
			t.Errorf("%s: got %v, want a PolicyError of the organisation's layer", name, err)
		}
		// With a policy that could be used before, the change is judged by that, and says so.
		req.LastPolicy = func(_ context.Context, ref string) ([]byte, error) {
			if ref != "main" {
				t.Errorf("asked for %q", ref)
			}
			return good.PolicySource, nil
		}
		c, err := facts.Collect(t.Context(), w.client, req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Facts.Broken == nil || c.Facts.Broken.Layer.Layer != policy.LayerOrganisation || *c.Policy.Review.Human.Approvals != 2 {
			t.Errorf("%s: broken %+v", name, c.Facts.Broken)
		}
		if d := policy.Evaluate(c.Policy, c.Catalogue, &c.Facts); d.Verdict != policy.VerdictRepair || len(d.Rules) == 0 {
			t.Errorf("%s: %s with %d rules", name, d.Verdict, len(d.Rules))
		}
		org.ForcePush("main", org.Head("main"), w.alice, ghsim.Commit{Message: "back", Delete: []string{policy.Path + "/x"}, Files: map[string]string{policy.Path: organisationFile}})
	}
}

// An organisation's policy of which the App may not read the content is an error, not none.
func TestOrganisationLayerForbidden(t *testing.T) {
	w := newWorld(t)
	w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.alice, Files: map[string]string{policy.Path: organisationFile}})
	pr := w.open()
	w.sim.FailGraphQL(ghsim.GraphQLFault{Path: "organisation.policy", Type: "FORBIDDEN", Message: "Resource not accessible by integration"})
	if _, err := facts.Collect(t.Context(), w.client, w.request(pr)); err == nil {
		t.Error("collected without the organisation's policy")
	}
}

func TestProposedPolicy(t *testing.T) {
	w := newWorld(t)
	pr := w.open(ghsim.Commit{Message: "policy", Files: map[string]string{policy.Path: organisationFile}})
	if got := w.collect(t, pr).Proposed; got == nil || got.Source != organisationFile || got.BlobSHA == "" {
		t.Errorf("edited: got %+v", got)
	}
	pr.Push(w.agent, ghsim.Commit{Message: "gone", Delete: []string{policy.Path}})
	if got := w.collect(t, pr).Proposed; got == nil || !got.Removed {
		t.Errorf("removed: got %+v", got)
	}
	pr.Push(w.agent, ghsim.Commit{Message: "bytes", Files: map[string]string{policy.Path: "\xff\xfe"}})
	if got := w.collect(t, pr).Proposed; got == nil || got.Unreadable == "" || got.Source != "" {
		t.Errorf("not text: got %+v", got)
	}
	pr.Push(w.agent, ghsim.Commit{Message: "as it was", Files: map[string]string{policy.Path: policyFile}})
	if got := w.collect(t, pr).Proposed; got != nil {
		t.Errorf("left alone: got %+v", got)
	}
}
