package facts_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// A first-parent commit counts for the pull request that became it, and for none that GitHub does
// not name: it is unexplained then.
func TestFirstParentsOfAnUpdate(t *testing.T) {
	w := newWorld(t)
	before := w.repo.Head("main")
	open := func(name string) *ghsim.PullRequest {
		return w.repo.OpenPullRequest(ghsim.PullSpec{Title: "Work", Head: name, Author: w.bob, Commits: []ghsim.Commit{{Message: "m", Files: map[string]string{name: "x\n"}}}})
	}
	merge := func(p *ghsim.PullRequest, method string) {
		t.Helper()
		if err := p.Merge(w.alice, method); err != nil {
			t.Fatal(err)
		}
	}
	one := open("one")
	merge(one, "squash")
	w.repo.Push("main", w.alice, ghsim.Commit{Message: "past the queue", Files: map[string]string{"past": "x\n"}})
	// Two have one head, so that GitHub calls both merged by one commit: it counts for the first.
	second := open("two")
	if err := w.repo.PushTo("three", second.HeadSHA(), w.bob); err != nil {
		t.Fatal(err)
	}
	merge(open("three"), "merge")

	want := func(kind string, want ...string) {
		t.Helper()
		u := gh.RefUpdate{ID: 1, Ref: "refs/heads/main", Before: before, After: w.repo.Head("main"), At: time.Now(), Type: kind}
		f, err := facts.ReadUpdate(t.Context(), w.client, shop, "main", u, nil)
		if err != nil || !f.FirstParents.Complete {
			t.Fatalf("%s: %+v, %v", kind, f.FirstParents, err)
		}
		var got []string
		for _, c := range f.FirstParents.Items {
			got = append(got, fmt.Sprintf("%s %d", c.By, c.Number))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
	}
	merged := fmt.Sprint(second.Number())
	want(policy.UpdateQueueMerge, "merge_group 1", "unexplained 0", "merge_group "+merged)
	want(policy.UpdateMerge, "unexplained 0", "unexplained 0", "pull_request "+merged)
	want(policy.UpdatePush, "direct 0", "direct 0", "direct "+merged)
	want("something newer", "unexplained 0", "unexplained 0", "unexplained "+merged)
}
