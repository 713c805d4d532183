package evidence

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/countersign/countersign/ledger"
)

// standing is how a checkpoint that somebody kept stands to the log of a bundle.
type standing int

const (
	begins standing = iota // the log begins with what it signs
	beyond                 // it is of more leaves than the bundle, and says nothing of it
	lost                   // it is of leaves that the log itself says were lost, when an old copy was restored
)

// stands compares a checkpoint of the log with its leaves. Public is the key of the log that signed
// it; empty: a witness did. The error says what is wrong with the log.
func (v *verifier) stands(c ledger.Checkpoint, public string) (standing, error) {
	ended, is := v.lineage.ended(c.Origin), v.lineage.terms.At(c.Size)
	rightly := is.Origin == c.Origin && (public == "" || public == is.Public)
	switch {
	case ended == nil && !rightly:
		return begins, fmt.Errorf("it signs %d leaves as %s by the key %s, and the log was %s with the key %s then: a key was used when it was not the log's", c.Size, c.Origin, public, is.Origin, is.Public)
	case c.Size > v.contents.tree.Size() && ended == nil:
		return beyond, nil
	case c.Size > v.contents.tree.Size():
		return v.inLost(c, ended)
	}
	root, err := ledger.Root(c.Size, v.contents.hashes)
	switch {
	case err != nil:
		return begins, err
	case rightly && root == c.Root:
		return begins, nil
	case ended != nil:
		return v.inLost(c, ended)
	}
	return begins, fmt.Errorf("the log does not begin with the %d leaves that it signs: it was rewritten", c.Size)
}

// inLost compares a checkpoint under a name that ended, which the log does not begin with, with what
// the log says was known of that name.
func (v *verifier) inLost(c ledger.Checkpoint, ended *turn) (standing, error) {
	known, _, err := v.lineage.terms.Open([]byte(ended.restored.LastCheckpoint), c.Origin)
	switch {
	case err != nil:
		return lost, err
	case c.Size > known.Size:
		return lost, fmt.Errorf("it signs %[2]d leaves of %[1]s, and leaf %[3]d says that %[4]d were the most that were known when an old copy was restored: more was lost than the log says", c.Origin, c.Size, ended.leaf, known.Size)
	case c.Size == known.Size && c.Root != known.Root:
		return lost, fmt.Errorf("it and the checkpoint of %s that leaf %d names are of the same %d leaves, and differ: there were two logs of one name", c.Origin, ended.leaf, c.Size)
	}
	return lost, nil
}

// lostText says of a checkpoint in lost leaves what can be proved, and what not.
func (v *verifier) lostText(c ledger.Checkpoint) string {
	t := v.lineage.ended(c.Origin)
	r := t.restored
	is := fmt.Sprintf("it is a beginning of the %d leaves that were known of that name, or another log, which nobody can tell any more", r.LastSize)
	if c.Size == r.LastSize {
		is = "it is the last checkpoint that leaf " + fmt.Sprint(t.leaf) + " names"
	}
	return fmt.Sprintf("the log does not begin with your checkpoint of %d leaves of %s, and says so itself: an old copy was restored, and leaf %d goes on under the name %s. Of your checkpoint, %s. What is proved: the leaves in the bundle are those that %s signs. What is not: what was recorded between %s and %s, of which leaves are lost",
		c.Size, c.Origin, t.leaf, r.Origin, is, r.Origin, moment(r.LostFrom), moment(r.LostTo))
}

// beginsWith checks that the log begins with the checkpoints that the auditor kept.
func (v *verifier) beginsWith() error {
	if len(v.trust.Checkpoints) == 0 {
		return nil
	}
	for _, kept := range v.trust.Checkpoints {
		c, by, err := v.lineage.terms.Open(kept.Signed, "")
		if err != nil {
			return broken("", "%s is not a checkpoint of this log: %v", kept.Name, err)
		}
		switch stands, err := v.stands(c, by.Public); {
		case err != nil:
			return broken(fileLeaves, "%s: %v", kept.Name, err)
		case stands == beyond:
			return broken(fileCheckpoint, "your checkpoint is of %d leaves, and the bundle of %d: the bundle is older, or the log was cut", c.Size, v.contents.tree.Size())
		case stands == lost:
			return broken(fileLeaves, "%s: %s", kept.Name, v.lostText(c))
		}
	}
	v.held("consistency", "The log begins with what each of your %d checkpoints signs.", len(v.trust.Checkpoints))
	return nil
}

// Anchored is how the checkpoints that were kept in a repository stand to the log of a bundle.
type Anchored struct {
	// Compared are those that the log begins with, and Newest the largest of them, in leaves.
	Compared int   `json:"compared"`
	Newest   int64 `json:"newest"`
	// Beyond are of more leaves than the bundle has, and say nothing of it.
	Beyond int `json:"beyond"`
	// Lost are of leaves that the log says were lost.
	Lost int `json:"lost"`
	// Others are of other logs.
	Others int `json:"of_other_logs"`
}

// anchors compares the log with every checkpoint that was kept in a repository.
func (v *verifier) anchors() error {
	if v.trust.Anchors == nil {
		return nil
	}
	a := &Anchored{}
	v.report.Anchored = a
	for _, kept := range v.trust.Anchors {
		c, by, err := v.lineage.terms.Open(kept.Signed, "")
		if err != nil {
			origin, size := nameAndSize(kept.Signed)
			if !v.lineage.called(origin) {
				a.Others++
				continue
			}
			if size > v.contents.tree.Size() { // by a key that the log got later
				a.Beyond++
				continue
			}
			return broken("", "%s has the name of this log, and is no checkpoint of it: %v", kept.Name, err)
		}
		switch stands, err := v.stands(c, by.Public); {
		case err != nil:
			return broken(fileLeaves, "%s: %v", kept.Name, err)
		case stands == beyond:
			a.Beyond++
		case stands == lost:
			a.Lost++
		default:
			a.Compared, a.Newest = a.Compared+1, max(a.Newest, c.Size)
		}
	}
	if a.Compared == 0 {
		return broken("", "none of the %d anchored checkpoints is one that the bundle's log could be compared with: %d are of other logs, %d of more leaves than it has, %d of leaves that were lost", len(v.trust.Anchors), a.Others, a.Beyond, a.Lost)
	}
	v.held("anchors", "The log begins with what each of %d anchored checkpoints signs, the newest of %d of its %d leaves; %d more are of a longer log, %d of leaves that it says were lost, %d of other logs.", a.Compared, a.Newest, v.contents.tree.Size(), a.Beyond, a.Lost, a.Others)
	return nil
}

// nameAndSize are what a checkpoint says that it is of, whoever signed it.
func nameAndSize(signed []byte) (origin string, size int64) {
	line := strings.SplitN(string(signed), "\n", 3)
	if len(line) < 3 {
		return "", 0
	}
	size, _ = strconv.ParseInt(line[1], 10, 64)
	return line[0], size
}
