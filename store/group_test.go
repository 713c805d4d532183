package store

import (
	"errors"
	"slices"
	"testing"
)

// decideGroup records a decision about the merge group of a commit.
func decideGroup(t *testing.T, s *Store, org int64, head, verdict string, rank int) Recorded {
	t.Helper()
	ok(t, s.Mark(t.Context(), []Mark{{Kind: KindGroup, OrgID: org, InstallationID: 5, RepoID: repo, Repository: "acme/app", HeadSHA: head, Ref: "main"}}))
	r := decision(claim(t, s, org, KindGroup, "77/"+head), head, verdict, rank)
	r.Number, r.BaseRef = 0, "main"
	out, err := s.Tenant(org).Record(t.Context(), r)
	ok(t, err)
	return out
}

// A pull request can have the commit of a merge group as its head. Whoever is decided about last,
// the worse of the two is shown there.
func testAGroupAndAPullRequestOnOneCommit(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	n := s.Tenant(acme)
	shown := func() string {
		t.Helper()
		return must(n.Publication(t.Context(), repo, "g1", "countersign")).Wanted.RecordID
	}
	if _, err := n.GroupDecision(t.Context(), repo, "g1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a decision about nothing: %v", err)
	}
	waiting := decideGroup(t, s, acme, "g1", "waiting", 1)
	if got := shown(); got != waiting.RecordID {
		t.Errorf("alone: got %s, want the group's", got)
	}
	passing := decide(t, s, acme, 1, "g1", "pass", 0)
	if got := shown(); got != waiting.RecordID {
		t.Errorf("with a pull request that passes: got %s, want the group's", got)
	}
	green := decideGroup(t, s, acme, "g1", "pass", 0)
	if got := shown(); got != green.RecordID {
		t.Errorf("both pass: got %s, want the group's %s, not %s", got, green.RecordID, passing.RecordID)
	}
	failing := decide(t, s, acme, 2, "g1", "fail", 3)
	p := must(n.Publication(t.Context(), repo, "g1", "countersign"))
	if p.Wanted.RecordID != failing.RecordID || !slices.Equal(p.Also, []int{1}) {
		t.Errorf("with a pull request that fails: got %s beside %v, want that one beside 1", p.Wanted.RecordID, p.Also)
	}
	if again := decideGroup(t, s, acme, "g1", "pass", 0); shown() != failing.RecordID || must(n.GroupDecision(t.Context(), repo, "g1")).RecordID != again.RecordID {
		t.Error("the group's newest decision hides one that fails, or is not found")
	}
	// Another organisation's group of the same commit counts for itself.
	decideGroup(t, s, other, "g1", "fail", 3)
	if got := shown(); got != failing.RecordID {
		t.Errorf("another organisation's decision is shown: %s", got)
	}
	verifyLog(t, s)
}

// A mark that comes while the job of a group that is gone ends is not lost with it.
func testAGroupThatIsBackIsLookedAt(t *testing.T, open opener) {
	s := open(t, Options{Now: newClock().Now})
	mark := []Mark{{Kind: KindGroup, OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", HeadSHA: "g1", Ref: "main"}}
	ok(t, s.Mark(t.Context(), mark))
	n := s.Tenant(acme)
	job := claimOne(t, s, KindGroup, "77/g1")
	ok(t, s.Mark(t.Context(), mark))
	ok(t, n.DropGroup(t.Context(), job))
	job = claimOne(t, s, KindGroup, "77/g1")
	ok(t, n.DropGroup(t.Context(), job))
	if must(n.GroupKnown(t.Context(), repo, "g1")) {
		t.Error("a group that is gone is known still")
	}
	if err := n.DropGroup(t.Context(), job); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("dropped twice: got %v, want ErrLeaseLost", err)
	}
}
