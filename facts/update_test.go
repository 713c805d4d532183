package facts_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

var shop = gh.Repo{Owner: "acme", Name: "shop"}

// The pull requests that an update merged are all of them, or it says that they are not.
func TestChangesOfAnUpdate(t *testing.T) {
	w := newWorld(t)
	u := gh.RefUpdate{ID: 1, Ref: "refs/heads/main", Before: w.repo.Head("main"), At: time.Now(), Type: policy.UpdateQueueMerge}
	var tips []string
	for i := range 3 {
		pr := w.repo.OpenPullRequest(ghsim.PullSpec{Title: "Work", Head: fmt.Sprintf("work%d", i), Author: w.bob,
			Commits: []ghsim.Commit{{Message: "m", Files: map[string]string{fmt.Sprintf("f%d", i): "x\n"}}}})
		if err := pr.Merge(w.alice, "squash"); err != nil {
			t.Fatal(err)
		}
		tips = append(tips, w.repo.Head("main"))
	}
	u.After = tips[2]
	whole, err := facts.ReadUpdate(t.Context(), w.client, shop, "main", u, nil)
	if err != nil || !whole.Changes.Complete || len(whole.Changes.Items) != 3 {
		t.Fatalf("got %+v, %v, want 3 pull requests", whole.Changes, err)
	}
	w.sim.Faults.Add(ghsim.Fault{Route: "*/commits/{sha}/pulls", Status: 422, Only: func(r *http.Request) bool { return strings.Contains(r.URL.Path, tips[1]) }})
	broken, err := facts.ReadUpdate(t.Context(), w.client, shop, "main", u, nil)
	if !errors.Is(err, facts.ErrBehind) || broken.Changes.Complete || broken.Changes.Why == "" {
		t.Errorf("one commit cannot be read: got %+v, %v, want an incomplete list that says why", broken.Changes, err)
	}
}

// A queue that goes away while its pages are read is not a queue of those that were read.
func TestQueueThatGoesAway(t *testing.T) {
	for name, second := range map[string]string{
		"no queue":   `{"data":{"repository":{"ref":{"target":{"oid":"a"}},"mergeQueue":null}}}`,
		"empty page": `{"data":{"repository":{"ref":{"target":{"oid":"a"}},"mergeQueue":{"entries":{"totalCount":150,"pageInfo":{"hasNextPage":true,"endCursor":"d"},"nodes":[]}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{`{"data":{"repository":{"ref":{"target":{"oid":"a"}},"mergeQueue":{"entries":{"totalCount":150,"pageInfo":{"hasNextPage":true,"endCursor":"c"},
				"nodes":[{"position":1,"enqueuedAt":"2026-01-01T00:00:00Z"}]}}}}}`, second}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, answers[0])
				answers = answers[min(1, len(answers)-1):]
			}))
			defer s.Close()
			c, err := gh.PersonAt(gh.Settings{V3URL: s.URL + "/api/v3/", V4URL: s.URL + "/api/graphql"}, "token")
			if err != nil {
				t.Fatal(err)
			}
			if q, err := facts.ReadQueue(t.Context(), c, shop, "main"); !errors.Is(err, facts.ErrBehind) {
				t.Errorf("got %d entries, %v, want ErrBehind", len(q.Entries), err)
			}
		})
	}
}

// What follows an organisation's repository that got another name is not its policy.
func TestOrganisationPolicyUnderAnotherName(t *testing.T) {
	w := newWorld(t)
	org := w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.alice, Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [dev]\nrepositories: [shop]\n"}})
	enrols := func() bool {
		t.Helper()
		above, err := facts.ReadOrganisationPolicy(t.Context(), w.client, "acme")
		if err != nil {
			t.Fatal(err)
		}
		b, err := facts.ReadBranchPolicy(t.Context(), w.client, shop, above, "refs/heads/main", "dev")
		if err != nil {
			t.Fatal(err)
		}
		return b.Enrolled
	}
	if !enrols() {
		t.Fatal("the organisation's policy does not enrol dev")
	}
	org.Rename("not-the-policy", w.alice)
	if enrols() {
		t.Error("a repository that only had the name enrols dev")
	}
}
