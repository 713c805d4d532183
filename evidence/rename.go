package evidence

import (
	"fmt"
	"time"

	"github.com/countersign/countersign/policy"
)

// renameWithin is how far apart GitHub may list the two halves of a renaming.
const renameWithin = time.Minute

// renames tell branches apart through all the names that they had. GitHub's activity knows no
// renaming: it lists that a branch was made where another of the repository was deleted, at once
// and by one account.
type renames struct {
	halves map[int64]bool     // leaves of the updates that are part of a renaming
	lines  map[int64]string   // what tells the branch of an update apart, by the update's leaf
	names  map[string][]named // which branches had a name, in order; by repository and name

	now  map[string]string // which branch has a name now
	free map[string]bool   // names whose branch got another one
}

// named is a branch that had a name from a time on.
type named struct {
	from time.Time
	line string
}

// renamesIn finds the branches of sorted updates that got other names.
func renamesIn(list []*change) renames {
	r := renames{map[int64]bool{}, map[int64]string{}, map[string][]named{}, map[string]string{}, map[string]bool{}}
	halves := halvesOf(list)
	for _, c := range list {
		if r.lines[c.leaf] == "" {
			r.see(c, halves)
		}
	}
	return r
}

// see takes the next update. One half of a renaming may come before the other.
func (r *renames) see(c *change, halves map[int64]*change) {
	u := c.update
	key, other := u.branch(), halves[c.leaf]
	switch {
	case u.kind == policy.UpdateCreation && other != nil:
		was := other.update.branch()
		if r.lines[other.leaf] == "" {
			r.lines[other.leaf] = r.line(was)
			r.leave(was)
		}
		r.halves[c.leaf], r.halves[other.leaf] = true, true
		r.call(key, u.at, r.lines[other.leaf])
	case u.kind == policy.UpdateCreation && r.free[key]:
		r.call(key, u.at, fmt.Sprintf("%s since update %d", key, u.id))
	}
	r.lines[c.leaf] = r.line(key)
	if u.kind == policy.UpdateDeletion && other != nil {
		r.leave(key)
	}
}

// line is what tells the branch apart that has a name now.
func (r *renames) line(key string) string {
	if r.now[key] == "" {
		r.call(key, time.Time{}, key)
	}
	return r.now[key]
}

func (r *renames) call(key string, at time.Time, line string) {
	r.now[key] = line
	r.names[key] = append(r.names[key], named{at, line})
	delete(r.free, key)
}

func (r *renames) leave(key string) {
	delete(r.now, key)
	r.free[key] = true
}

// at is what tells the branch apart that had a name at a time.
func (r *renames) at(key string, at time.Time) string {
	list := r.names[key]
	for i := len(list) - 1; i >= 0; i-- {
		if i == 0 || !list[i].from.After(at) {
			return list[i].line
		}
	}
	return key
}

// halvesOf joins both halves of each renaming: by the leaf of one, the other.
func halvesOf(list []*change) map[int64]*change {
	deleted := map[string][]*change{} // by where the branch was
	for _, c := range list {
		if c.update.kind == policy.UpdateDeletion {
			key := branchKey(c.update.repositoryID, c.update.before)
			deleted[key] = append(deleted[key], c)
		}
	}
	out := map[int64]*change{}
	for _, made := range list {
		if made.update.kind != policy.UpdateCreation {
			continue
		}
		for _, gone := range deleted[branchKey(made.update.repositoryID, made.update.after)] {
			apart := made.update.at.Sub(gone.update.at).Abs()
			if gone.update.ref != made.update.ref && gone.update.actorID == made.update.actorID && apart <= renameWithin && out[gone.leaf] == nil {
				out[made.leaf], out[gone.leaf] = gone, made
				break
			}
		}
	}
	return out
}
