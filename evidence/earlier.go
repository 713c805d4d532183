package evidence

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/ledger"
)

// The kinds of leaves about what reached a branch before it was enrolled.
const (
	leafBackfilled = "backfilled" // an update, read from GitHub's list long after it
	leafBackfill   = "backfill"   // how far back the list was read
)

// beforeInstallation is said of changes from before their branch was enrolled: no decision could
// let them in.
const beforeInstallation = "before installation"

// backfilledOf are the items that an update from before its branch was enrolled gives. Whatever
// its record says, nothing was decided about it and nothing was found.
func backfilledOf(l ledger.Leaf, body []byte, q Query) ([]change, error) {
	var m mergeBody
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("leaf %d is no update: %w", l.Seq, err)
	}
	m.Findings, m.Update.Group, m.Update.Seq, m.Update.Mode = nil, nil, 0, ""
	for i := range m.Update.Changes.Items {
		m.Update.Changes.Items[i].Before, m.Update.Changes.Items[i].Later = nil, nil
	}
	list := changesIn(l, m, q)
	for i := range list {
		list[i].update.earlier = true
	}
	return list, nil
}

// settle sorts the changes. What was read afterwards of an update that is judged is not counted
// again, and neither is what was read twice.
func (c *contents) settle() {
	type update struct{ repository, id int64 }
	first := map[update]*change{}
	for _, list := range [][]change{c.changes, c.made} {
		for i := range list {
			x := &list[i]
			key := update{x.update.repositoryID, x.update.id}
			was := first[key]
			if was == nil || was.update.earlier && (!x.update.earlier || x.leaf < was.leaf) {
				first[key] = x
			}
		}
	}
	leaves := map[int64]bool{}
	for _, x := range first {
		leaves[x.leaf] = true
	}
	other := func(x change) bool { return !leaves[x.leaf] }
	c.changes, c.made = slices.DeleteFunc(c.changes, other), slices.DeleteFunc(c.made, other)
	sortChanges(c.changes)
	sortChanges(c.made)
}

// updates are the changes with what made or deleted a branch before it was enrolled, sorted.
func (c *contents) updates() (out []*change) {
	made := c.made
	for i := range c.changes {
		for len(made) > 0 && compareChanges(made[0], c.changes[i]) < 0 {
			out, made = append(out, &made[0]), made[1:]
		}
		out = append(out, &c.changes[i])
	}
	for i := range made {
		out = append(out, &made[i])
	}
	return out
}

// historyRead is one record of how far back a branch's history was read.
type historyRead struct {
	leaf         int64
	RepositoryID int64     `json:"repository_id"`
	Repository   string    `json:"repository"`
	Ref          string    `json:"ref"`
	Since        time.Time `json:"since"`
	Until        time.Time `json:"until"`
	ReadFrom     time.Time `json:"read_from"`
	Why          string    `json:"why"`
	Names        []struct {
		Ref   string    `json:"ref"`
		Until time.Time `json:"until"`
	} `json:"names"`
}

func historyOf(l ledger.Leaf, body []byte) (historyRead, error) {
	h := historyRead{leaf: l.Seq}
	if err := json.Unmarshal(body, &h); err != nil {
		return h, fmt.Errorf("leaf %d is no history of a branch: %w", l.Seq, err)
	}
	return h, nil
}

// unenrolled is a time in the period in which a branch was not enrolled yet.
type unenrolled struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// ReadFrom is from when on everything that GitHub listed afterwards, up to To, is in the
	// population; absent: nothing is. Why says why not from From on; absent: it is.
	ReadFrom time.Time `json:"read_from,omitzero"`
	Why      string    `json:"why,omitempty"`
}

// histories are the records of the histories of branches, by what tells branches apart.
type histories map[string][]historyRead

func historiesIn(list []historyRead) histories {
	out := histories{}
	for _, h := range list {
		key := branchKey(h.RepositoryID, h.Ref)
		out[key] = append(out[key], h)
	}
	return out
}

// historyNotRead is said where no record tells of a history.
const historyNotRead = "What reached the branch then was not read, or not to its end yet."

// read is from when on what reached a branch up to a time was read, and why not further; the zero
// time: nothing was. What is asked about already, because the branch had a name twice, is in the
// one record about it.
func (h histories) read(key string, until time.Time, asked map[string]bool) (from time.Time, why string) {
	asked[key] = true
	for _, r := range h[key] {
		if r.Until.Before(until) {
			continue
		}
		at, reason := h.reach(r, asked)
		switch {
		case at.IsZero() && from.IsZero():
			why = reason
		case !at.IsZero() && (from.IsZero() || at.Before(from)):
			from, why = at, reason
		}
	}
	if from.IsZero() && why == "" {
		why = historyNotRead
	}
	return from, why
}

// reach is how far a record goes, with those about the names that the branch had before.
func (h histories) reach(r historyRead, asked map[string]bool) (from time.Time, why string) {
	from, why = r.ReadFrom, r.Why
	for _, n := range r.Names {
		key := branchKey(r.RepositoryID, n.Ref)
		if asked[key] {
			continue
		}
		earlier, cause := h.read(key, n.Until, asked)
		if earlier.IsZero() {
			earlier = n.Until
		}
		if earlier.After(from) {
			from, why = earlier, cause
		}
	}
	return from, why
}

// within is a time in which a branch was not enrolled, with what was read of it.
func (h histories) within(key string, from, to time.Time) unenrolled {
	u := unenrolled{From: from.UTC(), To: to.UTC()}
	read, why := h.read(key, to, map[string]bool{})
	switch {
	case read.IsZero():
		u.Why = why
	case !read.After(from):
		u.ReadFrom = u.From
	case !read.Before(to):
		u.Why = why
	default:
		u.ReadFrom, u.Why = read.UTC(), why
	}
	if u.Why == "" && u.ReadFrom.After(u.From) || u.ReadFrom.IsZero() && u.Why == "" {
		u.Why = "It was asked for from " + moment(read) + " on."
	}
	return u
}

// unenrolledIn are the times of the period in which the branch was not enrolled yet. Next is the
// first record from after the period that says that it is; nil: there is none.
func (l *branchLine) unenrolledIn(q Query, h histories, next *enrolment) (out []unenrolled) {
	at := q.From
	add := func(key string, until time.Time) {
		if until.After(q.To) {
			until = q.To
		}
		if at.Before(until) {
			out = append(out, h.within(key, at, until))
		}
	}
	for _, e := range l.Enrolled {
		add(e.key, e.From)
		if e.To.IsZero() {
			return out
		}
		if e.To.After(at) {
			at = e.To
		}
	}
	if next != nil {
		add(next.branch(), next.since())
	}
	return out
}

// unread says whether any of that was not read.
func (l *branchLine) unread() bool {
	return slices.ContainsFunc(l.Unenrolled, func(u unenrolled) bool { return u.Why != "" })
}

// enrolledThen says whether the branch was enrolled in the period, as far as the records tell.
func (l *branchLine) enrolledThen() bool { return len(l.Enrolled) > 0 || l.Updates > 0 }

// enrolledThen is how many branches were enrolled in the period.
func (c completeness) enrolledThen() (n int) {
	for i := range c.Branches {
		if c.Branches[i].enrolledThen() {
			n++
		}
	}
	return n
}
