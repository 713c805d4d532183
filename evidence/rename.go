package evidence

import (
	"time"

	"github.com/countersign/countersign/policy"
)

// renameWithin is how far apart GitHub may list the two halves of a renaming.
const renameWithin = time.Minute

// renames finds the branches that got another name. GitHub's activity knows no renaming: it lists
// that a branch was made where another of the repository was deleted, at once and by one account.
type renames struct {
	before map[string]string // what tells a branch apart, by that of its newer name
	halves map[int64]bool    // leaves of the updates that are part of a renaming
}

func renamesIn(list []change) renames {
	r := renames{map[string]string{}, map[int64]bool{}}
	deleted := map[string][]change{} // by where the branch was
	at := func(u update, sha string) string { return branchKey(u.repositoryID, sha) }
	for _, c := range list {
		if c.update.kind == policy.UpdateDeletion {
			key := at(c.update, c.update.before)
			deleted[key] = append(deleted[key], c)
		}
	}
	for _, made := range list {
		if made.update.kind != policy.UpdateCreation || r.before[made.update.branch()] != "" {
			continue
		}
		for _, gone := range deleted[at(made.update, made.update.after)] {
			apart := made.update.at.Sub(gone.update.at).Abs()
			if gone.update.ref != made.update.ref && gone.update.actorID == made.update.actorID && apart <= renameWithin && !r.halves[gone.leaf] {
				r.before[made.update.branch()] = gone.update.branch()
				r.halves[made.leaf], r.halves[gone.leaf] = true, true
				break
			}
		}
	}
	return r
}

// first is what tells a branch apart by the first name that it had. Two branches that swapped
// names keep theirs.
func (r renames) first(key string) string {
	for begin := key; r.before[key] != ""; {
		if key = r.before[key]; key == begin {
			return begin
		}
	}
	return key
}
