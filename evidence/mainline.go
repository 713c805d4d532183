package evidence

import (
	"time"

	"github.com/countersign/countersign/policy"
)

// Mainline is what the records say of one branch over the period: what its history in git must
// agree with.
type Mainline struct {
	RepositoryID int64
	Repository   string // owner/name, as last seen
	Branch       string
	Updates      []MainlineUpdate // in order
}

// MainlineUpdate is one update of a branch.
type MainlineUpdate struct {
	Leaf          int64
	ID            int64  // GitHub's
	Type          string // GitHub's
	Before, After string // commits; zeros: there was none
	At            time.Time
	// FirstParents are the first-parent commits that it put on the branch, oldest first, if Listed
	// is true.
	FirstParents []string
	Listed       bool
}

// mainlines are the branches of sorted updates. What was there before a force push from before
// the branch was enrolled is in no clone, and nobody claims to know anything of it.
func mainlines(list []*change) (out []Mainline) {
	place, last := map[string]int{}, int64(-1)
	for _, c := range list {
		if c.leaf == last {
			continue // of the same update
		}
		last = c.leaf
		u := c.update
		i, ok := place[u.branch()]
		if !ok {
			i = len(out)
			place[u.branch()] = i
			out = append(out, Mainline{RepositoryID: u.repositoryID, Branch: u.ref})
		}
		out[i].Repository = u.repository
		if u.earlier && u.kind == policy.UpdateForcePush {
			out[i].Updates = nil
			continue
		}
		out[i].Updates = append(out[i].Updates, MainlineUpdate{c.leaf, u.id, u.kind, u.before, u.after, u.at, u.line, u.listed})
	}
	return out
}
