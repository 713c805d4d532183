package evidence

import (
	"time"

	"github.com/countersign/countersign/policy"
)

// TestedChange is a change that has pages of its own, as the records of a verified bundle tell of
// it: what GitHub is asked again.
type TestedChange struct {
	ID           string
	RepositoryID int64
	Repository   string // owner/name, as it was
	Branch       string
	Commit       string // that the branch led to
	At           time.Time
	Number       int    // pull request; 0: none
	HeadSHA      string // that was merged
	// Facts are those of the decision that preceded the merge; nil: there was none, or it was made
	// without facts.
	Facts *policy.Facts
}

// tested calls each for the changes that have pages of their own.
func (f *findings) tested(each func(TestedChange) error) error {
	for _, c := range f.changes {
		if !f.shown(c) {
			continue
		}
		u := c.update
		t := TestedChange{ID: c.id(), RepositoryID: u.repositoryID, Repository: u.repository, Branch: u.ref, Commit: u.after, At: u.at, Number: c.number, HeadSHA: c.head}
		if c.decision >= 0 {
			j, err := f.judged(c.decision)
			if err != nil {
				return err
			}
			t.Facts = j.facts
		}
		if err := each(t); err != nil {
			return err
		}
	}
	return nil
}
